use proptest::prelude::*;

use super::*;

fn numbers() -> impl Strategy<Value = Ranges<u16>> {
    prop::collection::vec((0_u16..40, 0_u16..12), 0..5).prop_map(|pairs| {
        pairs
            .into_iter()
            .map(|(at, size)| (at, at + size))
            .collect()
    })
}

fn members(set: &Ranges<u16>) -> Vec<bool> {
    (0..=60).map(|number| set.contains(number)).collect()
}

proptest! {
    #[test]
    fn ranges_are_what_their_members_say(a in numbers(), b in numbers()) {
        let by = |op: fn(bool, bool) -> bool| -> Vec<bool> {
            members(&a).into_iter().zip(members(&b)).map(|(a, b)| op(a, b)).collect()
        };
        prop_assert_eq!(members(&a.union(&b)), by(|a, b| a || b));
        prop_assert_eq!(members(&a.intersection(&b)), by(|a, b| a && b));
        prop_assert_eq!(members(&a.difference(&b)), by(|a, b| a && !b));
        prop_assert_eq!(members(&a.complement()), by(|a, _| !a));
        prop_assert_eq!(a.covers(&b), b.difference(&a).is_empty());
        prop_assert_eq!(a.complement().complement(), a);
    }

    #[test]
    fn a_difference_of_boxes_is_exact(
        boxes in prop::collection::vec((numbers(), numbers()), 1..4),
        cuts in prop::collection::vec((numbers(), numbers()), 0..4),
    ) {
        let set = |pairs: &[(Ranges<u16>, Ranges<u16>)]| -> FlowSet {
            pairs.iter().map(|(addresses, ports)| flow(addresses, ports)).collect()
        };
        let (whole, cut) = (set(&boxes), set(&cuts));
        let rest = whole.difference(&cut);
        for address in 0..=52_u32 {
            for port in 0..=52_u16 {
                let is_in = |set: &FlowSet| set.iter().any(|flow| {
                    flow.addresses.v4.contains(address) && flow.traffic.tcp.contains(port)
                });
                prop_assert_eq!(is_in(&rest), is_in(&whole) && !is_in(&cut));
            }
        }
    }
}

fn flow(addresses: &Ranges<u16>, ports: &Ranges<u16>) -> Flow {
    let v4 = addresses
        .iter()
        .map(|(first, last)| (u32::from(first), u32::from(last)))
        .collect();
    let addresses = AddressSet {
        v4,
        ..AddressSet::default()
    };
    let traffic = TrafficSet {
        tcp: ports.clone(),
        ..TrafficSet::default()
    };
    Flow::new(addresses, traffic)
}

fn block(text: &str) -> AddressSet {
    AddressSet::block(text.parse().unwrap())
}

#[test]
fn two_halves_are_the_world() {
    let halves = block("0.0.0.0/1").union(&block("128.0.0.0/1")).widened();
    assert!(halves.is_world_v4());
    assert!(halves.covers(&AddressSet::list("pl-1")));
    assert_eq!(halves.to_string(), "0.0.0.0/0");
    assert!(!block("0.0.0.0/1").covers(&AddressSet::list("pl-1")));
}

#[test]
fn the_internet_is_not_a_prefix_list() {
    let internet = AddressSet::internet();
    assert!(internet.intersection(&AddressSet::list("pl-1")).is_empty());
    assert!(internet.intersection(&block("10.0.0.0/8")).is_empty());
    assert_eq!(
        internet.intersection(&block("0.0.0.0/0")).to_string(),
        "0.0.0.0/0"
    );
    assert_eq!(internet.intersection(&block("::/0")).to_string(), "::/0");
}

#[test]
fn traffic_reads_as_people_say_it() {
    let web = TrafficSet::tcp(80).union(&TrafficSet::tcp(443));
    assert_eq!(
        web.union(&TrafficSet::udp(53)).to_string(),
        "tcp 80, 443; udp 53"
    );
    assert_eq!(TrafficSet::all().to_string(), "all traffic");
    assert_eq!(
        TrafficSet::ping().to_string(),
        "icmp type 8 code 0; icmpv6 type 128 code 0"
    );
    assert_eq!(TrafficSet::none().to_string(), "nothing");
}
