//! The log of a shell session, in CloudWatch Logs.
//!
//! With streaming, as it happens: one JSON event a second at most, as Session
//! Manager has them. Without, the whole at the end.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::{Value as Json, json};
use session::wire::SessionRequest;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::shell::text;
use crate::{Agent, chain};

/// Between two events of a session that says much.
const INTERVAL: Duration = Duration::from_secs(1);
/// Of what was said, in one event. An event has 256 KiB at most, and JSON takes up
/// to six bytes for one.
const EVENT_BYTES: usize = 32 << 10;
/// What waits to be delivered; what comes on top of it is lost, and that is said.
const WAITING_BYTES: usize = 4 << 20;
/// Pieces that wait to be taken in, while a delivery is under way.
const WAITING_PIECES: usize = 256;
/// How long the last events may take at the end of a session.
const FAREWELL: Duration = Duration::from_secs(10);

/// A log that is written.
pub(crate) struct SessionLog {
    pieces: Pieces,
    task: JoinHandle<()>,
    session_id: String,
}

/// Where output goes.
#[derive(Clone)]
pub(crate) struct Pieces {
    sender: mpsc::Sender<Vec<u8>>,
    lost_bytes: Arc<AtomicUsize>,
}

impl Pieces {
    pub(crate) fn push(&self, bytes: &[u8]) {
        if self.sender.try_send(bytes.to_vec()).is_err() {
            self.lost_bytes.fetch_add(bytes.len(), Ordering::Relaxed);
        }
    }
}

impl SessionLog {
    /// Prepares the log that the session's document asks for, if it does.
    pub(crate) async fn open(
        agent: &Arc<Agent>,
        request: &SessionRequest,
    ) -> Result<Option<Self>, String> {
        let inputs = &request.document_content.inputs;
        let Some(group) = text(inputs, "cloudWatchLogGroupName") else {
            return Ok(None);
        };
        let cannot =
            |reason: String| format!("Cannot write the session's log to `{group}`: {reason}");
        prepare(
            agent,
            group,
            is_on(&inputs["cloudWatchEncryptionEnabled"]),
            &request.session_id,
        )
        .await
        .map_err(cannot)?;
        let (sender, inbox) = mpsc::channel(WAITING_PIECES);
        let pieces = Pieces {
            sender,
            lost_bytes: Arc::default(),
        };
        let writer = Writer {
            agent: Arc::clone(agent),
            group: group.to_owned(),
            session_id: request.session_id.clone(),
            owner: request.session_owner.clone(),
            streams: is_on(&inputs["cloudWatchStreamingEnabled"]),
            waiting: Vec::new(),
            lost_bytes: Arc::clone(&pieces.lost_bytes),
        };
        Ok(Some(Self {
            pieces,
            task: tokio::spawn(writer.run(inbox)),
            session_id: request.session_id.clone(),
        }))
    }

    /// Where output goes.
    pub(crate) fn pieces(&self) -> Pieces {
        self.pieces.clone()
    }

    /// Writes what is left.
    pub(crate) async fn finish(self, agent: &Agent) {
        drop(self.pieces);
        if tokio::time::timeout(FAREWELL, self.task).await.is_err() {
            let id = self.session_id;
            agent
                .standing
                .log(format!("session {id}: the end of its log is lost"));
        }
    }
}

fn is_on(value: &Json) -> bool {
    value == true || value == "true"
}

/// The group is there, encrypted if it has to be, and has a stream for the session.
async fn prepare(
    agent: &Agent,
    group: &str,
    has_to_be_encrypted: bool,
    stream: &str,
) -> Result<(), String> {
    let call = async |operation: &str, body: Json| {
        let target = format!("Logs_20140328.{operation}");
        agent.client.json("logs", &target, &body).await
    };
    if has_to_be_encrypted {
        let asked = call("DescribeLogGroups", json!({ "logGroupNamePrefix": group })).await;
        let answer = asked.map_err(|error| chain(&error))?;
        let mut groups = answer["logGroups"].as_array().into_iter().flatten();
        let found = groups.find(|entry| entry["logGroupName"] == group);
        let found = found.ok_or_else(|| "there is no such log group".to_owned())?;
        if text(found, "kmsKeyId").is_none() {
            return Err("it is not encrypted, and the session's document asks for that".to_owned());
        }
    }
    let body = json!({ "logGroupName": group, "logStreamName": stream });
    match call("CreateLogStream", body).await {
        Ok(_) => Ok(()),
        Err(error) if error.code() == Some("ResourceAlreadyExistsException") => Ok(()),
        Err(error) => Err(chain(&error)),
    }
}

