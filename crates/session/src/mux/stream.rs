//! One stream of a mux: what waits to be sent, what waits to be read, who is done.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::{Buf, BufMut, Bytes, BytesMut};

use super::frame::{Command, HEADER_LENGTH, UPDATE_LENGTH, put_header, put_update};
use super::{FIRST_WINDOW, LARGEST_FRAME, Read, SMALLEST_FRAME, StreamId};

/// How far this end is with finishing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Finish {
    No,
    /// Finished, but a FIN would cut the other end's answer: not before this.
    Lingering(Duration),
    /// To be sent after what is waiting.
    Wanted,
    Sent,
}

/// How far the other end is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Peer {
    Open,
    Finished,
    Reset,
}

#[derive(Debug)]
pub(super) struct Stream {
    half_close: bool,
    announcement_due: bool,
    outgoing: BytesMut,
    incoming: VecDeque<Bytes>,
    unread: usize,
    pub(super) finish: Finish,
    peer: Peer,
    /// Whether it stands in the queue of turns.
    pub(super) has_turn: bool,
    /// A write was not taken whole.
    wants_room: bool,
    /// The application knows that there is something to read.
    told: bool,
    /// The application has been told of the end.
    read_to_end: bool,
    /// Between two ends of ours: how much may be under way, each way.
    flow: Option<Flow>,
}

/// What limits one stream, so that a reader who does not read stalls no other.
///
/// Counts are of all bytes so far, and wrap.
#[derive(Debug)]
struct Flow {
    sent: u32,
    /// The other end's word: read so far, and what may be under way beyond.
    read_by_peer: u32,
    peer_window: u32,
    read: u32,
    /// What the other end was told last.
    told_read: u32,
    window: u32,
    is_update_due: bool,
}

impl Flow {
    /// How much may be sent now.
    fn room(&self) -> usize {
        let under_way = self.sent.wrapping_sub(self.read_by_peer);
        self.peer_window.saturating_sub(under_way) as usize
    }
}

impl Stream {
    /// A stream; `announce` it to the other end or not.
    ///
    /// With half-close the other end is ours, and never has more than `window` bytes
    /// under way.
    pub(super) fn new(announce: bool, half_close: bool, window: u32) -> Self {
        let flow = Flow {
            sent: 0,
            read_by_peer: 0,
            peer_window: FIRST_WINDOW,
            read: 0,
            told_read: 0,
            window,
            is_update_due: false,
        };
        Self {
            half_close,
            flow: half_close.then_some(flow),
            announcement_due: announce,
            outgoing: BytesMut::new(),
            incoming: VecDeque::new(),
            unread: 0,
            finish: Finish::No,
            peer: Peer::Open,
            has_turn: false,
            wants_room: false,
            told: false,
            read_to_end: false,
        }
    }

    pub(super) fn is_announcement_due(&self) -> bool {
        self.announcement_due
    }

    pub(super) fn unread(&self) -> usize {
        self.unread
    }

    /// Whether this end's FIN, where it means both directions, is out.
    pub(super) fn is_closed(&self) -> bool {
        !self.half_close && self.finish == Finish::Sent
    }

    pub(super) fn is_finished_by_peer(&self) -> bool {
        self.peer != Peer::Open
    }

    pub(super) fn is_writable(&self) -> bool {
        self.finish == Finish::No && self.peer != Peer::Reset
    }

    pub(super) fn write(&mut self, data: &[u8], limit: usize) -> usize {
        let taken = data.len().min(limit.saturating_sub(self.outgoing.len()));
        self.outgoing.put_slice(&data[..taken]);
        self.wants_room |= taken < data.len();
        taken
    }

    pub(super) fn read(&mut self) -> Read {
        if let Some(data) = self.incoming.pop_front() {
            self.unread -= data.len();
            self.count_read(data.len());
            return Read::Data(data);
        }
        self.told = false;
        match self.peer {
            Peer::Open if !self.is_closed() => Read::Pending,
            Peer::Open | Peer::Finished => {
                self.read_to_end = true;
                Read::End
            }
            Peer::Reset => {
                self.read_to_end = true;
                Read::Reset
            }
        }
    }

    fn count_read(&mut self, length: usize) {
        let is_open = self.peer == Peer::Open;
        if let Some(flow) = &mut self.flow {
            flow.read = flow.read.wrapping_add(count(length));
            let untold = flow.read.wrapping_sub(flow.told_read);
            flow.is_update_due = is_open && untold >= flow.window.min(FIRST_WINDOW) / 2;
        }
    }

