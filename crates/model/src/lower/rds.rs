//! Databases with their subnet and parameter groups.

use std::collections::BTreeMap;

use crate::reader::{Lowering, Reader};
use crate::{Database, LogicalId, MasterUser, Model};

use super::elb::{attribute_text, ref_text};

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
        model.databases.insert(database.id.clone(), database);
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
        "MaxAllocatedStorage",
        "MonitoringInterval",
        "MonitoringRoleArn",
        "PerformanceInsightsKMSKeyId",
        "PerformanceInsightsRetentionPeriod",
        "PreferredBackupWindow",
        "PreferredMaintenanceWindow",
        "StorageType",
    ]);
    let user = properties.text("MasterUsername");
    let password = properties.text("MasterUserPassword");
    Database {
        id: LogicalId::new(id),
        identifier: ref_text(lowering, id),
        arn: attribute_text(lowering, id, "DBInstanceArn"),
        instance_class: properties.text("DBInstanceClass"),
        engine: properties.text("Engine").unwrap_or_default(),
        engine_version: properties.text("EngineVersion"),
        endpoint: attribute_text(lowering, id, "Endpoint.Address"),
        port: properties.number("Port").unwrap_or(5432),
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
