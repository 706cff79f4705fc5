//! Subnets, routes, gateways, network ACLs, endpoints, flow logs.

use model::{Destination, Model, RouteTarget, VpcEndpointKind};

use crate::support::{VPC, in_vpc, model, not_analysed};

fn routes(model: &Model, table: &str) -> Vec<String> {
    let line =
        |destination: &Destination, target: &RouteTarget| format!("{destination:?} -> {target:?}");
    let routes = model.route_tables[table].routes.iter();
    routes
        .map(|route| line(&route.destination, &route.target))
        .collect()
}

#[test]
fn routes_with_the_one_a_gateway_endpoint_adds() {
    let model = in_vpc(
        "
  Internet: { Type: AWS::EC2::InternetGateway }
  Attachment:
    Type: AWS::EC2::VPCGatewayAttachment
    Properties: { VpcId: !Ref Vpc, InternetGatewayId: !Ref Internet }
  Address: { Type: AWS::EC2::EIP, Properties: { Domain: vpc } }
  Nat:
    Type: AWS::EC2::NatGateway
    Properties: { SubnetId: !Ref SubnetA, AllocationId: !GetAtt Address.AllocationId }
  Table: { Type: AWS::EC2::RouteTable, Properties: { VpcId: !Ref Vpc } }
  Of: { Type: AWS::EC2::SubnetRouteTableAssociation, Properties: { RouteTableId: !Ref Table, SubnetId: !Ref SubnetA } }
  A: { Type: AWS::EC2::Route, Properties: { RouteTableId: !Ref Table, DestinationCidrBlock: 0.0.0.0/0, NatGatewayId: !Ref Nat } }
  B: { Type: AWS::EC2::Route, Properties: { RouteTableId: !Ref Table, DestinationCidrBlock: 192.0.2.0/24, GatewayId: !Ref Internet } }
  C: { Type: AWS::EC2::Route, Properties: { RouteTableId: !Ref Table, DestinationIpv6CidrBlock: '::/0', GatewayId: !Ref Internet } }
  D: { Type: AWS::EC2::Route, Properties: { RouteTableId: !Ref Table, DestinationPrefixListId: pl-1, GatewayId: !Ref Internet } }
  S3:
    Type: AWS::EC2::VPCEndpoint
    Properties: { VpcId: !Ref Vpc, ServiceName: !Sub 'com.amazonaws.${AWS::Region}.s3', RouteTableIds: [!Ref Table] }",
    );
    assert_eq!(
        routes(&model, "Table"),
        [
            "Cidr(0.0.0.0/0) -> NatGateway(Nat)",
            "Cidr(192.0.2.0/24) -> InternetGateway(Internet)",
            "Cidr6(::/0) -> InternetGateway(Internet)",
            "PrefixList(\"pl-1\") -> InternetGateway(Internet)",
            "PrefixList(\"pl-78a54011\") -> VpcEndpoint(S3)",
        ]
    );
    let table = &model.route_tables["Table"];
    assert_eq!(format!("{:?}", table.subnets), "[SubnetA]");
    let gateway = &model.internet_gateways["Internet"];
    assert_eq!(format!("{:?}", gateway.vpc), "Some(Vpc)");
    let nat = &model.nat_gateways["Nat"];
    assert_eq!(
        format!("{:?} {:?}", nat.subnet, nat.allocation),
        "SubnetA Some(Address)"
    );
}

#[test]
fn a_route_that_leads_nowhere_is_named() {
    let model = model(&format!(
        "{VPC}
  Table: {{ Type: AWS::EC2::RouteTable, Properties: {{ VpcId: !Ref Vpc }} }}
  A: {{ Type: AWS::EC2::Route, Properties: {{ RouteTableId: !Ref Table, DestinationCidrBlock: 0.0.0.0/0 }} }}
  B: {{ Type: AWS::EC2::Route, Properties: {{ RouteTableId: !Ref Table, GatewayId: igw-1 }} }}
  C: {{ Type: AWS::EC2::Route, Properties: {{ RouteTableId: !Ref Table, DestinationCidrBlock: 10.9.0.0/16, TransitGatewayId: tgw-1 }} }}
"
    ));
    assert_eq!(
        not_analysed(&model),
        [
            "14: value of `GatewayId` or `NatGatewayId`: required, and not there",
            "15: value of `DestinationCidrBlock` or `DestinationIpv6CidrBlock` or `DestinationPrefixListId`: required, and not there",
            "15: value of `GatewayId`: refers to something outside the template",
            "16: value of `TransitGatewayId`: a route target the model does not follow",
        ]
    );
    assert_eq!(
        routes(&model, "Table"),
        ["Cidr(10.9.0.0/16) -> Other(\"TransitGatewayId\")"]
    );
}

#[test]
fn a_subnet_that_lacks_its_range_is_named() {
    let model = model(
        "  Subnet: { Type: AWS::EC2::Subnet, Properties: { AvailabilityZone: ap-northeast-2a } }\n",
    );
    assert_eq!(
        not_analysed(&model),
        [
            "2: value of `VpcId`: required, and not there",
            "2: value of `CidrBlock`: required, and not there",
        ]
    );
    assert!(model.subnets.is_empty());
}

