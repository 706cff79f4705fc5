//! Does our encoder say to the kernel what `nft -f` says for the same text?

use std::ops::RangeInclusive;
use std::process::{Command, Stdio};

use ipnet::Ipv4Net;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;

use region::blueprint::ruleset::{
    Chain, ChainKind, ConnectionState, Content, DataType, Field, Hook, HookPoint, Match, Policy,
    Rule, Set, Statement, Table, Target, Value, Verdict,
};
use region::host::nft::{Nft, NftError};
use region::plan::ruleset::{
    AccessList, Protocol, PublicAddress, internet_gateway, nat_gateway, vpc,
};
use serde_json::Value as Json;

use crate::namespace::{Namespace, in_namespaces};
use crate::topology::{entry, firewall};

/// Every type, set kind, match and statement there is.
fn everything() -> Table {
    Table {
        name: "every".into(),
        sets: every_set(),
        chains: vec![
            chain("plain", every_match()),
            chain("acts", every_act()),
            Chain {
                name: "entry".into(),
                hook: Some(hook(ChainKind::Filter, HookPoint::Forward, 0, Policy::Drop)),
                rules: vec![Rule::new([jump("plain")])],
            },
            Chain {
                name: "source".into(),
                hook: Some(hook(
                    ChainKind::Nat,
                    HookPoint::Postrouting,
                    100,
                    Policy::Accept,
                )),
                rules: vec![Rule::new([
                    Statement::Is(Match::Source(net("10.0.0.0/16"))),
                    Statement::IsNot(Match::Destination(net("10.0.0.0/16"))),
                    Statement::Is(Match::Protocol(6)),
                    Statement::SourceNat {
                        address: [10, 0, 1, 11].into(),
                        ports: Some(1024..=65535),
                    },
                ])],
            },
        ],
    }
}

fn every_set() -> Vec<Set> {
    let link = |name: &str| Value::InterfaceName(name.into());
    let address = |last| Value::Address([10, 0, 1, last].into());
    vec![
        set(
            "plain_set",
            [DataType::Address],
            Content::Members(vec![vec![address(1)], vec![address(2)]]),
        ),
        set("empty", [DataType::Mark], Content::Members(vec![])),
        set(
            "pairs",
            [DataType::InterfaceName, DataType::Address],
            Content::Members(vec![
                vec![link("e0"), address(10)],
                vec![link("a-fifteen-bytes"), address(11)],
            ]),
        ),
        set(
            "services",
            [DataType::Address, DataType::Protocol, DataType::Port],
            Content::Members(vec![vec![address(1), Value::Protocol(17), Value::Port(53)]]),
        ),
        set(
            "ranges",
            [DataType::Address],
            Content::Ranges(vec![
                ([0, 0, 0, 0].into(), [0, 0, 0, 255].into()),
                ([10, 0, 0, 0].into(), [10, 0, 2, 17].into()),
                ([192, 0, 2, 7].into(), [192, 0, 2, 7].into()),
                ([240, 0, 0, 0].into(), [255, 255, 255, 255].into()),
            ]),
        ),
        set(
            "verdicts",
            [DataType::InterfaceName],
            Content::Verdicts(vec![
                (vec![link("e0")], Verdict::Goto("acts".into())),
                (vec![link("e1")], Verdict::Jump("acts".into())),
                (vec![link("e2")], Verdict::Drop),
            ]),
        ),
        set(
            "by_mark",
            [DataType::Mark],
            Content::Verdicts(vec![(vec![Value::Mark(3)], Verdict::Accept)]),
        ),
        set(
            "marks",
            [DataType::InterfaceName],
            Content::Values(
                DataType::Mark,
                vec![(vec![link("e0")], Value::Mark(0x1234))],
            ),
        ),
        set(
            "public",
            [DataType::InterfaceName, DataType::Address],
            Content::Values(
                DataType::Address,
                vec![(
                    vec![link("vpc0"), address(10)],
                    Value::Address([203, 0, 113, 10].into()),
                )],
            ),
        ),
        set(
            "icmp_types",
            [DataType::IcmpType],
            Content::Members(vec![vec![Value::IcmpType(8)]]),
        ),
        set(
            "counted",
            [
                DataType::Address,
                DataType::Address,
                DataType::Protocol,
                DataType::Port,
                DataType::Mark,
            ],
            Content::Counted {
                size: 65536,
                timeout_ms: 600_000,
            },
        ),
    ]
}

