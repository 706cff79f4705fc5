//! Which interfaces do instances, functions and managed services have?

use model::{EniKind, LoadBalancerKind, Model};

use crate::support::{in_vpc, model, not_analysed};

fn interfaces(model: &Model) -> Vec<String> {
    let enis = model.enis.values();
    enis.map(|eni| {
        let public = if eni.public { " public" } else { "" };
        let (id, kind, address) = (&eni.id, eni.kind, eni.address);
        format!(
            "{id} of {} {kind:?} {address}{public} {:?}",
            eni.owner, eni.security_groups
        )
    })
    .collect()
}

const GROUP: &str = "
  Group: { Type: AWS::EC2::SecurityGroup, Properties: { GroupDescription: x, VpcId: !Ref Vpc } }";

#[test]
fn an_instance_stands_where_it_says_and_keeps_the_address_it_asks_for() {
    let model = in_vpc(&format!(
        "{GROUP}
  Plain: {{ Type: AWS::EC2::Instance, Properties: {{ SubnetId: !Ref SubnetA, SecurityGroupIds: [!Ref Group], PrivateIpAddress: 10.0.1.4 }} }}
  Open:
    Type: AWS::EC2::Instance
    Properties:
      NetworkInterfaces:
        - {{ DeviceIndex: '1', SubnetId: !Ref SubnetB }}
        - {{ DeviceIndex: '0', SubnetId: !Ref SubnetA, GroupSet: [!Ref Group], AssociatePublicIpAddress: true }}
  Fixed: {{ Type: AWS::EC2::Instance, Properties: {{ SubnetId: !Ref SubnetA }} }}
  Address: {{ Type: AWS::EC2::EIP, Properties: {{ InstanceId: !Ref Fixed }} }}
"
    ));
    assert_eq!(
        interfaces(&model),
        [
            "Fixed of Fixed Instance 10.0.1.5 public [Vpc.DefaultSecurityGroup]",
            "Open of Open Instance 10.0.1.6 public [Group]",
            "Open/1 of Open Instance 10.0.2.4 [Vpc.DefaultSecurityGroup]",
            "Plain of Plain Instance 10.0.1.4 [Group]",
        ]
    );
    let second = model.enis.values().find(|eni| eni.id.0 == "Open/1");
    let second = model.instance_id(second.expect("the second interface"));
    assert_eq!(second, model.instances["Open"].instance_id);
}

#[test]
fn a_network_interface_belongs_to_the_instance_that_takes_it() {
    let model = in_vpc(
        "
  Taken: { Type: AWS::EC2::NetworkInterface, Properties: { SubnetId: !Ref SubnetA } }
  Attached: { Type: AWS::EC2::NetworkInterface, Properties: { SubnetId: !Ref SubnetB } }
  Waiting: { Type: AWS::EC2::NetworkInterface, Properties: { SubnetId: !Ref SubnetB } }
  Web: { Type: AWS::EC2::Instance, Properties: { NetworkInterfaces: [{ DeviceIndex: '0', NetworkInterfaceId: !Ref Taken }] } }
  Attachment: { Type: AWS::EC2::NetworkInterfaceAttachment, Properties: { InstanceId: !Ref Web, NetworkInterfaceId: !Ref Attached, DeviceIndex: '1' } }
  Address: { Type: AWS::EC2::EIP }
  Association: { Type: AWS::EC2::EIPAssociation, Properties: { AllocationId: !GetAtt Address.AllocationId, NetworkInterfaceId: !Ref Taken } }
",
    );
    assert_eq!(
        interfaces(&model),
        [
            "Attached of Web Instance 10.0.2.4 [Vpc.DefaultSecurityGroup]",
            "Taken of Web Instance 10.0.1.4 public [Vpc.DefaultSecurityGroup]",
            "Waiting of Waiting Instance 10.0.2.5 [Vpc.DefaultSecurityGroup]",
        ]
    );
}

