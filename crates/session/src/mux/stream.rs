//! One stream of a mux: what waits to be sent, what waits to be read, who is done.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::{Buf, BufMut, Bytes, BytesMut};

use super::frame::{Command, HEADER_LENGTH, put_header};
use super::{LARGEST_FRAME, Read, SMALLEST_FRAME, StreamId};

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
}

impl Stream {
    /// A stream; `announce` it to the other end or not.
    pub(super) fn new(announce: bool, half_close: bool) -> Self {
        Self {
            half_close,
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
        self.announcement_due || !self.outgoing.is_empty() || self.finish == Finish::Wanted
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
        if !self.outgoing.is_empty() {
            let length = self.outgoing.len().min(room(bytes)).min(LARGEST_FRAME);
            if length < self.outgoing.len().min(SMALLEST_FRAME) {
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
