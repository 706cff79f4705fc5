//! Real packets between namespaces, and what the flow log says of them.

use std::net::UdpSocket;
use std::time::Duration;

use region::host::nft::Nft;
use region::plan::ruleset::{AccessList, Firewall, FirewallRule, Peer, Protocol};

use crate::namespace::in_namespaces;
use crate::topology::{Topology, entry, firewall, tcp_rule};

const DB: &str = "10.0.2.10:5432";

#[test]
fn a_group_reference_admits_and_the_log_names_both_rules() {
    in_namespaces(|| {
        let mut topology = Topology::new(&firewall());
        topology.listen("db", 5432);
        assert_eq!(topology.seen_as("app", DB), "10.0.1.10");
        let ways = [
            "eni-app 10.0.1.10 10.0.2.10",
            "eni-app 10.0.2.10 10.0.1.10",
            "eni-db 10.0.1.10 10.0.2.10",
            "eni-db 10.0.2.10 10.0.1.10",
        ];
        for way in ways {
            let line = topology.wait_for_record(&[way, "ACCEPT OK"]);
            assert!(
                line.contains("egress rule sgr-to-db of sg-app (t.yaml sgr-to-db)"),
                "{line}"
            );
            assert!(
                line.contains("ingress rule sgr-from-app of sg-db"),
                "{line}"
            );
        }
        let lines = topology.finish();
        assert!(
            !lines.iter().any(|line| line.contains("REJECT")),
            "{lines:?}"
        );
    });
}

#[test]
fn without_an_egress_rule_nothing_leaves() {
    in_namespaces(|| {
        let mut topology = Topology::new(&firewall());
        topology.listen("db", 5433);
        assert!(topology.is_unanswered("app", "10.0.2.10:5433"));
        let line = topology.wait_for_record(&["eni-app 10.0.1.10 10.0.2.10", "REJECT OK"]);
        assert!(
            line.ends_with(
                "none of the 3 egress rules of security group sg-app admits it (t.yaml:10)"
            ),
            "{line}"
        );
        let lines = topology.finish();
        assert!(
            !lines.iter().any(|line| line.contains("eni-db")),
            "it never arrived: {lines:?}"
        );
    });
}

#[test]
fn one_subnet_is_no_permission() {
    in_namespaces(|| {
        let mut topology = Topology::new(&firewall());
        topology.listen("peer", 8080);
        assert!(topology.is_unanswered("app", "10.0.1.12:8080"));
        topology.wait_for_record(&["eni-app 10.0.1.10 10.0.1.12", "ACCEPT OK"]);
        let line = topology.wait_for_record(&["eni-peer 10.0.1.10 10.0.1.12", "REJECT OK"]);
        assert!(
            line.ends_with("security group sg-peer has no ingress rule (t.yaml:40)"),
            "{line}"
        );
    });
}

/// The database's subnet has this network ACL instead of an open one.
fn with_data_access_list(change: impl FnOnce(&mut AccessList)) -> Firewall {
    let mut firewall = firewall();
    change(&mut firewall.access_lists[2]);
    firewall
}

#[test]
fn the_lowest_access_list_number_decides() {
    in_namespaces(|| {
        let denied = with_data_access_list(|list| {
            list.ingress
                .push(entry(90, false, Protocol::Tcp(5432..=5432), "10.0.1.0/24"));
        });
        let mut topology = Topology::new(&denied);
        topology.listen("db", 5432);
        assert!(topology.is_unanswered("app", DB));
        topology.wait_for_record(&["eni-app 10.0.1.10 10.0.2.10", "ACCEPT OK"]);
        let line = topology.wait_for_record(&["eni-db 10.0.1.10 10.0.2.10", "REJECT OK"]);
        assert!(
            line.ends_with("ingress rule 90 of network ACL acl-2 denies it (t.yaml entry 90)"),
            "{line}"
        );
        let allowed = with_data_access_list(|list| {
            list.ingress
                .push(entry(90, true, Protocol::Tcp(5432..=5432), "10.0.1.0/24"));
            list.ingress
                .push(entry(91, false, Protocol::All, "0.0.0.0/0"));
        });
        topology.replace(&allowed);
        assert_eq!(topology.seen_as("app", DB), "10.0.1.10");
    });
}

