//! Listing: DescribeLogGroups, DescribeLogStreams.

use serde_json::{Value, json};

use super::state::{Group, Stream};
use super::{authorize_group, group_name, invalid, no_group};
use crate::call::{Ask, Call};
use crate::error::ApiResult;
use crate::seed::Tags;
use crate::service::input::{flag, limit, optional};

const PAGE: usize = 50;

/// `DescribeLogGroups`, by prefix or by a part of the name.
pub(super) fn describe_log_groups(call: &Call<'_>, input: &Value) -> ApiResult<Value> {
    let arn = call.emulator.arn("logs", "log-group:*");
    call.authorize(&Ask::new("logs:DescribeLogGroups", &arn))?;
    let prefix = optional(input, "logGroupNamePrefix")?.unwrap_or_default();
    let part = optional(input, "logGroupNamePattern")?.unwrap_or_default();
    let most = limit(input, "limit", PAGE)?;
    let after = optional(input, "nextToken")?;
    let groups = call.emulator.logs.lock();
    let mut found = groups
        .by_name
        .values()
        .filter(|group| group.name.starts_with(prefix))
        .filter(|group| group.name.to_lowercase().contains(&part.to_lowercase()))
        .filter(|group| after.is_none_or(|after| group.name.as_str() > after));
    let page: Vec<&Group> = found.by_ref().take(most).collect();
    let mut answer = json!({ "logGroups": page.iter().map(|g| group_json(g)).collect::<Vec<_>>() });
    if found.next().is_some() {
        answer["nextToken"] = json!(page.last().map(|group| &group.name));
    }
    Ok(answer)
}

/// `DescribeLogStreams`, by name or by the time of the last event.
pub(super) fn describe_log_streams(call: &Call<'_>, input: &Value) -> ApiResult<Value> {
    let name = group_name(input)?;
    let groups = call.emulator.logs.lock();
    let group = groups.by_name.get(name);
    let none = Tags::new();
    authorize_group(
        call,
        "logs:DescribeLogStreams",
        name,
        group.map_or(&none, |g| &g.tags),
    )?;
    let group = group.ok_or_else(no_group)?;
    let prefix = optional(input, "logStreamNamePrefix")?.unwrap_or_default();
    let most = limit(input, "limit", PAGE)?;
    let mut streams: Vec<&Stream> = group
        .streams
        .values()
        .filter(|stream| stream.name.starts_with(prefix))
        .collect();
    match optional(input, "orderBy")? {
        None | Some("LogStreamName") => {}
        Some("LastEventTime") if prefix.is_empty() => {
            streams.sort_by_key(|stream| (stream.span().map(|span| span.1), stream.name.clone()));
        }
        Some("LastEventTime") => {
            return Err(invalid(
                "Cannot order by LastEventTime with a logStreamNamePrefix.",
            ));
        }
        Some(other) => return Err(invalid(format!("`{other}` is not an order"))),
    }
    if flag(input, "descending")? {
        streams.reverse();
    }
    let skip = match optional(input, "nextToken")? {
        None => 0,
        Some(token) => token
            .parse()
            .map_err(|_| invalid("The specified nextToken is invalid."))?,
    };
    let page: Vec<_> = streams
        .iter()
        .skip(skip)
        .take(most)
        .map(|stream| stream_json(group, stream))
        .collect();
    let mut answer = json!({ "logStreams": page });
    if skip + most < streams.len() {
        answer["nextToken"] = json!((skip + most).to_string());
    }
    Ok(answer)
}

fn group_json(group: &Group) -> Value {
    let mut out = json!({
        "logGroupName": group.name,
        "logGroupArn": group.arn,
        "arn": format!("{}:*", group.arn),
        "creationTime": group.created.0,
        "metricFilterCount": 0,
        "storedBytes": group.streams.values().map(Stream::stored_bytes).sum::<u64>(),
        "logGroupClass": "STANDARD",
    });
    if let Some(days) = group.retention_days {
        out["retentionInDays"] = json!(days);
    }
    if let Some(key) = &group.kms_key_arn {
        out["kmsKeyId"] = json!(key);
    }
    out
}

fn stream_json(group: &Group, stream: &Stream) -> Value {
    let mut out = json!({
        "logStreamName": stream.name,
        "arn": format!("{}:log-stream:{}", group.arn, stream.name),
        "creationTime": stream.created.0,
        // AWS stopped counting bytes by stream in 2019.
        "storedBytes": 0,
    });
    if let Some((oldest, newest, ingested)) = stream.span() {
        out["firstEventTimestamp"] = json!(oldest);
        out["lastEventTimestamp"] = json!(newest);
        out["lastIngestionTime"] = json!(ingested);
    }
    out
}
