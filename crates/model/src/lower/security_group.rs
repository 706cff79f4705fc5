//! Security groups: inline and stand-alone rules become one set.

use cfn::Value;

use crate::physical::rule_id;
use crate::reader::{Lowering, Reader};
use crate::{LogicalId, Model, Peer, PortRange, SecurityGroup, SecurityGroupRule, Traffic};

const GROUP: &[&str] = &["AWS::EC2::SecurityGroup"];

pub(super) fn lower(lowering: &Lowering<'_>, model: &mut Model) {
    for resource in lowering.resources("AWS::EC2::SecurityGroup") {
        let properties = lowering.reader(resource);
        properties.skip(&["GroupDescription", "Tags"]);
        let id = LogicalId::new(&resource.logical_id);
        let rule = |direction: &str, index: usize, rule: &Reader<'_>| {
            let name = format!("{id}/{direction}/{index}");
            group_rule(lowering, &name, rule, direction == "egress")
        };
        let ingress = properties.children("SecurityGroupIngress");
        let egress = properties.children("SecurityGroupEgress");
        let rules = |direction: &str, rules: &[Reader<'_>]| {
            let rules = rules.iter().enumerate();
            rules
                .flat_map(|(index, reader)| rule(direction, index, reader))
                .collect()
        };
        let mut group = SecurityGroup {
            group_id: lowering
                .resolve(&cfn::Symbol::Ref(id.to_string()))
                .unwrap_or_default(),
            name: properties
                .text("GroupName")
                .unwrap_or_else(|| id.to_string()),
            vpc: properties.reference("VpcId", &["AWS::EC2::VPC"]),
            ingress: rules("ingress", &ingress),
            egress: rules("egress", &egress),
            provenance: properties.provenance.clone(),
            id: id.clone(),
        };
        if properties.value("SecurityGroupEgress").is_none() {
            group.egress = allow_all_egress(lowering, &group);
        }
        model.security_groups.insert(id, group);
    }
    for resource in lowering.resources("AWS::EC2::SecurityGroupIngress") {
        stand_alone(
            lowering,
            model,
            &lowering.reader(resource),
            &resource.logical_id,
            false,
        );
    }
    for resource in lowering.resources("AWS::EC2::SecurityGroupEgress") {
        stand_alone(
            lowering,
            model,
            &lowering.reader(resource),
            &resource.logical_id,
            true,
        );
    }
}

/// Without `SecurityGroupEgress`, AWS adds rules that allow everything out;
/// stand-alone egress resources do not remove them.
/// (CloudFormation, `AWS::EC2::SecurityGroup`)
fn allow_all_egress(lowering: &Lowering<'_>, group: &SecurityGroup) -> Vec<SecurityGroupRule> {
    let peers = [
        Peer::Cidr("0.0.0.0/0".parse().expect("a valid CIDR")),
        Peer::Cidr6("::/0".parse().expect("a valid CIDR")),
    ];
    let rule = |(index, peer)| SecurityGroupRule {
        rule_id: rule_id(lowering.stack, &format!("{}/default/{index}", group.id)),
        traffic: Traffic::All,
        peer,
        description: Some("added by AWS: the template sets no egress rule".to_owned()),
        provenance: group.provenance.clone(),
    };
    peers.into_iter().enumerate().map(rule).collect()
}

fn stand_alone(
    lowering: &Lowering<'_>,
    model: &mut Model,
    properties: &Reader<'_>,
    logical_id: &str,
    egress: bool,
) {
    let group = properties.reference("GroupId", GROUP);
    let rules = group_rule(lowering, logical_id, properties, egress);
    let Some(group) = group.and_then(|id| model.security_groups.get_mut(&id)) else {
        return;
    };
    let side = if egress {
        &mut group.egress
    } else {
        &mut group.ingress
    };
    side.extend(rules);
}

