//! How a stream lies on disk: `logs/GROUP/STREAM.NNNNNNNN`, sealed journals of events.
//!
//! The first record of a segment says whose it is; each further record is one batch of events.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::state::{Group, Stored, Stream};
use crate::clock::Timestamp;
use crate::journal::Journal;
use crate::service::kms::keyring::Keyring;
use crate::store::Store;
use crate::vault::{self, VaultError};

/// A segment is closed when its text reaches this many bytes …
const SEGMENT_LIMIT_BYTES: u64 = 1024 * 1024;
/// … or when its first event came in this long ago.
const SEGMENT_LIMIT_MS: i64 = 24 * 3_600 * 1_000;
/// What CloudWatch counts for an event besides its text.
pub(super) const EVENT_OVERHEAD_BYTES: u64 = 26;
const DAY_MS: i64 = 24 * 3_600 * 1_000;

/// A run of events of one stream.
pub(super) struct Segment {
    path: String,
    /// Oldest and newest event, newest ingestion, in milliseconds; none if it has no event.
    pub(super) span: Option<(i64, i64, i64)>,
    pub(super) text_bytes: u64,
    opened_ms: i64,
    /// Present while it is being written.
    open: Option<(Journal, Vec<Stored>)>,
}

/// Where segments are written, and under which key.
pub(super) struct Place<'a> {
    pub(super) store: &'a Store,
    pub(super) keys: &'a Keyring,
    pub(super) key_id: &'a str,
    pub(super) group: &'a str,
}

/// What was found of a group.
pub(super) struct LoadedGroup {
    pub(super) created: Timestamp,
    pub(super) streams: BTreeMap<String, Stream>,
    pub(super) newest_number: u64,
    pub(super) notices: Vec<String>,
}

#[derive(Serialize, Deserialize)]
struct Header {
    group: String,
    stream: String,
    stream_created_ms: i64,
    opened_ms: i64,
}

impl Segment {
    /// Whether an event of the span may be in it.
    pub(super) fn overlaps(&self, from: i64, to: i64) -> bool {
        self.span
            .is_some_and(|(oldest, newest, _)| oldest < to && newest >= from)
    }

    /// Its events, in order of arrival.
    pub(super) fn read(
        &self,
        store: &Store,
        keys: &Keyring,
    ) -> Result<Cow<'_, [Stored]>, VaultError> {
        if let Some((_, events)) = &self.open {
            return Ok(Cow::Borrowed(events));
        }
        Ok(Cow::Owned(read_segment(store, keys, &self.path)?.events))
    }

    fn note(&mut self, events: &[Stored]) {
        for event in events {
            let own = (event.timestamp_ms, event.timestamp_ms, event.ingested_ms);
            self.span = Some(self.span.map_or(own, |span| {
                (span.0.min(own.0), span.1.max(own.1), span.2.max(own.2))
            }));
            self.text_bytes += event.message.len() as u64 + EVENT_OVERHEAD_BYTES;
        }
    }
}

struct ReadSegment {
    header: Header,
    events: Vec<Stored>,
    journal: Journal,
    torn_bytes: u64,
}

fn read_segment(store: &Store, keys: &Keyring, path: &str) -> Result<ReadSegment, VaultError> {
    let damaged = |reason| VaultError::Damaged {
        path: store.describe(path),
        reason,
    };
    let (journal, contents) =
        Journal::open(store, keys, path)?.ok_or_else(|| damaged("it has gone"))?;
    let unreadable = |_| damaged("a record is not the JSON written");
    let mut records = contents.records.iter();
    let header = records
        .next()
        .ok_or_else(|| damaged("it has no first record"))?;
    let header = serde_json::from_slice(header).map_err(unreadable)?;
    let mut events = Vec::new();
    for record in records {
        let batch: Vec<Stored> = serde_json::from_slice(record).map_err(unreadable)?;
        events.extend(batch);
    }
    Ok(ReadSegment {
        header,
        events,
        journal,
        torn_bytes: contents.torn_bytes,
    })
}

