//! The router's table: the path every packet of a VPC takes.
//!
//! `c_pre` notes the sender's subnet and refuses borrowed addresses; `c_fwd`
//! judges what crosses: new flows by security groups both ways with the
//! network ACLs between, the rest by network ACLs alone; `c_in` opens only the
//! local services. Whatever is refused goes through `rejected`, its reason in
//! its mark: counted always, logged up to a rate, dropped.

use crate::blueprint::ruleset::{
    Chain, ChainKind, ConnectionState, Content, DataType, Field, Hook, HookPoint, Match, Policy,
    Rule, Set, Statement, Table, Target, Value, Verdict,
};

use super::access_list::{access_lists, dispatch_by_mark};
use super::group::{groups, rejection};
use super::reason::{DESTINATION_CHECK, INVALID, Reasons, SOURCE_CHECK};
use super::{Firewall, REJECTED_GROUP, UNLOGGED_COMMENT, subnet_mark};

/// Different rejected flows remembered, and for how long.
const REJECTED_FLOWS: u32 = 65536;
const REJECTED_FLOW_TIMEOUT_MS: u64 = 600_000;
/// Beyond this rate rejected packets are counted, not logged.
const LOGGED_PER_SECOND: u32 = 2000;
const SNAPSHOT_BYTES: u32 = 68;

/// Before connection tracking.
const RAW: i32 = -300;
const FILTER: i32 = 0;

/// The table `vpc` of the VPC's router, and what its numbers mean.
#[must_use]
pub fn vpc(firewall: &Firewall) -> (Table, Reasons) {
    let groups = groups(firewall);
    let lists = access_lists(firewall);
    let mut sets = interface_sets(firewall);
    sets.extend(groups.sets);
    sets.extend(rejected_sets());
    sets.extend(lists.sets);
    sets.extend(groups.dispatch);
    let mut chains = vec![rejected_chain()];
    chains.extend(groups.chains);
    chains.extend(lists.chains);
    chains.extend(flow_chains());
    chains.extend(entry_chains(firewall));
    chains.push(accounting_chain());
    let reasons = Reasons {
        profiles: groups.profiles,
        rules: groups.rules,
        access_lists: lists.references,
    };
    (
        Table {
            name: "vpc".into(),
            sets,
            chains,
        },
        reasons,
    )
}

fn interface_sets(firewall: &Firewall) -> Vec<Set> {
    let link = |name: &String| Value::InterfaceName(name.clone());
    let interfaces = &firewall.interfaces;
    let subnets = interfaces
        .iter()
        .map(|i| (vec![link(&i.link)], Value::Mark(subnet_mark(i.subnet))));
    let addresses = interfaces
        .iter()
        .map(|i| vec![link(&i.link), Value::Address(i.address)]);
    let unchecked = interfaces
        .iter()
        .filter(|i| !i.source_dest_check)
        .map(|i| &i.link);
    let unchecked = firewall
        .uplinks
        .iter()
        .chain(unchecked)
        .map(|name| vec![link(name)]);
    let services = firewall.services.iter().map(|service| {
        vec![
            Value::Address(service.address),
            Value::Protocol(service.protocol),
            Value::Port(service.port),
        ]
    });
    let set = |name: &str, key: &[DataType], content| Set {
        name: name.into(),
        key: key.to_vec(),
        content,
    };
    use DataType::{Address, InterfaceName, Mark, Port, Protocol};
    vec![
        set(
            "if_subnet",
            &[InterfaceName],
            Content::Values(Mark, subnets.collect()),
        ),
        set(
            "if_ip",
            &[InterfaceName, Address],
            Content::Members(addresses.collect()),
        ),
        set(
            "if_nocheck",
            &[InterfaceName],
            Content::Members(unchecked.collect()),
        ),
        set(
            "services",
            &[Address, Protocol, Port],
            Content::Members(services.collect()),
        ),
    ]
}

/// The sets of rejected flows: their counters are exact where logging is not.
#[must_use]
pub fn rejected_sets() -> [Set; 2] {
    use DataType::{Address, IcmpType, Mark, Port, Protocol};
    let set = |name: &str, key: Vec<DataType>| Set {
        name: name.into(),
        key,
        content: Content::Counted {
            size: REJECTED_FLOWS,
            timeout_ms: REJECTED_FLOW_TIMEOUT_MS,
        },
    };
    [
        set("rej", vec![Address, Address, Protocol, Port, Mark]),
        set("rej_icmp", vec![Address, Address, IcmpType, Mark]),
    ]
}

fn rejected_chain() -> Chain {
    use Field::{Destination, DestinationPort, IcmpType, Mark, Protocol, Source};
    let counted = |protocol: u8, set: &str, fields: &[Field]| {
        Rule::new([
            Statement::Is(Match::Protocol(protocol)),
            Statement::Update {
                set: set.into(),
                fields: fields.to_vec(),
            },
        ])
    };
    let ports = [Source, Destination, Protocol, DestinationPort, Mark];
    chain(
        "rejected",
        [
            counted(6, "rej", &ports),
            counted(17, "rej", &ports),
            counted(1, "rej_icmp", &[Source, Destination, IcmpType, Mark]),
            Rule::new([
                Statement::Over {
                    packets_per_second: LOGGED_PER_SECOND,
                },
                Statement::Counter,
                Statement::Verdict(Verdict::Drop),
            ])
            .comment(UNLOGGED_COMMENT),
            Rule::new([
                Statement::Log {
                    group: REJECTED_GROUP,
                    snapshot_bytes: SNAPSHOT_BYTES,
                },
                Statement::Counter,
                Statement::Verdict(Verdict::Drop),
            ]),
        ],
    )
}

