//! Is what is meant to be so, and nothing else?
//!
//! An intent file states in TOML who must and must not reach or do what:
//!
//! ```toml
//! [reach]
//! allow = ["UsersService -> Database:5432"]
//! deny = ["internet -> Database"]
//! [reach.only]
//! "Database" = ["UsersService", "MatchesAutoScalingGroup"]
//! [access]
//! allow = ["UsersTaskRole secretsmanager:GetSecretValue DatabaseSecret"]
//! deny = ["anonymous s3:GetObject WebBucket"]
//! [access.only]
//! "secretsmanager:GetSecretValue DatabaseSecret" = ["UsersTaskRole"]
//! ```
//!
//! Words after the resource of an access statement are condition keys,
//! `kms:ViaService=…`. `only` says that nobody else reaches it by a connection
//! of its own, or may do it, also not as somebody else.

mod parse;
mod prove;

pub use parse::{IntentFault, parse};
pub use prove::{Proof, holds, prove};
pub(crate) use prove::{filled, is_askable};

/// What an intent file states, in its order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Intent {
    pub statements: Vec<Statement>,
}

/// One statement with its line in the file, from 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement {
    pub line: usize,
    pub claim: Claim,
}

/// What is claimed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Claim {
    Reach {
        from: String,
        to: String,
        expected: bool,
    },
    /// Nobody but these connects to it.
    ReachOnly { to: String, from: Vec<String> },
    Access {
        call: Call,
        principal: String,
        expected: bool,
    },
    /// Nobody but these may do it.
    AccessOnly { call: Call, principals: Vec<String> },
}

/// An action on a resource under some condition keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    pub action: String,
    pub resource: String,
    pub context: Vec<(String, String)>,
}

impl Claim {
    /// Whether taking something away from the system could make it fail.
    pub fn is_permission(&self) -> bool {
        matches!(
            self,
            Self::Reach { expected: true, .. } | Self::Access { expected: true, .. }
        )
    }
}

impl std::fmt::Display for Claim {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let may = |expected: &bool| if *expected { "" } else { "not " };
        match self {
            Self::Reach { from, to, expected } => write!(f, "{}{from} -> {to}", may(expected)),
            Self::ReachOnly { to, from } => write!(f, "only {} -> {to}", from.join(", ")),
            Self::Access {
                call,
                principal,
                expected,
            } => {
                write!(f, "{}{principal} {call}", may(expected))
            }
            Self::AccessOnly { call, principals } => {
                write!(f, "only {} {call}", principals.join(", "))
            }
        }
    }
}

impl std::fmt::Display for Call {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.action, self.resource)?;
        self.context
            .iter()
            .try_for_each(|(key, value)| write!(f, " {key}={value}"))
    }
}
