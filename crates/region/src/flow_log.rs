//! Accepted and rejected flows as VPC flow log records.
//!
//! [`FlowLog`] is a state machine without clock or socket. It is fed with
//! `handle_*`: what the ruleset rejected, what connections carried, that
//! something was missed, that time has passed. After any of these, drain
//! [`FlowLog::poll_record`]; [`FlowLog::poll_timeout`] says when
//! [`FlowLog::handle_timeout`] is due. Memory is bounded by
//! [`Config::max_flows`]; what exceeds it is told as `SKIPDATA`.
//!
//! A record is in the default format, version 2 ("Flow log records", VPC User
//! Guide), one for each interface, flow and verdict in a window. As in AWS, a
//! packet that its sender's side let out and the receiver's side refused is
//! an `ACCEPT` at the one and a `REJECT` at the other, and a connection gives
//! records for both directions. Unlike AWS, each record knows its reason; and
//! windows without traffic give no `NODATA`, since windows are seconds here.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt::{self, Display, Formatter};
use std::net::Ipv4Addr;

use crate::plan::ruleset::reason::{Admission, Reason, Reasons};

mod record;

#[cfg(test)]
mod tests;

pub use record::{Action, FlowRecord, RecordContent};

/// Source and destination of packets: the 5-tuple. Ports are 0 where the
/// protocol has none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Flow {
    pub source: Ipv4Addr,
    pub destination: Ipv4Addr,
    pub protocol: u8,
    pub source_port: u16,
    pub destination_port: u16,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Amount {
    pub packets: u64,
    pub bytes: u64,
}

/// One packet the ruleset rejected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejection {
    /// The mark that says why: see [`Reasons::rejected`].
    pub reason: u32,
    pub flow: Flow,
    /// The router's links; the second is unknown where routing had not yet begun.
    pub in_link: Option<String>,
    pub out_link: Option<String>,
    pub bytes: u32,
    pub unix_ms: u64,
}

/// What a connection carried since it was last counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Traffic {
    /// As its first packet had it.
    pub flow: Flow,
    /// Which rules admitted it: see [`Reasons::admitted`].
    pub mark: u32,
    pub forward: Amount,
    pub reply: Amount,
    /// When the connection began and ended, in Unix milliseconds, where known.
    pub start_ms: Option<u64>,
    pub end_ms: Option<u64>,
}

#[derive(Clone, Debug)]
pub struct Config {
    /// Twelve digits.
    pub account_id: String,
    /// The aggregation interval in milliseconds; AWS has 60,000 or 600,000.
    pub window_ms: u64,
    /// Flows remembered at once.
    pub max_flows: usize,
    pub interfaces: Vec<LoggedInterface>,
    /// Traffic with these is not logged, as in AWS: resolver, instance and
    /// task metadata, time ("Flow log limitations").
    pub unlogged: BTreeSet<Ipv4Addr>,
    pub reasons: Reasons,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoggedInterface {
    /// `eni-…`.
    pub id: String,
    /// Its end in the router.
    pub link: String,
    pub address: Ipv4Addr,
}

/// The interfaces' flows, gathered by windows.
#[derive(Debug)]
pub struct FlowLog {
    config: Config,
    window_start_ms: u64,
    flows: BTreeMap<Key, Entry>,
    /// Packets that an access list refused and no count contains yet.
    refused: BTreeMap<Flow, Amount>,
    is_incomplete: bool,
    records: VecDeque<FlowRecord>,
}

/// Interface position, flow, and how it is known.
type Key = (usize, Flow, Basis);

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Basis {
    /// Counted by its connection, which has this mark.
    Admitted(u32),
    /// Let out here, rejected on the other side.
    Passed,
    /// Rejected here for the reason of this mark.
    Rejected(u32),
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    amount: Amount,
    first_ms: u64,
    last_ms: u64,
}

impl FlowLog {
    #[must_use]
    pub fn new(config: Config, now_ms: u64) -> Self {
        Self {
            config,
            window_start_ms: now_ms,
            flows: BTreeMap::new(),
            refused: BTreeMap::new(),
            is_incomplete: false,
            records: VecDeque::new(),
        }
    }

