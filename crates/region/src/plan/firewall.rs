//! From security groups and network ACLs of the model to a VPC's firewall.

use std::collections::{BTreeMap, BTreeSet};

use cfn::Provenance;
use model::{LogicalId, Model, SecurityGroup, SecurityGroupRule, Traffic};

use super::addresses;
use super::fault::Faults;
use super::network::{PREFIX_LIST_HINT, gateway_endpoint_links, links, marks};
use super::ruleset::{
    AccessList, AccessListEntry, Firewall, FirewallGroup, FirewallInterface, FirewallRule,
    FirewallSubnet, Peer, Protocol, amazon_services,
};
use crate::blueprint::network::LinkName;

/// The firewall of a VPC. `template` is the file's name, for people.
pub(super) fn firewall(
    model: &Model,
    vpc: &model::Vpc,
    template: &str,
    faults: &mut Faults,
) -> Firewall {
    let positions: BTreeMap<LogicalId, usize> = marks(model, &vpc.id)
        .into_keys()
        .enumerate()
        .map(|(index, id)| (id, index))
        .collect();
    let (access_lists, subnets) = access_lists(model, vpc, &positions, template);
    let links = links(model);
    let interfaces = model.enis.values().filter_map(|eni| {
        let groups = eni
            .security_groups
            .iter()
            .filter_map(|id| model.security_groups.get(id));
        Some(FirewallInterface {
            link: LinkName::eni(links[&eni.id]).to_string(),
            address: eni.address,
            subnet: *positions.get(&eni.subnet)?,
            security_groups: eni
                .source_dest_check()
                .then(|| groups.map(|group| group.group_id.clone()).collect()),
            source_dest_check: eni.source_dest_check(),
        })
    });
    let endpoints = gateway_endpoint_links(model, &vpc.id).map(|(link, _)| link);
    let uplinks = [LinkName::internet_gateway()].into_iter().chain(endpoints);
    let groups = model.security_groups.values();
    let groups = groups.filter(|group| group.vpc.as_ref().is_none_or(|id| *id == vpc.id));
    Firewall {
        cidrs: vpc.cidrs.clone(),
        services: vpc.resolver().map(amazon_services).unwrap_or_default(),
        subnets,
        interfaces: interfaces.collect(),
        uplinks: uplinks.map(|link| link.to_string()).collect(),
        groups: groups
            .map(|group| (group.group_id.clone(), self::group(model, group, template)))
            .collect(),
        access_lists,
        prefix_lists: prefix_lists(model, vpc, faults),
    }
}

/// Where a thing stands, as people write it: `infra/kickytime.yaml:210 AppEgress`.
fn place(template: &str, provenance: &Provenance) -> String {
    format!(
        "{template}:{} {}",
        provenance.span.line, provenance.logical_id
    )
}

fn group(model: &Model, group: &SecurityGroup, template: &str) -> FirewallGroup {
    let rules = |rules: &[SecurityGroupRule]| {
        rules
            .iter()
            .filter_map(|rule| group_rule(model, rule, template))
            .collect()
    };
    FirewallGroup {
        ingress: rules(&group.ingress),
        egress: rules(&group.egress),
        provenance: place(template, &group.provenance),
    }
}

/// `None` for rules about IPv6, which no packet here has, and about groups
/// outside the template, which no interface here carries.
fn group_rule(model: &Model, rule: &SecurityGroupRule, template: &str) -> Option<FirewallRule> {
    let peer = match &rule.peer {
        model::Peer::Cidr(cidr) => Peer::Cidr(*cidr),
        model::Peer::PrefixList(id) => Peer::PrefixList(id.clone()),
        model::Peer::SecurityGroup(id) => {
            Peer::Group(model.security_groups.get(id)?.group_id.clone())
        }
        model::Peer::Cidr6(_) | model::Peer::Other(_) => return None,
    };
    Some(FirewallRule {
        id: rule.rule_id.clone(),
        protocol: protocol(rule.traffic)?,
        peer,
        provenance: place(template, &rule.provenance),
    })
}

