use insta::assert_snapshot;

use super::reason::Reason;
use super::*;
use crate::blueprint::ruleset::Content;

/// Three subnets; app may reach db, the second subnet's ACL denies 3389.
fn example() -> Firewall {
    let rule = |id: &str, protocol, peer| FirewallRule {
        id: id.into(),
        protocol,
        peer,
        provenance: format!("t.yaml:1 {id}"),
    };
    let interface = |link: &str, address: [u8; 4], subnet, groups: &[&str]| FirewallInterface {
        link: link.into(),
        address: address.into(),
        subnet,
        security_groups: Some(groups.iter().map(ToString::to_string).collect()),
        source_dest_check: true,
    };
    let group = |ingress, egress| FirewallGroup {
        ingress,
        egress,
        provenance: "t.yaml:2 Group".into(),
    };
    let entry = |number, is_allow, protocol, cidr: &str| AccessListEntry {
        number,
        is_allow,
        protocol,
        cidr: cidr.parse().unwrap(),
        provenance: format!("t.yaml:3 Entry{number}"),
    };
    let open = || vec![entry(100, true, Protocol::All, "0.0.0.0/0")];
    let mut gateway = interface("e3", [10, 0, 0, 11], 0, &[]);
    gateway.security_groups = None;
    gateway.source_dest_check = false;
    Firewall {
        cidrs: vec!["10.0.0.0/16".parse().unwrap()],
        services: amazon_services([10, 0, 0, 2].into()),
        subnets: vec![
            FirewallSubnet { access_list: 0 },
            FirewallSubnet { access_list: 0 },
            FirewallSubnet { access_list: 1 },
        ],
        interfaces: vec![
            interface("e0", [10, 0, 1, 10], 1, &["sg-app"]),
            interface("e1", [10, 0, 2, 20], 2, &["sg-db"]),
            interface("e2", [10, 0, 1, 12], 1, &["sg-app", "sg-db"]),
            gateway,
        ],
        uplinks: vec!["igw".into()],
        groups: BTreeMap::from([
            (
                "sg-app".into(),
                group(
                    vec![rule(
                        "sgr-1",
                        Protocol::Tcp(8080..=8080),
                        Peer::Cidr("10.0.0.0/24".parse().unwrap()),
                    )],
                    vec![
                        rule(
                            "sgr-2",
                            Protocol::Tcp(5432..=5432),
                            Peer::Group("sg-db".into()),
                        ),
                        rule(
                            "sgr-3",
                            Protocol::Udp(0..=65535),
                            Peer::PrefixList("pl-s3".into()),
                        ),
                        rule(
                            "sgr-4",
                            Protocol::Icmp {
                                icmp_type: Some(8),
                                code: Some(0),
                            },
                            Peer::Cidr("0.0.0.0/0".parse().unwrap()),
                        ),
                    ],
                ),
            ),
            (
                "sg-db".into(),
                group(
                    vec![
                        rule(
                            "sgr-5",
                            Protocol::Tcp(5432..=5432),
                            Peer::Group("sg-app".into()),
                        ),
                        rule("sgr-6", Protocol::All, Peer::Group("sg-gone".into())),
                    ],
                    vec![],
                ),
            ),
        ]),
        access_lists: vec![
            AccessList {
                id: "acl-open".into(),
                ingress: open(),
                egress: open(),
                provenance: String::new(),
            },
            AccessList {
                id: "acl-data".into(),
                ingress: vec![
                    entry(200, true, Protocol::Tcp(1024..=65535), "10.0.0.0/16"),
                    entry(90, false, Protocol::Tcp(3389..=3389), "0.0.0.0/0"),
                ],
                egress: vec![entry(100, true, Protocol::Tcp(1024..=65535), "10.0.1.0/24")],
                provenance: "t.yaml:4 Acl".into(),
            },
        ],
        prefix_lists: BTreeMap::from([(
            "pl-s3".into(),
            vec![
                "192.0.2.128/25".parse().unwrap(),
                "192.0.2.0/25".parse().unwrap(),
            ],
        )]),
    }
}

#[test]
fn a_small_vpc() {
    assert_snapshot!("small_vpc", vpc(&example()).0);
}