fn every_match() -> Vec<Rule> {
    let questions = [
        Match::InInterface("e0".into()),
        Match::OutInterface("e1".into()),
        Match::Mark(0x8000_0001),
        Match::Protocol(6),
        Match::Protocol(132),
        Match::Source(net("10.1.2.0/23")),
        Match::Source(net("0.0.0.0/1")),
        Match::Destination(net("192.0.2.1/32")),
        Match::Destination(net("10.0.0.0/8")),
    ];
    let mut rules: Vec<Rule> = questions
        .iter()
        .flat_map(|question| {
            [
                Statement::Is(question.clone()),
                Statement::IsNot(question.clone()),
            ]
        })
        .map(|statement| Rule::new([statement, Statement::Verdict(Verdict::Return)]))
        .collect();
    let ports = [443..=443, 1024..=65535, 0..=65535];
    for question in ports.iter().flat_map(|range| {
        [
            Match::SourcePort(range.clone()),
            Match::DestinationPort(range.clone()),
        ]
    }) {
        rules.push(after_protocol(6, Statement::Is(question.clone())));
        rules.push(after_protocol(17, Statement::IsNot(question)));
    }
    rules.push(after_protocol(1, Statement::Is(Match::IcmpType(8))));
    rules.push(Rule::new([
        Statement::Is(Match::Protocol(1)),
        Statement::Is(Match::IcmpType(3)),
        Statement::Is(Match::IcmpCode(4)),
        Statement::Counter,
    ]));
    rules.push(Rule::new([
        Statement::Is(Match::ConnectionPackets(7)),
        Statement::Counter,
    ]));
    use ConnectionState::{Established, Invalid, New, Related};
    for states in [vec![Established, Related], vec![New], vec![Invalid, New]] {
        rules.push(Rule::new([
            Statement::Is(Match::Connection(states)),
            Statement::Verdict(Verdict::Accept),
        ]));
    }
    rules
}

fn every_act() -> Vec<Rule> {
    use Field::{Destination, DestinationPort, IcmpType, InInterface, Mark, Protocol, Source};
    let fields = |fields: &[Field]| fields.to_vec();
    let dispatch = |field, map: &str| Statement::Dispatch {
        fields: vec![field],
        map: map.into(),
    };
    let assign = |target, fields, map: &str| Statement::Assign {
        target,
        fields,
        map: map.into(),
    };
    vec![
        Rule::new([
            Statement::In {
                fields: fields(&[Source]),
                set: "plain_set".into(),
            },
            Statement::NotIn {
                fields: fields(&[Destination]),
                set: "ranges".into(),
            },
            Statement::Counter,
        ])
        .comment("sgr-01 \"quoted\" 한글"),
        Rule::new([Statement::NotIn {
            fields: fields(&[InInterface, Source]),
            set: "pairs".into(),
        }]),
        Rule::new([
            Statement::In {
                fields: fields(&[Destination, Protocol, DestinationPort]),
                set: "services".into(),
            },
            Statement::Verdict(Verdict::Accept),
        ]),
        after_protocol(
            1,
            Statement::In {
                fields: fields(&[IcmpType]),
                set: "icmp_types".into(),
            },
        ),
        Rule::new([dispatch(Field::OutInterface, "verdicts")]),
        Rule::new([dispatch(Mark, "by_mark")]),
        Rule::new([assign(Target::Mark, fields(&[InInterface]), "marks")]),
        Rule::new([assign(
            Target::Source,
            fields(&[InInterface, Source]),
            "public",
        )]),
        Rule::new([assign(
            Target::Destination,
            fields(&[InInterface, Destination]),
            "public",
        )]),
        Rule::new([
            Statement::SetMark(0x5000_0002),
            Statement::Verdict(Verdict::Goto("plain".into())),
        ]),
        Rule::new([Statement::SetConnectionMark {
            keep: 0xffff_0000,
            bits: 5,
        }]),
        after_protocol(
            6,
            Statement::Update {
                set: "counted".into(),
                fields: fields(&[Source, Destination, Protocol, DestinationPort, Mark]),
            },
        ),
        Rule::new([
            Statement::Over {
                packets_per_second: 2000,
            },
            Statement::Verdict(Verdict::Drop),
        ]),
        Rule::new([
            Statement::Log {
                group: 5,
                snapshot_bytes: 64,
            },
            Statement::Counter,
            Statement::Verdict(Verdict::Drop),
        ]),
    ]
}

