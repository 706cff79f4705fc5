//! Roles that cannot be assumed by what they are for.
//!
//! ## What it does
//! Asks the trust policy of each task role, execution role, instance role and flow log role on behalf of the
//! service that assumes it, with the account it comes from.
//!
//! ## Why is this bad
//! Tasks do not start, instances have no credentials, flow logs stay empty: permissions are of no use to
//! a role that nobody can take on.
//!
//! ## Example
//! ```yaml
//! AssumeRolePolicyDocument: # of a role that a task definition names
//!   Statement: [{ Effect: Allow, Principal: { Service: ecs.amazonaws.com }, Action: sts:AssumeRole }]
//! ```
//!
//! ## Use instead
//! `ecs-tasks.amazonaws.com` for tasks, `ec2.amazonaws.com` for instances, `vpc-flow-logs.amazonaws.com` for
//! flow logs.
//!
//! ## References
//! - Amazon ECS Developer Guide, "Task execution IAM role"
//! - Amazon VPC User Guide, "IAM role for publishing flow logs to CloudWatch Logs"

use std::collections::BTreeSet;

use cfn::{Provenance, Symbol};
use iam::{Context, Missed, Principal};
use model::LogicalId;

use super::super::{Facts, Finding};
use crate::access::{Subject, roles_of};

/// A role and who is to assume it.
struct Use<'a> {
    role: LogicalId,
    service: &'static str,
    /// Whether the service says for which account and resource it asks.
    tells_source: bool,
    place: &'a Provenance,
}

pub(super) fn run(facts: &Facts<'_>) -> Vec<Finding> {
    let mut seen = BTreeSet::new();
    let mut findings = Vec::new();
    for used in uses(facts) {
        if !seen.insert((used.role.clone(), used.service)) {
            continue;
        }
        let mut context = Context::new();
        if used.tells_source {
            context.set("aws:SourceAccount", facts.model.stack.account_id.as_str());
        }
        let access = facts.access();
        let Ok(call) = access.call("sts:AssumeRole", used.role.as_str(), &context) else {
            continue;
        };
        let subject = Subject::bare(used.service, Principal::service(used.service));
        let part = access.weigh(&subject, &call, None);
        // Which task or flow log asks is not known before there is one.
        let by_source = part.evaluation.near.iter().any(|near| {
            let missed = &near.missed;
            matches!(missed, Missed::Condition { key, .. } if key.eq_ignore_ascii_case("aws:SourceArn"))
        });
        if part.evaluation.is_allowed() || used.tells_source && by_source {
            // It had a part in what was asked, even if only AWS knows the rest.
            if let Some(trust) = access.store.resource(&used.role) {
                access.note_all(&trust.named);
            }
            continue;
        }
        let message = format!("{} may not be assumed by {}", used.role, used.service);
        let role = facts.model.roles.get(&used.role);
        let place = role.map(|role| &role.provenance);
        findings.push(
            Finding::at(place.unwrap_or(used.place), message)
                .with_related(Some(used.place), "it is used here"),
        );
    }
    findings
}

fn uses<'a>(facts: &Facts<'a>) -> Vec<Use<'a>> {
    let model = facts.model;
    let mut uses = Vec::new();
    for definition in model.task_definitions.values() {
        for (role, _) in roles_of(model, definition.id.as_str()) {
            let (service, place) = ("ecs-tasks.amazonaws.com", &definition.provenance);
            uses.push(Use { role, service, tells_source: true, place });
        }
    }
    for profile in model.instance_profiles.values() {
        if let Some(role) = profile.role.clone() {
            let (service, place) = ("ec2.amazonaws.com", &profile.provenance);
            uses.push(Use { role, service, tells_source: false, place });
        }
    }
    for log in model.flow_logs.values() {
        let resource = model.stack.resources.get(log.id.as_str());
        let deliverer = resource.and_then(|one| one.properties.get("DeliverLogsPermissionArn"));
        if let Some(Symbol::GetAtt(role, _)) = deliverer.and_then(cfn::Value::as_symbol) {
            let (service, place) = ("vpc-flow-logs.amazonaws.com", &log.provenance);
            let role = LogicalId::new(role);
            uses.push(Use { role, service, tells_source: true, place });
        }
    }
    uses
}
