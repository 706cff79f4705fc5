//! RDS: which databases there are and where.

use bytes::Bytes;
use http::{Response, StatusCode};

use super::query::{Parameters, Xml};
use crate::call::{Ask, Call};
use crate::error::{ApiError, ApiResult};
use crate::seed::DatabaseSeed;

const NAMESPACE: &str = "http://rds.amazonaws.com/doc/2014-10-31/";

/// Runs an RDS operation.
pub(crate) fn handle(
    call: &Call<'_>,
    operation: &str,
    parameters: &Parameters<'_>,
) -> ApiResult<Response<Bytes>> {
    let xml = match operation {
        "DescribeDBInstances" => describe_db_instances(call, parameters)?,
        other => return Err(ApiError::unsupported("Amazon RDS", other)),
    };
    Ok(xml.answer(operation, NAMESPACE, call.request_id))
}

/// One database needs permission for it, the list permission for every one.
fn describe_db_instances(call: &Call<'_>, parameters: &Parameters<'_>) -> ApiResult<Xml> {
    const ACTION: &str = "rds:DescribeDBInstances";
    let databases = &call.emulator.seed.databases;
    let found: Vec<_> = match parameters.get("DBInstanceIdentifier") {
        Some(reference) => {
            let name = reference.rsplit(':').next().unwrap_or(reference);
            let name = name.to_lowercase();
            let arn = call.emulator.arn("rds", &format!("db:{name}"));
            let found = databases.iter().find(|seed| seed.identifier == name);
            let mut ask = Ask::new(ACTION, &arn);
            if let Some(seed) = found {
                ask = ask.tags(&seed.tags).tags_as("rds:db-tag", &seed.tags);
            }
            call.authorize(&ask)?;
            vec![found.ok_or_else(|| no_database(&name))?]
        }
        None => {
            let every = call.emulator.arn("rds", "db:*");
            call.authorize(&Ask::new(ACTION, &every))?;
            databases.iter().collect()
        }
    };
    let filters = parameters.filters("Filters.Filter", "Values.Value");
    let mut wanted = Vec::new();
    for database in found {
        let mut is_wanted = true;
        for (name, values) in &filters {
            is_wanted &= admits(database, name, values)?;
        }
        if is_wanted {
            wanted.push(database);
        }
    }
    let (page, next) = parameters.page(wanted, "MaxRecords", "Marker", 20..=100)?;
    let created = call.emulator.opened.iso8601_ms();
    let mut xml = Xml::default();
    xml.maybe("Marker", next.as_deref());
    xml.list("DBInstances", "DBInstance", page, |xml, database| {
        describe(xml, database, &created);
    });
    Ok(xml)
}

fn admits(database: &DatabaseSeed, name: &str, values: &[&str]) -> ApiResult<bool> {
    let is = |text: &str| values.contains(&text);
    Ok(match name {
        "db-instance-id" => is(&database.identifier) || is(&database.arn),
        "dbi-resource-id" => is(&database.resource_id),
        "engine" => is(&database.engine),
        other => {
            let message = format!("Unrecognized filter name: {other}");
            return Err(ApiError::client("InvalidParameterValue", message));
        }
    })
}

fn describe(xml: &mut Xml, database: &DatabaseSeed, created: &str) {
    let flag = |is: bool| if is { "true" } else { "false" };
    let retention = database.backup_retention_days.to_string();
    xml.text("DBInstanceIdentifier", &database.identifier)
        .text("DBInstanceArn", &database.arn)
        .text("DbiResourceId", &database.resource_id)
        .maybe("DBInstanceClass", database.instance_class.as_deref())
        .text("Engine", &database.engine)
        .maybe("EngineVersion", database.engine_version.as_deref())
        .text("DBInstanceStatus", "available")
        .maybe("MasterUsername", database.master_username.as_deref())
        .maybe("DBName", database.database_name.as_deref())
        .within("Endpoint", |xml| {
            xml.text("Address", &database.address)
                .text("Port", &database.port.to_string());
        })
        .text("InstanceCreateTime", created)
        .text("BackupRetentionPeriod", &retention)
        .text("MultiAZ", flag(database.multi_az))
        .text("PubliclyAccessible", flag(database.publicly_accessible))
        .text("StorageEncrypted", flag(database.storage_encrypted))
        .maybe("KmsKeyId", database.kms_key.as_deref())
        .text("DeletionProtection", flag(database.deletion_protection))
        .text("IAMDatabaseAuthenticationEnabled", "false");
    if let Some((_, zone)) = database.subnets.first() {
        xml.text("AvailabilityZone", zone);
    }
    if let Some(vpc) = &database.vpc_id {
        xml.within("DBSubnetGroup", |xml| {
            xml.text("VpcId", vpc).list(
                "Subnets",
                "Subnet",
                &database.subnets,
                |xml, (subnet, zone)| {
                    xml.text("SubnetIdentifier", subnet);
                    xml.within("SubnetAvailabilityZone", |xml| {
                        xml.text("Name", zone);
                    });
                },
            );
        });
    }
    let (groups, tags) = (&database.security_groups, &database.tags);
    let logs = database.exported_logs.iter().map(String::as_str);
    xml.texts("EnabledCloudwatchLogsExports", "member", logs)
        .list(
            "VpcSecurityGroups",
            "VpcSecurityGroupMembership",
            groups,
            |xml, group| {
                xml.text("VpcSecurityGroupId", group)
                    .text("Status", "active");
            },
        )
        .list("TagList", "Tag", tags, |xml, (key, value)| {
            xml.text("Key", key).text("Value", value);
        });
}

fn no_database(name: &str) -> ApiError {
    let message = format!("DBInstance {name} not found.");
    ApiError::new(StatusCode::NOT_FOUND, "DBInstanceNotFound", message)
}
