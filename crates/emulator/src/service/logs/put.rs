//! Writing: CreateLogGroup (as far as permissions go), CreateLogStream, PutLogEvents.

use serde_json::{Value, json};

use super::state::{AppendError, LogEvent};
use super::{authorize_group, authorize_stream, group_name, invalid, no_group, no_stream};
use crate::call::Call;
use crate::error::{ApiError, ApiResult};
use crate::seed::Tags;
use crate::service::input::required;

/// Limits of "PutLogEvents".
const BATCH_LIMIT_EVENTS: usize = 10_000;
const BATCH_LIMIT_BYTES: usize = 1_048_576;
const EVENT_OVERHEAD_BYTES: usize = 26;
const SPAN_LIMIT_MS: i64 = 24 * 3_600 * 1_000;
const FUTURE_LIMIT_MS: i64 = 2 * 3_600 * 1_000;
const PAST_LIMIT_MS: i64 = 14 * 24 * 3_600 * 1_000;
const DAY_MS: i64 = 24 * 3_600 * 1_000;

/// `CreateLogGroup`: groups are the template's; who asks learns whether they may, then that the
/// group exists, as `awslogs-create-group` expects, or that this region makes none.
pub(super) fn create_log_group(call: &Call<'_>, input: &Value) -> ApiResult<Value> {
    let name = required(input, "logGroupName")?;
    let tags = tags_of(call, name).unwrap_or_default();
    authorize_group(call, "logs:CreateLogGroup", name, &tags)?;
    if call.emulator.logs.lock().by_name.contains_key(name) {
        return Err(exists("The specified log group already exists"));
    }
    let operation = format!("CreateLogGroup` of a group outside the template, `{name}");
    Err(ApiError::unsupported("Amazon CloudWatch Logs", &operation))
}

/// `CreateLogStream`.
pub(super) fn create_log_stream(call: &Call<'_>, input: &Value) -> ApiResult<Value> {
    let group = group_name(input)?;
    let stream = required(input, "logStreamName")?;
    if !(1..=512).contains(&stream.len()) || stream.contains([':', '*']) {
        return Err(invalid(format!("`{stream}` is not a log stream name")));
    }
    let tags = tags_of(call, group);
    authorize_stream(
        call,
        "logs:CreateLogStream",
        group,
        stream,
        tags.as_ref().unwrap_or(&Tags::new()),
    )?;
    match call.emulator.logs.create_stream(group, stream, call.now) {
        Ok(true) => Ok(json!({})),
        Ok(false) => Err(exists("The specified log stream already exists")),
        Err(error) => Err(refused(&error)),
    }
}

/// `PutLogEvents`: a batch in order of time; events too old or too new are left out and counted.
pub(super) fn put_log_events(call: &Call<'_>, input: &Value) -> ApiResult<Value> {
    let group = group_name(input)?;
    let stream = required(input, "logStreamName")?;
    let events = events_of(input)?;
    let (tags, retention) = {
        let groups = call.emulator.logs.lock();
        let found = groups.by_name.get(group);
        (
            found.map(|g| g.tags.clone()).unwrap_or_default(),
            found.and_then(|g| g.retention_days),
        )
    };
    authorize_stream(call, "logs:PutLogEvents", group, stream, &tags)?;
    let now = call.now.0;
    let expired = retention.map_or(i64::MIN, |days| now - i64::from(days) * DAY_MS);
    let too_old = now - PAST_LIMIT_MS;
    let first_new = events
        .iter()
        .position(|e| e.timestamp_ms > now + FUTURE_LIMIT_MS);
    let last_old = events.iter().rposition(|e| e.timestamp_ms < too_old);
    let last_expired = events.iter().rposition(|e| e.timestamp_ms < expired);
    let kept: Vec<LogEvent> = events
        .into_iter()
        .filter(|e| (too_old.max(expired)..=now + FUTURE_LIMIT_MS).contains(&e.timestamp_ms))
        .collect();
    call.emulator
        .logs
        .append_existing(group, stream, &kept, call.now)
        .map_err(|error| refused(&error))?;
    let mut rejected = serde_json::Map::new();
    if let Some(index) = first_new {
        rejected.insert("tooNewLogEventStartIndex".to_owned(), json!(index));
    }
    if let Some(index) = last_old {
        rejected.insert("tooOldLogEventEndIndex".to_owned(), json!(index + 1));
    }
    if let Some(index) = last_expired {
        rejected.insert("expiredLogEventEndIndex".to_owned(), json!(index + 1));
    }
    // Tokens are ignored by AWS since 2023, and still handed out.
    let mut answer = json!({ "nextSequenceToken": call.request_id });
    if !rejected.is_empty() {
        answer["rejectedLogEventsInfo"] = Value::Object(rejected);
    }
    Ok(answer)
}

fn events_of(input: &Value) -> ApiResult<Vec<LogEvent>> {
    let list = input.get("logEvents").and_then(Value::as_array);
    let list = list.ok_or_else(|| invalid("`logEvents` is not a list"))?;
    if !(1..=BATCH_LIMIT_EVENTS).contains(&list.len()) {
        return Err(invalid(format!(
            "a batch has 1 to {BATCH_LIMIT_EVENTS} log events"
        )));
    }
    let mut events = Vec::with_capacity(list.len());
    for (index, entry) in list.iter().enumerate() {
        let timestamp_ms = entry
            .get("timestamp")
            .and_then(Value::as_i64)
            .filter(|t| *t >= 0);
        let message = entry
            .get("message")
            .and_then(Value::as_str)
            .filter(|m| !m.is_empty());
        let (Some(timestamp_ms), Some(message)) = (timestamp_ms, message) else {
            return Err(invalid(format!(
                "log event {index} lacks a timestamp or a message"
            )));
        };
        events.push(LogEvent {
            timestamp_ms,
            message: message.to_owned(),
        });
    }
    let bytes: usize = events
        .iter()
        .map(|e| e.message.len() + EVENT_OVERHEAD_BYTES)
        .sum();
    if bytes > BATCH_LIMIT_BYTES {
        return Err(invalid(format!(
            "Upload too large: {bytes} bytes exceeds limit of {BATCH_LIMIT_BYTES}"
        )));
    }
    if !events.is_sorted_by_key(|event| event.timestamp_ms) {
        return Err(invalid(
            "Log events in a single PutLogEvents request must be in chronological order.",
        ));
    }
    let span = match (events.first(), events.last()) {
        (Some(first), Some(last)) => last.timestamp_ms - first.timestamp_ms,
        _ => 0,
    };
    if span > SPAN_LIMIT_MS {
        return Err(invalid(
            "The batch of log events in a single PutLogEvents request cannot span more than 24 hours.",
        ));
    }
    Ok(events)
}

fn tags_of(call: &Call<'_>, group: &str) -> Option<Tags> {
    call.emulator
        .logs
        .lock()
        .by_name
        .get(group)
        .map(|group| group.tags.clone())
}

fn exists(message: &str) -> ApiError {
    ApiError::client("ResourceAlreadyExistsException", message)
}

fn refused(error: &AppendError) -> ApiError {
    match error {
        AppendError::NoGroup => no_group(),
        AppendError::NoStream => no_stream(),
        AppendError::Vault(error) => ApiError::internal(error),
    }
}
