//! Upstream connections, kept and reused per thread.
//!
//! A pool belongs to one component on one thread: its sockets are created
//! there, so they stand in that thread's network namespace. A connection comes
//! back when the response body has ended and not before; a broken one never
//! does.
//!
//! A request that went out on a kept connection which the other side had just
//! closed is sent once more on a fresh one: always when not a byte of it had
//! been written, otherwise only if it is idempotent and without a body
//! (RFC 9110 §9.2.2).

mod body;
mod dial;

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::{Request, Response};
use hyper::body::{Body as HttpBody, Incoming};
use hyper::client::conn::http1::SendRequest;
use rustls::ClientConfig;
use tokio::time::Instant;

use crate::serve::Body;
use body::{Activity, FromUpstream, ToUpstream};

/// Where to connect to, and the name to verify if over TLS.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Endpoint {
    /// Address and port.
    pub address: SocketAddr,
    /// The name the certificate must carry; `None` means without TLS.
    pub tls_name: Option<String>,
}

impl Endpoint {
    /// Without TLS.
    pub fn plain(address: SocketAddr) -> Self {
        Self {
            address,
            tls_name: None,
        }
    }

    /// Over TLS, verified to be `name`.
    pub fn tls(address: SocketAddr, name: impl Into<String>) -> Self {
        Self {
            address,
            tls_name: Some(name.into()),
        }
    }
}

/// Limits of a pool.
#[derive(Debug, Clone)]
pub struct PoolOptions {
    /// Longest wait for a connection, TLS included.
    pub connect_timeout: Duration,
    /// Longest silence of an exchange: between the last of the request and the
    /// first of the response, and between two pieces of the response body.
    pub silence_timeout: Duration,
    /// How long an unused connection is kept.
    pub keep_alive: Duration,
    /// Most unused connections kept for one endpoint.
    pub max_idle_per_endpoint: usize,
    /// The address connections start from; `None` lets the kernel choose.
    pub source: Option<IpAddr>,
}

impl Default for PoolOptions {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(10),
            silence_timeout: Duration::from_secs(60),
            keep_alive: Duration::from_secs(60),
            max_idle_per_endpoint: 128,
            source: None,
        }
    }
}

/// Why an upstream gave no response.
#[derive(Debug, thiserror::Error)]
pub enum UpstreamError {
    /// No connection: refused, unreachable, no such local address.
    #[error("could not connect to {address}")]
    Connect {
        /// The other end.
        address: SocketAddr,
        /// What the system said.
        source: std::io::Error,
    },
    /// No connection in time.
    #[error("connecting to {address} took longer than {limit:?}")]
    ConnectTimeout {
        /// The other end.
        address: SocketAddr,
        /// The limit.
        limit: Duration,
    },
    /// The TLS handshake failed; a certificate for another name ends here.
    #[error("TLS with {address} as `{name}` failed")]
    Tls {
        /// The other end.
        address: SocketAddr,
        /// The name asked for.
        name: String,
        /// What was wrong.
        source: std::io::Error,
    },
    /// Connected, but silent for too long.
    #[error("{address} did not answer within {limit:?}")]
    ResponseTimeout {
        /// The other end.
        address: SocketAddr,
        /// The limit.
        limit: Duration,
    },
    /// The sender of the request fell silent in its body.
    #[error("nothing of the request body came for {limit:?}")]
    RequestTimeout {
        /// The limit.
        limit: Duration,
    },
    /// The sender of the request broke off in its body.
    #[error("request body broke off")]
    RequestBody(#[source] hyper::Error),
    /// The connection ended, or what came was not HTTP.
    #[error("{address} gave no valid response")]
    Response {
        /// The other end.
        address: SocketAddr,
        /// What was wrong.
        source: hyper::Error,
    },
}

/// The connections of one component on one thread.
#[derive(Debug, Clone)]
pub struct Pool(Arc<Shared>);

struct Shared {
    options: PoolOptions,
    tls: Option<Arc<ClientConfig>>,
    idle: Mutex<BTreeMap<Endpoint, Vec<Idle>>>,
}

struct Idle {
    sender: SendRequest<Body>,
    since: Instant,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Pool")
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}

impl Pool {
    /// A pool without connections. `tls` is what endpoints with a name are verified by.
    pub fn new(options: PoolOptions, tls: Option<Arc<ClientConfig>>) -> Self {
        Self(Arc::new(Shared {
            options,
            tls,
            idle: Mutex::default(),
        }))
    }

