//! A small VPC with all kinds of routes, lowered.

use std::net::Ipv4Addr;

use super::lower::lower;
use super::*;

fn net(text: &str) -> Ipv4Net {
    text.parse().unwrap()
}

fn ip(text: &str) -> Ipv4Addr {
    text.parse().unwrap()
}

fn route(destination: &str, target: RouteTarget) -> Route {
    Route {
        destination: net(destination),
        target,
    }
}

fn small() -> Network {
    let mut nat = Eni::new("nat".into(), 0, net("10.0.0.11/24"));
    nat.forwarding = true;
    Network {
        internet: Internet {
            addresses: [(ip("198.51.100.10"), "cloudfront".to_owned())].into(),
            visitor: Some(ip("198.51.100.201")),
        },
        vpcs: vec![Vpc {
            id: "vpc".into(),
            cidrs: vec![net("10.0.0.0/16")],
            uplink: LinkName::uplink(0),
            elastic_addresses: [ip("203.0.113.10")].into(),
            router_addresses: [ip("10.0.0.1"), ip("10.0.0.2")].into(),
            subnets: vec![
                Subnet {
                    id: "public".into(),
                    cidr: net("10.0.0.0/24"),
                    mark: 1,
                    routes: vec![route("0.0.0.0/0", RouteTarget::InternetGateway)],
                },
                Subnet {
                    id: "app".into(),
                    cidr: net("10.0.10.0/24"),
                    mark: 2,
                    routes: vec![
                        route("0.0.0.0/0", RouteTarget::Eni("nat".into())),
                        route("192.0.2.0/24", RouteTarget::GatewayEndpoint("s3".into())),
                        route("198.18.0.0/15", RouteTarget::Eni("gone".into())),
                    ],
                },
            ],
            enis: vec![nat, Eni::new("app".into(), 1, net("10.0.10.23/24"))],
            gateway_endpoints: vec![GatewayEndpoint {
                id: "s3".into(),
                link: LinkName::gateway_endpoint(0),
                addresses: [ip("192.0.2.1")].into(),
            }],
        }],
    }
}

#[test]
fn every_namespace_route_and_link() {
    insta::assert_snapshot!(lower(&small()), @r"
    namespace internet (Internet)
      address 198.51.100.10/32 dev lo
      route 203.0.113.10/32 dev vpc0 table 254
      route 198.51.100.201/32 dev visitor table 254
      route blackhole 0.0.0.0/0 table 254
    namespace visitor (Host)
      address 198.51.100.201/32 dev eth0
      route 0.0.0.0/0 dev eth0 table 254
    namespace router vpc (Router)
      address 10.0.0.1/32 dev lo
      address 10.0.0.2/32 dev lo
      rule 100: lookup 100
      rule 200: fwmark 1 lookup 201
      rule 200: fwmark 2 lookup 202
      route blackhole 10.0.0.0/16 table 100
      route blackhole 0.0.0.0/0 table 254
      route 10.0.0.11/32 dev e0 table 100
      route 10.0.10.23/32 dev e1 table 100
      route 0.0.0.0/0 dev igw table 201
      route 0.0.0.0/0 via 10.0.0.11 dev e0 onlink table 202
      route 192.0.2.0/24 dev gwe0 table 202
      route blackhole 198.18.0.0/15 table 202
    namespace eni nat (NatGateway)
      address 10.0.0.11/24 dev eth0
      route 0.0.0.0/0 via 10.0.0.1 dev eth0 onlink table 254
    namespace eni app (Host)
      address 10.0.10.23/24 dev eth0
      route 0.0.0.0/0 via 10.0.10.1 dev eth0 onlink table 254
    namespace gateway endpoint s3 (Host)
      address 192.0.2.1/32 dev lo
      route 0.0.0.0/0 dev eth0 table 254
    link internet visitor = visitor eth0 mtu 1500 mac 06:8b:8a:39:d7:81
    link internet vpc0 = router vpc igw mtu 1500 mac 06:19:4f:02:f2:68
    link router vpc e0 = eni nat eth0 mtu 9001 mac 06:19:25:67:0c:8c
    link router vpc e1 = eni app eth0 mtu 9001 mac 06:19:05:6a:83:8c
    link router vpc gwe0 = gateway endpoint s3 eth0 mtu 9001 mac 06:07:b5:78:cd:e3
    ");
}

#[test]
fn interface_names_by_the_kernels_rules() {
    assert!(LinkName::new("e4294967295").is_ok());
    assert_eq!(
        LinkName::new("").unwrap_err(),
        LinkNameError::Length(String::new())
    );
    assert!(matches!(
        LinkName::new("a".repeat(16)),
        Err(LinkNameError::Length(_))
    ));
    for bad in ["a/b", "a:b", "a b", ".", "..", "a\n", "é"] {
        assert!(
            matches!(LinkName::new(bad), Err(LinkNameError::Character(_))),
            "{bad:?}"
        );
    }
}

#[test]
fn mac_addresses_are_stable_local_and_unicast() {
    let mac = MacAddress::for_name("eni-1");
    assert_eq!(mac, MacAddress::for_name("eni-1"));
    assert_ne!(mac, MacAddress::for_name("eni-2"));
    assert_eq!(mac.0[0] & 0b11, 0b10, "locally administered, unicast");
}
