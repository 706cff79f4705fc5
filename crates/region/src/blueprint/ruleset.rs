//! An nf_tables ruleset as typed data: what the kernel will be told, before it is.
//!
//! A [`Table`] is complete and closed: every set, chain and rule it needs is in
//! it, and loading it replaces the table of the same name in one step. The
//! types admit only what the local region uses, so that what can be written
//! can also be encoded (`host::nft`) and printed: `Display` gives the syntax of
//! `nft -f`, which snapshots and people read; the product itself never runs `nft`.
//!
//! Tables are of family `ip` only: the region runs without IPv6 (it is off in
//! every namespace), so no packet of another family reaches a rule.
//!
//! Terms are those of nftables: <https://wiki.nftables.org/>, `man 8 nft`.

use std::net::Ipv4Addr;
use std::ops::RangeInclusive;

use ipnet::Ipv4Net;

mod difference;
mod text;

pub use difference::{ElementChanges, element_changes};
pub(crate) use text::comment_text;

/// A table of family `ip`: sets first, then chains, in the order they are listed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Table {
    pub name: String,
    pub sets: Vec<Set>,
    pub chains: Vec<Chain>,
}

/// A named set or map.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Set {
    pub name: String,
    /// More than one type is a concatenation.
    pub key: Vec<DataType>,
    pub content: Content,
}

/// What a set holds, and thereby what it can be used for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// A plain set.
    Members(Vec<Key>),
    /// An interval set over one address key; ranges ascend and do not touch.
    Ranges(Vec<(Ipv4Addr, Ipv4Addr)>),
    /// A verdict map.
    Verdicts(Vec<(Key, Verdict)>),
    /// A map from keys to values of one type.
    Values(DataType, Vec<(Key, Value)>),
    /// Empty at first; packets add keys, each with a counter, each forgotten
    /// `timeout_ms` after its last packet. `size` bounds it.
    Counted { size: u32, timeout_ms: u64 },
}

/// One value for each of the set's key types.
pub type Key = Vec<Value>;

/// The types of values, in nftables' sense.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DataType {
    InterfaceName,
    Address,
    Protocol,
    Port,
    IcmpType,
    Mark,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Value {
    /// At most 15 bytes.
    InterfaceName(String),
    Address(Ipv4Addr),
    /// An IP protocol number.
    Protocol(u8),
    Port(u16),
    IcmpType(u8),
    Mark(u32),
}

