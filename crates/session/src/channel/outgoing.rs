//! What has been sent and is not acknowledged, and when each goes again.
//!
//! Below is a connection that keeps order, so waiting long is no sign of loss: a
//! narrow line may hold seconds of data. Signs of loss are an acknowledgement of
//! something sent later (RFC 8985 reasons alike), or no acknowledgement of
//! anything for a whole timeout; then the oldest message is sent as a probe, and
//! its acknowledgement tells about the rest.
//!
//! Official clients, and old agents, stay silent about a message they have already:
//! an acknowledgement that was lost is never repeated. A message that keeps being
//! overtaken is therefore put aside: it goes again from time to time, but neither
//! fills the window nor holds up the end.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use bytes::Bytes;

use super::rtt::RoundTrip;

/// The sending half of a channel.
///
/// INVARIANT: every unacknowledged message is in one of `fresh` (to be sent for the
/// first time on this connection), `flight` (sent on it) and `aside`; `bytes` counts
/// those of the first two.
#[derive(Debug)]
pub(super) struct Outgoing {
    next: i64,
    unacknowledged: BTreeMap<i64, Unacknowledged>,
    bytes: usize,
    window_bytes: usize,
    window_messages: usize,
    fresh: VecDeque<i64>,
    /// Messages by the order they were last sent in.
    flight: BTreeMap<u64, i64>,
    /// Messages the other end most likely has, and when each goes again.
    aside: BTreeSet<(Duration, i64)>,
    sends: u64,
    /// The latest sending that is known to have arrived.
    arrived: Option<u64>,
    /// When something was last acknowledged, or a probe sent.
    progress_at: Duration,
    acknowledged_at: Duration,
    /// Probes since something was acknowledged.
    probes: u32,
    rtt: RoundTrip,
}

/// Overtaken more often than this, a message has most likely arrived.
const OVERTAKEN_BY_CHANCE: u32 = 8;
const ASIDE_INTERVAL: Duration = Duration::from_secs(5);

#[derive(Debug)]
struct Unacknowledged {
    frame: Bytes,
    size: usize,
    /// The sendings on this connection.
    sent: Option<Sent>,
    /// Sent more than once, on any connection.
    is_repeated: bool,
    /// How often something sent later was acknowledged and this was not.
    overtaken: u32,
    /// When it goes again, if it is set aside.
    aside: Option<Duration>,
}