    /// The interfaces or rules are others from now on; what was gathered
    /// under the old ones is closed first.
    pub fn handle_change(
        &mut self,
        interfaces: Vec<LoggedInterface>,
        reasons: Reasons,
        now_ms: u64,
    ) {
        self.close_window(now_ms);
        self.config.interfaces = interfaces;
        self.config.reasons = reasons;
    }

    pub fn handle_rejection(&mut self, rejection: &Rejection) {
        let Rejection {
            reason: mark,
            flow,
            unix_ms: at_ms,
            ..
        } = *rejection;
        let amount = Amount {
            packets: 1,
            bytes: u64::from(rejection.bytes),
        };
        let reason = self.config.reasons.rejected(mark);
        if matches!(reason, Reason::AccessList { .. }) {
            self.take_back(flow, amount);
        }
        let sender = self.by_link(rejection.in_link.as_deref());
        let receiver = self.by_link(rejection.out_link.as_deref());
        let told = if reason.is_at_destination() {
            [(sender, Basis::Passed), (receiver, Basis::Rejected(mark))]
        } else {
            [(sender, Basis::Rejected(mark)), (None, Basis::Passed)]
        };
        for (interface, basis) in told {
            if let Some(interface) = interface {
                self.add((interface, flow, basis), amount, at_ms, at_ms);
            }
        }
    }

    pub fn handle_traffic(&mut self, traffic: &Traffic, now_ms: u64) {
        let first_ms = traffic
            .start_ms
            .unwrap_or(0)
            .max(self.window_start_ms)
            .min(now_ms);
        let last_ms = traffic.end_ms.unwrap_or(now_ms).max(first_ms);
        let directions = [
            (traffic.flow, traffic.forward),
            (traffic.flow.reversed(), traffic.reply),
        ];
        for (flow, mut amount) in directions {
            if let Some(refused) = self.refused.remove(&flow) {
                amount.subtract(refused);
            }
            if amount.packets == 0 {
                continue;
            }
            for address in [flow.source, flow.destination] {
                if let Some(interface) = self.by_address(address) {
                    let key = (interface, flow, Basis::Admitted(traffic.mark));
                    self.add(key, amount, first_ms, last_ms);
                }
            }
        }
    }

    /// Connection tracking counts a packet before an access list refuses it,
    /// and the two are told in either order.
    fn take_back(&mut self, flow: Flow, amount: Amount) {
        let mut is_taken = false;
        for address in [flow.source, flow.destination] {
            let Some(interface) = self.by_address(address) else {
                continue;
            };
            let first = (interface, flow, Basis::Admitted(0));
            let last = (interface, flow, Basis::Admitted(u32::MAX));
            let counted = self
                .flows
                .range_mut(first..=last)
                .find(|(_, e)| e.amount.packets > 0);
            if let Some((_, entry)) = counted {
                entry.amount.subtract(amount);
                is_taken = true;
            }
        }
        if is_taken {
            return;
        }
        if self.refused.len() >= self.config.max_flows {
            self.refused.clear();
        }
        self.refused.entry(flow).or_default().add(amount);
    }

    /// Something was missed: packets came faster than they were read.
    pub fn handle_loss(&mut self) {
        self.is_incomplete = true;
    }

    pub fn handle_timeout(&mut self, now_ms: u64) {
        if now_ms >= self.poll_timeout() {
            self.close_window(now_ms);
        }
    }

    /// When the window closes, in Unix milliseconds.
    #[must_use]
    pub fn poll_timeout(&self) -> u64 {
        self.window_start_ms.saturating_add(self.config.window_ms)
    }

    pub fn poll_record(&mut self) -> Option<FlowRecord> {
        self.records.pop_front()
    }

    fn by_link(&self, link: Option<&str>) -> Option<usize> {
        let link = link?;
        self.config
            .interfaces
            .iter()
            .position(|interface| interface.link == link)
    }

    fn by_address(&self, address: Ipv4Addr) -> Option<usize> {
        self.config
            .interfaces
            .iter()
            .position(|interface| interface.address == address)
    }