/// Reads what a group's directory holds.
pub(super) fn load_group(
    store: &Store,
    keys: &Keyring,
    group: &str,
    now: Timestamp,
) -> Result<LoadedGroup, VaultError> {
    let mut loaded = LoadedGroup {
        created: now,
        streams: BTreeMap::new(),
        newest_number: 0,
        notices: Vec::new(),
    };
    for path in store.list(&directory(group))? {
        let read = read_segment(store, keys, &path)?;
        if read.torn_bytes > 0 {
            let file = store.describe(&path);
            let notice = format!(
                "`{file}`: {} bytes of a torn write were cut off",
                read.torn_bytes
            );
            loaded.notices.push(notice);
        }
        let newest = read.events.iter().map(|event| event.number).max();
        loaded.newest_number = loaded.newest_number.max(newest.unwrap_or(0));
        let created = Timestamp(read.header.stream_created_ms);
        loaded.created = loaded.created.min(created);
        let stream = loaded
            .streams
            .entry(read.header.stream.clone())
            .or_insert_with(|| Stream {
                name: read.header.stream.clone(),
                created,
                segments: Vec::new(),
            });
        if let Some(last) = stream.segments.last_mut() {
            last.open = None;
        }
        let mut segment = Segment {
            path,
            span: None,
            text_bytes: 0,
            opened_ms: read.header.opened_ms,
            open: None,
        };
        segment.note(&read.events);
        segment.open = Some((read.journal, read.events));
        stream.segments.push(segment);
    }
    Ok(loaded)
}

/// Makes a stream with its first segment.
pub(super) fn create_stream(
    store: &Store,
    keys: &Keyring,
    group: &Group,
    name: &str,
    now: Timestamp,
) -> Result<Stream, VaultError> {
    let place = Place {
        store,
        keys,
        key_id: &group.key_id,
        group: &group.name,
    };
    let mut stream = Stream {
        name: name.to_owned(),
        created: now,
        segments: Vec::new(),
    };
    begin_segment(&place, &mut stream, now)?;
    Ok(stream)
}

/// Adds a batch, beginning a new segment when the last one is full or old.
pub(super) fn append(
    place: &Place<'_>,
    stream: &mut Stream,
    events: &[Stored],
    now: Timestamp,
) -> Result<(), VaultError> {
    let is_full = stream.segments.last().is_none_or(|segment| {
        segment.open.is_none()
            || segment.text_bytes >= SEGMENT_LIMIT_BYTES
            || now.0.saturating_sub(segment.opened_ms) >= SEGMENT_LIMIT_MS
    });
    if is_full {
        begin_segment(place, stream, now)?;
    }
    let record = serde_json::to_vec(events).expect("strings and numbers make JSON");
    let segment = stream.segments.last_mut().expect("one was just begun");
    if let Some((journal, held)) = &mut segment.open {
        journal.append(place.store, &record)?;
        held.extend_from_slice(events);
    }
    segment.note(events);
    Ok(())
}

/// Drops closed segments whose newest event is older than the retention.
pub(super) fn expire(
    place: &Place<'_>,
    stream: &mut Stream,
    retention_days: Option<u32>,
    now: Timestamp,
) -> Result<(), VaultError> {
    let Some(days) = retention_days else {
        return Ok(());
    };
    let oldest_kept = now.0.saturating_sub(i64::from(days) * DAY_MS);
    let is_expired = |segment: &Segment| {
        segment.open.is_none()
            && segment
                .span
                .is_none_or(|(_, newest, _)| newest < oldest_kept)
    };
    for segment in stream.segments.iter().filter(|segment| is_expired(segment)) {
        place.store.remove(&segment.path)?;
    }
    stream.segments.retain(|segment| !is_expired(segment));
    Ok(())
}

fn begin_segment(place: &Place<'_>, stream: &mut Stream, now: Timestamp) -> Result<(), VaultError> {
    let number = match stream.segments.last() {
        Some(last) => {
            last.path
                .rsplit('.')
                .next()
                .and_then(|n| n.parse::<u32>().ok())
                .unwrap_or(0)
                + 1
        }
        None => 0,
    };
    let path = format!(
        "{}/{}.{number:08}",
        directory(place.group),
        vault::file_name(&stream.name)
    );
    let mut journal = Journal::create(place.store, place.keys, place.key_id, &path)?;
    let header = Header {
        group: place.group.to_owned(),
        stream: stream.name.clone(),
        stream_created_ms: stream.created.0,
        opened_ms: now.0,
    };
    let record = serde_json::to_vec(&header).expect("strings and numbers make JSON");
    journal.append(place.store, &record)?;
    if let Some(last) = stream.segments.last_mut() {
        last.open = None;
    }
    let open = Some((journal, Vec::new()));
    stream.segments.push(Segment {
        path,
        span: None,
        text_bytes: 0,
        opened_ms: now.0,
        open,
    });
    Ok(())
}

fn directory(group: &str) -> String {
    format!("logs/{}", vault::file_name(group))
}
