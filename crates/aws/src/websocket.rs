//! A websocket to a service, its upgrade signed.

use http::{HeaderValue, Request, header};
use iam::sigv4::{self, HttpRequest, Payload, Scope};
use session_io::{Socket, UpgradeError};
use time::OffsetDateTime;

use crate::client::Client;
use crate::config::{Endpoint, EndpointFault};
use crate::credentials::CredentialsError;
use crate::error::Refusal;
use crate::transport::TransportError;

/// Why there is no websocket.
#[derive(Debug, thiserror::Error)]
pub enum WebsocketError {
    #[error("the service named an address that is not understood")]
    Url(#[from] EndpointFault),
    #[error("the service named `{origin}`, which would be spoken to without TLS")]
    Plain { origin: String },
    #[error(transparent)]
    Credentials(#[from] CredentialsError),
    #[error(transparent)]
    Transport(#[from] TransportError),
    #[error(transparent)]
    Upgrade(UpgradeError),
    #[error(transparent)]
    Refused(Refusal),
}

impl WebsocketError {
    /// Whether the same may succeed a little later.
    #[must_use]
    pub fn may_pass(&self) -> bool {
        match self {
            Self::Url(_) | Self::Plain { .. } => false,
            Self::Credentials(error) => error.may_pass(),
            Self::Transport(error) => error.may_pass(),
            Self::Upgrade(_) => true,
            Self::Refused(refusal) => refusal.is_throttling() || refusal.status.is_server_error(),
        }
    }
}

/// What a presigned URL has in its query; it is signed already.
const PRESIGNED: [&str; 7] = [
    "X-Amz-Algorithm",
    "X-Amz-Credential",
    "X-Amz-Date",
    "X-Amz-Expires",
    "X-Amz-Security-Token",
    "X-Amz-Signature",
    "X-Amz-SignedHeaders",
];

impl Client {
    /// Opens a websocket at a URL a service named, or that of one of its channels.
    ///
    /// # Errors
    ///
    /// When there is no way there, the service refuses, or the URL wants to go
    /// without TLS where the service's other calls go with it.
    pub async fn websocket(&self, service: &str, url: &str) -> Result<Socket, WebsocketError> {
        let endpoint = Endpoint::parse(url)?;
        if !endpoint.is_tls && self.endpoint(service).is_tls {
            let origin = endpoint.origin();
            return Err(WebsocketError::Plain { origin });
        }
        let mut request = request(&endpoint, url)?;
        if !is_presigned(request.uri().query().unwrap_or_default()) {
            let credentials = self.config().provider.credentials().await?;
            let signed = sigv4::sign(
                &HttpRequest {
                    method: "GET",
                    path: request.uri().path(),
                    query: request.uri().query().unwrap_or_default(),
                    headers: request.headers(),
                },
                &credentials.signing,
                &Scope {
                    region: self.region(),
                    service,
                    at: OffsetDateTime::now_utc(),
                },
                Payload::Bytes(&[]),
            );
            request.headers_mut().extend(signed);
        }
        let stream = self.connect(&endpoint).await?;
        Socket::upgrade(stream, request)
            .await
            .map_err(|error| match error {
                UpgradeError::Refused { status, body } => WebsocketError::Refused(Refusal::read(
                    "the opening of the channel",
                    status,
                    None,
                    &body,
                )),
                other => WebsocketError::Upgrade(other),
            })
    }
}

/// The upgrade request in origin form, without a signature.
fn request(endpoint: &Endpoint, url: &str) -> Result<Request<()>, EndpointFault> {
    let form = || EndpointFault::Form {
        url: url.to_owned(),
    };
    let uri: http::Uri = url.parse().map_err(|_| form())?;
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    let host = HeaderValue::from_str(&endpoint.authority).map_err(|_| form())?;
    Request::get(path)
        .header(header::HOST, host)
        .body(())
        .map_err(|_| form())
}

fn is_presigned(query: &str) -> bool {
    query
        .split('&')
        .filter_map(|pair| pair.split('=').next())
        .any(|name| PRESIGNED.iter().any(|own| own.eq_ignore_ascii_case(name)))
}
