//! What does this policy document say?
//!
//! Parsing compiles every pattern and reads every condition value, so that
//! evaluation only compares. Whether a document suits the place it is attached
//! to (an identity policy has no `Principal`, a trust policy no `Resource`) is
//! asked separately, by [`PolicyDocument::faults_as`].

use serde_json::Value;

use crate::condition::Condition;
use crate::evaluate::PolicyKind;
use crate::pattern::Pattern;

mod parse;

/// A policy, ready to be evaluated.
#[derive(Debug, Clone, PartialEq)]
pub struct PolicyDocument {
    pub version: Version,
    pub id: Option<String>,
    pub statements: Vec<Statement>,
}

/// The version of the policy language.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    /// The default when a document does not say; knows no policy variables.
    V2008,
    V2012,
}

/// One statement of a policy.
#[derive(Debug, Clone, PartialEq)]
pub struct Statement {
    pub sid: Option<String>,
    pub effect: Effect,
    /// Absent in identity policies.
    pub principal: Option<PrincipalClause>,
    pub action: ActionClause,
    /// Absent in trust policies.
    pub resource: Option<ResourceClause>,
    pub conditions: Vec<Condition>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    Allow,
    Deny,
}

/// `Principal` or `NotPrincipal`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PrincipalClause {
    /// True for `NotPrincipal`.
    pub negated: bool,
    pub entries: Vec<PrincipalEntry>,
}

/// One principal named by a policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PrincipalEntry {
    /// `"*"`, alone or as an `AWS` value.
    Everyone,
    /// An account, by its id or its root ARN.
    Account(String),
    /// A user, role or session ARN.
    Arn(String),
    /// A unique id such as `AROA…`: what IAM leaves behind when the principal is deleted.
    UniqueId(String),
    /// `ecs-tasks.amazonaws.com`, or `*`.
    Service(String),
    /// A provider ARN or domain, or `*`.
    Federated(String),
    CanonicalUser(String),
}

/// `Action` or `NotAction`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ActionClause {
    /// True for `NotAction`.
    pub negated: bool,
    pub patterns: Vec<Pattern>,
}

/// `Resource` or `NotResource`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResourceClause {
    /// True for `NotResource`.
    pub negated: bool,
    pub patterns: Vec<Pattern>,
}

/// A place in a policy document that IAM would not accept.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct PolicyFault {
    /// JSON pointer (RFC 6901) into the document: `/Statement/0/Effect`.
    pub path: String,
    pub message: String,
}

impl PolicyDocument {
    /// Reads a document and reports everything wrong with it at once.
    ///
    /// # Errors
    /// Every fault, in document order.
    pub fn parse(value: &Value) -> Result<Self, Vec<PolicyFault>> {
        parse::document(value)
    }

    /// What keeps this document from being used as a policy of `kind`.
    #[must_use]
    pub fn faults_as(&self, kind: PolicyKind) -> Vec<PolicyFault> {
        let mut faults = Vec::new();
        let needs_principal = matches!(
            kind,
            PolicyKind::Resource
                | PolicyKind::Key
                | PolicyKind::Trust
                | PolicyKind::ResourceControl
        );
        let may_have_principal = needs_principal || kind == PolicyKind::Endpoint;
        for (index, statement) in self.statements.iter().enumerate() {
            let mut fault = |element: &str, message: &str| {
                faults.push(PolicyFault {
                    path: format!("/Statement/{index}{element}"),
                    message: message.to_owned(),
                });
            };
            match &statement.principal {
                None if needs_principal => {
                    fault("", "a statement of this policy needs a `Principal`");
                }
                Some(_) if !may_have_principal => {
                    fault("/Principal", "a policy of this kind has no `Principal`");
                }
                _ => {}
            }
            match &statement.resource {
                None if kind != PolicyKind::Trust => {
                    fault("", "a statement needs `Resource` or `NotResource`");
                }
                Some(_) if kind == PolicyKind::Trust => {
                    fault(
                        "/Resource",
                        "a trust policy has no `Resource`: it is the role's own",
                    );
                }
                _ => {}
            }
        }
        faults
    }
}

#[cfg(test)]
mod tests;