struct Writer {
    agent: Arc<Agent>,
    group: String,
    session_id: String,
    owner: String,
    streams: bool,
    waiting: Vec<u8>,
    lost_bytes: Arc<AtomicUsize>,
}

impl Writer {
    async fn run(mut self, mut inbox: mpsc::Receiver<Vec<u8>>) {
        let mut is_open = true;
        while is_open {
            is_open = match inbox.recv().await {
                Some(piece) => {
                    self.keep(&piece);
                    true
                }
                None => false,
            };
            if is_open && self.streams {
                // what is said within the same second goes together
                let second = tokio::time::sleep(INTERVAL);
                tokio::pin!(second);
                loop {
                    tokio::select! {
                        () = &mut second => break,
                        piece = inbox.recv() => match piece {
                            Some(piece) => self.keep(&piece),
                            None => { is_open = false; break }
                        },
                    }
                }
            }
            if self.streams || !is_open {
                self.deliver().await;
            }
        }
    }

    fn keep(&mut self, piece: &[u8]) {
        let room = WAITING_BYTES - self.waiting.len();
        let kept = piece.len().min(room);
        self.waiting.extend_from_slice(&piece[..kept]);
        self.lost_bytes
            .fetch_add(piece.len() - kept, Ordering::Relaxed);
    }

    /// Sends all that waits.
    async fn deliver(&mut self) {
        let lost = self.lost_bytes.swap(0, Ordering::Relaxed);
        if lost > 0 {
            let id = &self.session_id;
            self.agent
                .standing
                .log(format!("session {id}: {lost} bytes are missing in its log"));
        }
        let waiting = std::mem::take(&mut self.waiting);
        for piece in waiting.chunks(EVENT_BYTES) {
            if let Err(reason) = self.put(piece).await {
                let id = &self.session_id;
                return self
                    .agent
                    .standing
                    .log(format!("session {id}: a part of its log is lost: {reason}"));
            }
        }
    }

    async fn put(&self, piece: &[u8]) -> Result<(), String> {
        let now = OffsetDateTime::now_utc();
        let said = String::from_utf8_lossy(piece);
        let message = if self.streams {
            self.event(now, &said).to_string()
        } else {
            said.into_owned()
        };
        let body = json!({
            "logGroupName": self.group,
            "logStreamName": self.session_id,
            "logEvents": [{
                "timestamp": i64::try_from(now.unix_timestamp_nanos() / 1_000_000).unwrap_or_default(),
                "message": message,
            }],
        });
        let target = "Logs_20140328.PutLogEvents";
        let put = self.agent.client.json("logs", target, &body).await;
        put.map(drop).map_err(|error| chain(&error))
    }

    /// (Systems Manager User Guide, "Streaming session data using Amazon CloudWatch Logs")
    fn event(&self, now: OffsetDateTime, said: &str) -> Json {
        let lines: Vec<&str> = said.lines().collect();
        json!({
            "eventVersion": "1.0",
            "eventTime": now.format(&Rfc3339).unwrap_or_default(),
            "awsRegion": self.agent.identity.region,
            "target": { "id": self.agent.identity.instance_id },
            "userIdentity": { "arn": self.owner },
            "runAsUser": nix::unistd::User::from_uid(nix::unistd::Uid::current())
                .ok()
                .flatten()
                .map(|user| user.name),
            "sessionId": self.session_id,
            "sessionData": lines,
        })
    }
}
