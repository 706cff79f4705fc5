//! The signature a request carries, in its header or its query.

use http::HeaderMap;
use time::{Duration, OffsetDateTime};

use super::canonical::{Canonical, PathRule, decode, pairs};
use super::chunked::Decoder;
use super::{
    ALGORITHM, HttpRequest, STREAMING_PAYLOAD, STREAMING_TRAILER_PAYLOAD, SecretKey,
    SignatureError, UNSIGNED_PAYLOAD, UNSIGNED_TRAILER_PAYLOAD, constant_time_eq, credential_scope,
    hmac, sha256_hex, signature, signing_key, string_to_sign, timestamp,
};

/// A signature as presented, not yet verified.
#[derive(Debug, Clone)]
pub struct Presented {
    pub access_key_id: String,
    /// Must be compared with the credentials' ([`super::SessionToken::is`]).
    pub session_token: Option<super::SessionToken>,
    pub region: String,
    pub service: String,
    /// When the request was signed.
    pub signed_at: OffsetDateTime,
    /// For a pre-signed URL: how long it is good.
    pub expires: Option<Duration>,
    /// `YYYYMMDD` of the credential scope.
    day: String,
    timestamp: String,
    signed_headers: Vec<String>,
    signature: String,
}

/// What the service that received the request answers to.
#[derive(Debug, Clone, Copy)]
pub struct Expected<'a> {
    pub region: &'a str,
    pub service: &'a str,
    pub now: OffsetDateTime,
}

/// A verified request, and what still has to hold for its body.
#[derive(Debug, Clone)]
pub enum Verified {
    /// The body is part of what was verified.
    Whole,
    /// S3: the caller chose not to sign the body.
    Unsigned,
    /// S3: the body, yet to come, must have this SHA-256 (lower-case hexadecimal).
    BodyMustHash(String),
    /// S3: the body comes in chunks, signed or with a trailer; feed it through the decoder.
    Chunks(Decoder),
}

/// The longest life of a pre-signed URL: seven days.
const LONGEST_EXPIRY_S: i64 = 604_800;

impl Presented {
    /// Finds the signature of a request.
    ///
    /// # Errors
    /// When there is none, or it cannot be read.
    pub fn read(request: &HttpRequest<'_>) -> Result<Self, SignatureError> {
        let in_query = |name: &str| {
            let (_, value) = pairs(request.query).find(|(found, _)| *found == name)?;
            String::from_utf8(decode(value)).ok()
        };
        if let Some(header) = request.headers.get("authorization") {
            let header = header
                .to_str()
                .map_err(|_| incomplete("a printable value"))?;
            return Self::from_header(header, request.headers);
        }
        if in_query("X-Amz-Algorithm").is_some() || in_query("X-Amz-Signature").is_some() {
            return Self::from_query(in_query);
        }
        Err(SignatureError::MissingAuthenticationToken)
    }

    fn from_header(header: &str, headers: &HeaderMap) -> Result<Self, SignatureError> {
        let rest = header
            .strip_prefix(ALGORITHM)
            .filter(|rest| rest.starts_with([' ', '\t']))
            .ok_or_else(|| incomplete("the `AWS4-HMAC-SHA256` algorithm"))?;
        let field = |name: &str| {
            rest.split(',')
                .find_map(|part| part.trim().strip_prefix(name)?.strip_prefix('='))
        };
        let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        Self::assemble(
            field("Credential").ok_or_else(|| incomplete("`Credential` parameter"))?,
            field("SignedHeaders").ok_or_else(|| incomplete("`SignedHeaders` parameter"))?,
            field("Signature").ok_or_else(|| incomplete("`Signature` parameter"))?,
            header("x-amz-date")
                .or_else(|| header("date"))
                .ok_or_else(|| {
                    incomplete("existence of either a `X-Amz-Date` or a `Date` header")
                })?,
            header("x-amz-security-token"),
            None,
        )
    }