fn protocol(traffic: Traffic) -> Option<Protocol> {
    Some(match traffic {
        Traffic::All => Protocol::All,
        Traffic::Tcp(ports) => Protocol::Tcp(ports.first..=ports.last),
        Traffic::Udp(ports) => Protocol::Udp(ports.first..=ports.last),
        Traffic::Icmp(icmp_type, code) => Protocol::Icmp { icmp_type, code },
        Traffic::Icmpv6(..) => return None,
        Traffic::Other(number) => Protocol::Number(number),
    })
}

/// The VPC's lists with the default one first, and each subnet's list.
fn access_lists(
    model: &Model,
    vpc: &model::Vpc,
    positions: &BTreeMap<LogicalId, usize>,
    template: &str,
) -> (Vec<AccessList>, Vec<FirewallSubnet>) {
    let mut lists = vec![default_access_list(model, vpc, template)];
    let mut subnets = vec![FirewallSubnet { access_list: 0 }; positions.len()];
    for acl in model.network_acls.values().filter(|acl| acl.vpc == vpc.id) {
        for subnet in acl.subnets.iter().filter_map(|id| positions.get(id)) {
            subnets[*subnet].access_list = lists.len();
        }
        let entries = |egress: bool| {
            let entries = acl
                .entries
                .iter()
                .filter(move |entry| entry.egress == egress);
            entries
                .filter_map(|entry| access_list_entry(entry, template))
                .collect()
        };
        lists.push(AccessList {
            id: acl.network_acl_id.clone(),
            ingress: entries(false),
            egress: entries(true),
            provenance: place(template, &acl.provenance),
        });
    }
    (lists, subnets)
}

fn access_list_entry(entry: &model::NetworkAclEntry, template: &str) -> Option<AccessListEntry> {
    Some(AccessListEntry {
        number: entry.rule_number,
        is_allow: entry.allow,
        protocol: protocol(entry.traffic)?,
        cidr: entry.cidr?,
        provenance: place(template, &entry.provenance),
    })
}

/// The network ACL every VPC comes with: rule 100 allows everything.
/// (VPC User Guide, "Default network ACL for a VPC")
fn default_access_list(model: &Model, vpc: &model::Vpc, template: &str) -> AccessList {
    let symbol = cfn::Symbol::GetAtt(vpc.id.to_string(), "DefaultNetworkAcl".to_owned());
    let everything = AccessListEntry {
        number: 100,
        is_allow: true,
        protocol: Protocol::All,
        cidr: ipnet::Ipv4Net::default(),
        provenance: place(template, &vpc.provenance),
    };
    AccessList {
        id: model.resolve(&symbol).unwrap_or_default(),
        ingress: vec![everything.clone()],
        egress: vec![everything],
        provenance: place(template, &vpc.provenance),
    }
}

/// The blocks of every list that a rule of this VPC names.
fn prefix_lists(
    model: &Model,
    vpc: &model::Vpc,
    faults: &mut Faults,
) -> BTreeMap<String, Vec<ipnet::Ipv4Net>> {
    let mut lists = BTreeMap::new();
    let mut unknown = BTreeSet::new();
    let groups = model.security_groups.values();
    let groups = groups.filter(|group| group.vpc.as_ref().is_none_or(|id| *id == vpc.id));
    for rule in groups.flat_map(|group| group.ingress.iter().chain(&group.egress)) {
        let model::Peer::PrefixList(id) = &rule.peer else {
            continue;
        };
        match addresses::prefix_list(model, id) {
            Some(blocks) => {
                lists.insert(id.clone(), blocks);
            }
            None if unknown.insert(id.clone()) => faults.add(
                format!("nothing is known of the addresses of prefix list `{id}`"),
                &rule.provenance,
                PREFIX_LIST_HINT,
            ),
            None => {}
        }
    }
    lists
}
