//! How do many connections share one stream of bytes?
//!
//! Version 1 of the smux protocol (xtaci/smux): little-endian frames that open,
//! carry and close streams. Its FIN closes both directions at once; between two
//! ends of ours ([`MuxConfig::half_close`]) it closes one, and a NOP that names a
//! stream resets it. Streams take turns, so a busy one does not starve the rest;
//! what is read too slowly is kept up to a budget for all of them together.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use bytes::{Bytes, BytesMut};

mod frame;
mod stream;

use frame::{Command, Decoder, Item};
use stream::{Finish, Stream};

/// A stream of one mux. Odd ids from 3 on are the client's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct StreamId(pub u32);

/// How a mux behaves.
#[derive(Debug, Clone)]
pub struct MuxConfig {
    /// Whether this end opens streams (the client) or accepts them (the agent).
    pub opens: bool,
    /// Whether FIN closes one direction only, and streams have windows: both ends must be
    /// ours.
    pub half_close: bool,
    /// Without half-close: how long after the last incoming data a finished stream
    /// stays open for the rest of the answer.
    pub linger: Duration,
    /// Received bytes, of all streams, that may wait to be read.
    pub receive_bytes: usize,
    /// With half-close: received bytes, of one stream, that may wait to be read.
    pub window_bytes: u32,
    /// Written bytes, of one stream, that may wait to be sent.
    pub send_bytes: usize,
    /// Streams an accepting end allows at once.
    pub streams: usize,
    /// Interval of keepalive frames, towards ends that need them.
    pub keepalive: Option<Duration>,
}

impl MuxConfig {
    /// Usual limits.
    #[must_use]
    pub fn new(opens: bool, half_close: bool) -> Self {
        Self {
            opens,
            half_close,
            linger: if opens {
                Duration::from_secs(5)
            } else {
                Duration::ZERO
            },
            receive_bytes: 64 << 20,
            window_bytes: 1 << 20,
            send_bytes: 256 << 10,
            streams: 1024,
            keepalive: None,
        }
    }
}

/// What happened on a mux.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MuxEvent {
    /// The other end opened a stream.
    Opened(StreamId),
    /// [`Mux::read`] has something new to say.
    Readable(StreamId),
    /// A write that was not taken whole may be tried again.
    Writable(StreamId),
}

/// The outcome of reading from a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Read {
    Data(Bytes),
    /// Nothing now; [`MuxEvent::Readable`] tells when.
    Pending,
    /// The other end has finished.
    End,
    /// The other end has given the stream up; what was on its way is lost.
    Reset,
}

/// The outcome of writing to a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Written {
    /// So many bytes were taken; [`MuxEvent::Writable`] tells when to offer the rest.
    Taken(usize),
    /// Nobody reads on the other end any more.
    Closed,
}

/// Bytes that are no smux: the whole mux is unusable after that.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MuxFault {
    #[error("a smux frame of version {version}, not 1")]
    Version { version: u8 },
    #[error("an unknown smux command {command}")]
    Command { command: u8 },
}

/// One end of a smux session.
#[derive(Debug)]
pub struct Mux {
    config: MuxConfig,
    decoder: Decoder,
    next_id: u32,
    streams: BTreeMap<StreamId, Stream>,
    /// Streams with something to send, in turn.
    turns: VecDeque<StreamId>,
    /// Frames about streams that are gone already.
    loose: VecDeque<(Command, StreamId)>,
    /// Received bytes that wait to be read.
    unread: usize,
    keepalive_at: Option<Duration>,
    /// Whether anything came. An accepting end keeps quiet until then: an official
    /// client is not ready to listen before it has spoken.
    has_heard: bool,
    events: VecDeque<MuxEvent>,
}

/// What one stream may have under way before its reader has said anything.
const FIRST_WINDOW: u32 = 256 << 10;
/// The longest data frame the reference implementation writes.
const LARGEST_FRAME: usize = 32_768;
/// Not worth a frame of its own when the payload has something else already.
const SMALLEST_FRAME: usize = 64;

impl Mux {
    #[must_use]
    pub fn new(config: MuxConfig, now: Duration) -> Self {
        Self {
            decoder: Decoder::new(config.half_close),
            next_id: 3,
            streams: BTreeMap::new(),
            turns: VecDeque::new(),
            loose: VecDeque::new(),
            unread: 0,
            has_heard: false,
            keepalive_at: config.keepalive.map(|interval| now + interval),
            events: VecDeque::new(),
            config,
        }
    }