#[test]
fn access_lists_have_no_memory_the_answer_needs_its_own_entry() {
    in_namespaces(|| {
        let no_answers = with_data_access_list(|list| {
            list.egress = vec![entry(100, true, Protocol::Tcp(443..=443), "0.0.0.0/0")];
        });
        let mut topology = Topology::new(&no_answers);
        topology.listen("db", 5432);
        assert!(topology.is_unanswered("app", DB));
        let line = topology.wait_for_record(&["eni-db 10.0.2.10 10.0.1.10 5432", "REJECT OK"]);
        assert!(
            line.ends_with("egress rule * of network ACL acl-2 denies it (t.yaml acl-2)"),
            "{line}"
        );
        let lines = topology.finish();
        let is_answer = |line: &&String| line.contains("10.0.2.10 10.0.1.10 5432");
        let answers: Vec<&String> = lines.iter().filter(is_answer).collect();
        assert!(
            answers.iter().all(|line| line.contains("REJECT OK")),
            "{answers:?}"
        );
    });
}

#[test]
fn access_lists_admit_an_answer_by_its_ports() {
    in_namespaces(|| {
        let answers = with_data_access_list(|list| {
            list.egress = vec![entry(100, true, Protocol::Tcp(1024..=65535), "10.0.1.0/24")];
        });
        let topology = Topology::new(&answers);
        topology.listen("db", 5432);
        assert_eq!(topology.seen_as("app", DB), "10.0.1.10");
    });
}

/// Each direction closed alone, because each alone must not be asked.
#[test]
fn access_lists_are_not_asked_inside_a_subnet() {
    in_namespaces(|| {
        let mut open = firewall();
        let peers = open.groups.get_mut("sg-peer").expect("a group");
        peers
            .ingress
            .push(tcp_rule("sgr-peers", 8080, Peer::Group("sg-app".into())));
        let topology = Topology::new(&open);
        topology.listen("peer", 8080);
        topology.listen("db", 5432);
        let closing: [fn(&mut AccessList); 2] =
            [|list| list.egress.clear(), |list| list.ingress.clear()];
        for close in closing {
            let mut closed = open.clone();
            close(&mut closed.access_lists[1]);
            topology.replace(&closed);
            assert_eq!(topology.seen_as("app", "10.0.1.12:8080"), "10.0.1.10");
            assert!(
                topology.is_unanswered("app", DB),
                "beyond the subnet it counts"
            );
        }
    });
}

/// The refusal is an ICMP message about a connection, not part of it.
#[test]
fn a_closed_port_is_refused_not_silent() {
    in_namespaces(|| {
        let mut firewall = firewall();
        let udp = |id: &str, peer: &str| FirewallRule {
            protocol: Protocol::Udp(9000..=9000),
            ..tcp_rule(id, 0, Peer::Group(peer.into()))
        };
        firewall
            .groups
            .get_mut("sg-app")
            .expect("a group")
            .egress
            .push(udp("sgr-u", "sg-db"));
        firewall
            .groups
            .get_mut("sg-db")
            .expect("a group")
            .ingress
            .push(udp("sgr-v", "sg-app"));
        let topology = Topology::new(&firewall);
        let answer = topology.interface("app").run(|| {
            let socket = UdpSocket::bind("0.0.0.0:0")?;
            socket.set_read_timeout(Some(Duration::from_secs(10)))?;
            socket.connect("10.0.2.10:9000")?;
            socket.send(b"?")?;
            socket.recv(&mut [0; 8])
        });
        let error = answer.expect_err("nothing listens");
        assert_eq!(
            error.kind(),
            std::io::ErrorKind::ConnectionRefused,
            "{error}"
        );
    });
}

/// All protocols, ICMP types, prefix lists: what TCP rules do not show.
#[test]
fn rules_other_than_tcp_ports() {
    in_namespaces(|| {
        let mut firewall = firewall();
        let echo = Protocol::Icmp {
            icmp_type: Some(8),
            code: None,
        };
        let all = |id: &str, protocol, peer| FirewallRule {
            protocol,
            ..tcp_rule(id, 0, peer)
        };
        let subnet = "10.0.1.0/24".parse().expect("a network");
        firewall.prefix_lists.insert("pl-app".into(), vec![subnet]);
        let from_app = Peer::PrefixList("pl-app".into());
        let app = firewall.groups.get_mut("sg-app").expect("a group");
        app.egress
            .push(all("sgr-all", Protocol::All, Peer::Group("sg-db".into())));
        let database = firewall.groups.get_mut("sg-db").expect("a group");
        database.ingress.push(all("sgr-echo", echo, from_app));
        let mut topology = Topology::new(&firewall);
        topology.listen("db", 7000);
        ping(&topology, "app", "10.0.2.10");
        assert!(topology.is_unanswered("app", "10.0.2.10:7000"), "ICMP only");
        topology.wait_for_record(&["eni-db 10.0.1.10 10.0.2.10 0 0 1", "ACCEPT OK", "sgr-echo"]);
        let line = topology.wait_for_record(&["eni-db 10.0.1.10 10.0.2.10", "7000 6", "REJECT OK"]);
        assert!(
            line.contains("none of the 3 ingress rules of security group sg-db"),
            "{line}"
        );
    });
}

