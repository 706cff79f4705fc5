//! A stand-in for the service: a websocket server that passes messages between the two ends of
//! a session, and does to them what networks do.
//!
//! Requests go to `/SESSION/client` or `/SESSION/agent`. A new connection of an end takes
//! the place of its last one; what is for an end that is not there is lost.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use bytes::Bytes;
use session_io::{Dial, DialError, Duplex, Socket};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, mpsc};
use tokio::task::AbortHandle;
use tokio::time::{Instant, sleep_until};
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::{TlsAcceptor, TlsConnector};
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

/// Messages on their way to one end.
const INBOX: usize = 256;

/// The relay; clones are the same one.
#[derive(Clone)]
pub(crate) struct Relay {
    pub(crate) address: SocketAddr,
    shared: Arc<Shared>,
    connector: Option<TlsConnector>,
}

#[derive(Default)]
struct Shared {
    sessions: Mutex<BTreeMap<String, Ends>>,
    /// Sessions the service does not know any more.
    gone: Mutex<Vec<String>>,
    /// Nobody can connect.
    is_down: AtomicBool,
    /// Connections stand, but nothing moves.
    is_frozen: AtomicBool,
    thawed: Notify,
    /// Of 1000 messages, so many are lost.
    loss: AtomicUsize,
    delay_us: AtomicU64,
    random: AtomicU64,
    pub(crate) connections: AtomicUsize,
    listener: Mutex<Option<AbortHandle>>,
}

#[derive(Default)]
struct Ends {
    client: Option<End>,
    agent: Option<End>,
}

struct End {
    inbox: mpsc::Sender<(Instant, Bytes)>,
    task: AbortHandle,
}

/// Which end of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    Client,
    Agent,
}

impl Ends {
    fn of(&mut self, side: Side) -> &mut Option<End> {
        match side {
            Side::Client => &mut self.client,
            Side::Agent => &mut self.agent,
        }
    }
}

impl Side {
    fn other(self) -> Self {
        match self {
            Self::Client => Self::Agent,
            Self::Agent => Self::Client,
        }
    }
}

impl Relay {
    /// A relay on a free port of loopback, over TLS if both its ends are given.
    pub(crate) async fn start(tls: Option<(TlsAcceptor, TlsConnector)>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("bound");
        let shared = Arc::new(Shared::default());
        shared
            .random
            .store(0x9E37_79B9_7F4A_7C15, Ordering::Relaxed);
        let (acceptor, connector) = tls.unzip();
        let server = Arc::clone(&shared);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                stream.set_nodelay(true).ok();
                let (shared, acceptor) = (Arc::clone(&server), acceptor.clone());
                tokio::spawn(async move {
                    match acceptor {
                        Some(acceptor) => {
                            if let Ok(stream) = acceptor.accept(stream).await {
                                serve(shared, stream).await;
                            }
                        }
                        None => serve(shared, stream).await,
                    }
                });
            }
        });
        *locked(&shared.listener) = Some(task.abort_handle());
        Self {
            address,
            shared,
            connector,
        }
    }

    pub(crate) fn dialer(&self, session_id: &str, side: Side) -> RelayDial {
        RelayDial {
            relay: self.clone(),
            session_id: session_id.to_owned(),
            side,
        }
    }

    /// Breaks the connection of one end.
    pub(crate) fn cut(&self, session_id: &str, side: Side) {
        let mut sessions = locked(&self.shared.sessions);
        if let Some(end) = sessions
            .get_mut(session_id)
            .and_then(|ends| ends.of(side).take())
        {
            end.task.abort();
        }
    }

    /// The service forgets a session.
    pub(crate) fn forget(&self, session_id: &str) {
        locked(&self.shared.gone).push(session_id.to_owned());
        self.cut(session_id, Side::Client);
        self.cut(session_id, Side::Agent);
        locked(&self.shared.sessions).remove(session_id);
    }

    /// The service tells both ends of a session that it is over.
    pub(crate) async fn close(&self, session_id: &str, output: &str) {
        let closed = channel_closed(session_id, output);
        for side in [Side::Client, Side::Agent] {
            let inbox = {
                let mut sessions = locked(&self.shared.sessions);
                let ends = sessions.get_mut(session_id);
                ends.and_then(|ends| ends.of(side).as_ref().map(|end| end.inbox.clone()))
            };
            if let Some(inbox) = inbox {
                inbox.send((Instant::now(), closed.clone())).await.ok();
            }
        }
    }

    pub(crate) fn set_down(&self, is_down: bool) {
        self.shared.is_down.store(is_down, Ordering::Relaxed);
    }

    /// Stops, or lets go on, everything without breaking a connection.
    pub(crate) fn set_frozen(&self, is_frozen: bool) {
        self.shared.is_frozen.store(is_frozen, Ordering::Relaxed);
        self.shared.thawed.notify_waiters();
    }

    pub(crate) fn set_loss(&self, per_thousand: usize) {
        self.shared.loss.store(per_thousand, Ordering::Relaxed);
    }

    pub(crate) fn set_delay(&self, delay: Duration) {
        let us = u64::try_from(delay.as_micros()).expect("a short delay");
        self.shared.delay_us.store(us, Ordering::Relaxed);
    }

    /// Websockets so far.
    pub(crate) fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::Relaxed)
    }

    pub(crate) fn stop(&self) {
        if let Some(listener) = locked(&self.shared.listener).take() {
            listener.abort();
        }
        let sessions = std::mem::take(&mut *locked(&self.shared.sessions));
        for end in sessions
            .into_values()
            .flat_map(|ends| [ends.client, ends.agent])
            .flatten()
        {
            end.task.abort();
        }
    }
}

