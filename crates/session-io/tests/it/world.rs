//! A client, a relay, agents and a destination, all in this process.

use std::collections::BTreeMap;
use std::future::Future;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use session::{AgentOffer, Extension, SessionKind};
use session_io::{
    DialError, Endurance, Forward, ForwardConfig, ForwardError, ForwardEvent, Liveness,
    ServeConfig, ServeError, Served, Start, Started, connect_in_turn, serve_port,
};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use crate::relay::{Relay, RelayDial, Side, locked};

/// Nothing in these tests takes longer, unless it hangs.
pub(crate) const DEADLINE: Duration = Duration::from_secs(60);

/// What an agent says of itself in a test.
#[derive(Debug, Clone)]
pub(crate) struct AgentKind {
    pub(crate) version: &'static str,
    pub(crate) client_version: &'static str,
    /// Never comes.
    pub(crate) is_absent: bool,
    pub(crate) is_single: bool,
    pub(crate) extension: Option<Extension>,
}

pub(crate) const OURS: AgentKind = AgentKind {
    version: "3.3.3572.0",
    client_version: "1.2.896.0",
    is_absent: false,
    is_single: false,
    extension: Some(Extension {
        payload_bytes: 65_536,
    }),
};
pub(crate) const OFFICIAL: AgentKind = AgentKind {
    extension: None,
    ..OURS
};

/// Patience for tests: what takes seconds takes milliseconds.
pub(crate) fn endurance() -> Endurance {
    Endurance {
        liveness: Liveness {
            ping_after: Duration::from_millis(300),
            pong_within: Duration::from_millis(300),
        },
        first_pause: Duration::from_millis(10),
        longest_pause: Duration::from_millis(100),
        connect_within: Duration::from_secs(2),
        give_up_after: Duration::from_secs(10),
    }
}

/// How the sessions of a test were served.
pub(crate) type Ends = Arc<Mutex<BTreeMap<String, JoinHandle<Result<Served, ServeError>>>>>;

/// Starts a session at the relay and an agent for it.
pub(crate) struct WorldStart {
    pub(crate) relay: Relay,
    pub(crate) destination: SocketAddr,
    pub(crate) kind: AgentKind,
    pub(crate) agents: Ends,
    pub(crate) terminated: Arc<Mutex<Vec<String>>>,
    count: usize,
}

impl Start for WorldStart {
    type Dial = RelayDial;

    async fn start(&mut self) -> Result<Started<RelayDial>, DialError> {
        self.count += 1;
        let session_id = format!("s-{}", self.count);
        let dial = self.relay.dialer(&session_id, Side::Agent);
        if !self.kind.is_absent {
            let agent = tokio::spawn(serve(&session_id, &self.kind, self.destination, dial));
            locked(&self.agents).insert(session_id.clone(), agent);
        }
        Ok(Started {
            dial: self.relay.dialer(&session_id, Side::Client),
            session_id,
        })
    }

    async fn terminate(&mut self, session_id: &str) {
        locked(&self.terminated).push(session_id.to_owned());
        self.relay.close(session_id, "").await;
    }
}

fn serve(
    session_id: &str,
    kind: &AgentKind,
    destination: SocketAddr,
    dial: RelayDial,
) -> impl Future<Output = Result<Served, ServeError>> + use<> {
    let mut properties = BTreeMap::from([("portNumber".to_owned(), "1".to_owned())]);
    if !kind.is_single {
        properties.insert("type".to_owned(), "LocalPortForwarding".to_owned());
    }
    let offer = AgentOffer {
        agent_version: kind.version.to_owned(),
        kind: SessionKind::Port,
        properties,
        kms_key_id: None,
        customer_message: String::new(),
        extension: kind.extension,
    };
    let config = ServeConfig {
        endurance: endurance(),
        ..ServeConfig::new(session_id)
    };
    let connect = move || async move { connect_in_turn(&[destination]).await };
    serve_port(config, offer, dial, connect, |_| (), std::future::pending())
}

