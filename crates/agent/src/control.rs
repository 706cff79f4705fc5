//! The control channel: where the service asks for sessions, and hears how they ended.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use session::message::{Decoded, FLAG_SYN_FIN, Message, MessageId, MessageKind, decode, encode};
use session::wire::{
    AgentTaskAcknowledge, AgentTaskComplete, ChannelClosed, InteractiveShell,
    OpenControlChannelInput, SessionRequest,
};
use session_io::Socket;
use time::OffsetDateTime;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::data::{SERVICE, token, websocket};
use crate::failure::{plain, unreachable};
use crate::report::Part;
use crate::task::Ended;
use crate::{AGENT_VERSION, Agent, random, task, uuid};

/// Sessions carried out at once; the next is refused with a word about it.
const MAX_SESSIONS: usize = 100;
/// The pause after a first failure; it doubles from there.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(15);
/// How often the end of a session is told, and the pause between.
const MAX_COMPLETES: i32 = 3;
const COMPLETE_PAUSE: Duration = Duration::from_secs(1);
/// How long sessions may take to end when the agent does.
const FAREWELL: Duration = Duration::from_secs(5);

/// Keeps the channel open until `stop`, and carries out what is asked for on it.
pub(crate) async fn keep(agent: Arc<Agent>, stop: CancellationToken) {
    let mut work = Work {
        agent: Arc::clone(&agent),
        running: JoinSet::new(),
        stops: BTreeMap::new(),
        completes: BTreeMap::new(),
    };
    let mut pause = FIRST_PAUSE;
    loop {
        let served = tokio::select! {
            () = stop.cancelled() => break,
            served = serve(&mut work) => served,
        };
        let (reason, was_open) = served;
        if was_open {
            pause = FIRST_PAUSE;
        }
        agent.standing.set(Part::ControlChannel, Err(reason));
        let until = Instant::now() + pause;
        pause = (pause * 2).min(LONGEST_PAUSE);
        tokio::select! {
            () = stop.cancelled() => break,
            () = work.meanwhile(until) => {}
        }
    }
    for stop in work.stops.values() {
        stop.cancel();
    }
    let ends = async { while work.running.join_next().await.is_some() {} };
    // what is not over by then is killed with the process
    let _over = tokio::time::timeout(FAREWELL, ends).await;
}

/// One connection, from its opening to its end: why it ended, and whether it ever stood.
async fn serve(work: &mut Work) -> (String, bool) {
    let mut socket = match open(&work.agent).await {
        Ok(socket) => socket,
        Err(reason) => return (reason, false),
    };
    work.agent.standing.set(Part::ControlChannel, Ok(()));
    for complete in work.completes.values_mut() {
        complete.due = Instant::now();
    }
    loop {
        let due = work.next_due();
        let sent = tokio::select! {
            frame = socket.next() => match frame {
                Ok(Some(frame)) => {
                    work.take(&frame);
                    Ok(())
                }
                Ok(None) => return ("the service closed the control channel".to_owned(), true),
                Err(error) => return (unreachable(&work.agent, SERVICE, &error), true),
            },
            Some(ended) = work.running.join_next(), if !work.running.is_empty() => {
                work.note_end(ended);
                Ok(())
            }
            () = tokio::time::sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => {
                match work.next_complete() {
                    Some(frame) => socket.send(frame).await,
                    None => Ok(()),
                }
            }
        };
        if let Err(error) = sent {
            return (unreachable(&work.agent, SERVICE, &error), true);
        }
    }
}

async fn open(agent: &Agent) -> Result<Socket, String> {
    let instance = &agent.identity.instance_id;
    let path = format!("/v1/control-channel/{instance}");
    let token = token(agent, &path, None)
        .await
        .map_err(|error| plain(agent, SERVICE, &error))?;
    let path = format!("{path}?role=subscribe&stream=input");
    let opened = websocket(agent, &path).await;
    let mut socket = opened.map_err(|error| unreachable(agent, SERVICE, &error))?;
    let input = OpenControlChannelInput {
        cookie: None,
        message_schema_version: "1.0".to_owned(),
        request_id: uuid(),
        token_value: token,
        agent_version: AGENT_VERSION.to_owned(),
        platform_type: "linux".to_owned(),
    };
    let text = serde_json::to_string(&input).expect("plain fields are JSON");
    let sent = socket.send_text(text).await;
    sent.map_err(|error| unreachable(agent, SERVICE, &error))?;
    Ok(socket)
}

/// Sessions that run, and those whose end the service has yet to hear of.
struct Work {
    agent: Arc<Agent>,
    running: JoinSet<Ended>,
    stops: BTreeMap<String, CancellationToken>,
    completes: BTreeMap<String, Complete>,
}

struct Complete {
    ended: Ended,
    told: i32,
    due: Instant,
}