    /// Sends one request and returns the response as soon as its head is there.
    ///
    /// The URI must be in origin form and `Host` set, both by the caller.
    pub async fn send(
        &self,
        endpoint: &Endpoint,
        mut request: Request<Body>,
    ) -> Result<Response<Body>, UpstreamError> {
        if let Some(kept) = self.take(endpoint) {
            let replay = replayable(&request);
            match self.exchange(kept, endpoint, request).await {
                Ok(response) => return Ok(response),
                Err((UpstreamError::Response { source, .. }, unsent)) if !source.is_parse() => {
                    match unsent.or(replay) {
                        Some(again) => request = again,
                        None => {
                            let address = endpoint.address;
                            return Err(UpstreamError::Response { address, source });
                        }
                    }
                }
                Err((error, _)) => return Err(error),
            }
        }
        let fresh = dial::dial(endpoint, &self.0.options, self.0.tls.as_ref()).await?;
        self.exchange(fresh, endpoint, request)
            .await
            .map_err(|(error, _)| error)
    }

    /// How many unused connections are kept, over all endpoints.
    pub fn idle_connections(&self) -> usize {
        self.0.lock().values().map(Vec::len).sum()
    }

    /// The most recently used connection that is still good.
    fn take(&self, endpoint: &Endpoint) -> Option<SendRequest<Body>> {
        let mut idle = self.0.lock();
        let kept = idle.get_mut(endpoint)?;
        kept.retain(|idle| {
            !idle.sender.is_closed() && idle.since.elapsed() < self.0.options.keep_alive
        });
        let ready = kept.iter().rposition(|idle| idle.sender.is_ready())?;
        Some(kept.remove(ready).sender)
    }

    async fn exchange(
        &self,
        mut sender: SendRequest<Body>,
        endpoint: &Endpoint,
        request: Request<Body>,
    ) -> Result<Response<Body>, (UpstreamError, Option<Request<Body>>)> {
        let limit = self.0.options.silence_timeout;
        let activity = Activity::now();
        let request = if request.body().is_end_stream() {
            activity.done();
            request
        } else {
            request.map(|body| ToUpstream::wrap(body, activity.clone()))
        };
        let sent = sender.try_send_request(request);
        let response = tokio::select! {
            response = sent => response,
            () = activity.silent_for(limit) => {
                let address = endpoint.address;
                let error = if activity.is_done() {
                    UpstreamError::ResponseTimeout { address, limit }
                } else {
                    UpstreamError::RequestTimeout { limit }
                };
                return Err((error, None));
            }
        };
        match response {
            Ok(response) => Ok(self.keep_after(sender, endpoint, response)),
            Err(mut error) => {
                let unsent = error.take_message();
                let source = error.into_error();
                if source.is_user() && unsent.is_none() {
                    return Err((UpstreamError::RequestBody(source), None));
                }
                Err((
                    UpstreamError::Response {
                        address: endpoint.address,
                        source,
                    },
                    unsent,
                ))
            }
        }
    }

    fn keep_after(
        &self,
        sender: SendRequest<Body>,
        endpoint: &Endpoint,
        response: Response<Incoming>,
    ) -> Response<Body> {
        if response.status() == http::StatusCode::SWITCHING_PROTOCOLS {
            // the connection belongs to the other protocol now
            return response.map(|_| crate::serve::empty());
        }
        let pool = Arc::clone(&self.0);
        let endpoint = endpoint.clone();
        let keep = move || pool.put(endpoint, sender);
        response.map(|body| FromUpstream::wrap(body, self.0.options.silence_timeout, keep))
    }
}

impl Shared {
    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<Endpoint, Vec<Idle>>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn put(&self, endpoint: Endpoint, sender: SendRequest<Body>) {
        if sender.is_closed() {
            return;
        }
        let mut idle = self.lock();
        let kept = idle.entry(endpoint).or_default();
        if kept.len() >= self.options.max_idle_per_endpoint {
            kept.remove(0);
        }
        kept.push(Idle {
            sender,
            since: Instant::now(),
        });
        idle.retain(|_, kept| {
            kept.retain(|idle| idle.since.elapsed() < self.options.keep_alive);
            !kept.is_empty()
        });
    }
}

/// The same request again, if sending it twice does no harm.
fn replayable(request: &Request<Body>) -> Option<Request<Body>> {
    if !request.method().is_idempotent() || !request.body().is_end_stream() {
        return None;
    }
    let mut again = Request::new(crate::serve::empty());
    *again.method_mut() = request.method().clone();
    *again.uri_mut() = request.uri().clone();
    *again.headers_mut() = request.headers().clone();
    Some(again)
}

#[cfg(test)]
mod tests;
