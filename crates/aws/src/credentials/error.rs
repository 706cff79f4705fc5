//! Why there are no credentials, and what can be done about it.

use std::path::PathBuf;

use crate::error::Refusal;
use crate::imds::ImdsError;
use crate::transport::TransportError;

/// Why there are no credentials.
#[derive(Debug, thiserror::Error)]
pub enum CredentialsError {
    #[error("there are no AWS credentials")]
    None,
    #[error("the profile `{profile}` has {has} but not {lacks}")]
    Incomplete {
        profile: String,
        has: &'static str,
        lacks: &'static str,
    },
    #[error("the profile `{profile}` wants `{setting}`, which is not supported")]
    Unsupported {
        profile: String,
        setting: &'static str,
    },
    #[error("the profiles lead in a circle: {}", names.join(" -> "))]
    Circle { names: Vec<String> },
    #[error("there is no profile or section `{name}`")]
    NoProfile { name: String },
    #[error("`{setting}` is {fault}")]
    Setting {
        setting: &'static str,
        fault: &'static str,
    },
    #[error("the sign-in of the profile `{profile}` has expired or was never made")]
    SignIn { profile: String },
    #[error("cannot read `{path}`")]
    Read {
        path: PathBuf,
        source: std::io::Error,
    },
    #[error("`credential_process` cannot be run")]
    Process { source: std::io::Error },
    #[error("`credential_process` failed: {reason}")]
    ProcessFailed { reason: String },
    #[error("{source_name} gave no credentials")]
    NoAnswer {
        source_name: &'static str,
        #[source]
        cause: TransportError,
    },
    #[error("the answer of {source_name} is not understood")]
    Answer { source_name: &'static str },
    #[error(transparent)]
    Metadata(#[from] ImdsError),
    #[error(transparent)]
    Refused(#[from] Refusal),
}

impl CredentialsError {
    /// Whether asking again a little later may succeed.
    #[must_use]
    pub fn may_pass(&self) -> bool {
        match self {
            Self::NoAnswer { cause, .. } => cause.may_pass(),
            Self::Refused(refusal) => refusal.is_throttling() || refusal.status.is_server_error(),
            Self::Metadata(error) => error.may_pass(),
            _ => false,
        }
    }

    /// What the person can do about it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::None | Self::Metadata(_) => Some(
                "sign in with `aws sso login`, name a profile with --profile, or set \
                 AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
                    .to_owned(),
            ),
            Self::SignIn { profile } => Some(format!("run `aws sso login --profile {profile}`")),
            Self::Unsupported { profile, .. } => Some(format!(
                "fetch credentials with aws-cli: \
                 eval \"$(aws configure export-credentials --profile {profile} --format env)\""
            )),
            Self::Refused(refusal) => refusal.hint(),
            Self::NoAnswer { cause, .. } => cause.hint(),
            _ => None,
        }
    }
}
