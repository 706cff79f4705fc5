//! Replacing, changing and reading a ruleset that is in the kernel.

use region::blueprint::ruleset::{
    Chain, ChainKind, Content, DataType, Field, Hook, HookPoint, Match, Policy, Rule, Set,
    Statement, Table, Value, Verdict,
};
use region::host::nft::{Nft, NftError, Place};

use crate::namespace::{Namespace, in_namespaces};

fn link(name: &str) -> Value {
    Value::InterfaceName(name.into())
}

fn links(names: &[&str]) -> Set {
    Set {
        name: "links".into(),
        key: vec![DataType::InterfaceName],
        content: Content::Verdicts(
            names
                .iter()
                .map(|name| (vec![link(name)], Verdict::Jump("judge".into())))
                .collect(),
        ),
    }
}

fn seen() -> Set {
    Set {
        name: "seen".into(),
        key: vec![DataType::Address, DataType::Protocol, DataType::Port],
        content: Content::Counted {
            size: 64,
            timeout_ms: 60_000,
        },
    }
}

/// Counts what leaves through an output hook, per rule and per destination.
fn counting(rules: usize) -> Table {
    let judge = (0..rules).map(|index| {
        Rule::new([
            Statement::Is(Match::Protocol(17)),
            Statement::Is(Match::DestinationPort(9..=9)),
            Statement::Counter,
        ])
        .comment(format!("rule {index}"))
    });
    let fields = vec![Field::Destination, Field::Protocol, Field::DestinationPort];
    let entry = Rule::new([Statement::Dispatch {
        fields: vec![Field::OutInterface],
        map: "links".into(),
    }]);
    Table {
        name: "t".into(),
        sets: vec![links(&["lo"]), seen()],
        chains: vec![
            Chain {
                name: "judge".into(),
                hook: None,
                rules: judge.collect(),
            },
            Chain {
                name: "c_out".into(),
                hook: Some(Hook {
                    kind: ChainKind::Filter,
                    point: HookPoint::Output,
                    priority: 0,
                    policy: Policy::Accept,
                }),
                rules: vec![
                    Rule::new([
                        Statement::Is(Match::Protocol(17)),
                        Statement::Update {
                            set: "seen".into(),
                            fields,
                        },
                    ]),
                    entry,
                ],
            },
        ],
    }
}

fn send_one(to: &str) {
    let socket = std::net::UdpSocket::bind("0.0.0.0:0").expect("a socket");
    socket.send_to(b"1234", to).expect("sent");
}

fn tables(namespace: &Namespace) -> String {
    namespace.execute("nft", &["list", "tables"])
}

#[test]
fn counters_and_counted_keys_are_read_back() {
    in_namespaces(|| {
        let namespace = Namespace::new();
        namespace.run(|| {
            let mut nft = Nft::open().unwrap();
            nft.replace(&counting(2)).unwrap();
            send_one("127.0.0.1:9");
            send_one("127.0.0.1:9");
            send_one("127.0.0.1:10");
            let counters = nft.rule_counters("t").unwrap();
            let counters: Vec<_> = counters
                .iter()
                .map(|c| (c.chain.as_str(), c.comment.as_deref(), c.packets, c.bytes))
                .collect();
            assert_eq!(
                counters,
                [
                    ("judge", Some("rule 0"), 2, 64),
                    ("judge", Some("rule 1"), 2, 64)
                ]
            );
            let keys = nft.counted_keys("t", &seen()).unwrap();
            let key = |port| {
                vec![
                    Value::Address([127, 0, 0, 1].into()),
                    Value::Protocol(17),
                    Value::Port(port),
                ]
            };
            let keys: Vec<_> = keys.into_iter().map(|k| (k.key, k.packets)).collect();
            assert_eq!(keys, [(key(9), 2), (key(10), 1)]);
        });
    });
}

#[test]
fn elements_come_and_go() {
    in_namespaces(|| {
        let namespace = Namespace::new();
        namespace.run(|| {
            let mut nft = Nft::open().unwrap();
            nft.replace(&counting(1)).unwrap();
            nft.delete_elements("t", &[links(&["lo"])]).unwrap();
            send_one("127.0.0.1:9");
            assert_eq!(nft.rule_counters("t").unwrap()[0].packets, 0);
            nft.add_elements("t", &[links(&["e7", "lo"])]).unwrap();
            send_one("127.0.0.1:9");
            assert_eq!(nft.rule_counters("t").unwrap()[0].packets, 1);
            let error = nft
                .delete_elements("t", &[links(&["lo", "e8"])])
                .unwrap_err();
            assert_eq!(
                error.to_string(),
                "the kernel refused an element of set `links` of table `t`"
            );
            send_one("127.0.0.1:9");
            assert_eq!(nft.rule_counters("t").unwrap()[0].packets, 2, "all or none");
        });
    });
}

/// 3,000 rules do not fit the limit: the table is built in steps, and each
/// replacement leaves exactly one table, whichever of the names it has.
#[test]
fn large_tables_are_replaced_in_steps() {
    in_namespaces(|| {
        let namespace = Namespace::new();
        namespace.run(|| {
            let mut nft = Nft::open().unwrap().with_transaction_limit(64 * 1024);
            let mut names = Vec::new();
            for rules in [3000, 3001, 3002, 1] {
                nft.replace(&counting(rules)).unwrap();
                send_one("127.0.0.1:9");
                let counters = nft.rule_counters("t").unwrap();
                assert_eq!(counters.len(), rules);
                assert!(counters.iter().all(|counter| counter.packets == 1));
                names.push(tables(&namespace));
            }
            assert_eq!(
                names,
                [
                    "table ip t\n",
                    "table ip t.b\n",
                    "table ip t\n",
                    "table ip t\n"
                ]
            );
            nft.delete("t").unwrap();
            nft.delete("t").unwrap();
            assert_eq!(tables(&namespace), "");
        });
    });
}