/// One written rule; several when it names several peers at once.
fn group_rule(
    lowering: &Lowering<'_>,
    name: &str,
    rule: &Reader<'_>,
    egress: bool,
) -> Vec<SecurityGroupRule> {
    rule.require(&["IpProtocol"]);
    let description = rule.text("Description");
    let traffic = rule_traffic(rule);
    let peers = peers(rule, egress);
    let Some(traffic) = traffic else {
        return Vec::new();
    };
    let make = |(index, peer): (usize, Peer)| SecurityGroupRule {
        rule_id: rule_id(lowering.stack, &format!("{name}/{index}")),
        traffic,
        peer,
        description: description.clone(),
        provenance: rule.provenance.clone(),
    };
    peers.into_iter().enumerate().map(make).collect()
}

fn peers(rule: &Reader<'_>, egress: bool) -> Vec<Peer> {
    let (group_key, list_key) = if egress {
        ("DestinationSecurityGroupId", "DestinationPrefixListId")
    } else {
        rule.skip(&["SourceSecurityGroupOwnerId"]);
        ("SourceSecurityGroupId", "SourcePrefixListId")
    };
    let cidr = rule.parsed("CidrIp", "not a CIDR block", |text| text.parse().ok());
    let cidr6 = rule.parsed("CidrIpv6", "not an IPv6 CIDR block", |text| {
        text.parse().ok()
    });
    let group = rule
        .value(group_key)
        .map(|value| group_peer(rule, group_key, value));
    let list = rule.text(list_key).map(Peer::PrefixList);
    rule.require_one_of(&["CidrIp", "CidrIpv6", group_key, list_key]);
    cidr.map(Peer::Cidr)
        .into_iter()
        .chain(cidr6.map(Peer::Cidr6))
        .chain(group)
        .chain(list)
        .collect()
}

fn group_peer(rule: &Reader<'_>, key: &str, value: &Value) -> Peer {
    match rule.lowering.referent(value, GROUP) {
        Some(group) => Peer::SecurityGroup(group),
        None => {
            rule.unusable(
                key,
                value,
                "refers to a security group outside the template",
            );
            Peer::Other(rule.lowering.text(value).unwrap_or_default())
        }
    }
}

fn rule_traffic(rule: &Reader<'_>) -> Option<Traffic> {
    let (from, to) = (rule.number("FromPort"), rule.number("ToPort"));
    let protocol = rule.parsed("IpProtocol", "not a protocol", protocol)?;
    let found = traffic(protocol, from, to);
    if found.is_none() {
        report_ports(rule, &["FromPort", "ToPort"]);
    }
    found
}

/// Reports ports that make no range, at the first of them that is there.
pub(super) fn report_ports(rule: &Reader<'_>, keys: &[&str]) {
    let present = keys.iter().find_map(|key| Some((key, rule.value(key)?)));
    if let Some((key, value)) = present {
        rule.unusable(key, value, "not a range of ports");
    }
}

/// A protocol by name or number; -1 is all.
pub(super) fn protocol(text: &str) -> Option<i16> {
    match text.to_ascii_lowercase().as_str() {
        "-1" | "all" => Some(-1),
        "tcp" => Some(6),
        "udp" => Some(17),
        "icmp" => Some(1),
        "icmpv6" => Some(58),
        number => number
            .parse()
            .ok()
            .filter(|number| (0..=255).contains(number)),
    }
}

/// Protocol and ports as AWS reads them: -1 or absent is any; for ICMP the
/// "ports" are type and code. `None` for a range that cannot be.
pub(super) fn traffic(protocol: i16, from: Option<i32>, to: Option<i32>) -> Option<Traffic> {
    let ports = || {
        let any = |bound: Option<i32>| bound.is_none_or(|bound| bound == -1);
        if any(from) && any(to) {
            return Some(PortRange::ALL);
        }
        let first = u16::try_from(from?).ok()?;
        let last = u16::try_from(to.unwrap_or_else(|| i32::from(first))).ok()?;
        (first <= last).then_some(PortRange { first, last })
    };
    let part = |part: Option<i32>| part.and_then(|part| u8::try_from(part).ok());
    Some(match protocol {
        -1 => Traffic::All,
        6 => Traffic::Tcp(ports()?),
        17 => Traffic::Udp(ports()?),
        1 => Traffic::Icmp(part(from), part(to)),
        58 => Traffic::Icmpv6(part(from), part(to)),
        number => Traffic::Other(u8::try_from(number).ok()?),
    })
}
