//! Managed services that stand in a VPC: where their interfaces are, and which
//! groups filter them. What else their templates say is skipped by name.

use std::collections::BTreeMap;

use cfn::Resource;

use crate::reader::{Lowering, Reader};
use crate::{LogicalId, Model, Store};

/// Where the properties of a type say what its network is.
struct Shape {
    kind: &'static str,
    subnets: Subnets,
    /// Path of the list of groups.
    groups: &'static [&'static str],
    port: Port,
    /// Of no part in network or permissions.
    skipped: &'static [&'static str],
}

enum Subnets {
    /// A list at this path, or one subnet.
    Listed(&'static [&'static str]),
    /// A property that names a group of subnets of that type, with its list.
    Group(&'static str, &'static str, &'static str),
}

enum Port {
    Fixed(u16),
    /// A property, else a default.
    Property(&'static str, Option<u16>),
}

const SHAPES: &[Shape] = &[
    Shape {
        kind: "AWS::ElastiCache::CacheCluster",
        subnets: CACHE_SUBNETS,
        groups: &["VpcSecurityGroupIds"],
        port: Port::Property("Port", Some(6379)),
        skipped: CACHE_SKIPPED,
    },
    Shape {
        kind: "AWS::ElastiCache::ReplicationGroup",
        subnets: CACHE_SUBNETS,
        groups: &["SecurityGroupIds"],
        port: Port::Property("Port", Some(6379)),
        skipped: CACHE_SKIPPED,
    },
    Shape {
        kind: "AWS::ElastiCache::ServerlessCache",
        subnets: Subnets::Listed(&["SubnetIds"]),
        groups: &["SecurityGroupIds"],
        port: Port::Fixed(6379),
        skipped: &[
            "CacheUsageLimits",
            "DailySnapshotTime",
            "Description",
            "Engine",
            "KmsKeyId",
            "MajorEngineVersion",
            "ServerlessCacheName",
            "SnapshotRetentionLimit",
            "Tags",
            "UserGroupId",
        ],
    },
    Shape {
        kind: "AWS::Redshift::Cluster",
        subnets: Subnets::Group(
            "ClusterSubnetGroupName",
            "AWS::Redshift::ClusterSubnetGroup",
            "SubnetIds",
        ),
        groups: &["VpcSecurityGroupIds"],
        port: Port::Property("Port", Some(5439)),
        skipped: &[
            "AllowVersionUpgrade",
            "AutomatedSnapshotRetentionPeriod",
            "AvailabilityZone",
            "ClusterIdentifier",
            "ClusterParameterGroupName",
            "ClusterType",
            "ClusterVersion",
            "DBName",
            "Encrypted",
            "EnhancedVpcRouting",
            "IamRoles",
            "KmsKeyId",
            "LoggingProperties",
            "ManageMasterPassword",
            "MasterUserPassword",
            "MasterUsername",
            "NodeType",
            "NumberOfNodes",
            "PreferredMaintenanceWindow",
            "Tags",
        ],
    },
    Shape {
        kind: "AWS::DocDB::DBCluster",
        subnets: Subnets::Group(
            "DBSubnetGroupName",
            "AWS::DocDB::DBSubnetGroup",
            "SubnetIds",
        ),
        groups: &["VpcSecurityGroupIds"],
        port: Port::Property("Port", Some(27017)),
        skipped: CLUSTER_SKIPPED,
    },
    Shape {
        kind: "AWS::Neptune::DBCluster",
        subnets: Subnets::Group(
            "DBSubnetGroupName",
            "AWS::Neptune::DBSubnetGroup",
            "SubnetIds",
        ),
        groups: &["VpcSecurityGroupIds"],
        port: Port::Property("DBPort", Some(8182)),
        skipped: CLUSTER_SKIPPED,
    },
    Shape {
        kind: "AWS::RDS::DBProxy",
        subnets: Subnets::Listed(&["VpcSubnetIds"]),
        groups: &["VpcSecurityGroupIds"],
        port: Port::Property("Port", None),
        skipped: &[
            "Auth",
            "DBProxyName",
            "DebugLogging",
            "EngineFamily",
            "IdleClientTimeout",
            "RequireTLS",
            "RoleArn",
            "Tags",
        ],
    },
    Shape {
        kind: "AWS::EFS::MountTarget",
        subnets: Subnets::Listed(&["SubnetId"]),
        groups: &["SecurityGroups"],
        port: Port::Fixed(2049),
        skipped: &["FileSystemId", "IpAddress"],
    },
    Shape {
        kind: "AWS::OpenSearchService::Domain",
        subnets: Subnets::Listed(&["VPCOptions", "SubnetIds"]),
        groups: &["VPCOptions", "SecurityGroupIds"],
        port: Port::Fixed(443),
        skipped: SEARCH_SKIPPED,
    },
    Shape {
        kind: "AWS::Elasticsearch::Domain",
        subnets: Subnets::Listed(&["VPCOptions", "SubnetIds"]),
        groups: &["VPCOptions", "SecurityGroupIds"],
        port: Port::Fixed(443),
        skipped: SEARCH_SKIPPED,
    },
    Shape {
        kind: "AWS::MSK::Cluster",
        subnets: Subnets::Listed(&["BrokerNodeGroupInfo", "ClientSubnets"]),
        groups: &["BrokerNodeGroupInfo", "SecurityGroups"],
        port: Port::Fixed(9098),
        skipped: &[
            "ClientAuthentication",
            "ClusterName",
            "ConfigurationInfo",
            "EncryptionInfo",
            "EnhancedMonitoring",
            "KafkaVersion",
            "LoggingInfo",
            "NumberOfBrokerNodes",
            "OpenMonitoring",
            "StorageMode",
            "Tags",
        ],
    },
];

const CACHE_SUBNETS: Subnets = Subnets::Group(
    "CacheSubnetGroupName",
    "AWS::ElastiCache::SubnetGroup",
    "SubnetIds",
);

const CACHE_SKIPPED: &[&str] = &[
    "AZMode",
    "AtRestEncryptionEnabled",
    "AuthToken",
    "AutoMinorVersionUpgrade",
    "AutomaticFailoverEnabled",
    "CacheNodeType",
    "CacheParameterGroupName",
    "ClusterName",
    "Engine",
    "EngineVersion",
    "KmsKeyId",
    "LogDeliveryConfigurations",
    "MultiAZEnabled",
    "NodeGroupConfiguration",
    "NumCacheClusters",
    "NumCacheNodes",
    "NumNodeGroups",
    "PreferredAvailabilityZone",
    "PreferredAvailabilityZones",
    "PreferredCacheClusterAZs",
    "PreferredMaintenanceWindow",
    "ReplicasPerNodeGroup",
    "ReplicationGroupDescription",
    "ReplicationGroupId",
    "SnapshotRetentionLimit",
    "SnapshotWindow",
    "Tags",
    "TransitEncryptionEnabled",
    "TransitEncryptionMode",
];

const CLUSTER_SKIPPED: &[&str] = &[
    "AvailabilityZones",
    "BackupRetentionPeriod",
    "CopyTagsToSnapshot",
    "DBClusterIdentifier",
    "DBClusterParameterGroupName",
    "DeletionProtection",
    "EnableCloudwatchLogsExports",
    "EngineVersion",
    "IamAuthEnabled",
    "KmsKeyId",
    "MasterUserPassword",
    "MasterUsername",
    "PreferredBackupWindow",
    "PreferredMaintenanceWindow",
    "ServerlessScalingConfiguration",
    "StorageEncrypted",
    "StorageType",
    "Tags",
];

/// An access policy is a permission: that one is not skipped.
const SEARCH_SKIPPED: &[&str] = &[
    "AdvancedOptions",
    "AdvancedSecurityOptions",
    "ClusterConfig",
    "CognitoOptions",
    "DomainEndpointOptions",
    "DomainName",
    "EBSOptions",
    "ElasticsearchClusterConfig",
    "ElasticsearchVersion",
    "EncryptionAtRestOptions",
    "EngineVersion",
    "LogPublishingOptions",
    "NodeToNodeEncryptionOptions",
    "OffPeakWindowOptions",
    "SnapshotOptions",
    "SoftwareUpdateOptions",
    "Tags",
];

/// Groups of subnets, and what hangs on the services without an interface.
const BESIDE: &[&str] = &[
    "AWS::DocDB::DBClusterParameterGroup",
    "AWS::DocDB::DBInstance",
    "AWS::DocDB::DBSubnetGroup",
    "AWS::EFS::AccessPoint",
    "AWS::ElastiCache::ParameterGroup",
    "AWS::ElastiCache::SubnetGroup",
    "AWS::Neptune::DBClusterParameterGroup",
    "AWS::Neptune::DBInstance",
    "AWS::Neptune::DBParameterGroup",
    "AWS::Neptune::DBSubnetGroup",
    "AWS::RDS::DBProxyTargetGroup",
    "AWS::Redshift::ClusterParameterGroup",
    "AWS::Redshift::ClusterSubnetGroup",
];

/// Whether a type is read here.
pub(super) fn knows(kind: &str) -> bool {
    BESIDE.contains(&kind) || SHAPES.iter().any(|shape| shape.kind == kind)
}

pub(super) fn lower(lowering: &Lowering<'_>, model: &mut Model) {
    let groups = subnet_groups(lowering);
    for shape in SHAPES {
        for resource in lowering.resources(shape.kind) {
            let store = store(lowering, shape, resource, &groups);
            model.stores.insert(store.id.clone(), store);
        }
    }
}

fn subnet_groups(lowering: &Lowering<'_>) -> BTreeMap<LogicalId, Vec<LogicalId>> {
    let mut found = BTreeMap::new();
    let named = SHAPES.iter().filter_map(|shape| match shape.subnets {
        Subnets::Group(_, kind, list) => Some((kind, list)),
        Subnets::Listed(_) => None,
    });
    for (kind, list) in named.collect::<BTreeMap<_, _>>() {
        for resource in lowering.resources(kind) {
            let properties = lowering.reader(resource);
            properties.skip(&[
                "CacheSubnetGroupName",
                "DBSubnetGroupDescription",
                "DBSubnetGroupName",
                "Description",
                "Tags",
            ]);
            let subnets = properties.references(list, SUBNET);
            found.insert(LogicalId::new(&resource.logical_id), subnets);
        }
    }
    found
}

const SUBNET: &[&str] = &["AWS::EC2::Subnet"];
const GROUP: &[&str] = &["AWS::EC2::SecurityGroup"];

fn store(
    lowering: &Lowering<'_>,
    shape: &Shape,
    resource: &Resource,
    groups: &BTreeMap<LogicalId, Vec<LogicalId>>,
) -> Store {
    let properties = lowering.reader(resource);
    properties.skip(shape.skipped);
    // Both paths may lead through one map, which is read once.
    let parent = match (&shape.subnets, shape.groups) {
        (Subnets::Listed([parent, _]), _) | (_, [parent, _]) => properties.child(parent),
        _ => None,
    };
    if let Some(parent) = &parent {
        parent.skip(&[
            "BrokerAZDistribution",
            "ConnectivityInfo",
            "InstanceType",
            "StorageInfo",
        ]);
    }
    let listed = |path: &[&str], kinds: &[&str]| match (path, &parent) {
        ([key], _) => properties.references(key, kinds),
        ([_, key], Some(parent)) => parent.references(key, kinds),
        _ => Vec::new(),
    };
    let subnets = match shape.subnets {
        Subnets::Listed(path) => listed(path, SUBNET),
        Subnets::Group(property, kind, _) => {
            if properties.value(property).is_none() {
                properties.absent(property, "it runs in a VPC outside the template");
            }
            let group = properties.reference(property, &[kind]);
            let group = group.and_then(|id| groups.get(&id).cloned());
            group.unwrap_or_default()
        }
    };
    Store {
        id: LogicalId::new(&resource.logical_id),
        resource_type: shape.kind.to_owned(),
        port: port(&properties, &shape.port),
        subnets,
        security_groups: listed(shape.groups, GROUP),
        public: properties.flag("PubliclyAccessible").unwrap_or(false),
        provenance: properties.provenance.clone(),
    }
}

fn port(properties: &Reader<'_>, port: &Port) -> Option<u16> {
    match port {
        Port::Fixed(port) => Some(*port),
        Port::Property(key, default) => properties.number(key).or(*default),
    }
}
