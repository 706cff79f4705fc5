//! VPC, subnets, gateways, prefix lists, flow logs; routes, network ACLs and
//! endpoints have files of their own.

mod network_acl;
mod route_table;
mod vpc_endpoint;

use std::collections::BTreeMap;

use ipnet::Ipv6Net;

use crate::reader::{Lowering, Reader};
use crate::{FlowLog, InternetGateway, LogicalId, Model, NatGateway, PrefixList, Subnet, Vpc};

/// AWS-managed prefix lists that templates name by id. The id differs per
/// region (VPC User Guide, "AWS-managed prefix lists").
const MANAGED_PREFIX_LISTS: &[(&str, &str)] = &[
    (
        "pl-22a6434b",
        "com.amazonaws.global.cloudfront.origin-facing",
    ),
    ("pl-78a54011", "com.amazonaws.ap-northeast-2.s3"),
    ("pl-48a54021", "com.amazonaws.ap-northeast-2.dynamodb"),
    (
        "pl-3b927c52",
        "com.amazonaws.global.cloudfront.origin-facing",
    ),
    ("pl-63a5400a", "com.amazonaws.us-east-1.s3"),
];

pub(super) fn lower(lowering: &Lowering<'_>, model: &mut Model) {
    vpcs(lowering, model);
    subnets(lowering, model);
    internet_gateways(lowering, model);
    nat_gateways(lowering, model);
    prefix_lists(lowering, model);
    vpc_endpoint::lower(lowering, model);
    route_table::lower(lowering, model);
    network_acl::lower(lowering, model);
    flow_logs(lowering, model);
}

fn vpcs(lowering: &Lowering<'_>, model: &mut Model) {
    for resource in lowering.resources("AWS::EC2::VPC") {
        let properties = lowering.reader(resource);
        properties.skip(&["Tags", "InstanceTenancy"]);
        let id = LogicalId::new(&resource.logical_id);
        let cidr = properties.parsed("CidrBlock", "not a CIDR block", |text| text.parse().ok());
        let vpc = Vpc {
            vpc_id: own_id(lowering, &id),
            cidrs: cidr.into_iter().collect(),
            cidr6: None,
            dns_support: properties.flag("EnableDnsSupport").unwrap_or(true),
            dns_hostnames: properties.flag("EnableDnsHostnames").unwrap_or(false),
            provenance: properties.provenance.clone(),
            id: id.clone(),
        };
        model.vpcs.insert(id, vpc);
    }
    for (index, resource) in lowering.resources("AWS::EC2::VPCCidrBlock").enumerate() {
        let properties = lowering.reader(resource);
        properties.skip(&["Ipv6CidrBlockNetworkBorderGroup"]);
        let vpc = properties.reference("VpcId", &["AWS::EC2::VPC"]);
        let more = properties.parsed("CidrBlock", "not a CIDR block", |text| {
            text.parse::<ipnet::Ipv4Net>().ok()
        });
        let provided = properties.flag("AmazonProvidedIpv6CidrBlock") == Some(true);
        let Some(vpc) = vpc.and_then(|id| model.vpcs.get_mut(&id)) else {
            continue;
        };
        vpc.cidrs.extend(more);
        if provided {
            // What AWS would provide: a /56, here of the documentation range (RFC 3849).
            let base = (0x2001_0db8_u128 << 96) | (u128::try_from(index).unwrap_or(0) << 72);
            vpc.cidr6 = Ipv6Net::new(base.into(), 56).ok();
        }
    }
}

fn subnets(lowering: &Lowering<'_>, model: &mut Model) {
    for (index, resource) in lowering.resources("AWS::EC2::Subnet").enumerate() {
        let properties = lowering.reader(resource);
        properties.skip(&["Tags"]);
        properties.require(&["VpcId", "CidrBlock"]);
        let id = LogicalId::new(&resource.logical_id);
        let zone = properties.text("AvailabilityZone");
        let vpc = properties.reference("VpcId", &["AWS::EC2::VPC"]);
        let cidr = properties.parsed("CidrBlock", "not a CIDR block", |text| text.parse().ok());
        let public = properties.flag("MapPublicIpOnLaunch").unwrap_or(false);
        let assigns_ipv6 = properties
            .flag("AssignIpv6AddressOnCreation")
            .unwrap_or(false);
        let (Some(vpc), Some(cidr)) = (vpc, cidr) else {
            continue;
        };
        let cidr6 = properties.value("Ipv6CidrBlock").and_then(|value| {
            let literal = value.as_text().and_then(|text| text.parse().ok());
            literal.or_else(|| nth_block(model.vpcs.get(&vpc)?.cidr6?, index))
        });
        // Without a zone AWS picks one; alternate, as it tends to.
        let letter = if index % 2 == 0 { 'a' } else { 'b' };
        let subnet = Subnet {
            subnet_id: own_id(lowering, &id),
            vpc,
            cidr,
            cidr6,
            assigns_ipv6,
            availability_zone: zone.unwrap_or_else(|| format!("{}{letter}", lowering.stack.region)),
            map_public_ip_on_launch: public,
            provenance: properties.provenance.clone(),
            id: id.clone(),
        };
        model.subnets.insert(id, subnet);
    }
}

/// The n-th /64 of a VPC's block: a stand-in for the one a function cuts.
fn nth_block(vpc: Ipv6Net, index: usize) -> Option<Ipv6Net> {
    let base: u128 = vpc.network().into();
    let index = u128::try_from(index % 256).ok()?;
    Ipv6Net::new((base | (index << 64)).into(), 64).ok()
}