    /// How many streams there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.streams.len()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.streams.is_empty()
    }

    /// Whether received bytes may be handed in: while this is false the peer has to wait.
    #[must_use]
    pub fn has_room(&self) -> bool {
        self.unread < self.config.receive_bytes
    }

    /// Opens a stream; `None` on the accepting end, or when ids have run out.
    pub fn open(&mut self) -> Option<StreamId> {
        if !self.config.opens {
            return None;
        }
        let id = StreamId(self.next_id);
        self.next_id = self.next_id.checked_add(2)?;
        self.streams.insert(
            id,
            Stream::new(true, self.config.half_close, self.config.window_bytes),
        );
        self.take_turn(id);
        Some(id)
    }

    /// Offers bytes to a stream.
    pub fn write(&mut self, id: StreamId, data: &[u8]) -> Written {
        let limit = self.config.send_bytes;
        let Some(stream) = self
            .streams
            .get_mut(&id)
            .filter(|stream| stream.is_writable())
        else {
            return Written::Closed;
        };
        let taken = stream.write(data, limit);
        if taken > 0 {
            self.take_turn(id);
        }
        Written::Taken(taken)
    }

    /// Takes what the other end sent on a stream.
    pub fn read(&mut self, id: StreamId) -> Read {
        let Some(stream) = self.streams.get_mut(&id) else {
            return Read::End;
        };
        let read = stream.read();
        match &read {
            Read::Data(data) => {
                self.unread -= data.len();
                // the writer may hear of it
                self.take_turn(id);
            }
            Read::Pending => {}
            Read::End | Read::Reset => self.forget_if_done(id),
        }
        read
    }

    /// This end has written everything it will.
    pub fn finish(&mut self, id: StreamId, now: Duration) {
        let linger = if self.config.half_close {
            Duration::ZERO
        } else {
            self.config.linger
        };
        let Some(stream) = self.streams.get_mut(&id) else {
            return;
        };
        if stream.finish == Finish::No {
            let lingers = !linger.is_zero() && !stream.is_finished_by_peer();
            stream.finish = if lingers {
                Finish::Lingering(now + linger)
            } else {
                Finish::Wanted
            };
            self.take_turn(id);
        }
    }

    /// This end neither writes nor reads any more.
    pub fn reset(&mut self, id: StreamId) {
        let Some(stream) = self.streams.remove(&id) else {
            return;
        };
        self.unread -= stream.unread();
        let half_close = self.config.half_close;
        let command = if half_close {
            Command::Nop
        } else {
            Command::Fin
        };
        // nobody heard of a stream that was not announced, nor expects more of a closed one
        if !stream.is_announcement_due() && !stream.is_closed() {
            self.loose.push_back((command, id));
        }
    }

    /// Received bytes.
    ///
    /// # Errors
    /// When they are not smux.
    pub fn handle_bytes(&mut self, bytes: Bytes, now: Duration) -> Result<(), MuxFault> {
        self.has_heard = true;
        let mut rest = bytes;
        while let Some(item) = self.decoder.next(&mut rest)? {
            match item {
                Item::Frame {
                    command: Command::Syn,
                    id,
                } => self.accept(id),
                Item::Frame {
                    command: Command::Fin,
                    id,
                } => self.handle_finish(id),
                Item::Frame {
                    command: Command::Nop,
                    id,
                } => self.handle_reset(id),
                Item::Frame {
                    command: Command::Push | Command::Update,
                    ..
                } => {}
                Item::Data { id, data } => self.handle_data(id, data, now),
                Item::Update { id, read, window } => {
                    if let Some(stream) = self.streams.get_mut(&id) {
                        stream.update(read, window);
                    }
                    self.take_turn(id);
                }
            }
        }
        Ok(())
    }

    fn accept(&mut self, id: StreamId) {
        if self.config.opens || self.streams.contains_key(&id) {
            return;
        }
        if self.streams.len() >= self.config.streams {
            self.loose.push_back((Command::Fin, id));
            return;
        }
        self.streams.insert(
            id,
            Stream::new(false, self.config.half_close, self.config.window_bytes),
        );
        self.events.push_back(MuxEvent::Opened(id));
    }

    fn handle_data(&mut self, id: StreamId, data: Bytes, now: Duration) {
        let linger = self.config.linger;
        // unknown ids are streams this end has closed
        let Some(stream) = self.streams.get_mut(&id) else {
            return;
        };
        let length = data.len();
        if !stream.take_in(data) {
            return;
        }
        self.unread += length;
        if let Finish::Lingering(until) = &mut stream.finish {
            *until = now + linger;
        }
        self.announce(id);
    }

    fn handle_finish(&mut self, id: StreamId) {
        let half_close = self.config.half_close;
        let Some(stream) = self.streams.get_mut(&id) else {
            return;
        };
        stream.finish_by_peer();
        if !half_close {
            self.take_turn(id);
        }
        self.announce(id);
        self.forget_if_done(id);
    }

    /// A NOP that names a stream; one that names none is a keepalive.
    fn handle_reset(&mut self, id: StreamId) {
        if !self.config.half_close {
            return;
        }
        let Some(stream) = self.streams.get_mut(&id) else {
            return;
        };
        self.unread -= stream.unread();
        stream.reset_by_peer();
        self.announce(id);
    }

    /// The next piece of the byte stream, of at most `limit` bytes.
    ///
    /// # Panics
    /// When `limit` is under 128: it must hold frames. Official ends use 1024.
    pub fn poll_bytes(&mut self, limit: usize) -> Option<Bytes> {
        assert!(limit >= 2 * SMALLEST_FRAME, "a payload holds a frame");
        let mut bytes = BytesMut::new();
        while bytes.len() + frame::HEADER_LENGTH <= limit
            && let Some((command, id)) = self.loose.pop_front()
        {
            frame::put_header(&mut bytes, command, id, 0);
        }
        while let Some(id) = self.turns.pop_front() {
            let Some(stream) = self.streams.get_mut(&id) else {
                continue;
            };
            let is_full = !stream.put_frames(id, &mut bytes, limit);
            stream.has_turn = false;
            if stream.is_room_news(self.config.send_bytes) {
                self.events.push_back(MuxEvent::Writable(id));
            }
            if stream.is_closed() {
                // the reader's turn to hear of the end
                self.announce(id);
            }
            self.take_turn(id);
            self.forget_if_done(id);
            if is_full {
                break;
            }
        }
        (!bytes.is_empty()).then(|| bytes.freeze())
    }

    pub fn poll_event(&mut self) -> Option<MuxEvent> {
        self.events.pop_front()
    }

    #[must_use]
    pub fn poll_timeout(&self) -> Option<Duration> {
        let lingering = self
            .streams
            .values()
            .filter_map(|stream| match stream.finish {
                Finish::Lingering(until) => Some(until),
                _ => None,
            });
        // with half-close nothing lingers
        let lingering = (!self.config.half_close).then_some(lingering);
        lingering
            .into_iter()
            .flatten()
            .chain(self.keepalive_at)
            .min()
    }

    /// Time has passed.
    pub fn handle_timeout(&mut self, now: Duration) {
        let over: Vec<StreamId> = self
            .streams
            .iter()
            .filter(|(_, stream)| matches!(stream.finish, Finish::Lingering(until) if until <= now))
            .map(|(id, _)| *id)
            .collect();
        for id in over {
            if let Some(stream) = self.streams.get_mut(&id) {
                stream.finish = Finish::Wanted;
            }
            self.take_turn(id);
        }
        if let (Some(at), Some(interval)) = (self.keepalive_at, self.config.keepalive)
            && at <= now
        {
            if self.config.opens || self.has_heard {
                self.loose.push_back((Command::Nop, StreamId(0)));
            }
            self.keepalive_at = Some(now + interval);
        }
    }

    fn take_turn(&mut self, id: StreamId) {
        if let Some(stream) = self.streams.get_mut(&id)
            && !stream.has_turn
            && stream.has_something_to_send()
        {
            stream.has_turn = true;
            self.turns.push_back(id);
        }
    }

    fn announce(&mut self, id: StreamId) {
        if let Some(stream) = self.streams.get_mut(&id)
            && stream.is_news()
        {
            self.events.push_back(MuxEvent::Readable(id));
        }
    }

    /// Drops a stream that both ends are done with and that has been read to its end.
    fn forget_if_done(&mut self, id: StreamId) {
        if self.streams.get(&id).is_some_and(Stream::is_done) {
            self.streams.remove(&id);
        }
    }
}

#[cfg(test)]
mod tests;
