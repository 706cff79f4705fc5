//! May this principal do this, and because of which statement?
//!
//! A [`PolicyDocument`] is read from JSON; [`evaluate()`] weighs every policy that
//! applies to a [`Request`] in the order AWS does and answers with a
//! [`Decision`], the statements that made it, and what was missing.
//! [`sigv4`] answers the question before that: who sent the request.
//!
//! **Invariant:** nothing here reads a clock, a file or the environment, and no
//! input makes it panic. Which policies apply to whom is the caller's knowledge.
#![deny(clippy::disallowed_methods)]

pub mod actions;
mod condition;
mod context;
mod document;
mod evaluate;
mod pattern;
mod principal;
pub mod sigv4;

pub use condition::{Condition, Operator, Quantifier};
pub use context::{Context, Request};
pub use document::{
    ActionClause, Effect, PolicyDocument, PolicyFault, PrincipalClause, PrincipalEntry,
    ResourceClause, Statement, Version,
};
pub use evaluate::{
    Decision, Evaluation, Grant, GrantConstraint, MatchedStatement, Missed, Named, NearMiss,
    Policies, PolicyKind, Reason, ResourcePolicy, evaluate,
};
pub use pattern::{Pattern, Variable};
pub use principal::{Principal, PrincipalKind};
