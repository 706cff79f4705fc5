//! What does a service answer when it will not? Status, code and message, before any wire shape.

use std::borrow::Cow;

use http::StatusCode;

/// An AWS error: the code is part of the service's API, the message is for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ApiError {
    pub(crate) status: StatusCode,
    pub(crate) code: Cow<'static, str>,
    pub(crate) message: String,
}

/// What an operation comes to.
pub(crate) type ApiResult<T> = Result<T, ApiError>;

impl ApiError {
    /// A fault of the caller, 400.
    pub(crate) fn client(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, message)
    }

    /// An error with a status of its own.
    pub(crate) fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self {
            status,
            code: Cow::Borrowed(code),
            message: message.into(),
        }
    }

    /// The emulator failed to do what it accepted to do, such as a write to a full disk.
    pub(crate) fn internal(cause: &dyn std::error::Error) -> Self {
        let mut message = cause.to_string();
        let mut source = cause.source();
        while let Some(cause) = source {
            message.push_str(": ");
            message.push_str(&cause.to_string());
            source = cause.source();
        }
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "InternalFailure",
            message,
        )
    }

    /// An operation AWS has and this emulator does not, refused by name.
    pub(crate) fn unsupported(service: &str, operation: &str) -> Self {
        Self::new(
            StatusCode::NOT_IMPLEMENTED,
            "NotImplemented",
            format!("the local region does not implement `{operation}` of `{service}`"),
        )
    }

    /// The body is not what the operation takes.
    pub(crate) fn serialization(reason: impl Into<String>) -> Self {
        Self::client("SerializationException", reason)
    }
}
