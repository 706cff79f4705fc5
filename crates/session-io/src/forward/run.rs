//! One session of a forward, from its start to its end.

use std::future::{Future, poll_fn};
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use session::{PortMode, PortSession, Session};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::{ForwardConfig, ForwardError, ForwardEvent, Side};
use crate::dial::{Dial, DialError, Started};
use crate::fresh;
use crate::link::{Link, LinkEnd, LinkNews, keep_connected};
use crate::port::{Port, PortEnd, Signal, carry};

/// How long the agent's acknowledgement of the end may take.
const FAREWELL: Duration = Duration::from_secs(2);
/// How long connections may take to deliver what came before the end.
const CONNECTIONS_END: Duration = Duration::from_secs(1);
/// After an `accept` that failed, for want of files say.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// How a session of a forward ended.
#[derive(Debug)]
pub(super) enum RunEnd {
    Stopped,
    /// The service does not know it any more, or nobody could reach it for long.
    Gone(String),
    /// In order.
    Closed {
        output: String,
    },
    Failed(ForwardError),
}

/// A connection that was accepted.
pub(super) type Accepted = (TcpStream, SocketAddr);

/// Runs a session to its end; whether it was open.
pub(super) async fn run<D: Dial>(
    side: &Side,
    started: Started<D>,
    waiting: Option<Accepted>,
    mut stop: Pin<&mut (impl Future<Output = ()> + Send)>,
) -> (RunEnd, bool) {
    let config = &side.config;
    let Started {
        session_id,
        mut dial,
    } = started;
    let channel = fresh::dated(&config.channel);
    let session = Session::client(&config.client_version, true, channel, fresh::seed());
    let port = Port::new(PortSession::new(session, config.port.clone()));
    let link = Arc::new(Link::new(port));
    let mut local = Local {
        config,
        session_id: &session_id,
        tell: &|event| side.tell(event),
        link: &link,
        connections: JoinSet::new(),
        mode: None,
        waiting,
    };
    let news = news_of(&session_id, local.tell);
    let mut connected = pin!(keep_connected(&link, &mut dial, &config.endurance, news));
    let mut too_late = pin!(sleep(config.open_within));
    let end = loop {
        tokio::select! {
            biased;
            () = stop.as_mut() => {
                link.with(Port::terminate);
                let drained = timeout(FAREWELL, poll_fn(|cx| link.poll_drained(cx)));
                tokio::select! {
                    _ = &mut connected => {}
                    _ = drained => {}
                }
                break RunEnd::Stopped;
            }
            end = &mut connected => break run_end(end, &link, local.mode.is_some()),
            signal = poll_fn(|cx| link.poll_signal(cx)) => match signal {
                Some(signal) => local.take(signal),
                // its last words are being written
                None => break run_end(connected.await, &link, local.mode.is_some()),
            },
            () = &mut too_late, if local.mode.is_none() => {
                let seconds = config.open_within.as_secs();
                break RunEnd::Failed(ForwardError::AgentUnresponsive { seconds });
            }
            accepted = accept(&side.listeners), if local.may_accept() => local.admit(accepted),
            Some(_) = local.connections.join_next() => {}
        }
    };
    let Local {
        mut connections,
        mode,
        ..
    } = local;
    if link.lock().machine.end().is_some() {
        let ends = async { while connections.join_next().await.is_some() {} };
        timeout(CONNECTIONS_END, ends).await.ok();
    }
    // whoever is left has been cut off, and its local side is told so
    connections.shutdown().await;
    (end, mode.is_some())
}

/// The next local connection.
pub(super) async fn accept(listeners: &[TcpListener]) -> Accepted {
    loop {
        let accepted = poll_fn(|cx| {
            let mut accepted = listeners.iter().map(|listener| listener.poll_accept(cx));
            accepted.find(Poll::is_ready).unwrap_or(Poll::Pending)
        });
        match accepted.await {
            Ok(accepted) => return accepted,
            Err(_) => sleep(ACCEPT_PAUSE).await,
        }
    }
}

/// Tells of connections lost and found again.
fn news_of<'a>(
    session_id: &'a str,
    tell: &'a (dyn Fn(ForwardEvent) + Sync),
) -> impl FnMut(LinkNews) + Send + 'a {
    let mut was_connected = false;
    move |news| {
        let session_id = session_id.to_owned();
        match news {
            LinkNews::Lost(lost) => tell(ForwardEvent::Reconnecting { session_id, lost }),
            LinkNews::Connected if was_connected => tell(ForwardEvent::Resumed { session_id }),
            LinkNews::Connected => was_connected = true,
        }
    }
}

/// What a session's last connection means for the forward.
fn run_end(end: LinkEnd, link: &Link<Port>, was_open: bool) -> RunEnd {
    match end {
        LinkEnd::Gone(reason) => RunEnd::Gone(reason),
        // whether another session is to be had shows when it is started
        LinkEnd::Unavailable(error) if was_open => RunEnd::Gone(error.to_string()),
        LinkEnd::Refused(error) if was_open => RunEnd::Gone(error.to_string()),
        LinkEnd::Unavailable(error) => RunEnd::Failed(DialError::Unavailable(error).into()),
        LinkEnd::Refused(error) => RunEnd::Failed(DialError::Refused(error).into()),
        LinkEnd::Over => match link.lock().machine.end() {
            Some(PortEnd::Failed(fault)) => RunEnd::Failed(ForwardError::Port(fault.clone())),
            Some(PortEnd::Closed { output }) => RunEnd::Closed {
                output: output.clone(),
            },
            Some(PortEnd::Terminated) | None => RunEnd::Closed {
                output: String::new(),
            },
        },
    }
}

/// The local side of a session.
struct Local<'a> {
    config: &'a ForwardConfig,
    session_id: &'a str,
    tell: &'a (dyn Fn(ForwardEvent) + Sync),
    link: &'a Arc<Link<Port>>,
    connections: JoinSet<()>,
    mode: Option<PortMode>,
    /// Accepted, but the session has no room for it yet.
    waiting: Option<Accepted>,
}

impl Local<'_> {
    fn take(&mut self, signal: Signal) {
        match signal {
            Signal::Opened(mode, opened) => {
                self.mode = Some(mode);
                (self.tell)(ForwardEvent::Opened {
                    session_id: self.session_id.to_owned(),
                    mode,
                    customer_message: opened.customer_message,
                });
                self.admit_waiting();
            }
            Signal::Free => self.admit_waiting(),
            Signal::ConnectFailed => (self.tell)(ForwardEvent::DestinationRefused),
            Signal::PeerSilent => (self.tell)(ForwardEvent::AgentSilent),
            // an agent's business
            Signal::Connect(_) => {}
        }
    }

    fn may_accept(&self) -> bool {
        self.mode.is_some()
            && self.waiting.is_none()
            && self.connections.len() < self.config.connections
    }

    fn admit_waiting(&mut self) {
        if let Some(accepted) = self.waiting.take() {
            self.admit(accepted);
        }
    }

    fn admit(&mut self, (stream, from): Accepted) {
        let Some(id) = self.link.with(|port, _| port.open()) else {
            self.waiting = Some((stream, from));
            return;
        };
        (self.tell)(ForwardEvent::Accepted { from });
        let link = Arc::clone(self.link);
        self.connections
            .spawn(async move { carry(&link, id, stream).await });
    }
}
