//! Does a `Principal` element name the caller, and how directly?

use super::ResourcePolicy;
use super::statement::Asked;
use crate::document::{Effect, PrincipalClause, PrincipalEntry};
use crate::principal::{Principal, PrincipalKind};

/// How a resource policy names a caller; the later, the further its word carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Form {
    /// By its account: hands the decision to that account's identity policies.
    Account,
    /// By its role: grants, within boundary and session policies.
    Role,
    /// By itself, or as one of everyone: grants outright.
    Direct,
}

/// The most direct form in which an applicable `Allow` of the policy names the caller.
pub(super) fn form(asked: &Asked<'_>, resource: &ResourcePolicy<'_>) -> Option<Form> {
    let allowing = resource
        .policy
        .document
        .statements
        .iter()
        .filter(|statement| {
            statement.effect == Effect::Allow && asked.is_met_by(statement, resource.kind)
        });
    allowing
        .filter_map(|statement| {
            clause_form(
                statement.principal.as_ref()?,
                asked.request.principal,
                Effect::Allow,
            )
        })
        .max()
}

/// How the clause names the caller; `None` when it does not.
///
/// `NotPrincipal` in a `Deny` spares a caller only if every form of it is listed
/// (account, role and session); in an `Allow`, one listed form excludes it.
pub(super) fn clause_form(
    clause: &PrincipalClause,
    principal: &Principal,
    effect: Effect,
) -> Option<Form> {
    if !clause.negated {
        return clause
            .entries
            .iter()
            .filter_map(|entry| entry_form(entry, principal))
            .max();
    }
    let listed = |form: Form| {
        clause.entries.iter().any(|entry| match entry {
            PrincipalEntry::Everyone => true,
            _ => entry_form(entry, principal) == Some(form),
        })
    };
    let forms: &[Form] = match &principal.kind {
        PrincipalKind::RoleSession { .. } => &[Form::Account, Form::Role, Form::Direct],
        PrincipalKind::User { .. } => &[Form::Account, Form::Direct],
        _ => &[Form::Direct],
    };
    let spared = match effect {
        Effect::Deny => forms.iter().all(|form| listed(*form)),
        Effect::Allow => forms.iter().any(|form| listed(*form)),
    };
    (!spared).then_some(Form::Direct)
}

fn entry_form(entry: &PrincipalEntry, principal: &Principal) -> Option<Form> {
    let direct = |names: bool| names.then_some(Form::Direct);
    match (entry, &principal.kind) {
        (PrincipalEntry::Everyone, _) => Some(Form::Direct),
        (PrincipalEntry::Account(account), PrincipalKind::Root { account: own, .. }) => {
            direct(account == own)
        }
        (PrincipalEntry::Account(account), _) => {
            (principal.account() == Some(account)).then_some(Form::Account)
        }
        (PrincipalEntry::Arn(arn), PrincipalKind::User { arn: own, .. }) => direct(arn == own),
        (
            PrincipalEntry::Arn(arn),
            PrincipalKind::RoleSession {
                role_arn,
                session_arn,
                ..
            },
        ) => {
            if arn == session_arn {
                Some(Form::Direct)
            } else {
                (arn == role_arn).then_some(Form::Role)
            }
        }
        (PrincipalEntry::Service(name), PrincipalKind::Service { name: own }) => {
            direct(name == own || name == "*")
        }
        (PrincipalEntry::Federated(provider), PrincipalKind::Federated { provider: own }) => {
            direct(provider == own || provider == "*")
        }
        _ => None,
    }
}
