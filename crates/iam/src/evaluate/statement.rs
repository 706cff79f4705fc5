//! Does one statement apply to the request, and if not, what kept it from applying?

use super::named;
use super::reason::{MatchedStatement, Missed, NearMiss};
use super::{Named, PolicyKind};
use crate::context::Request;
use crate::document::{ActionClause, Effect, Statement};

/// A request prepared for being compared with many statements.
pub(super) struct Asked<'a> {
    pub(super) request: &'a Request<'a>,
    /// The action, lower case: letter case does not count.
    action: String,
}

impl<'a> Asked<'a> {
    pub(super) fn new(request: &'a Request<'a>) -> Self {
        Self {
            request,
            action: request.action.to_ascii_lowercase(),
        }
    }

    /// Whether the statement applies, as part of a policy of `kind`.
    pub(super) fn is_met_by(&self, statement: &Statement, kind: PolicyKind) -> bool {
        self.action_met(&statement.action)
            && self.resource_met(statement, kind)
            && self.principal_met(statement, kind)
            && statement
                .conditions
                .iter()
                .all(|condition| condition.holds(self.request))
    }

    fn action_met(&self, clause: &ActionClause) -> bool {
        clause
            .patterns
            .iter()
            .any(|pattern| pattern.matches(&self.action))
            != clause.negated
    }

    fn resource_met(&self, statement: &Statement, kind: PolicyKind) -> bool {
        let Some(clause) = &statement.resource else {
            // a trust policy is about its own role
            return kind == PolicyKind::Trust;
        };
        let resolve = |key: &str| {
            self.request
                .condition_values(key)
                .single()
                .map(str::to_owned)
        };
        let mut is_unresolved = false;
        let matches = clause.patterns.iter().any(|pattern| {
            let resolved = pattern.resolved(resolve);
            is_unresolved |= resolved.is_none();
            resolved.is_some_and(|pattern| pattern.matches_arn(self.request.resource))
        });
        if clause.negated && is_unresolved {
            // "everything but we do not know what" must not allow everything
            return !matches && statement.effect == Effect::Deny;
        }
        matches != clause.negated
    }

    fn principal_met(&self, statement: &Statement, kind: PolicyKind) -> bool {
        match (&statement.principal, kind) {
            (
                None,
                PolicyKind::Resource
                | PolicyKind::Key
                | PolicyKind::Trust
                | PolicyKind::ResourceControl,
            ) => false,
            (None, _) => true,
            (Some(clause), _) => {
                named::clause_form(clause, self.request.principal, statement.effect).is_some()
            }
        }
    }

    /// Why an `Allow` statement about this very action did not apply.
    fn missed_by(&self, statement: &Statement, kind: PolicyKind) -> Option<Missed> {
        if statement.effect != Effect::Allow || !self.action_met(&statement.action) {
            return None;
        }
        if !self.resource_met(statement, kind) {
            return Some(Missed::Resource);
        }
        if !self.principal_met(statement, kind) {
            return Some(Missed::Principal);
        }
        let condition = statement
            .conditions
            .iter()
            .find(|condition| !condition.holds(self.request))?;
        Some(Missed::Condition {
            operator: condition.operator_name(),
            key: condition.key.clone(),
            expected: condition.values.clone(),
            found: self
                .request
                .condition_values(&condition.lookup.key)
                .iter()
                .map(str::to_owned)
                .collect(),
        })
    }
}

/// The statements that came closest to filling what is `missing`.
pub(super) fn near_misses<'p>(
    asked: &Asked<'_>,
    policies: impl Iterator<Item = (PolicyKind, &'p Named)>,
    missing: &[PolicyKind],
) -> Vec<NearMiss> {
    let mut near = Vec::new();
    for (kind, policy) in policies.filter(|(kind, _)| missing.contains(kind)) {
        for (index, statement) in policy.document.statements.iter().enumerate() {
            if let Some(missed) = asked.missed_by(statement, kind) {
                near.push(NearMiss {
                    statement: MatchedStatement::new(kind, policy, index),
                    missed,
                });
            }
        }
    }
    near
}
