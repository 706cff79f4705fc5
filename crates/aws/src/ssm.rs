//! Systems Manager: sessions and the instances they lead to.

use std::collections::BTreeMap;

use serde_json::{Value as Json, json};

use crate::client::Client;
use crate::error::CallError;

mod dialer;

pub use dialer::{CLIENT_VERSION, SessionDialer, SessionStarter};

/// Instances asked for at once, and how often at most: 1,000 instances.
const PAGE: u32 = 50;
const MAX_PAGES: usize = 20;

/// Where a session leads and what it carries.
#[derive(Debug, Clone, Default)]
pub struct SessionRequest {
    /// An instance's id.
    pub target: String,
    /// Without one, the account's own preferences decide: a shell.
    pub document: Option<String>,
    pub parameters: BTreeMap<String, Vec<String>>,
    pub reason: Option<String>,
}

/// A session's name, and the way to its data channel for one attempt.
#[derive(Clone)]
pub struct SessionAccess {
    pub session_id: String,
    pub stream_url: String,
    /// Good for one connection. Not shown by `Debug`.
    pub token: String,
}

impl std::fmt::Debug for SessionAccess {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SessionAccess")
            .field("session_id", &self.session_id)
            .field("stream_url", &self.stream_url)
            .finish_non_exhaustive()
    }
}

/// Opens a session.
///
/// # Errors
///
/// `TargetNotConnected`, want of permission, or no way to the service.
pub async fn start_session(
    client: &Client,
    request: &SessionRequest,
) -> Result<SessionAccess, CallError> {
    let operation = "AmazonSSM.StartSession";
    let mut body = json!({ "Target": request.target });
    if let Some(document) = &request.document {
        body["DocumentName"] = json!(document);
    }
    if !request.parameters.is_empty() {
        body["Parameters"] = json!(request.parameters);
    }
    if let Some(reason) = &request.reason {
        body["Reason"] = json!(reason);
    }
    let answer = client.json("ssm", operation, &body).await?;
    access(&answer).ok_or(CallError::Answer {
        operation: operation.to_owned(),
        reason: "it has no session",
    })
}

/// A new way to a session's data channel; `None` when the session is over.
///
/// # Errors
///
/// As [`start_session`]; a session nobody knows is an error too.
pub async fn resume_session(
    client: &Client,
    session_id: &str,
) -> Result<Option<SessionAccess>, CallError> {
    let body = json!({ "SessionId": session_id });
    let answer = client.json("ssm", "AmazonSSM.ResumeSession", &body).await?;
    Ok(access(&answer))
}

/// Ends a session.
///
/// # Errors
///
/// Want of permission, or no way to the service.
pub async fn terminate_session(client: &Client, session_id: &str) -> Result<(), CallError> {
    let body = json!({ "SessionId": session_id });
    let ended = client.json("ssm", "AmazonSSM.TerminateSession", &body);
    ended.await.map(drop)
}

fn access(answer: &Json) -> Option<SessionAccess> {
    let field = |name: &str| {
        let text = answer[name].as_str();
        text.filter(|text| !text.is_empty()).map(str::to_owned)
    };
    Some(SessionAccess {
        session_id: field("SessionId")?,
        stream_url: field("StreamUrl")?,
        token: field("TokenValue")?,
    })
}

/// An instance whose agent has reported to Systems Manager.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Instance {
    pub id: String,
    /// Heard of lately.
    pub is_online: bool,
    pub name: Option<String>,
    pub address: Option<String>,
}

/// The instances that have such a tag (`tag:aws:autoscaling:groupName`) or
/// property (`InstanceIds`), by id.
///
/// # Errors
///
/// Want of permission, or no way to the service.
pub async fn describe_instance_information(
    client: &Client,
    filters: &[(&str, &[&str])],
) -> Result<Vec<Instance>, CallError> {
    let operation = "AmazonSSM.DescribeInstanceInformation";
    let filters: Vec<Json> = filters
        .iter()
        .map(|(key, values)| json!({ "Key": key, "Values": values }))
        .collect();
    let mut body = json!({ "MaxResults": PAGE });
    if !filters.is_empty() {
        body["Filters"] = json!(filters);
    }
    let mut instances = Vec::new();
    for _ in 0..MAX_PAGES {
        let answer = client.json("ssm", operation, &body).await?;
        let list = answer["InstanceInformationList"].as_array();
        instances.extend(list.into_iter().flatten().filter_map(instance));
        match answer["NextToken"]
            .as_str()
            .filter(|token| !token.is_empty())
        {
            Some(token) => body["NextToken"] = json!(token),
            None => break,
        }
    }
    instances.sort_by(|a, b| a.id.cmp(&b.id));
    Ok(instances)
}

fn instance(entry: &Json) -> Option<Instance> {
    let text = |name: &str| entry[name].as_str().map(str::to_owned);
    Some(Instance {
        id: text("InstanceId")?,
        is_online: entry["PingStatus"] == "Online",
        name: text("ComputerName"),
        address: text("IPAddress"),
    })
}

/// Whether a session with this instance could be opened now.
///
/// # Errors
///
/// Want of permission, or no way to the service.
pub async fn is_connected(client: &Client, target: &str) -> Result<bool, CallError> {
    let body = json!({ "Target": target });
    let answer = client
        .json("ssm", "AmazonSSM.GetConnectionStatus", &body)
        .await?;
    Ok(answer["Status"] == "connected")
}

#[cfg(test)]
mod tests;
