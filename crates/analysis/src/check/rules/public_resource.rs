//! Buckets, keys, repositories and roles that outsiders may use.
//!
//! ## What it does
//! Reports statements of resource and trust policies that allow everybody (`*`), or an account that
//! is not the stack's own, without a condition that brings it back to this account, a network or
//! one resource.
//!
//! ## Why is this bad
//! Such a statement needs no permission on the other side, or only one that strangers give
//! themselves.
//!
//! ## Example
//! ```yaml
//! - { Effect: Allow, Principal: "*", Action: s3:GetObject, Resource: !Sub "${Bucket.Arn}/*" }
//! ```
//!
//! ## Use instead
//! A service principal with `aws:SourceArn`, or principals of this account.
//!
//! ## References
//! - IAM User Guide, "The meaning of public", "Principal"

use iam::{Effect, PrincipalEntry, Statement};

use super::super::{Facts, Finding, Severity};

/// Condition keys that tie a statement to an account, a network or a resource.
const TIES: &[&str] = &[
    "aws:principalaccount",
    "aws:principalarn",
    "aws:principalorgid",
    "aws:sourceaccount",
    "aws:sourcearn",
    "aws:sourceip",
    "aws:sourcevpc",
    "aws:sourcevpce",
    "kms:calleraccount",
];

pub(super) fn run(facts: &Facts<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    let own = &facts.model.stack.account_id;
    for (id, document) in facts.access().store.resources() {
        let statements = document.named.document.statements.iter().enumerate();
        for (index, statement) in statements {
            if statement.effect != Effect::Allow || is_tied(statement) {
                continue;
            }
            let Some(who) = outsider(statement, own) else { continue };
            let place = facts.access().store.statement(&document.named.name, index);
            let Some(place) = place else { continue };
            let message = format!("the policy of {id} lets {who} in");
            let finding = Finding::at(&place, message);
            findings.push(if who == "everybody" {
                finding
            } else {
                finding.at_most(Severity::Warning)
            });
        }
    }
    findings
}

fn is_tied(statement: &Statement) -> bool {
    statement.conditions.iter().any(|condition| {
        let key = condition.key.to_ascii_lowercase();
        TIES.contains(&key.as_str())
    })
}

fn outsider(statement: &Statement, own: &str) -> Option<String> {
    let clause = statement.principal.as_ref()?;
    if clause.negated {
        return Some("everybody".to_owned());
    }
    clause.entries.iter().find_map(|entry| match entry {
        PrincipalEntry::Everyone => Some("everybody".to_owned()),
        PrincipalEntry::Account(account) if account != own => Some(format!("account {account}")),
        PrincipalEntry::Arn(arn) => {
            let account = arn.split(':').nth(4)?;
            let foreign = account.chars().all(|c| c.is_ascii_digit()) && account != own;
            (foreign && !account.is_empty()).then(|| format!("account {account}"))
        }
        _ => None,
    })
}
