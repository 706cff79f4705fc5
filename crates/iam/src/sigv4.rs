//! Who signed this request, and is the signature good?
//!
//! [`sign`] and [`presign`] make a signature, [`Presented::read`] finds one in a
//! request and [`Presented::verify`] checks it. Looking up the secret that
//! belongs to an access key is the caller's. (IAM User Guide, "AWS Signature
//! Version 4 for API requests"; S3 API Reference, "Authenticating requests".)

use std::fmt;

use aws_lc_rs::{digest, hmac};
use http::{HeaderMap, HeaderValue};
use time::OffsetDateTime;

mod canonical;
pub mod chunked;
mod error;
mod presented;

pub use error::{Dialect, SignatureError};
pub use presented::{Expected, Presented, Verified};

use canonical::{Canonical, PathRule};

pub(crate) const ALGORITHM: &str = "AWS4-HMAC-SHA256";
/// SHA-256 of nothing.
pub const EMPTY_PAYLOAD_SHA256: &str =
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

/// A secret access key. Never printed.
#[derive(Clone)]
pub struct SecretKey(String);

impl SecretKey {
    #[must_use]
    pub fn new(secret: impl Into<String>) -> Self {
        Self(secret.into())
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretKey(…)")
    }
}

/// What a caller signs with.
#[derive(Debug, Clone)]
pub struct Credentials {
    pub access_key_id: String,
    pub secret_access_key: SecretKey,
    pub session_token: Option<SessionToken>,
}

/// The token that goes with temporary credentials. Never printed.
#[derive(Clone)]
pub struct SessionToken(String);

impl SessionToken {
    #[must_use]
    pub fn new(token: impl Into<String>) -> Self {
        Self(token.into())
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Compares in time that does not depend on where the two differ.
    #[must_use]
    pub fn is(&self, presented: &str) -> bool {
        constant_time_eq(self.0.as_bytes(), presented.as_bytes())
    }
}

impl fmt::Debug for SessionToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SessionToken(…)")
    }
}

/// A request as it goes over the wire.
#[derive(Debug, Clone, Copy)]
pub struct HttpRequest<'a> {
    pub method: &'a str,
    /// The path as sent, percent-encoding and all.
    pub path: &'a str,
    /// What follows `?`, as sent; empty when there is none.
    pub query: &'a str,
    /// Over HTTP/2 the caller puts `:authority` here as `host`.
    pub headers: &'a HeaderMap,
}

/// The body of a request, as far as it is part of the signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Payload<'a> {
    Bytes(&'a [u8]),
    /// Lower-case hexadecimal SHA-256 of the body.
    Sha256(&'a str),
    /// S3 over TLS: the body is not signed.
    Unsigned,
    /// S3: each chunk is signed by itself ([`chunked`]).
    Streaming,
    /// S3: signed chunks, then signed checksums.
    StreamingTrailer,
    /// S3 over TLS: unsigned chunks, then checksums; what SDKs send by default.
    UnsignedTrailer,
}

pub(crate) const UNSIGNED_PAYLOAD: &str = "UNSIGNED-PAYLOAD";
pub(crate) const STREAMING_PAYLOAD: &str = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD";
pub(crate) const STREAMING_TRAILER_PAYLOAD: &str = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER";
pub(crate) const UNSIGNED_TRAILER_PAYLOAD: &str = "STREAMING-UNSIGNED-PAYLOAD-TRAILER";

impl Payload<'_> {
    fn canonical(self) -> String {
        match self {
            Self::Bytes(bytes) => sha256_hex(bytes),
            Self::Sha256(hash) => hash.to_owned(),
            Self::Unsigned => UNSIGNED_PAYLOAD.to_owned(),
            Self::Streaming => STREAMING_PAYLOAD.to_owned(),
            Self::StreamingTrailer => STREAMING_TRAILER_PAYLOAD.to_owned(),
            Self::UnsignedTrailer => UNSIGNED_TRAILER_PAYLOAD.to_owned(),
        }
    }
}

/// Region, service and moment of a signature.
#[derive(Debug, Clone, Copy)]
pub struct Scope<'a> {
    pub region: &'a str,
    /// The signing name: `secretsmanager`, `logs`, `s3`.
    pub service: &'a str,
    pub at: OffsetDateTime,
}

/// Headers that make a request a signed one; add them to what is sent.
///
/// Every header the request already has is signed, but for those that proxies
/// change (`connection`, `user-agent`, `x-amzn-trace-id`, …). `host` must be there.
#[must_use]
pub fn sign(
    request: &HttpRequest<'_>,
    credentials: &Credentials,
    scope: &Scope<'_>,
    payload: Payload<'_>,
) -> HeaderMap {
    let payload = payload.canonical();
    let timestamp = timestamp(scope.at);
    let mut added = HeaderMap::new();
    insert(&mut added, "x-amz-date", &timestamp);
    if let Some(token) = &credentials.session_token {
        insert(&mut added, "x-amz-security-token", token.as_str());
        if let Some(value) = added.get_mut("x-amz-security-token") {
            value.set_sensitive(true);
        }
    }
    if scope.service == "s3" {
        insert(&mut added, "x-amz-content-sha256", &payload);
    }
    let mut headers = request.headers.clone();
    for (name, value) in &added {
        headers.insert(name, value.clone());
    }
    let signed = canonical::signable_headers(&headers);
    let canonical = Canonical {
        method: request.method,
        path: request.path,
        query: request.query,
        headers: &headers,
        signed_headers: &signed,
        payload: &payload,
        path_rule: PathRule::of_service(scope.service),
    };
    let credential_scope = credential_scope(&timestamp, scope.region, scope.service);
    let key = signing_key(
        &credentials.secret_access_key,
        &timestamp,
        scope.region,
        scope.service,
    );
    let signature = signature(
        &key,
        &string_to_sign(&timestamp, &credential_scope, &canonical),
    );
    let authorization = format!(
        "{ALGORITHM} Credential={}/{credential_scope}, SignedHeaders={}, Signature={signature}",
        credentials.access_key_id,
        signed.join(";"),
    );
    insert(&mut added, "authorization", &authorization);
    added
}

