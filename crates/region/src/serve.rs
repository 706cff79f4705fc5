//! Serving HTTP/1.1 and HTTP/2 on a listener, with or without TLS.
//!
//! One accept loop feeds one handler. The loop owns every connection task, so
//! when it is told to stop it lets requests in flight finish and returns when
//! the last one has. Everything runs on the runtime of the calling thread: a
//! `current_thread` runtime inside the right network namespace.
//!
//! What a request means is the handler's business ([`crate::proxy`], the
//! emulator); which names a listener may present is [`crate::tls`]'s.

mod body;
mod connection;
mod panic;
mod whole;

pub use body::{Body, BodyError, empty, full, measured};
pub use whole::{WholeBodyError, collect, whole_body};

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http::{Request, Response};
use hyper::body::Incoming;
use rustls::ServerConfig;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

/// Who sent a request and over what: in the extensions of every request, as `Arc<Peer>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peer {
    /// The client's end of the connection.
    pub address: SocketAddr,
    /// Our end of the connection.
    pub local: SocketAddr,
    /// The TLS session, `None` on a plain connection.
    pub tls: Option<TlsSession>,
}

/// What was agreed in a TLS handshake, in the words OpenSSL uses (as AWS access logs do).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsSession {
    /// `TLSv1.2` or `TLSv1.3`.
    pub protocol: &'static str,
    /// The cipher suite, for example `TLS_AES_128_GCM_SHA256`.
    pub cipher: String,
    /// The host name the client asked for (SNI).
    pub server_name: Option<String>,
}

/// Limits of one listener.
#[derive(Clone)]
pub struct ServeOptions {
    /// Longest time to the end of a TLS handshake.
    pub handshake_timeout: Duration,
    /// Longest time without a whole request head, both for a slow client and
    /// for a kept-alive connection with nothing to say.
    pub idle_timeout: Duration,
    /// Largest request head in bytes; a larger one is answered with 431.
    pub max_head_bytes: usize,
    /// Most HTTP/2 streams at once on one connection.
    pub max_streams: u32,
    /// Most connections at once; further ones wait in the listen queue.
    pub max_connections: usize,
    /// Longest life of a connection; what is in flight then is finished first.
    pub max_age: Duration,
    /// How long requests in flight may go on after a stop.
    pub drain_timeout: Duration,
    /// Sees every accepted connection first, to set options of its socket.
    pub on_accept: Option<OnAccept>,
}

/// Called with an accepted connection and the client's address.
pub type OnAccept = Arc<dyn Fn(&TcpStream, SocketAddr) + Send + Sync>;

impl Default for ServeOptions {
    fn default() -> Self {
        Self {
            handshake_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(60),
            max_head_bytes: 64 * 1024,
            max_streams: 128,
            max_connections: 10_000,
            max_age: Duration::from_secs(3600),
            drain_timeout: Duration::from_secs(10),
            on_accept: None,
        }
    }
}

/// The end that says "stop". Dropping it says so too.
#[derive(Debug)]
pub struct Stopper(watch::Sender<bool>);

/// The end that hears "stop"; clone it into everything that must end together.
#[derive(Debug, Clone)]
pub struct Stop(watch::Receiver<bool>);

/// A fresh pair of ends.
pub fn stop_pair() -> (Stopper, Stop) {
    let (sender, receiver) = watch::channel(false);
    (Stopper(sender), Stop(receiver))
}

impl Stopper {
    /// Asks every holder of the other end to finish.
    pub fn stop(&self) {
        self.0.send_replace(true);
    }
}

impl Stop {
    /// Whether the stop was already asked for.
    pub fn is_stopped(&self) -> bool {
        *self.0.borrow() || self.0.has_changed().is_err()
    }

    /// Returns when the stop is asked for.
    pub async fn stopped(&mut self) {
        // an error means the stopper is gone, which is a stop as well
        let _ended = self.0.wait_for(|stop| *stop).await;
    }
}

/// Serves `handler` on `listener` until `stop`, then drains.
///
/// With `tls`, HTTP/2 is spoken when the client chose `h2` by ALPN; without,
/// HTTP/1.1 only, as AWS load balancers do. A panic inside the handler answers
/// 500 for that request alone. Upgrades (`101`) are passed through to the handler.
pub async fn serve<H, F>(
    listener: TcpListener,
    tls: Option<Arc<ServerConfig>>,
    options: ServeOptions,
    handler: H,
    mut stop: Stop,
) where
    H: Fn(Request<Incoming>) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Response<Body>> + Send + 'static,
{
    let acceptor = tls.map(TlsAcceptor::from);
    let options = Arc::new(options);
    let slots = Arc::new(Semaphore::new(options.max_connections));
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            () = stop.stopped() => break,
            Some(_ended) = connections.join_next() => continue,
            accepted = accept(&listener, &slots) => accepted,
        };
        let Ok((stream, address, slot)) = accepted else {
            // out of descriptors or the client left already: neither ends the server
            tokio::time::sleep(Duration::from_millis(5)).await;
            continue;
        };
        if let Some(on_accept) = &options.on_accept {
            on_accept(&stream, address);
        }
        let serving = connection::serve_stream(
            stream,
            address,
            acceptor.clone(),
            Arc::clone(&options),
            handler.clone(),
            stop.clone(),
        );
        connections.spawn(async move {
            serving.await;
            drop(slot);
        });
    }
    drop(listener);
    let drained = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(options.drain_timeout, drained)
        .await
        .is_err()
    {
        connections.shutdown().await;
    }
}

async fn accept(
    listener: &TcpListener,
    slots: &Arc<Semaphore>,
) -> io::Result<(TcpStream, SocketAddr, tokio::sync::OwnedSemaphorePermit)> {
    let slot = Arc::clone(slots)
        .acquire_owned()
        .await
        .map_err(io::Error::other)?;
    let (stream, address) = listener.accept().await?;
    stream.set_nodelay(true)?;
    Ok((stream, address, slot))
}

#[cfg(test)]
mod tests;
