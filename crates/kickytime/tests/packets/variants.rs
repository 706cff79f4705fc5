//! Changed copies of the template, each compared as the template is.

use std::time::Instant;

use crate::differential::compare;
use crate::draft::Draft;

/// A change with a name for people.
type Change = (String, Box<dyn Fn(Draft) -> Draft>);

fn change(name: impl Into<String>, change: impl Fn(Draft) -> Draft + 'static) -> Change {
    (name.into(), Box::new(change))
}

/// Compares every copy; differences are told together at the end.
fn compare_all(drafts: Vec<(String, Draft)>) {
    let since = Instant::now();
    let (mut probed, mut accepted) = (0, 0);
    let mut counts = std::collections::BTreeSet::new();
    let mut differences = Vec::new();
    let copies = drafts.len();
    for (name, draft) in drafts {
        let report = compare(&draft);
        probed += report.probed();
        accepted += report.accepted();
        counts.insert(report.accepted());
        for difference in report.differences() {
            differences.push(format!("{name}: {difference}"));
        }
    }
    println!(
        "  {copies} copies: {probed} connections tried, {accepted} accepted, {} differences, {:.1} s",
        differences.len(),
        since.elapsed().as_secs_f32()
    );
    assert!(differences.is_empty(), "{}", differences.join("\n"));
    // copies that all behave alike would test nothing
    assert!(counts.len() > 2, "{counts:?}");
}

fn each(changes: Vec<Change>) -> Vec<(String, Draft)> {
    let changes = changes.into_iter();
    changes
        .map(|(name, change)| (name, change(Draft::small())))
        .collect()
}

/// Rules that stand alone: resource, port, the line that names the peer.
const RULES: [(&str, u16, &str); 5] = [
    ("AlbIngressHttp", 80, "CidrIp: 0.0.0.0/0"),
    (
        "AppIngressFromAlb",
        8080,
        "SourceSecurityGroupId: !Ref AlbSecurityGroup",
    ),
    (
        "AppEgressToDatabase",
        5432,
        "DestinationSecurityGroupId: !Ref RdsSecurityGroup",
    ),
    (
        "AppEgressToEndpoints",
        443,
        "DestinationSecurityGroupId: !Ref EndpointSecurityGroup",
    ),
    ("AppEgressToInternet", 443, "CidrIp: 0.0.0.0/0"),
];

fn rule_changes() -> Vec<Change> {
    let mut changes = Vec::new();
    for (id, port, peer) in RULES {
        changes.push(change(format!("no {id}"), move |d| d.without(id)));
        changes.push(change(format!("{id} for the metrics port"), move |d| {
            d.replacing(id, &format!("FromPort: {port}"), "FromPort: 9090")
                .replacing(id, &format!("ToPort: {port}"), "ToPort: 9090")
        }));
        changes.push(change(format!("{id} for every protocol"), move |d| {
            d.replacing(id, "IpProtocol: tcp", "IpProtocol: \"-1\"")
        }));
        changes.push(change(format!("{id} for the whole VPC"), move |d| {
            d.replacing(id, peer, "CidrIp: 10.0.0.0/16")
        }));
        changes.push(change(format!("{id} for half a subnet"), move |d| {
            d.replacing(id, peer, "CidrIp: 10.0.10.0/29")
        }));
    }
    changes
}

const NO_EGRESS: &str = r#"      SecurityGroupEgress:
        - Description: nothing - replaces the default of everything
          IpProtocol: "-1"
          CidrIp: 127.0.0.1/32
"#;

