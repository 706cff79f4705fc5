//! What the running region says of itself: the state of each interface's
//! component, and what happened, for `status` and for progress.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Something a person watching the start should hear of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A stage of the start is done.
    Done { stage: &'static str, took: Duration },
    /// Something that is not as it should be, or is again.
    Notice(String),
    /// Everything runs.
    Ready { took: Duration },
    /// The stop has begun.
    Stopping,
}

/// Hears of events; called from any thread.
pub type Listener = Arc<dyn Fn(Event) + Send + Sync>;

/// The states of all components, shared by every thread.
pub struct Board {
    started: Instant,
    listener: Listener,
    states: Mutex<BTreeMap<String, String>>,
    /// Health of targets, by interface.
    health: Mutex<BTreeMap<String, &'static str>>,
    notices: Mutex<VecDeque<String>>,
    is_ready: AtomicBool,
}

/// Notices that are remembered for `status`.
const MAX_NOTICES: usize = 100;

impl std::fmt::Debug for Board {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Board")
            .field("states", &self.states)
            .finish_non_exhaustive()
    }
}

impl Board {
    pub fn new(listener: Listener) -> Arc<Self> {
        Arc::new(Self {
            started: Instant::now(),
            listener,
            states: Mutex::default(),
            health: Mutex::default(),
            notices: Mutex::default(),
            is_ready: AtomicBool::new(false),
        })
    }

    /// From now on, the component behind an interface is in this state.
    pub fn set(&self, interface: &str, state: impl Into<String>) {
        let mut states = self.states.lock().unwrap_or_else(PoisonError::into_inner);
        states.insert(interface.to_owned(), state.into());
    }

    /// From now on, the load balancer thinks this of the target behind an interface.
    pub fn set_health(&self, interface: &str, health: &'static str) {
        let mut all = self.health.lock().unwrap_or_else(PoisonError::into_inner);
        all.insert(interface.to_owned(), health);
    }

    /// The state of a component, and its health if it is a target; empty when
    /// it has said nothing.
    pub fn state(&self, interface: &str) -> String {
        let states = self.states.lock().unwrap_or_else(PoisonError::into_inner);
        let state = states.get(interface).cloned().unwrap_or_default();
        let all = self.health.lock().unwrap_or_else(PoisonError::into_inner);
        match all.get(interface) {
            Some(health) => format!("{state}, {health}"),
            None => state,
        }
    }

    /// Tells how long a stage of the start took, since `since`.
    pub fn done(&self, stage: &'static str, since: Instant) {
        (self.listener)(Event::Done {
            stage,
            took: since.elapsed(),
        });
    }

    /// Tells of something that is not as it should be, or is again.
    pub fn notice(&self, text: impl Into<String>) {
        let text = text.into();
        let mut notices = self.notices.lock().unwrap_or_else(PoisonError::into_inner);
        if notices.len() == MAX_NOTICES {
            notices.pop_front();
        }
        notices.push_back(text.clone());
        drop(notices);
        (self.listener)(Event::Notice(text));
    }

    /// The latest notices, oldest first.
    pub fn notices(&self) -> Vec<String> {
        let notices = self.notices.lock().unwrap_or_else(PoisonError::into_inner);
        notices.iter().cloned().collect()
    }

    pub fn is_ready(&self) -> bool {
        self.is_ready.load(Ordering::Acquire)
    }

    pub fn ready(&self) {
        self.is_ready.store(true, Ordering::Release);
        (self.listener)(Event::Ready {
            took: self.started.elapsed(),
        });
    }

    pub fn stopping(&self) {
        (self.listener)(Event::Stopping);
    }

    pub fn uptime(&self) -> Duration {
        self.started.elapsed()
    }
}
