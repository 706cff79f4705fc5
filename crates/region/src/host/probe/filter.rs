//! Do the packet filter, its log and connection tracking work in a namespace
//! of our own? Each is a kernel module that a small kernel may lack.

use std::io;
use std::time::Duration;

use super::{Check, Step};
use crate::blueprint::ruleset::{
    Chain, ChainKind, ConnectionState, Hook, HookPoint, Match, Policy, Rule, Statement, Table,
    Verdict,
};
use crate::host::conntrack::{Connections, ConntrackError, Subscription};
use crate::host::nflog::{NflogError, Rejections};
use crate::host::nft::{Nft, NftError};

/// Any group: the namespace has no other listener.
const GROUP: u16 = 5;

/// The checks, in the order the modules build on each other.
pub(super) const CHECKS: [Check; 3] = [
    (Step::Ruleset, ruleset),
    (Step::PacketLog, packet_log),
    (Step::ConnectionEvents, connection_events),
];

/// One rule with everything our rules use that is a module of its own.
fn ruleset() -> io::Result<()> {
    let rule = Rule {
        statements: vec![
            Statement::Is(Match::Connection(vec![ConnectionState::New])),
            Statement::SetConnectionMark { keep: 0, bits: 1 },
            Statement::Over {
                packets_per_second: 1,
            },
            Statement::Log {
                group: GROUP,
                snapshot_bytes: 64,
            },
            Statement::Counter,
            Statement::Verdict(Verdict::Drop),
        ],
        comment: None,
    };
    let hook = Hook {
        kind: ChainKind::Filter,
        point: HookPoint::Forward,
        priority: 0,
        policy: Policy::Drop,
    };
    let chain = Chain {
        name: "c_probe".to_owned(),
        hook: Some(hook),
        rules: vec![rule],
    };
    let table = Table {
        name: "probe".to_owned(),
        sets: Vec::new(),
        chains: vec![chain],
    };
    Nft::open()
        .and_then(|mut nft| nft.replace(&table))
        .map_err(|error| match error {
            NftError::Open(source)
            | NftError::Send { source, .. }
            | NftError::Refused { source, .. }
            | NftError::Read { source, .. } => source,
            error => io::Error::other(error),
        })
}

fn packet_log() -> io::Result<()> {
    Rejections::open(GROUP, Duration::ZERO)
        .map(drop)
        .map_err(|error| match error {
            NflogError::Open(source)
            | NflogError::Subscribe { source, .. }
            | NflogError::Read(source) => source,
        })
}

fn connection_events() -> io::Result<()> {
    Connections::open(Subscription::Ends)
        .map(drop)
        .map_err(|error| match error {
            ConntrackError::Open(source)
            | ConntrackError::Subscribe(source)
            | ConntrackError::Read(source)
            | ConntrackError::Accounting { source, .. } => source,
        })
}
