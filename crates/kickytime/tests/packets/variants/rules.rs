//! Security group rules dropped, moved and widened.

use super::{Change, change};

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

pub(super) fn alone() -> Vec<Change> {
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

pub(super) fn inline() -> Vec<Change> {
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

/// A rule of a group about itself.
pub(super) fn group_rule(id: &str, way: &str, group: &str, port: u16, peer: &str) -> String {
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
