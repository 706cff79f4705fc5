//! How are connections served, and how do they end?
//!
//! HTTP/1.1, what a load balancer speaks to its targets. Ending takes three
//! steps: health turns 503 while requests are still served, then no connection
//! is accepted and idle ones close, then what is still running has a bounded
//! time to finish.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::app::App;

/// How long the load balancer has to notice before connections are refused.
const NOTICE: Duration = Duration::from_secs(1);
/// How long requests under way may take after that.
const GRACE: Duration = Duration::from_secs(12);
/// A client that does not finish its request head by then is cut off.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
const MOST_CONNECTIONS: usize = 8_192;
/// Pause after the kernel refused a connection (out of descriptors, say).
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Serves until `stop`, then lets connections finish what they are doing.
pub async fn serve(listener: TcpListener, router: Router, stop: CancellationToken) {
    let connections = TaskTracker::new();
    let room = Arc::new(Semaphore::new(MOST_CONNECTIONS));
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => break,
            accepted = accept(&listener, &room) => accepted,
        };
        match accepted {
            Ok((stream, permit)) => {
                connections.spawn(connection(stream, router.clone(), stop.clone(), permit));
            }
            Err(error) => {
                tracing::warn!(error = %error, "cannot accept a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    drop(listener);
    connections.close();
    if tokio::time::timeout(GRACE, connections.wait())
        .await
        .is_err()
    {
        tracing::warn!(
            connections.open = connections.len(),
            "some requests did not finish in time"
        );
    }
}

async fn accept(
    listener: &TcpListener,
    room: &Arc<Semaphore>,
) -> std::io::Result<(TcpStream, OwnedSemaphorePermit)> {
    let permit = Arc::clone(room)
        .acquire_owned()
        .await
        .expect("the semaphore is never closed");
    let (stream, _) = listener.accept().await?;
    stream.set_nodelay(true)?;
    Ok((stream, permit))
}

async fn connection(
    stream: TcpStream,
    router: Router,
    stop: CancellationToken,
    _permit: OwnedSemaphorePermit,
) {
    let service = TowerToHyperService::new(router);
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = std::pin::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    // clients hang up at any time, which is theirs to do
    if let Err(error) = ended {
        tracing::debug!(error = %error, "a connection ended early");
    }
}

/// Serves a role until `ended`, then drains.
pub async fn run(
    listener: TcpListener,
    router: Router,
    app: Arc<App>,
    ended: impl Future<Output = ()>,
) {
    let stop = CancellationToken::new();
    let serving = serve(listener, router, stop.clone());
    let drain = async {
        ended.await;
        tracing::info!("draining");
        app.drain();
        tokio::time::sleep(NOTICE).await;
        // ends event streams, so that their connections count as idle
        app.stop.cancel();
        stop.cancel();
    };
    tokio::join!(serving, drain);
    app.tasks.close();
    if tokio::time::timeout(GRACE, app.tasks.wait()).await.is_err() {
        tracing::warn!("some background work did not finish in time");
    }
    app.database.close();
}
