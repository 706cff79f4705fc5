//! Why a command could not answer.

use std::path::PathBuf;

use thiserror::Error;

/// A command's failure; its sources carry the rest of the story.
#[derive(Debug, Error)]
pub(crate) enum CommandError {
    #[error("cannot read `{path}`")]
    Read {
        path: PathBuf,
        source: std::io::Error,
    },
    #[error("`{path}` is not UTF-8 text")]
    NotText { path: PathBuf },
    #[error("`{text}` is not of the form NAME=VALUE")]
    Parameter { text: String },
    #[error("`{path}` does not hold parameters: {reason}")]
    ParameterFile { path: PathBuf, reason: String },
}

impl CommandError {
    /// What the person can do about it.
    pub(crate) fn hint(&self) -> Option<String> {
        match self {
            Self::Read { source, .. } if source.kind() == std::io::ErrorKind::NotFound => {
                Some("run it in the project's folder, or name the file".to_owned())
            }
            Self::ParameterFile { .. } => Some(
                "expected [{\"ParameterKey\": \"…\", \"ParameterValue\": \"…\"}, …]".to_owned(),
            ),
            _ => None,
        }
    }
}
