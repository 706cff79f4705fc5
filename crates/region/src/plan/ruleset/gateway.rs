//! Addresses change at the VPC's edges only: one for one at the internet
//! gateway, many to one at a NAT gateway.
//!
//! Neither happens in the VPC's router, so there security groups, network ACLs
//! and flow logs see the private addresses that AWS shows them.

use std::net::Ipv4Addr;
use std::ops::RangeInclusive;

use ipnet::Ipv4Net;

use crate::blueprint::ruleset::{
    Chain, ChainKind, ConnectionState, Content, DataType, Field, Hook, HookPoint, Match, Policy,
    Rule, Set, Statement, Table, Target, Value, Verdict, merged_ranges,
};

use super::vpc::entry;

const RAW: i32 = -300;
const FILTER: i32 = 0;
const SOURCE_NAT: i32 = 100;
/// After everything else, so that all before it sees the public address.
const LAST: i32 = 300;

/// "NAT gateways" in the VPC User Guide: it uses ports 1024-65535.
const NAT_PORTS: RangeInclusive<u16> = 1024..=65535;

/// An interface's public address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicAddress {
    /// The internet's link to the VPC the interface is in.
    pub link: String,
    pub private: Ipv4Addr,
    pub public: Ipv4Addr,
}

/// The table `igw` of the internet namespace. `links` lead to the VPCs.
/// Rewriting is stateless. What has no public address neither leaves nor enters.
#[must_use]
pub fn internet_gateway(links: &[String], addresses: &[PublicAddress]) -> Table {
    let map =
        |name: &str, from: fn(&PublicAddress) -> Ipv4Addr, to: fn(&PublicAddress) -> Ipv4Addr| {
            let entry = |address: &PublicAddress| {
                let link = Value::InterfaceName(address.link.clone());
                (
                    vec![link, Value::Address(from(address))],
                    Value::Address(to(address)),
                )
            };
            Set {
                name: name.into(),
                key: vec![DataType::InterfaceName, DataType::Address],
                content: Content::Values(DataType::Address, addresses.iter().map(entry).collect()),
            }
        };
    let outwards = rewrite(Target::Source, &[Field::InInterface, Field::Source], "pub");
    let inwards = rewrite(
        Target::Destination,
        &[Field::OutInterface, Field::Destination],
        "priv",
    );
    let otherwise = |question: fn(String) -> Match| {
        links.iter().map(move |link| {
            let verdict = Statement::Verdict(Verdict::Drop);
            Rule::new([
                Statement::Is(question(link.clone())),
                Statement::Counter,
                verdict,
            ])
            .comment("no public address")
        })
    };
    let pre = [outwards]
        .into_iter()
        .chain(otherwise(Match::InInterface))
        .collect();
    let post = [inwards]
        .into_iter()
        .chain(otherwise(Match::OutInterface))
        .collect();
    Table {
        name: "igw".into(),
        sets: vec![
            map("pub", |a| a.private, |a| a.public),
            map("priv", |a| a.public, |a| a.private),
        ],
        chains: vec![
            entry("c_pre", HookPoint::Prerouting, RAW, Policy::Accept, pre),
            entry("c_post", HookPoint::Postrouting, LAST, Policy::Accept, post),
        ],
    }
}

fn rewrite(target: Target, fields: &[Field], map: &str) -> Rule {
    Rule::new([
        Statement::Assign {
            target,
            fields: fields.to_vec(),
            map: map.into(),
        },
        Statement::Verdict(Verdict::Accept),
    ])
}

/// The table `natgw` of a NAT gateway's namespace: flows from the VPC to
/// elsewhere take the gateway's `address`; only their replies come back.
#[must_use]
pub fn nat_gateway(cidrs: &[Ipv4Net], address: Ipv4Addr) -> Table {
    let inside = Set {
        name: "inside".into(),
        key: vec![DataType::Address],
        content: Content::Ranges(merged_ranges(cidrs.iter().copied())),
    };
    let from_inside = || Statement::In {
        fields: vec![Field::Source],
        set: "inside".into(),
    };
    let to_outside = || Statement::NotIn {
        fields: vec![Field::Destination],
        set: "inside".into(),
    };
    let translate = |protocol: u8, ports: Option<RangeInclusive<u16>>| {
        Rule::new([
            from_inside(),
            to_outside(),
            Statement::Is(Match::Protocol(protocol)),
            Statement::SourceNat { address, ports },
        ])
    };
    let replies = || {
        let states = vec![ConnectionState::Established, ConnectionState::Related];
        Rule::new([
            Statement::Is(Match::Connection(states)),
            Statement::Verdict(Verdict::Accept),
        ])
    };
    // an answer to what came in another way has no connection here, so goes nowhere
    let outwards = Rule::new([
        Statement::Is(Match::Connection(vec![ConnectionState::New])),
        from_inside(),
        to_outside(),
        Statement::Verdict(Verdict::Accept),
    ]);
    let nat = Hook {
        kind: ChainKind::Nat,
        point: HookPoint::Postrouting,
        priority: SOURCE_NAT,
        policy: Policy::Accept,
    };
    Table {
        name: "natgw".into(),
        sets: vec![inside],
        chains: vec![
            Chain {
                name: "c_post".into(),
                hook: Some(nat),
                rules: vec![
                    translate(6, Some(NAT_PORTS)),
                    translate(17, Some(NAT_PORTS)),
                    translate(1, None),
                ],
            },
            entry(
                "c_fwd",
                HookPoint::Forward,
                FILTER,
                Policy::Drop,
                vec![replies(), outwards],
            ),
            entry(
                "c_in",
                HookPoint::Input,
                FILTER,
                Policy::Drop,
                vec![replies()],
            ),
        ],
    }
}
