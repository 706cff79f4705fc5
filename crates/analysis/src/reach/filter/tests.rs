//! The symbolic filters against one that looks at a packet at a time.

use std::net::Ipv4Addr;

use ipnet::Ipv4Net;
use model::{PortRange, Traffic};
use proptest::prelude::*;

use super::*;

const BLOCKS: [&str; 6] = [
    "0.0.0.0/0",
    "0.0.0.0/1",
    "10.0.0.0/8",
    "10.0.0.0/24",
    "10.0.0.7/32",
    "203.0.113.0/24",
];
const ADDRESSES: [[u8; 4]; 5] = [
    [10, 0, 0, 7],
    [10, 0, 0, 8],
    [10, 9, 0, 1],
    [203, 0, 113, 5],
    [8, 8, 8, 8],
];
const PORTS: [u16; 7] = [0, 22, 443, 1023, 1024, 40000, 65535];

fn entry() -> impl Strategy<Value = NetworkAclEntry> {
    let traffic = prop_oneof![
        Just(Traffic::All),
        (
            prop::sample::select(&PORTS[..]),
            prop::sample::select(&PORTS[..])
        )
            .prop_map(|(a, b)| {
                Traffic::Tcp(PortRange {
                    first: a.min(b),
                    last: a.max(b),
                })
            }),
        Just(Traffic::Udp(PortRange::ALL)),
    ];
    (
        1_u16..30,
        any::<bool>(),
        any::<bool>(),
        traffic,
        prop::sample::select(&BLOCKS[..]),
    )
        .prop_map(
            |(rule_number, egress, allow, traffic, block)| NetworkAclEntry {
                rule_number,
                egress,
                allow,
                traffic,
                cidr: block.parse().ok(),
                cidr6: None,
                provenance: cfn::Provenance::default(),
            },
        )
}

fn table() -> impl Strategy<Value = NetworkAcl> {
    prop::collection::vec(entry(), 0..8).prop_map(|mut entries| {
        entries.sort_by_key(|entry| (entry.egress, entry.rule_number));
        NetworkAcl {
            id: "Acl".into(),
            network_acl_id: String::new(),
            vpc: "Vpc".into(),
            entries,
            subnets: Vec::new(),
            provenance: cfn::Provenance::default(),
        }
    })
}

/// The first entry about a TCP packet decides.
fn passes(acl: &NetworkAcl, egress: bool, address: Ipv4Addr, port: u16) -> bool {
    let about = |entry: &&NetworkAclEntry| {
        let takes = match entry.traffic {
            Traffic::All => true,
            Traffic::Tcp(ports) => ports.contains(port),
            _ => false,
        };
        entry.egress == egress
            && takes
            && entry
                .cidr
                .is_some_and(|block: Ipv4Net| block.contains(&address))
    };
    acl.entries
        .iter()
        .find(about)
        .is_some_and(|entry| entry.allow)
}

fn holds(flows: &FlowSet, address: Ipv4Addr, port: u16) -> bool {
    flows
        .iter()
        .any(|flow| flow.addresses.v4.contains(address.into()) && flow.traffic.tcp.contains(port))
}

proptest! {
    #[test]
    fn an_acl_lets_pass_what_packet_after_packet_would(table in table(), egress in any::<bool>()) {
        let everything = FlowSet::of(AddressSet::v4(Ipv4Net::default()), TrafficSet::all());
        let admitted = acl(Some(&table), egress, &everything).flows;
        for address in ADDRESSES.map(Ipv4Addr::from) {
            for port in PORTS {
                prop_assert_eq!(
                    holds(&admitted, address, port),
                    passes(&table, egress, address, port),
                    "{} {}", address, port
                );
            }
        }
    }

    #[test]
    fn a_connection_counts_when_every_ephemeral_port_may_be_answered(table in table()) {
        let everything = FlowSet::of(AddressSet::v4(Ipv4Net::default()), TrafficSet::tcp(443));
        let ephemeral = Ranges::of(1023, 1030);
        let answered = replies(Some(&table), true, &everything, &ephemeral);
        for address in ADDRESSES.map(Ipv4Addr::from) {
            let all = (1023..=1030).all(|port| passes(&table, true, address, port));
            prop_assert_eq!(holds(&answered, address, 443), all, "{}", address);
        }
    }
}
