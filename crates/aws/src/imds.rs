//! What does the instance metadata service say? Version 2, with a token.
//!
//! (EC2 User Guide, "Use the Instance Metadata Service to access instance
//! metadata".)

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use serde_json::Value as Json;
use tokio::sync::Mutex;
use tokio::time::{Duration, Instant};

use crate::config::{Endpoint, Environment, Trust};
use crate::credentials::{Credentials, CredentialsError};
use crate::signed::{self, Ask};
use crate::transport::{Patience, Proxy, Transport, TransportError};

const ADDRESS: &str = "http://169.254.169.254";
/// The longest a token may be good for.
const TOKEN_LIFE_S: &str = "21600";
/// When it is asked for anew.
const TOKEN_USE: Duration = Duration::from_secs(21_000);
const CREDENTIALS: &str = "/latest/meta-data/iam/security-credentials/";

/// Why the metadata service did not say.
#[derive(Debug, thiserror::Error)]
pub enum ImdsError {
    #[error("the instance metadata service does not answer")]
    Transport(#[from] TransportError),
    #[error("the instance metadata service refuses `{path}` with {status}")]
    Refused { path: String, status: StatusCode },
    #[error("the instance metadata service's `{path}` is not understood")]
    Answer { path: String },
}

impl ImdsError {
    /// Whether asking again a little later may succeed.
    #[must_use]
    pub fn may_pass(&self) -> bool {
        match self {
            Self::Transport(error) => error.may_pass(),
            Self::Refused { status, .. } => status.is_server_error(),
            Self::Answer { .. } => false,
        }
    }
}

/// The metadata service of the instance this runs on.
#[derive(Debug)]
pub struct Imds {
    endpoint: Endpoint,
    transport: Arc<Transport>,
    token: Mutex<Option<Token>>,
}

struct Token {
    value: HeaderValue,
    since: Instant,
}

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Token(…)")
    }
}

impl Imds {
    /// The service at its address, or where `AWS_EC2_METADATA_SERVICE_ENDPOINT` says.
    ///
    /// # Errors
    ///
    /// When that variable is no URL.
    pub fn new(environment: &Environment) -> Result<Self, CredentialsError> {
        let transport = Transport::new(Trust::new(None), Proxy::default());
        Self::at(environment, Arc::new(transport))
    }

    pub(crate) fn at(
        environment: &Environment,
        transport: Arc<Transport>,
    ) -> Result<Self, CredentialsError> {
        let setting = "AWS_EC2_METADATA_SERVICE_ENDPOINT";
        let url = environment.get(setting).unwrap_or(ADDRESS);
        let endpoint = Endpoint::parse(url).map_err(|_| CredentialsError::Setting {
            setting,
            fault: "not a URL",
        })?;
        Ok(Self {
            endpoint,
            transport,
            token: Mutex::default(),
        })
    }

    /// The text at a path: `/latest/meta-data/instance-id`.
    ///
    /// # Errors
    ///
    /// When the service does not answer, or has nothing there.
    pub async fn get(&self, path: &str) -> Result<String, ImdsError> {
        let mut headers = HeaderMap::new();
        headers.insert("x-aws-ec2-metadata-token", self.token().await?);
        let body = self.ask(Method::GET, path, headers).await?;
        String::from_utf8(body.to_vec()).map_err(|_| answer(path))
    }

    /// The credentials of the instance's role.
    ///
    /// # Errors
    ///
    /// As [`Self::get`]; a machine without a role has none.
    pub async fn credentials(&self) -> Result<Credentials, ImdsError> {
        let role = self.get(CREDENTIALS).await?;
        let path = format!("{CREDENTIALS}{}", role.lines().next().unwrap_or_default());
        let text = self.get(&path).await?;
        let names = ["AccessKeyId", "SecretAccessKey", "Token", "Expiration"];
        serde_json::from_str::<Json>(&text)
            .ok()
            .and_then(|found| Credentials::from_json(&found, names))
            .ok_or_else(|| answer(&path))
    }

    async fn token(&self) -> Result<HeaderValue, ImdsError> {
        let mut token = self.token.lock().await;
        if let Some(kept) = token
            .as_ref()
            .filter(|kept| kept.since.elapsed() < TOKEN_USE)
        {
            return Ok(kept.value.clone());
        }
        let path = "/latest/api/token";
        let mut headers = HeaderMap::new();
        headers.insert(
            "x-aws-ec2-metadata-token-ttl-seconds",
            HeaderValue::from_static(TOKEN_LIFE_S),
        );
        let body = self.ask(Method::PUT, path, headers).await?;
        let mut value = HeaderValue::from_bytes(&body).map_err(|_| answer(path))?;
        value.set_sensitive(true);
        *token = Some(Token {
            value: value.clone(),
            since: Instant::now(),
        });
        Ok(value)
    }

    async fn ask(
        &self,
        method: Method,
        path: &str,
        headers: HeaderMap,
    ) -> Result<Bytes, ImdsError> {
        let ask = Ask {
            method,
            path_and_query: path.to_owned(),
            content_type: None,
            target: None,
            body: Bytes::new(),
        };
        let mut request = signed::request(&self.endpoint, &ask).ok_or_else(|| answer(path))?;
        request.headers_mut().extend(headers);
        let sent = self
            .transport
            .send(&self.endpoint, request, Patience::LINK_LOCAL);
        let response = sent.await?;
        if response.status() != StatusCode::OK {
            return Err(ImdsError::Refused {
                path: path.to_owned(),
                status: response.status(),
            });
        }
        Ok(response.into_body())
    }
}

fn answer(path: &str) -> ImdsError {
    ImdsError::Answer {
        path: path.to_owned(),
    }
}
