//! How do payloads get to the other end once and in order?
//!
//! Every stream message has a sequence number, is kept until it is acknowledged
//! and sent again when that takes too long; what arrives is put in order and
//! acknowledged. All of it outlives the connections below: after a reconnect both
//! ends go on where they were. Unlike the official ends, nothing is ever dropped
//! to make room: a full window means the application waits.

use std::collections::VecDeque;
use std::time::Duration;

use aws_lc_rs::digest;
use bytes::Bytes;

use crate::message::{
    self, Decoded, FLAG_SYN, FLAG_SYN_FIN, Message, MessageId, MessageKind, PayloadType,
};
use crate::wire;

mod incoming;
mod outgoing;
mod rtt;

use incoming::{Incoming, Outcome};
use outgoing::Outgoing;

/// Which end of the session this is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    Client,
    Agent,
}

/// Limits of a channel.
#[derive(Debug, Clone)]
pub struct ChannelConfig {
    /// Payload bytes that may be on their way unacknowledged.
    pub window_bytes: usize,
    /// Messages that may be on their way unacknowledged.
    pub window_messages: usize,
    /// Bytes received and not yet taken by the application, above which
    /// acknowledgements are withheld.
    pub receive_bytes: usize,
    /// How far ahead of the expected message one may arrive.
    pub reorder_messages: usize,
    /// How long the oldest message may stay unacknowledged on a live connection before
    /// [`ChannelEvent::PeerSilent`].
    pub silence: Duration,
    /// Unix time, in milliseconds, at `now` = 0; for the creation dates of messages.
    pub unix_ms_at_zero: u64,
}

impl Default for ChannelConfig {
    fn default() -> Self {
        Self {
            window_bytes: 4 << 20,
            window_messages: 8192,
            receive_bytes: 16 << 20,
            reorder_messages: 100_000,
            silence: Duration::from_mins(5),
            unix_ms_at_zero: 1,
        }
    }
}

/// What the channel tells its owner, apart from payloads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChannelEvent {
    /// The service ended the session; `output` is for the user.
    Closed { output: String },
    /// The connection lives, but nothing has been acknowledged for long. Said once, until
    /// something is.
    PeerSilent,
}

/// What a channel has seen.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ChannelStats {
    pub sent: u64,
    pub resent: u64,
    pub received: u64,
    pub duplicates: u64,
    /// Frames that were no messages, or not for this end.
    pub invalid: u64,
}

/// One end of a data channel.
#[derive(Debug)]
pub struct Channel {
    role: Role,
    config: ChannelConfig,
    ids: Ids,
    outgoing: Outgoing,
    incoming: Incoming,
    /// Acknowledgements and state messages: sent first, never resent.
    unsequenced: VecDeque<Bytes>,
    is_connected: bool,
    is_paused: bool,
    is_silent: bool,
    events: VecDeque<ChannelEvent>,
    stats: ChannelStats,
}

/// Acknowledgements waiting to be written; the peer repeats what is lost beyond.
const UNSEQUENCED_LIMIT: usize = 65_536;

impl Channel {
    /// A channel that is not connected yet. `seed` must be random: message ids come of it.
    #[must_use]
    pub fn new(role: Role, config: ChannelConfig, seed: [u8; 16]) -> Self {
        Self {
            role,
            ids: Ids { seed, next: 0 },
            outgoing: Outgoing::new(config.window_bytes, config.window_messages),
            incoming: Incoming::new(config.receive_bytes, config.reorder_messages),
            config,
            unsequenced: VecDeque::new(),
            is_connected: false,
            is_paused: false,
            is_silent: false,
            events: VecDeque::new(),
            stats: ChannelStats::default(),
        }
    }

    #[must_use]
    pub fn stats(&self) -> ChannelStats {
        self.stats
    }

    /// Whether the window has room for another data message.
    #[must_use]
    pub fn can_send(&self) -> bool {
        self.outgoing.has_room()
    }

    /// Whether everything sent has been acknowledged.
    #[must_use]
    pub fn is_drained(&self) -> bool {
        self.outgoing.is_empty()
    }

    /// Queues a stream message. Look at [`Channel::can_send`] first for data; the few
    /// control messages of a session go regardless.
    ///
    /// # Panics
    /// On an empty payload: neither official end can write or read one.
    pub fn send(&mut self, payload_type: PayloadType, payload: Bytes, now: Duration) {
        assert!(!payload.is_empty(), "a stream message has a payload");
        let sequence_number = self.outgoing.next_sequence_number();
        let (kind, flags) = match self.role {
            Role::Client => (MessageKind::InputStreamData, 0),
            Role::Agent if sequence_number == 0 => (MessageKind::OutputStreamData, FLAG_SYN),
            Role::Agent => (MessageKind::OutputStreamData, 0),
        };
        let size = payload.len();
        let message = Message {
            kind,
            created_ms: self.unix_ms(now),
            sequence_number,
            flags,
            id: self.ids.next(),
            payload_type: payload_type.code(),
            payload,
        };
        self.outgoing.push(message::encode(&message), size);
    }

    /// Queues a message outside the stream: not acknowledged, not repeated.
    pub fn send_unsequenced(&mut self, kind: MessageKind, payload: Bytes, now: Duration) {
        if self.unsequenced.len() >= UNSEQUENCED_LIMIT {
            return;
        }
        let message = Message {
            kind,
            created_ms: self.unix_ms(now),
            sequence_number: 0,
            flags: FLAG_SYN_FIN,
            id: self.ids.next(),
            payload_type: 0,
            payload,
        };
        self.unsequenced.push_back(message::encode(&message));
    }

