//! How does a machine of [`session`] share one socket with everybody who uses it?
//!
//! A [`Link`] holds the machine under a lock. Tasks of connections and terminals use
//! it through [`Link::with`], which wakes the driver; the driver ([`drive`]) moves
//! frames between the machine and the socket of the moment; [`keep_connected`] gets
//! another socket when that one is lost. Nobody holds the lock across an `await`.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::Waker;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;

mod drive;
mod keep;

pub use keep::{Endurance, Lost};
pub(crate) use keep::{LinkEnd, LinkNews, Pauses, keep_connected};

/// A machine of the pure crate, with those who wait for it.
pub(crate) trait Machine: Send + 'static {
    fn handle_connected(&mut self, now: Duration);
    fn handle_disconnected(&mut self);
    fn handle_message(&mut self, frame: &Bytes, now: Duration);
    fn handle_timeout(&mut self, now: Duration);
    fn poll_transmit(&mut self, now: Duration) -> Option<Bytes>;
    fn poll_timeout(&mut self) -> Option<Duration>;

    /// Takes what the machine has to tell and wakes those it concerns. Called after
    /// everything else.
    fn react(&mut self, now: Duration);

    /// Whether the session has ended: the connection is closed when all is written.
    fn is_over(&self) -> bool;
}

/// A machine that several tasks and one socket share.
#[derive(Debug)]
pub(crate) struct Link<M> {
    state: Mutex<State<M>>,
    /// The machine's zero.
    begin: Instant,
}

#[derive(Debug)]
pub(crate) struct State<M> {
    pub(crate) machine: M,
    driver: Option<Waker>,
}

impl<M: Machine> Link<M> {
    pub(crate) fn new(machine: M) -> Self {
        let state = State {
            machine,
            driver: None,
        };
        Self {
            state: Mutex::new(state),
            begin: Instant::now(),
        }
    }

    /// Uses the machine, and sees to what follows from that.
    pub(crate) fn with<R>(&self, act: impl FnOnce(&mut M, Duration) -> R) -> R {
        let mut state = self.lock();
        let now = self.begin.elapsed();
        let outcome = act(&mut state.machine, now);
        state.machine.react(now);
        let driver = state.driver.take();
        drop(state);
        if let Some(driver) = driver {
            driver.wake();
        }
        outcome
    }

    /// Now, on the machine's clock.
    pub(crate) fn elapsed(&self) -> Duration {
        self.begin.elapsed()
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, State<M>> {
        // no code under the lock leaves a machine half changed
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<M> State<M> {
    /// Something may be to be written.
    pub(crate) fn wake_driver(&mut self) {
        if let Some(driver) = self.driver.take() {
            driver.wake();
        }
    }
}
