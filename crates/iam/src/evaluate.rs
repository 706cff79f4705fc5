//! Is the request allowed, and which statement says so?
//!
//! The order is AWS's: an explicit deny anywhere ends it; resource control and
//! service control policies and the endpoint policy must each let the request
//! pass; then something must grant it. (IAM User Guide, "How AWS enforcement code
//! logic evaluates requests", "Cross-account policy evaluation logic";
//! KMS Developer Guide, "Key policies".)

use crate::context::Request;
use crate::document::{Effect, PolicyDocument};

mod grant;
mod named;
mod reason;
mod statement;

pub use grant::{Grant, GrantConstraint};
use named::Form;
pub use reason::{Evaluation, MatchedStatement, Missed, NearMiss, Reason};
use statement::Asked;

/// A policy document with the name answers call it by.
#[derive(Debug, Clone, PartialEq)]
pub struct Named<T = PolicyDocument> {
    pub name: String,
    pub document: T,
}

/// Everything that bears on one request. What is not set does not apply.
#[derive(Debug, Clone, Copy, Default)]
pub struct Policies<'a> {
    /// Policies attached to the principal, inline or managed, its groups' too.
    pub identity: &'a [Named],
    /// The principal's permissions boundary.
    pub boundary: Option<&'a Named>,
    /// Session policies; empty when the session was opened without any.
    pub session: &'a [Named],
    /// The policy of the resource.
    pub resource: Option<ResourcePolicy<'a>>,
    /// KMS grants on the key.
    pub grants: &'a [Grant],
    /// The policy of the VPC endpoint the request came through.
    pub endpoint: Option<&'a Named>,
    /// Service control policies of the principal's account, one entry a level (root, unit, account).
    pub service_control: &'a [Vec<Named>],
    /// Resource control policies of the resource's account, one entry a level.
    pub resource_control: &'a [Vec<Named>],
}

/// A policy attached to the resource that is asked for.
#[derive(Debug, Clone, Copy)]
pub struct ResourcePolicy<'a> {
    /// [`PolicyKind::Resource`], [`PolicyKind::Key`] or [`PolicyKind::Trust`].
    pub kind: PolicyKind,
    pub policy: &'a Named,
}

/// The part a policy plays in an evaluation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum PolicyKind {
    Identity,
    Boundary,
    Session,
    /// A resource policy that identity policies can do without: bucket, secret, queue, repository.
    Resource,
    /// A KMS key policy: without its consent no identity policy counts.
    Key,
    /// A role's trust policy: must admit the caller, as a key policy must.
    Trust,
    Endpoint,
    ServiceControl,
    ResourceControl,
}

/// The answer, in the words of IAM's policy simulator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    Allowed,
    /// Nothing denies it, nothing (sufficient) allows it.
    ImplicitDeny,
    ExplicitDeny,
}

impl<'a> ResourcePolicy<'a> {
    /// An ordinary resource policy.
    #[must_use]
    pub fn of_resource(policy: &'a Named) -> Self {
        Self {
            kind: PolicyKind::Resource,
            policy,
        }
    }

    /// The policy of a KMS key.
    #[must_use]
    pub fn of_key(policy: &'a Named) -> Self {
        Self {
            kind: PolicyKind::Key,
            policy,
        }
    }

    /// The trust policy of a role that is to be assumed.
    #[must_use]
    pub fn of_role(policy: &'a Named) -> Self {
        Self {
            kind: PolicyKind::Trust,
            policy,
        }
    }
}

impl<T> Named<T> {
    pub fn new(name: impl Into<String>, document: T) -> Self {
        Self {
            name: name.into(),
            document,
        }
    }
}

impl<'a> Policies<'a> {
    /// Every policy with the part it plays, in the order answers list them.
    fn each(&self, spares_service_control: bool) -> impl Iterator<Item = (PolicyKind, &'a Named)> {
        let kind = |kind| move |policy| (kind, policy);
        let service_control = if spares_service_control {
            &[][..]
        } else {
            self.service_control
        };
        (self
            .resource_control
            .iter()
            .flatten()
            .map(kind(PolicyKind::ResourceControl)))
        .chain(
            service_control
                .iter()
                .flatten()
                .map(kind(PolicyKind::ServiceControl)),
        )
        .chain(self.endpoint.map(kind(PolicyKind::Endpoint)))
        .chain(
            self.resource
                .map(|resource| (resource.kind, resource.policy)),
        )
        .chain(self.identity.iter().map(kind(PolicyKind::Identity)))
        .chain(self.boundary.map(kind(PolicyKind::Boundary)))
        .chain(self.session.iter().map(kind(PolicyKind::Session)))
    }
}

