//! Messages to agents beside sessions: Run Command's way to an instance.
//!
//! An agent asks for messages and waits up to 20 seconds for the first. The wait is a future that the
//! connection's own runtime polls; no thread is held by it.

use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::digest;
use bytes::Bytes;
use http::Response;
use serde_json::{Value, json};

use crate::answer::Outcome;
use crate::call::Call;
use crate::emulator::Emulator;
use crate::error::{ApiError, ApiResult};
use crate::random;
use crate::route::Service;
use crate::service::input::{integer, optional, required};
use crate::service::ssm::authorize_agent;
use crate::service::ssm::commands::{Command, message_id, of_message};
use crate::wire;

/// Longest wait for a message.
const WAIT: Duration = Duration::from_secs(20);
/// Messages that were handed out and not acknowledged come back: looked for this often.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Messages in one answer.
const MOST_MESSAGES: usize = 10;
/// How long a message handed out is hidden, unless the agent says.
const HIDDEN_S: i64 = 10;
const MOST_HIDDEN_S: i64 = 12 * 3_600;

/// Runs an operation.
pub(crate) fn handle(call: &Call<'_>, operation: &str, input: &Value) -> ApiResult<Outcome> {
    let answer = match operation {
        "GetMessages" => return get_messages(call, input),
        "AcknowledgeMessage" => acknowledge_message(call, input)?,
        "SendReply" => send_reply(call, input)?,
        "DeleteMessage" => {
            // what is through is not handed out again; until then the message stays
            message_of(call, "ec2messages:DeleteMessage", input)?;
            json!({})
        }
        "FailMessage" => fail_message(call, input)?,
        "GetEndpoint" => get_endpoint(call, input)?,
        other => return Err(ApiError::unsupported(Service::Ec2Messages.title(), other)),
    };
    Ok(wire::json(&answer).into())
}

fn get_messages(call: &Call<'_>, input: &Value) -> ApiResult<Outcome> {
    let instance = required(input, "Destination")?;
    authorize_agent(call, "ec2messages:GetMessages", instance, None)?;
    let hidden_s = integer(input, "VisibilityTimeoutInSeconds")?.unwrap_or(HIDDEN_S);
    Ok(Outcome::Poll(LongPoll {
        instance: instance.to_owned(),
        request: optional(input, "MessagesRequestId")?
            .unwrap_or_default()
            .to_owned(),
        hidden_s: hidden_s.clamp(1, MOST_HIDDEN_S),
    }))
}

/// A poll for messages that waits for the first.
pub(crate) struct LongPoll {
    instance: String,
    request: String,
    hidden_s: i64,
}

impl LongPoll {
    /// What there is, as soon as there is something, or nothing at last.
    pub(crate) async fn wait(self, emulator: &Arc<Emulator>) -> Response<Bytes> {
        let waiting = async {
            loop {
                // heard from before looking, so that nothing rings unheard in between
                let rings = emulator.ssm.bell.0.notified();
                tokio::pin!(rings);
                rings.as_mut().enable();
                let messages = self.messages(emulator);
                if !messages.is_empty() {
                    return messages;
                }
                let _rang_or_not = tokio::time::timeout(LOOK_EVERY, rings).await;
            }
        };
        let messages = tokio::time::timeout(WAIT, waiting).await;
        self.answer(&messages.unwrap_or_default())
    }

    /// What there is.
    pub(crate) fn take(self, emulator: &Emulator) -> Response<Bytes> {
        self.answer(&self.messages(emulator))
    }

    fn messages(&self, emulator: &Emulator) -> Vec<Value> {
        let now = emulator.clock.now();
        let mut commands = emulator.ssm.commands();
        let taken = commands.take(&self.instance, now, self.hidden_s, MOST_MESSAGES);
        let region = &emulator.seed.region;
        taken
            .into_iter()
            .map(|command| shown(command, &self.instance, region))
            .collect()
    }

    fn answer(&self, messages: &[Value]) -> Response<Bytes> {
        wire::json(&json!({
            "Destination": self.instance,
            "MessagesRequestId": self.request,
            "Messages": messages,
        }))
    }
}

fn shown(command: &Command, instance: &str, region: &str) -> Value {
    let payload = command.payload.as_bytes();
    json!({
        "MessageId": message_id(&command.id, instance),
        "CreatedDate": command.requested.iso8601_ms(),
        "Destination": instance,
        "Topic": format!("aws.ssm.sendCommand.{region}"),
        "Payload": command.payload,
        "PayloadDigest": random::hex(digest::digest(&digest::SHA256, payload).as_ref()),
    })
}

/// The message an input names, if the caller is the agent it is for.
fn message_of<'a>(call: &Call<'_>, action: &str, input: &'a Value) -> ApiResult<&'a str> {
    let message = required(input, "MessageId")?;
    let instance = of_message(message).map_or("", |(_, instance)| instance);
    authorize_agent(call, action, instance, None)?;
    Ok(message)
}

fn acknowledge_message(call: &Call<'_>, input: &Value) -> ApiResult<Value> {
    let message = message_of(call, "ec2messages:AcknowledgeMessage", input)?;
    let mut commands = call.emulator.ssm.commands();
    if commands.acknowledge(message, call.now) {
        return Ok(json!({}));
    }
    let text = "The message is no longer to be processed";
    Err(ApiError::client("InvalidMessageIdException", text))
}

fn send_reply(call: &Call<'_>, input: &Value) -> ApiResult<Value> {
    let message = message_of(call, "ec2messages:SendReply", input)?;
    let payload = required(input, "Payload")?;
    let reply = serde_json::from_str(payload)
        .map_err(|error| ApiError::serialization(format!("`Payload`: {error}")))?;
    let mut commands = call.emulator.ssm.commands();
    commands
        .reply(message, &reply)
        .map(|()| json!({}))
        .ok_or_else(|| ApiError::serialization("`Payload` has no `documentStatus`"))
}

fn fail_message(call: &Call<'_>, input: &Value) -> ApiResult<Value> {
    let message = message_of(call, "ec2messages:FailMessage", input)?;
    let reason = optional(input, "FailureType")?.unwrap_or("InternalHandlerException");
    call.emulator.ssm.commands().fail(message, reason);
    Ok(json!({}))
}

fn get_endpoint(call: &Call<'_>, input: &Value) -> ApiResult<Value> {
    let instance = required(input, "Destination")?;
    authorize_agent(call, "ec2messages:GetEndpoint", instance, None)?;
    let seed = &call.emulator.seed;
    let host = format!("ec2messages.{}.{}", seed.region, seed.dns_suffix());
    let protocol = optional(input, "Protocol")?.unwrap_or("messaging");
    Ok(json!({ "Endpoint": { "Protocol": protocol, "Endpoint": host } }))
}
