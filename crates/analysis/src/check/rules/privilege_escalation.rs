//! Roles that can give themselves more than they have.
//!
//! ## What it does
//! Reports roles that may change policies or trust of any role, and roles that may pass a stronger
//! role to a service that runs what they say.
//!
//! ## Why is this bad
//! Whoever gets hold of such a role has everything its widest target has; its own policy says less
//! than it grants.
//!
//! ## Example
//! ```yaml
//! - { Effect: Allow, Action: "iam:*", Resource: "*" }
//! ```
//!
//! ## Use instead
//! `iam:PassRole` on named roles with `iam:PassedToService`; policy changes by CloudFormation alone.
//!
//! ## References
//! - IAM User Guide, "Grant a user permissions to pass a role to an AWS service"

use iam::{Context, Effect};

use super::super::{Facts, Finding, Severity};

/// Actions that change what somebody may.
const CHANGES: &[&str] = &[
    "iam:AttachRolePolicy",
    "iam:AttachUserPolicy",
    "iam:CreateAccessKey",
    "iam:CreatePolicyVersion",
    "iam:PutRolePolicy",
    "iam:PutUserPolicy",
    "iam:SetDefaultPolicyVersion",
    "iam:UpdateAssumeRolePolicy",
];

pub(super) fn run(facts: &Facts<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for role in facts.model.roles.values() {
        let subject = facts.access().role(&role.id);
        let anywhere = "arn:aws:iam::000000000000:role/any";
        let own = |action: &&&str| {
            let call = facts.access().call(action, anywhere, &Context::new());
            call.is_ok_and(|mut call| {
                call.resource.account = subject.account().map(str::to_owned);
                facts.access().weigh(&subject, &call, None).evaluation.is_allowed()
            })
        };
        let changes: Vec<&str> = CHANGES.iter().filter(own).copied().collect();
        if !changes.is_empty() {
            let message = format!("{} can give itself any permission: {}", role.id, changes.join(", "));
            findings.push(Finding::at(&role.provenance, message));
        }
    }
    for step in facts.access().becoming() {
        if !step.how.starts_with("passing") {
            continue;
        }
        let stronger = facts.model.roles.get(step.to.as_str()).is_some_and(|role| {
            facts.access().store.identity(&role.id).iter().any(|policy| {
                let mut statements = policy.document.statements.iter();
                statements.any(|statement| {
                    statement.effect == Effect::Allow
                        && statement.action.patterns.iter().any(|pattern| pattern.is_everything())
                })
            })
        });
        if let (true, Some(place)) = (stronger, &step.provenance) {
            let message = format!("{} becomes an administrator by {}", step.from, step.how);
            findings.push(Finding::at(place, message).at_most(Severity::Error));
        }
    }
    findings
}
