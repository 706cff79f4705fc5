//! CloudWatch Logs: which groups there are, and what was logged.

use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use serde_json::{Value as Json, json};

use crate::client::Client;
use crate::error::CallError;

/// Pages of one question; a page has up to 10,000 events or 50 groups.
const MAX_PAGES: usize = 1_000;
/// Between two questions of somebody who follows a group.
const INTERVAL: Duration = Duration::from_secs(1);
/// An event may be found this much later than it says it happened: following
/// looks back so far every time.
const LATENESS_MS: i64 = 30_000;
/// Events remembered so as not to be told twice.
const MAX_REMEMBERED: usize = 100_000;

/// One line of a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogEvent {
    pub id: String,
    pub stream: String,
    pub timestamp_ms: i64,
    pub message: String,
}

/// Which events of a group.
#[derive(Debug, Clone, Default)]
pub struct LogQuery {
    pub group: String,
    /// CloudWatch's filter pattern.
    pub pattern: Option<String>,
    /// From this moment on.
    pub since_ms: i64,
}

/// The names of all log groups.
///
/// # Errors
///
/// Want of permission, or no way to the service.
pub async fn describe_log_groups(client: &Client) -> Result<Vec<String>, CallError> {
    let mut groups = Vec::new();
    let mut body = json!({});
    for _ in 0..MAX_PAGES {
        let answer = client
            .json("logs", "Logs_20140328.DescribeLogGroups", &body)
            .await?;
        let list = answer["logGroups"].as_array().into_iter().flatten();
        groups.extend(list.filter_map(|group| group["logGroupName"].as_str().map(str::to_owned)));
        match next(&answer) {
            Some(token) => body["nextToken"] = json!(token),
            None => break,
        }
    }
    groups.sort();
    Ok(groups)
}

/// One page of events, oldest first, and the token of the next.
///
/// # Errors
///
/// A group that does not exist, want of permission, or no way to the service.
pub async fn filter_log_events(
    client: &Client,
    query: &LogQuery,
    token: Option<&str>,
) -> Result<(Vec<LogEvent>, Option<String>), CallError> {
    let mut body = json!({ "logGroupName": query.group, "startTime": query.since_ms });
    if let Some(pattern) = &query.pattern {
        body["filterPattern"] = json!(pattern);
    }
    if let Some(token) = token {
        body["nextToken"] = json!(token);
    }
    let answer = client
        .json("logs", "Logs_20140328.FilterLogEvents", &body)
        .await?;
    let list = answer["events"].as_array().into_iter().flatten();
    Ok((list.filter_map(event).collect(), next(&answer)))
}

fn next(answer: &Json) -> Option<String> {
    let token = answer["nextToken"].as_str()?;
    (!token.is_empty()).then(|| token.to_owned())
}

fn event(entry: &Json) -> Option<LogEvent> {
    let text = |name: &str| entry[name].as_str().map(str::to_owned);
    Some(LogEvent {
        stream: text("logStreamName")?,
        timestamp_ms: entry["timestamp"].as_i64()?,
        id: text("eventId")?,
        message: text("message")?,
    })
}

/// Reads a group to its end, and from there on what is added.
#[derive(Debug)]
pub struct Follow {
    client: Client,
    query: LogQuery,
    token: Option<String>,
    pages: usize,
    told: Told,
    latest_ms: i64,
    is_at_end: bool,
    interval: Duration,
}

impl Follow {
    #[must_use]
    pub fn new(client: Client, query: LogQuery) -> Self {
        Self {
            client,
            token: None,
            pages: 0,
            told: Told::default(),
            latest_ms: query.since_ms,
            query,
            is_at_end: false,
            interval: INTERVAL,
        }
    }

    /// Whether everything there was has been read once.
    #[must_use]
    pub fn is_at_end(&self) -> bool {
        self.is_at_end
    }

    /// The next events; none when nothing was added for a while, or just at a
    /// page's end.
    ///
    /// # Errors
    ///
    /// As [`filter_log_events`].
    pub async fn next(&mut self) -> Result<Vec<LogEvent>, CallError> {
        if self.is_at_end && self.token.is_none() {
            tokio::time::sleep(self.interval).await;
        }
        let asked = filter_log_events(&self.client, &self.query, self.token.as_deref());
        let (mut events, token) = asked.await?;
        self.pages += 1;
        self.token = token.filter(|_| self.pages < MAX_PAGES);
        events.retain(|event| self.told.is_new(&event.id));
        let latest = events.iter().map(|event| event.timestamp_ms).max();
        self.latest_ms = self.latest_ms.max(latest.unwrap_or(i64::MIN));
        if self.token.is_none() {
            self.is_at_end = true;
            self.pages = 0;
            let back = self.latest_ms - LATENESS_MS;
            self.query.since_ms = self.query.since_ms.max(back);
        }
        Ok(events)
    }
}

/// The latest events' ids.
#[derive(Debug, Default)]
struct Told {
    ids: BTreeSet<String>,
    order: VecDeque<String>,
}

impl Told {
    fn is_new(&mut self, id: &str) -> bool {
        if !self.ids.insert(id.to_owned()) {
            return false;
        }
        self.order.push_back(id.to_owned());
        if self.order.len() > MAX_REMEMBERED
            && let Some(oldest) = self.order.pop_front()
        {
            self.ids.remove(&oldest);
        }
        true
    }
}

#[cfg(test)]
mod tests;
