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
        let mut is_last = false;
        while !is_last {
            is_last = stop.load(Ordering::Acquire);
            let batch = self.rejections.wait(unix_ms)?;
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
                self.read_connections(&mut log, is_last)?;
                std::iter::from_fn(|| log.poll_record()).collect::<Vec<_>>()
            };
            records.into_iter().for_each(&mut sink);
        }
        Ok(())
    }

    fn read_connections(&mut self, log: &mut FlowLog, is_last: bool) -> Result<(), CollectError> {
        let ended = self.connections.drain(DRAIN)?;
        if ended.is_incomplete {
            log.handle_loss();
        }
        let now_ms = unix_ms();
        for event in &ended.events {
            if let ConnectionEvent::Ended(traffic) = event {
                log.handle_traffic(traffic, now_ms);
            }
        }
        if is_last || now_ms >= log.poll_timeout() {
            if self.has_new_unlogged_packets()? {
                log.handle_loss();
            }
            for traffic in self.connections.count()? {
                log.handle_traffic(&traffic, now_ms);
            }
            log.handle_timeout(now_ms.max(log.poll_timeout()));
        }
        Ok(())
    }
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