    /// A connection stands and its opening text frame is on its way.
    ///
    /// What was not acknowledged on the last one is sent again, in order.
    pub fn handle_connected(&mut self) {
        self.is_connected = true;
        self.is_paused = false;
        self.outgoing.restart();
    }

    /// The connection is gone; nothing is lost by that.
    pub fn handle_disconnected(&mut self) {
        self.is_connected = false;
        self.unsequenced.clear();
    }

    /// A binary frame came in.
    pub fn handle_message(&mut self, frame: &Bytes, now: Duration) {
        let Decoded::Message(message) = message::decode(frame) else {
            self.stats.invalid += 1;
            return;
        };
        let from_peer = match self.role {
            Role::Client => MessageKind::OutputStreamData,
            Role::Agent => MessageKind::InputStreamData,
        };
        match &message.kind {
            MessageKind::Acknowledge => self.handle_acknowledge(&message.payload, now),
            MessageKind::StartPublication => self.resume(),
            MessageKind::PausePublication => self.is_paused = true,
            MessageKind::ChannelClosed => {
                let closed = serde_json::from_slice::<wire::ChannelClosed>(&message.payload);
                let output = closed.map(|closed| closed.output).unwrap_or_default();
                self.events.push_back(ChannelEvent::Closed { output });
            }
            kind if *kind == from_peer => self.handle_stream_data(message, now),
            _ => self.stats.invalid += 1,
        }
    }

    fn handle_acknowledge(&mut self, payload: &[u8], now: Duration) {
        let Ok(acknowledge) = serde_json::from_slice::<wire::Acknowledge>(payload) else {
            self.stats.invalid += 1;
            return;
        };
        // whoever acknowledges is there
        self.resume();
        self.is_silent = false;
        self.outgoing
            .acknowledge(acknowledge.acknowledged_message_sequence_number, now);
    }

    fn handle_stream_data(&mut self, message: Message, now: Duration) {
        self.resume();
        self.stats.received += 1;
        let (kind, id, sequence_number) =
            (message.kind.clone(), message.id, message.sequence_number);
        match self.incoming.take_in(message) {
            Outcome::Acknowledge => self.acknowledge(&kind, id, sequence_number, now),
            Outcome::Duplicate => {
                self.stats.duplicates += 1;
                self.acknowledge(&kind, id, sequence_number, now);
            }
            Outcome::Withhold => {}
        }
    }

    fn acknowledge(&mut self, kind: &MessageKind, id: MessageId, number: i64, now: Duration) {
        let acknowledge = wire::Acknowledge {
            acknowledged_message_type: kind.name().to_owned(),
            acknowledged_message_id: id.to_string(),
            acknowledged_message_sequence_number: number,
            is_sequential_message: true,
        };
        let payload = serde_json::to_vec(&acknowledge).expect("strings and numbers are JSON");
        self.send_unsequenced(MessageKind::Acknowledge, payload.into(), now);
    }

    /// The peer is there again: what is unacknowledged may have been lost.
    fn resume(&mut self) {
        if self.is_paused {
            self.is_paused = false;
            self.outgoing.restart();
        }
    }

    /// The next payload in order, with the number of its type.
    pub fn poll_payload(&mut self, now: Duration) -> Option<(u32, Bytes)> {
        let message = self.incoming.take_out()?;
        while let Some((kind, id, sequence_number)) = self.incoming.withheld_acknowledgement() {
            self.acknowledge(&kind, id, sequence_number, now);
        }
        Some((message.payload_type, message.payload))
    }

    /// The next binary frame to write.
    pub fn poll_transmit(&mut self, now: Duration) -> Option<Bytes> {
        if !self.is_connected {
            return None;
        }
        if let Some(frame) = self.unsequenced.pop_front() {
            return Some(frame);
        }
        if self.is_paused {
            return None;
        }
        let (frame, is_repeated) = self.outgoing.poll(now)?;
        self.stats.sent += 1;
        self.stats.resent += u64::from(is_repeated);
        Some(frame)
    }

    pub fn poll_event(&mut self) -> Option<ChannelEvent> {
        self.events.pop_front()
    }

    /// When to call [`Channel::handle_timeout`] and poll again.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Duration> {
        if !self.is_connected || self.is_paused {
            return None;
        }
        let silence = self.silence_at().filter(|_| !self.is_silent);
        self.outgoing.next_repeat().into_iter().chain(silence).min()
    }

    /// Time has passed.
    pub fn handle_timeout(&mut self, now: Duration) {
        let is_live = self.is_connected && !self.is_paused && !self.is_silent;
        if is_live && self.silence_at().is_some_and(|at| at <= now) {
            self.is_silent = true;
            self.events.push_back(ChannelEvent::PeerSilent);
        }
    }

    fn silence_at(&self) -> Option<Duration> {
        Some(self.outgoing.silent_since()? + self.config.silence)
    }

    fn unix_ms(&self, now: Duration) -> u64 {
        let elapsed = u64::try_from(now.as_millis()).unwrap_or(u64::MAX);
        self.config.unix_ms_at_zero.saturating_add(elapsed).max(1)
    }
}

/// Message ids, each once, from one random seed.
struct Ids {
    seed: [u8; 16],
    next: u64,
}

impl std::fmt::Debug for Ids {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Ids({})", self.next)
    }
}

impl Ids {
    fn next(&mut self) -> MessageId {
        let mut context = digest::Context::new(&digest::SHA256);
        context.update(&self.seed);
        context.update(&self.next.to_be_bytes());
        self.next += 1;
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&context.finish().as_ref()[..16]);
        MessageId::from_random(bytes)
    }
}

#[cfg(test)]
mod tests;
