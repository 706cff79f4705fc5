//! The AWS APIs at every door: public names, VPC endpoints, the host's port.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use bytes::Bytes;
use emulator::{Emulator, Via, VpcEndpointVia};
use http::{Request, Response, StatusCode};
use tokio::net::TcpListener;

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
        let emulator = self.emulator;
        let handler = whole_body(MAX_BODY, move |request: Request<Bytes>| {
            let via = Via {
                source_ip: source(&request),
                secure: true,
                endpoint: endpoint.clone(),
            };
            answer(Arc::clone(&emulator), request, via)
        });
        serve::serve(listener, Some(tls), ServeOptions::default(), handler, stop).await;
    }

    /// Serves the door on the host's loopback, until `stop`. Only requests
    /// that mean this machine are taken: a page elsewhere must not reach the
    /// region by a name that resolves to 127.0.0.1.
    pub async fn serve_door(self, listener: TcpListener, stop: Stop) {
        let emulator = self.emulator;
        let handler = whole_body(MAX_BODY, move |request: Request<Bytes>| {
            let host = request.headers().get(http::header::HOST);
            let host = host.and_then(|host| host.to_str().ok()).unwrap_or_default();
            let is_local = is_local(host);
            let emulator = Arc::clone(&emulator);
            async move {
                if is_local {
                    answer(
                        emulator,
                        request,
                        Via::direct(IpAddr::V4(Ipv4Addr::LOCALHOST)),
                    )
                    .await
                } else {
                    misdirected()
                }
            }
        });
        serve::serve(listener, None, ServeOptions::default(), handler, stop).await;
    }
}

/// The emulator's answer, on a thread that may wait: for a disk, for the work
/// that a password check is made of.
async fn answer(emulator: Arc<Emulator>, request: Request<Bytes>, via: Via) -> Response<Bytes> {
    let answered = tokio::task::spawn_blocking(move || emulator.handle(&request, &via)).await;
    answered.unwrap_or_else(|_panicked| {
        let mut response = Response::new(Bytes::from_static(b"InternalFailure\n"));
        *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
        response
    })
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

fn misdirected() -> Response<Bytes> {
    let text = "this port answers to localhost only\n";
    let mut response = Response::new(Bytes::from_static(text.as_bytes()));
    *response.status_mut() = StatusCode::MISDIRECTED_REQUEST;
    response
}
