//! The targets of a load balancer: who is registered, who is healthy, whose turn it is.
//!
//! One registry is shared by all nodes of a load balancer; each node keeps its
//! own view of health, as in AWS, because each reaches the targets by its own
//! way. Elastic Load Balancing user guide, "Health checks for Application Load
//! Balancer target groups" and "Deregistration delay".

mod state;

pub use state::{Health, Reason};

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::watch;

use state::Checked;

use crate::blueprint::balancer::{Algorithm, LoadBalancer, TargetGroup, TargetGroupName, TargetId};

/// The number of a node of the load balancer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NodeIndex(usize);

/// A target that was chosen for one request; it counts as in flight until dropped.
#[derive(Debug)]
pub struct Chosen {
    /// Where to send the request.
    pub target: TargetId,
    in_flight: Arc<AtomicUsize>,
    gone: watch::Receiver<bool>,
}

impl Chosen {
    /// Returns when the target's deregistration delay is over: what is still in
    /// flight then is cut.
    pub fn cut_off(&self) -> impl Future<Output = ()> + Send + use<> {
        let mut gone = self.gone.clone();
        async move {
            if gone.wait_for(|gone| *gone).await.is_err() {
                // the registry itself has ended: nobody will cut anything any more
                std::future::pending::<()>().await;
            }
        }
    }
}

