//! What the Describe calls say of the template's stack and its databases.

use cfn::Symbol;
use emulator::{DatabaseSeed, OutputSeed, StackResourceSeed, StackSeed, Tags};
use model::{Database, Model};

use super::key_arn;

/// The stack. An output whose value nobody here knows is not among the others.
pub(super) fn stack(model: &Model) -> StackSeed {
    let outputs = model.stack.outputs.iter().filter_map(|(key, output)| {
        Some(OutputSeed {
            key: key.clone(),
            value: model.text(&output.value)?,
            description: output.description.clone(),
            export: output
                .export_name
                .as_ref()
                .and_then(|name| model.text(name)),
        })
    });
    let resources = model.stack.resources.values().map(|resource| {
        let id = &resource.logical_id;
        let physical = model.resolve(&Symbol::Ref(id.clone()));
        StackResourceSeed {
            logical_id: id.clone(),
            physical_id: physical.unwrap_or_else(|| id.clone()),
            kind: resource.resource_type.clone(),
        }
    });
    StackSeed {
        name: model.stack.stack_name.clone(),
        id: model.stack_id(),
        description: model.stack.description.clone(),
        outputs: outputs.collect(),
        resources: resources.collect(),
        tags: Tags::new(),
    }
}

pub(super) fn databases(model: &Model) -> Vec<DatabaseSeed> {
    let databases = model.databases.values();
    databases.map(|database| seed(model, database)).collect()
}

fn seed(model: &Model, database: &Database) -> DatabaseSeed {
    let subnets: Vec<_> = database
        .subnets
        .iter()
        .filter_map(|id| model.subnets.get(id))
        .collect();
    let vpc = subnets
        .first()
        .and_then(|subnet| model.vpcs.get(&subnet.vpc));
    let resource_id = Symbol::GetAtt(database.id.to_string(), "DbiResourceId".to_owned());
    let groups = database
        .security_groups
        .iter()
        .filter_map(|id| model.security_groups.get(id));
    DatabaseSeed {
        identifier: database.identifier.to_lowercase(),
        arn: database.arn.clone(),
        resource_id: model.resolve(&resource_id).unwrap_or_default(),
        instance_class: database.instance_class.clone(),
        engine: database.engine.clone(),
        engine_version: database.engine_version.clone(),
        address: database.endpoint.clone(),
        port: database.port,
        database_name: database.database_name.clone(),
        // a name that is a reference to a secret is the secret's to tell
        master_username: database
            .master_username
            .as_ref()
            .map(|user| user.name.clone())
            .filter(|name| !name.contains("{{resolve:")),
        vpc_id: vpc.map(|vpc| vpc.vpc_id.clone()),
        subnets: subnets
            .iter()
            .map(|subnet| (subnet.subnet_id.clone(), subnet.availability_zone.clone()))
            .collect(),
        security_groups: groups.map(|group| group.group_id.clone()).collect(),
        publicly_accessible: database.publicly_accessible,
        multi_az: database.multi_az,
        storage_encrypted: database.storage_encrypted,
        kms_key: database.key.as_ref().and_then(|id| key_arn(model, id)),
        deletion_protection: database.deletion_protection,
        backup_retention_days: database.backup_retention_days,
        exported_logs: database.exported_logs.clone(),
        tags: database.tags.clone(),
    }
}
