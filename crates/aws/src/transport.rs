//! One HTTP request and its answer, over a connection that is kept for the next.
//!
//! HTTP/1.1 with hyper, TLS with rustls; no redirect is followed, no cookie
//! kept. Whether to try again is the caller's business.

mod dial;
mod proxy;

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};

use crate::config::{Endpoint, Trust, TrustError};

pub use dial::Stream;
pub use proxy::ProxyFault;

pub(crate) use proxy::Proxy;

/// The largest answer any call here expects.
const MAX_ANSWER: usize = 16 * 1024 * 1024;
/// Load balancers of AWS close what was silent for longer.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// Most unused connections kept for one endpoint.
const MAX_IDLE: usize = 4;

/// How long a request may take.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Patience {
    /// For a connection, TLS included.
    pub(crate) connect: Duration,
    /// From the request to the end of the answer.
    pub(crate) answer: Duration,
}

impl Patience {
    /// A long poll for messages takes 20 s.
    pub(crate) const CALL: Self = Self {
        connect: Duration::from_secs(10),
        answer: Duration::from_secs(60),
    };
    /// An address on the link: it is there at once, or this is no such machine.
    pub(crate) const LINK_LOCAL: Self = Self {
        connect: Duration::from_secs(1),
        answer: Duration::from_secs(5),
    };
}

/// Why no answer came.
#[derive(Debug, thiserror::Error)]
pub enum TransportError {
    #[error("the name `{host}` has no address")]
    Name {
        host: String,
        source: std::io::Error,
    },
    #[error("cannot connect to {origin}")]
    Connect {
        origin: String,
        source: std::io::Error,
    },
    #[error("connecting to {origin} took longer than {limit:?}")]
    ConnectTimeout { origin: String, limit: Duration },
    #[error("`{host}` is no name a certificate could be for")]
    ServerName { host: String },
    #[error(transparent)]
    Trust(#[from] TrustError),
    #[error("TLS with {origin} failed")]
    Tls {
        origin: String,
        source: std::io::Error,
    },
    #[error("the proxy `{proxy}` did not connect to {origin}: {answer}")]
    Proxy {
        proxy: String,
        origin: String,
        answer: String,
    },
    #[error("{origin} did not answer within {limit:?}")]
    AnswerTimeout { origin: String, limit: Duration },
    #[error("{origin} gave no valid answer")]
    Answer {
        origin: String,
        source: hyper::Error,
    },
    #[error("the answer of {origin} is larger than {MAX_ANSWER} bytes")]
    TooLarge { origin: String },
    #[error("the answer of {origin} broke off")]
    BrokenOff {
        origin: String,
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl TransportError {
    /// Whether the same request may succeed a little later.
    pub(crate) fn may_pass(&self) -> bool {
        !matches!(
            self,
            Self::ServerName { .. }
                | Self::Trust(_)
                | Self::Tls { .. }
                | Self::TooLarge { .. }
                // who was silent for so long would be again
                | Self::AnswerTimeout { .. }
        )
    }

    /// What the person can do about it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Name { .. } => {
                Some("is the region's name right, and this machine online?".to_owned())
            }
            Self::Trust(TrustError::NoRoots) => Some(
                "install the package `ca-certificates`, or name a file in AWS_CA_BUNDLE".to_owned(),
            ),
            Self::Tls { .. } => Some(
                "behind a proxy that opens TLS, name its authority's file in AWS_CA_BUNDLE"
                    .to_owned(),
            ),
            _ => None,
        }
    }
}

/// The connections of one configuration.
#[derive(Debug)]
pub(crate) struct Transport {
    trust: Trust,
    proxy: Proxy,
    idle: Mutex<BTreeMap<Endpoint, Vec<Idle>>>,
}

#[derive(Debug)]
struct Idle {
    connection: Connection,
    since: Instant,
}

/// A connection and the task that drives it, which ends with it.
#[derive(Debug)]
struct Connection {
    sender: SendRequest<Full<Bytes>>,
    driver: JoinHandle<()>,
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

impl Transport {
    pub(crate) fn new(trust: Trust, proxy: Proxy) -> Self {
        Self {
            trust,
            proxy,
            idle: Mutex::default(),
        }
    }