impl Drop for Chosen {
    fn drop(&mut self) {
        self.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The targets of all groups of one load balancer. Shared by its nodes.
#[derive(Debug)]
pub struct Targets {
    groups: Mutex<BTreeMap<TargetGroupName, Group>>,
    nodes: AtomicUsize,
    changed: watch::Sender<u64>,
}

#[derive(Debug)]
struct Group {
    config: TargetGroup,
    entries: Vec<Entry>,
    turn: usize,
}

#[derive(Debug)]
struct Entry {
    target: TargetId,
    in_flight: Arc<AtomicUsize>,
    draining_until: Option<Instant>,
    gone: watch::Sender<bool>,
    /// By node; a node that has not checked yet may be missing.
    health: Vec<Checked>,
}

impl Targets {
    /// No targets yet in any group of `balancer`.
    pub fn new(balancer: &LoadBalancer) -> Arc<Self> {
        let group = |config: &TargetGroup| Group {
            config: config.clone(),
            entries: Vec::new(),
            turn: 0,
        };
        let groups = balancer
            .target_groups
            .iter()
            .map(|(name, config)| (name.clone(), group(config)))
            .collect();
        Arc::new(Self {
            groups: Mutex::new(groups),
            nodes: AtomicUsize::new(0),
            changed: watch::Sender::new(0),
        })
    }

    /// Registers a target; one that is draining is taken back. No effect on an unknown group.
    pub fn register(&self, group: &TargetGroupName, target: TargetId) {
        if let Some(group) = self.lock().get_mut(group)
            && !group
                .entries
                .iter()
                .any(|entry| entry.target == target && entry.draining_until.is_none())
        {
            group.entries.retain(|entry| entry.target != target);
            group.entries.push(Entry::new(target));
        }
        self.changed.send_modify(|version| *version += 1);
    }

    /// Takes a target out: no new requests from now on, what is in flight may go
    /// on for the group's deregistration delay.
    pub fn deregister(&self, group: &TargetGroupName, target: &TargetId) {
        if let Some(group) = self.lock().get_mut(group) {
            let until = Instant::now() + group.config.deregistration_delay;
            for entry in group
                .entries
                .iter_mut()
                .filter(|entry| entry.target == *target)
            {
                entry.draining_until.get_or_insert(until);
            }
        }
        self.changed.send_modify(|version| *version += 1);
    }

    /// Requests in flight to a target, draining or not: 0 means it may be stopped.
    pub fn in_flight(&self, group: &TargetGroupName, target: &TargetId) -> usize {
        let groups = self.lock();
        let entries = groups.get(group).map_or(&[][..], |group| &group.entries);
        entries
            .iter()
            .filter(|entry| entry.target == *target)
            .map(|entry| entry.in_flight.load(Ordering::Relaxed))
            .sum()
    }

    /// Every target of a group with its health, as `DescribeTargetHealth` tells it:
    /// healthy only if no node thinks otherwise.
    pub fn health(&self, group: &TargetGroupName) -> Vec<(TargetId, Health)> {
        let groups = self.lock();
        let entries = groups.get(group).map_or(&[][..], |group| &group.entries);
        entries
            .iter()
            .map(|entry| (entry.target.clone(), entry.overall()))
            .collect()
    }

    /// Hears of every change of registration or health.
    pub fn subscribe(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    pub(super) fn join(&self) -> NodeIndex {
        NodeIndex(self.nodes.fetch_add(1, Ordering::Relaxed))
    }

    /// The targets a node has to check.
    pub(super) fn to_check(&self, group: &TargetGroupName) -> Vec<TargetId> {
        let mut groups = self.lock();
        let Some(group) = groups.get_mut(group) else {
            return Vec::new();
        };
        group.prune(Instant::now());
        let registered = group
            .entries
            .iter()
            .filter(|entry| entry.draining_until.is_none());
        registered.map(|entry| entry.target.clone()).collect()
    }

    /// When the next draining target of the group is to be cut off.
    pub(super) fn next_cut(&self, group: &TargetGroupName) -> Option<Instant> {
        self.lock()
            .get(group)?
            .entries
            .iter()
            .filter_map(|entry| entry.draining_until)
            .min()
    }

    /// Whether a node has not yet settled on a target's health.
    pub(super) fn is_initial(
        &self,
        node: NodeIndex,
        group: &TargetGroupName,
        target: &TargetId,
    ) -> bool {
        let mut groups = self.lock();
        let entries = groups.get_mut(group).map(|group| &mut group.entries);
        let mut found = entries
            .into_iter()
            .flatten()
            .filter(|entry| entry.target == *target);
        found.any(|entry| entry.by(node).health == Health::Initial)
    }

    /// Takes the outcome of one check.
    pub(super) fn observe(
        &self,
        node: NodeIndex,
        group: &TargetGroupName,
        target: &TargetId,
        outcome: Result<(), Reason>,
    ) {
        let mut news = false;
        if let Some(group) = self.lock().get_mut(group) {
            let check = &group.config.health_check;
            let thresholds = (check.healthy_threshold, check.unhealthy_threshold);
            for entry in group
                .entries
                .iter_mut()
                .filter(|entry| entry.target == *target)
            {
                let before = entry.by(node);
                let after = before.after(outcome, thresholds);
                entry.set(node, after);
                news |= before.health != after.health;
            }
        }
        if news {
            self.changed.send_modify(|version| *version += 1);
        }
    }

    /// The target for the next request, or `None` if no target is registered.
    ///
    /// When a node knows no healthy target it takes every registered one in
    /// turn ("fail open"), rather than refusing.
    pub(super) fn choose(&self, node: NodeIndex, group: &TargetGroupName) -> Option<Chosen> {
        let mut groups = self.lock();
        let group = groups.get_mut(group)?;
        let turn = group.turn;
        group.turn = turn.wrapping_add(1);
        let registered = || {
            group
                .entries
                .iter()
                .filter(|entry| entry.draining_until.is_none())
        };
        let healthy = || registered().filter(|entry| entry.by(node).health == Health::Healthy);
        let count = healthy().count();
        let entry = if count > 0 {
            pick(healthy(), count, turn, group.config.algorithm)
        } else {
            pick(
                registered(),
                registered().count(),
                turn,
                group.config.algorithm,
            )
        }?;
        entry.in_flight.fetch_add(1, Ordering::Relaxed);
        Some(Chosen {
            target: entry.target.clone(),
            in_flight: Arc::clone(&entry.in_flight),
            gone: entry.gone.subscribe(),
        })
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<TargetGroupName, Group>> {
        self.groups.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn pick<'a>(
    mut candidates: impl Iterator<Item = &'a Entry>,
    count: usize,
    turn: usize,
    algorithm: Algorithm,
) -> Option<&'a Entry> {
    let first = turn.checked_rem(count)?;
    match algorithm {
        Algorithm::RoundRobin => candidates.nth(first),
        Algorithm::LeastOutstandingRequests => {
            // among equals it goes round, beginning with the one whose turn it is
            let in_turn = candidates
                .enumerate()
                .map(|(at, entry)| ((at + count - first) % count, entry));
            in_turn
                .min_by_key(|(distance, entry)| {
                    (entry.in_flight.load(Ordering::Relaxed), *distance)
                })
                .map(|(_, entry)| entry)
        }
    }
}

impl Group {
    /// Forgets targets whose deregistration delay is over, cutting what is left of them.
    fn prune(&mut self, now: Instant) {
        self.entries.retain(|entry| {
            let stays = entry.draining_until.is_none_or(|until| now < until);
            if !stays {
                entry.gone.send_replace(true);
            }
            stays
        });
    }
}

impl Entry {
    fn new(target: TargetId) -> Self {
        Self {
            target,
            in_flight: Arc::default(),
            draining_until: None,
            gone: watch::Sender::new(false),
            health: Vec::new(),
        }
    }

    fn by(&self, node: NodeIndex) -> Checked {
        self.health.get(node.0).copied().unwrap_or(Checked::NEVER)
    }

    fn set(&mut self, node: NodeIndex, checked: Checked) {
        if self.health.len() <= node.0 {
            self.health.resize(node.0 + 1, Checked::NEVER);
        }
        self.health[node.0] = checked;
    }

    fn overall(&self) -> Health {
        if self.draining_until.is_some() {
            return Health::Draining;
        }
        let known = || self.health.iter().map(|checked| checked.health);
        known()
            .find(|health| matches!(health, Health::Unhealthy(_)))
            .or_else(|| known().find(|health| *health == Health::Healthy))
            .unwrap_or(Health::Initial)
    }
}

/// How long a draining target is asked about again at the latest.
pub(super) const PRUNE_AT_LEAST_EVERY: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests;