#[derive(Debug, Clone, Copy)]
struct Sent {
    first_at: Duration,
    last_at: Duration,
    /// Place of the last sending among all.
    order: u64,
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
            flight: BTreeMap::new(),
            aside: BTreeSet::new(),
            sends: 0,
            arrived: None,
            progress_at: Duration::ZERO,
            acknowledged_at: Duration::ZERO,
            probes: 0,
            rtt: RoundTrip::new(),
        }
    }

    pub(super) fn next_sequence_number(&self) -> i64 {
        self.next
    }

    pub(super) fn has_room(&self) -> bool {
        let messages = self.unacknowledged.len() - self.aside.len();
        self.bytes < self.window_bytes && messages < self.window_messages
    }

    /// Whether everything has arrived, as far as the other end ever says.
    pub(super) fn is_empty(&self) -> bool {
        self.unacknowledged.len() == self.aside.len()
    }

    /// Takes the message that has [`Outgoing::next_sequence_number`].
    pub(super) fn push(&mut self, frame: Bytes, size: usize) {
        let message = Unacknowledged {
            frame,
            size,
            sent: None,
            is_repeated: false,
            overtaken: 0,
            aside: None,
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
        self.acknowledged_at = now;
        self.progress_at = now;
        self.probes = 0;
        if let Some(at) = message.aside {
            self.aside.remove(&(at, sequence_number));
            return;
        }
        self.bytes -= message.size;
        let Some(sent) = message.sent else {
            // acknowledged late, from an earlier connection
            self.fresh.retain(|fresh| *fresh != sequence_number);
            return;
        };
        self.flight.remove(&sent.order);
        if !message.is_repeated {
            self.rtt.sample(now.saturating_sub(sent.first_at));
        } else if now.saturating_sub(sent.last_at) < self.rtt.shortest_plausible() {
            // too soon for the repetition: it was not needed, and proves nothing
            return;
        }
        self.arrived = self.arrived.max(Some(sent.order));
    }

    /// Everything unacknowledged goes again, in order, as if for the first time.
    pub(super) fn restart(&mut self) {
        self.flight.clear();
        self.arrived = None;
        self.probes = 0;
        self.fresh.clear();
        self.aside.clear();
        for (sequence_number, message) in &mut self.unacknowledged {
            message.is_repeated |= message.sent.take().is_some();
            match &mut message.aside {
                None => self.fresh.push_back(*sequence_number),
                Some(at) => {
                    *at = Duration::ZERO;
                    self.aside.insert((*at, *sequence_number));
                }
            }
        }
    }

    /// The next frame to write, and whether it was written before: what was lost first.
    pub(super) fn poll(&mut self, now: Duration) -> Option<(Bytes, bool)> {
        if let Some((at, is_lost)) = self.oldest_repeat()
            && at <= now
        {
            let (_, sequence_number) = self.flight.pop_first()?;
            if is_lost {
                return self.send_overtaken(sequence_number, now);
            }
            self.probes += 1;
            self.progress_at = now;
            return self.send(sequence_number, now);
        }
        if let Some((at, sequence_number)) = self.aside.first().copied()
            && at <= now
        {
            self.aside.pop_first();
            return self.send_aside(sequence_number, now);
        }
        let sequence_number = self.fresh.pop_front()?;
        if self.flight.is_empty() {
            self.progress_at = now;
        }
        self.send(sequence_number, now)
    }

    fn send(&mut self, sequence_number: i64, now: Duration) -> Option<(Bytes, bool)> {
        let message = self.unacknowledged.get_mut(&sequence_number)?;
        self.sends += 1;
        self.flight.insert(self.sends, sequence_number);
        message.is_repeated |= message.sent.is_some();
        let first_at = message.sent.map_or(now, |sent| sent.first_at);
        message.sent = Some(Sent {
            first_at,
            last_at: now,
            order: self.sends,
        });
        Some((message.frame.clone(), message.is_repeated))
    }

    fn send_overtaken(&mut self, sequence_number: i64, now: Duration) -> Option<(Bytes, bool)> {
        let message = self.unacknowledged.get_mut(&sequence_number)?;
        message.overtaken += 1;
        if message.overtaken <= OVERTAKEN_BY_CHANCE {
            return self.send(sequence_number, now);
        }
        message.sent = None;
        self.bytes -= message.size;
        self.send_aside(sequence_number, now)
    }

    fn send_aside(&mut self, sequence_number: i64, now: Duration) -> Option<(Bytes, bool)> {
        let message = self.unacknowledged.get_mut(&sequence_number)?;
        let again_at = now + ASIDE_INTERVAL;
        message.aside = Some(again_at);
        self.aside.insert((again_at, sequence_number));
        Some((message.frame.clone(), true))
    }

    /// When the message sent longest ago goes again, and whether that is because it is lost.
    ///
    /// Every other goes later: it was sent later.
    fn oldest_repeat(&self) -> Option<(Duration, bool)> {
        let (order, sequence_number) = self.flight.first_key_value()?;
        let sent = self.unacknowledged.get(sequence_number)?.sent?;
        if self.arrived > Some(*order) {
            return Some((sent.last_at + self.rtt.reordering(), true));
        }
        Some((self.progress_at + self.rtt.timeout(self.probes), false))
    }

    pub(super) fn next_repeat(&self) -> Option<Duration> {
        let oldest = self.oldest_repeat().map(|(at, _)| at);
        oldest
            .into_iter()
            .chain(self.aside.first().map(|(at, _)| *at))
            .min()
    }

    /// Since when something should have been acknowledged and nothing was.
    pub(super) fn silent_since(&self) -> Option<Duration> {
        let waiting = self
            .unacknowledged
            .values()
            .find(|message| message.aside.is_none())?;
        waiting
            .sent
            .map(|sent| sent.first_at.max(self.acknowledged_at))
    }
}
