//! A region's network with listeners behind its interfaces, and connections
//! through it.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::time::Duration;

use model::EniId;
use region::apply::fabric::Fabric;
use region::apply::flow;
use region::blueprint::Blueprint;
use region::host::netns::Netns;
use tokio::net::{TcpListener, TcpSocket};
use tokio::runtime::Runtime;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// The ports of interest: web, web, services, database, metrics, shell.
pub(crate) const PORTS: [u16; 6] = [443, 80, 8080, 5432, 9090, 22];
/// Nobody listens there: whoever gets that far is refused.
pub(crate) const CLOSED_PORT: u16 = 81;

/// How long an answer may take when none is expected.
const SILENCE: Duration = Duration::from_millis(400);
/// And when one is: as long as a busy machine may need.
const PATIENCE: Duration = Duration::from_secs(5);
/// Sockets at once: half of what a hard limit of 4096 descriptors leaves.
const AT_ONCE: usize = 1500;

/// Where a connection comes from.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Origin {
    Eni(EniId),
    Internet(Ipv4Addr),
}

/// A connection to try.
#[derive(Clone, Debug)]
pub(crate) struct Attempt {
    pub(crate) from: Origin,
    pub(crate) to: SocketAddrV4,
    /// Whether somebody says it should come about.
    pub(crate) is_expected: bool,
}

/// What became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Connected,
    /// It got there, and nobody listens.
    Refused,
    /// No answer.
    Dropped,
}

impl Outcome {
    pub(crate) fn got_there(self) -> bool {
        self != Self::Dropped
    }
}

pub(crate) struct World {
    fabric: Fabric,
    runtime: Runtime,
}

impl World {
    pub(crate) fn build(blueprint: &Blueprint) -> Self {
        let fabric = Fabric::build(blueprint, &CancellationToken::new()).unwrap();
        flow::filter(&fabric, blueprint).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let world = Self { fabric, runtime };
        world.listen(world.fabric.internet());
        for interface in &blueprint.interfaces {
            world.listen(world.fabric.eni(&interface.id));
        }
        for endpoint in &blueprint.endpoints {
            if let Some(id) = &endpoint.gateway {
                world.listen(world.fabric.gateway_endpoint(id));
            }
        }
        world
    }

    /// Takes connections at every port of interest, and drops them.
    fn listen(&self, namespace: &Netns) {
        let bind = || {
            PORTS
                .into_iter()
                .map(|port| {
                    let listener = std::net::TcpListener::bind((Ipv4Addr::UNSPECIFIED, port))?;
                    listener.set_nonblocking(true)?;
                    Ok(listener)
                })
                .collect::<io::Result<Vec<_>>>()
        };
        let _entered = self.runtime.enter();
        for listener in namespace.run(bind).unwrap() {
            let listener = TcpListener::from_std(listener).unwrap();
            self.runtime
                .spawn(async move { while listener.accept().await.is_ok() {} });
        }
    }

    /// Tries every connection, as many at once as descriptors allow. What is
    /// expected and does not come about at once gets its time.
    pub(crate) fn connect(&self, attempts: &[Attempt]) -> Vec<Outcome> {
        let mut outcomes = Vec::with_capacity(attempts.len());
        for some in attempts.chunks(AT_ONCE) {
            outcomes.extend(self.connect_at_once(some, SILENCE));
        }
        let late = |(attempt, outcome): (&Attempt, &Outcome)| {
            attempt.is_expected && *outcome == Outcome::Dropped
        };
        let (again, places): (Vec<_>, Vec<_>) = attempts
            .iter()
            .zip(&outcomes)
            .enumerate()
            .filter(|(_, pair)| late(*pair))
            .map(|(place, (attempt, _))| (attempt.clone(), place))
            .unzip();
        let some = again.len().min(AT_ONCE);
        let retried = self.connect_at_once(&again[..some], PATIENCE);
        for (place, outcome) in places.into_iter().zip(retried) {
            outcomes[place] = outcome;
        }
        outcomes
    }

    fn connect_at_once(&self, attempts: &[Attempt], limit: Duration) -> Vec<Outcome> {
        let sockets = self.sockets(attempts);
        self.runtime.block_on(async {
            let mut running = JoinSet::new();
            for (place, (attempt, socket)) in attempts.iter().zip(sockets).enumerate() {
                let to = SocketAddr::V4(attempt.to);
                running.spawn(async move {
                    let connected = tokio::time::timeout(limit, socket.connect(to)).await;
                    (place, outcome(connected))
                });
            }
            let mut outcomes = running.join_all().await;
            outcomes.sort_by_key(|(place, _)| *place);
            outcomes.into_iter().map(|(_, outcome)| outcome).collect()
        })
    }

    /// A socket belongs to the namespace it is made in, for good.
    fn sockets(&self, attempts: &[Attempt]) -> Vec<TcpSocket> {
        let mut sockets = Vec::with_capacity(attempts.len());
        for same in attempts.chunk_by(|a, b| a.from == b.from) {
            let (namespace, source) = match &same[0].from {
                Origin::Eni(id) => (self.fabric.eni(id), None),
                Origin::Internet(address) => (self.fabric.internet(), Some(*address)),
            };
            let make = || {
                same.iter()
                    .map(|_| socket(source))
                    .collect::<io::Result<Vec<_>>>()
            };
            sockets.extend(namespace.run(make).unwrap());
        }
        sockets
    }
}

fn socket(source: Option<Ipv4Addr>) -> io::Result<TcpSocket> {
    let socket = TcpSocket::new_v4()?;
    // goes with a reset, so that no address and port waits for its time to pass
    socket.set_zero_linger()?;
    if let Some(source) = source {
        socket.bind(SocketAddr::from((source, 0)))?;
    }
    Ok(socket)
}

fn outcome<T>(connected: Result<io::Result<T>, tokio::time::error::Elapsed>) -> Outcome {
    match connected {
        Ok(Ok(_)) => Outcome::Connected,
        Ok(Err(error)) if error.kind() == io::ErrorKind::ConnectionRefused => Outcome::Refused,
        // the internet has no route to a private address and says so to itself
        Ok(Err(_)) | Err(_) => Outcome::Dropped,
    }
}
