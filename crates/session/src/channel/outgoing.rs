//! What has been sent and is not acknowledged, and when each goes again.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use bytes::Bytes;

use super::rtt::RoundTrip;

/// The sending half of a channel.
///
/// INVARIANT: every unacknowledged message is either in `fresh` (to be sent for
/// the first time on this connection) or in `repeats` (sent, with a deadline).
#[derive(Debug)]
pub(super) struct Outgoing {
    next: i64,
    unacknowledged: BTreeMap<i64, Unacknowledged>,
    bytes: usize,
    window_bytes: usize,
    window_messages: usize,
    fresh: VecDeque<i64>,
    repeats: BTreeSet<(Duration, i64)>,
    rtt: RoundTrip,
}

#[derive(Debug)]
struct Unacknowledged {
    frame: Bytes,
    size: usize,
    /// When it was first sent on this connection, and when it goes again.
    sent: Option<Sent>,
    /// Times it was sent beyond the first; on any connection it spoils the sample.
    repeats: u32,
}

#[derive(Debug, Clone, Copy)]
struct Sent {
    first_at: Duration,
    again_at: Duration,
}

impl Outgoing {
    pub(super) fn new(window_bytes: usize, window_messages: usize) -> Self {
        Self {
            next: 0,
            unacknowledged: BTreeMap::new(),
            bytes: 0,
            window_bytes,
            window_messages,
            fresh: VecDeque::new(),
            repeats: BTreeSet::new(),
            rtt: RoundTrip::new(),
        }
    }

    pub(super) fn next_sequence_number(&self) -> i64 {
        self.next
    }

    pub(super) fn has_room(&self) -> bool {
        self.bytes < self.window_bytes && self.unacknowledged.len() < self.window_messages
    }

    pub(super) fn is_empty(&self) -> bool {
        self.unacknowledged.is_empty()
    }

    /// Takes the message that has [`Outgoing::next_sequence_number`].
    pub(super) fn push(&mut self, frame: Bytes, size: usize) {
        let message = Unacknowledged {
            frame,
            size,
            sent: None,
            repeats: 0,
        };
        self.unacknowledged.insert(self.next, message);
        self.fresh.push_back(self.next);
        self.bytes += size;
        self.next += 1;
    }

    pub(super) fn acknowledge(&mut self, sequence_number: i64, now: Duration) {
        let Some(message) = self.unacknowledged.remove(&sequence_number) else {
            return;
        };
        self.bytes -= message.size;
        match message.sent {
            Some(sent) => {
                self.repeats.remove(&(sent.again_at, sequence_number));
                if message.repeats == 0 {
                    self.rtt.sample(now.saturating_sub(sent.first_at));
                }
            }
            // acknowledged late, from an earlier connection
            None => self.fresh.retain(|fresh| *fresh != sequence_number),
        }
    }

    /// Everything unacknowledged goes again, in order, as if for the first time.
    pub(super) fn restart(&mut self) {
        self.repeats.clear();
        self.fresh = self.unacknowledged.keys().copied().collect();
        for message in self.unacknowledged.values_mut() {
            if message.sent.take().is_some() {
                message.repeats = 1;
            }
        }
    }

    /// The next frame to write, and whether it was written before: what is overdue first.
    pub(super) fn poll(&mut self, now: Duration) -> Option<(Bytes, bool)> {
        if let Some((due, sequence_number)) = self.repeats.first().copied()
            && due <= now
        {
            self.repeats.pop_first();
            let message = self.unacknowledged.get_mut(&sequence_number)?;
            message.repeats += 1;
            let again_at = now + self.rtt.timeout(message.repeats);
            if let Some(sent) = message.sent.as_mut() {
                sent.again_at = again_at;
            }
            self.repeats.insert((again_at, sequence_number));
            return Some((message.frame.clone(), true));
        }
        let sequence_number = self.fresh.pop_front()?;
        let message = self.unacknowledged.get_mut(&sequence_number)?;
        let again_at = now + self.rtt.timeout(0);
        message.sent = Some(Sent {
            first_at: now,
            again_at,
        });
        self.repeats.insert((again_at, sequence_number));
        Some((message.frame.clone(), message.repeats > 0))
    }

    pub(super) fn next_repeat(&self) -> Option<Duration> {
        self.repeats.first().map(|(due, _)| *due)
    }

    /// When the oldest unacknowledged message was first sent on this connection.
    pub(super) fn oldest_sent_at(&self) -> Option<Duration> {
        let (_, oldest) = self.unacknowledged.first_key_value()?;
        oldest.sent.map(|sent| sent.first_at)
    }
}
