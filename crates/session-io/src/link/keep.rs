//! A session outlives its connections: another one, and when to stop trying.

use std::error::Error;
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};

use super::drive::{Driven, drive};
use super::{Link, Machine};
use crate::dial::{Dial, DialError};
use crate::fresh;
use crate::socket::{Liveness, SocketError};

/// One attempt to connect may take so long.
const DIAL_TIMEOUT: Duration = Duration::from_secs(45);
/// A connection that lasted so long is replaced without a pause.
const STEADY_AFTER: Duration = Duration::from_secs(5);
/// How long a goodbye on the websocket may take.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);

/// How much trouble with the network a session goes through.
#[derive(Debug, Clone)]
pub struct Endurance {
    /// When a connection passes for dead.
    pub liveness: Liveness,
    /// The pause after a first failure; it doubles from there.
    pub first_pause: Duration,
    /// No pause is longer.
    pub longest_pause: Duration,
    /// A session's first connection must stand within this.
    pub connect_within: Duration,
    /// Attempts at another end when there has been none for so long.
    pub give_up_after: Duration,
}

impl Default for Endurance {
    fn default() -> Self {
        Self {
            liveness: Liveness::default(),
            first_pause: Duration::from_millis(250),
            longest_pause: Duration::from_secs(15),
            connect_within: Duration::from_secs(15),
            give_up_after: Duration::from_mins(10),
        }
    }
}

/// Why there is no connection at the moment.
#[derive(Debug, thiserror::Error)]
pub enum Lost {
    /// The service ended it in order, as it does about once an hour.
    #[error("the service closed the connection")]
    Ended,
    /// It broke.
    #[error(transparent)]
    Socket(SocketError),
    /// There was none to be had.
    #[error(transparent)]
    Unavailable(Box<dyn Error + Send + Sync>),
}

/// What happens to a session's connections.
#[derive(Debug)]
pub(crate) enum LinkNews {
    Connected,
    Lost(Lost),
}

/// Why there will be no more connections.
#[derive(Debug)]
pub(crate) enum LinkEnd {
    /// The machine is done.
    Over,
    Gone(String),
    Refused(Box<dyn Error + Send + Sync>),
    Unavailable(Box<dyn Error + Send + Sync>),
}

/// Carries a machine from one connection to the next until it is over.
pub(crate) async fn keep_connected<M: Machine, D: Dial>(
    link: &Link<M>,
    dial: &mut D,
    endurance: &Endurance,
    mut tell: impl FnMut(LinkNews) + Send,
) -> LinkEnd {
    let mut pauses = Pauses::new(endurance, endurance.connect_within);
    loop {
        if link.lock().machine.is_over() {
            return LinkEnd::Over;
        }
        let dialed = timeout(DIAL_TIMEOUT, dial.dial()).await;
        let mut socket = match dialed.unwrap_or_else(|_| Err(unanswered())) {
            Ok(socket) => socket,
            Err(DialError::Gone(reason)) => return LinkEnd::Gone(reason),
            Err(DialError::Refused(error)) => return LinkEnd::Refused(error),
            Err(DialError::Unavailable(error)) if pauses.are_over() => {
                return LinkEnd::Unavailable(error);
            }
            Err(DialError::Unavailable(error)) => {
                tell(LinkNews::Lost(Lost::Unavailable(error)));
                pauses.pause().await;
                continue;
            }
        };
        socket.set_liveness(endurance.liveness);
        let connected_at = Instant::now();
        link.with(|machine, now| machine.handle_connected(now));
        tell(LinkNews::Connected);
        let (driven, has_heard) = drive(link, &mut socket).await;
        link.with(|machine, _| machine.handle_disconnected());
        match driven {
            Driven::Over => {
                timeout(CLOSE_TIMEOUT, socket.close()).await.ok();
                return LinkEnd::Over;
            }
            Driven::Lost(error) => tell(LinkNews::Lost(error.map_or(Lost::Ended, Lost::Socket))),
        }
        if has_heard {
            pauses.over_at = Instant::now() + endurance.give_up_after;
        }
        if connected_at.elapsed() >= STEADY_AFTER {
            pauses.next = endurance.first_pause;
        } else if pauses.are_over() {
            return LinkEnd::Unavailable("no connection lasts".into());
        } else {
            pauses.pause().await;
        }
    }
}

fn unanswered() -> DialError {
    let words = format!("no connection within {} s", DIAL_TIMEOUT.as_secs());
    DialError::Unavailable(words.into())
}

/// Longer and longer pauses, for so long.
#[derive(Debug)]
pub(crate) struct Pauses<'a> {
    endurance: &'a Endurance,
    next: Duration,
    over_at: Instant,
}

impl<'a> Pauses<'a> {
    pub(crate) fn new(endurance: &'a Endurance, give_up_after: Duration) -> Self {
        Self {
            endurance,
            next: endurance.first_pause,
            over_at: Instant::now() + give_up_after,
        }
    }

    pub(crate) fn are_over(&self) -> bool {
        Instant::now() >= self.over_at
    }

    /// Waits between half of the pause and all of it: not everybody comes back at once.
    pub(crate) async fn pause(&mut self) {
        let [random] = fresh::random();
        let part = 128 + u32::from(random / 2);
        sleep(self.next * part / 256).await;
        self.next = (self.next * 2).min(self.endurance.longest_pause);
    }
}
