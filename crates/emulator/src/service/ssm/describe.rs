//! What sessions are there: DescribeSessions, GetConnectionStatus.

use serde_json::{Map, Value, json};

use super::sessions::Record;
use super::{instance_arn, seeded, time};
use crate::call::{Ask, Call};
use crate::error::{ApiError, ApiResult};
use crate::seed::Tags;
use crate::service::input::{limit, optional, required};

const MOST_RESULTS: usize = 200;

pub(super) fn describe_sessions(call: &Call<'_>, input: &Value) -> ApiResult<Value> {
    call.authorize(&Ask::new("ssm:DescribeSessions", "*"))?;
    let state = required(input, "State")?;
    let filters = filters(input)?;
    let page = Page::read(input)?;
    let sessions = call.emulator.ssm.sessions();
    let mut found: Vec<(&Record, &str)> = match state {
        "Active" => sessions
            .all_active()
            .map(|session| (&session.record, session.status()))
            .collect(),
        "History" => sessions
            .ended()
            .map(|record| {
                (
                    record,
                    record.end.as_ref().map_or("", |end| end.status.name()),
                )
            })
            .collect(),
        other => {
            return Err(invalid(format!(
                "`State` is Active or History, not `{other}`"
            )));
        }
    };
    found.retain(|(record, status)| filters.iter().all(|filter| filter.admits(record, status)));
    if state == "Active" {
        found.sort_by_key(|(record, _)| std::cmp::Reverse((record.started, &record.id)));
    }
    let shown = found.iter().map(|(record, status)| shown(record, status));
    Ok(page.cut("Sessions", shown.collect()))
}

pub(super) fn get_connection_status(call: &Call<'_>, input: &Value) -> ApiResult<Value> {
    let target = required(input, "Target")?;
    let no_tags = Tags::new();
    let tags = seeded(call.emulator, target).map_or(&no_tags, |instance| &instance.tags);
    let arn = instance_arn(call.emulator, target);
    let ask = Ask::new("ssm:GetConnectionStatus", &arn)
        .tags(tags)
        .tags_as("ssm:resourceTag", tags);
    call.authorize(&ask)?;
    let is_connected = call.emulator.ssm.fleet().is_connected(target, call.now);
    let status = if is_connected {
        "connected"
    } else {
        "notconnected"
    };
    Ok(json!({ "Target": target, "Status": status }))
}

fn shown(record: &Record, status: &str) -> Value {
    let mut members = Map::new();
    let mut put = |name: &str, value: Value| members.insert(name.to_owned(), value);
    put("SessionId", json!(record.id));
    put("Target", json!(record.target));
    put("Status", json!(status));
    put("StartDate", time(record.started));
    put("DocumentName", json!(record.document));
    put("Owner", json!(record.owner_arn));
    put("OutputUrl", json!({}));
    if let Some(reason) = &record.reason {
        put("Reason", json!(reason));
    }
    if let Some(seconds) = record.most_s {
        put("MaxSessionDuration", json!((seconds / 60).to_string()));
    }
    if let Some(end) = &record.end {
        put("EndDate", time(end.at));
        if !end.output.is_empty() {
            put("Details", json!(end.output));
        }
    }
    members.into()
}

/// A filter of DescribeSessions; its members are in lower case.
enum Filter<'a> {
    After(i64),
    Before(i64),
    Target(&'a str),
    Owner(&'a str),
    Status(&'a str),
    Id(&'a str),
}

impl Filter<'_> {
    fn admits(&self, record: &Record, status: &str) -> bool {
        match self {
            Self::After(seconds) => record.started.seconds() > *seconds,
            Self::Before(seconds) => record.started.seconds() < *seconds,
            Self::Target(target) => record.target == *target,
            Self::Owner(owner) => record.owner_arn == *owner,
            Self::Status(wanted) => status == *wanted,
            Self::Id(id) => record.id == *id,
        }
    }
}

fn filters(input: &Value) -> ApiResult<Vec<Filter<'_>>> {
    let given = match input.get("Filters") {
        None | Some(Value::Null) => return Ok(Vec::new()),
        Some(Value::Array(given)) => given,
        Some(_) => return Err(ApiError::serialization("`Filters` is not a list")),
    };
    let mut filters = Vec::new();
    for filter in given {
        let value = required(filter, "value")?;
        filters.push(match required(filter, "key")? {
            "InvokedAfter" => Filter::After(moment(value)?),
            "InvokedBefore" => Filter::Before(moment(value)?),
            "Target" => Filter::Target(value),
            "Owner" => Filter::Owner(value),
            "Status" => Filter::Status(value),
            "SessionId" => Filter::Id(value),
            other => return Err(invalid(format!("there is no filter `{other}`"))),
        });
    }
    Ok(filters)
}

/// `2026-11-22T10:00:00Z`.
fn moment(text: &str) -> ApiResult<i64> {
    use time::OffsetDateTime;
    use time::format_description::well_known::Rfc3339;
    OffsetDateTime::parse(text, &Rfc3339)
        .map(OffsetDateTime::unix_timestamp)
        .map_err(|_| invalid(format!("`{text}` is not a time like 2026-11-22T10:00:00Z")))
}

fn invalid(message: String) -> ApiError {
    ApiError::client("InvalidFilterKey", message)
}

/// A page of a list: tokens are the number of results before it.
pub(super) struct Page {
    from: usize,
    most: usize,
}

impl Page {
    pub(super) fn read(input: &Value) -> ApiResult<Self> {
        let from = optional(input, "NextToken")?.map_or(Ok(0), |token| {
            token.parse().map_err(|_| {
                ApiError::client("InvalidNextToken", "The specified token is not valid.")
            })
        })?;
        Ok(Self {
            from,
            most: limit(input, "MaxResults", MOST_RESULTS)?,
        })
    }

    pub(super) fn cut(&self, name: &str, all: Vec<Value>) -> Value {
        let end = self.from.saturating_add(self.most);
        let more = all.len() > end;
        let page: Vec<_> = all.into_iter().skip(self.from).take(self.most).collect();
        let mut answer = json!({ name: page });
        if more {
            answer["NextToken"] = json!(end.to_string());
        }
        answer
    }
}
