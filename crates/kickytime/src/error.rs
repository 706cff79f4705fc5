//! Why a command could not answer.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use region::apply::ApplyError;
use region::control::ControlError;
use region::host::launch::LaunchError;
use region::host::visit::VisitError;
use region::state::StateError;
use thiserror::Error;

use crate::operate::OperateError;

/// A command's failure; its sources carry the rest of the story.
#[derive(Debug, Error)]
pub(crate) enum CommandError {
    #[error("cannot read `{path}`")]
    Read {
        path: PathBuf,
        source: std::io::Error,
    },
    #[error("cannot write to standard output")]
    Output(#[source] std::io::Error),
    #[error("`{path}` is not UTF-8 text")]
    NotText { path: PathBuf },
    #[error("`{text}` is not of the form NAME=VALUE")]
    Parameter { text: String },
    #[error("`{path}` does not hold parameters: {reason}")]
    ParameterFile {
        path: PathBuf,
        reason: cfn::ParameterFileError,
    },
    #[error("there is no image: this folder is not the project's workspace")]
    NoImage,
    #[error(transparent)]
    Launch(#[from] LaunchError),
    #[error(transparent)]
    State(#[from] StateError),
    #[error(transparent)]
    Apply(#[from] ApplyError),
    #[error(transparent)]
    Control(#[from] ControlError),
    #[error("the region's answer is not understood")]
    Answer(#[source] serde_json::Error),
    #[error(transparent)]
    Visit(#[from] VisitError),
    #[error("cannot listen on 127.0.0.1:{port}")]
    Listen { port: u16, source: std::io::Error },
    #[error("cannot run `{}`", .program.to_string_lossy())]
    Start {
        program: OsString,
        source: std::io::Error,
    },
    #[error("cannot start a runtime")]
    Runtime(#[source] std::io::Error),
    #[error("cannot hold the processes of a session")]
    Hold(#[source] std::io::Error),
    #[error(transparent)]
    Agent(#[from] agent::AgentError),
    #[error(transparent)]
    Operate(#[from] OperateError),
    #[error("the region is still running after {0:?}")]
    StillRunning(Duration),
    #[error("the template has errors, so nothing about it can be answered")]
    Template,
    #[error(transparent)]
    Place(#[from] analysis::reach::PlaceError),
    #[error(transparent)]
    Access(#[from] analysis::access::AccessError),
    #[error("cannot write `{path}`")]
    Write {
        path: PathBuf,
        source: std::io::Error,
    },
    #[error("cannot read the intents of `{path}`")]
    Intent {
        path: PathBuf,
        source: analysis::intent::IntentFault,
    },
    #[error("there is no rule `{name}`")]
    Rule { name: String },
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
            Self::Control(ControlError::NotRunning(_)) => {
                Some("start one with `kickytime up`, or name its --state directory".to_owned())
            }
            Self::Template => Some("`kickytime check` lists them".to_owned()),
            Self::Place(error) => error.hint(),
            Self::NoImage => {
                Some("run it in the project's folder, or name a program with --server".to_owned())
            }
            Self::Launch(error) => error.hint(),
            Self::State(error) => error.hint().map(str::to_owned),
            Self::Apply(error) => error.hint(),
            Self::Access(error) => error.hint(),
            Self::Operate(error) => error.hint(),
            Self::Rule { .. } => Some("`kickytime explain` lists them".to_owned()),
            _ => None,
        }
    }
}
