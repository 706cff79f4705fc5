use insta::assert_snapshot;

use super::*;
use crate::plan::ruleset::Direction;
use crate::plan::ruleset::reason::{AccessListReference, GroupReference, RuleReference};

const NO_INGRESS: u32 = 0x5000_0000;
const DENIED_BY_ACL: u32 = 0x3000_0064;
const SOURCE_CHECK: u32 = 0x1000_0000;

fn log(max_flows: usize) -> FlowLog {
    let interface = |id: &str, link: &str, last| LoggedInterface {
        id: id.into(),
        link: link.into(),
        address: [10, 0, 1, last].into(),
    };
    let rule = |id: &str, direction| RuleReference {
        id: id.into(),
        group: "sg-app".into(),
        direction,
        provenance: "t.yaml:7 AppEgress".into(),
    };
    let reasons = Reasons {
        profiles: vec![vec![GroupReference {
            id: "sg-db".into(),
            ingress_rules: 0,
            egress_rules: 0,
            provenance: "t.yaml:3 DbGroup".into(),
        }]],
        rules: vec![
            rule("sgr-1", Direction::Egress),
            rule("sgr-2", Direction::Ingress),
        ],
        access_lists: vec![AccessListReference {
            id: "acl-1".into(),
            provenance: "t.yaml:9 Acl".into(),
            denials: vec![(Direction::Egress, 100, "t.yaml:12 AclEntry".into())],
        }],
    };
    let config = Config {
        account_id: "123456789012".into(),
        window_ms: 1000,
        max_flows,
        interfaces: vec![
            interface("eni-app", "e0", 10),
            interface("eni-db", "e1", 20),
        ],
        unlogged: [[10, 0, 0, 2].into()].into(),
        reasons,
    };
    FlowLog::new(config, 1_700_000_000_000)
}

fn flow(source: u8, destination: u8) -> Flow {
    Flow {
        source: [10, 0, 1, source].into(),
        destination: [10, 0, 1, destination].into(),
        protocol: 6,
        source_port: 40000,
        destination_port: 5432,
    }
}

fn rejection(reason: u32, flow: Flow) -> Rejection {
    Rejection {
        reason,
        flow,
        in_link: Some("e0".into()),
        out_link: Some("e1".into()),
        bytes: 60,
        unix_ms: 1_700_000_000_400,
    }
}

fn traffic(forward: u64, reply: u64) -> Traffic {
    let amount = |packets| Amount {
        packets,
        bytes: packets * 100,
    };
    Traffic {
        flow: flow(10, 20),
        mark: 1 << 16 | 2,
        forward: amount(forward),
        reply: amount(reply),
        start_ms: Some(1_600_000_000_000),
        end_ms: None,
    }
}

fn drained(log: &mut FlowLog, now_ms: u64) -> String {
    log.handle_timeout(now_ms);
    let records: Vec<String> = std::iter::from_fn(|| log.poll_record())
        .map(|record| record.with_reason())
        .collect();
    records.join("\n")
}

