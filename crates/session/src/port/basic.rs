//! One connection at a time, its bytes bare in stream payloads.
//!
//! A client tells the end of its connection by a flag; an agent does not tell the
//! end of its own, but dials again when the next bytes come. Bytes on their way
//! when a connection ends are for nobody, so a client discards what arrives until
//! its flag is acknowledged.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use bytes::{Buf, BufMut, Bytes, BytesMut};

use super::PortEvent;
use crate::channel::Role;
use crate::message::{Flag, PayloadType};
use crate::mux::{Read, StreamId, Written};

#[derive(Debug)]
pub(super) struct Basic {
    role: Role,
    /// The end of the first connection is the end of the session.
    is_single: bool,
    next_id: u32,
    current: Option<StreamId>,
    /// The current connection, and ended ones that are still being read.
    connections: BTreeMap<StreamId, Connection>,
    /// Client: flags to send, after the data before them.
    farewell: Option<Flag>,
    /// Client: a connection has ended and its flag may not have arrived.
    is_leaving: bool,
    unread: usize,
    events: VecDeque<PortEvent>,
}

#[derive(Debug, Default)]
struct Connection {
    outgoing: BytesMut,
    incoming: VecDeque<Bytes>,
    wants_room: bool,
    told: bool,
    /// The local side has written everything; over at this time.
    finish_at: Option<Duration>,
    /// Nothing will be added to `incoming`.
    ended: bool,
}

impl Basic {
    pub(super) fn new(role: Role, is_single: bool) -> Self {
        let mut basic = Self {
            role,
            is_single,
            next_id: 1,
            current: None,
            connections: BTreeMap::new(),
            farewell: None,
            is_leaving: false,
            unread: 0,
            events: VecDeque::new(),
        };
        if role == Role::Agent {
            basic.dial();
        }
        basic
    }

    pub(super) fn open(&mut self, is_drained: bool) -> Option<StreamId> {
        let may_open = self.role == Role::Client
            && self.current.is_none()
            && self.farewell.is_none()
            && (!self.is_leaving || is_drained && !self.is_single);
        if !may_open {
            return None;
        }
        self.is_leaving = false;
        Some(self.begin())
    }

    pub(super) fn has_room(&self, limit: usize) -> bool {
        // without a connection a client leaves what came too early in the channel
        let is_taker = self.role == Role::Agent || self.current.is_some() || self.is_leaving;
        is_taker && self.unread < limit
    }

    pub(super) fn write(&mut self, id: StreamId, data: &[u8], limit: usize) -> Written {
        if self.current != Some(id) {
            return Written::Closed;
        }
        let Some(connection) = self.connections.get_mut(&id) else {
            return Written::Closed;
        };
        if connection.finish_at.is_some() {
            return Written::Closed;
        }
        let taken = data
            .len()
            .min(limit.saturating_sub(connection.outgoing.len()));
        connection.outgoing.put_slice(&data[..taken]);
        connection.wants_room |= taken < data.len();
        Written::Taken(taken)
    }

    pub(super) fn read(&mut self, id: StreamId) -> Read {
        let Some(connection) = self.connections.get_mut(&id) else {
            return Read::End;
        };
        if let Some(data) = connection.incoming.pop_front() {
            self.unread -= data.len();
            return Read::Data(data);
        }
        connection.told = false;
        if connection.ended {
            self.connections.remove(&id);
            return Read::End;
        }
        Read::Pending
    }

    pub(super) fn finish(&mut self, id: StreamId, now: Duration, linger: Duration) {
        // an agent's destination has nothing more to hear, a client's may still answer
        let linger = if self.role == Role::Client {
            linger
        } else {
            Duration::ZERO
        };
        if self.current == Some(id)
            && let Some(connection) = self.connections.get_mut(&id)
        {
            connection.finish_at.get_or_insert(now + linger);
        }
    }

    pub(super) fn reset(&mut self, id: StreamId) {
        if let Some(connection) = self.connections.remove(&id) {
            self.unread -= connection.incoming.iter().map(Bytes::len).sum::<usize>();
        }
        if self.current == Some(id) {
            self.leave();
        }
    }

