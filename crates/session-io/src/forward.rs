//! How does a local port reach a remote one, whatever happens on the way?
//!
//! One [`Forward`] is one destination: its listeners, and one session at a time, because a session has
//! one destination. Several forwards in one process are several tasks. A session goes from connection to
//! connection; when the service says it is gone, another is started, the listeners
//! stay and only the connections that were open are reset. When the service ends a session in order
//! (nobody used it), the next local connection starts another.

use std::error::Error;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::pin;
use std::time::Duration;

use session::{ChannelConfig, PortConfig, PortFault, PortMode};
use tokio::net::TcpListener;
use tokio::sync::mpsc;

use crate::dial::{DialError, Start, Started, end_with_service};
use crate::link::{Endurance, Lost, Pauses};

mod run;

use run::RunEnd;

/// Local listeners whose connections come out at the destination of a session.
#[derive(Debug)]
pub struct Forward<S> {
    /// All of them lead to the same destination: one for each address family, say.
    pub listeners: Vec<TcpListener>,
    /// Starts sessions with that destination.
    pub start: S,
    /// The settings of every session.
    pub config: ForwardConfig,
    /// Told what happens. What does not fit is not told: nobody waits for a reader.
    pub events: mpsc::Sender<ForwardEvent>,
}

/// Settings of a forward.
#[derive(Debug, Clone)]
pub struct ForwardConfig {
    /// Four numbers; decides how an official agent behaves.
    pub client_version: String,
    /// What to go through before giving up.
    pub endurance: Endurance,
    /// How long an agent may take to open a session.
    pub open_within: Duration,
    /// Connections at once; more wait to be accepted.
    pub connections: usize,
    /// Limits of the data channel.
    pub channel: ChannelConfig,
    /// Limits of the connections.
    pub port: PortConfig,
}

impl ForwardConfig {
    /// Usual settings.
    #[must_use]
    pub fn new(client_version: &str) -> Self {
        Self {
            client_version: client_version.to_owned(),
            endurance: Endurance::default(),
            open_within: Duration::from_secs(30),
            connections: 1000,
            channel: ChannelConfig::default(),
            port: PortConfig::default(),
        }
    }
}

/// What happens to a forward.
#[derive(Debug)]
pub enum ForwardEvent {
    /// A session stands: connections are accepted from now on.
    Opened {
        /// The service's name for it.
        session_id: String,
        /// How connections travel.
        mode: PortMode,
        /// The agent's word for the user; may be empty.
        customer_message: String,
    },
    /// A local connection came.
    Accepted {
        /// Its local end.
        from: SocketAddr,
    },
    /// The agent could not reach the destination for a connection.
    DestinationRefused,
    /// The session has lost its connection and looks for another.
    Reconnecting {
        /// Which one.
        session_id: String,
        /// Why.
        lost: Lost,
    },
    /// It has found one.
    Resumed {
        /// Which one.
        session_id: String,
    },
    /// A session could not go on; its connections are reset and another is started.
    Replacing {
        /// The one that is gone.
        session_id: String,
        /// Why.
        reason: String,
    },
    /// No session could be started for now; it is tried again.
    StartFailed {
        /// Why.
        error: Box<dyn Error + Send + Sync>,
    },
    /// Nothing has been acknowledged for long although the connection lives.
    AgentSilent,
    /// The session is over; the next local connection starts another.
    Closed {
        /// Which one.
        session_id: String,
        /// The service's word for the user; may be empty.
        output: String,
    },
}

/// Why a forward ended by itself.
#[derive(Debug, thiserror::Error)]
pub enum ForwardError {
    /// A session could not be started, or not be resumed or replaced.
    #[error(transparent)]
    Start(#[from] DialError),
    /// The first session ended before it was open.
    #[error("the session ended before it was open: {output}")]
    NeverOpened {
        /// The service's word for the user.
        output: String,
    },
    /// The target did not answer.
    #[error("the target's agent did not open the session within {seconds} s")]
    AgentUnresponsive {
        /// How long was waited.
        seconds: u64,
    },
    /// Both ends did not understand each other.
    #[error(transparent)]
    Port(PortFault),
}

/// What every session of a forward shares.
struct Side {
    listeners: Vec<TcpListener>,
    config: ForwardConfig,
    events: mpsc::Sender<ForwardEvent>,
}

impl Side {
    fn tell(&self, event: ForwardEvent) {
        // nobody reads, or nobody reads fast enough
        self.events.try_send(event).ok();
    }
}

impl<S: Start> Forward<S> {
    /// Carries connections until `stop`, then ends the session.
    ///
    /// # Errors
    /// When the first session does not come about, or no other can be started.
    pub async fn run(self, stop: impl Future<Output = ()> + Send) -> Result<(), ForwardError> {
        let mut start = self.start;
        let side = Side {
            listeners: self.listeners,
            config: self.config,
            events: self.events,
        };
        let mut stop = pin!(stop);
        let mut has_opened = false;
        let mut waiting = None;
        loop {
            let patience = if has_opened {
                side.config.endurance.give_up_after
            } else {
                side.config.endurance.connect_within
            };
            let started = tokio::select! {
                () = &mut stop => return Ok(()),
                started = start_session(&mut start, &side, patience) => started?,
            };
            let session_id = started.session_id.clone();
            let (end, was_open) = run::run(&side, started, waiting.take(), stop.as_mut()).await;
            end_with_service(&mut start, &session_id).await;
            has_opened |= was_open;
            match end {
                RunEnd::Stopped => return Ok(()),
                RunEnd::Failed(error) => return Err(error),
                RunEnd::Gone(reason) if was_open => {
                    side.tell(ForwardEvent::Replacing { session_id, reason });
                }
                RunEnd::Closed { output } if was_open => {
                    side.tell(ForwardEvent::Closed { session_id, output });
                    tokio::select! {
                        () = &mut stop => return Ok(()),
                        accepted = run::accept(&side.listeners) => waiting = Some(accepted),
                    }
                }
                RunEnd::Gone(output) | RunEnd::Closed { output } => {
                    return Err(ForwardError::NeverOpened { output });
                }
            }
        }
    }
}

/// Starts a session, trying for so long.
async fn start_session<S: Start>(
    start: &mut S,
    side: &Side,
    patience: Duration,
) -> Result<Started<S::Dial>, DialError> {
    let mut pauses = Pauses::new(&side.config.endurance, patience);
    loop {
        match start.start().await {
            Err(DialError::Unavailable(error)) if !pauses.are_over() => {
                side.tell(ForwardEvent::StartFailed { error });
            }
            settled => return settled,
        }
        pauses.pause().await;
    }
}
