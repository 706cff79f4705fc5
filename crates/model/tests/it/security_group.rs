//! Rules of security groups, in every way a template may write them.

use model::{Model, SecurityGroup, SecurityGroupRule};

use crate::support::{in_vpc, model, not_analysed};

fn written(rules: &[SecurityGroupRule]) -> Vec<String> {
    let line = |rule: &SecurityGroupRule| format!("{} {:?}", rule.traffic, rule.peer);
    rules.iter().map(line).collect()
}

fn group<'a>(model: &'a Model, id: &str) -> &'a SecurityGroup {
    &model.security_groups[id]
}

#[test]
fn protocols_and_ports_as_aws_reads_them() {
    let rule = |text: &str| {
        let model = in_vpc(&format!(
            "
  Group:
    Type: AWS::EC2::SecurityGroup
    Properties:
      GroupDescription: x
      VpcId: !Ref Vpc
      SecurityGroupEgress: []
      SecurityGroupIngress: [{{ {text}, CidrIp: 10.0.0.0/8 }}]"
        ));
        let group = group(&model, "Group");
        assert_eq!(written(&group.egress), Vec::<String>::new());
        written(&group.ingress).join("; ")
    };
    for (text, expected) in [
        ("IpProtocol: tcp, FromPort: 443, ToPort: 443", "tcp 443"),
        ("IpProtocol: 6, FromPort: 443, ToPort: 443", "tcp 443"),
        (
            "IpProtocol: '6', FromPort: '1024', ToPort: '2048'",
            "tcp 1024-2048",
        ),
        ("IpProtocol: UDP, FromPort: 53, ToPort: 53", "udp 53"),
        ("IpProtocol: tcp, FromPort: 80", "tcp 80"),
        ("IpProtocol: tcp, FromPort: -1, ToPort: -1", "tcp all"),
        ("IpProtocol: tcp", "tcp all"),
        ("IpProtocol: tcp, FromPort: 0, ToPort: 65535", "tcp all"),
        ("IpProtocol: '-1'", "all traffic"),
        ("IpProtocol: -1, FromPort: 80, ToPort: 80", "all traffic"),
        ("IpProtocol: icmp, FromPort: 8, ToPort: -1", "icmp 8/any"),
        ("IpProtocol: icmp, FromPort: -1, ToPort: -1", "icmp any/any"),
        (
            "IpProtocol: icmpv6, FromPort: 128, ToPort: 0",
            "icmpv6 128/0",
        ),
        ("IpProtocol: 47", "protocol 47"),
    ] {
        assert_eq!(rule(text), format!("{expected} Cidr(10.0.0.0/8)"), "{text}");
    }
}

#[test]
fn peers_in_every_spelling() {
    let model = in_vpc(
        "
  List:
    Type: AWS::EC2::PrefixList
    Properties: { PrefixListName: us, AddressFamily: IPv4, MaxEntries: 1, Entries: [{ Cidr: 192.0.2.0/24 }] }
  Web:
    Type: AWS::EC2::SecurityGroup
    Properties:
      GroupDescription: x
      VpcId: !Ref Vpc
      SecurityGroupEgress: []
      SecurityGroupIngress:
        - { IpProtocol: tcp, FromPort: 1, ToPort: 1, CidrIp: 192.0.2.7/32 }
        - { IpProtocol: tcp, FromPort: 2, ToPort: 2, CidrIpv6: '2001:db8::/32' }
        - { IpProtocol: tcp, FromPort: 3, ToPort: 3, SourcePrefixListId: pl-22a6434b }
        - { IpProtocol: tcp, FromPort: 4, ToPort: 4, SourcePrefixListId: !Ref List }
        - { IpProtocol: tcp, FromPort: 5, ToPort: 5, SourceSecurityGroupId: !Ref App }
        - { IpProtocol: tcp, FromPort: 6, ToPort: 6, SourceSecurityGroupId: !GetAtt App.GroupId, SourceSecurityGroupOwnerId: '123456789012' }
        - { IpProtocol: tcp, FromPort: 7, ToPort: 7, CidrIp: 0.0.0.0/0, CidrIpv6: '::/0', Description: both }
  App:
    Type: AWS::EC2::SecurityGroup
    Properties: { GroupDescription: x, VpcId: !Ref Vpc }",
    );
    let web = group(&model, "Web");
    let list = model.prefix_lists.values().find(|list| list.name == "us");
    let list = list.expect("the template's own list");
    assert_eq!(
        written(&web.ingress),
        [
            "tcp 1 Cidr(192.0.2.7/32)".to_owned(),
            "tcp 2 Cidr6(2001:db8::/32)".to_owned(),
            "tcp 3 PrefixList(\"pl-22a6434b\")".to_owned(),
            format!("tcp 4 PrefixList({:?})", list.prefix_list_id),
            "tcp 5 SecurityGroup(App)".to_owned(),
            "tcp 6 SecurityGroup(App)".to_owned(),
            "tcp 7 Cidr(0.0.0.0/0)".to_owned(),
            "tcp 7 Cidr6(::/0)".to_owned(),
        ]
    );
    let lines: Vec<_> = web
        .ingress
        .iter()
        .map(|rule| rule.provenance.span.line)
        .collect();
    assert_eq!(
        lines[7] - lines[0],
        6,
        "each rule knows its line: {lines:?}"
    );
}

