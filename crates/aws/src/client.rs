//! Signed calls, tried again where that helps.
//!
//! Refusals for want of patience, faults of the service and of the way there
//! are tried again, a few times and ever later; a call whose credentials have
//! just expired is signed once more with fresh ones.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Method, StatusCode};
use serde_json::Value as Json;
use time::OffsetDateTime;

use crate::config::{Config, Endpoint};
use crate::error::{CallError, Refusal};
use crate::signed::{self, Ask};
use crate::transport::{Patience, Stream, TransportError};

/// How often a call is made at most.
const MAX_ATTEMPTS: u32 = 4;
/// The pause before a second attempt; it doubles from there.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// Makes calls as a [`Config`] says. Clones share connections and credentials.
#[derive(Debug, Clone)]
pub struct Client(Arc<Config>);

impl Client {
    #[must_use]
    pub fn new(config: Config) -> Self {
        Self(Arc::new(config))
    }

    pub(crate) fn config(&self) -> &Config {
        &self.0
    }

    #[must_use]
    pub fn region(&self) -> &str {
        self.0.region()
    }

    /// Where the calls of a service go.
    #[must_use]
    pub fn endpoint(&self, service: &str) -> Endpoint {
        self.0.endpoint(service)
    }

    /// Calls an operation of the AWS JSON 1.1 protocol, `target` being
    /// `AmazonSSM.StartSession` or alike.
    ///
    /// # Errors
    ///
    /// When there is no way to the service, or it refuses.
    pub async fn json(&self, service: &str, target: &str, body: &Json) -> Result<Json, CallError> {
        let ask = Ask {
            method: Method::POST,
            path_and_query: "/".to_owned(),
            content_type: Some("application/x-amz-json-1.1"),
            target: Some(target.to_owned()),
            body: Bytes::from(body.to_string()),
        };
        let (_, answer) = self.call(service, target, &ask).await?;
        // operations without an answer say nothing at all
        if answer.is_empty() {
            return Ok(Json::Null);
        }
        serde_json::from_slice(&answer).map_err(|_| CallError::Answer {
            operation: target.to_owned(),
            reason: "it is not JSON",
        })
    }

    /// Calls an operation of the AWS query protocol; the answer is XML.
    ///
    /// # Errors
    ///
    /// As [`Self::json`].
    pub async fn query(
        &self,
        service: &str,
        version: &str,
        action: &str,
        parameters: &[(&str, &str)],
    ) -> Result<String, CallError> {
        let mut all = vec![("Action", action), ("Version", version)];
        all.extend(parameters);
        let body = form(&all);
        let ask = Ask {
            method: Method::POST,
            path_and_query: "/".to_owned(),
            content_type: Some("application/x-www-form-urlencoded; charset=utf-8"),
            target: None,
            body: Bytes::from(body),
        };
        let (_, answer) = self.call(service, action, &ask).await?;
        String::from_utf8(answer.to_vec()).map_err(|_| CallError::Answer {
            operation: action.to_owned(),
            reason: "it is not text",
        })
    }

    /// Calls an operation named by method and path; a body is JSON.
    ///
    /// # Errors
    ///
    /// As [`Self::json`].
    pub async fn rest(
        &self,
        method: Method,
        service: &str,
        path_and_query: &str,
        body: Option<Bytes>,
    ) -> Result<(StatusCode, Bytes), CallError> {
        let operation = format!("{method} {path_and_query}");
        let ask = Ask {
            method,
            path_and_query: path_and_query.to_owned(),
            content_type: body.as_ref().map(|_| "application/json"),
            target: None,
            body: body.unwrap_or_default(),
        };
        self.call(service, &operation, &ask).await
    }

    async fn call(
        &self,
        service: &str,
        operation: &str,
        ask: &Ask,
    ) -> Result<(StatusCode, Bytes), CallError> {
        let mut attempt = 1;
        let mut renewed = false;
        loop {
            let error = match self.once(service, operation, ask).await {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            let is_expired = matches!(&error, CallError::Refused(refusal) if refusal.is_expired());
            if is_expired && !renewed {
                renewed = true;
                self.0.provider.renew().await;
                continue;
            }
            if !error.may_pass() || attempt == MAX_ATTEMPTS {
                return Err(error);
            }
            tokio::time::sleep(pause(attempt)).await;
            attempt += 1;
        }
    }

    async fn once(
        &self,
        service: &str,
        operation: &str,
        ask: &Ask,
    ) -> Result<(StatusCode, Bytes), CallError> {
        let config = &self.0;
        let endpoint = config.endpoint(service);
        let credentials = config.provider.credentials().await?;
        let mut request = signed::request(&endpoint, ask).ok_or_else(|| CallError::Path {
            path: ask.path_and_query.clone(),
        })?;
        let now = OffsetDateTime::now_utc();
        signed::sign(&mut request, &credentials, &config.region, service, now);
        let sent = config.transport.send(&endpoint, request, Patience::CALL);
        let response = sent.await.map_err(|source| CallError::Transport {
            operation: operation.to_owned(),
            source,
        })?;
        let status = response.status();
        if status.is_success() {
            return Ok((status, response.into_body()));
        }
        let named = response.headers().get("x-amzn-errortype");
        let named = named.and_then(|value| value.to_str().ok());
        Err(Refusal::read(operation, status, named, response.body()).into())
    }

    /// Fetches what anybody may read at an https URL, trusting whom the calls trust.
    ///
    /// # Errors
    ///
    /// When there is no way there; an answer other than 200 counts as none.
    pub async fn fetch(&self, url: &str) -> Result<Option<Bytes>, TransportError> {
        let Ok(mut endpoint) = Endpoint::parse(url) else {
            return Ok(None);
        };
        let ask = Ask {
            method: Method::GET,
            path_and_query: std::mem::take(&mut endpoint.path),
            content_type: None,
            target: None,
            body: Bytes::new(),
        };
        let Some(request) = signed::request(&endpoint, &ask).filter(|_| endpoint.is_tls) else {
            return Ok(None);
        };
        let sent = self.0.transport.send(&endpoint, request, Patience::CALL);
        let response = sent.await?;
        let is_ok = response.status() == StatusCode::OK;
        Ok(is_ok.then(|| response.into_body()))
    }

    /// A stream to an endpoint, TLS verified.
    ///
    /// # Errors
    ///
    /// When there is no way there, or it is not who it should be.
    pub async fn connect(&self, endpoint: &Endpoint) -> Result<Box<dyn Stream>, TransportError> {
        let limit = Patience::CALL.connect;
        self.0.transport.stream(endpoint, limit).await
    }
}

/// Doubling from attempt to attempt, and somewhere in the upper half of that: not
/// everybody comes back at once.
fn pause(attempt: u32) -> Duration {
    let longest = (FIRST_PAUSE * 2_u32.saturating_pow(attempt - 1)).min(LONGEST_PAUSE);
    let mut byte = [0; 1];
    // without randomness, the longest will do
    let share = aws_lc_rs::rand::fill(&mut byte).map_or(255, |()| u32::from(byte[0]));
    longest / 2 + longest / 2 * share / 255
}

/// Pairs as a form has them.
pub(crate) fn form(pairs: &[(&str, &str)]) -> String {
    let pairs = pairs.iter();
    let pairs = pairs.map(|(name, value)| format!("{}={}", encoded(name), encoded(value)));
    pairs.collect::<Vec<_>>().join("&")
}

/// Percent-encoded, as in forms and queries.
pub(crate) fn encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

#[cfg(test)]
mod tests;
