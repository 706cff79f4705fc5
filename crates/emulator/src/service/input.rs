//! Reading the members of a JSON operation's input, with the errors AWS gives for a bad one.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use crate::error::{ApiError, ApiResult};

/// A text that must be there.
pub(crate) fn required<'a>(input: &'a Value, name: &str) -> ApiResult<&'a str> {
    optional(input, name)?.ok_or_else(|| missing(name))
}

/// A text that may be there.
pub(crate) fn optional<'a>(input: &'a Value, name: &str) -> ApiResult<Option<&'a str>> {
    match input.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(wrong_type(name, "a string")),
    }
}

/// A whole number that may be there.
pub(crate) fn integer(input: &Value, name: &str) -> ApiResult<Option<i64>> {
    match input.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => value
            .as_i64()
            .map(Some)
            .ok_or_else(|| wrong_type(name, "a number")),
    }
}

/// A page size within `1..=most`, `most` when absent.
pub(crate) fn limit(input: &Value, name: &str, most: usize) -> ApiResult<usize> {
    match integer(input, name)? {
        None => Ok(most),
        Some(value) => usize::try_from(value)
            .ok()
            .filter(|value| (1..=most).contains(value))
            .ok_or_else(|| {
                let message = format!("`{name}` must be between 1 and {most}, not {value}");
                ApiError::client("ValidationException", message)
            }),
    }
}

/// A truth value, `false` when absent.
pub(crate) fn flag(input: &Value, name: &str) -> ApiResult<bool> {
    match input.get(name) {
        None | Some(Value::Null) => Ok(false),
        Some(value) => value.as_bool().ok_or_else(|| wrong_type(name, "a boolean")),
    }
}

/// A list of texts, empty when absent.
pub(crate) fn texts<'a>(input: &'a Value, name: &str) -> ApiResult<Vec<&'a str>> {
    match input.get(name) {
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(Value::Array(items)) => items
            .iter()
            .map(|item| {
                item.as_str()
                    .ok_or_else(|| wrong_type(name, "a list of strings"))
            })
            .collect(),
        Some(_) => Err(wrong_type(name, "a list of strings")),
    }
}

/// Bytes, which JSON carries as base64.
pub(crate) fn blob(input: &Value, name: &str) -> ApiResult<Option<Vec<u8>>> {
    let Some(text) = optional(input, name)? else {
        return Ok(None);
    };
    STANDARD
        .decode(text)
        .map(Some)
        .map_err(|_| wrong_type(name, "base64"))
}

/// Bytes that must be there.
pub(crate) fn required_blob(input: &Value, name: &str) -> ApiResult<Vec<u8>> {
    blob(input, name)?.ok_or_else(|| missing(name))
}

/// Bytes as JSON carries them.
pub(crate) fn encode(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

fn missing(name: &str) -> ApiError {
    let message = format!(
        "1 validation error detected: Value null at '{name}' failed to satisfy constraint: \
         Member must not be null"
    );
    ApiError::client("ValidationException", message)
}

fn wrong_type(name: &str, wanted: &str) -> ApiError {
    ApiError::serialization(format!("`{name}` is not {wanted}"))
}
