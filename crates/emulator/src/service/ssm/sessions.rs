//! Which sessions are there, and which were? Their tokens, their ends, how each came to its end.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use session::wire::SessionRequest;

use super::disk::Disk;
use super::token::Tokens;
use crate::clock::Timestamp;
use crate::random;
use crate::service::kms::keyring::Keyring;
use crate::service::ssmmessages::relay::{Relay, Side};
use crate::store::Store;
use crate::vault::VaultError;

/// Sessions at once, each with two lanes of frames; a further one is refused.
pub(super) const MOST_ACTIVE: usize = 256;
/// Sessions remembered after their end.
const MOST_HISTORY: usize = 1_000;
/// Characters after the owner's name in a session's id.
const SUFFIX_LENGTH: usize = 26;
const LOWER_ALPHANUMERIC: &[u8] = b"abcdefghijklmnopqrstuvwxyz0123456789";

/// An agent that was asked to a session has this long to come.
const JOIN_WITHIN_S: i64 = 60;
/// An agent that has left has this long to come back.
const RETURN_WITHIN_S: i64 = 120;
/// An agent whose control channel is back has this long to bring the session back too: one that was
/// started anew knows nothing of it.
const FOLLOW_WITHIN_S: i64 = 45;

/// What is known of a session while it lasts and afterwards.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Record {
    pub(crate) id: String,
    pub(crate) target: String,
    pub(crate) document: String,
    pub(crate) owner_arn: String,
    /// `aws:userid` of the owner.
    pub(crate) owner_id: String,
    pub(crate) reason: Option<String>,
    pub(crate) started: Timestamp,
    pub(crate) most_s: Option<i64>,
    pub(crate) end: Option<End>,
}

/// How a session ended.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct End {
    pub(crate) at: Timestamp,
    pub(crate) status: EndStatus,
    /// What both ends are told; empty where there is nothing to tell.
    pub(crate) output: String,
    /// For the audit trail.
    pub(crate) why: String,
}

/// `Status` of a session that is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum EndStatus {
    Terminated,
    Failed,
}

impl EndStatus {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Terminated => "Terminated",
            Self::Failed => "Failed",
        }
    }
}

/// A session that is going on.
pub(crate) struct Session {
    pub(crate) record: Record,
    pub(crate) tokens: Tokens,
    pub(crate) relay: Arc<Relay>,
    /// What the agent is asked for.
    pub(crate) request: SessionRequest,
    pub(crate) idle_s: i64,
    /// Whether the agent has said that it is there.
    pub(crate) joined: bool,
}

/// All of them.
pub(crate) struct Sessions {
    active: BTreeMap<String, Session>,
    history: VecDeque<Record>,
    disk: Disk,
}

impl Record {
    /// The part of the id that chance made.
    fn suffix(&self) -> &str {
        self.id.rsplit('-').next().unwrap_or_default()
    }

    /// The name policies with `${aws:userid}` know it by.
    pub(crate) fn id_by_user_id(&self) -> String {
        format!("{}-{}", self.owner_id, self.suffix())
    }
}

/// A new session's id: its owner's name and chance.
pub(super) fn new_id(owner_name: &str) -> String {
    let suffix = random::text(LOWER_ALPHANUMERIC, SUFFIX_LENGTH);
    format!("{owner_name}-{suffix}")
}

impl Session {
    /// `Status` of the API.
    pub(crate) fn status(&self) -> &'static str {
        let (client, agent) = (
            self.relay.is_attached(Side::Client),
            self.relay.is_attached(Side::Agent),
        );
        match (self.joined, client && agent) {
            (false, _) => "Connecting",
            (true, true) => "Connected",
            (true, false) => "Disconnected",
        }
    }

    /// Why it is over by now, if time has ended it. `control` is when the agent's control channel opened.
    pub(super) fn timed_out(&self, now: Timestamp, control: Option<Timestamp>) -> Option<End> {
        let end = |status: EndStatus, output: &str, why: String| End {
            at: now,
            status,
            output: output.to_owned(),
            why,
        };
        let most = self.record.most_s;
        if let Some(most) = most.filter(|s| now >= self.record.started.plus_seconds(*s)) {
            let why = format!("it lasted {} minutes, the most it may", most / 60);
            return Some(end(
                EndStatus::Terminated,
                "Your session has been terminated, as it has reached its maximum duration.",
                why,
            ));
        }
        if now >= self.relay.active().plus_seconds(self.idle_s) {
            let why = format!("nothing went through it for {} minutes", self.idle_s / 60);
            let output = "Your session timed out due to inactivity.";
            return Some(end(EndStatus::Terminated, output, why));
        }
        let left = self.relay.absent_since(Side::Agent)?;
        let (since, within_s, what) = match control.filter(|opened| *opened > left) {
            _ if !self.joined => (left, JOIN_WITHIN_S, "joined"),
            Some(opened) => (opened, FOLLOW_WITHIN_S, "come back to"),
            None => (left, RETURN_WITHIN_S, "come back to"),
        };
        (now >= since.plus_seconds(within_s)).then(|| {
            let output = format!("The instance's agent has not {what} the session.");
            let why = format!("the agent has not {what} it within {within_s} seconds");
            end(EndStatus::Failed, &output, why)
        })
    }
}

impl Sessions {
    /// With the history of earlier runs.
    pub(super) fn open(
        store: Arc<Store>,
        keys: Arc<Keyring>,
        now: Timestamp,
    ) -> Result<Self, VaultError> {
        let (disk, history) = Disk::open(store, keys, now, MOST_HISTORY)?;
        Ok(Self {
            active: BTreeMap::new(),
            history: history.into(),
            disk,
        })
    }

    /// Why the history could not be written, if it ever could not.
    pub(crate) fn failure(&self) -> Option<&str> {
        self.disk.failure()
    }

    fn keep(&mut self, record: &Record) {
        let active = self.active.values().map(|session| &session.record);
        self.disk.keep(record, self.history.iter().chain(active));
    }

    pub(super) fn insert(&mut self, session: Session) {
        self.keep(&session.record);
        self.active.insert(session.record.id.clone(), session);
    }

    pub(crate) fn active(&self, id: &str) -> Option<&Session> {
        self.active.get(id)
    }

    pub(crate) fn active_mut(&mut self, id: &str) -> Option<&mut Session> {
        self.active.get_mut(id)
    }

    pub(super) fn all_active(&self) -> impl DoubleEndedIterator<Item = &Session> {
        self.active.values()
    }

    /// Ended sessions, newest first.
    pub(super) fn ended(&self) -> impl Iterator<Item = &Record> {
        self.history.iter().rev()
    }

    /// What is known of a session, going on or ended.
    pub(crate) fn record(&self, id: &str) -> Option<&Record> {
        self.active
            .get(id)
            .map(|session| &session.record)
            .or_else(|| self.history.iter().find(|record| record.id == id))
    }

    pub(super) fn count(&self) -> usize {
        self.active.len()
    }

    /// Ends a session; `None` if it was over.
    pub(super) fn end(&mut self, id: &str, end: End) -> Option<Record> {
        let session = self.active.remove(id)?;
        session.relay.close(&end.output);
        let record = Record {
            end: Some(end),
            ..session.record
        };
        if self.history.len() >= MOST_HISTORY {
            self.history.pop_front();
        }
        self.keep(&record);
        self.history.push_back(record.clone());
        Some(record)
    }
}
