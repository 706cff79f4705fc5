//! Network ACLs, which the template has none of.

use super::rules::group_rule;
use super::{Change, change};

/// Number, direction, what, ports, block.
type Entry = (u16, &'static str, &'static str, &'static str, &'static str);

/// A network ACL of one subnet.
fn access_list(id: &str, subnet: &str, entries: &[Entry]) -> String {
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

const EVERYTHING: [Entry; 2] = [
    (1000, "in", "allow", "all", "0.0.0.0/0"),
    (1000, "out", "allow", "all", "0.0.0.0/0"),
];

fn listed(name: &str, subnet: &'static str, entries: &[Entry]) -> Change {
    let text = access_list("Acl", subnet, entries);
    change(name, move |d| d.adding(&text))
}

/// Everything allowed but for one entry.
fn but(entry: Entry) -> Vec<Entry> {
    EVERYTHING.into_iter().chain([entry]).collect()
}

pub(super) fn changes() -> Vec<Change> {
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