    pub(super) fn handle_data(&mut self, data: Bytes, now: Duration, linger: Duration) {
        if self.current.is_none() && self.role == Role::Agent && !self.is_leaving {
            self.dial();
        }
        // the rest of a connection that has ended is for nobody
        let Some(id) = self.current else { return };
        let Some(connection) = self.connections.get_mut(&id) else {
            return;
        };
        if let Some(finish_at) = &mut connection.finish_at
            && self.role == Role::Client
        {
            *finish_at = now + linger;
        }
        self.unread += data.len();
        connection.incoming.push_back(data);
        if !std::mem::replace(&mut connection.told, true) {
            self.events.push_back(PortEvent::Readable(id));
        }
    }

    /// The client's connection has ended.
    pub(super) fn handle_disconnect(&mut self) {
        if let Some(id) = self.current.take() {
            self.end(id);
        }
    }

    pub(super) fn handle_timeout(&mut self, now: Duration) {
        let Some(id) = self.current else { return };
        let is_over = self.connections.get(&id).is_some_and(|connection| {
            connection.outgoing.is_empty() && connection.finish_at.is_some_and(|at| at <= now)
        });
        if is_over {
            self.end(id);
            self.leave();
        }
    }

    pub(super) fn poll_timeout(&self) -> Option<Duration> {
        let connection = self.connections.get(&self.current?)?;
        connection
            .finish_at
            .filter(|_| connection.outgoing.is_empty())
    }

    pub(super) fn poll_payload(&mut self, limit: usize) -> Option<(PayloadType, Bytes)> {
        if let Some(flag) = self.farewell.take() {
            return Some((PayloadType::Flag, flag.payload()));
        }
        let id = self.current?;
        let connection = self.connections.get_mut(&id)?;
        if connection.outgoing.is_empty() {
            return None;
        }
        let length = connection.outgoing.len().min(limit);
        let payload = Bytes::copy_from_slice(&connection.outgoing[..length]);
        connection.outgoing.advance(length);
        if connection.wants_room && connection.outgoing.is_empty() {
            connection.wants_room = false;
            self.events.push_back(PortEvent::Writable(id));
        }
        Some((PayloadType::Output, payload))
    }

    pub(super) fn take_events(&mut self, is_drained: bool) -> VecDeque<PortEvent> {
        let is_free = self.is_leaving && self.farewell.is_none() && is_drained;
        if is_free && self.role == Role::Client {
            self.is_leaving = false;
            let event = if self.is_single {
                PortEvent::Terminated
            } else {
                PortEvent::Free
            };
            self.events.push_back(event);
        }
        std::mem::take(&mut self.events)
    }

    fn dial(&mut self) {
        let id = self.begin();
        self.events.push_back(PortEvent::Connect(id));
    }

    fn begin(&mut self) -> StreamId {
        let id = StreamId(self.next_id);
        self.next_id = self.next_id.wrapping_add(1);
        self.connections.insert(id, Connection::default());
        self.current = Some(id);
        id
    }

    /// Nothing comes to this connection any more; what came is still there to be read.
    fn end(&mut self, id: StreamId) {
        if let Some(connection) = self.connections.get_mut(&id) {
            connection.ended = true;
            connection.outgoing.clear();
            if !std::mem::replace(&mut connection.told, true) {
                self.events.push_back(PortEvent::Readable(id));
            }
        }
    }

    /// The current connection's local side is gone.
    fn leave(&mut self) {
        self.current = None;
        match (self.role, self.is_single) {
            (Role::Client, true) => {
                self.farewell = Some(Flag::TerminateSession);
                self.is_leaving = true;
            }
            (Role::Client, false) => {
                self.farewell = Some(Flag::DisconnectToPort);
                self.is_leaving = true;
            }
            (Role::Agent, true) => {
                self.is_leaving = true;
                self.events.push_back(PortEvent::Terminated);
            }
            (Role::Agent, false) => {}
        }
    }
}
