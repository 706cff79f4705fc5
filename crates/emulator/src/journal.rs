//! Sealed files that grow: records appended one by one, each authenticated in its place.
//!
//! `magic ‖ length ‖ wrapped data key ‖ { length ‖ nonce ‖ ciphertext }*`. A record's number is part
//! of what authenticates it, so records cannot be swapped, dropped from the middle or repeated. A
//! power cut may tear the last append: an incomplete last record is cut off, and said so; anything
//! else that does not authenticate is an error naming the file.

use aws_lc_rs::aead::{Aad, LessSafeKey, Nonce};

use crate::random;
use crate::service::kms::keyring::Keyring;
use crate::store::Store;
use crate::vault::{self, VaultError};

const MAGIC: &[u8; 8] = b"ktjrnl1\n";
const NONCE_LEN: usize = 12;
/// Longest record: a batch of log events is at most 1 MiB, and JSON may double it.
const RECORD_LIMIT: usize = 8 * 1024 * 1024;

/// A journal open for appending.
pub(crate) struct Journal {
    path: String,
    data_key: LessSafeKey,
    records: u64,
    bytes: u64,
}

/// What a journal held when it was read.
pub(crate) struct Contents {
    /// The records in order.
    pub(crate) records: Vec<Vec<u8>>,
    /// Bytes of a torn last append that were cut off.
    pub(crate) torn_bytes: u64,
}

impl Journal {
    /// Makes a new journal, replacing any file of that path.
    pub(crate) fn create(
        store: &Store,
        keys: &Keyring,
        key_id: &str,
        path: &str,
    ) -> Result<Self, VaultError> {
        let (data_key, wrapped) = vault::new_data_key(store, keys, key_id, path)?;
        let mut header = Vec::new();
        vault::put_header(&mut header, MAGIC, &wrapped);
        store.write(path, &header)?;
        Ok(Self {
            path: path.to_owned(),
            data_key,
            records: 0,
            bytes: header.len() as u64,
        })
    }

    /// Reads a journal and opens it for appending.
    pub(crate) fn open(
        store: &Store,
        keys: &Keyring,
        path: &str,
    ) -> Result<Option<(Self, Contents)>, VaultError> {
        let Some(file) = store.read(path)? else {
            return Ok(None);
        };
        let damaged = |reason| VaultError::Damaged {
            path: store.describe(path),
            reason,
        };
        let (wrapped, mut rest) = vault::take_header(&file, MAGIC)
            .ok_or_else(|| damaged("it does not begin as a journal"))?;
        let data_key = vault::unwrap_data_key(store, keys, path, wrapped)?;
        let mut records = Vec::new();
        while let Some((record, after)) = split_record(rest) {
            let number = records.len() as u64;
            let plain = open_record(&data_key, number, record)
                .ok_or_else(|| damaged("a record does not authenticate"))?;
            records.push(plain);
            rest = after;
        }
        let torn_bytes = rest.len() as u64;
        let bytes = file.len() as u64 - torn_bytes;
        if torn_bytes > 0 {
            store.truncate(path, bytes)?;
        }
        let journal = Self {
            path: path.to_owned(),
            data_key,
            records: records.len() as u64,
            bytes,
        };
        Ok(Some((
            journal,
            Contents {
                records,
                torn_bytes,
            },
        )))
    }

    /// Adds a record at the end.
    pub(crate) fn append(&mut self, store: &Store, record: &[u8]) -> Result<(), VaultError> {
        let nonce: [u8; NONCE_LEN] = random::bytes();
        let mut sealed = record.to_vec();
        self.data_key
            .seal_in_place_append_tag(
                Nonce::assume_unique_for_key(nonce),
                Aad::from(self.records.to_be_bytes()),
                &mut sealed,
            )
            .expect("a record is far below the cipher's limit");
        let length = u32::try_from(NONCE_LEN + sealed.len()).expect("records are below 8 MiB");
        let mut frame = Vec::with_capacity(4 + NONCE_LEN + sealed.len());
        frame.extend_from_slice(&length.to_be_bytes());
        frame.extend_from_slice(&nonce);
        frame.extend_from_slice(&sealed);
        self.bytes = store.append(&self.path, &frame)?;
        self.records += 1;
        Ok(())
    }

