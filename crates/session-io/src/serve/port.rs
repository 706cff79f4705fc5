//! A port session at the agent: a dial for every connection, all of them at once.

use std::future::{Future, poll_fn};
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use session::{AgentOffer, PortConfig, PortSession, Session, StreamId};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::{ServeConfig, ServeError, Served, link_end};
use crate::dial::Dial;
use crate::fresh;
use crate::link::{Link, LinkEnd, keep_connected};
use crate::port::{Port, PortEnd, Signal, carry};

/// How long a destination may take altogether; a client waits behind it.
const DIAL_DEADLINE: Duration = Duration::from_secs(30);
/// Connections at once, those included that are still being dialled for or were given up
/// by the client meanwhile. A client has half of them.
const CONNECTIONS_LIMIT: usize = 2048;
/// How long the last bytes may take to arrive, once the session ends.
const FAREWELL: Duration = Duration::from_secs(2);

/// Serves a port session until one of the ends is done with it. `connect` makes one
/// connection to the session's destination; `told` hears of those it could not make.
///
/// # Errors
/// When the session cannot go on.
pub async fn serve_port<D, C, F>(
    config: ServeConfig,
    offer: AgentOffer,
    mut dial: D,
    connect: C,
    mut told: impl FnMut(&io::Error) + Send,
    stop: impl Future<Output = ()> + Send,
) -> Result<Served, ServeError>
where
    D: Dial,
    C: Fn() -> F + Send,
    F: Future<Output = io::Result<TcpStream>> + Send + 'static,
{
    let channel = fresh::dated(&config.channel);
    let session = Session::agent(&config.session_id, offer, channel, fresh::seed());
    let port = Port::new(PortSession::new(session, PortConfig::default()));
    let link = Arc::new(Link::new(port));
    let mut connections = JoinSet::new();
    let mut connected = pin!(keep_connected(&link, &mut dial, &config.endurance, |_| ()));
    let mut stop = pin!(stop);
    let end = loop {
        tokio::select! {
            biased;
            () = &mut stop => {
                let drained = timeout(FAREWELL, poll_fn(|cx| link.poll_drained(cx)));
                tokio::select! {
                    _ = &mut connected => {}
                    _ = drained => {}
                }
                break Ok(Served::Stopped);
            }
            end = &mut connected => break served(end, &link),
            signal = poll_fn(|cx| link.poll_signal(cx)) => match signal {
                Some(Signal::Connect(id)) if connections.len() >= CONNECTIONS_LIMIT => {
                    link.with(|port, now| port.refuse(id, now));
                }
                Some(Signal::Connect(id)) => {
                    connections.spawn(connection(Arc::clone(&link), id, connect()));
                }
                // the rest is for clients
                Some(_) => {}
                None => break served(connected.await, &link),
            },
            Some(ended) = connections.join_next() => if let Ok(Err(error)) = ended {
                told(&error);
            },
        }
    };
    connections.shutdown().await;
    end
}

/// Dials for a connection, and carries it.
async fn connection(
    link: Arc<Link<Port>>,
    id: StreamId,
    connect: impl Future<Output = io::Result<TcpStream>>,
) -> io::Result<()> {
    let connected = timeout(DIAL_DEADLINE, connect).await;
    match connected.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())) {
        Ok(stream) => {
            carry(&link, id, stream).await;
            Ok(())
        }
        Err(error) => {
            link.with(|port, now| port.refuse(id, now));
            Err(error)
        }
    }
}

fn served(end: LinkEnd, link: &Link<Port>) -> Result<Served, ServeError> {
    if let Some(served) = link_end(end) {
        return served;
    }
    match link.lock().machine.end() {
        Some(PortEnd::Failed(fault)) => Err(ServeError::Port(fault.clone())),
        Some(PortEnd::Closed { output }) => Ok(Served::Closed {
            output: output.clone(),
        }),
        Some(PortEnd::Terminated) | None => Ok(Served::Terminated),
    }
}
