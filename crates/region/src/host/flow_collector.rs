//! From the kernel's reports to flow log records, on one thread.
//!
//! The thread must stand in the router's network namespace. It wakes for
//! rejected packets and ten times a second, reads what connections ended, and
//! at each window's end counts the living ones too.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::flow_log::{FlowLog, FlowRecord};
use crate::plan::ruleset::{REJECTED_GROUP, UNLOGGED_COMMENT};

use super::conntrack::{ConnectionEvent, Connections, ConntrackError, Subscription};
use super::nflog::{NflogError, Rejections};
use super::nft::{Nft, NftError};

const PATIENCE: Duration = Duration::from_millis(100);
/// The kernel holds rejected packets back for so long at most, and some more.
const GRACE_MS: u64 = 150;
/// Datagrams of connection events read at a stretch.
const DRAIN: usize = 256;

/// The subscriptions of one router; nothing is missed once they are open.
#[derive(Debug)]
pub struct FlowCollector {
    rejections: Rejections,
    connections: Connections,
    rules: Nft,
    /// Rejected packets that were too many to log, as last read.
    unlogged_packets: u64,
}

#[derive(Debug, thiserror::Error)]
pub enum CollectError {
    #[error("cannot follow rejected packets")]
    Rejections(#[from] NflogError),
    #[error("cannot follow connections")]
    Connections(#[from] ConntrackError),
    #[error("cannot read what was rejected")]
    Rules(#[from] NftError),
}

impl FlowCollector {
    /// # Errors
    /// [`CollectError`], with the step that failed as its source.
    pub fn open() -> Result<Self, CollectError> {
        Ok(Self {
            rejections: Rejections::open(REJECTED_GROUP, PATIENCE)?,
            connections: Connections::open(Subscription::Ends)?,
            rules: Nft::open()?,
            unlogged_packets: 0,
        })
    }

    /// Feeds `log` and gives its records to `sink`, until `stop` is set; then
    /// closes the last window. Between reads the log is free for others, who
    /// tell it of new interfaces and rules.
    ///
    /// # Errors
    /// [`CollectError`] when a socket fails; records so far were delivered.
    pub fn run(
        mut self,
        log: &Mutex<FlowLog>,
        stop: &AtomicBool,
        mut sink: impl FnMut(FlowRecord),
    ) -> Result<(), CollectError> {
        let mut closing: Option<Closing> = None;
        loop {
            let batch = self.rejections.wait(unix_ms)?;
            let is_last = stop.load(Ordering::Acquire);
            let mut is_done = false;
            let records = {
                // A panic elsewhere leaves the log whole: every change to it is one call.
                let mut log = log.lock().unwrap_or_else(PoisonError::into_inner);
                batch
                    .rejections
                    .iter()
                    .for_each(|rejection| log.handle_rejection(rejection));
                if batch.is_incomplete {
                    log.handle_loss();
                }
                let now_ms = unix_ms();
                self.read_ended(&mut log, now_ms)?;
                match closing {
                    None if is_last || now_ms >= log.poll_timeout() => {
                        self.read_living(&mut log, now_ms)?;
                        closing = Some(Closing {
                            counted_ms: now_ms,
                            is_last,
                        });
                    }
                    Some(window) if now_ms >= window.counted_ms + GRACE_MS => {
                        let due_ms = log.poll_timeout();
                        log.handle_timeout(now_ms.max(due_ms));
                        is_done = window.is_last;
                        closing = None;
                    }
                    _ => {}
                }
                std::iter::from_fn(|| log.poll_record()).collect::<Vec<_>>()
            };
            records.into_iter().for_each(&mut sink);
            if is_done {
                return Ok(());
            }
        }
    }

    fn read_ended(&mut self, log: &mut FlowLog, now_ms: u64) -> Result<(), CollectError> {
        let ended = self.connections.drain(DRAIN)?;
        if ended.is_incomplete {
            log.handle_loss();
        }
        for event in &ended.events {
            if let ConnectionEvent::Ended(traffic) = event {
                log.handle_traffic(traffic, now_ms);
            }
        }
        Ok(())
    }

    fn read_living(&mut self, log: &mut FlowLog, now_ms: u64) -> Result<(), CollectError> {
        if self.has_new_unlogged_packets()? {
            log.handle_loss();
        }
        for traffic in self.connections.count()? {
            log.handle_traffic(&traffic, now_ms);
        }
        Ok(())
    }
}

/// A window whose connections are counted, open for rejections still under way.
#[derive(Clone, Copy)]
struct Closing {
    counted_ms: u64,
    /// The collector was to stop before the count.
    is_last: bool,
}

impl FlowCollector {
    fn has_new_unlogged_packets(&mut self) -> Result<bool, CollectError> {
        let counters = self.rules.chain_counters("vpc", "rejected")?;
        let unlogged = counters
            .iter()
            .find(|c| c.comment.as_deref() == Some(UNLOGGED_COMMENT));
        let packets = unlogged.map_or(0, |counter| counter.packets);
        // Less than before: the table was replaced and counts anew.
        let before = std::mem::replace(&mut self.unlogged_packets, packets);
        Ok(packets > before || (packets < before && packets > 0))
    }
}

fn unix_ms() -> u64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