impl Value {
    #[must_use]
    pub fn data_type(&self) -> DataType {
        match self {
            Self::InterfaceName(_) => DataType::InterfaceName,
            Self::Address(_) => DataType::Address,
            Self::Protocol(_) => DataType::Protocol,
            Self::Port(_) => DataType::Port,
            Self::IcmpType(_) => DataType::IcmpType,
            Self::Mark(_) => DataType::Mark,
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chain {
    pub name: String,
    /// Where packets enter; `None` for a chain that is only jumped to.
    pub hook: Option<Hook>,
    pub rules: Vec<Rule>,
}

/// A base chain's place in the packet's path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hook {
    pub kind: ChainKind,
    pub point: HookPoint,
    /// Lower runs earlier; connection tracking is at -200.
    pub priority: i32,
    /// The verdict on a packet no rule decided.
    pub policy: Policy,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChainKind {
    Filter,
    Nat,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HookPoint {
    Prerouting,
    Input,
    Forward,
    Output,
    Postrouting,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Policy {
    Accept,
    Drop,
}

/// Statements from left to right; the first that does not match ends the rule.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rule {
    pub statements: Vec<Statement>,
    /// Shown in listings and errors; at most 127 bytes reach the kernel.
    pub comment: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Statement {
    /// Goes on only if the packet is so.
    Is(Match),
    /// Goes on only if the packet is not so.
    IsNot(Match),
    /// Goes on only if the fields are in the set.
    In {
        fields: Vec<Field>,
        set: String,
    },
    /// Goes on only if the fields are not in the set.
    NotIn {
        fields: Vec<Field>,
        set: String,
    },
    /// Takes the verdict the map has for the fields; goes on if it has none.
    Dispatch {
        fields: Vec<Field>,
        map: String,
    },
    /// Writes the value the map has for the fields; the rule ends if it has none.
    Assign {
        target: Target,
        fields: Vec<Field>,
        map: String,
    },
    SetMark(u32),
    /// Writes `mark & keep | bits` to the mark of the packet's connection.
    SetConnectionMark {
        keep: u32,
        bits: u32,
    },
    /// Adds the fields to a [`Content::Counted`] set, or counts one more.
    Update {
        set: String,
        fields: Vec<Field>,
    },
    Counter,
    /// Goes on only for packets beyond this rate.
    Over {
        packets_per_second: u32,
    },
    /// Sends the packet's first `snapshot_bytes` to an nfnetlink_log group.
    Log {
        group: u16,
        snapshot_bytes: u32,
    },
    /// Rewrites the source to this address, and to a random port of the range
    /// where one is given (TCP and UDP only).
    SourceNat {
        address: Ipv4Addr,
        ports: Option<RangeInclusive<u16>>,
    },
    Verdict(Verdict),
}

/// One question to a packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Match {
    InInterface(String),
    OutInterface(String),
    Mark(u32),
    Protocol(u8),
    Source(Ipv4Net),
    Destination(Ipv4Net),
    /// TCP and UDP only: ask for the protocol first.
    SourcePort(RangeInclusive<u16>),
    /// TCP and UDP only: ask for the protocol first.
    DestinationPort(RangeInclusive<u16>),
    /// ICMP only: ask for the protocol first.
    IcmpType(u8),
    /// ICMP only: ask for the protocol first.
    IcmpCode(u8),
    /// Any of these states.
    Connection(Vec<ConnectionState>),
    /// Its connection has carried so many packets from its beginner. A table
    /// with this in it turns on the kernel's counting of connections.
    ConnectionPackets(u64),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConnectionState {
    Invalid,
    Established,
    Related,
    New,
}

/// A part of the packet that can be looked up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field {
    InInterface,
    OutInterface,
    Mark,
    Protocol,
    Source,
    Destination,
    SourcePort,
    DestinationPort,
    IcmpType,
}

impl Field {
    #[must_use]
    pub fn data_type(self) -> DataType {
        match self {
            Self::InInterface | Self::OutInterface => DataType::InterfaceName,
            Self::Mark => DataType::Mark,
            Self::Protocol => DataType::Protocol,
            Self::Source | Self::Destination => DataType::Address,
            Self::SourcePort | Self::DestinationPort => DataType::Port,
            Self::IcmpType => DataType::IcmpType,
        }
    }
}

/// A part of the packet that a map can write. Addresses are rewritten without
/// state: each packet by itself, checksums kept right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    Mark,
    Source,
    Destination,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    Accept,
    Drop,
    Return,
    Jump(String),
    Goto(String),
}

impl Table {
    #[must_use]
    pub fn chain(&self, name: &str) -> Option<&Chain> {
        self.chains.iter().find(|chain| chain.name == name)
    }

    #[must_use]
    pub fn set(&self, name: &str) -> Option<&Set> {
        self.sets.iter().find(|set| set.name == name)
    }
}

impl Rule {
    pub fn new(statements: impl IntoIterator<Item = Statement>) -> Self {
        Self {
            statements: statements.into_iter().collect(),
            comment: None,
        }
    }

    #[must_use]
    pub fn comment(mut self, comment: impl Into<String>) -> Self {
        self.comment = Some(comment.into());
        self
    }
}

impl Content {
    /// How many elements there are when the table is loaded.
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Self::Members(keys) => keys.len(),
            Self::Ranges(ranges) => ranges.len(),
            Self::Verdicts(entries) => entries.len(),
            Self::Values(_, entries) => entries.len(),
            Self::Counted { .. } => 0,
        }
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Inclusive address ranges covered by `nets`, merged where they touch: what
/// an interval set needs, since the kernel refuses overlap.
#[must_use]
pub fn merged_ranges(nets: impl IntoIterator<Item = Ipv4Net>) -> Vec<(Ipv4Addr, Ipv4Addr)> {
    let mut ranges: Vec<(u32, u32)> = nets
        .into_iter()
        .map(|net| (net.network().into(), net.broadcast().into()))
        .collect();
    ranges.sort_unstable();
    let mut merged: Vec<(u32, u32)> = Vec::new();
    for (low, high) in ranges {
        match merged.last_mut() {
            Some((_, end)) if low <= end.saturating_add(1) => *end = (*end).max(high),
            _ => merged.push((low, high)),
        }
    }
    merged
        .into_iter()
        .map(|(low, high)| (low.into(), high.into()))
        .collect()
}
