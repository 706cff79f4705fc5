//! Who waits for what in a port session?
//!
//! [`Port`] is the machine with its waiters: each connection waits for something to
//! read or for room to write, the session's owner for [`Signal`]s. A wait is registered under the
//! same lock as the attempt that came to nothing, so none is forgotten.

use std::collections::{BTreeMap, VecDeque};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use session::{Opened, PortEvent, PortFault, PortMode, PortSession, Read, StreamId, Written};

use crate::link::{Link, Machine};

mod carry;

pub(crate) use carry::carry;

/// A port session that a link drives.
#[derive(Debug)]
pub(crate) struct Port {
    session: PortSession,
    waiting: BTreeMap<StreamId, Waiting>,
    signals: VecDeque<Signal>,
    /// Who waits for signals or for the end.
    owner: Option<Waker>,
    /// Who waits for everything to have arrived.
    leaver: Option<Waker>,
    half_closes: bool,
    end: Option<PortEnd>,
}

/// One connection's task.
#[derive(Debug, Default)]
struct Waiting {
    to_read: Option<Waker>,
    to_write: Option<Waker>,
}

/// What the session's owner is told.
#[derive(Debug)]
pub(crate) enum Signal {
    Opened(PortMode, Opened),
    Connect(StreamId),
    Free,
    ConnectFailed,
    PeerSilent,
}

/// How a port session ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum PortEnd {
    Terminated,
    Closed { output: String },
    Failed(PortFault),
}

/// Signals that wait to be taken; more are failures of connections, told often enough.
const SIGNALS_LIMIT: usize = 4096;

impl Port {
    pub(crate) fn new(session: PortSession) -> Self {
        Self {
            session,
            waiting: BTreeMap::new(),
            signals: VecDeque::new(),
            owner: None,
            leaver: None,
            half_closes: false,
            end: None,
        }
    }

    /// Client: a new connection, if there can be one now.
    pub(crate) fn open(&mut self) -> Option<StreamId> {
        self.session.open()
    }

    pub(crate) fn refuse(&mut self, id: StreamId, now: Duration) {
        self.session.refuse(id, now);
    }

    pub(crate) fn terminate(&mut self, now: Duration) {
        self.session.terminate(now);
    }

    pub(crate) fn finish(&mut self, id: StreamId, now: Duration) {
        self.session.finish(id, now);
    }

    pub(crate) fn reset(&mut self, id: StreamId) {
        self.session.reset(id);
    }

    /// Whether a connection's two directions end apart.
    pub(crate) fn half_closes(&self) -> bool {
        self.half_closes
    }

    pub(crate) fn end(&self) -> Option<&PortEnd> {
        self.end.as_ref()
    }

    /// A connection's task is done.
    pub(crate) fn forget(&mut self, id: StreamId) {
        self.waiting.remove(&id);
    }

    fn push(&mut self, signal: Signal) {
        if self.signals.len() < SIGNALS_LIMIT {
            self.signals.push_back(signal);
        }
        wake(&mut self.owner);
    }

    fn finish_all(&mut self, end: PortEnd) {
        self.end.get_or_insert(end);
        wake(&mut self.owner);
        wake(&mut self.leaver);
        for waiting in self.waiting.values_mut() {
            wake(&mut waiting.to_read);
            wake(&mut waiting.to_write);
        }
    }
}

impl Machine for Port {
    fn handle_connected(&mut self, now: Duration) {
        self.session.handle_connected(now);
    }

    fn handle_disconnected(&mut self) {
        self.session.handle_disconnected();
    }

    fn handle_message(&mut self, frame: &Bytes, now: Duration) {
        self.session.handle_message(frame, now);
    }

    fn handle_timeout(&mut self, now: Duration) {
        self.session.handle_timeout(now);
    }

    fn poll_transmit(&mut self, now: Duration) -> Option<Bytes> {
        self.session.poll_transmit(now)
    }

    fn poll_timeout(&mut self) -> Option<Duration> {
        self.session.poll_timeout()
    }