/// Weighs every policy and answers with the decision and its reasons.
#[must_use]
pub fn evaluate(request: &Request<'_>, policies: &Policies<'_>) -> Evaluation {
    let asked = Asked::new(request);
    let spared = spares_service_control(request);
    let denials = matching(&asked, policies.each(spared), Effect::Deny);
    if !denials.is_empty() {
        return Evaluation::denied(denials);
    }
    let mut missing = Vec::new();
    for level in policies.resource_control {
        require(&asked, PolicyKind::ResourceControl, level, &mut missing);
    }
    for level in policies.service_control.iter().filter(|_| !spared) {
        require(&asked, PolicyKind::ServiceControl, level, &mut missing);
    }
    if let Some(endpoint) = policies.endpoint {
        require(
            &asked,
            PolicyKind::Endpoint,
            std::slice::from_ref(endpoint),
            &mut missing,
        );
    }
    let granted = grants(&asked, policies, &mut missing);
    if missing.is_empty() {
        let allowing = matching(&asked, policies.each(spared), Effect::Allow);
        Evaluation::allowed(allowing, granted)
    } else {
        let near = statement::near_misses(&asked, policies.each(spared), &missing);
        Evaluation::missing(missing, near)
    }
}

/// Service control policies bind the principals of member accounts, nobody else.
fn spares_service_control(request: &Request<'_>) -> bool {
    request.principal.account().is_none() || request.principal.is_service_linked()
}

/// What grants the request, once nothing forbids it; what lacks goes to `missing`.
fn grants(asked: &Asked<'_>, policies: &Policies<'_>, missing: &mut Vec<PolicyKind>) -> Reason {
    let resource_kind = policies
        .resource
        .map_or(PolicyKind::Resource, |resource| resource.kind);
    let form = policies
        .resource
        .and_then(|resource| named::form(asked, &resource));
    if let Some(grant) = policies
        .grants
        .iter()
        .find(|grant| grant.covers(asked.request))
    {
        return Reason::AllowedByGrant {
            id: grant.id.clone(),
        };
    }
    let principal = asked.request.principal;
    let by_resource = Reason::AllowedByResourcePolicy {
        kind: resource_kind,
    };
    let Some(account) = principal.account() else {
        // services, federated and anonymous callers have no policies of their own
        if form.is_none() {
            missing.push(resource_kind);
        }
        return by_resource;
    };
    if asked.request.owner() != Some(account) {
        if form.is_none() {
            missing.push(resource_kind);
        }
        require_identity(asked, policies, missing);
        require_limits(asked, policies, missing);
        return Reason::AllowedByBothAccounts;
    }
    match form {
        Some(Form::Direct) => by_resource,
        Some(Form::Role) => {
            require_limits(asked, policies, missing);
            by_resource
        }
        Some(Form::Account) | None => {
            let consent_needed = matches!(resource_kind, PolicyKind::Key | PolicyKind::Trust);
            if consent_needed && form.is_none() {
                missing.push(resource_kind);
            }
            require_identity(asked, policies, missing);
            require_limits(asked, policies, missing);
            Reason::AllowedByIdentity
        }
    }
}

/// The root user may do in its account whatever nothing forbids.
fn require_identity(asked: &Asked<'_>, policies: &Policies<'_>, missing: &mut Vec<PolicyKind>) {
    let is_root = matches!(
        asked.request.principal.kind,
        crate::PrincipalKind::Root { .. }
    );
    if !is_root {
        require(asked, PolicyKind::Identity, policies.identity, missing);
    }
}

/// Boundary and session policies limit, never grant.
fn require_limits(asked: &Asked<'_>, policies: &Policies<'_>, missing: &mut Vec<PolicyKind>) {
    if let Some(boundary) = policies.boundary {
        require(
            asked,
            PolicyKind::Boundary,
            std::slice::from_ref(boundary),
            missing,
        );
    }
    if !policies.session.is_empty() {
        require(asked, PolicyKind::Session, policies.session, missing);
    }
}

/// Notes `kind` as missing unless one of `policies` allows the request.
fn require(asked: &Asked<'_>, kind: PolicyKind, policies: &[Named], missing: &mut Vec<PolicyKind>) {
    let allows =
        |policy: &Named| {
            policy.document.statements.iter().any(|statement| {
                statement.effect == Effect::Allow && asked.is_met_by(statement, kind)
            })
        };
    if !policies.iter().any(allows) && !missing.contains(&kind) {
        missing.push(kind);
    }
}

/// Every statement of `effect` that applies.
fn matching<'p>(
    asked: &Asked<'_>,
    policies: impl Iterator<Item = (PolicyKind, &'p Named)>,
    effect: Effect,
) -> Vec<MatchedStatement> {
    let mut matched = Vec::new();
    for (kind, policy) in policies {
        for (index, statement) in policy.document.statements.iter().enumerate() {
            if statement.effect == effect && asked.is_met_by(statement, kind) {
                matched.push(MatchedStatement::new(kind, policy, index));
            }
        }
    }
    matched
}

#[cfg(test)]
mod tests;
