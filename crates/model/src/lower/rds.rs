//! Databases with their subnet and parameter groups.

use std::collections::{BTreeMap, BTreeSet};

use crate::reader::{Lowering, Reader};
use crate::{Database, LogicalId, MasterUser, Model};

use super::elb::{attribute_text, ref_text};
use super::rds_cluster;

pub(super) fn lower(lowering: &Lowering<'_>, model: &mut Model) {
    let mut subnets = BTreeMap::new();
    for resource in lowering.resources("AWS::RDS::DBSubnetGroup") {
        let properties = lowering.reader(resource);
        properties.skip(&["DBSubnetGroupDescription", "DBSubnetGroupName", "Tags"]);
        let group = properties.references("SubnetIds", &["AWS::EC2::Subnet"]);
        subnets.insert(LogicalId::new(&resource.logical_id), group);
    }
    let mut parameters = BTreeMap::new();
    for resource in lowering.resources("AWS::RDS::DBParameterGroup") {
        let properties = lowering.reader(resource);
        properties.skip(&["DBParameterGroupName", "Description", "Family", "Tags"]);
        let group = properties.child("Parameters").map(|group| {
            let entries = group.entries().into_iter();
            entries
                .filter_map(|(key, value)| Some((key.to_owned(), lowering.text(value)?)))
                .collect()
        });
        parameters.insert(
            LogicalId::new(&resource.logical_id),
            group.unwrap_or_default(),
        );
    }
    let mut clusters = rds_cluster::clusters(lowering, &subnets);
    let mut with_instances = BTreeSet::new();
    let mut replicas = Vec::new();
    for resource in lowering.resources("AWS::RDS::DBInstance") {
        let properties = lowering.reader(resource);
        let mut database = database(lowering, &properties, &resource.logical_id);
        let subnet_group = properties.reference("DBSubnetGroupName", &["AWS::RDS::DBSubnetGroup"]);
        let parameter_group =
            properties.reference("DBParameterGroupName", &["AWS::RDS::DBParameterGroup"]);
        let subnets = subnet_group.and_then(|id| subnets.get(&id).cloned());
        let group = parameter_group.and_then(|id| parameters.get(&id).cloned());
        database.subnets = subnets.unwrap_or_default();
        database.parameters = group.unwrap_or_default();
        let cluster = properties.reference("DBClusterIdentifier", &["AWS::RDS::DBCluster"]);
        if let Some(cluster) = cluster.and_then(|id| clusters.get(&id)) {
            rds_cluster::inherit(&mut database, cluster);
            with_instances.insert(cluster.id.clone());
        }
        let source = properties.reference("SourceDBInstanceIdentifier", &["AWS::RDS::DBInstance"]);
        replicas.extend(source.map(|source| (database.id.clone(), source)));
        model.databases.insert(database.id.clone(), database);
    }
    // a cluster stands where its instances do; one without (Serverless v1) by itself
    clusters.retain(|id, _| !with_instances.contains(id));
    model.databases.extend(clusters);
    for (replica, source) in replicas {
        if let Some(source) = model.databases.get(&source).cloned()
            && let Some(replica) = model.databases.get_mut(&replica)
        {
            rds_cluster::replicate(replica, &source);
        }
    }
}

/// The port of an engine when the template names none.
/// (Amazon RDS User Guide, `CreateDBInstance`, `Port`)
pub(crate) fn default_port(engine: &str) -> u16 {
    match engine {
        "postgres" | "aurora-postgresql" => 5432,
        engine if engine.starts_with("oracle") || engine.starts_with("custom-oracle") => 1521,
        engine if engine.starts_with("sqlserver") || engine.starts_with("custom-sql") => 1433,
        engine if engine.starts_with("db2") => 50000,
        "mysql" | "mariadb" => 3306,
        engine if engine.starts_with("aurora") => 3306,
        _ => 5432,
    }
}

fn database(lowering: &Lowering<'_>, properties: &Reader<'_>, id: &str) -> Database {
    properties.skip(&[
        "AllocatedStorage",
        "AllowMajorVersionUpgrade",
        "AutoMinorVersionUpgrade",
        "AvailabilityZone",
        "CACertificateIdentifier",
        "CopyTagsToSnapshot",
        "DBInstanceIdentifier",
        "DatabaseInsightsMode",
        "DeleteAutomatedBackups",
        "EnableIAMDatabaseAuthentication",
        "EnablePerformanceInsights",
        "Iops",
        "LicenseModel",
        "MaxAllocatedStorage",
        "MonitoringInterval",
        "MonitoringRoleArn",
        "PerformanceInsightsKMSKeyId",
        "PerformanceInsightsRetentionPeriod",
        "PreferredBackupWindow",
        "PreferredMaintenanceWindow",
        "PromotionTier",
        "StorageThroughput",
        "StorageType",
    ]);
    let engine = properties.text("Engine").unwrap_or_default();
    let user = properties.text("MasterUsername");
    let password = properties.text("MasterUserPassword");
    Database {
        id: LogicalId::new(id),
        identifier: ref_text(lowering, id),
        arn: attribute_text(lowering, id, "DBInstanceArn"),
        instance_class: properties.text("DBInstanceClass"),
        cluster: None,
        engine_version: properties.text("EngineVersion"),
        endpoint: attribute_text(lowering, id, "Endpoint.Address"),
        port: properties
            .number("Port")
            .unwrap_or_else(|| default_port(&engine)),
        engine,
        database_name: properties.text("DBName"),
        master_username: user.map(|name| MasterUser { name, password }),
        subnets: Vec::new(),
        security_groups: properties.references("VPCSecurityGroups", &["AWS::EC2::SecurityGroup"]),
        publicly_accessible: properties.flag("PubliclyAccessible").unwrap_or(false),
        multi_az: properties.flag("MultiAZ").unwrap_or(false),
        storage_encrypted: properties.flag("StorageEncrypted").unwrap_or(false),
        key: properties.reference("KmsKeyId", &["AWS::KMS::Key"]),
        deletion_protection: properties.flag("DeletionProtection").unwrap_or(false),
        backup_retention_days: properties.number("BackupRetentionPeriod").unwrap_or(1),
        parameters: BTreeMap::new(),
        exported_logs: properties.texts("EnableCloudwatchLogsExports"),
        tags: properties.tags("Tags"),
        provenance: properties.provenance.clone(),
    }
}