/// The query string of a pre-signed URL that is good for `expires_s` seconds.
///
/// Signs the `host` header and every `x-amz-*` header of `request`.
#[must_use]
pub fn presign(
    request: &HttpRequest<'_>,
    credentials: &Credentials,
    scope: &Scope<'_>,
    expires_s: u32,
) -> String {
    let timestamp = timestamp(scope.at);
    let credential_scope = credential_scope(&timestamp, scope.region, scope.service);
    let mut signed = canonical::signable_headers(request.headers);
    signed.retain(|name| name == "host" || name.starts_with("x-amz-"));
    let credential = format!("{}/{credential_scope}", credentials.access_key_id);
    let expires = expires_s.to_string();
    let signed_list = signed.join(";");
    let mut pairs = vec![
        ("X-Amz-Algorithm", ALGORITHM),
        ("X-Amz-Credential", &credential),
        ("X-Amz-Date", &timestamp),
        ("X-Amz-Expires", &expires),
        ("X-Amz-SignedHeaders", &signed_list),
    ];
    if let Some(token) = &credentials.session_token {
        pairs.push(("X-Amz-Security-Token", token.as_str()));
    }
    let mut query = request.query.to_owned();
    for (name, value) in pairs {
        if !query.is_empty() {
            query.push('&');
        }
        query.push_str(name);
        query.push('=');
        canonical::encode(value.as_bytes(), false, &mut query);
    }
    let payload = if scope.service == "s3" {
        UNSIGNED_PAYLOAD
    } else {
        EMPTY_PAYLOAD_SHA256
    };
    let canonical = Canonical {
        method: request.method,
        path: request.path,
        query: &query,
        headers: request.headers,
        signed_headers: &signed,
        payload,
        path_rule: PathRule::of_service(scope.service),
    };
    let key = signing_key(
        &credentials.secret_access_key,
        &timestamp,
        scope.region,
        scope.service,
    );
    let signature = signature(
        &key,
        &string_to_sign(&timestamp, &credential_scope, &canonical),
    );
    format!("{query}&X-Amz-Signature={signature}")
}

fn insert(headers: &mut HeaderMap, name: &'static str, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}

/// `20261122T101500Z`
pub(crate) fn timestamp(at: OffsetDateTime) -> String {
    let at = at.to_offset(time::UtcOffset::UTC);
    let (year, month, day) = (at.year(), u8::from(at.month()), at.day());
    let (hour, minute, second) = at.to_hms();
    format!("{year:04}{month:02}{day:02}T{hour:02}{minute:02}{second:02}Z")
}

fn credential_scope(timestamp: &str, region: &str, service: &str) -> String {
    format!("{}/{region}/{service}/aws4_request", day(timestamp))
}

/// The day of a timestamp: its first eight characters.
fn day(timestamp: &str) -> &str {
    timestamp.get(..8).unwrap_or(timestamp)
}

fn string_to_sign(timestamp: &str, scope: &str, canonical: &Canonical<'_>) -> String {
    format!(
        "{ALGORITHM}\n{timestamp}\n{scope}\n{}",
        sha256_hex(canonical.text().as_bytes())
    )
}

/// The key derived for one day, region and service.
fn signing_key(secret: &SecretKey, timestamp: &str, region: &str, service: &str) -> hmac::Key {
    let mut key = hmac::Key::new(hmac::HMAC_SHA256, format!("AWS4{}", secret.0).as_bytes());
    for part in [day(timestamp), region, service, "aws4_request"] {
        key = hmac::Key::new(
            hmac::HMAC_SHA256,
            hmac::sign(&key, part.as_bytes()).as_ref(),
        );
    }
    key
}

fn signature(key: &hmac::Key, text: &str) -> String {
    hex(hmac::sign(key, text.as_bytes()).as_ref())
}

pub(crate) fn sha256_hex(bytes: &[u8]) -> String {
    hex(digest::digest(&digest::SHA256, bytes).as_ref())
}

fn hex(bytes: &[u8]) -> String {
    const DIGITS: [u8; 16] = *b"0123456789abcdef";
    let digit = |nibble: u8| char::from(DIGITS[usize::from(nibble)]);
    bytes
        .iter()
        .flat_map(|byte| [digit(byte >> 4), digit(byte & 15)])
        .collect()
}

/// Equality in time that depends on the lengths only.
#[must_use]
pub fn constant_time_eq(left: &[u8], right: &[u8]) -> bool {
    aws_lc_rs::constant_time::verify_slices_are_equal(left, right).is_ok()
}

#[cfg(test)]
mod tests;