impl Work {
    fn take(&mut self, frame: &Bytes) {
        let Decoded::Message(message) = decode(frame) else {
            return;
        };
        match &message.kind {
            MessageKind::Other(kind) if kind == "interactive_shell" => self.begin(&message.payload),
            MessageKind::Other(kind) if kind == "agent_task_acknowledge" => {
                let read = serde_json::from_slice::<AgentTaskAcknowledge>(&message.payload);
                if let Ok(acknowledge) = read {
                    self.completes.remove(&acknowledge.task_id);
                }
            }
            MessageKind::ChannelClosed => {
                let read = serde_json::from_slice::<ChannelClosed>(&message.payload);
                if let Some(stop) = read
                    .ok()
                    .and_then(|closed| self.stops.get(&closed.session_id))
                {
                    stop.cancel();
                }
            }
            _ => {}
        }
    }

    fn begin(&mut self, payload: &[u8]) {
        let Ok(asked) = serde_json::from_slice::<InteractiveShell>(payload) else {
            return self
                .agent
                .standing
                .log("a request for a session cannot be read");
        };
        let id = asked.task_id;
        if self.stops.contains_key(&id) {
            // asked twice: the first asking goes on
            return;
        }
        let stop = CancellationToken::new();
        self.stops.insert(id.clone(), stop.clone());
        let agent = Arc::clone(&self.agent);
        let is_too_many = self.stops.len() > MAX_SESSIONS;
        self.running.spawn(async move {
            let outcome = match serde_json::from_str::<SessionRequest>(&asked.content) {
                _ if is_too_many => Err(format!(
                    "This instance carries out {MAX_SESSIONS} sessions at once, and no more."
                )),
                Err(error) => Err(format!("The session's document cannot be read: {error}")),
                Ok(request) => task::run(&agent, &request, stop).await,
            };
            Ended { id, outcome }
        });
    }

    fn note_end(&mut self, ended: Result<Ended, tokio::task::JoinError>) {
        let Ok(ended) = ended else {
            // a panic took its name with it; the service ends what stays silent
            return self
                .agent
                .standing
                .log("a session broke off by a fault of this program");
        };
        self.stops.remove(&ended.id);
        if let Err(reason) = &ended.outcome {
            let id = &ended.id;
            self.agent
                .standing
                .log(format!("session {id} failed: {reason}"));
        }
        let (told, due) = (0, Instant::now());
        let complete = Complete { ended, told, due };
        self.completes.insert(complete.ended.id.clone(), complete);
    }

    /// Takes note of ends while there is no connection.
    async fn meanwhile(&mut self, until: Instant) {
        loop {
            tokio::select! {
                () = tokio::time::sleep_until(until) => return,
                Some(ended) = self.running.join_next(), if !self.running.is_empty() => {
                    self.note_end(ended);
                }
            }
        }
    }

    fn next_due(&self) -> Option<Instant> {
        self.completes.values().map(|complete| complete.due).min()
    }

    /// The message about the end of a session that is due to be told.
    fn next_complete(&mut self) -> Option<Bytes> {
        let now = Instant::now();
        self.completes
            .retain(|_, complete| complete.told < MAX_COMPLETES || complete.due > now);
        let mut all = self.completes.values_mut();
        let complete = all.find(|complete| complete.due <= now)?;
        let retry_number = complete.told;
        complete.told += 1;
        complete.due = now + COMPLETE_PAUSE;
        let (status, output) = match &complete.ended.outcome {
            Ok(_) => ("Success", String::new()),
            // as the official agent words it
            Err(reason) => ("Failed", format!("\n----------ERROR-------\n{reason}")),
        };
        let complete = AgentTaskComplete {
            schema_version: 1,
            task_id: complete.ended.id.clone(),
            topic: "agent_task_complete".to_owned(),
            final_task_status: status.to_owned(),
            is_routing_failure: false,
            aws_account_id: String::new(),
            instance_id: self.agent.identity.instance_id.clone(),
            output,
            s3_bucket: String::new(),
            s3_url_suffix: String::new(),
            cwl_group: String::new(),
            cwl_stream: String::new(),
            retry_number,
        };
        let payload = serde_json::to_vec(&complete).expect("plain fields are JSON");
        Some(message("agent_task_complete", payload.into()))
    }
}

/// A message of the control channel.
fn message(kind: &str, payload: Bytes) -> Bytes {
    let now_ms = OffsetDateTime::now_utc().unix_timestamp_nanos() / 1_000_000;
    encode(&Message {
        kind: MessageKind::named(kind),
        created_ms: u64::try_from(now_ms).unwrap_or_default().max(1),
        sequence_number: 0,
        flags: FLAG_SYN_FIN,
        id: MessageId::from_random(random()),
        payload_type: 0,
        payload,
    })
}
