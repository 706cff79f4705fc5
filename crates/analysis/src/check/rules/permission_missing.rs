//! Roles that may not do what the template makes their workload do.
//!
//! ## What it does
//! Evaluates each call a workload must make (pull its image, write its log, read its secret, speak
//! to Systems Manager) with the role's policies, key policies included.
//!
//! ## Why is this bad
//! It fails when it runs: `AccessDenied` in the middle of a deployment.
//!
//! ## Example
//! An `awslogs-group` in a task whose execution role may not `logs:PutLogEvents` there; a secret under
//! a customer key whose reader may not `kms:Decrypt` through Secrets Manager; a log group's ARN
//! without its last `:*`.
//!
//! ## Use instead
//! Grant the action on the resource's ARN to the role named in the finding.
//!
//! ## References
//! - Amazon ECS Developer Guide, "Task execution IAM role", "Task IAM role"

use iam::Context;

use super::super::{Facts, Finding};

pub(super) fn run(facts: &Facts<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for need in &facts.needs {
        if need.action == "s3:GetObject" {
            continue; // signed by ECR
        }
        let (action, resource) = (need.action.as_ref(), &need.resource);
        let Some(role) = &need.role else {
            let message =
                format!("{} has no role that may {action} on {resource}", need.workload);
            findings.push(Finding::at(need.provenance, message).with_hint(need.why.as_str()));
            continue;
        };
        let Ok(call) = facts.access().call(action, resource, &Context::new()) else {
            continue;
        };
        // A managed policy nobody here knows may well allow it.
        if facts.access().store.unknown.iter().any(|(holder, _)| holder == role) {
            continue;
        }
        let answer = facts.access().ask(&facts.access().role(role), call);
        for part in answer.parts.iter().filter(|part| !part.evaluation.is_allowed()) {
            let message = format!(
                "{role} may not {} on {}, which {} needs: {}",
                part.action,
                part.resource,
                need.workload,
                part.reason()
            );
            let place = facts.model.roles.get(role).map(|role| &role.provenance);
            let mut finding = Finding::at(place.unwrap_or(need.provenance), message)
                .with_related(Some(need.provenance), need.why.as_str());
            for statement in &part.statements {
                finding = finding.with_related(statement.provenance.as_ref(), statement.text.as_str());
            }
            findings.push(finding);
        }
    }
    findings
}
