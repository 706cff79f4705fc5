//! Amazon CloudWatch Logs: groups, streams, events; what `aws logs tail` needs and no more.

use serde_json::Value;

use crate::call::{Ask, Call};
use crate::error::{ApiError, ApiResult};
use crate::seed::Tags;

mod describe;
mod disk;
mod get;
mod pattern;
mod put;
mod state;

pub use state::LogEvent;
pub(crate) use state::{AppendError, Logs};

/// Runs a CloudWatch Logs operation.
pub(crate) fn handle(call: &Call<'_>, operation: &str, input: &Value) -> ApiResult<Value> {
    match operation {
        "CreateLogGroup" => put::create_log_group(call, input),
        "CreateLogStream" => put::create_log_stream(call, input),
        "PutLogEvents" => put::put_log_events(call, input),
        "DescribeLogGroups" => describe::describe_log_groups(call, input),
        "DescribeLogStreams" => describe::describe_log_streams(call, input),
        "GetLogEvents" => get::get_log_events(call, input),
        "FilterLogEvents" => get::filter_log_events(call, input),
        other => Err(ApiError::unsupported("Amazon CloudWatch Logs", other)),
    }
}

/// May the caller do this to the group? Group-level ARNs end in `:*` in IAM's eyes, and a policy may
/// be written with or without it ("CloudWatch Logs resources and operations").
fn authorize_group(call: &Call<'_>, action: &str, name: &str, tags: &Tags) -> ApiResult<()> {
    let arn = call.emulator.arn("logs", &format!("log-group:{name}:*"));
    call.authorize(&Ask::new(action, &arn).tags(tags))
}

/// May the caller do this to the stream?
fn authorize_stream(
    call: &Call<'_>,
    action: &str,
    group: &str,
    stream: &str,
    tags: &Tags,
) -> ApiResult<()> {
    let arn = call
        .emulator
        .arn("logs", &format!("log-group:{group}:log-stream:{stream}"));
    call.authorize(&Ask::new(action, &arn).tags(tags))
}

/// The group an input names, by `logGroupName` or `logGroupIdentifier` (a name or an ARN).
fn group_name(input: &Value) -> ApiResult<&str> {
    use crate::service::input::{optional, required};
    let Some(identifier) = optional(input, "logGroupIdentifier")? else {
        return required(input, "logGroupName");
    };
    let name = identifier.split(":log-group:").nth(1).unwrap_or(identifier);
    Ok(name.strip_suffix(":*").unwrap_or(name))
}

fn no_group() -> ApiError {
    ApiError::client(
        "ResourceNotFoundException",
        "The specified log group does not exist.",
    )
}

fn no_stream() -> ApiError {
    ApiError::client(
        "ResourceNotFoundException",
        "The specified log stream does not exist.",
    )
}

fn invalid(message: impl Into<String>) -> ApiError {
    ApiError::client("InvalidParameterException", message)
}