    fn from_query(in_query: impl Fn(&str) -> Option<String>) -> Result<Self, SignatureError> {
        let need = |name: &str, part| in_query(name).ok_or_else(|| incomplete(part));
        if need("X-Amz-Algorithm", "`X-Amz-Algorithm` parameter")? != ALGORITHM {
            return Err(incomplete("the `AWS4-HMAC-SHA256` algorithm"));
        }
        let expires = match in_query("X-Amz-Expires") {
            None => None,
            Some(text) => {
                let seconds = text
                    .parse()
                    .ok()
                    .filter(|seconds| (0..=LONGEST_EXPIRY_S).contains(seconds));
                let seconds =
                    seconds.ok_or_else(|| incomplete("`X-Amz-Expires` of at most a week"))?;
                Some(Duration::seconds(seconds))
            }
        };
        Self::assemble(
            &need("X-Amz-Credential", "`X-Amz-Credential` parameter")?,
            &need("X-Amz-SignedHeaders", "`X-Amz-SignedHeaders` parameter")?,
            &need("X-Amz-Signature", "`X-Amz-Signature` parameter")?,
            &need("X-Amz-Date", "`X-Amz-Date` parameter")?,
            in_query("X-Amz-Security-Token").as_deref(),
            expires,
        )
    }

    fn assemble(
        credential: &str,
        signed_headers: &str,
        signature: &str,
        timestamp: &str,
        session_token: Option<&str>,
        expires: Option<Duration>,
    ) -> Result<Self, SignatureError> {
        // an access key id has no slash, but nothing says so: read from the right
        let mut parts = credential.rsplitn(5, '/');
        let mut part = || parts.next().filter(|part| !part.is_empty());
        let (Some("aws4_request"), Some(service), Some(region), Some(day), Some(access_key_id)) =
            (part(), part(), part(), part(), part())
        else {
            return Err(incomplete(
                "a `Credential` of the form KEY/DAY/REGION/SERVICE/aws4_request",
            ));
        };
        let signed_at = parse_timestamp(timestamp)
            .ok_or_else(|| incomplete("a date in ISO 8601 basic format"))?;
        Ok(Self {
            access_key_id: access_key_id.to_owned(),
            session_token: session_token.map(super::SessionToken::new),
            region: region.to_owned(),
            service: service.to_owned(),
            signed_at,
            expires,
            day: day.to_owned(),
            timestamp: self::timestamp(signed_at),
            signed_headers: signed_headers.split(';').map(str::to_owned).collect(),
            signature: signature.to_owned(),
        })
    }

    /// Checks scope, time, coverage, signature and, where it is known, the body.
    ///
    /// `body` is `None` when it has not been read yet, which only S3 allows: the
    /// declared hash is then verified and returned for the caller to hold the body to.
    ///
    /// # Errors
    /// The first thing found wrong.
    pub fn verify(
        &self,
        request: &HttpRequest<'_>,
        secret: &SecretKey,
        body: Option<&[u8]>,
        expected: &Expected<'_>,
    ) -> Result<Verified, SignatureError> {
        self.check_scope(expected)?;
        self.check_time(expected)?;
        self.check_coverage(request.headers)?;
        let is_s3 = self.service == "s3";
        let declared = request
            .headers
            .get("x-amz-content-sha256")
            .and_then(|value| value.to_str().ok());
        let payload = match (declared, body) {
            (Some(declared), _) if is_s3 => declared.to_owned(),
            (None, _) if is_s3 => UNSIGNED_PAYLOAD.to_owned(),
            (_, Some(body)) => sha256_hex(body),
            (_, None) => return Err(SignatureError::PayloadHashMismatch),
        };
        let canonical = Canonical {
            method: request.method,
            path: request.path,
            query: request.query,
            headers: request.headers,
            signed_headers: &self.signed_headers,
            payload: &payload,
            path_rule: PathRule::of_service(&self.service),
        };
        let key = signing_key(secret, &self.timestamp, &self.region, &self.service);
        self.check_signature(&key, &canonical)?;
        if payload == UNSIGNED_PAYLOAD {
            return Ok(Verified::Unsigned);
        }
        if let Some(trailer) = streaming_trailer(&payload) {
            let scope = credential_scope(&self.timestamp, &self.region, &self.service);
            return Ok(Verified::Chunks(Decoder::signed(
                key,
                &self.timestamp,
                &scope,
                &self.signature,
                trailer,
            )));
        }
        if payload == UNSIGNED_TRAILER_PAYLOAD {
            return Ok(Verified::Chunks(Decoder::unsigned()));
        }
        match body {
            None => Ok(Verified::BodyMustHash(payload)),
            Some(body) if !is_s3 || sha256_hex(body) == payload => Ok(Verified::Whole),
            Some(_) => Err(SignatureError::PayloadHashMismatch),
        }
    }

