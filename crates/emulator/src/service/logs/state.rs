//! Groups, streams and their events, as state.
//!
//! A stream's events lie in segments, each a sealed journal; a full or old segment is closed and a
//! new one begun, and retention drops closed segments whose newest event is too old. The segment
//! being written is held in memory as well, older ones are read from disk when asked for.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};

use super::disk::{self, Segment};
use crate::clock::Timestamp;
use crate::emulator::OpenError;
use crate::seed::{LogGroupSeed, Tags};
use crate::service::kms::keyring::{Keyring, SERVICE_KEY};
use crate::store::Store;
use crate::vault::VaultError;

/// One line of a log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogEvent {
    /// When it happened, in milliseconds since the epoch.
    pub timestamp_ms: i64,
    /// What it says.
    pub message: String,
}

/// An event in a stream.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Stored {
    #[serde(rename = "t")]
    pub(crate) timestamp_ms: i64,
    #[serde(rename = "i")]
    pub(crate) ingested_ms: i64,
    /// Rises by one with every event of the account, so it orders and names them.
    #[serde(rename = "n")]
    pub(crate) number: u64,
    #[serde(rename = "m")]
    pub(crate) message: String,
}

impl Stored {
    /// Fifty-six digits as AWS's event ids, the same in every run.
    pub(crate) fn event_id(&self) -> String {
        format!("{:020}{:036}", self.timestamp_ms.max(0), self.number)
    }
}

/// A log group.
pub(crate) struct Group {
    pub(crate) name: String,
    pub(crate) arn: String,
    pub(crate) retention_days: Option<u32>,
    /// The key's ARN, if it is a customer's.
    pub(crate) kms_key_arn: Option<String>,
    pub(crate) tags: Tags,
    pub(crate) created: Timestamp,
    pub(crate) streams: BTreeMap<String, Stream>,
    /// The keyring's id of the key its segments are sealed under.
    pub(super) key_id: String,
}

/// A log stream.
pub(crate) struct Stream {
    pub(crate) name: String,
    pub(crate) created: Timestamp,
    /// Closed segments, oldest first, then the one being written.
    pub(super) segments: Vec<Segment>,
}

/// All log groups.
pub(crate) struct Logs {
    pub(super) store: Arc<Store>,
    pub(super) keys: Arc<Keyring>,
    groups: Mutex<Groups>,
}

/// What the lock guards.
pub(crate) struct Groups {
    pub(crate) by_name: BTreeMap<String, Group>,
    pub(super) next_number: u64,
    notices: Vec<String>,
}

/// Why events were not taken.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AppendError {
    #[error("the log group does not exist")]
    NoGroup,
    #[error("the log stream does not exist")]
    NoStream,
    #[error(transparent)]
    Vault(#[from] VaultError),
}

