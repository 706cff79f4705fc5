//! Roles with their policies in every spelling, profiles, OIDC providers.

use crate::reader::{Lowering, Reader};
use crate::{InstanceProfile, LogicalId, Model, OidcProvider, Policy, Role};

use super::elb::{attribute_text, ref_text};

const ROLE: &[&str] = &["AWS::IAM::Role"];

pub(super) fn lower(lowering: &Lowering<'_>, model: &mut Model) {
    for resource in lowering.resources("AWS::IAM::Role") {
        let role = role(lowering, &lowering.reader(resource), &resource.logical_id);
        model.roles.insert(role.id.clone(), role);
    }
    for kind in [
        "AWS::IAM::Policy",
        "AWS::IAM::RolePolicy",
        "AWS::IAM::ManagedPolicy",
    ] {
        for resource in lowering.resources(kind) {
            attached_policy(
                lowering,
                &lowering.reader(resource),
                &resource.logical_id,
                model,
            );
        }
    }
    for resource in lowering.resources("AWS::IAM::InstanceProfile") {
        let properties = lowering.reader(resource);
        properties.skip(&["Path"]);
        let id = LogicalId::new(&resource.logical_id);
        let profile = InstanceProfile {
            arn: attribute_text(lowering, &resource.logical_id, "Arn"),
            name: properties
                .text("InstanceProfileName")
                .unwrap_or_else(|| ref_text(lowering, &resource.logical_id)),
            role: properties.references("Roles", ROLE).into_iter().next(),
            provenance: properties.provenance.clone(),
            id: id.clone(),
        };
        model.instance_profiles.insert(id, profile);
    }
    for resource in lowering.resources("AWS::IAM::OIDCProvider") {
        let properties = lowering.reader(resource);
        properties.skip(&["Tags", "ThumbprintList"]);
        let id = LogicalId::new(&resource.logical_id);
        let provider = OidcProvider {
            arn: ref_text(lowering, &resource.logical_id),
            url: properties.text("Url").unwrap_or_default(),
            client_ids: properties.texts("ClientIdList"),
            provenance: properties.provenance.clone(),
            id: id.clone(),
        };
        model.oidc_providers.insert(id, provider);
    }
}

fn role(lowering: &Lowering<'_>, properties: &Reader<'_>, id: &str) -> Role {
    properties.skip(&["Description", "Path"]);
    let inline = properties.children("Policies");
    let inline = inline.iter().filter_map(|entry| {
        let name = entry.text("PolicyName").unwrap_or_default();
        policy(entry, "PolicyDocument", name)
    });
    // Managed policies of the template attach themselves further below.
    let managed = properties
        .value("ManagedPolicyArns")
        .map(cfn::Value::items)
        .unwrap_or_default();
    let managed = managed.iter().filter(|value| {
        lowering
            .referent(value, &["AWS::IAM::ManagedPolicy"])
            .is_none()
    });
    Role {
        id: LogicalId::new(id),
        arn: attribute_text(lowering, id, "Arn"),
        name: properties
            .text("RoleName")
            .unwrap_or_else(|| ref_text(lowering, id)),
        trust: policy(properties, "AssumeRolePolicyDocument", "trust".to_owned()).unwrap_or_else(
            || Policy {
                name: "trust".to_owned(),
                document: serde_json::Value::Null,
                source: None,
                provenance: properties.provenance.clone(),
            },
        ),
        policies: inline.collect(),
        managed_policy_arns: managed
            .filter_map(|value| lowering.spelled(value))
            .collect(),
        permissions_boundary: properties.text("PermissionsBoundary"),
        max_session_s: properties.number("MaxSessionDuration").unwrap_or(3600),
        tags: properties.tags("Tags"),
        provenance: properties.provenance.clone(),
    }
}

fn policy(properties: &Reader<'_>, key: &str, name: String) -> Option<Policy> {
    let value = properties.value(key)?;
    Some(Policy {
        name,
        document: properties.lowering.json(value),
        source: Some(value.clone()),
        provenance: value.provenance.clone(),
    })
}

/// `AWS::IAM::Policy` and `AWS::IAM::ManagedPolicy` name the roles they
/// attach to; a role may also name the managed policy.
fn attached_policy(lowering: &Lowering<'_>, properties: &Reader<'_>, id: &str, model: &mut Model) {
    properties.skip(&["Description", "Path"]);
    let name = properties
        .text("PolicyName")
        .or(properties.text("ManagedPolicyName"));
    let roles = properties.references("Roles", ROLE);
    let role = properties.reference("RoleName", ROLE);
    let Some(policy) = policy(
        properties,
        "PolicyDocument",
        name.unwrap_or_else(|| id.to_owned()),
    ) else {
        return;
    };
    let names_it = |role: &LogicalId| {
        let arns = lowering
            .stack
            .resources
            .get(role.as_str())
            .and_then(|role| role.properties.get("ManagedPolicyArns"));
        let arns = arns.map(cfn::Value::items).unwrap_or_default();
        arns.iter().any(|value| {
            lowering
                .referent(value, &["AWS::IAM::ManagedPolicy"])
                .is_some_and(|m| m.as_str() == id)
        })
    };
    for (role_id, target) in &mut model.roles {
        if roles.contains(role_id) || role.as_ref() == Some(role_id) || names_it(role_id) {
            target.policies.push(policy.clone());
        }
    }
}