    fn check_signature(
        &self,
        key: &hmac::Key,
        canonical: &Canonical<'_>,
    ) -> Result<(), SignatureError> {
        let scope = credential_scope(&self.timestamp, &self.region, &self.service);
        let computed = signature(key, &string_to_sign(&self.timestamp, &scope, canonical));
        if constant_time_eq(computed.as_bytes(), self.signature.as_bytes()) {
            Ok(())
        } else {
            Err(SignatureError::SignatureDoesNotMatch)
        }
    }

    fn check_scope(&self, expected: &Expected<'_>) -> Result<(), SignatureError> {
        let checks = [
            ("a valid region", expected.region, self.region.as_str()),
            ("correct service", expected.service, self.service.as_str()),
            (
                "the day of the request",
                super::day(&self.timestamp),
                self.day.as_str(),
            ),
        ];
        for (what, expected, found) in checks {
            if expected != found {
                return Err(SignatureError::WrongScope {
                    what,
                    expected: expected.to_owned(),
                    found: found.to_owned(),
                });
            }
        }
        Ok(())
    }

    /// S3 allows 15 minutes between the clocks, everyone else 5.
    fn check_time(&self, expected: &Expected<'_>) -> Result<(), SignatureError> {
        let skew = Duration::minutes(if self.service == "s3" { 15 } else { 5 });
        let latest = expected.now.saturating_add(skew);
        if self.signed_at > latest {
            return Err(SignatureError::NotYetCurrent {
                signed_at: self.timestamp.clone(),
                latest: timestamp(latest),
            });
        }
        if let Some(expires) = self.expires {
            let at = self.signed_at.saturating_add(expires);
            return if expected.now > at {
                Err(SignatureError::PresignedExpired { at })
            } else {
                Ok(())
            };
        }
        let earliest = expected.now.saturating_sub(skew);
        if self.signed_at < earliest {
            return Err(SignatureError::Expired {
                signed_at: self.timestamp.clone(),
                earliest: timestamp(earliest),
            });
        }
        Ok(())
    }

    /// The host and everything AWS acts on must be under the signature.
    fn check_coverage(&self, headers: &HeaderMap) -> Result<(), SignatureError> {
        let is_signed = |name: &str| self.signed_headers.iter().any(|signed| signed == name);
        if !is_signed("host") && !is_signed(":authority") {
            return Err(incomplete("`host` among the `SignedHeaders`"));
        }
        let needs_signature = |name: &str| name.starts_with("x-amz-") && name != "x-amz-user-agent";
        match headers
            .keys()
            .map(http::HeaderName::as_str)
            .find(|name| needs_signature(name) && !is_signed(name))
        {
            Some(name) => Err(SignatureError::HeaderNotSigned {
                name: name.to_owned(),
            }),
            None => Ok(()),
        }
    }
}

/// Whether a payload word announces signed chunks, and if so, whether a trailer follows them.
fn streaming_trailer(payload: &str) -> Option<bool> {
    match payload {
        STREAMING_PAYLOAD => Some(false),
        STREAMING_TRAILER_PAYLOAD => Some(true),
        _ => None,
    }
}

/// `20261122T101500Z`, or the HTTP date a `Date` header holds.
fn parse_timestamp(text: &str) -> Option<OffsetDateTime> {
    use time::{Date, Month, Time};
    let bytes = text.as_bytes();
    if bytes.len() != 16 || bytes[8] != b'T' || bytes[15] != b'Z' || !text.is_ascii() {
        return OffsetDateTime::parse(text, &time::format_description::well_known::Rfc2822).ok();
    }
    let number = |from: usize, to: usize| -> Option<u8> {
        text[from..to]
            .bytes()
            .all(|byte| byte.is_ascii_digit())
            .then(|| text[from..to].parse().ok())?
    };
    let year = i32::from(number(0, 2)?) * 100 + i32::from(number(2, 4)?);
    let date =
        Date::from_calendar_date(year, Month::try_from(number(4, 6)?).ok()?, number(6, 8)?).ok()?;
    let time = Time::from_hms(number(9, 11)?, number(11, 13)?, number(13, 15)?).ok()?;
    Some(date.with_time(time).assume_utc())
}

fn incomplete(part: &'static str) -> SignatureError {
    SignatureError::IncompleteSignature { part }
}