/// VPC User Guide, "Modify the public IPv4 addressing attribute for your subnet".
#[test]
fn unsaid_the_subnet_decides_about_a_public_address() {
    let model = model(
        "
  Vpc: { Type: AWS::EC2::VPC, Properties: { CidrBlock: 10.0.0.0/16 } }
  Public: { Type: AWS::EC2::Subnet, Properties: { VpcId: !Ref Vpc, CidrBlock: 10.0.1.0/24, MapPublicIpOnLaunch: true } }
  Own: { Type: AWS::EC2::Instance, Properties: { SubnetId: !Ref Public } }
  Private: { Type: AWS::EC2::Instance, Properties: { NetworkInterfaces: [{ SubnetId: !Ref Public, AssociatePublicIpAddress: false }] } }
  Launch: { Type: AWS::AutoScaling::LaunchConfiguration, Properties: { ImageId: ami-1, InstanceType: t3.micro } }
  Group: { Type: AWS::AutoScaling::AutoScalingGroup, Properties: { LaunchConfigurationName: !Ref Launch, VPCZoneIdentifier: [!Ref Public], MinSize: 1, MaxSize: 1 } }
",
    );
    let public: Vec<_> = model
        .enis
        .values()
        .map(|eni| (eni.id.0.as_str(), eni.public))
        .collect();
    assert_eq!(
        public,
        [("Group/1", true), ("Own", true), ("Private", false)]
    );
}

#[test]
fn outside_the_templates_vpcs_is_said() {
    let model = model(
        "
  Lone: { Type: AWS::EC2::Instance, Properties: { ImageId: ami-1 } }
  Cache: { Type: AWS::ElastiCache::CacheCluster, Properties: { CacheNodeType: cache.t4g.micro, Engine: redis, NumCacheNodes: 1 } }
",
    );
    assert_eq!(
        not_analysed(&model),
        [
            "3: value of `SubnetId`: not there: it runs in the account's default VPC, outside the template",
            "4: value of `CacheSubnetGroupName`: not there: it runs in a VPC outside the template",
        ]
    );
    assert!(model.enis.is_empty());
}

/// Network Load Balancers, "Update the security groups for your Network Load
/// Balancer": one without groups is not filtered.
#[test]
fn a_network_load_balancer_may_have_no_groups() {
    let model = in_vpc(&format!(
        "{GROUP}
  Bare: {{ Type: AWS::ElasticLoadBalancingV2::LoadBalancer, Properties: {{ Type: network, SubnetMappings: [{{ SubnetId: !Ref SubnetA }}] }} }}
  Filtered: {{ Type: AWS::ElasticLoadBalancingV2::LoadBalancer, Properties: {{ Type: network, Subnets: [!Ref SubnetB], SecurityGroups: [!Ref Group] }} }}
  Plain: {{ Type: AWS::ElasticLoadBalancingV2::TargetGroup, Properties: {{ Protocol: TCP, Port: 80, VpcId: !Ref Vpc }} }}
  Addresses: {{ Type: AWS::ElasticLoadBalancingV2::TargetGroup, Properties: {{ Protocol: TCP, Port: 80, VpcId: !Ref Vpc, TargetType: ip }} }}
"
    ));
    assert_eq!(model.load_balancers["Bare"].kind, LoadBalancerKind::Network);
    assert!(
        model.load_balancers["Bare"]
            .arn
            .contains(":loadbalancer/net/")
    );
    assert_eq!(
        interfaces(&model),
        [
            "Bare/SubnetA of Bare LoadBalancer 10.0.1.4 public []",
            "Filtered/SubnetB of Filtered LoadBalancer 10.0.2.4 public [Group]",
        ]
    );
    assert!(model.target_groups["Plain"].preserve_client_ip);
    assert!(!model.target_groups["Addresses"].preserve_client_ip);
}