fn set(name: &str, key: impl Into<Vec<DataType>>, content: Content) -> Set {
    Set {
        name: name.into(),
        key: key.into(),
        content,
    }
}

fn chain(name: &str, rules: Vec<Rule>) -> Chain {
    Chain {
        name: name.into(),
        hook: None,
        rules,
    }
}

fn hook(kind: ChainKind, point: HookPoint, priority: i32, policy: Policy) -> Hook {
    Hook {
        kind,
        point,
        priority,
        policy,
    }
}

fn after_protocol(number: u8, statement: Statement) -> Rule {
    Rule::new([Statement::Is(Match::Protocol(number)), statement])
}

fn jump(chain: &str) -> Statement {
    Statement::Verdict(Verdict::Jump(chain.into()))
}

fn net(text: &str) -> ipnet::Ipv4Net {
    text.parse().expect("a network")
}

fn load_text(namespace: &Namespace, text: &str) {
    let mut child = namespace.run(|| {
        Command::new("nft")
            .args(["-f", "-"])
            .stdin(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
    });
    let child = child
        .as_mut()
        .expect("nft is installed (`apt-get install nftables`)");
    std::io::Write::write_all(&mut child.stdin.take().expect("piped"), text.as_bytes())
        .expect("nft reads");
    let mut errors = String::new();
    std::io::Read::read_to_string(&mut child.stderr.take().expect("piped"), &mut errors)
        .expect("text");
    assert!(
        child.wait().expect("nft ends").success(),
        "nft -f:\n{errors}\n{text}"
    );
}

/// `nft -j list ruleset` without handles, elements sorted: hashes order them at random.
fn listing(namespace: &Namespace) -> Json {
    let text = namespace.execute("nft", &["-j", "list", "ruleset"]);
    let mut json: Json = serde_json::from_str(&text).expect("JSON");
    normalise(&mut json);
    json
}

fn normalise(json: &mut Json) {
    match json {
        Json::Object(object) => {
            object.remove("handle");
            object.remove("metainfo");
            if let Some(Json::Array(elements)) = object.get_mut("elem") {
                elements.sort_by_key(ToString::to_string);
            }
            object.values_mut().for_each(normalise);
        }
        Json::Array(array) => array.iter_mut().for_each(normalise),
        _ => {}
    }
}

fn replace(namespace: &Namespace, table: &Table) -> Result<(), NftError> {
    namespace.run(|| Nft::open()?.replace(table))
}

#[track_caller]
fn check_same(table: &Table) {
    let (ours, theirs) = (Namespace::new(), Namespace::new());
    replace(&ours, table).expect("our encoder loads it");
    load_text(&theirs, &table.to_string());
    let (ours, theirs) = (listing(&ours), listing(&theirs));
    let lines = |json: &Json| -> Vec<String> {
        json["nftables"]
            .as_array()
            .expect("a list")
            .iter()
            .map(ToString::to_string)
            .collect()
    };
    let (ours, theirs) = (lines(&ours), lines(&theirs));
    for (ours, theirs) in ours.iter().zip(&theirs) {
        assert_eq!(ours, theirs, "\nleft: our encoder, right: nft -f");
    }
    assert_eq!(ours.len(), theirs.len());
    assert!(
        ours.len() > table.sets.len() + table.chains.len(),
        "nothing was listed"
    );
}

#[test]
fn says_what_nft_says() {
    in_namespaces(|| check_same(&everything()));
}

/// What the plan makes of a whole VPC and its gateways.
#[test]
fn planned_tables_say_what_nft_says() {
    in_namespaces(|| {
        let mut firewall = firewall();
        let close = |list: &mut AccessList| {
            list.egress = vec![entry(
                7,
                false,
                Protocol::Icmp {
                    icmp_type: Some(3),
                    code: Some(4),
                },
                "10.0.0.0/9",
            )];
            list.ingress.clear();
        };
        close(&mut firewall.access_lists[2]);
        firewall
            .prefix_lists
            .insert("pl-1".into(), vec![net("192.0.2.0/24"), net("255.0.0.0/8")]);
        check_same(&vpc(&firewall).0);
        let address = PublicAddress {
            link: "vpc0".into(),
            private: [10, 0, 0, 10].into(),
            public: [203, 0, 113, 10].into(),
        };
        check_same(&internet_gateway(
            &["vpc0".into(), "vpc1".into()],
            &[address],
        ));
        check_same(&nat_gateway(
            &[net("10.0.0.0/16"), net("10.8.0.0/16")],
            [10, 0, 0, 11].into(),
        ));
    });
}

fn any_match() -> impl Strategy<Value = Vec<Statement>> {
    let prefix = (any::<u32>(), 0u8..=32)
        .prop_map(|(bits, length)| Ipv4Net::new(bits.into(), length).expect("0 to 32").trunc());
    let name = "[a-z][a-z0-9-]{0,14}";
    let range = (any::<u16>(), any::<u16>()).prop_map(|(a, b)| a.min(b)..=a.max(b));
    let ported = |make: fn(RangeInclusive<u16>) -> Match| {
        (prop_oneof![Just(6u8), Just(17u8)], range.clone())
            .prop_map(move |(number, range)| (Some(number), make(range)))
    };
    let bare = |question: Match| (None, question);
    let question = prop_oneof![
        name.prop_map(move |name| bare(Match::InInterface(name))),
        name.prop_map(move |name| bare(Match::OutInterface(name))),
        any::<u32>().prop_map(move |mark| bare(Match::Mark(mark))),
        any::<u8>().prop_map(move |number| bare(Match::Protocol(number))),
        prefix.clone().prop_map(move |net| bare(Match::Source(net))),
        prefix.prop_map(move |net| bare(Match::Destination(net))),
        ported(Match::SourcePort),
        ported(Match::DestinationPort),
        any::<u8>().prop_map(|number| (Some(1), Match::IcmpType(number))),
    ];
    (question, any::<bool>()).prop_map(|((protocol, question), is_negated)| {
        let mut statements: Vec<Statement> = protocol
            .map(|number| Statement::Is(Match::Protocol(number)))
            .into_iter()
            .collect();
        statements.push(if is_negated {
            Statement::IsNot(question)
        } else {
            Statement::Is(question)
        });
        statements
    })
}

fn any_rule() -> impl Strategy<Value = Rule> {
    let act = prop_oneof![
        Just(Statement::Counter),
        any::<u32>().prop_map(Statement::SetMark),
        (1u32..1_000_000).prop_map(|packets_per_second| Statement::Over { packets_per_second }),
        Just(Statement::Verdict(Verdict::Accept)),
        Just(Statement::Verdict(Verdict::Goto("target".into()))),
    ];
    let comment = proptest::option::of("[ -~가-힣]{1,80}");
    (any_match(), act, comment).prop_map(|(mut statements, act, comment)| {
        statements.push(act);
        Rule {
            statements,
            comment,
        }
    })
}

/// Any rules at all: both ways to the kernel give one listing.
#[test]
fn random_rules_say_what_nft_says() {
    in_namespaces(|| {
        let mut runner = TestRunner::deterministic();
        for _ in 0..20 {
            let rules = proptest::collection::vec(any_rule(), 40);
            let rules = rules.new_tree(&mut runner).expect("a value").current();
            check_same(&Table {
                name: "any".into(),
                sets: vec![],
                chains: vec![chain("target", vec![]), chain("asks", rules)],
            });
        }
    });
}