#[test]
fn absent_egress_allows_everything_and_empty_egress_nothing() {
    let model = in_vpc(
        "
  Absent:
    Type: AWS::EC2::SecurityGroup
    Properties: { GroupDescription: x, VpcId: !Ref Vpc }
  Empty:
    Type: AWS::EC2::SecurityGroup
    Properties: { GroupDescription: x, VpcId: !Ref Vpc, SecurityGroupEgress: [] }
  StandAlone:
    Type: AWS::EC2::SecurityGroupEgress
    Properties: { GroupId: !Ref Absent, IpProtocol: tcp, FromPort: 443, ToPort: 443, DestinationSecurityGroupId: !Ref Empty }",
    );
    assert_eq!(
        written(&group(&model, "Absent").egress),
        [
            "all traffic Cidr(0.0.0.0/0)",
            "all traffic Cidr6(::/0)",
            "tcp 443 SecurityGroup(Empty)",
        ],
        "a stand-alone rule does not take the default away"
    );
    assert_eq!(
        written(&group(&model, "Empty").egress),
        Vec::<String>::new()
    );
    assert_eq!(
        written(&group(&model, "Empty").ingress),
        Vec::<String>::new()
    );
}

#[test]
fn a_rule_that_cannot_be_used_is_named_with_its_line() {
    let model = model(
        "  Group:
    Type: AWS::EC2::SecurityGroup
    Properties:
      GroupDescription: x
      SecurityGroupEgress: []
      SecurityGroupIngress:
        - { IpProtocol: tcp, FromPort: 90, ToPort: 80, CidrIp: 10.0.0.0/8 }
        - { IpProtocol: tcp, ToPort: 80, CidrIp: 10.0.0.0/8 }
        - { IpProtocol: tcp, FromPort: 99999, ToPort: 99999, CidrIp: 10.0.0.0/8 }
        - { IpProtocol: sctp, CidrIp: 10.0.0.0/8 }
        - { FromPort: 80, ToPort: 80, CidrIp: 10.0.0.0/8 }
        - { IpProtocol: tcp, FromPort: 80, ToPort: 80, CidrIp: 10.0.0.1000/8 }
        - { IpProtocol: tcp, FromPort: 80, ToPort: 80 }
        - { IpProtocol: tcp, FromPort: 80, ToPort: 80, SourceSecurityGroupId: sg-0123 }
        - nothing
",
    );
    assert_eq!(
        not_analysed(&model),
        [
            "8: value of `FromPort`: not a range of ports",
            "9: value of `ToPort`: not a range of ports",
            "10: value of `FromPort`: not a range of ports",
            "11: value of `IpProtocol`: `sctp` is not a protocol",
            "12: value of `IpProtocol`: required, and not there",
            "13: value of `CidrIp`: `10.0.0.1000/8` is not a CIDR block",
            "14: value of `CidrIp` or `CidrIpv6` or `SourceSecurityGroupId` or `SourcePrefixListId`: required, and not there",
            "15: value of `SourceSecurityGroupId`: refers to a security group outside the template",
            "16: value of `SecurityGroupIngress`: not a map",
        ]
    );
    let peers = written(&group(&model, "Group").ingress);
    assert_eq!(peers, ["tcp 80 Other(\"sg-0123\")"], "the rest is no rule");
}
