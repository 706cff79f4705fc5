//! One accepted connection, from the TLS handshake to its last response.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use http::{Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use rustls::ProtocolVersion;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::{Body, Peer, ServeOptions, Stop, TlsSession, body, panic};

/// Serves one connection to its end. Whatever goes wrong on it ends only it.
pub(super) async fn serve_stream<H, F>(
    stream: TcpStream,
    address: SocketAddr,
    acceptor: Option<TlsAcceptor>,
    options: Arc<ServeOptions>,
    handler: H,
    stop: Stop,
) where
    H: Fn(Request<Incoming>) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Response<Body>> + Send + 'static,
{
    let Ok(local) = stream.local_addr() else {
        return;
    };
    let Some(acceptor) = acceptor else {
        let peer = Peer {
            address,
            local,
            tls: None,
        };
        return speak_http1(stream, peer, &options, handler, stop).await;
    };
    let handshake = tokio::time::timeout(options.handshake_timeout, acceptor.accept(stream));
    let Ok(Ok(stream)) = handshake.await else {
        return;
    };
    let peer = Peer {
        address,
        local,
        tls: Some(session(&stream)),
    };
    if stream.get_ref().1.alpn_protocol() == Some(b"h2") {
        speak_http2(stream, peer, &options, handler, stop).await;
    } else {
        speak_http1(stream, peer, &options, handler, stop).await;
    }
}

async fn speak_http1<S, H, F>(
    stream: S,
    peer: Peer,
    options: &ServeOptions,
    handler: H,
    mut stop: Stop,
) where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    H: Fn(Request<Incoming>) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Response<Body>> + Send + 'static,
{
    let service = service(Arc::new(peer), handler, Arc::default());
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(options.idle_timeout)
        .max_buf_size(options.max_head_bytes.max(8 * 1024))
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    tokio::pin!(connection);
    tokio::select! {
        _ended = connection.as_mut() => return,
        () = stop.stopped() => connection.as_mut().graceful_shutdown(),
        () = tokio::time::sleep(options.max_age) => connection.as_mut().graceful_shutdown(),
    }
    let _ended = connection.await;
}

async fn speak_http2<S, H, F>(
    stream: S,
    peer: Peer,
    options: &ServeOptions,
    handler: H,
    mut stop: Stop,
) where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    H: Fn(Request<Incoming>) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Response<Body>> + Send + 'static,
{
    let activity = Arc::new(Activity::default());
    let service = service(Arc::new(peer), handler, Arc::clone(&activity));
    let connection = http2::Builder::new(TokioExecutor::new())
        .timer(TokioTimer::new())
        .max_concurrent_streams(options.max_streams)
        .max_header_list_size(u32::try_from(options.max_head_bytes).unwrap_or(u32::MAX))
        .serve_connection(TokioIo::new(stream), service);
    tokio::pin!(connection);
    tokio::select! {
        _ended = connection.as_mut() => return,
        () = activity.idle_for(options.idle_timeout) => connection.as_mut().graceful_shutdown(),
        () = stop.stopped() => connection.as_mut().graceful_shutdown(),
        () = tokio::time::sleep(options.max_age) => connection.as_mut().graceful_shutdown(),
    }
    let _ended = connection.await;
}

/// The handler as hyper wants it, with the peer put in and panics contained.
fn service<H, F>(
    peer: Arc<Peer>,
    handler: H,
    activity: Arc<Activity>,
) -> impl hyper::service::Service<
    Request<Incoming>,
    Response = Response<Body>,
    Error = Infallible,
    Future = impl Future<Output = Result<Response<Body>, Infallible>> + Send,
>
where
    H: Fn(Request<Incoming>) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Response<Body>> + Send + 'static,
{
    service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(Arc::clone(&peer));
        let running = activity.begin();
        let response = panic::contained(handler.clone()(request));
        async move {
            let response = response.await.unwrap_or_else(failed);
            // a response is in flight until its body is gone
            Ok(response.map(|inner| body::measured(inner, move |_, _| drop(running))))
        }
    })
}

fn failed() -> Response<Body> {
    let mut response = Response::new(body::full("internal error\n"));
    *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
    response
}

/// How busy an HTTP/2 connection is: hyper has no idle timeout of its own for it.
#[derive(Debug, Default)]
struct Activity {
    running: AtomicUsize,
    begun: AtomicU64,
}

impl Activity {
    fn begin(self: &Arc<Self>) -> Running {
        self.running.fetch_add(1, Ordering::Relaxed);
        self.begun.fetch_add(1, Ordering::Relaxed);
        Running(Arc::clone(self))
    }

    /// Returns after a whole `period` in which nothing ran and nothing began.
    async fn idle_for(&self, period: Duration) {
        loop {
            let before = self.begun.load(Ordering::Relaxed);
            tokio::time::sleep(period).await;
            let quiet = self.begun.load(Ordering::Relaxed) == before;
            if quiet && self.running.load(Ordering::Relaxed) == 0 {
                return;
            }
        }
    }
}

struct Running(Arc<Activity>);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, Ordering::Relaxed);
    }
}

fn session(stream: &TlsStream<TcpStream>) -> TlsSession {
    let connection = stream.get_ref().1;
    TlsSession {
        protocol: match connection.protocol_version() {
            Some(ProtocolVersion::TLSv1_2) => "TLSv1.2",
            _ => "TLSv1.3",
        },
        cipher: connection
            .negotiated_cipher_suite()
            .and_then(|suite| suite.suite().as_str())
            .unwrap_or("-")
            .replace("TLS13_", "TLS_"),
        server_name: connection.server_name().map(str::to_owned),
    }
}
