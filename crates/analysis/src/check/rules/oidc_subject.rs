//! Roles that any user of an identity provider may assume.
//!
//! ## What it does
//! Reports trust statements for `sts:AssumeRoleWithWebIdentity` without a condition on the token's
//! subject (`:sub`) that names at least an owner, or without one on its audience (`:aud`).
//!
//! ## Why is this bad
//! The provider vouches for everybody: every repository on GitHub gets a token from the same issuer.
//!
//! ## Example
//! ```yaml
//! Condition: { StringEquals: { "token.actions.githubusercontent.com:aud": sts.amazonaws.com } }
//! ```
//!
//! ## Use instead
//! ```yaml
//! Condition:
//!   StringEquals:
//!     token.actions.githubusercontent.com:aud: sts.amazonaws.com
//!     token.actions.githubusercontent.com:sub: repo:owner/name:ref:refs/heads/main
//! ```
//!
//! ## References
//! - IAM User Guide, "Create a role for OpenID Connect federation"

use iam::{Effect, PrincipalEntry, Statement};

use super::super::{Facts, Finding};

pub(super) fn run(facts: &Facts<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for role in facts.model.roles.values() {
        let Some(trust) = facts.access().store.resource(&role.id) else { continue };
        for (index, statement) in trust.named.document.statements.iter().enumerate() {
            if statement.effect != Effect::Allow || !is_web_identity(statement) {
                continue;
            }
            let lacking: Vec<&str> =
                ["sub", "aud"].into_iter().filter(|claim| !pins(statement, claim)).collect();
            if lacking.is_empty() {
                continue;
            }
            let place = facts.access().store.statement(&trust.named.name, index);
            let message = format!("{} does not say whose token: no `{}`", role.id, lacking.join("`, no `"));
            findings.push(Finding::at(&place.unwrap_or(role.provenance.clone()), message));
        }
    }
    findings
}

fn is_web_identity(statement: &Statement) -> bool {
    let entries = statement.principal.iter().flat_map(|clause| &clause.entries);
    let federated = |entry: &PrincipalEntry| match entry {
        // an identity pool names its people by `aud`, the pool, and `amr`
        PrincipalEntry::Federated(name) => {
            !name.contains(":saml-provider/") && name != "cognito-identity.amazonaws.com"
        }
        PrincipalEntry::Everyone => true,
        _ => false,
    };
    let action = "sts:assumerolewithwebidentity";
    entries.into_iter().any(federated)
        && statement.action.patterns.iter().any(|pattern| pattern.matches(action))
            != statement.action.negated
}

/// Whether some condition demands a value of the claim: one that starts with
/// more than a wildcard.
fn pins(statement: &Statement, claim: &str) -> bool {
    statement.conditions.iter().any(|condition| {
        let key = condition.key.to_ascii_lowercase();
        let name = key.rsplit(':').next().unwrap_or_default();
        let negated = condition.operator_name().to_ascii_lowercase().contains("not");
        let is_loose = |value: &String| {
            let value = value.trim_start_matches("repo:");
            value.is_empty() || value.starts_with(['*', '?'])
        };
        name == claim && !negated && !condition.values.iter().any(is_loose)
    })
}
