//! Puts what arrives in order, and decides what may be acknowledged.

use std::collections::{BTreeMap, VecDeque};

use crate::message::{Message, MessageId, MessageKind};

/// What to do about a message that came in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    Acknowledge,
    /// Had it before: acknowledge again, the first one may have been lost.
    Duplicate,
    /// Kept without acknowledgement until the application takes something, or not
    /// kept at all: either way the other end slows down.
    Withhold,
}

type Acknowledgement = (MessageKind, MessageId, i64);

/// The receiving half of a channel.
#[derive(Debug)]
pub(super) struct Incoming {
    expected: i64,
    early: BTreeMap<i64, Message>,
    ready: VecDeque<Message>,
    withheld: VecDeque<Acknowledgement>,
    bytes: usize,
    /// Above this acknowledgements wait; above twice this nothing is kept.
    limit_bytes: usize,
    reorder_messages: usize,
}

impl Incoming {
    pub(super) fn new(limit_bytes: usize, reorder_messages: usize) -> Self {
        Self {
            expected: 0,
            early: BTreeMap::new(),
            ready: VecDeque::new(),
            withheld: VecDeque::new(),
            bytes: 0,
            limit_bytes,
            reorder_messages,
        }
    }

    pub(super) fn take_in(&mut self, message: Message) -> Outcome {
        let number = message.sequence_number;
        let is_known = number < self.expected || self.early.contains_key(&number);
        if is_known {
            let is_withheld = self
                .withheld
                .iter()
                .any(|(_, _, withheld)| *withheld == number);
            return if is_withheld {
                Outcome::Withhold
            } else {
                Outcome::Duplicate
            };
        }
        let reorder = i64::try_from(self.reorder_messages).unwrap_or(i64::MAX);
        let is_expected = number == self.expected;
        let fits =
            self.bytes < 2 * self.limit_bytes && number.saturating_sub(self.expected) <= reorder;
        // the expected message always fits: it is what makes room
        let makes_room = is_expected && self.ready.is_empty();
        if !fits && !makes_room {
            return Outcome::Withhold;
        }
        self.bytes += message.payload.len();
        let acknowledgement = (message.kind.clone(), message.id, number);
        self.early.insert(number, message);
        while let Some(next) = self.early.remove(&self.expected) {
            self.ready.push_back(next);
            self.expected += 1;
        }
        if self.bytes <= self.limit_bytes || self.ready.is_empty() {
            return Outcome::Acknowledge;
        }
        self.withheld.push_back(acknowledgement);
        Outcome::Withhold
    }

    /// The next message in order.
    pub(super) fn take_out(&mut self) -> Option<Message> {
        let message = self.ready.pop_front()?;
        self.bytes -= message.payload.len();
        Some(message)
    }

    /// An acknowledgement that need wait no longer.
    pub(super) fn withheld_acknowledgement(&mut self) -> Option<Acknowledgement> {
        if self.bytes > self.limit_bytes && !self.ready.is_empty() {
            return None;
        }
        self.withheld.pop_front()
    }
}
