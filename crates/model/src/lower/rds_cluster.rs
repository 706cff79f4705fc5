//! Clusters of databases: what their instances have from them.
//!
//! Network, encryption and the first user are said once for the cluster; an
//! instance only says which cluster it is of, and where it may be reached from.
//! (Amazon Aurora User Guide, "Amazon Aurora DB clusters")

use std::collections::BTreeMap;

use crate::reader::Lowering;
use crate::{Database, LogicalId, MasterUser};

use super::elb::{attribute_text, ref_text};
use super::rds::default_port;

/// The clusters of a stack, each as if it were one database.
pub(super) fn clusters(
    lowering: &Lowering<'_>,
    subnets: &BTreeMap<LogicalId, Vec<LogicalId>>,
) -> BTreeMap<LogicalId, Database> {
    let mut found = BTreeMap::new();
    for resource in lowering.resources("AWS::RDS::DBClusterParameterGroup") {
        let properties = lowering.reader(resource);
        properties.skip(&[
            "DBClusterParameterGroupName",
            "Description",
            "Family",
            "Parameters",
            "Tags",
        ]);
    }
    for resource in lowering.resources("AWS::RDS::DBCluster") {
        let properties = lowering.reader(resource);
        properties.skip(&[
            "AllocatedStorage",
            "AutoMinorVersionUpgrade",
            "AvailabilityZones",
            "BacktrackWindow",
            "CopyTagsToSnapshot",
            "DBClusterIdentifier",
            "DBClusterParameterGroupName",
            "EnableHttpEndpoint",
            "EnableIAMDatabaseAuthentication",
            "EngineMode",
            "PreferredBackupWindow",
            "PreferredMaintenanceWindow",
            "ScalingConfiguration",
            "ServerlessV2ScalingConfiguration",
            "StorageType",
        ]);
        let id = LogicalId::new(&resource.logical_id);
        let group = properties.reference("DBSubnetGroupName", &["AWS::RDS::DBSubnetGroup"]);
        let user = properties.text("MasterUsername");
        let password = properties.text("MasterUserPassword");
        let engine = properties.text("Engine").unwrap_or_default();
        let cluster = Database {
            identifier: ref_text(lowering, &resource.logical_id),
            arn: attribute_text(lowering, &resource.logical_id, "DBClusterArn"),
            cluster: None,
            instance_class: properties.text("DBClusterInstanceClass"),
            engine_version: properties.text("EngineVersion"),
            endpoint: attribute_text(lowering, &resource.logical_id, "Endpoint.Address"),
            port: properties
                .number("Port")
                .unwrap_or_else(|| default_port(&engine)),
            engine,
            database_name: properties.text("DatabaseName"),
            master_username: user.map(|name| MasterUser { name, password }),
            subnets: group
                .and_then(|id| subnets.get(&id).cloned())
                .unwrap_or_default(),
            security_groups: properties
                .references("VpcSecurityGroupIds", &["AWS::EC2::SecurityGroup"]),
            publicly_accessible: properties.flag("PubliclyAccessible").unwrap_or(false),
            multi_az: false,
            storage_encrypted: properties.flag("StorageEncrypted").unwrap_or(false),
            key: properties.reference("KmsKeyId", &["AWS::KMS::Key"]),
            deletion_protection: properties.flag("DeletionProtection").unwrap_or(false),
            backup_retention_days: properties.number("BackupRetentionPeriod").unwrap_or(1),
            parameters: BTreeMap::new(),
            exported_logs: properties.texts("EnableCloudwatchLogsExports"),
            tags: properties.tags("Tags"),
            provenance: properties.provenance.clone(),
            id: id.clone(),
        };
        found.insert(id, cluster);
    }
    found
}

/// Gives an instance what its cluster says for all of them.
pub(super) fn inherit(instance: &mut Database, cluster: &Database) {
    instance.cluster = Some(cluster.id.clone());
    instance.engine.clone_from(&cluster.engine);
    instance.port = cluster.port;
    instance
        .security_groups
        .clone_from(&cluster.security_groups);
    if instance.subnets.is_empty() {
        instance.subnets.clone_from(&cluster.subnets);
    }
    instance.storage_encrypted = cluster.storage_encrypted;
    instance.key.clone_from(&cluster.key);
    instance.deletion_protection |= cluster.deletion_protection;
    instance.backup_retention_days = cluster.backup_retention_days;
    instance
        .master_username
        .clone_from(&cluster.master_username);
}

/// Gives a read replica what it has from its source.
/// (Amazon RDS User Guide, "Working with DB instance read replicas")
pub(super) fn replicate(replica: &mut Database, source: &Database) {
    if replica.engine.is_empty() {
        replica.engine.clone_from(&source.engine);
        replica.port = source.port;
    }
    if replica.subnets.is_empty() {
        replica.subnets.clone_from(&source.subnets);
    }
    replica.storage_encrypted |= source.storage_encrypted;
    if replica.key.is_none() {
        replica.key.clone_from(&source.key);
    }
}
