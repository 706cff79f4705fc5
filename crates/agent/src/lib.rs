//! What does an instance do so that people get to it through Systems Manager?
//!
//! The agent is one process of the instance. It learns who it is from the
//! metadata service, reports to Systems Manager ([`ssm`](aws)), and waits on a
//! control channel for sessions, which it carries out: ports that it dials from
//! here ([`port`]), shells and commands that it runs here ([`shell`]); scripts of
//! Run Command come by another way ([`run_command`]). Everything goes through the
//! network and by the role that the instance has; nothing here knows whether AWS
//! or a region on this machine is at the other end.

mod control;
mod data;
mod failure;
mod hold;
mod identity;
mod information;
mod log;
mod port;
mod report;
mod run_command;
mod shell;
mod task;

use std::ffi::OsString;
use std::sync::Arc;

use aws::{Client, Config, Environment, Options};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

pub use hold::hold;
pub use report::Report;

use hold::Holder;
use identity::Identity;
use report::Standing;

/// What this agent calls its version. Clients choose their ways by it: from this
/// one on they multiplex connections.
pub(crate) const AGENT_VERSION: &str = "3.3.3572.0";

/// How this program is started once more, to hold the processes of one session:
/// program and first arguments; [`hold`] is to be called with the rest.
#[derive(Debug, Clone)]
pub struct HoldCommand(pub Vec<OsString>);

/// Why there is no agent.
#[derive(Debug, thiserror::Error)]
pub enum AgentError {
    /// The settings cannot be used.
    #[error("cannot settle where and as whom to call AWS")]
    Config(#[from] aws::ConfigError),
    /// Those of the metadata service cannot.
    #[error("cannot find the instance metadata service")]
    Metadata(#[from] aws::CredentialsError),
    /// The kernel refuses to let this process keep its own processes together.
    #[error("cannot become the parent of what sessions leave behind")]
    Subreaper(#[source] std::io::Error),
}

/// What every part of the agent works with.
#[derive(Debug)]
pub(crate) struct Agent {
    pub(crate) client: Client,
    pub(crate) identity: Identity,
    pub(crate) holder: Holder,
    pub(crate) standing: Standing,
}

/// Runs the agent until `stop`; `tell` hears what becomes of it.
///
/// # Errors
///
/// When the settings forbid it from the start. What may pass (no network, no
/// permission, no instance profile yet) is told, and tried again.
pub async fn run(
    environment: &Environment,
    hold: HoldCommand,
    tell: impl Fn(Report) + Send + Sync + 'static,
    stop: CancellationToken,
) -> Result<(), AgentError> {
    let holder = Holder::new(hold).map_err(AgentError::Subreaper)?;
    let standing = Standing::new(tell);
    let imds = aws::imds::Imds::new(environment)?;
    let Some(identity) = identity::learn(&imds, &standing, &stop).await else {
        return Ok(());
    };
    let options = Options {
        region: Some(identity.region.clone()),
        ..Options::default()
    };
    let agent = Arc::new(Agent {
        client: Client::new(Config::load(environment, &options)?),
        identity,
        holder,
        standing,
    });
    let mut parts = JoinSet::new();
    parts.spawn(information::keep(Arc::clone(&agent), stop.clone()));
    parts.spawn(run_command::keep(Arc::clone(&agent), stop.clone()));
    parts.spawn(control::keep(agent, stop));
    while parts.join_next().await.is_some() {}
    Ok(())
}

/// An error with its causes in one line.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        // a transparent layer says what the next one says
        if !text.ends_with(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        source = cause.source();
    }
    text
}

/// A random UUID (RFC 9562, version 4).
pub(crate) fn uuid() -> String {
    session::message::MessageId::from_random(random()).to_string()
}

pub(crate) fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    aws_lc_rs::rand::fill(&mut bytes).expect("the operating system has random bytes");
    bytes
}
