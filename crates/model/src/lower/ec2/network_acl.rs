//! Network ACLs, their entries, and the subnets they stand before.

use crate::reader::{Lowering, Reader};
use crate::{Model, NetworkAcl, NetworkAclEntry};

use super::super::security_group::{protocol, report_ports, traffic};
use super::{in_vpc, subnets_of};

const NETWORK_ACL: &str = "AWS::EC2::NetworkAcl";

pub(super) fn lower(lowering: &Lowering<'_>, model: &mut Model) {
    model.network_acls = in_vpc(lowering, NETWORK_ACL, |properties, id, vpc| NetworkAcl {
        network_acl_id: id.physical,
        vpc,
        entries: Vec::new(),
        subnets: Vec::new(),
        provenance: properties.provenance.clone(),
        id: id.logical,
    });
    for resource in lowering.resources("AWS::EC2::NetworkAclEntry") {
        let properties = lowering.reader(resource);
        properties.require(&["NetworkAclId", "Protocol", "RuleAction", "RuleNumber"]);
        let acl = properties.reference("NetworkAclId", &[NETWORK_ACL]);
        let entry = network_acl_entry(&properties);
        if let Some(acl) = acl.and_then(|id| model.network_acls.get_mut(&id)) {
            acl.entries.extend(entry);
        }
    }
    let associations = "AWS::EC2::SubnetNetworkAclAssociation";
    for (acl, subnet) in subnets_of(lowering, associations, "NetworkAclId", NETWORK_ACL) {
        if let Some(acl) = model.network_acls.get_mut(&acl) {
            acl.subnets.push(subnet);
        }
    }
    for acl in model.network_acls.values_mut() {
        acl.entries
            .sort_by_key(|entry| (entry.egress, entry.rule_number));
    }
}

fn network_acl_entry(properties: &Reader<'_>) -> Option<NetworkAclEntry> {
    let cidr = properties.parsed("CidrBlock", "not a CIDR block", |text| text.parse().ok());
    let cidr6 = properties.parsed("Ipv6CidrBlock", "not an IPv6 CIDR block", |text| {
        text.parse().ok()
    });
    let ports = properties.child("PortRange");
    let icmp = properties.child("Icmp");
    let (from, to) = match (&ports, &icmp) {
        (Some(ports), _) => (ports.number("From"), ports.number("To")),
        (None, Some(icmp)) => (icmp.number("Type"), icmp.number("Code")),
        (None, None) => (None, None),
    };
    let protocol = properties.parsed("Protocol", "not a protocol", protocol)?;
    let traffic = traffic(protocol, from, to);
    if traffic.is_none() {
        report_ports(properties, &["PortRange", "Protocol"]);
    }
    let action = properties.text("RuleAction");
    Some(NetworkAclEntry {
        rule_number: properties.number("RuleNumber")?,
        egress: properties.flag("Egress").unwrap_or(false),
        allow: action.is_some_and(|action| action.eq_ignore_ascii_case("allow")),
        traffic: traffic?,
        cidr,
        cidr6,
        provenance: properties.provenance.clone(),
    })
}