#[test]
fn entries_of_a_network_acl_stand_in_the_order_they_are_tried() {
    let model = in_vpc(
        "
  Acl: { Type: AWS::EC2::NetworkAcl, Properties: { VpcId: !Ref Vpc } }
  Of: { Type: AWS::EC2::SubnetNetworkAclAssociation, Properties: { NetworkAclId: !Ref Acl, SubnetId: !Ref SubnetB } }
  A:
    Type: AWS::EC2::NetworkAclEntry
    Properties: { NetworkAclId: !Ref Acl, RuleNumber: 200, Protocol: -1, RuleAction: deny, CidrBlock: 0.0.0.0/0 }
  B:
    Type: AWS::EC2::NetworkAclEntry
    Properties: { NetworkAclId: !Ref Acl, RuleNumber: '100', Protocol: 6, RuleAction: ALLOW, CidrBlock: 10.0.0.0/8, PortRange: { From: 443, To: 443 } }
  C:
    Type: AWS::EC2::NetworkAclEntry
    Properties: { NetworkAclId: !Ref Acl, RuleNumber: 50, Egress: true, Protocol: 1, RuleAction: allow, CidrBlock: 0.0.0.0/0, Icmp: { Type: 8, Code: -1 } }
  D:
    Type: AWS::EC2::NetworkAclEntry
    Properties: { NetworkAclId: !Ref Acl, RuleNumber: 60, Egress: 'true', Protocol: 17, RuleAction: allow, Ipv6CidrBlock: '::/0', PortRange: { From: 1024, To: 65535 } }",
    );
    let acl = &model.network_acls["Acl"];
    assert_eq!(format!("{:?}", acl.subnets), "[SubnetB]");
    let entries = acl.entries.iter().map(|entry| {
        let way = if entry.egress { "out" } else { "in" };
        let verdict = if entry.allow { "allow" } else { "deny" };
        let range = entry.cidr.map(|cidr| cidr.to_string());
        let range = range
            .or(entry.cidr6.map(|cidr| cidr.to_string()))
            .unwrap_or_default();
        format!(
            "{way} {} {verdict} {} {range}",
            entry.rule_number, entry.traffic
        )
    });
    assert_eq!(
        entries.collect::<Vec<_>>(),
        [
            "in 100 allow tcp 443 10.0.0.0/8",
            "in 200 deny all traffic 0.0.0.0/0",
            "out 50 allow icmp 8/any 0.0.0.0/0",
            "out 60 allow udp 1024-65535 ::/0",
        ]
    );
}

#[test]
fn interface_and_gateway_endpoints() {
    let model = in_vpc(
        "
  Group: { Type: AWS::EC2::SecurityGroup, Properties: { GroupDescription: x, VpcId: !Ref Vpc } }
  Logs:
    Type: AWS::EC2::VPCEndpoint
    Properties:
      VpcId: !Ref Vpc
      ServiceName: com.amazonaws.ap-northeast-2.logs
      VpcEndpointType: Interface
      PrivateDnsEnabled: true
      SubnetIds: [!Ref SubnetA, !Ref SubnetB]
      SecurityGroupIds: [!GetAtt Group.GroupId]
      PolicyDocument: { Statement: [{ Effect: Allow, Principal: '*', Action: 'logs:*', Resource: '*' }] }",
    );
    let endpoint = &model.vpc_endpoints["Logs"];
    assert_eq!(endpoint.service("ap-northeast-2"), "logs");
    let VpcEndpointKind::Interface {
        subnets,
        security_groups,
        private_dns,
    } = &endpoint.kind
    else {
        panic!("not an interface endpoint: {endpoint:?}");
    };
    assert_eq!(
        format!("{subnets:?} {security_groups:?} {private_dns}"),
        "[SubnetA, SubnetB] [Group] true"
    );
    let policy = endpoint.policy.as_ref().expect("a policy");
    assert_eq!(policy["Statement"][0]["Action"], "logs:*");
    let addresses = model
        .enis
        .values()
        .map(|eni| format!("{} {}", eni.id, eni.address));
    assert_eq!(
        addresses.collect::<Vec<_>>(),
        ["Logs/SubnetA 10.0.1.4", "Logs/SubnetB 10.0.2.4"]
    );
}

#[test]
fn a_flow_log_knows_its_group_by_name_or_arn() {
    let model = in_vpc(
        "
  Group: { Type: AWS::Logs::LogGroup, Properties: { LogGroupName: /flows } }
  ByName: { Type: AWS::EC2::FlowLog, Properties: { ResourceId: !Ref Vpc, ResourceType: VPC, TrafficType: REJECT, LogGroupName: !Ref Group } }
  ByArn: { Type: AWS::EC2::FlowLog, Properties: { ResourceId: !Ref SubnetA, ResourceType: Subnet, LogDestination: !GetAtt Group.Arn } }",
    );
    let logs = model.flow_logs.values().map(|log| {
        let resource = log.resource.as_ref().map(ToString::to_string);
        (
            resource,
            log.traffic_type.as_str(),
            log.log_group_name.as_deref(),
        )
    });
    assert_eq!(
        logs.collect::<Vec<_>>(),
        [
            (Some("SubnetA".to_owned()), "ALL", Some("/flows")),
            (Some("Vpc".to_owned()), "REJECT", Some("/flows")),
        ]
    );
}