fn internet_gateways(lowering: &Lowering<'_>, model: &mut Model) {
    for resource in lowering.resources("AWS::EC2::InternetGateway") {
        let properties = lowering.reader(resource);
        properties.skip(&["Tags"]);
        let id = LogicalId::new(&resource.logical_id);
        let gateway = InternetGateway {
            gateway_id: own_id(lowering, &id),
            vpc: None,
            provenance: properties.provenance.clone(),
            id: id.clone(),
        };
        model.internet_gateways.insert(id, gateway);
    }
    for resource in lowering.resources("AWS::EC2::VPCGatewayAttachment") {
        let properties = lowering.reader(resource);
        let vpc = properties.reference("VpcId", &["AWS::EC2::VPC"]);
        let gateway = properties.reference("InternetGatewayId", &["AWS::EC2::InternetGateway"]);
        if let Some(gateway) = gateway.and_then(|id| model.internet_gateways.get_mut(&id)) {
            gateway.vpc = vpc;
        }
    }
}

fn nat_gateways(lowering: &Lowering<'_>, model: &mut Model) {
    for resource in lowering.resources("AWS::EC2::NatGateway") {
        let properties = lowering.reader(resource);
        properties.skip(&["Tags", "ConnectivityType"]);
        properties.require(&["SubnetId"]);
        let id = LogicalId::new(&resource.logical_id);
        let allocation = properties.reference("AllocationId", &["AWS::EC2::EIP"]);
        let subnet = properties.reference("SubnetId", &["AWS::EC2::Subnet"]);
        let Some(subnet) = subnet else { continue };
        let gateway = NatGateway {
            gateway_id: own_id(lowering, &id),
            subnet,
            allocation,
            provenance: properties.provenance.clone(),
            id: id.clone(),
        };
        model.nat_gateways.insert(id, gateway);
    }
}

fn prefix_lists(lowering: &Lowering<'_>, model: &mut Model) {
    for (id, name) in MANAGED_PREFIX_LISTS {
        let list = PrefixList {
            prefix_list_id: (*id).to_owned(),
            name: (*name).to_owned(),
            entries: None,
        };
        model.prefix_lists.insert((*id).to_owned(), list);
    }
    for resource in lowering.resources("AWS::EC2::PrefixList") {
        let properties = lowering.reader(resource);
        properties.skip(&["Tags", "MaxEntries", "AddressFamily"]);
        let prefix_list_id = own_id(lowering, &LogicalId::new(&resource.logical_id));
        let entries = properties.children("Entries");
        let entries = entries.iter().filter_map(|entry| {
            entry.skip(&["Description"]);
            entry.parsed("Cidr", "not a CIDR block", |text| text.parse().ok())
        });
        let list = PrefixList {
            name: properties.text("PrefixListName").unwrap_or_default(),
            entries: Some(entries.collect()),
            prefix_list_id: prefix_list_id.clone(),
        };
        model.prefix_lists.insert(prefix_list_id, list);
    }
}

fn flow_logs(lowering: &Lowering<'_>, model: &mut Model) {
    for resource in lowering.resources("AWS::EC2::FlowLog") {
        let properties = lowering.reader(resource);
        properties.skip(&[
            "DeliverLogsPermissionArn",
            "LogDestinationType",
            "LogFormat",
            "MaxAggregationInterval",
            "ResourceType",
            "Tags",
        ]);
        let id = LogicalId::new(&resource.logical_id);
        let group = properties.text("LogGroupName");
        let destination = properties.text("LogDestination");
        let destination =
            destination.and_then(|arn| Some(arn.split_once(":log-group:")?.1.to_owned()));
        let log = FlowLog {
            resource: properties.reference("ResourceId", &["AWS::EC2::VPC", "AWS::EC2::Subnet"]),
            traffic_type: properties
                .text("TrafficType")
                .unwrap_or_else(|| "ALL".to_owned()),
            log_group_name: group
                .or(destination.map(|name| name.trim_end_matches(":*").to_owned())),
            provenance: properties.provenance.clone(),
            id: id.clone(),
        };
        model.flow_logs.insert(id, log);
    }
}

/// What a resource is called, here and by AWS.
struct Named {
    logical: LogicalId,
    physical: String,
}

/// The resources of a type that stand in a VPC of the template and have
/// nothing else of their own: entries and associations are added to them.
fn in_vpc<T>(
    lowering: &Lowering<'_>,
    kind: &str,
    make: impl Fn(&Reader<'_>, Named, LogicalId) -> T,
) -> BTreeMap<LogicalId, T> {
    let mut found = BTreeMap::new();
    for resource in lowering.resources(kind) {
        let properties = lowering.reader(resource);
        properties.skip(&["Tags"]);
        properties.require(&["VpcId"]);
        let Some(vpc) = properties.reference("VpcId", &["AWS::EC2::VPC"]) else {
            continue;
        };
        let id = LogicalId::new(&resource.logical_id);
        let physical = own_id(lowering, &id);
        let named = Named {
            logical: id.clone(),
            physical,
        };
        found.insert(id, make(&properties, named, vpc));
    }
    found
}

/// The pairs that the associations of a type make: what is associated, and a subnet.
fn subnets_of(
    lowering: &Lowering<'_>,
    associations: &str,
    key: &str,
    kind: &str,
) -> Vec<(LogicalId, LogicalId)> {
    let pair = |resource| {
        let properties = lowering.reader(resource);
        let owner = properties.reference(key, &[kind]);
        owner.zip(properties.reference("SubnetId", &["AWS::EC2::Subnet"]))
    };
    lowering.resources(associations).filter_map(pair).collect()
}

fn own_id(lowering: &Lowering<'_>, id: &LogicalId) -> String {
    lowering
        .resolve(&cfn::Symbol::Ref(id.to_string()))
        .unwrap_or_default()
}