fn inline_changes() -> Vec<Change> {
    let cloudfront = "SourcePrefixListId: !Ref CloudFrontPrefixListId";
    vec![
        change("the balancer open to everyone", move |d| {
            d.replacing("AlbSecurityGroup", cloudfront, "CidrIp: 0.0.0.0/0")
        }),
        change("the balancer open to nobody", move |d| {
            d.replacing("AlbSecurityGroup", cloudfront, "CidrIp: 192.0.2.66/32")
        }),
        change("the balancer open to a range of ports", |d| {
            d.replacing("AlbSecurityGroup", "FromPort: 443", "FromPort: 22")
        }),
        change("the balancer may talk to the database", |d| {
            d.replacing("AlbSecurityGroup", "ToPort: 8080", "ToPort: 9090")
                .replacing("AlbSecurityGroup", "FromPort: 8080", "FromPort: 5432")
                .replacing(
                    "AlbSecurityGroup",
                    "!Ref AppSecurityGroup",
                    "!Ref RdsSecurityGroup",
                )
        }),
        change("the services may not use S3", |d| {
            d.replacing(
                "AppSecurityGroup",
                "!Ref S3PrefixListId",
                "!Ref CloudFrontPrefixListId",
            )
        }),
        change("the database lets nobody in", |d| {
            let from = "SourceSecurityGroupId: !Ref AppSecurityGroup";
            d.replacing("RdsSecurityGroup", from, "CidrIp: 127.0.0.1/32")
        }),
        change("the database is one of the services", |d| {
            d.replacing(
                "Database",
                "RdsSecurityGroup.GroupId",
                "AppSecurityGroup.GroupId",
            )
        }),
        change("the database may go out", |d| {
            d.replacing("RdsSecurityGroup", "127.0.0.1/32", "0.0.0.0/0")
        }),
        change("the endpoints take only the shell's port", |d| {
            d.replacing("EndpointSecurityGroup", "FromPort: 443", "FromPort: 22")
                .replacing("EndpointSecurityGroup", "ToPort: 443", "ToPort: 22")
        }),
        change("a group with itself", |d| {
            d.adding(&group_rule(
                "AppToApp",
                "Egress",
                "App",
                8080,
                "DestinationSecurityGroupId",
            ))
            .adding(&group_rule(
                "AppFromApp",
                "Ingress",
                "App",
                8080,
                "SourceSecurityGroupId",
            ))
        }),
        change("no egress written is all egress", |d| {
            d.replacing("RdsSecurityGroup", NO_EGRESS, "")
        }),
    ]
}

fn group_rule(id: &str, way: &str, group: &str, port: u16, peer: &str) -> String {
    format!(
        "  {id}:
    Type: AWS::EC2::SecurityGroup{way}
    Properties:
      GroupId: !Ref {group}SecurityGroup
      IpProtocol: tcp
      FromPort: {port}
      ToPort: {port}
      {peer}: !Ref {group}SecurityGroup
"
    )
}

pub(crate) fn security_group_rules() {
    let mut changes = rule_changes();
    changes.extend(inline_changes());
    assert!(changes.len() >= 30);
    compare_all(each(changes));
}

/// A network ACL of one subnet: number, direction, what, ports, block.
fn access_list(id: &str, subnet: &str, entries: &[(u16, &str, &str, &str, &str)]) -> String {
    let mut text = format!(
        "  {id}:
    Type: AWS::EC2::NetworkAcl
    Properties: {{ VpcId: !Ref Vpc }}
  {id}Of{subnet}:
    Type: AWS::EC2::SubnetNetworkAclAssociation
    Properties: {{ NetworkAclId: !Ref {id}, SubnetId: !Ref {subnet} }}
"
    );
    for (number, way, action, ports, block) in entries {
        let (from, to) = ports.split_once('-').unwrap_or((ports, ports));
        let traffic = match *ports {
            "all" => "Protocol: -1".to_owned(),
            _ => format!("Protocol: 6, PortRange: {{ From: {from}, To: {to} }}"),
        };
        let egress = *way == "out";
        let (way, action) = (if egress { "Out" } else { "In" }, *action);
        text += &format!(
            "  {id}{way}{number}:
    Type: AWS::EC2::NetworkAclEntry
    Properties: {{ NetworkAclId: !Ref {id}, RuleNumber: {number}, Egress: {egress}, \
             RuleAction: {action}, {traffic}, CidrBlock: {block} }}
"
        );
    }
    text
}

const EVERYTHING: [(u16, &str, &str, &str, &str); 2] = [
    (1000, "in", "allow", "all", "0.0.0.0/0"),
    (1000, "out", "allow", "all", "0.0.0.0/0"),
];

fn listed(name: &str, subnet: &'static str, entries: &[(u16, &str, &str, &str, &str)]) -> Change {
    let text = access_list("Acl", subnet, entries);
    change(name, move |d| d.adding(&text))
}

