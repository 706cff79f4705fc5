//! Which network interfaces do the resources imply, and where?

use model::{EniKind, Peer, Traffic};

use crate::support::{VPC, in_vpc, model, not_analysed};

const SERVICE: &str = "
  Cluster: { Type: AWS::ECS::Cluster }
  Task:
    Type: AWS::ECS::TaskDefinition
    Properties: { NetworkMode: awsvpc, ContainerDefinitions: [{ Name: web, Image: x }] }
  Group: { Type: AWS::EC2::SecurityGroup, Properties: { GroupDescription: x, VpcId: !Ref Vpc } }
  Service:
    Type: AWS::ECS::Service
    Properties:
      Cluster: !Ref Cluster
      TaskDefinition: !Ref Task
      DesiredCount: 3
      NetworkConfiguration: { AwsvpcConfiguration: { Subnets: [!Ref SubnetA, !Ref SubnetB], SecurityGroups: [!Ref Group], AssignPublicIp: ENABLED } }
";

fn interfaces(model: &model::Model) -> Vec<String> {
    let enis = model.enis.values();
    enis.map(|eni| {
        format!(
            "{} {:?} {} {:?}",
            eni.id, eni.kind, eni.address, eni.security_groups
        )
    })
    .collect()
}

#[test]
fn tasks_take_the_subnets_in_turn_and_a_migration_runs_where_they_do() {
    let model = in_vpc(&format!(
        "{SERVICE}
  Migrate:
    Type: AWS::ECS::TaskDefinition
    Metadata: {{ Kickytime::Local: {{ RunOnce: true }} }}
    Properties: {{ NetworkMode: awsvpc, ContainerDefinitions: [{{ Name: migrate, Image: x }}] }}
  Subnets: {{ Type: AWS::RDS::DBSubnetGroup, Properties: {{ DBSubnetGroupDescription: x, SubnetIds: [!Ref SubnetB, !Ref SubnetA] }} }}
  Database: {{ Type: AWS::RDS::DBInstance, Properties: {{ Engine: postgres, DBSubnetGroupName: !Ref Subnets, VPCSecurityGroups: [!Ref Group] }} }}
  Nat: {{ Type: AWS::EC2::NatGateway, Properties: {{ SubnetId: !Ref SubnetA, ConnectivityType: private }} }}"
    ));
    assert_eq!(
        interfaces(&model),
        [
            "Database Database 10.0.2.4 [Group]",
            "Migrate/once Task 10.0.1.4 [Group]",
            "Nat NatGateway 10.0.1.5 []",
            "Service/1 Task 10.0.1.6 [Group]",
            "Service/2 Task 10.0.2.5 [Group]",
            "Service/3 Task 10.0.1.7 [Group]",
        ]
    );
    assert!(model.task_definitions["Migrate"].run_once);
    assert!(!model.task_definitions["Task"].run_once);
    let service = model
        .enis
        .values()
        .find(|eni| eni.owner.as_str() == "Service");
    assert!(service.expect("a task").public);
    let checked = |eni: &model::Eni| eni.source_dest_check() == (eni.kind != EniKind::NatGateway);
    assert!(model.enis.values().all(checked));
}

#[test]
fn where_no_group_is_named_the_default_one_of_the_vpc_serves() {
    let model = in_vpc(
        "
  Balancer: { Type: AWS::ElasticLoadBalancingV2::LoadBalancer, Properties: { Subnets: [!Ref SubnetA] } }",
    );
    assert_eq!(
        interfaces(&model),
        ["Balancer/SubnetA LoadBalancer 10.0.1.4 [Vpc.DefaultSecurityGroup]"]
    );
    let group = &model.security_groups["Vpc.DefaultSecurityGroup"];
    assert_eq!(group.name, "default");
    // VPC User Guide, "Default security groups"
    assert_eq!(group.ingress[0].peer, Peer::SecurityGroup(group.id.clone()));
    assert_eq!(group.ingress[0].traffic, Traffic::All);
    assert_eq!(
        group.egress[0].peer,
        Peer::Cidr("0.0.0.0/0".parse().expect("a CIDR block"))
    );
    let said = model.resolve(&cfn::Symbol::GetAtt(
        "Vpc".into(),
        "DefaultSecurityGroup".into(),
    ));
    assert_eq!(said.as_ref(), Some(&group.group_id));
}

#[test]
fn more_interfaces_than_addresses_are_named() {
    // a /28 holds 11: AWS keeps the first four and the last
    let service = SERVICE
        .replace("!Ref SubnetA, ", "")
        .replace("DesiredCount: 3", "DesiredCount: 14");
    let model = model(&format!("{VPC}{service}"));
    assert_eq!(model.enis.len(), 11);
    let last = model
        .enis
        .values()
        .map(|eni| eni.address)
        .max()
        .expect("interfaces");
    assert_eq!(last.to_string(), "10.0.2.14");
    let said = not_analysed(&model);
    assert_eq!(said.len(), 1, "{said:?}");
    assert!(
        said[0].ends_with("`SubnetB` has no address left for 3 of its interfaces"),
        "{said:?}"
    );
}

#[test]
fn addresses_of_ipv6_where_the_subnet_gives_them() {
    let model = in_vpc(
        &"
  Block: { Type: AWS::EC2::VPCCidrBlock, Properties: { VpcId: !Ref Vpc, AmazonProvidedIpv6CidrBlock: true } }
  Six:
    Type: AWS::EC2::Subnet
    Properties: { VpcId: !Ref Vpc, CidrBlock: 10.0.3.0/24, Ipv6CidrBlock: '2001:db8:0:7::/64', AssignIpv6AddressOnCreation: true }
SERVICE"
            .replace("SERVICE", &SERVICE.replace("SubnetA, !Ref SubnetB", "Six, !Ref SubnetB")),
    );
    let of = |id: &str| {
        let mut enis = model.enis.values();
        enis.find(|eni| eni.id.0 == id)
            .and_then(|eni| eni.address6)
            .map(|a| a.to_string())
    };
    assert_eq!(of("Service/1").as_deref(), Some("2001:db8:0:7::4"));
    assert_eq!(of("Service/2"), None);
}