    /// The other end has read so much, and takes so much beyond.
    pub(super) fn update(&mut self, read: u32, window: u32) {
        if let Some(flow) = &mut self.flow {
            flow.read_by_peer = read;
            flow.peer_window = window;
        }
    }

    /// What may be sent of what is written.
    fn sendable(&self) -> usize {
        let room = self.flow.as_ref().map_or(usize::MAX, Flow::room);
        self.outgoing.len().min(room)
    }

    /// Keeps received data; false if the stream no longer takes any.
    pub(super) fn take_in(&mut self, data: Bytes) -> bool {
        if self.peer != Peer::Open || self.is_closed() || data.is_empty() {
            return false;
        }
        self.unread += data.len();
        self.incoming.push_back(data);
        true
    }

    /// FIN came. Without half-close it closes both directions: what waits to be sent
    /// is for nobody, and the answer is a FIN.
    pub(super) fn finish_by_peer(&mut self) {
        if self.peer != Peer::Open {
            return;
        }
        self.peer = Peer::Finished;
        if !self.half_close && self.finish != Finish::Sent {
            self.outgoing.clear();
            self.finish = Finish::Wanted;
        }
    }

    pub(super) fn reset_by_peer(&mut self) {
        self.peer = Peer::Reset;
        self.finish = Finish::Sent;
        self.outgoing.clear();
        self.incoming.clear();
        self.unread = 0;
        self.announcement_due = false;
        self.flow = None;
    }

    /// Whether the application has yet to hear that there is something to read.
    pub(super) fn is_news(&mut self) -> bool {
        !std::mem::replace(&mut self.told, true)
    }

    /// Whether a writer that was turned away should hear of room.
    pub(super) fn is_room_news(&mut self, limit: usize) -> bool {
        let is_news = self.wants_room && self.outgoing.len() <= limit / 2;
        self.wants_room &= !is_news;
        is_news
    }

    pub(super) fn has_something_to_send(&self) -> bool {
        let is_finish_due = self.outgoing.is_empty() && self.finish == Finish::Wanted;
        let is_update_due = self.flow.as_ref().is_some_and(|flow| flow.is_update_due);
        self.announcement_due || self.sendable() > 0 || is_finish_due || is_update_due
    }

    /// Both ends are done, and the application knows.
    pub(super) fn is_done(&self) -> bool {
        self.read_to_end && self.finish == Finish::Sent
    }

    /// Writes what fits into a payload of `limit` bytes; false when it is full.
    pub(super) fn put_frames(&mut self, id: StreamId, bytes: &mut BytesMut, limit: usize) -> bool {
        let room = |bytes: &BytesMut| (limit - bytes.len()).saturating_sub(HEADER_LENGTH);
        let has_header_room = |bytes: &BytesMut| bytes.len() + HEADER_LENGTH <= limit;
        if self.announcement_due {
            if !has_header_room(bytes) {
                return false;
            }
            put_header(bytes, Command::Syn, id, 0);
            self.announcement_due = false;
        }
        if let Some(flow) = &mut self.flow
            && flow.is_update_due
        {
            if room(bytes) < UPDATE_LENGTH {
                return false;
            }
            put_update(bytes, id, flow.read, flow.window);
            flow.told_read = flow.read;
            flow.is_update_due = false;
        }
        let sendable = self.sendable();
        if sendable > 0 {
            let length = sendable.min(room(bytes)).min(LARGEST_FRAME);
            if length < sendable.min(SMALLEST_FRAME) {
                return false;
            }
            bytes.reserve(HEADER_LENGTH + length);
            put_header(
                bytes,
                Command::Push,
                id,
                u16::try_from(length).unwrap_or(u16::MAX),
            );
            bytes.put_slice(&self.outgoing[..length]);
            self.outgoing.advance(length);
            if let Some(flow) = &mut self.flow {
                flow.sent = flow.sent.wrapping_add(count(length));
            }
        }
        if self.outgoing.is_empty() && self.finish == Finish::Wanted {
            if !has_header_room(bytes) {
                return false;
            }
            put_header(bytes, Command::Fin, id, 0);
            self.finish = Finish::Sent;
        }
        room(bytes) >= SMALLEST_FRAME
    }
}

/// Lengths are of frames, far below the limit.
fn count(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}
