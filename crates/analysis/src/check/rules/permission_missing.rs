//! Roles that may not do what the template makes their workload do.
//!
//! ## What it does
//! Evaluates each call a workload must make (pull its image, write its log, read its secret, speak
//! to Systems Manager, whatever is declared for it) with the role's policies, its boundary and key policies
//! included. Where a role has a managed policy or a boundary that is not in the template and not known
//! here, a note says what is not judged because of it.
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

use std::collections::BTreeMap;

use iam::Context;
use model::LogicalId;

use super::super::{Facts, Finding, Severity};

pub(super) fn run(facts: &Facts<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut unjudged: BTreeMap<&LogicalId, Vec<String>> = BTreeMap::new();
    for need in &facts.needs {
        if need.role.is_none() && need.action == "s3:GetObject" && !need.is_declared {
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
        let answer = facts.access().ask(&facts.access().role(role), call);
        if is_open(facts, role, answer.is_allowed()) {
            unjudged.entry(role).or_default().push(format!("{action} on {resource}"));
            continue;
        }
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
    findings.extend(unjudged.into_iter().filter_map(|(role, calls)| note(facts, role, calls)));
    findings
}

/// Whether a policy nobody here knows could turn the answer round: an attached one
/// a "no", a boundary a "yes".
fn is_open(facts: &Facts<'_>, role: &LogicalId, is_allowed: bool) -> bool {
    let store = &facts.access().store;
    if is_allowed {
        store.unknown_boundaries.contains_key(role)
    } else {
        store.unknown.iter().any(|(holder, _)| holder == role)
    }
}

/// What cannot be told, and because of what.
fn note(facts: &Facts<'_>, role: &LogicalId, mut calls: Vec<String>) -> Option<Finding> {
    let store = &facts.access().store;
    let attached = store.unknown.iter().filter(|(holder, _)| holder == role).map(|(_, arn)| arn);
    let unknown: Vec<String> = attached
        .chain(store.unknown_boundaries.get(role))
        .map(|arn| format!("`{arn}`"))
        .collect();
    calls.sort();
    calls.dedup();
    let are = if unknown.len() == 1 { "is" } else { "are" };
    let message = format!(
        "not judged whether {role} may {}: {} {are} not known here",
        calls.join(", "),
        unknown.join(", ")
    );
    let place = &facts.model.roles.get(role)?.provenance;
    Some(Finding::at(place, message).at_most(Severity::Note))
}