/// Refused by the kernel, not by our own check: the old table stays whole.
#[test]
fn a_refusal_names_the_rule_and_changes_nothing() {
    in_namespaces(|| {
        let namespace = Namespace::new();
        namespace.run(|| {
            let mut nft = Nft::open().unwrap();
            nft.replace(&counting(1)).unwrap();
            let mut faulty = counting(1);
            let mistyped = Statement::In {
                fields: vec![Field::Source],
                set: "seen".into(),
            };
            faulty.chains[0]
                .rules
                .push(Rule::new([mistyped]).comment("sgr-7"));
            for limit in [usize::MAX, 1024] {
                let mut nft = Nft::open().unwrap().with_transaction_limit(limit);
                let error = nft.replace(&faulty).unwrap_err();
                assert_eq!(
                    error.to_string(),
                    "the kernel refused rule 2 of chain `judge` (`sgr-7`) of table `t`"
                );
                assert_eq!(tables(&namespace), "table ip t\n");
            }
            send_one("127.0.0.1:9");
            assert_eq!(nft.rule_counters("t").unwrap()[0].packets, 1);
        });
    });
}

#[test]
fn malformed_tables_never_reach_the_kernel() {
    in_namespaces(|| {
        let namespace = Namespace::new();
        let replace = |table: &Table| namespace.run(|| Nft::open()?.replace(table));
        let place = |table: &Table| match replace(table).unwrap_err() {
            NftError::Malformed { place, why, .. } => (place, why),
            other => panic!("{other:?}"),
        };
        let mut table = counting(1);
        table.sets[0] = links(&["sixteen-bytes-if"]);
        let elements = Place::Elements {
            set: "links".into(),
        };
        assert_eq!(
            place(&table),
            (elements, "an interface name has 1 to 15 bytes")
        );
        let mut table = counting(1);
        let verdict = Statement::Verdict(Verdict::Goto("nowhere".into()));
        table.chains[0].rules[0].statements.push(verdict);
        let rule = Place::Rule {
            chain: "judge".into(),
            position: 1,
            comment: Some("rule 0".into()),
        };
        assert_eq!(place(&table), (rule, "it names a chain that is not there"));
        let mut table = counting(1);
        table.name = "x".repeat(300);
        assert_eq!(
            place(&table),
            (Place::Table, "its name is empty or too long")
        );
        assert_eq!(tables(&namespace), "");
    });
}

/// Counters survive a change of elements, and nothing is left of the old ones.
#[test]
fn an_update_of_elements_keeps_counters() {
    in_namespaces(|| {
        let namespace = Namespace::new();
        namespace.run(|| {
            let mut nft = Nft::open().unwrap();
            let (from, mut to) = (counting(1), counting(1));
            to.sets[0] = links(&["e1", "lo"]);
            nft.replace(&from).unwrap();
            send_one("127.0.0.1:9");
            nft.update(&from, &to).unwrap();
            send_one("127.0.0.1:9");
            assert_eq!(nft.rule_counters("t").unwrap()[0].packets, 2);
            let without = Table {
                sets: vec![links(&["e1"]), seen()],
                ..counting(1)
            };
            nft.update(&to, &without).unwrap();
            send_one("127.0.0.1:9");
            assert_eq!(nft.rule_counters("t").unwrap()[0].packets, 2);
            nft.update(&without, &counting(2)).unwrap();
            send_one("127.0.0.1:9");
            let counters = nft.rule_counters("t").unwrap();
            assert_eq!(
                counters.iter().map(|c| c.packets).collect::<Vec<_>>(),
                [1, 1]
            );
        });
    });
}

/// The hardest set to change: every range overlaps the one it replaces.
#[test]
fn ranges_are_updated_where_they_overlap() {
    in_namespaces(|| {
        let namespace = Namespace::new();
        let table = |ranges: &[([u8; 4], [u8; 4])]| {
            let ranges = ranges
                .iter()
                .map(|(low, high)| ((*low).into(), (*high).into()));
            let content = Content::Ranges(ranges.collect());
            let set = Set {
                name: "r".into(),
                key: vec![DataType::Address],
                content,
            };
            Table {
                name: "t".into(),
                sets: vec![set],
                chains: vec![],
            }
        };
        let from = table(&[
            ([10, 0, 0, 0], [10, 0, 0, 255]),
            ([192, 0, 2, 0], [192, 0, 2, 9]),
        ]);
        let to = table(&[
            ([10, 0, 0, 9], [10, 1, 0, 0]),
            ([255, 0, 0, 0], [255, 255, 255, 255]),
        ]);
        let listing = || namespace.execute("nft", &["list", "set", "ip", "t", "r"]);
        namespace.run(|| Nft::open()?.replace(&to)).unwrap();
        let wanted = listing();
        namespace.run(|| Nft::open()?.replace(&from)).unwrap();
        assert_ne!(listing(), wanted);
        namespace.run(|| Nft::open()?.update(&from, &to)).unwrap();
        assert_eq!(listing(), wanted);
    });
}
