//! Which sessions are there, and which were? Their tokens, their ends, how each came to its end.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use session::wire::SessionRequest;

use super::token::Tokens;
use crate::clock::Timestamp;
use crate::random;
use crate::service::ssmmessages::relay::{Relay, Side};

/// Sessions at once; a further one is refused.
pub(super) const MOST_ACTIVE: usize = 1_000;
/// Sessions remembered after their end.
const MOST_HISTORY: usize = 1_000;
/// Characters after the owner's name in a session's id.
const SUFFIX_LENGTH: usize = 26;
const LOWER_ALPHANUMERIC: &[u8] = b"abcdefghijklmnopqrstuvwxyz0123456789";

/// What is known of a session while it lasts and afterwards.
#[derive(Clone, Debug)]
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
#[derive(Clone, Debug)]
pub(crate) struct End {
    pub(crate) at: Timestamp,
    /// `Terminated` or `Failed`.
    pub(crate) status: &'static str,
    /// What both ends are told; empty where there is nothing to tell.
    pub(crate) output: String,
    /// For the audit trail.
    pub(crate) why: String,
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
#[derive(Default)]
pub(crate) struct Sessions {
    active: BTreeMap<String, Session>,
    history: VecDeque<Record>,
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

    /// Why it is over by now, if time has ended it.
    pub(super) fn timed_out(&self, now: Timestamp) -> Option<End> {
        let end = |output: &str, why: String| End {
            at: now,
            status: "Terminated",
            output: output.to_owned(),
            why,
        };
        let most = self.record.most_s;
        if let Some(most) = most.filter(|s| now >= self.record.started.plus_seconds(*s)) {
            let why = format!("it lasted {} minutes, the most it may", most / 60);
            return Some(end(
                "Your session has been terminated, as it has reached its maximum duration.",
                why,
            ));
        }
        (now >= self.relay.active().plus_seconds(self.idle_s)).then(|| {
            let why = format!("nothing went through it for {} minutes", self.idle_s / 60);
            end("Your session timed out due to inactivity.", why)
        })
    }
}

impl Sessions {
    pub(super) fn insert(&mut self, session: Session) {
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
        self.history.push_back(record.clone());
        Some(record)
    }
}