/// A running forward.
pub(crate) struct World {
    pub(crate) relay: Relay,
    /// Where local connections go.
    pub(crate) port: SocketAddr,
    pub(crate) events: mpsc::Receiver<ForwardEvent>,
    pub(crate) agents: Ends,
    pub(crate) terminated: Arc<Mutex<Vec<String>>>,
    stop: Option<oneshot::Sender<()>>,
    forward: JoinHandle<Result<(), ForwardError>>,
}

impl World {
    pub(crate) async fn new(kind: AgentKind, destination: SocketAddr) -> Self {
        let relay = Relay::start(None).await;
        Self::over(relay, kind, destination).await
    }

    pub(crate) async fn over(relay: Relay, kind: AgentKind, destination: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let port = listener.local_addr().expect("bound");
        let (told, events) = mpsc::channel(100_000);
        let (agents, terminated) = (Ends::default(), Arc::default());
        let mut config = ForwardConfig::new(kind.client_version);
        config.endurance = endurance();
        config.open_within = Duration::from_secs(5);
        let forward = Forward {
            listeners: vec![listener],
            start: WorldStart {
                relay: relay.clone(),
                destination,
                kind,
                agents: Arc::clone(&agents),
                terminated: Arc::clone(&terminated),
                count: 0,
            },
            config,
            events: told,
        };
        let (stop, stopped) = oneshot::channel();
        let forward = tokio::spawn(forward.run(async {
            stopped.await.ok();
        }));
        Self {
            relay,
            port,
            events,
            agents,
            terminated,
            stop: Some(stop),
            forward,
        }
    }

    pub(crate) async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.port).await.expect("a listener")
    }

    /// Waits for an event.
    pub(crate) async fn event<T>(
        &mut self,
        mut wanted: impl FnMut(&ForwardEvent) -> Option<T>,
    ) -> T {
        let found = async {
            loop {
                let event = self.events.recv().await.expect("the forward runs");
                if let Some(found) = wanted(&event) {
                    return found;
                }
            }
        };
        within(found).await
    }

    /// Ends the forward in order.
    pub(crate) async fn stop(mut self) -> Result<(), ForwardError> {
        self.stop.take().expect("once").send(()).ok();
        within(&mut self.forward).await.expect("no panic")
    }

    /// How the forward ended by itself.
    pub(crate) async fn end(mut self) -> Result<(), ForwardError> {
        within(&mut self.forward).await.expect("no panic")
    }

    /// Kills the client: no goodbye.
    pub(crate) fn kill_client(&self) {
        self.forward.abort();
    }

    /// How the agent's end of a session came out.
    pub(crate) async fn served(&self, session_id: &str) -> Result<Served, ServeError> {
        let agent = locked(&self.agents).remove(session_id);
        within(agent.expect("it was started"))
            .await
            .expect("no panic")
    }
}

pub(crate) async fn within<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(DEADLINE, future)
        .await
        .expect("in time")
}

/// Waits until something holds.
pub(crate) async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let end = tokio::time::Instant::now() + DEADLINE;
    while !holds() {
        assert!(tokio::time::Instant::now() < end, "never: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// A destination: every connection is handled by `handle`.
pub(crate) async fn destination<F, H>(handle: H) -> SocketAddr
where
    H: Fn(TcpStream) -> F + Send + 'static,
    F: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("bound");
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(handle(stream));
        }
    });
    address
}

/// Sends back what comes, to the end of it.
pub(crate) async fn echo(mut stream: TcpStream) {
    let (mut reader, mut writer) = stream.split();
    tokio::io::copy(&mut reader, &mut writer).await.ok();
    tokio::io::AsyncWriteExt::shutdown(&mut writer).await.ok();
}

/// Bytes whose every window differs.
pub(crate) fn pattern(length: usize, seed: u64) -> Vec<u8> {
    let mut x = seed | 1;
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        bytes.extend_from_slice(&x.to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}
