//! How does an agent carry out a session it was asked for?
//!
//! [`serve_port`] dials a destination for each connection a client opens,
//! [`serve_shell`] lends a terminal. Both go from one data channel to the next until the
//! client, the service or the agent itself ends the session. What is served, and with whose
//! permission, is the caller's.

use std::error::Error;

use session::{ChannelConfig, PortFault, SessionFault};

use crate::link::{Endurance, LinkEnd};

mod connect;
mod port;
mod shell;

pub use connect::connect_in_turn;
pub use port::serve_port;
pub use shell::{OpenKey, ServedShell, serve_shell};

/// A session's name and how to serve it.
#[derive(Debug, Clone)]
pub struct ServeConfig {
    /// The service's name for the session.
    pub session_id: String,
    /// What to go through before giving up.
    pub endurance: Endurance,
    /// Limits of the data channel.
    pub channel: ChannelConfig,
}

impl ServeConfig {
    /// Usual settings.
    #[must_use]
    pub fn new(session_id: &str) -> Self {
        Self {
            session_id: session_id.to_owned(),
            endurance: Endurance::default(),
            channel: ChannelConfig::default(),
        }
    }
}

/// How a served session ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Served {
    /// The client asked for it.
    Terminated,
    /// The service did; its word for a user may be empty.
    Closed {
        /// The service's word.
        output: String,
    },
    /// The caller did.
    Stopped,
    /// The service does not know the session any more; what it said.
    Gone(String),
    /// A shell's program has ended.
    Exited {
        /// Its exit code.
        code: i32,
    },
}

/// Why a session cannot be served any longer.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The service does not let this agent connect.
    #[error("the session's data channel is refused")]
    Refused(#[source] Box<dyn Error + Send + Sync>),
    /// The service could not be reached for too long.
    #[error("the session's data channel cannot be reached")]
    Unavailable(#[source] Box<dyn Error + Send + Sync>),
    /// Both ends did not understand each other, or the destination of a session with one
    /// connection cannot be reached.
    #[error(transparent)]
    Port(PortFault),
    /// Both ends did not understand each other.
    #[error(transparent)]
    Session(SessionFault),
    /// There is no key to encrypt the session with.
    #[error("the session's key cannot be decrypted: {0}")]
    Key(String),
    /// The terminal broke.
    #[error("the terminal cannot be used")]
    Terminal(#[source] std::io::Error),
}

/// What the end of the connections means, if it is not the session's own end.
fn link_end(end: LinkEnd) -> Option<Result<Served, ServeError>> {
    match end {
        LinkEnd::Over => None,
        LinkEnd::Gone(reason) => Some(Ok(Served::Gone(reason))),
        LinkEnd::Refused(error) => Some(Err(ServeError::Refused(error))),
        LinkEnd::Unavailable(error) => Some(Err(ServeError::Unavailable(error))),
    }
}
