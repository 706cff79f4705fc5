//! Calls to AWS APIs by the region's own parts: log delivery of a task, the
//! agent of an instance. They go from the part's own namespace, by name and
//! TLS, signed with its role, through whatever endpoint the names lead to.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use emulator::{Credentials, Emulator, SessionError};
use http::{Request, StatusCode};
use iam::sigv4::{self, HttpRequest, Payload, Scope, SecretKey, SessionToken};
use rustls::ClientConfig;
use time::OffsetDateTime;

use crate::dns::{LookupError, Resolver};
use crate::proxy::pool::{Endpoint, Pool, PoolOptions, UpstreamError};
use crate::serve;

/// AWS's HTTPS port.
const HTTPS: u16 = 443;
/// The largest answer any call here expects.
const MAX_ANSWER: usize = 1024 * 1024;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// As long as the instance metadata service's own sessions last.
const SESSION: Duration = Duration::from_secs(3600);

/// Why a call gave no answer.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    #[error(transparent)]
    Name(#[from] LookupError),
    #[error(transparent)]
    Upstream(#[from] UpstreamError),
    #[error(transparent)]
    Session(#[from] SessionError),
    #[error("the answer broke off")]
    Answer(#[from] serve::WholeBodyError),
    #[error("{operation} was refused with {status}: {message}")]
    Refused {
        operation: String,
        status: StatusCode,
        message: String,
    },
}

/// Who calls, and from where. It belongs to the thread of its namespace.
pub struct Client {
    emulator: Arc<Emulator>,
    resolver: Arc<Resolver>,
    source: IpAddr,
    region: String,
    /// The service that vouches for the role (`ecs-tasks.amazonaws.com`), and the role.
    role: (String, String),
    source_arn: Option<String>,
    session_name: String,
    credentials: Option<Credentials>,
    pool: Pool,
}

/// What a [`Client`] is made of.
pub struct ClientOptions {
    pub emulator: Arc<Emulator>,
    pub resolver: Arc<Resolver>,
    pub trust: Arc<ClientConfig>,
    pub source: IpAddr,
    pub region: String,
    pub role: (String, String),
    pub source_arn: Option<String>,
    pub session_name: String,
}

impl Client {
    pub fn new(options: ClientOptions) -> Self {
        let limits = PoolOptions {
            connect_timeout: CONNECT_TIMEOUT,
            ..PoolOptions::default()
        };
        Self {
            emulator: options.emulator,
            resolver: options.resolver,
            source: options.source,
            region: options.region,
            role: options.role,
            source_arn: options.source_arn,
            session_name: options.session_name,
            credentials: None,
            pool: Pool::new(limits, Some(options.trust)),
        }
    }

    /// Calls an operation of the AWS JSON 1.1 protocol and gives its answer.
    ///
    /// # Errors
    ///
    /// When there is no way to the service, or it refuses.
    pub async fn call(
        &mut self,
        service: &str,
        target: &str,
        body: &serde_json::Value,
    ) -> Result<Bytes, CallError> {
        let host = format!("{service}.{}.amazonaws.com", self.region);
        let addresses = self.resolver.lookup(&host, self.source)?;
        let address = *addresses
            .first()
            .expect("a name that was found has an address");
        let endpoint = Endpoint::tls(SocketAddr::new(address, HTTPS), &host);
        let body = Bytes::from(body.to_string());
        let mut request = Request::builder()
            .method("POST")
            .uri("/")
            .header("host", &host)
            .header("content-type", "application/x-amz-json-1.1")
            .header("x-amz-target", target)
            .body(())
            .expect("constant parts and a host name");
        let credentials = self.credentials()?;
        let signed = sigv4::sign(
            &HttpRequest {
                method: "POST",
                path: "/",
                query: "",
                headers: request.headers(),
            },
            &credentials,
            &Scope {
                region: &self.region,
                service,
                at: OffsetDateTime::now_utc(),
            },
            Payload::Bytes(&body),
        );
        request.headers_mut().extend(signed);
        let (parts, ()) = request.into_parts();
        let request = Request::from_parts(parts, serve::full(body));
        let response = self.pool.send(&endpoint, request).await?;
        let status = response.status();
        let answer = serve::collect(response.into_body(), MAX_ANSWER).await?;
        if status.is_success() {
            return Ok(answer);
        }
        let message = String::from_utf8_lossy(&answer).into_owned();
        Err(CallError::Refused {
            operation: target.to_owned(),
            status,
            message,
        })
    }

    /// Credentials that are good for some minutes yet.
    fn credentials(&mut self) -> Result<sigv4::Credentials, CallError> {
        let is_good = |credentials: &Credentials| {
            credentials
                .expiration
                .is_none_or(|end| end.seconds() > OffsetDateTime::now_utc().unix_timestamp() + 300)
        };
        let credentials = match self.credentials.take().filter(is_good) {
            Some(credentials) => credentials,
            None => {
                let (service, role) = &self.role;
                let source = self.source_arn.as_deref();
                let name = &self.session_name;
                self.emulator
                    .role_session(service, source, role, name, SESSION)?
            }
        };
        let signing = signing(&credentials);
        self.credentials = Some(credentials);
        Ok(signing)
    }
}

/// Credentials of the region as the signer takes them.
pub fn signing(credentials: &Credentials) -> sigv4::Credentials {
    let token = credentials.session_token.as_ref();
    sigv4::Credentials {
        access_key_id: credentials.access_key_id.clone(),
        secret_access_key: SecretKey::new(credentials.secret_access_key.expose()),
        session_token: token.map(|token| SessionToken::new(token.expose())),
    }
}