#[test]
fn functions_and_stores_have_an_interface_in_each_subnet() {
    let model = in_vpc(&format!(
        "{GROUP}
  Role: {{ Type: AWS::IAM::Role, Properties: {{ AssumeRolePolicyDocument: {{ Version: '2012-10-17', Statement: [] }} }} }}
  Function:
    Type: AWS::Lambda::Function
    Properties: {{ Code: {{ ZipFile: x }}, Role: !GetAtt Role.Arn, VpcConfig: {{ SubnetIds: [!Ref SubnetA, !Ref SubnetB], SecurityGroupIds: [!Ref Group] }} }}
  Outside: {{ Type: AWS::Lambda::Function, Properties: {{ Code: {{ ZipFile: x }}, Role: !GetAtt Role.Arn }} }}
  Caches: {{ Type: AWS::ElastiCache::SubnetGroup, Properties: {{ Description: x, SubnetIds: [!Ref SubnetA] }} }}
  Cache: {{ Type: AWS::ElastiCache::ReplicationGroup, Properties: {{ ReplicationGroupDescription: x, CacheSubnetGroupName: !Ref Caches, SecurityGroupIds: [!Ref Group] }} }}
  Mount: {{ Type: AWS::EFS::MountTarget, Properties: {{ FileSystemId: fs-1, SubnetId: !Ref SubnetB, SecurityGroups: [!Ref Group] }} }}
  Search: {{ Type: AWS::OpenSearchService::Domain, Properties: {{ VPCOptions: {{ SubnetIds: [!Ref SubnetA], SecurityGroupIds: [!Ref Group] }} }} }}
"
    ));
    assert_eq!(
        interfaces(&model),
        [
            "Cache/SubnetA of Cache Store 10.0.1.4 [Group]",
            "Function/SubnetA of Function Function 10.0.1.5 [Group]",
            "Function/SubnetB of Function Function 10.0.2.4 [Group]",
            "Mount/SubnetB of Mount Store 10.0.2.5 [Group]",
            "Search/SubnetA of Search Store 10.0.1.6 [Group]",
        ]
    );
    assert_eq!(model.stores["Cache"].port, Some(6379));
    assert_eq!(
        model.functions["Outside"]
            .role
            .as_ref()
            .map(|id| id.as_str()),
        Some("Role")
    );
}

#[test]
fn an_instance_of_a_cluster_has_its_network_and_encryption() {
    let model = in_vpc(&format!(
        "{GROUP}
  Subnets: {{ Type: AWS::RDS::DBSubnetGroup, Properties: {{ DBSubnetGroupDescription: x, SubnetIds: [!Ref SubnetB] }} }}
  Cluster:
    Type: AWS::RDS::DBCluster
    Properties: {{ Engine: aurora-mysql, DBSubnetGroupName: !Ref Subnets, VpcSecurityGroupIds: [!Ref Group], StorageEncrypted: true }}
  Writer: {{ Type: AWS::RDS::DBInstance, Properties: {{ Engine: aurora-mysql, DBClusterIdentifier: !Ref Cluster, DBInstanceClass: db.r6g.large }} }}
  Replica: {{ Type: AWS::RDS::DBInstance, Properties: {{ SourceDBInstanceIdentifier: !Ref Writer, DBInstanceClass: db.r6g.large }} }}
  Serverless:
    Type: AWS::RDS::DBCluster
    Properties: {{ Engine: aurora-postgresql, EngineMode: serverless, DBSubnetGroupName: !Ref Subnets, VpcSecurityGroupIds: [!Ref Group] }}
"
    ));
    let writer = &model.databases["Writer"];
    assert!(writer.storage_encrypted);
    assert_eq!(
        (writer.port, model.databases["Serverless"].port),
        (3306, 5432)
    );
    assert_eq!(model.databases["Replica"].engine, "aurora-mysql");
    assert!(!model.databases.contains_key("Cluster"));
    let kinds: Vec<_> = model
        .enis
        .values()
        .map(|eni| (eni.id.0.as_str(), eni.kind))
        .collect();
    let database = EniKind::Database;
    assert_eq!(
        kinds,
        [
            ("Replica", database),
            ("Serverless", database),
            ("Writer", database)
        ]
    );
}