impl Logs {
    /// Loads the seeded groups with the streams they have.
    pub(crate) fn open(
        store: Arc<Store>,
        keys: Arc<Keyring>,
        seeds: &[LogGroupSeed],
        now: Timestamp,
    ) -> Result<Self, OpenError> {
        let mut groups = Groups {
            by_name: BTreeMap::new(),
            next_number: 1,
            notices: Vec::new(),
        };
        for seed in seeds {
            let key_id = match &seed.kms_key {
                None => SERVICE_KEY.to_owned(),
                Some(reference) => {
                    let no_key = || OpenError::Key {
                        resource: seed.arn.clone(),
                        key: reference.clone(),
                    };
                    keys.find(reference)
                        .filter(|key| key.enabled)
                        .ok_or_else(no_key)?
                        .id
                        .clone()
                }
            };
            let loaded = disk::load_group(&store, &keys, &seed.name, now)?;
            groups.next_number = groups.next_number.max(loaded.newest_number + 1);
            groups.notices.extend(loaded.notices);
            let group = Group {
                name: seed.name.clone(),
                arn: seed.arn.clone(),
                retention_days: seed.retention_days,
                kms_key_arn: keys
                    .find(&key_id)
                    .filter(|_| seed.kms_key.is_some())
                    .map(|key| key.arn.clone()),
                tags: seed.tags.clone(),
                created: loaded.created,
                streams: loaded.streams,
                key_id,
            };
            groups.by_name.insert(seed.name.clone(), group);
        }
        Ok(Self {
            store,
            keys,
            groups: Mutex::new(groups),
        })
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, Groups> {
        self.groups.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What was repaired when the logs were opened.
    pub(crate) fn notices(&self) -> Vec<String> {
        self.lock().notices.clone()
    }

    /// Makes a stream; `false` if there is one of that name.
    pub(crate) fn create_stream(
        &self,
        group: &str,
        stream: &str,
        now: Timestamp,
    ) -> Result<bool, AppendError> {
        let mut groups = self.lock();
        let group = groups.by_name.get_mut(group).ok_or(AppendError::NoGroup)?;
        if group.streams.contains_key(stream) {
            return Ok(false);
        }
        let made = disk::create_stream(&self.store, &self.keys, group, stream, now)?;
        group.streams.insert(stream.to_owned(), made);
        Ok(true)
    }

    /// Adds events, making the stream if needed.
    pub(crate) fn append(
        &self,
        group: &str,
        stream: &str,
        events: &[LogEvent],
        now: Timestamp,
    ) -> Result<(), AppendError> {
        self.create_stream(group, stream, now)?;
        self.append_existing(group, stream, events, now)
    }

    /// Adds events to a stream that exists.
    pub(crate) fn append_existing(
        &self,
        group: &str,
        stream: &str,
        events: &[LogEvent],
        now: Timestamp,
    ) -> Result<(), AppendError> {
        let mut groups = self.lock();
        let first = groups.next_number;
        let group = groups.by_name.get_mut(group).ok_or(AppendError::NoGroup)?;
        let (key_id, name, retention) = (
            group.key_id.clone(),
            group.name.clone(),
            group.retention_days,
        );
        let stream = group.streams.get_mut(stream).ok_or(AppendError::NoStream)?;
        if events.is_empty() {
            return Ok(());
        }
        let stored: Vec<Stored> = events
            .iter()
            .zip(first..)
            .map(|(event, number)| Stored {
                timestamp_ms: event.timestamp_ms,
                ingested_ms: now.0,
                number,
                message: event.message.clone(),
            })
            .collect();
        let next = first + stored.len() as u64;
        let place = disk::Place {
            store: &self.store,
            keys: &self.keys,
            key_id: &key_id,
            group: &name,
        };
        disk::append(&place, stream, &stored, now)?;
        disk::expire(&place, stream, retention, now)?;
        groups.next_number = next;
        Ok(())
    }
}

impl Stream {
    /// The events of a span of time (`from` inclusive, `to` exclusive), in order of time.
    pub(crate) fn events(
        &self,
        logs: &Logs,
        from: i64,
        to: i64,
    ) -> Result<Vec<Stored>, VaultError> {
        let mut found = Vec::new();
        for segment in self
            .segments
            .iter()
            .filter(|segment| segment.overlaps(from, to))
        {
            let events = segment.read(&logs.store, &logs.keys)?;
            let within = |event: &&Stored| (from..to).contains(&event.timestamp_ms);
            found.extend(events.iter().filter(within).cloned());
        }
        found.sort_by_key(|event| (event.timestamp_ms, event.number));
        Ok(found)
    }

    /// The oldest and newest event times, and the newest ingestion.
    pub(crate) fn span(&self) -> Option<(i64, i64, i64)> {
        let spans = self.segments.iter().filter_map(|segment| segment.span);
        spans.reduce(|a, b| (a.0.min(b.0), a.1.max(b.1), a.2.max(b.2)))
    }

    /// Bytes as AWS counts them: the text and 26 for each event.
    pub(crate) fn stored_bytes(&self) -> u64 {
        self.segments.iter().map(|segment| segment.text_bytes).sum()
    }
}
