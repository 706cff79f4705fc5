//! Roles that may decrypt, read secrets or pass roles wherever they like.
//!
//! ## What it does
//! Reports statements that allow `kms:Decrypt`, `secretsmanager:GetSecretValue` or `iam:PassRole` on
//! every key, secret or role, unless a condition names which.
//!
//! ## Why is this bad
//! The next secret of the account is readable too, by a workload that has nothing to do with it. Who
//! may pass any role is an administrator.
//!
//! ## Example
//! ```yaml
//! - { Effect: Allow, Action: secretsmanager:GetSecretValue, Resource: "*" }
//! ```
//!
//! ## Use instead
//! ```yaml
//! - { Effect: Allow, Action: secretsmanager:GetSecretValue, Resource: !Ref DatabaseSecret }
//! ```
//!
//! ## References
//! - IAM User Guide, "Security best practices in IAM"

use iam::{Effect, Statement};

use super::super::{Facts, Finding};

/// The action, and a resource nobody would name: one that only a wildcard covers.
const SENSITIVE: &[(&str, &str)] = &[
    ("kms:decrypt", "arn:aws:kms:xx-none-1:999999999999:key/any"),
    ("secretsmanager:getsecretvalue", "arn:aws:secretsmanager:xx-none-1:999999999999:secret:any"),
    ("iam:passrole", "arn:aws:iam::999999999999:role/any"),
];

/// Condition keys that say which resource, after all.
const NARROWING: &[&str] = &[
    "aws:resourcetag/",
    "ec2:resourcetag/",
    "ecs:cluster",
    "kms:encryptioncontext:",
    "kms:resourcealiases",
    "s3:existingobjecttag/",
    "secretsmanager:resourcetag/",
    "ssm:resourcetag/",
];

pub(super) fn run(facts: &Facts<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for role in facts.model.roles.values() {
        for policy in facts.access().store.identity(&role.id) {
            for (index, statement) in policy.document.statements.iter().enumerate() {
                let open: Vec<&str> = SENSITIVE
                    .iter()
                    .filter(|(action, resource)| allows(statement, action, resource))
                    .map(|(action, _)| *action)
                    .collect();
                if open.is_empty() {
                    continue;
                }
                let place = facts.access().store.statement(&policy.name, index);
                let message = format!("{} may {} everywhere", role.id, open.join(", "));
                findings.push(Finding::at(&place.unwrap_or(role.provenance.clone()), message));
            }
        }
    }
    findings
}

fn allows(statement: &Statement, action: &str, resource: &str) -> bool {
    let acts = statement.action.patterns.iter().any(|pattern| pattern.matches(action))
        != statement.action.negated;
    let covers = statement.resource.as_ref().is_some_and(|clause| {
        clause.patterns.iter().any(|pattern| pattern.matches_arn(resource)) != clause.negated
    });
    statement.effect == Effect::Allow && acts && covers && !is_narrowed(statement)
}

/// Whether an action on every resource is this rule's to report.
pub(super) fn is_sensitive(action: &str) -> bool {
    SENSITIVE.iter().any(|(name, _)| name.eq_ignore_ascii_case(action))
}

/// Whether a condition says which resources, where the statement does not.
pub(super) fn is_narrowed(statement: &Statement) -> bool {
    statement.conditions.iter().any(|condition| {
        let key = condition.key.to_ascii_lowercase();
        NARROWING.iter().any(|narrowing| key.starts_with(narrowing))
    })
}