fn channel_closed(session_id: &str, output: &str) -> Bytes {
    use session::message::{self, Message, MessageId, MessageKind};
    let payload = format!(
        r#"{{"MessageType":"channel_closed","SessionId":"{session_id}","SchemaVersion":1,"Output":"{output}"}}"#
    );
    message::encode(&Message {
        kind: MessageKind::ChannelClosed,
        created_ms: 1,
        sequence_number: 0,
        flags: message::FLAG_SYN_FIN,
        id: MessageId::from_random([7; 16]),
        payload_type: 0,
        payload: payload.into(),
    })
}

/// Answers the upgrade, reads the opening text, and passes messages on.
async fn serve<S: Duplex>(shared: Arc<Shared>, mut stream: S) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => return,
        }
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let path = head.split(' ').nth(1).unwrap_or("");
    let mut parts = path.trim_start_matches('/').split('/');
    let session_id = parts.next().unwrap_or("").to_owned();
    let side = match parts.next() {
        Some("client") => Side::Client,
        _ => Side::Agent,
    };
    let key = head
        .lines()
        .find_map(|line| line.strip_prefix("sec-websocket-key: "))
        .unwrap_or("");
    let answer = format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {}\r\n\r\n",
        derive_accept_key(key.as_bytes())
    );
    if stream.write_all(answer.as_bytes()).await.is_err() || stream.flush().await.is_err() {
        return;
    }
    let mut socket = Socket::accepted(stream, Vec::new()).await;
    if !matches!(socket.next().await, Ok(Some(_))) {
        return;
    }
    let (inbox, received) = mpsc::channel(INBOX);
    let task = tokio::spawn(pass(
        Arc::clone(&shared),
        session_id.clone(),
        side,
        socket,
        received,
    ));
    shared.connections.fetch_add(1, Ordering::Relaxed);
    let end = End {
        inbox,
        task: task.abort_handle(),
    };
    let mut sessions = locked(&shared.sessions);
    let last = sessions
        .entry(session_id)
        .or_default()
        .of(side)
        .replace(end);
    if let Some(last) = last {
        last.task.abort();
    }
}