    /// Sends a request in origin form, `Host` set, and takes in the whole answer.
    pub(crate) async fn send(
        &self,
        endpoint: &Endpoint,
        request: Request<Bytes>,
        patience: Patience,
    ) -> Result<Response<Bytes>, TransportError> {
        let mut request = request.map(Full::new);
        while let Some(mut kept) = self.take(endpoint) {
            let limit = patience.answer;
            match timeout(limit, kept.sender.try_send_request(request)).await {
                Ok(Ok(response)) => return self.finish(endpoint, kept, response, patience).await,
                // it was closed meanwhile: nothing of the request was written
                Ok(Err(mut error)) => match error.take_message() {
                    Some(unsent) => request = unsent,
                    None => {
                        let origin = endpoint.origin();
                        let source = error.into_error();
                        return Err(TransportError::Answer { origin, source });
                    }
                },
                Err(_) => {
                    let origin = endpoint.origin();
                    return Err(TransportError::AnswerTimeout { origin, limit });
                }
            }
        }
        let mut fresh = self.connect(endpoint, patience.connect).await?;
        let limit = patience.answer;
        let response = timeout(limit, fresh.sender.send_request(request)).await;
        let origin = || endpoint.origin();
        let response = response
            .map_err(|_| TransportError::AnswerTimeout {
                origin: origin(),
                limit,
            })?
            .map_err(|source| TransportError::Answer {
                origin: origin(),
                source,
            })?;
        self.finish(endpoint, fresh, response, patience).await
    }

    /// A stream to an endpoint, TLS verified, for a protocol of its own.
    pub(crate) async fn stream(
        &self,
        endpoint: &Endpoint,
        limit: Duration,
    ) -> Result<Box<dyn Stream>, TransportError> {
        let dialled = dial::dial(endpoint, &self.trust, &self.proxy);
        timeout(limit, dialled).await.unwrap_or_else(|_| {
            let origin = endpoint.origin();
            Err(TransportError::ConnectTimeout { origin, limit })
        })
    }

    async fn connect(
        &self,
        endpoint: &Endpoint,
        limit: Duration,
    ) -> Result<Connection, TransportError> {
        let stream = self.stream(endpoint, limit).await?;
        let (sender, connection) =
            http1::handshake(TokioIo::new(stream))
                .await
                .map_err(|source| TransportError::Answer {
                    origin: endpoint.origin(),
                    source,
                })?;
        let driver = tokio::spawn(async move {
            // whoever waits for an answer hears of the end by its own channel
            let _ended = connection.await;
        });
        Ok(Connection { sender, driver })
    }

    async fn finish(
        &self,
        endpoint: &Endpoint,
        connection: Connection,
        response: Response<hyper::body::Incoming>,
        patience: Patience,
    ) -> Result<Response<Bytes>, TransportError> {
        let (parts, body) = response.into_parts();
        let limit = patience.answer;
        let origin = || endpoint.origin();
        let collected = timeout(limit, Limited::new(body, MAX_ANSWER).collect()).await;
        let body = collected
            .map_err(|_| TransportError::AnswerTimeout {
                origin: origin(),
                limit,
            })?
            .map_err(|source| match source.is::<LengthLimitError>() {
                true => TransportError::TooLarge { origin: origin() },
                false => TransportError::BrokenOff {
                    origin: origin(),
                    source,
                },
            })?
            .to_bytes();
        self.put(endpoint, connection);
        Ok(Response::from_parts(parts, body))
    }

    fn take(&self, endpoint: &Endpoint) -> Option<Connection> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = idle.get_mut(endpoint)?;
        kept.retain(|idle| idle.connection.sender.is_ready() && idle.since.elapsed() < KEEP_ALIVE);
        kept.pop().map(|idle| idle.connection)
    }

    fn put(&self, endpoint: &Endpoint, connection: Connection) {
        if connection.sender.is_closed() {
            return;
        }
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = idle.entry(endpoint.clone()).or_default();
        if kept.len() >= MAX_IDLE {
            drop(kept.remove(0));
        }
        kept.push(Idle {
            connection,
            since: Instant::now(),
        });
    }
}
