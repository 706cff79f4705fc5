//! What an evaluation found: the decision, the statements behind it, what was missing.

use std::fmt;

use super::{Decision, Named, PolicyKind};

/// The answer to a request. A "no" always says why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Evaluation {
    pub decision: Decision,
    /// The statements that made the decision: every denying one, or every allowing one.
    pub matched: Vec<MatchedStatement>,
    pub reason: Reason,
    /// For an implicit deny: statements about this action that did not apply, and why.
    pub near: Vec<NearMiss>,
}

/// A statement of a policy, by its position.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MatchedStatement {
    pub policy: String,
    pub kind: PolicyKind,
    /// Index into the document's statements, from 0.
    pub statement: usize,
    pub sid: Option<String>,
}

/// What decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reason {
    /// The matched statements deny.
    ExplicitDeny,
    /// The principal's own policies allow (or it is the root user).
    AllowedByIdentity,
    /// The resource's policy grants it to this principal.
    AllowedByResourcePolicy { kind: PolicyKind },
    /// The principal's account and the resource's account both allow.
    AllowedByBothAccounts,
    /// A KMS grant.
    AllowedByGrant { id: String },
    /// Policies of these kinds would each have to allow, and do not.
    Missing(Vec<PolicyKind>),
}

/// A statement that is about the action and still did not apply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NearMiss {
    pub statement: MatchedStatement,
    pub missed: Missed,
}

/// The first element of a statement that did not fit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Missed {
    Resource,
    Principal,
    Condition {
        operator: String,
        key: String,
        expected: Vec<String>,
        /// What the request carried; empty when the key was absent.
        found: Vec<String>,
    },
}

impl Evaluation {
    pub(super) fn denied(matched: Vec<MatchedStatement>) -> Self {
        Self {
            decision: Decision::ExplicitDeny,
            matched,
            reason: Reason::ExplicitDeny,
            near: Vec::new(),
        }
    }

    pub(super) fn allowed(matched: Vec<MatchedStatement>, reason: Reason) -> Self {
        Self {
            decision: Decision::Allowed,
            matched,
            reason,
            near: Vec::new(),
        }
    }

    pub(super) fn missing(missing: Vec<PolicyKind>, near: Vec<NearMiss>) -> Self {
        Self {
            decision: Decision::ImplicitDeny,
            matched: Vec::new(),
            reason: Reason::Missing(missing),
            near,
        }
    }

    #[must_use]
    pub fn is_allowed(&self) -> bool {
        self.decision == Decision::Allowed
    }
}

impl MatchedStatement {
    pub(super) fn new(kind: PolicyKind, policy: &Named, statement: usize) -> Self {
        Self {
            policy: policy.name.clone(),
            kind,
            statement,
            sid: policy.document.statements[statement].sid.clone(),
        }
    }
}

/// The reason as one sentence, in the wording AWS uses in its access-denied messages.
impl fmt::Display for Evaluation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.reason {
            Reason::ExplicitDeny => {
                write!(f, "explicit deny")?;
                list(f, " in ", &self.matched)
            }
            Reason::Missing(kinds) => {
                for (index, kind) in kinds.iter().enumerate() {
                    let separator = if index == 0 { "" } else { ", " };
                    write!(f, "{separator}no {kind} allows the action")?;
                }
                list(f, "; nearest: ", &self.near)
            }
            reason => {
                write!(f, "{reason}")?;
                list(f, ": ", &self.matched)
            }
        }
    }
}

fn list(f: &mut fmt::Formatter<'_>, lead: &str, items: &[impl fmt::Display]) -> fmt::Result {
    for (index, item) in items.iter().enumerate() {
        write!(f, "{}{item}", if index == 0 { lead } else { ", " })?;
    }
    Ok(())
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ExplicitDeny => f.write_str("explicit deny"),
            Self::AllowedByIdentity => f.write_str("allowed by identity-based policy"),
            Self::AllowedByResourcePolicy { kind } => write!(f, "allowed by {kind}"),
            Self::AllowedByBothAccounts => f.write_str("allowed by both accounts"),
            Self::AllowedByGrant { id } => write!(f, "allowed by grant `{id}`"),
            Self::Missing(_) => f.write_str("nothing allows it"),
        }
    }
}

impl fmt::Display for PolicyKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Identity => "identity-based policy",
            Self::Boundary => "permissions boundary",
            Self::Session => "session policy",
            Self::Resource => "resource-based policy",
            Self::Key => "key policy",
            Self::Trust => "role trust policy",
            Self::Endpoint => "VPC endpoint policy",
            Self::ServiceControl => "service control policy",
            Self::ResourceControl => "resource control policy",
        })
    }
}

impl fmt::Display for MatchedStatement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} `{}` statement ", self.kind, self.policy)?;
        match &self.sid {
            Some(sid) => write!(f, "`{sid}`"),
            None => write!(f, "{}", self.statement),
        }
    }
}

impl fmt::Display for NearMiss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ", self.statement)?;
        match &self.missed {
            Missed::Resource => f.write_str("is about other resources"),
            Missed::Principal => f.write_str("is about other principals"),
            Missed::Condition {
                operator,
                key,
                expected,
                found,
            } => {
                let quoted = |values: &[String]| {
                    values
                        .iter()
                        .map(|value| format!("`{value}`"))
                        .collect::<Vec<_>>()
                        .join(", ")
                };
                write!(
                    f,
                    "wants {operator} `{key}` {}, which is ",
                    quoted(expected)
                )?;
                if found.is_empty() {
                    f.write_str("absent")
                } else {
                    f.write_str(&quoted(found))
                }
            }
        }
    }
}