fn but(
    entry: (u16, &'static str, &'static str, &'static str, &'static str),
) -> Vec<(u16, &'static str, &'static str, &'static str, &'static str)> {
    EVERYTHING.into_iter().chain([entry]).collect()
}

fn acl_changes() -> Vec<Change> {
    let app = "10.0.10.0/24";
    vec![
        listed("a list without entries", "DataSubnetA", &[]),
        listed("a list that allows everything", "AppSubnetA", &EVERYTHING),
        listed(
            "the database's subnet as people mean it",
            "DataSubnetA",
            &[
                (100, "in", "allow", "5432", app),
                (100, "out", "allow", "1024-65535", app),
            ],
        ),
        listed(
            "no way back from the database",
            "DataSubnetA",
            &[
                (100, "in", "allow", "5432", app),
                (100, "out", "allow", "5432", app),
            ],
        ),
        listed(
            "only the way back to the database's client is missing",
            "AppSubnetA",
            &[
                (100, "in", "allow", "0-1023", "0.0.0.0/0"),
                (110, "in", "allow", "5432", "0.0.0.0/0"),
                (120, "in", "allow", "8080", "0.0.0.0/0"),
                (100, "out", "allow", "all", "0.0.0.0/0"),
            ],
        ),
        listed(
            "denied by a lower number",
            "AppSubnetA",
            &but((10, "in", "deny", "8080", "10.0.0.0/24")),
        ),
        listed(
            "denied by a higher number, so allowed",
            "AppSubnetA",
            &but((2000, "in", "deny", "8080", "10.0.0.0/24")),
        ),
        listed(
            "nothing out to the endpoints in the other zone",
            "AppSubnetA",
            &but((10, "out", "deny", "443", "10.0.11.0/24")),
        ),
        listed(
            "viewers denied at the balancer, not CloudFront",
            "PublicSubnetA",
            &but((10, "in", "deny", "80", "198.51.100.128/25")),
        ),
        listed(
            "no answers to CloudFront",
            "PublicSubnetA",
            &but((10, "out", "deny", "1024-65535", "198.51.100.0/26")),
        ),
        listed(
            "no answers to the NAT gateway",
            "PublicSubnetA",
            &but((10, "in", "deny", "1024-65535", "198.51.100.0/24")),
        ),
        listed(
            "the NAT gateway's subnet takes nothing from the services",
            "PublicSubnetA",
            &but((10, "in", "deny", "443", app)),
        ),
        listed(
            "the NAT gateway may not go out",
            "PublicSubnetA",
            &but((10, "out", "deny", "443", "0.0.0.0/0")),
        ),
        listed(
            "no answers from S3",
            "AppSubnetA",
            &but((10, "in", "deny", "1024-65535", "192.0.2.128/28")),
        ),
        change("lists on both sides", |d| {
            let app = access_list(
                "A",
                "AppSubnetA",
                &but((10, "out", "deny", "5432", "10.0.20.0/28")),
            );
            let data = access_list(
                "B",
                "DataSubnetA",
                &but((10, "in", "deny", "5432", "10.0.11.0/24")),
            );
            d.with("DesiredCount", "2").adding(&app).adding(&data)
        }),
        change("within a subnet no list is asked", |d| {
            let rules = group_rule(
                "AppToApp",
                "Egress",
                "App",
                8080,
                "DestinationSecurityGroupId",
            );
            let back = group_rule(
                "AppFromApp",
                "Ingress",
                "App",
                8080,
                "SourceSecurityGroupId",
            );
            let list = access_list("Acl", "AppSubnetA", &[]);
            d.adding(&rules).adding(&back).adding(&list)
        }),
    ]
}

pub(crate) fn network_acls() {
    compare_all(each(acl_changes()));
}

