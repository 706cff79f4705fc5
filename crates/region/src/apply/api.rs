//! The AWS APIs at every door: public names, VPC endpoints, the host's port.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use emulator::{Answer, Channel, Emulator, Via, VpcEndpointVia};
use http::{Request, Response, StatusCode};
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use super::board::Board;
use super::fabric::listen;
use crate::blueprint::Endpoint;
use crate::blueprint::balancer::TlsVersions;
use crate::proxy::viewer::is_local;
use crate::serve::{self, Peer, ServeOptions, Stop, whole_body};
use crate::tls::{Authority, server_config};

/// The largest request: a layer or an object in one piece.
const MAX_BODY: usize = 64 * 1024 * 1024;
const HTTPS: u16 = 443;
/// How long a client may take from our `101` to a connection of its own.
const UPGRADE_TIMEOUT: Duration = Duration::from_secs(10);

/// What every door needs.
#[derive(Clone)]
pub struct Api {
    pub emulator: Arc<Emulator>,
    pub authority: Arc<Authority>,
    pub board: Arc<Board>,
}

impl Api {
    /// Serves `names` over TLS at `address`, until `stop`. With an endpoint,
    /// requests carry it and pass its policy.
    pub async fn serve_tls(
        self,
        address: Ipv4Addr,
        names: Vec<String>,
        endpoint: Option<VpcEndpointVia>,
        label: String,
        stop: Stop,
    ) {
        let tls = match server_config(&self.authority, &names, TlsVersions::OneTwoAndThree, true) {
            Ok(tls) => tls,
            Err(error) => return self.board.set(&label, format!("no certificate: {error}")),
        };
        let listener = match listen(address, HTTPS).await {
            Ok(listener) => listener,
            Err(error) => return self.board.set(&label, error.to_string()),
        };
        self.board.set(&label, "available");
        let door = Arc::new(Door::new(self.emulator, stop.clone()));
        let handler = {
            let door = Arc::clone(&door);
            whole_body(MAX_BODY, move |request: Request<Bytes>| {
                let via = Via {
                    source_ip: source(&request),
                    secure: true,
                    endpoint: endpoint.clone(),
                };
                Arc::clone(&door).answer(request, via)
            })
        };
        serve::serve(listener, Some(tls), ServeOptions::default(), handler, stop).await;
        door.closed().await;
    }

    /// Serves the door on the host's loopback, until `stop`. Only requests
    /// that mean this machine are taken: a page elsewhere must not reach the
    /// region by a name that resolves to 127.0.0.1.
    pub async fn serve_door(self, listener: TcpListener, stop: Stop) {
        let door = Arc::new(Door::new(self.emulator, stop.clone()));
        let handler = {
            let door = Arc::clone(&door);
            whole_body(MAX_BODY, move |request: Request<Bytes>| {
                let host = request.headers().get(http::header::HOST);
                let host = host.and_then(|host| host.to_str().ok()).unwrap_or_default();
                let is_local = is_local(host);
                let door = Arc::clone(&door);
                async move {
                    if is_local {
                        let via = Via::direct(IpAddr::V4(Ipv4Addr::LOCALHOST));
                        door.answer(request, via).await
                    } else {
                        misdirected()
                    }
                }
            })
        };
        serve::serve(listener, None, ServeOptions::default(), handler, stop).await;
        door.closed().await;
    }
}

/// One listener's way to the emulator, with the websockets that came of it.
struct Door {
    emulator: Arc<Emulator>,
    stop: Stop,
    /// Channels outlive the requests that opened them, not their door.
    channels: Mutex<JoinSet<()>>,
}

impl Door {
    fn new(emulator: Arc<Emulator>, stop: Stop) -> Self {
        Self {
            emulator,
            stop,
            channels: Mutex::default(),
        }
    }

    /// The emulator's answer, found on a thread that may wait: for a disk, for the work that a
    /// password check is made of. A long poll waits without one.
    async fn answer(self: Arc<Self>, mut request: Request<Bytes>, via: Via) -> Response<Bytes> {
        let upgrade = hyper::upgrade::on(&mut request);
        let emulator = Arc::clone(&self.emulator);
        let answered = tokio::task::spawn_blocking(move || emulator.ask(&request, &via)).await;
        match answered {
            Ok(Answer::Now(response)) => response,
            Ok(Answer::Later(later)) => {
                let mut stop = self.stop.clone();
                tokio::select! {
                    response = later => response,
                    () = stop.stopped() => unavailable(),
                }
            }
            Ok(Answer::Channel(response, channel)) => {
                self.open(upgrade, *channel);
                response
            }
            Err(_panicked) => {
                let mut response = Response::new(Bytes::from_static(b"InternalFailure\n"));
                *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
                response
            }
        }
    }

    fn open(&self, upgrade: OnUpgrade, channel: Channel) {
        let mut stop = self.stop.clone();
        let mut channels = self.channels.lock().unwrap_or_else(PoisonError::into_inner);
        while channels.try_join_next().is_some() {}
        channels.spawn(async move {
            let opened = tokio::select! {
                opened = tokio::time::timeout(UPGRADE_TIMEOUT, upgrade) => opened,
                () = stop.stopped() => return,
            };
            // a client that left before the upgrade has no channel
            if let Ok(Ok(connection)) = opened {
                let connection = TokioIo::new(connection);
                channel
                    .run(connection, async move { stop.stopped().await })
                    .await;
            }
        });
    }

    /// Returns when the last channel has ended, which the stop makes them do.
    async fn closed(&self) {
        let mut channels = {
            let mut channels = self.channels.lock().unwrap_or_else(PoisonError::into_inner);
            std::mem::take(&mut *channels)
        };
        while channels.join_next().await.is_some() {}
    }
}

/// How a request that came through an endpoint is marked.
pub fn through(endpoint: &Endpoint) -> VpcEndpointVia {
    VpcEndpointVia {
        id: endpoint.endpoint_id.clone(),
        vpc_id: endpoint.vpc_id.clone(),
        service: endpoint.service.clone(),
        policy: endpoint.policy.clone(),
    }
}

fn source(request: &Request<Bytes>) -> IpAddr {
    let peer = request.extensions().get::<Arc<Peer>>();
    peer.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |peer| peer.address.ip())
}

fn unavailable() -> Response<Bytes> {
    let mut response = Response::new(Bytes::from_static(b"the region is ending\n"));
    *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
    response
}

fn misdirected() -> Response<Bytes> {
    let text = "this port answers to localhost only\n";
    let mut response = Response::new(Bytes::from_static(text.as_bytes()));
    *response.status_mut() = StatusCode::MISDIRECTED_REQUEST;
    response
}

#[cfg(test)]
mod tests;
