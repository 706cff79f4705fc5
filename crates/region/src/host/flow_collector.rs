//! From the kernel's reports to flow log records, on one thread.
//!
//! The thread must stand in the router's network namespace. It wakes for
//! rejected packets and ten times a second, reads what connections ended, and
//! at each window's end counts the living ones too.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::flow_log::{FlowLog, FlowRecord};
use crate::plan::ruleset::REJECTED_GROUP;

use super::conntrack::{ConnectionEvent, Connections, ConntrackError, Subscription};
use super::nflog::{NflogError, Rejections};

const PATIENCE: Duration = Duration::from_millis(100);
/// Datagrams of connection events read at a stretch.
const DRAIN: usize = 256;

/// The subscriptions of one router; nothing is missed once they are open.
#[derive(Debug)]
pub struct FlowCollector {
    rejections: Rejections,
    connections: Connections,
}

#[derive(Debug, thiserror::Error)]
pub enum CollectError {
    #[error("cannot follow rejected packets")]
    Rejections(#[from] NflogError),
    #[error("cannot follow connections")]
    Connections(#[from] ConntrackError),
}

impl FlowCollector {
    /// # Errors
    /// [`CollectError`], with the step that failed as its source.
    pub fn open() -> Result<Self, CollectError> {
        Ok(Self {
            rejections: Rejections::open(REJECTED_GROUP, PATIENCE)?,
            connections: Connections::open(Subscription::Ends)?,
        })
    }

    /// Feeds `log` and gives its records to `sink`, until `stop` is set; then
    /// closes the last window.
    ///
    /// # Errors
    /// [`CollectError`] when a socket fails; records so far were delivered.
    pub fn run(
        mut self,
        log: &mut FlowLog,
        stop: &AtomicBool,
        mut sink: impl FnMut(FlowRecord),
    ) -> Result<(), CollectError> {
        let mut is_last = false;
        while !is_last {
            is_last = stop.load(Ordering::Acquire);
            let batch = self.rejections.wait(unix_ms)?;
            batch
                .rejections
                .iter()
                .for_each(|rejection| log.handle_rejection(rejection));
            let ended = self.connections.drain(DRAIN)?;
            if batch.is_incomplete || ended.is_incomplete {
                log.handle_loss();
            }
            let now_ms = unix_ms();
            for event in &ended.events {
                if let ConnectionEvent::Ended(traffic) = event {
                    log.handle_traffic(traffic, now_ms);
                }
            }
            if is_last || now_ms >= log.poll_timeout() {
                for traffic in self.connections.count()? {
                    log.handle_traffic(&traffic, now_ms);
                }
                log.handle_timeout(now_ms.max(log.poll_timeout()));
            }
            while let Some(record) = log.poll_record() {
                sink(record);
            }
        }
        Ok(())
    }
}

fn unix_ms() -> u64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