    fn add(&mut self, key: Key, amount: Amount, first_ms: u64, last_ms: u64) {
        let flow = key.1;
        if [flow.source, flow.destination]
            .iter()
            .any(|end| self.config.unlogged.contains(end))
        {
            return;
        }
        if self.flows.len() >= self.config.max_flows && !self.flows.contains_key(&key) {
            self.is_incomplete = true;
            return;
        }
        let fresh = Entry {
            amount: Amount::default(),
            first_ms,
            last_ms,
        };
        let entry = self.flows.entry(key).or_insert(fresh);
        entry.amount.add(amount);
        entry.first_ms = entry.first_ms.min(first_ms);
        entry.last_ms = entry.last_ms.max(last_ms);
    }

    fn close_window(&mut self, now_ms: u64) {
        for ((interface, flow, basis), entry) in std::mem::take(&mut self.flows) {
            if entry.amount.packets == 0 {
                continue;
            }
            let reasons = &self.config.reasons;
            let (action, reason) = match basis {
                Basis::Admitted(mark) => (Action::Accept, admission_text(reasons.admitted(mark))),
                Basis::Passed => (Action::Accept, String::new()),
                Basis::Rejected(mark) => (Action::Reject, reasons.rejected(mark).to_string()),
            };
            let content = RecordContent::Flow {
                flow,
                amount: entry.amount,
                action,
                reason,
            };
            self.push_record(interface, entry.first_ms, entry.last_ms, content);
        }
        if std::mem::take(&mut self.is_incomplete) {
            for interface in 0..self.config.interfaces.len() {
                let start_ms = self.window_start_ms;
                self.push_record(interface, start_ms, now_ms, RecordContent::Skipped);
            }
        }
        self.window_start_ms = now_ms;
    }

    /// The oldest records go first when nobody drains them.
    fn push_record(
        &mut self,
        interface: usize,
        start_ms: u64,
        end_ms: u64,
        content: RecordContent,
    ) {
        if self.records.len() >= 2 * self.config.max_flows + self.config.interfaces.len() {
            self.records.pop_front();
        }
        self.records.push_back(FlowRecord {
            account_id: self.config.account_id.clone(),
            interface_id: self.config.interfaces[interface].id.clone(),
            start_unix_s: start_ms / 1000,
            end_unix_s: end_ms / 1000,
            content,
        });
    }
}

fn admission_text(admission: Admission<'_>) -> String {
    let rules = [admission.egress, admission.ingress].into_iter().flatten();
    let texts = rules.map(|rule| {
        let place = if rule.provenance.is_empty() { "" } else { " (" };
        let end = if rule.provenance.is_empty() { "" } else { ")" };
        format!(
            "{} rule {} of {}{place}{}{end}",
            rule.direction, rule.id, rule.group, rule.provenance
        )
    });
    texts.collect::<Vec<_>>().join(", ")
}

impl Flow {
    /// The other direction of the same conversation.
    #[must_use]
    pub fn reversed(self) -> Self {
        Self {
            source: self.destination,
            destination: self.source,
            protocol: self.protocol,
            source_port: self.destination_port,
            destination_port: self.source_port,
        }
    }
}

impl Display for Flow {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self.protocol {
            6 => f.write_str("tcp ")?,
            17 => f.write_str("udp ")?,
            number => {
                let name = if number == 1 {
                    "icmp".to_owned()
                } else {
                    format!("protocol {number}")
                };
                return write!(f, "{name} {} > {}", self.source, self.destination);
            }
        }
        let Self {
            source,
            destination,
            source_port,
            destination_port,
            ..
        } = self;
        write!(
            f,
            "{source}:{source_port} > {destination}:{destination_port}"
        )
    }
}

impl Amount {
    fn add(&mut self, other: Self) {
        self.packets = self.packets.saturating_add(other.packets);
        self.bytes = self.bytes.saturating_add(other.bytes);
    }

    fn subtract(&mut self, other: Self) {
        self.packets = self.packets.saturating_sub(other.packets);
        self.bytes = self.bytes.saturating_sub(other.bytes);
    }
}
