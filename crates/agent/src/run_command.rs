//! Run Command: scripts that come as messages, and what became of them.

mod document;
mod script;

use std::sync::Arc;
use std::time::Duration;

use aws::CallError;
use serde_json::{Value as Json, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::{AGENT_VERSION, Agent, chain, uuid};
use document::Step;
use script::Outcome;

const SERVICE: &str = "ec2messages";
/// For how long a message is this agent's alone.
const VISIBILITY_S: u32 = 10;
/// After a question that nobody answered.
const RETRY: Duration = Duration::from_secs(5);
/// Commands carried out at once; more wait with the service.
const MAX_COMMANDS: usize = 5;

/// Asks for messages until `stop`, and carries them out.
pub(crate) async fn keep(agent: Arc<Agent>, stop: CancellationToken) {
    let mut running = JoinSet::new();
    let mut is_heard = true;
    loop {
        while running.len() >= MAX_COMMANDS {
            let _ended = running.join_next().await;
        }
        let messages = tokio::select! {
            () = stop.cancelled() => return,
            messages = get_messages(&agent) => messages,
            Some(_ended) = running.join_next(), if !running.is_empty() => continue,
        };
        match messages {
            Ok(messages) => {
                is_heard = true;
                for message in messages {
                    running.spawn(carry_out(Arc::clone(&agent), message));
                }
            }
            Err(error) => {
                if std::mem::take(&mut is_heard) {
                    let reason = crate::failure::plain(&agent, SERVICE, &error);
                    agent.standing.log(format!("Run Command waits: {reason}"));
                }
                tokio::select! {
                    () = stop.cancelled() => return,
                    () = tokio::time::sleep(RETRY) => {}
                }
            }
        }
    }
}

/// One message, as the service has it.
struct Message {
    id: String,
    topic: String,
    payload: String,
}

async fn call(agent: &Agent, operation: &str, body: Json) -> Result<Json, CallError> {
    let target = format!("EC2WindowsMessageDeliveryService.{operation}");
    agent.client.json(SERVICE, &target, &body).await
}

/// Waits up to 20 seconds for the first.
async fn get_messages(agent: &Agent) -> Result<Vec<Message>, CallError> {
    let body = json!({
        "Destination": agent.identity.instance_id,
        "MessagesRequestId": uuid(),
        "VisibilityTimeoutInSeconds": VISIBILITY_S,
    });
    let answer = call(agent, "GetMessages", body).await?;
    let list = answer["Messages"].as_array().into_iter().flatten();
    let messages = list.filter_map(|message| {
        let text = |name: &str| message[name].as_str().map(str::to_owned);
        Some(Message {
            id: text("MessageId")?,
            topic: text("Topic")?,
            payload: text("Payload")?,
        })
    });
    Ok(messages.collect())
}

async fn carry_out(agent: Arc<Agent>, message: Message) {
    if let Err(error) = try_carry_out(&agent, &message).await {
        let id = &message.id;
        agent
            .standing
            .log(format!("message {id} of Run Command: {}", chain(&error)));
    }
}

async fn try_carry_out(agent: &Agent, message: &Message) -> Result<(), CallError> {
    let id = json!(message.id);
    call(agent, "AcknowledgeMessage", json!({ "MessageId": id })).await?;
    let steps = if message.topic.starts_with("aws.ssm.sendCommand") {
        document::steps(&message.payload)
    } else {
        Err(format!(
            "messages of topic `{}` are not supported",
            message.topic
        ))
    };
    let reply = match steps {
        Ok(steps) => run(agent, &steps).await,
        Err(reason) => {
            agent
                .standing
                .log(format!("message {} of Run Command: {reason}", message.id));
            let body = json!({ "MessageId": id, "FailureType": "InternalHandlerException" });
            return call(agent, "FailMessage", body).await.map(drop);
        }
    };
    let body = json!({ "MessageId": id, "Payload": reply.to_string(), "ReplyId": uuid() });
    call(agent, "SendReply", body).await?;
    call(agent, "DeleteMessage", json!({ "MessageId": id }))
        .await
        .map(drop)
}

/// The steps one after another; the first that does not succeed is the last.
async fn run(agent: &Agent, steps: &[Step]) -> Json {
    let mut statuses = serde_json::Map::new();
    let mut counts = std::collections::BTreeMap::<&str, u32>::new();
    let mut overall = "Success";
    for step in steps {
        let started = now();
        let outcome = script::run(agent, step).await;
        overall = outcome.status();
        *counts.entry(overall).or_default() += 1;
        statuses.insert(step.name.clone(), status(step, &outcome, &started));
        if overall != "Success" {
            break;
        }
    }
    json!({
        "additionalInfo": {
            "agent": {
                "lang": "en-US",
                "name": "amazon-ssm-agent",
                "os": "",
                "osver": "1",
                "ver": AGENT_VERSION,
            },
            "dateTime": now(),
            "runId": "",
            "runtimeStatusCounts": counts,
        },
        "documentStatus": overall,
        "documentTraceOutput": "",
        "runtimeStatus": statuses,
    })
}

fn status(step: &Step, outcome: &Outcome, started: &str) -> Json {
    let (output, errors) = (&outcome.output, &outcome.errors);
    let both = if errors.is_empty() {
        output.clone()
    } else {
        format!("{output}\n----------ERROR-------\n{errors}")
    };
    json!({
        "code": outcome.code,
        "endDateTime": now(),
        "name": step.action,
        "output": both,
        "outputS3BucketName": "",
        "outputS3KeyPrefix": "",
        "standardError": errors,
        "standardOutput": output,
        "startDateTime": started,
        "status": outcome.status(),
    })
}

fn now() -> String {
    OffsetDateTime::now_utc()
        .format(&Rfc3339)
        .unwrap_or_default()
}