fn route_changes() -> Vec<Change> {
    let everywhere = "0.0.0.0/0";
    vec![
        change(
            "the public subnets' route covers only CloudFront",
            move |d| d.replacing("PublicDefaultRoute", everywhere, "198.51.100.0/26"),
        ),
        change("the public subnets' route covers nobody here", move |d| {
            d.replacing("PublicDefaultRoute", everywhere, "203.0.113.0/24")
        }),
        change("no way out of zone A", |d| d.without("AppDefaultRouteA")),
        change("no way out of zone B, services in both", |d| {
            d.with("DesiredCount", "2").without("AppDefaultRouteB")
        }),
        change("a way out for half the internet", move |d| {
            d.replacing("AppDefaultRouteA", everywhere, "198.51.100.128/25")
        }),
        change("the services' subnet has the main route table", |d| {
            d.without("AppSubnetRouteTableAssociationA")
        }),
        change("a balancer's subnet has the main route table", |d| {
            d.without("PublicSubnetRouteTableAssociationB")
        }),
        change("the services' routes lead to the internet gateway", |d| {
            let nat = "NatGatewayId: !Ref NatGatewayA";
            d.replacing("AppDefaultRouteA", nat, "GatewayId: !Ref InternetGateway")
        }),
        change("the services have public addresses, behind NAT", |d| {
            d.replacing(
                "UsersService",
                "AssignPublicIp: DISABLED",
                "AssignPublicIp: ENABLED",
            )
        }),
        change("the services have public addresses, and a route", |d| {
            let nat = "NatGatewayId: !Ref NatGatewayA";
            d.replacing(
                "UsersService",
                "AssignPublicIp: DISABLED",
                "AssignPublicIp: ENABLED",
            )
            .replacing("AppDefaultRouteA", nat, "GatewayId: !Ref InternetGateway")
        }),
        change("the balancer stands behind NAT", |d| {
            let public = "!Ref PublicSubnetA, !Ref PublicSubnetB";
            d.replacing("LoadBalancer", public, "!Ref AppSubnetA, !Ref AppSubnetB")
        }),
        change("an internal balancer", |d| {
            d.replacing(
                "LoadBalancer",
                "Scheme: internet-facing",
                "Scheme: internal",
            )
        }),
        change("the database is public, without a route", |d| {
            d.replacing(
                "Database",
                "PubliclyAccessible: false",
                "PubliclyAccessible: true",
            )
            .replacing(
                "RdsSecurityGroup",
                "SourceSecurityGroupId: !Ref AppSecurityGroup",
                "CidrIp: 0.0.0.0/0",
            )
        }),
        change("the database is public, with a route", |d| {
            d.replacing(
                "Database",
                "PubliclyAccessible: false",
                "PubliclyAccessible: true",
            )
            .replacing(
                "RdsSecurityGroup",
                "SourceSecurityGroupId: !Ref AppSecurityGroup",
                "CidrIp: 0.0.0.0/0",
            )
            .replacing(
                "DataSubnetRouteTableAssociationA",
                "DataRouteTable",
                "PublicRouteTable",
            )
        }),
        change("S3 through one zone's endpoint only", |d| {
            d.with("DesiredCount", "2")
                .replacing("S3Endpoint", "!Ref AppRouteTableA, ", "")
        }),
        change("S3 through NAT", |d| d.without("S3Endpoint")),
        change("S3 nowhere", |d| {
            d.without("S3Endpoint").without("AppDefaultRouteA")
        }),
        change("no redirect", |d| d.with("HttpRedirect", "false")),
        change("no services", |d| d.with("DesiredCount", "0")),
        change("three of each", |d| d.with("DesiredCount", "3")),
    ]
}

pub(crate) fn routes_and_parameters() {
    compare_all(each(route_changes()));
}

/// Changes drawn together by a generator with a fixed start: what one change
/// hides another may show.
pub(crate) fn several_at_once() {
    let (rules, lists, routes) = (rule_changes(), acl_changes(), route_changes());
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut below = |limit: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state % u64::try_from(limit).unwrap()).unwrap()
    };
    let mut drafts = Vec::new();
    for _ in 0..16 {
        let parts = [
            &rules[below(rules.len())],
            &lists[below(lists.len())],
            &routes[below(routes.len())],
        ];
        let names: Vec<_> = parts.iter().map(|(name, _)| name.as_str()).collect();
        let draft = parts
            .iter()
            .fold(Draft::small(), |draft, (_, change)| change(draft));
        drafts.push((names.join(" + "), draft));
    }
    compare_all(drafts);
}
