//! How does a request fail, in words a program and a person can use?
//!
//! Every error leaves as an RFC 9457 problem document with one extension
//! member, `code`: the stable word a client switches on. `detail` is for
//! people and may change.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use crate::database::DatabaseError;

/// The stable words of the API's errors.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Code {
    /// The request is not what the route takes: see `errors`.
    InvalidRequest,
    /// No token, or one that is not (or no longer) good.
    Unauthorized,
    /// Signed in, but `signin-up` was never called, or the account is deleted.
    NotRegistered,
    /// Signed in, but this is for administrators.
    Forbidden,
    NotFound,
    MethodNotAllowed,
    MatchFull,
    AlreadyJoined,
    /// Its time has come, or it was canceled.
    MatchClosed,
    NotJoined,
    /// More players have joined than the new number of seats.
    SeatsTaken,
    /// An administrator cannot change their own role.
    OwnRole,
    PayloadTooLarge,
    UnsupportedMediaType,
    TooManyRequests,
    /// The work took too long; what it did is unknown, asking again is safe.
    Timeout,
    /// The database (or the key set) does not answer just now.
    Unavailable,
    Internal,
}

impl Code {
    /// The HTTP status this code always comes with.
    #[must_use]
    pub fn status(self) -> StatusCode {
        match self {
            Self::InvalidRequest => StatusCode::BAD_REQUEST,
            Self::Unauthorized => StatusCode::UNAUTHORIZED,
            Self::NotRegistered | Self::Forbidden => StatusCode::FORBIDDEN,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::MatchFull
            | Self::AlreadyJoined
            | Self::MatchClosed
            | Self::NotJoined
            | Self::SeatsTaken
            | Self::OwnRole => StatusCode::CONFLICT,
            Self::PayloadTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::UnsupportedMediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::TooManyRequests => StatusCode::TOO_MANY_REQUESTS,
            Self::Timeout | Self::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
}

/// What is wrong with one field of a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FieldFault {
    pub field: &'static str,
    pub detail: &'static str,
}

/// A failed request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    pub code: Code,
    pub detail: String,
    pub errors: Vec<FieldFault>,
    /// Seconds after which asking again makes sense.
    pub retry_after_s: Option<u64>,
}

impl Problem {
    pub fn new(code: Code, detail: impl Into<String>) -> Self {
        let retry_after_s = matches!(code, Code::Timeout | Code::Unavailable).then_some(1);
        Self {
            code,
            detail: detail.into(),
            errors: Vec::new(),
            retry_after_s,
        }
    }

    /// A request whose fields are at fault.
    #[must_use]
    pub fn fields(errors: Vec<FieldFault>) -> Self {
        Self {
            errors,
            ..Self::new(Code::InvalidRequest, "some fields are not valid")
        }
    }
}

/// RFC 9457 §3.1 with our extension members.
#[derive(Serialize)]
struct Document<'a> {
    r#type: &'static str,
    title: &'static str,
    status: u16,
    code: Code,
    detail: &'a str,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    errors: &'a [FieldFault],
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = self.code.status();
        let document = Document {
            r#type: "about:blank",
            title: status.canonical_reason().unwrap_or("Error"),
            status: status.as_u16(),
            code: self.code,
            detail: &self.detail,
            errors: &self.errors,
        };
        let mut response = (status, Json(document)).into_response();
        let headers = response.headers_mut();
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/problem+json"),
        );
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if let Some(seconds) = self.retry_after_s {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response.extensions_mut().insert(self.code);
        response
    }
}

/// A failure of the database that no handler gave a meaning is told here,
/// once, and reported to the caller without its particulars.
impl From<DatabaseError> for Problem {
    fn from(error: DatabaseError) -> Self {
        let unavailable = error.is_unavailable();
        tracing::error!(
            db.error = %crate::telemetry::chain(&error),
            db.unavailable = unavailable,
            "database request failed"
        );
        if unavailable {
            Self::new(
                Code::Unavailable,
                "the service cannot reach its database just now",
            )
        } else {
            Self::new(Code::Internal, "something went wrong on our side")
        }
    }
}

impl From<tokio_postgres::Error> for Problem {
    fn from(error: tokio_postgres::Error) -> Self {
        DatabaseError::from(error).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::BodyExt;

    #[tokio::test]
    async fn a_problem_document_has_its_media_type_code_and_faults() {
        let fault = FieldFault {
            field: "maxPlayers",
            detail: "must be 2 to 22",
        };
        let response = Problem::fields(vec![fault]).into_response();
        assert_eq!(response.status(), StatusCode::BAD_REQUEST);
        assert_eq!(
            response.headers()[header::CONTENT_TYPE],
            "application/problem+json"
        );
        let body = response
            .into_body()
            .collect()
            .await
            .expect("in memory")
            .to_bytes();
        let body: serde_json::Value = serde_json::from_slice(&body).expect("json");
        assert_eq!(
            body,
            serde_json::json!({
                "type": "about:blank", "title": "Bad Request", "status": 400,
                "code": "INVALID_REQUEST", "detail": "some fields are not valid",
                "errors": [{"field": "maxPlayers", "detail": "must be 2 to 22"}]
            })
        );
    }

    #[test]
    fn a_refused_token_names_its_scheme_and_an_outage_says_when_to_ask_again() {
        let refused = Problem::new(Code::Unauthorized, "no token").into_response();
        assert_eq!(refused.headers()[header::WWW_AUTHENTICATE], "Bearer");
        let outage = Problem::new(Code::Unavailable, "down").into_response();
        assert_eq!(outage.headers()[header::RETRY_AFTER], "1");
    }
}