/// An unprivileged ICMP socket asks once and waits for the answer.
fn ping(topology: &Topology, from: &str, to: &str) {
    use nix::sys::socket::{
        AddressFamily, MsgFlags, SockFlag, SockType, SockaddrIn, recv, sendto, setsockopt, socket,
        sockopt,
    };
    let namespace = topology.interface(from);
    namespace.set("ipv4/ping_group_range", "0 0");
    let to: SockaddrIn = format!("{to}:0").parse().expect("an address");
    namespace.run(|| {
        let icmp = nix::sys::socket::SockProtocol::Icmp;
        let socket = socket(
            AddressFamily::Inet,
            SockType::Datagram,
            SockFlag::empty(),
            icmp,
        )
        .expect("a socket");
        let limit = nix::sys::time::TimeVal::new(10, 0);
        setsockopt(&socket, sockopt::ReceiveTimeout, &limit).expect("a timeout");
        let fd = std::os::fd::AsRawFd::as_raw_fd(&socket);
        sendto(fd, &[8, 0, 0, 0, 0, 1, 0, 1], &to, MsgFlags::empty()).expect("sent");
        let answer = recv(fd, &mut [0; 64], MsgFlags::empty());
        assert_eq!(answer, Ok(8), "an echo reply");
    });
}

#[test]
fn a_borrowed_address_does_not_leave_its_interface() {
    in_namespaces(|| {
        let mut topology = Topology::new(&firewall());
        topology.listen("db", 5432);
        let peer = topology.interface("peer");
        // The address of app, which the database would admit.
        peer.ip("addr add 10.0.1.10/32 dev lo");
        let sent = peer.run(|| {
            let socket = UdpSocket::bind("10.0.1.10:0")?;
            socket.send_to(b"?", "10.0.2.10:5432")
        });
        sent.expect("the interface itself does not mind");
        let line = topology.wait_for_record(&["eni-peer 10.0.1.10 10.0.2.10", "REJECT OK"]);
        assert!(
            line.ends_with("source check: not the interface's own address"),
            "{line}"
        );
    });
}

#[test]
fn the_internet_cannot_borrow_an_inside_address() {
    in_namespaces(|| {
        let topology = Topology::new(&firewall());
        let internet = topology.interface("internet");
        internet.ip("addr add 10.0.1.10/32 dev lo");
        // Aim at web's public address, from the address groups know as app's.
        let sent =
            internet.run(|| UdpSocket::bind("10.0.1.10:0")?.send_to(b"?", "203.0.113.10:443"));
        sent.expect("sent");
        let counted = topology
            .router
            .execute("nft", &["list", "set", "ip", "vpc", "rej"]);
        assert!(
            counted.contains("10.0.1.10 . 10.0.0.10 . udp . 443 . 0x10000000"),
            "{counted}"
        );
    });
}

#[test]
fn the_internet_gateway_is_one_to_one() {
    in_namespaces(|| {
        let topology = Topology::new(&firewall());
        topology.listen("web", 443);
        topology.listen("web", 444);
        topology.listen("internet", 443);
        assert_eq!(
            topology.seen_as("internet", "203.0.113.10:443"),
            "198.51.100.1"
        );
        assert!(
            topology.is_unanswered("internet", "203.0.113.10:444"),
            "no group admits it"
        );
        assert_eq!(topology.seen_as("web", "198.51.100.1:443"), "203.0.113.10");
    });
}

#[test]
fn without_a_public_address_a_public_route_leads_nowhere() {
    in_namespaces(|| {
        let topology = Topology::new(&firewall());
        topology.listen("internet", 443);
        topology
            .router
            .ip("route replace default dev igw table 201");
        assert!(topology.is_unanswered("app", "198.51.100.1:443"));
        let listing = topology
            .internet
            .execute("nft", &["list", "chain", "ip", "igw", "c_pre"]);
        let dropped = listing
            .lines()
            .find(|line| line.contains("no public address"));
        assert!(
            !dropped.expect("a rule").contains("packets 0 "),
            "{listing}"
        );
    });
}

