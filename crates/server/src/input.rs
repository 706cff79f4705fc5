//! How do path, query and body of a request become values?
//!
//! Like axum's own extractors, but every refusal is a problem document.

use axum::extract::rejection::{BytesRejection, QueryRejection};
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::header::CONTENT_TYPE;
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode};
use bytes::Bytes;
use serde::de::DeserializeOwned;

use crate::problem::{Code, FieldFault, Problem};

/// The `{id}` of a path. What is not an id names nothing: 404.
pub struct Id(pub i64);

impl<S: Send + Sync> FromRequestParts<S> for Id {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let nothing = || Problem::new(Code::NotFound, "there is nothing here");
        let Path(text) = Path::<String>::from_request_parts(parts, state)
            .await
            .map_err(|_| nothing())?;
        text.parse()
            .ok()
            .filter(|id| *id > 0)
            .map(Self)
            .ok_or_else(nothing)
    }
}

/// The query string.
pub struct Params<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Params<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let parsed: Result<Query<T>, QueryRejection> =
            Query::from_request_parts(parts, state).await;
        parsed
            .map(|Query(value)| Self(value))
            .map_err(|error| Problem::new(Code::InvalidRequest, error.body_text()))
    }
}

/// A JSON body.
pub struct Body<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        if !is_json(request.headers()) {
            return Err(Problem::new(
                Code::UnsupportedMediaType,
                "the body must be `application/json`",
            ));
        }
        let bytes: Result<Bytes, BytesRejection> = Bytes::from_request(request, state).await;
        let bytes = bytes.map_err(|error| match error.status() {
            StatusCode::PAYLOAD_TOO_LARGE => {
                Problem::new(Code::PayloadTooLarge, "the body is too long")
            }
            _ => Problem::new(Code::InvalidRequest, "the body was cut off"),
        })?;
        serde_json::from_slice(&bytes).map(Self).map_err(|error| {
            Problem::new(
                Code::InvalidRequest,
                format!("the body is not what is expected: {error}"),
            )
        })
    }
}

fn is_json(headers: &HeaderMap) -> bool {
    let kind = headers
        .get(CONTENT_TYPE)
        .and_then(|kind| kind.to_str().ok())
        .unwrap_or_default();
    kind.split(';')
        .next()
        .is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/json"))
}

/// The `Idempotency-Key` of a request (IETF draft-ietf-httpapi-idempotency-key-header;
/// quotes of its structured-field form are tolerated as absent or present).
pub struct IdempotencyKey(pub Option<String>);

impl<S: Send + Sync> FromRequestParts<S> for IdempotencyKey {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let Some(value) = parts.headers.get("idempotency-key") else {
            return Ok(Self(None));
        };
        let key = value.to_str().unwrap_or_default().trim_matches('"');
        if (1..=128).contains(&key.len()) && key.bytes().all(|byte| byte.is_ascii_graphic()) {
            Ok(Self(Some(key.to_owned())))
        } else {
            let detail = "must be 1 to 128 visible ASCII characters";
            Err(Problem::fields(vec![FieldFault {
                field: "Idempotency-Key",
                detail,
            }]))
        }
    }
}

/// Collects what is wrong with the fields of a body.
#[derive(Default)]
pub struct Faults(Vec<FieldFault>);

impl Faults {
    pub fn add(&mut self, field: &'static str, detail: &'static str) {
        self.0.push(FieldFault { field, detail });
    }

    /// A trimmed text of 1 to `longest` characters, none of them a control.
    pub fn line(
        &mut self,
        field: &'static str,
        text: &str,
        longest: usize,
        detail: &'static str,
    ) -> String {
        let text = text.trim();
        let length = text.chars().count();
        if length == 0 || length > longest || text.chars().any(char::is_control) {
            self.add(field, detail);
        }
        text.to_owned()
    }

    /// # Errors
    /// Anything was added.
    pub fn check(self) -> Result<(), Problem> {
        if self.0.is_empty() {
            Ok(())
        } else {
            Err(Problem::fields(self.0))
        }
    }
}
