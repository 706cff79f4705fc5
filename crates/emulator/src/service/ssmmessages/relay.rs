//! Frames of one session between its two ends, wherever their sockets run.
//!
//! Each direction is a lane: a queue bounded in bytes that outlives sockets. Where the other end is
//! there and slow, the sender waits; where it is away and the queue is full, frames are dropped, for
//! both ends keep what was not acknowledged and send it again.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{Mutex, MutexGuard, Notify, OwnedSemaphorePermit, Semaphore, mpsc, watch};

use crate::clock::{Clock, Timestamp};

/// The largest frame taken from either end.
pub(super) const FRAME_LIMIT: usize = 1024 * 1024;
/// Bytes that may wait in one direction of a session.
const LANE_BYTES: usize = 4 * 1024 * 1024;
/// What the smallest frame counts for, so that frames are bounded in number too.
const FRAME_CHARGE: usize = 1_024;
const LANE_FRAMES: usize = LANE_BYTES / FRAME_CHARGE;
/// How often an end that has to wait is told that the connection lives.
const REASSURE_EVERY: Duration = Duration::from_secs(20);

const _: () = assert!(FRAME_LIMIT <= LANE_BYTES, "every frame finds room");

/// One of the two ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Client,
    Agent,
}

impl Side {
    pub(crate) fn other(self) -> Self {
        match self {
            Self::Client => Self::Agent,
            Self::Agent => Self::Client,
        }
    }
}

/// The two lanes of a session.
pub(crate) struct Relay {
    to_client: Lane,
    to_agent: Lane,
    /// What both ends are told at the end, once it is over.
    over: watch::Sender<Option<Arc<str>>>,
    /// Counts the times every socket was asked to close.
    byes: watch::Sender<u64>,
    /// When data last went through, in milliseconds.
    active_ms: AtomicI64,
    next_socket: std::sync::Mutex<u64>,
}

struct Lane {
    queue: mpsc::Sender<Frame>,
    waiting: Mutex<mpsc::Receiver<Frame>>,
    room: Arc<Semaphore>,
    /// The number of the socket that empties it; 0 is nobody.
    reader: watch::Sender<u64>,
    /// Since when nobody does, in milliseconds.
    left_ms: AtomicI64,
}

/// A frame with the room it takes.
pub(super) struct Frame {
    pub(super) bytes: Bytes,
    _room: OwnedSemaphorePermit,
}

impl Lane {
    fn new(now: Timestamp) -> Self {
        let (queue, waiting) = mpsc::channel(LANE_FRAMES);
        Self {
            queue,
            waiting: Mutex::new(waiting),
            room: Arc::new(Semaphore::new(LANE_BYTES)),
            reader: watch::Sender::new(0),
            left_ms: AtomicI64::new(now.0),
        }
    }

    fn put(&self, bytes: Bytes, room: OwnedSemaphorePermit) {
        // room was made for it, so that it fails for nobody but a lane that is gone
        let _full = self.queue.try_send(Frame { bytes, _room: room });
    }
}

impl Relay {
    pub(crate) fn new(now: Timestamp) -> Self {
        Self {
            to_client: Lane::new(now),
            to_agent: Lane::new(now),
            over: watch::Sender::new(None),
            byes: watch::Sender::new(0),
            active_ms: AtomicI64::new(now.0),
            next_socket: std::sync::Mutex::new(1),
        }
    }

    fn lane_to(&self, side: Side) -> &Lane {
        match side {
            Side::Client => &self.to_client,
            Side::Agent => &self.to_agent,
        }
    }

    /// Whether an end has a socket.
    pub(crate) fn is_attached(&self, side: Side) -> bool {
        *self.lane_to(side).reader.borrow() != 0
    }

    /// Since when an end has had no socket, if it has none.
    pub(crate) fn absent_since(&self, side: Side) -> Option<Timestamp> {
        let left = &self.lane_to(side).left_ms;
        (!self.is_attached(side)).then(|| Timestamp(left.load(Ordering::Relaxed)))
    }

    /// When data last went through; at first, when it was made.
    pub(crate) fn active(&self) -> Timestamp {
        Timestamp(self.active_ms.load(Ordering::Relaxed))
    }

    pub(super) fn touch(&self, now: Timestamp) {
        self.active_ms.fetch_max(now.0, Ordering::Relaxed);
    }

    /// Ends it: every socket says `output` and closes. The first word stands.
    pub(crate) fn close(&self, output: &str) {
        self.over.send_if_modified(|over| {
            let first = over.is_none();
            if first {
                *over = Some(output.into());
            }
            first
        });
    }

    /// Asks the sockets to close, not the session to end.
    pub(crate) fn say_bye(&self) {
        self.byes.send_modify(|byes| *byes += 1);
    }

    pub(super) fn over(&self) -> watch::Receiver<Option<Arc<str>>> {
        self.over.subscribe()
    }

    pub(super) fn byes(&self) -> watch::Receiver<u64> {
        self.byes.subscribe()
    }

    /// Who is at `side`, as it changes.
    pub(super) fn presence(&self, side: Side) -> watch::Receiver<u64> {
        self.lane_to(side).reader.subscribe()
    }

    /// Takes the place of `side`'s socket. An older one sees it and goes.
    pub(super) fn attach(self: &Arc<Self>, side: Side, clock: Arc<dyn Clock>) -> Attached {
        let mut next = self
            .next_socket
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let number = *next;
        *next += 1;
        drop(next);
        self.lane_to(side).reader.send_replace(number);
        Attached {
            relay: Arc::clone(self),
            side,
            number,
            clock,
        }
    }

    /// Sends a frame to `side`. Waits while that end is there and slow, telling `waits` now and then.
    pub(super) async fn push(&self, side: Side, bytes: Bytes, waits: &Notify) {
        let lane = self.lane_to(side);
        let charge = u32::try_from(bytes.len().clamp(FRAME_CHARGE, FRAME_LIMIT))
            .expect("the limit is far below");
        if let Ok(room) = Arc::clone(&lane.room).try_acquire_many_owned(charge) {
            return lane.put(bytes, room);
        }
        let mut reader = lane.reader.subscribe();
        loop {
            if *reader.borrow_and_update() == 0 {
                return;
            }
            tokio::select! {
                room = Arc::clone(&lane.room).acquire_many_owned(charge) => {
                    if let Ok(room) = room {
                        lane.put(bytes, room);
                    }
                    return;
                }
                _changed = reader.changed() => {}
                () = tokio::time::sleep(REASSURE_EVERY) => waits.notify_one(),
            }
        }
    }
}

/// A socket's place at one end, given up when dropped.
pub(super) struct Attached {
    relay: Arc<Relay>,
    side: Side,
    number: u64,
    clock: Arc<dyn Clock>,
}

impl Attached {
    /// What waits for this end, once an older socket has let go of it.
    pub(super) async fn frames(&self) -> MutexGuard<'_, mpsc::Receiver<Frame>> {
        self.relay.lane_to(self.side).waiting.lock().await
    }

    /// Returns when another socket has taken this place.
    pub(super) async fn replaced(&self) {
        let mut reader = self.relay.presence(self.side);
        // the sender lives as long as the relay, which this holds
        let _gone = reader.wait_for(|number| *number != self.number).await;
    }
}

impl Drop for Attached {
    fn drop(&mut self) {
        let lane = self.relay.lane_to(self.side);
        lane.reader.send_if_modified(|number| {
            let mine = *number == self.number;
            if mine {
                lane.left_ms.store(self.clock.now().0, Ordering::Relaxed);
                *number = 0;
            }
            mine
        });
    }
}

#[cfg(test)]
mod tests;