#[test]
fn private_interfaces_leave_by_the_nat_gateway_only_outwards() {
    in_namespaces(|| {
        let topology = Topology::new(&firewall());
        topology.listen("internet", 443);
        topology.listen("web", 443);
        topology.listen("nat", 443);
        assert_eq!(topology.seen_as("app", "198.51.100.1:443"), "203.0.113.11");
        assert!(
            topology.is_unanswered("db", "198.51.100.1:443"),
            "no egress rule"
        );
        assert_eq!(
            topology.seen_as("app", "203.0.113.10:443"),
            "203.0.113.11",
            "to a neighbour's public address: out and in again"
        );
        assert!(
            topology.is_unanswered("internet", "203.0.113.11:443"),
            "nothing begins from outside"
        );
        assert!(
            topology.is_unanswered("app", "10.0.0.11:443"),
            "the gateway itself serves nobody"
        );
    });
}

fn asks_udp(topology: &Topology, from: &str, to: &str) -> bool {
    topology.interface(from).run(|| {
        let socket = UdpSocket::bind("0.0.0.0:0").expect("a socket");
        socket
            .set_read_timeout(Some(Duration::from_millis(700)))
            .expect("a timeout");
        socket.send_to(b"?", to).expect("sent");
        socket.recv(&mut [0; 8]).is_ok()
    })
}

#[test]
fn local_services_need_no_rule_and_nothing_else_of_the_router_answers() {
    in_namespaces(|| {
        let mut closed = firewall();
        closed.access_lists.iter_mut().for_each(|list| {
            list.ingress.clear();
            list.egress.clear();
        });
        let topology = Topology::new(&closed);
        topology.listen("router", 80);
        let resolver = topology
            .router
            .run(|| UdpSocket::bind("10.0.0.2:53"))
            .expect("a socket");
        std::thread::spawn(move || {
            while let Ok((_, from)) = resolver.recv_from(&mut [0; 8]) {
                resolver.send_to(b"!", from).expect("answered");
            }
        });
        for from in ["db", "peer", "app"] {
            assert!(asks_udp(&topology, from, "10.0.0.2:53"), "{from}");
            assert!(!topology.seen_as(from, "169.254.169.254:80").is_empty());
            assert!(topology.is_unanswered(from, "10.0.1.1:80"), "{from}");
        }
    });
}

#[test]
fn a_living_connection_survives_its_rule_and_a_new_one_does_not_begin() {
    in_namespaces(|| {
        let mut topology = Topology::new(&firewall());
        topology.listen("db", 5432);
        let mut living = topology.connect("app", DB);
        assert!(living.hear().is_some());
        let mut without = firewall();
        let database = without.groups.get_mut("sg-db").expect("a group");
        database.ingress.retain(|rule| rule.id != "sgr-from-app");
        topology.replace(&without);
        assert!(living.ask().is_some(), "tracked flows go on, as in AWS");
        assert!(topology.is_unanswered("app", DB));
        topology.wait_for_record(&["eni-db 10.0.1.10 10.0.2.10", "5432 6", "REJECT OK"]);
    });
}

/// Beyond the logging rate the log says so, and the counters stay exact.
#[test]
fn a_flood_is_counted_exactly_and_told_as_skipped() {
    const PACKETS: usize = 30_000;
    in_namespaces(|| {
        let mut topology = Topology::new(&firewall());
        let sent = topology.interface("peer").run(|| {
            let socket = UdpSocket::bind("0.0.0.0:0")?;
            socket.connect("10.0.2.10:9")?;
            (0..PACKETS).try_for_each(|_| socket.send(b"?").map(drop))
        });
        sent.expect("sent");
        topology.wait_for_record(&["eni-peer", "SKIPDATA"]);
        let line = topology.wait_for_record(&["eni-peer 10.0.1.12 10.0.2.10", "REJECT OK"]);
        assert!(
            line.ends_with("security group sg-peer has no egress rule (t.yaml:40)"),
            "{line}"
        );
        let counted = topology.router.run(|| {
            let [rejected, _] = region::plan::ruleset::rejected_sets();
            Nft::open()?.counted_keys("vpc", &rejected)
        });
        let counted = counted.expect("read");
        assert_eq!(counted.len(), 1);
        assert_eq!(counted[0].packets, PACKETS as u64);
    });
}
