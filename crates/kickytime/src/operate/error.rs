//! Why a command cannot work with what runs, and what to do about it.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;

use aws::{CallError, ConfigError, TransportError, WebsocketError};
use region::control::ControlError;
use session_io::{DialError, ForwardError, TerminalError};
use thiserror::Error;

/// A failure; its sources carry the rest of the story.
#[derive(Debug, Error)]
pub(crate) enum OperateError {
    #[error("no region is running with the state directory `{}`", directory.display())]
    NoRegion { directory: PathBuf },
    #[error(transparent)]
    Control(#[from] ControlError),
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error("--aws was given, but the settings lead to {origin}, which is not AWS")]
    NotAws { origin: String },
    #[error(transparent)]
    Call(#[from] CallError),
    #[error("there is no stack `{name}` in {region}")]
    NoStack { name: String, region: String },
    #[error("the stack `{stack}` has no output `{key}`")]
    NoOutput {
        stack: String,
        key: &'static str,
        option: &'static str,
    },
    #[error("no instance of {of} is connected")]
    NoInstance { of: String, known: Vec<String> },
    #[error("no log group, or more than one, is called `{name}`")]
    NoGroup { name: String, known: Vec<String> },
    #[error("the secret is not a database's: it has no user name and password")]
    NotDatabaseSecret,
    #[error("`{text}` is not of the form HOST[:PORT]")]
    Host { text: String },
    #[error("cannot listen on {address}")]
    Listen {
        address: SocketAddr,
        source: std::io::Error,
    },
    #[error("cannot fetch the authorities of RDS")]
    Authorities(#[source] TransportError),
    #[error("what `{url}` has are no certificates")]
    NoCertificates { url: &'static str },
    #[error("cannot write `{}`", path.display())]
    Write {
        path: PathBuf,
        source: std::io::Error,
    },
    #[error("`{}` is not installed", program.to_string_lossy())]
    NotInstalled { program: OsString },
    #[error("cannot run `{}`", program.to_string_lossy())]
    Start {
        program: OsString,
        source: std::io::Error,
    },
    #[error("cannot start a runtime")]
    Runtime(#[source] std::io::Error),
    #[error("the terminal cannot be used")]
    Screen(#[source] std::io::Error),
    #[error(transparent)]
    Forward(#[from] ForwardError),
    #[error(transparent)]
    Terminal(#[from] TerminalError),
}

impl OperateError {
    /// What the person can do about it.
    pub(crate) fn hint(&self) -> Option<String> {
        match self {
            Self::NoRegion { .. } => Some(
                "start one with `kickytime up`, name its --state directory, or say --aws for AWS"
                    .to_owned(),
            ),
            Self::Config(error) => error.hint(),
            Self::NotAws { .. } => Some(
                "`unset AWS_ENDPOINT_URL`, and take the keys of a region out of the shell"
                    .to_owned(),
            ),
            Self::Call(error) => of_call(error),
            Self::NoStack { .. } => {
                Some("name it with --stack-name, and its place with --region".to_owned())
            }
            Self::NoOutput { option, .. } => Some(format!("say it with {option}")),
            Self::NoInstance { known, .. } if known.is_empty() => Some(
                "an instance has to run its SSM agent and reach ssm, ssmmessages and ec2messages; \
                 after a start it takes a minute"
                    .to_owned(),
            ),
            Self::NoInstance { known, .. } => Some(format!("there are: {}", known.join(", "))),
            Self::NoGroup { known, .. } => Some(format!("there are: {}", known.join(", "))),
            Self::Listen { source, .. } => match source.kind() {
                std::io::ErrorKind::AddrInUse => {
                    Some("it is taken; choose another, or 0 for a free one".to_owned())
                }
                _ => None,
            },
            Self::Authorities(_) => {
                Some("name a file that holds them with --root-certificates".to_owned())
            }
            Self::NotInstalled { .. } => Some(
                "install it with `apt install postgresql-client` (`dnf install postgresql` on \
                 Fedora and Amazon Linux), or use --listen with another program"
                    .to_owned(),
            ),
            Self::Forward(ForwardError::Start(error)) => of_dial(error),
            Self::Terminal(TerminalError::Start(error)) => of_dial(error),
            _ => None,
        }
    }
}

fn of_call(error: &CallError) -> Option<String> {
    match error.code() {
        Some("ResourceNotFoundException") => {
            Some("`kickytime logs` lists the log groups".to_owned())
        }
        _ => error.hint(),
    }
}

/// The advice of whatever stood behind a session that did not come about.
pub(crate) fn of_dial(error: &DialError) -> Option<String> {
    let (DialError::Unavailable(source) | DialError::Refused(source)) = error else {
        return None;
    };
    if let Some(call) = source.downcast_ref::<CallError>() {
        return of_call(call);
    }
    match source.downcast_ref::<WebsocketError>()? {
        WebsocketError::Credentials(error) => error.hint(),
        WebsocketError::Transport(error) => error.hint(),
        WebsocketError::Refused(refusal) => refusal.hint(),
        _ => None,
    }
}