#[test]
fn a_packet_refused_by_the_receiver_was_accepted_by_the_sender() {
    let mut log = log(100);
    log.handle_rejection(&rejection(NO_INGRESS, flow(10, 20)));
    log.handle_rejection(&rejection(NO_INGRESS, flow(10, 20)));
    assert_eq!(
        drained(&mut log, 1_700_000_000_999),
        "",
        "the window is still open"
    );
    assert_snapshot!(drained(&mut log, 1_700_000_001_000), @r"
        2 123456789012 eni-app 10.0.1.10 10.0.1.20 40000 5432 6 2 120 1700000000 1700000000 ACCEPT OK
        2 123456789012 eni-db 10.0.1.10 10.0.1.20 40000 5432 6 2 120 1700000000 1700000000 REJECT OK security group sg-db has no ingress rule (t.yaml:3 DbGroup)
        ");
}

#[test]
fn a_packet_refused_by_the_sender_is_told_there_only() {
    let mut log = log(100);
    log.handle_rejection(&rejection(DENIED_BY_ACL, flow(10, 20)));
    let mut spoofed = rejection(SOURCE_CHECK, flow(99, 20));
    spoofed.out_link = None;
    log.handle_rejection(&spoofed);
    assert_snapshot!(drained(&mut log, 1_700_000_001_000), @r"
        2 123456789012 eni-app 10.0.1.10 10.0.1.20 40000 5432 6 1 60 1700000000 1700000000 REJECT OK egress rule 100 of network ACL acl-1 denies it (t.yaml:12 AclEntry)
        2 123456789012 eni-app 10.0.1.99 10.0.1.20 40000 5432 6 1 60 1700000000 1700000000 REJECT OK source check: not the interface's own address
        ");
}

#[test]
fn a_connection_is_told_at_both_ends_both_ways_and_only_once() {
    let mut log = log(100);
    log.handle_traffic(&traffic(3, 2), 1_700_000_000_500);
    assert_snapshot!(drained(&mut log, 1_700_000_001_000), @r"
        2 123456789012 eni-app 10.0.1.10 10.0.1.20 40000 5432 6 3 300 1700000000 1700000000 ACCEPT OK egress rule sgr-1 of sg-app (t.yaml:7 AppEgress), ingress rule sgr-2 of sg-app (t.yaml:7 AppEgress)
        2 123456789012 eni-app 10.0.1.20 10.0.1.10 5432 40000 6 2 200 1700000000 1700000000 ACCEPT OK egress rule sgr-1 of sg-app (t.yaml:7 AppEgress), ingress rule sgr-2 of sg-app (t.yaml:7 AppEgress)
        2 123456789012 eni-db 10.0.1.10 10.0.1.20 40000 5432 6 3 300 1700000000 1700000000 ACCEPT OK egress rule sgr-1 of sg-app (t.yaml:7 AppEgress), ingress rule sgr-2 of sg-app (t.yaml:7 AppEgress)
        2 123456789012 eni-db 10.0.1.20 10.0.1.10 5432 40000 6 2 200 1700000000 1700000000 ACCEPT OK egress rule sgr-1 of sg-app (t.yaml:7 AppEgress), ingress rule sgr-2 of sg-app (t.yaml:7 AppEgress)
        ");
    log.handle_traffic(&traffic(0, 1), 1_700_000_001_500);
    assert_eq!(
        drained(&mut log, 1_700_000_002_000).lines().count(),
        2,
        "no empty records"
    );
    assert_eq!(drained(&mut log, 1_700_000_009_000), "");
}

/// Connection tracking counts a reply before the access list refuses it.
#[test]
fn a_refused_reply_is_not_accepted_too() {
    for is_rejection_first in [true, false] {
        let mut log = log(100);
        let mut reply = rejection(DENIED_BY_ACL, flow(10, 20).reversed());
        (reply.in_link, reply.out_link) = (Some("e1".into()), Some("e0".into()));
        if is_rejection_first {
            log.handle_rejection(&reply);
        }
        log.handle_traffic(&traffic(1, 1), 1_700_000_000_600);
        if !is_rejection_first {
            log.handle_rejection(&reply);
        }
        let text = drained(&mut log, 1_700_000_001_000);
        let words = |line: &str| {
            let words: Vec<&str> = line.split(' ').collect();
            [words[2], words[3], words[12]].join(" ")
        };
        assert_eq!(
            text.lines().map(words).collect::<Vec<_>>(),
            [
                "eni-app 10.0.1.10 ACCEPT",
                "eni-db 10.0.1.10 ACCEPT",
                "eni-db 10.0.1.20 REJECT"
            ]
        );
    }
}

#[test]
fn what_does_not_fit_is_told_as_skipped() {
    let mut log = log(2);
    log.handle_traffic(&traffic(3, 2), 1_700_000_000_500);
    let text = drained(&mut log, 1_700_000_001_000);
    assert_snapshot!(text, @r"
        2 123456789012 eni-app 10.0.1.10 10.0.1.20 40000 5432 6 3 300 1700000000 1700000000 ACCEPT OK egress rule sgr-1 of sg-app (t.yaml:7 AppEgress), ingress rule sgr-2 of sg-app (t.yaml:7 AppEgress)
        2 123456789012 eni-db 10.0.1.10 10.0.1.20 40000 5432 6 3 300 1700000000 1700000000 ACCEPT OK egress rule sgr-1 of sg-app (t.yaml:7 AppEgress), ingress rule sgr-2 of sg-app (t.yaml:7 AppEgress)
        2 123456789012 eni-app - - - - - - - 1700000000 1700000001 - SKIPDATA
        2 123456789012 eni-db - - - - - - - 1700000000 1700000001 - SKIPDATA
        ");
    log.handle_loss();
    assert_eq!(
        drained(&mut log, 1_700_000_002_000)
            .matches("SKIPDATA")
            .count(),
        2
    );
}

#[test]
fn local_services_are_not_logged() {
    let mut log = log(100);
    let mut question = traffic(1, 1);
    question.flow.destination = [10, 0, 0, 2].into();
    log.handle_traffic(&question, 1_700_000_000_500);
    assert_eq!(drained(&mut log, 1_700_000_001_000), "");
}
