//! Reading: GetLogEvents of one stream, FilterLogEvents across streams.

use serde_json::{Value, json};

use super::pattern::Pattern;
use super::state::{Stored, Stream};
use super::{authorize_group, authorize_stream, group_name, invalid, no_group, no_stream};
use crate::call::Call;
use crate::error::{ApiError, ApiResult};
use crate::seed::Tags;
use crate::service::input::{flag, integer, limit, optional, required, texts};

const PAGE: usize = 10_000;
/// A page ends when its messages reach this size.
const PAGE_LIMIT_BYTES: usize = 1024 * 1024;

/// `GetLogEvents`: forward or backward through one stream; the tokens never run out.
pub(super) fn get_log_events(call: &Call<'_>, input: &Value) -> ApiResult<Value> {
    let name = group_name(input)?;
    let stream_name = required(input, "logStreamName")?;
    let logs = &call.emulator.logs;
    let groups = logs.lock();
    let group = groups.by_name.get(name);
    let none = Tags::new();
    let tags = group.map_or(&none, |group| &group.tags);
    authorize_stream(call, "logs:GetLogEvents", name, stream_name, tags)?;
    let stream = group
        .ok_or_else(no_group)?
        .streams
        .get(stream_name)
        .ok_or_else(no_stream)?;
    let (from, to) = span_of(input)?;
    let most = limit(input, "limit", PAGE)?;
    let events = stream
        .events(logs, from, to)
        .map_err(|error| ApiError::internal(&error))?;
    let (start, end) = match optional(input, "nextToken")? {
        Some(token) => page_of_token(token, &events, most)?,
        None if flag(input, "startFromHead")? => (0, events.len().min(most)),
        None => (events.len().saturating_sub(most), events.len()),
    };
    let page = &events[start..end];
    let position = |at: usize| events.get(at).map_or(u64::MAX, |event| event.number);
    Ok(json!({
        "events": page.iter().map(event_json).collect::<Vec<_>>(),
        // A position is the number of the event before which it stands.
        "nextForwardToken": format!("f/{:056}", if end < events.len() { position(end) } else { after(&events) }),
        "nextBackwardToken": format!("b/{:056}", if start == events.len() { after(&events) } else { position(start) }),
    }))
}

/// The position after the last event, which the next event to come will have or pass.
fn after(events: &[Stored]) -> u64 {
    events
        .iter()
        .map(|event| event.number + 1)
        .max()
        .unwrap_or(0)
}

fn page_of_token(token: &str, events: &[Stored], most: usize) -> ApiResult<(usize, usize)> {
    let wrong = || invalid("The specified nextToken is invalid.");
    let (direction, number) = token.split_once('/').ok_or_else(wrong)?;
    let number: u64 = number.parse().map_err(|_| wrong())?;
    let at = events
        .iter()
        .position(|event| event.number >= number)
        .unwrap_or(events.len());
    match direction {
        "f" => Ok((at, events.len().min(at.saturating_add(most)))),
        "b" => Ok((at.saturating_sub(most), at)),
        _ => Err(wrong()),
    }
}

/// `FilterLogEvents`: events of many streams in order of time, those that match a pattern.
pub(super) fn filter_log_events(call: &Call<'_>, input: &Value) -> ApiResult<Value> {
    let name = group_name(input)?;
    let logs = &call.emulator.logs;
    let groups = logs.lock();
    let group = groups.by_name.get(name);
    let none = Tags::new();
    authorize_group(
        call,
        "logs:FilterLogEvents",
        name,
        group.map_or(&none, |g| &g.tags),
    )?;
    let group = group.ok_or_else(no_group)?;
    let pattern = Pattern::parse(optional(input, "filterPattern")?.unwrap_or_default())
        .map_err(|error| invalid(format!("Invalid filter pattern: {error}")))?;
    let names = texts(input, "logStreamNames")?;
    let prefix = optional(input, "logStreamNamePrefix")?.unwrap_or_default();
    if !names.is_empty() && !prefix.is_empty() {
        return Err(invalid(
            "logStreamNames and logStreamNamePrefix cannot both be given",
        ));
    }
    if let Some(missing) = names
        .iter()
        .find(|name| !group.streams.contains_key(**name))
    {
        return Err(ApiError::client(
            "ResourceNotFoundException",
            format!("The specified log stream does not exist: {missing}"),
        ));
    }
    let chosen = |stream: &&Stream| {
        (names.is_empty() || names.contains(&stream.name.as_str()))
            && stream.name.starts_with(prefix)
    };
    let (from, to) = span_of(input)?;
    let most = limit(input, "limit", PAGE)?;
    let after = optional(input, "nextToken")?
        .map(parse_position)
        .transpose()?;
    let mut found: Vec<(Stored, &str)> = Vec::new();
    for stream in group.streams.values().filter(chosen) {
        let events = stream
            .events(logs, from, to)
            .map_err(|error| ApiError::internal(&error))?;
        let fresh = events
            .into_iter()
            .filter(|event| after.is_none_or(|after| (event.timestamp_ms, event.number) > after))
            .filter(|event| pattern.matches(&event.message));
        found.extend(fresh.map(|event| (event, stream.name.as_str())));
    }
    found.sort_by_key(|(event, _)| (event.timestamp_ms, event.number));
    let end = page_end(&found, most);
    let page = &found[..end];
    let events: Vec<Value> = page
        .iter()
        .map(|(event, stream)| {
            let mut out = event_json(event);
            out["logStreamName"] = json!(stream);
            out["eventId"] = json!(event.event_id());
            out
        })
        .collect();
    let mut answer = json!({ "events": events, "searchedLogStreams": [] });
    if let Some((last, _)) = page.last().filter(|_| end < found.len()) {
        answer["nextToken"] = json!(format!("{}.{}", last.timestamp_ms, last.number));
    }
    Ok(answer)
}

fn page_end(found: &[(Stored, &str)], most: usize) -> usize {
    let mut bytes = 0;
    for (index, (event, _)) in found.iter().enumerate() {
        bytes += event.message.len();
        if index == most || (bytes > PAGE_LIMIT_BYTES && index > 0) {
            return index;
        }
    }
    found.len()
}

fn parse_position(token: &str) -> ApiResult<(i64, u64)> {
    token
        .split_once('.')
        .and_then(|(time, number)| Some((time.parse().ok()?, number.parse().ok()?)))
        .ok_or_else(|| invalid("The specified nextToken is invalid."))
}

/// `startTime` is inclusive, `endTime` exclusive.
fn span_of(input: &Value) -> ApiResult<(i64, i64)> {
    let from = integer(input, "startTime")?.unwrap_or(i64::MIN);
    let to = integer(input, "endTime")?.unwrap_or(i64::MAX);
    Ok((from, to))
}

fn event_json(event: &Stored) -> Value {
    json!({
        "timestamp": event.timestamp_ms,
        "message": event.message,
        "ingestionTime": event.ingested_ms,
    })
}
