//! The network of the running region: namespaces, rulesets, and threads in them.

use std::future::Future;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use model::EniId;
use tokio::net::{TcpListener, UdpSocket};
use tokio_util::sync::CancellationToken;

use crate::blueprint::Blueprint;
use crate::blueprint::network::lower::{NamespaceName, lower};
use crate::blueprint::network::{self, GatewayEndpointId, VpcId};
use crate::host::netns::{Namespaces, Netns, NetworkError};
use crate::host::thread::{NamespaceThread, ThreadError};
use crate::plan::addresses::EDGE;
use crate::proxy::edge::EdgeListeners;
use crate::serve::{self, Stop};

/// The region's namespaces and the threads that live in them.
pub struct Fabric {
    namespaces: Namespaces,
    services: Vec<NamespaceThread<()>>,
    programs: Vec<NamespaceThread<()>>,
    stop: CancellationToken,
}

impl Fabric {
    /// Builds every namespace of the blueprint; nothing is filtered yet, and
    /// nothing listens.
    ///
    /// # Errors
    ///
    /// The first step the kernel refuses.
    pub fn build(blueprint: &Blueprint, stop: &CancellationToken) -> Result<Self, NetworkError> {
        let namespaces = Namespaces::build(&lower(&blueprint.network))?;
        Ok(Self {
            namespaces,
            services: Vec::new(),
            programs: Vec::new(),
            stop: stop.clone(),
        })
    }

    pub fn internet(&self) -> &Netns {
        self.existing(&NamespaceName::Internet)
    }

    pub fn visitor(&self) -> &Netns {
        self.existing(&NamespaceName::Visitor)
    }

    pub fn router(&self, vpc: &str) -> &Netns {
        self.existing(&NamespaceName::Router(VpcId(vpc.to_owned())))
    }

    pub fn eni(&self, id: &EniId) -> &Netns {
        self.existing(&NamespaceName::Eni(network::EniId(id.0.clone())))
    }

    pub fn gateway_endpoint(&self, id: &GatewayEndpointId) -> &Netns {
        self.existing(&NamespaceName::GatewayEndpoint(id.clone()))
    }

    fn existing(&self, name: &NamespaceName) -> &Netns {
        self.namespaces
            .get(name)
            .expect("the plan names only namespaces it makes")
    }

    /// Runs a component on a thread and runtime of its own in `namespace`; it
    /// ends when the fabric stops.
    ///
    /// # Errors
    ///
    /// When there is no thread to be had.
    pub fn run<F>(
        &mut self,
        namespace: &Netns,
        name: &str,
        work: impl FnOnce(Stop, CancellationToken) -> F + Send + 'static,
    ) -> Result<(), ThreadError>
    where
        F: Future<Output = ()>,
    {
        let thread = NamespaceThread::spawn(namespace, name, &self.stop, |token| async move {
            let (stopper, stop) = serve::stop_pair();
            let until = token.clone();
            tokio::spawn(async move {
                until.cancelled().await;
                stopper.stop();
            });
            work(stop, token).await;
        })?;
        self.services.push(thread);
        Ok(())
    }

    /// Runs a program's keeper on a thread of its own in `namespace`; it ends
    /// by its own stop, before the services it uses.
    ///
    /// # Errors
    ///
    /// When there is no thread to be had.
    pub fn run_program<F>(
        &mut self,
        namespace: &Netns,
        name: &str,
        work: impl FnOnce() -> F + Send + 'static,
    ) -> Result<(), ThreadError>
    where
        F: Future<Output = ()>,
    {
        let thread = NamespaceThread::spawn(namespace, name, &self.stop, |_| work())?;
        self.programs.push(thread);
        Ok(())
    }

    /// Waits for every program; their stop has been asked for already. Gives
    /// what went wrong on their threads.
    pub async fn join_programs(&mut self) -> Vec<ThreadError> {
        join(&mut self.programs).await
    }

    /// Waits for every service; the stop has been asked for already. Gives what
    /// went wrong on their threads.
    pub async fn join(mut self) -> Vec<ThreadError> {
        join(&mut self.services).await
    }
}

async fn join(threads: &mut Vec<NamespaceThread<()>>) -> Vec<ThreadError> {
    let mut faults = Vec::new();
    for thread in threads.drain(..) {
        if let Err(fault) = thread.join().await {
            faults.push(fault);
        }
    }
    faults
}

/// A TCP listener on the calling thread's namespace.
///
/// # Errors
///
/// The system's, with the address.
pub async fn listen(address: Ipv4Addr, port: u16) -> io::Result<TcpListener> {
    let socket = SocketAddr::new(IpAddr::V4(address), port);
    TcpListener::bind(socket)
        .await
        .map_err(|error| at(socket, &error))
}

/// The sockets of the edge, on the internet.
///
/// # Errors
///
/// The system's, with the address.
pub async fn edge_listeners() -> io::Result<EdgeListeners> {
    Ok(EdgeListeners {
        https: listen(EDGE, 443).await?,
        http: listen(EDGE, 80).await?,
    })
}

/// A UDP socket on the calling thread's namespace.
///
/// # Errors
///
/// The system's, with the address.
pub async fn datagrams(address: Ipv4Addr, port: u16) -> io::Result<UdpSocket> {
    let socket = SocketAddr::new(IpAddr::V4(address), port);
    UdpSocket::bind(socket)
        .await
        .map_err(|error| at(socket, &error))
}

fn at(socket: SocketAddr, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("cannot listen on {socket}: {error}"))
}