#[test]
fn gateways() {
    let address = PublicAddress {
        link: "vpc0".into(),
        private: [10, 0, 0, 11].into(),
        public: [203, 0, 113, 10].into(),
    };
    assert_snapshot!(
        "internet_gateway",
        internet_gateway(&["vpc0".into()], &[address])
    );
    let table = nat_gateway(&["10.0.0.0/16".parse().unwrap()], [10, 0, 0, 11].into());
    assert_snapshot!("nat_gateway", table);
}

#[test]
fn every_number_leads_back_to_its_rule() {
    let (table, reasons) = vpc(&example());
    let told = |chain: &str, position: usize| {
        let rule = &table.chain(chain).unwrap().rules[position];
        let mark = rule
            .statements
            .iter()
            .find_map(|statement| match statement {
                crate::blueprint::ruleset::Statement::SetMark(mark) => Some(*mark),
                _ => None,
            });
        reasons.rejected(mark.unwrap()).to_string()
    };
    assert_snapshot!(told("sgo_2", 0), @"security group sg-db has no egress rule (t.yaml:2 Group)");
    assert_snapshot!(told("sgi_1", 2), @"the one ingress rule of security group sg-app does not admit it (t.yaml:2 Group); none of the 2 ingress rules of security group sg-db admits it (t.yaml:2 Group)");
    assert_snapshot!(told("acl1_in", 0), @"ingress rule 90 of network ACL acl-data denies it (t.yaml:3 Entry90)");
    assert_snapshot!(told("acl1_out", 1), @"egress rule * of network ACL acl-data denies it (t.yaml:4 Acl)");
    assert_snapshot!(told("c_pre", 1), @"source check: not the interface's own address");
    let admission = reasons.admitted(2 << 16 | 5);
    assert_eq!(admission.egress.unwrap().id, "sgr-2");
    assert_eq!(admission.ingress.unwrap().id, "sgr-5");
    assert_eq!(reasons.admitted(0).egress, None);
}

#[test]
fn foreign_marks_are_unknown_not_a_panic() {
    let (_, reasons) = vpc(&example());
    for mark in [
        0,
        1,
        u32::MAX,
        0x2000_ffff,
        0x3fff_0001,
        0x7000_0000,
        0x1200_0000,
    ] {
        assert_eq!(reasons.rejected(mark), Reason::Unknown(mark));
        let _admission = reasons.admitted(mark);
    }
}

/// The order and repetition of an interface's groups make no new profile.
#[test]
fn equal_lists_of_groups_share_a_profile() {
    let mut firewall = example();
    let names = |names: &[&str]| Some(names.iter().map(ToString::to_string).collect());
    firewall.interfaces[0].security_groups = names(&["sg-db", "sg-app", "sg-db"]);
    firewall.interfaces[2].security_groups = names(&["sg-app", "sg-db"]);
    let (table, reasons) = vpc(&firewall);
    assert_eq!(reasons.profiles.len(), 2);
    let Content::Verdicts(entries) = &table.set("sg_in").unwrap().content else {
        panic!()
    };
    assert_eq!(entries[0].1, entries[2].1);
}

#[test]
fn the_order_of_access_list_entries_is_by_number_alone() {
    let mut firewall = example();
    let before = vpc(&firewall).0;
    firewall.access_lists[1].ingress.reverse();
    assert_eq!(vpc(&firewall).0, before);
}

/// A task more or less with known groups keeps every chain, and so every counter.
#[test]
fn an_interface_more_changes_elements_only() {
    let mut firewall = example();
    let before = vpc(&firewall).0;
    let mut more = firewall.interfaces[0].clone();
    (more.link, more.address) = ("e9".into(), [10, 0, 1, 99].into());
    firewall.interfaces.insert(0, more);
    let changes = crate::blueprint::ruleset::element_changes(&before, &vpc(&firewall).0).unwrap();
    assert_eq!(changes.removed, []);
    let names: Vec<&str> = changes.added.iter().map(|set| set.name.as_str()).collect();
    assert_eq!(
        names,
        ["if_subnet", "if_ip", "m0_sg-app", "sg_out", "sg_in"]
    );
}
