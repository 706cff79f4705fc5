//! What do all handlers of a serving process share?

use std::sync::atomic::{AtomicBool, Ordering};

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::database::Database;
use crate::limit::Limiter;
use crate::metrics::Metrics;
use crate::token::Verifier;

/// Shared by all requests of a process.
pub struct App {
    pub database: Database,
    pub verifier: Verifier,
    pub limiter: Limiter,
    pub metrics: Metrics,
    /// Tasks that outlive their request; awaited when the process ends.
    pub tasks: TaskTracker,
    /// Cancelled when streams and background work must end.
    pub stop: CancellationToken,
    draining: AtomicBool,
}

impl App {
    #[must_use]
    pub fn new(database: Database, verifier: Verifier) -> Self {
        Self {
            database,
            verifier,
            limiter: Limiter::default(),
            metrics: Metrics::default(),
            tasks: TaskTracker::new(),
            stop: CancellationToken::new(),
            draining: AtomicBool::new(false),
        }
    }

    /// From now on the load balancer is told to send nothing more.
    pub fn drain(&self) {
        self.draining.store(true, Ordering::Release);
    }

    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Acquire)
    }
}