/// From the sender outwards: its groups, the borders between, the receiver's groups.
fn flow_chains() -> Vec<Chain> {
    let dispatch = |field: Field, map: &str| {
        Rule::new([Statement::Dispatch {
            fields: vec![field],
            map: map.into(),
        }])
    };
    let accept = || Rule::new([Statement::Verdict(Verdict::Accept)]);
    let borders = || Rule::new([Statement::Verdict(Verdict::Jump("nacl".into()))]);
    vec![
        chain(
            "nacl",
            [
                dispatch(Field::OutInterface, "nacl_to"),
                Rule::new([dispatch_by_mark()]),
            ],
        ),
        chain(
            "new_flow",
            [
                dispatch(Field::InInterface, "sg_out"),
                borders(),
                dispatch(Field::OutInterface, "sg_in"),
                accept(),
            ],
        ),
        chain("old_flow", [borders(), accept()]),
    ]
}

fn entry_chains(firewall: &Firewall) -> [Chain; 4] {
    [
        entry(
            "c_pre",
            HookPoint::Prerouting,
            RAW,
            Policy::Accept,
            source_check(firewall),
        ),
        entry(
            "c_fwd",
            HookPoint::Forward,
            FILTER,
            Policy::Drop,
            forwarding(),
        ),
        entry(
            "c_in",
            HookPoint::Input,
            FILTER,
            Policy::Drop,
            local_services(),
        ),
        entry(
            "c_out",
            HookPoint::Output,
            FILTER,
            Policy::Accept,
            vec![no_redirects()],
        ),
    ]
}

fn source_check(firewall: &Firewall) -> Vec<Rule> {
    let mut rules = vec![
        Rule::new([Statement::Assign {
            target: Target::Mark,
            fields: vec![Field::InInterface],
            map: "if_subnet".into(),
        }]),
        // `lo` carries what the router says to itself.
        guarded(
            [
                Statement::IsNot(Match::InInterface("lo".into())),
                not_in(&[Field::InInterface, Field::Source], "if_ip"),
                not_in(&[Field::InInterface], "if_nocheck"),
            ],
            SOURCE_CHECK,
        ),
    ];
    // From outside nothing may claim an inside address: groups go by address.
    for uplink in &firewall.uplinks {
        for cidr in &firewall.cidrs {
            rules.push(guarded(
                [
                    Statement::Is(Match::InInterface(uplink.clone())),
                    Statement::Is(Match::Source(*cidr)),
                ],
                SOURCE_CHECK,
            ));
        }
    }
    rules
}

fn forwarding() -> Vec<Rule> {
    use ConnectionState::{Established, New, Related};
    let by_state = |states: &[ConnectionState], chain: &str| {
        Rule::new([
            Statement::Is(Match::Connection(states.to_vec())),
            Statement::Verdict(Verdict::Goto(chain.into())),
        ])
    };
    vec![
        guarded(
            [
                not_in(&[Field::OutInterface, Field::Destination], "if_ip"),
                not_in(&[Field::OutInterface], "if_nocheck"),
            ],
            DESTINATION_CHECK,
        ),
        by_state(&[Established, Related], "old_flow"),
        by_state(&[New], "new_flow"),
        rejection(INVALID),
    ]
}

fn local_services() -> Vec<Rule> {
    let accept = || Statement::Verdict(Verdict::Accept);
    let established = vec![ConnectionState::Established, ConnectionState::Related];
    let service = vec![Field::Destination, Field::Protocol, Field::DestinationPort];
    vec![
        Rule::new([Statement::Is(Match::InInterface("lo".into())), accept()]),
        Rule::new([
            Statement::In {
                fields: service,
                set: "services".into(),
            },
            accept(),
        ]),
        Rule::new([Statement::Is(Match::Connection(established)), accept()]),
    ]
}

/// Two interfaces of one subnet would otherwise be told to speak directly.
fn no_redirects() -> Rule {
    Rule::new([
        Statement::Is(Match::Protocol(1)),
        Statement::Is(Match::IcmpType(5)),
        Statement::Verdict(Verdict::Drop),
    ])
}

/// No packet comes here. That the question stands in a table makes the kernel
/// count what connections carry, also where `/proc/sys` cannot be written.
fn accounting_chain() -> Chain {
    let question = Rule::new([Statement::Is(Match::ConnectionPackets(0))]);
    chain("accounting", [question.comment("turns counting on")])
}

fn guarded(conditions: impl IntoIterator<Item = Statement>, reason: u32) -> Rule {
    Rule::new(conditions.into_iter().chain(rejection(reason).statements))
}

fn not_in(fields: &[Field], set: &str) -> Statement {
    Statement::NotIn {
        fields: fields.to_vec(),
        set: set.into(),
    }
}

fn chain(name: &str, rules: impl IntoIterator<Item = Rule>) -> Chain {
    Chain {
        name: name.into(),
        hook: None,
        rules: rules.into_iter().collect(),
    }
}

pub(super) fn entry(
    name: &str,
    point: HookPoint,
    priority: i32,
    policy: Policy,
    rules: Vec<Rule>,
) -> Chain {
    let hook = Hook {
        kind: ChainKind::Filter,
        point,
        priority,
        policy,
    };
    Chain {
        name: name.into(),
        hook: Some(hook),
        rules,
    }
}
