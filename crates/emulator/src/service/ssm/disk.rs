//! Sessions on disk: what began and how it ended, so that the history outlives the region. A session
//! itself does not: its agent ends with the region, and so it is over when the region starts again.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::sessions::{End, EndStatus, Record};
use crate::clock::Timestamp;
use crate::journal::Journal;
use crate::service::kms::keyring::{Keyring, SERVICE_KEY};
use crate::store::Store;
use crate::vault::VaultError;

const PATH: &str = "ssm/sessions";
/// The journal is written anew, with what is still remembered, when it grows beyond this.
const FILE_LIMIT: u64 = 4 * 1024 * 1024;

/// The journal of sessions.
pub(crate) struct Disk {
    store: Arc<Store>,
    keys: Arc<Keyring>,
    journal: Journal,
    /// The first failure to write; further ones say nothing new.
    failed: Option<String>,
}

impl Disk {
    /// Opens the journal; the sessions of earlier runs, in the order they began, all of them ended.
    pub(super) fn open(
        store: Arc<Store>,
        keys: Arc<Keyring>,
        now: Timestamp,
        most: usize,
    ) -> Result<(Self, Vec<Record>), VaultError> {
        let contents = Journal::open(&store, &keys, PATH)?;
        let written = contents.map_or_else(Vec::new, |(_, contents)| contents.records);
        let mut by_id = BTreeMap::new();
        for bytes in written {
            // a record of another version's form is not worth refusing to start
            if let Ok(record) = serde_json::from_slice::<Record>(&bytes) {
                by_id.insert(record.id.clone(), record);
            }
        }
        let mut records: Vec<_> = by_id.into_values().collect();
        records.sort_by_key(|record| record.started);
        records.drain(..records.len().saturating_sub(most));
        for record in &mut records {
            record.end.get_or_insert_with(|| End {
                at: now,
                status: EndStatus::Terminated,
                output: String::new(),
                why: "the region ended".to_owned(),
            });
        }
        let journal = rewritten(&store, &keys, records.iter())?;
        let disk = Self {
            store,
            keys,
            journal,
            failed: None,
        };
        Ok((disk, records))
    }

    /// Writes a session's beginning or end. A disk that is full does not end sessions.
    pub(super) fn keep<'a>(&mut self, record: &Record, all: impl Iterator<Item = &'a Record>) {
        let kept = if self.journal.bytes() > FILE_LIMIT {
            rewritten(&self.store, &self.keys, all).map(|journal| self.journal = journal)
        } else {
            Ok(())
        };
        let bytes = serde_json::to_vec(record).expect("a record is strings and numbers");
        let kept = kept.and_then(|()| self.journal.append(&self.store, &bytes));
        if let Err(error) = kept {
            self.failed.get_or_insert_with(|| error.to_string());
        }
    }

    /// Why the history could not be written, if it ever could not.
    pub(super) fn failure(&self) -> Option<&str> {
        self.failed.as_deref()
    }
}

fn rewritten<'a>(
    store: &Store,
    keys: &Keyring,
    records: impl Iterator<Item = &'a Record>,
) -> Result<Journal, VaultError> {
    let mut journal = Journal::create(store, keys, SERVICE_KEY, PATH)?;
    for record in records {
        let bytes = serde_json::to_vec(record).expect("a record is strings and numbers");
        journal.append(store, &bytes)?;
    }
    Ok(journal)
}