/// Both directions of one end's connection.
async fn pass(
    shared: Arc<Shared>,
    session_id: String,
    side: Side,
    mut socket: Socket,
    mut inbox: mpsc::Receiver<(Instant, Bytes)>,
) {
    let mut peer: Option<mpsc::Sender<(Instant, Bytes)>> = None;
    loop {
        thawed(&shared).await;
        if peer.as_ref().is_none_or(mpsc::Sender::is_closed) {
            let mut sessions = locked(&shared.sessions);
            let ends = sessions.entry(session_id.clone()).or_default();
            peer = ends.of(side.other()).as_ref().map(|end| end.inbox.clone());
        }
        let incoming = async {
            let permit = match &peer {
                Some(peer) => peer.reserve().await.ok(),
                None => None,
            };
            (permit, socket.next().await)
        };
        tokio::select! {
            out = inbox.recv() => {
                let Some(mut out) = out else { return };
                loop {
                    if out.0 > Instant::now() {
                        if socket.flush().await.is_err() {
                            return;
                        }
                        sleep_until(out.0).await;
                    }
                    if socket.feed(out.1).await.is_err() {
                        return;
                    }
                    match inbox.try_recv() {
                        Ok(next) => out = next,
                        Err(_) => break,
                    }
                }
                if socket.flush().await.is_err() {
                    return;
                }
            }
            (permit, message) = incoming => {
                let Ok(Some(message)) = message else { return };
                let loss = shared.loss.load(Ordering::Relaxed);
                let is_lost = loss > 0 && random(&shared) % 1000 < loss;
                if let Some(permit) = permit.filter(|_| !is_lost) {
                    let delay = Duration::from_micros(shared.delay_us.load(Ordering::Relaxed));
                    permit.send((Instant::now() + delay, message));
                }
            }
        }
    }
}

async fn thawed(shared: &Shared) {
    while shared.is_frozen.load(Ordering::Relaxed) {
        let thawed = shared.thawed.notified();
        if shared.is_frozen.load(Ordering::Relaxed) {
            thawed.await;
        }
    }
}

/// The same numbers in every run, in an order that differs.
fn random(shared: &Shared) -> usize {
    let mut x = shared.random.load(Ordering::Relaxed);
    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    shared.random.store(x, Ordering::Relaxed);
    usize::try_from(x >> 33).unwrap_or(0)
}

/// Connects one end of a session to the relay.
pub(crate) struct RelayDial {
    relay: Relay,
    session_id: String,
    side: Side,
}

impl Dial for RelayDial {
    async fn dial(&mut self) -> Result<Socket, DialError> {
        let shared = &self.relay.shared;
        if locked(&shared.gone).contains(&self.session_id) {
            return Err(DialError::Gone("no such session".to_owned()));
        }
        if shared.is_down.load(Ordering::Relaxed) {
            return Err(DialError::Unavailable("the network is down".into()));
        }
        let side = match self.side {
            Side::Client => "client",
            Side::Agent => "agent",
        };
        let request = http::Request::get(format!("/{}/{side}", self.session_id))
            .header("host", "localhost")
            .body(())
            .expect("a request");
        let dialed = async {
            let stream = TcpStream::connect(self.relay.address).await?;
            stream.set_nodelay(true)?;
            let upgraded = match &self.relay.connector {
                Some(connector) => {
                    let name = ServerName::try_from("localhost").expect("a name");
                    let stream = connector.connect(name, stream).await?;
                    Socket::upgrade(stream, request).await
                }
                None => Socket::upgrade(stream, request).await,
            };
            upgraded.map_err(std::io::Error::other)
        };
        let mut socket: Socket = dialed
            .await
            .map_err(|error: std::io::Error| DialError::Unavailable(error.into()))?;
        socket
            .send_text("{}".to_owned())
            .await
            .map_err(|error| DialError::Unavailable(error.into()))?;
        Ok(socket)
    }
}

pub(crate) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().expect("no test panics with a lock")
}