    fn react(&mut self, _now: Duration) {
        while let Some(event) = self.session.poll_event() {
            match event {
                PortEvent::Opened { mode, opened } => {
                    self.half_closes = mode == PortMode::Mux && opened.extension.is_some();
                    self.push(Signal::Opened(mode, opened));
                }
                // nobody would dial for it
                PortEvent::Connect(id) if self.signals.len() >= SIGNALS_LIMIT => {
                    self.session.reset(id);
                }
                PortEvent::Connect(id) => self.push(Signal::Connect(id)),
                PortEvent::Readable(id) => {
                    if let Some(waiting) = self.waiting.get_mut(&id) {
                        wake(&mut waiting.to_read);
                    }
                }
                PortEvent::Writable(id) => {
                    if let Some(waiting) = self.waiting.get_mut(&id) {
                        wake(&mut waiting.to_write);
                    }
                }
                PortEvent::Free => self.push(Signal::Free),
                PortEvent::ConnectFailed => self.push(Signal::ConnectFailed),
                PortEvent::PeerSilent => self.push(Signal::PeerSilent),
                PortEvent::Terminated => self.finish_all(PortEnd::Terminated),
                PortEvent::Closed { output } => self.finish_all(PortEnd::Closed { output }),
                PortEvent::Failed(fault) => self.finish_all(PortEnd::Failed(fault)),
            }
        }
        if self.session.is_drained() {
            wake(&mut self.leaver);
        }
    }

    fn is_over(&self) -> bool {
        self.end.is_some()
    }
}

impl Link<Port> {
    /// The next signal; `None` when the session has ended.
    pub(crate) fn poll_signal(&self, cx: &Context<'_>) -> Poll<Option<Signal>> {
        let mut port = self.lock();
        let port = &mut port.machine;
        if let Some(signal) = port.signals.pop_front() {
            return Poll::Ready(Some(signal));
        }
        if port.end.is_some() {
            return Poll::Ready(None);
        }
        port.owner = Some(cx.waker().clone());
        Poll::Pending
    }

    /// Whether everything sent has been acknowledged, or nobody is there to do so.
    pub(crate) fn poll_drained(&self, cx: &Context<'_>) -> Poll<()> {
        let mut port = self.lock();
        let port = &mut port.machine;
        if port.session.is_drained() || port.end.is_some() {
            return Poll::Ready(());
        }
        port.leaver = Some(cx.waker().clone());
        Poll::Pending
    }

    /// Bytes for a connection's local side: as many pieces as there are, up to a limit.
    pub(crate) fn poll_read(
        &self,
        id: StreamId,
        pieces: &mut Vec<Bytes>,
        limit: usize,
        cx: &Context<'_>,
    ) -> Poll<Ended> {
        self.with(|port, now| {
            while pieces.len() < limit {
                match port.session.read(id, now) {
                    Read::Data(data) => pieces.push(data),
                    Read::End if pieces.is_empty() => return Poll::Ready(Ended::Finished),
                    Read::Reset => return Poll::Ready(Ended::Reset),
                    Read::Pending if pieces.is_empty() => {
                        port.waiting.entry(id).or_default().to_read = Some(cx.waker().clone());
                        return Poll::Pending;
                    }
                    Read::End | Read::Pending => break,
                }
            }
            Poll::Ready(Ended::No)
        })
    }

    /// Offers bytes of a connection's local side; how many were taken, or that nobody wants them.
    pub(crate) fn poll_write(
        &self,
        id: StreamId,
        data: &[u8],
        cx: &Context<'_>,
    ) -> Poll<Option<usize>> {
        self.with(|port, _| match port.session.write(id, data) {
            Written::Closed => Poll::Ready(None),
            Written::Taken(0) => {
                port.waiting.entry(id).or_default().to_write = Some(cx.waker().clone());
                Poll::Pending
            }
            Written::Taken(taken) => Poll::Ready(Some(taken)),
        })
    }
}

/// Whether there is more to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ended {
    No,
    Finished,
    Reset,
}

fn wake(waker: &mut Option<Waker>) {
    if let Some(waker) = waker.take() {
        waker.wake();
    }
}