    /// The file's length.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }
}

/// The first whole frame and the rest; `None` where no whole frame is left.
fn split_record(rest: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = rest.split_first_chunk::<4>()?;
    let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
    if length > RECORD_LIMIT {
        // No append wrote this length: hand the bytes on, so that they fail to authenticate.
        return Some((rest, &[]));
    }
    rest.split_at_checked(length)
}

fn open_record(key: &LessSafeKey, number: u64, record: &[u8]) -> Option<Vec<u8>> {
    let (nonce, sealed) = record.split_first_chunk::<NONCE_LEN>()?;
    let mut buffer = sealed.to_vec();
    let length = key
        .open_in_place(
            Nonce::assume_unique_for_key(*nonce),
            Aad::from(number.to_be_bytes()),
            &mut buffer,
        )
        .ok()?
        .len();
    buffer.truncate(length);
    Some(buffer)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Timestamp;
    use crate::service::kms::keyring::SERVICE_KEY;

    fn written(records: &[&str]) -> (Store, Keyring) {
        let store = Store::memory();
        let keys = Keyring::open(&store, &[], "arn:aws:kms:r:a:key/", Timestamp(0)).unwrap();
        let mut journal = Journal::create(&store, &keys, SERVICE_KEY, "j").unwrap();
        for record in records {
            journal.append(&store, record.as_bytes()).unwrap();
        }
        (store, keys)
    }

    fn texts(contents: &Contents) -> Vec<&str> {
        contents
            .records
            .iter()
            .map(|record| std::str::from_utf8(record).unwrap())
            .collect()
    }

    #[test]
    fn records_come_back_in_order_and_more_can_follow() {
        let (store, keys) = written(&["one", "two"]);
        let (mut journal, contents) = Journal::open(&store, &keys, "j").unwrap().unwrap();
        assert_eq!(
            (texts(&contents), contents.torn_bytes),
            (vec!["one", "two"], 0)
        );
        journal.append(&store, b"three").unwrap();
        let (_, contents) = Journal::open(&store, &keys, "j").unwrap().unwrap();
        assert_eq!(texts(&contents), ["one", "two", "three"]);
        assert!(Journal::open(&store, &keys, "other").unwrap().is_none());
    }

    #[test]
    fn a_torn_last_record_is_cut_off_and_reported() {
        let (store, keys) = written(&["one", "two"]);
        let file = store.read("j").unwrap().unwrap();
        store.truncate("j", file.len() as u64 - 3).unwrap();
        let (mut journal, contents) = Journal::open(&store, &keys, "j").unwrap().unwrap();
        assert_eq!(texts(&contents), ["one"]);
        assert!(contents.torn_bytes > 0);
        journal.append(&store, b"again").unwrap();
        let (_, contents) = Journal::open(&store, &keys, "j").unwrap().unwrap();
        assert_eq!(
            (texts(&contents), contents.torn_bytes),
            (vec!["one", "again"], 0)
        );
    }

    #[test]
    fn records_do_not_move_or_change() {
        let (store, keys) = written(&["one", "two"]);
        let file = store.read("j").unwrap().unwrap();
        let frame = 4 + NONCE_LEN + 3 + 16;
        let (head, tail) = file.split_at(file.len() - 2 * frame);
        let (first, second) = tail.split_at(frame);
        for forged in [[head, second, first].concat(), [head, second].concat()] {
            store.write("j", &forged).unwrap();
            assert!(matches!(
                Journal::open(&store, &keys, "j"),
                Err(VaultError::Damaged { .. })
            ));
        }
        let mut flipped = file.clone();
        flipped[head.len() + 8] ^= 1;
        store.write("j", &flipped).unwrap();
        assert!(matches!(
            Journal::open(&store, &keys, "j"),
            Err(VaultError::Damaged { .. })
        ));
    }
}
