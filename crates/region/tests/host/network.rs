//! Packets through a small VPC without a ruleset: addresses, routes, links.

use std::fs;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use nix::sys::socket::{setsockopt, sockopt::Mark};
use region::blueprint::network::lower::{NamespaceName, lower};
use region::blueprint::network::{
    Eni, EniId, GatewayEndpoint, Internet, LinkName, Network, Route, RouteTarget, Subnet, Vpc,
};
use region::host::netns::{Namespaces, Netns};
use region::host::thread::socket_in;

const SILENCE: Duration = Duration::from_millis(300);

pub(crate) fn small() -> Network {
    let net = |text: &str| text.parse().unwrap();
    let ip = |text: &str| text.parse().unwrap();
    let route = |to: &str, target| Route {
        destination: net(to),
        target,
    };
    let mut nat = Eni::new("nat".into(), 0, net("10.0.0.11/24"));
    nat.forwarding = true;
    let subnet = |id: &str, cidr, mark, routes| Subnet {
        id: id.into(),
        cidr,
        mark,
        routes,
    };
    Network {
        internet: Internet {
            addresses: [(ip("198.51.100.10"), "edge".to_owned())].into(),
            visitor: Some(ip("198.51.100.201")),
        },
        vpcs: vec![Vpc {
            id: "vpc".into(),
            cidrs: vec![net("10.0.0.0/16")],
            uplink: LinkName::uplink(0),
            elastic_addresses: [ip("203.0.113.10")].into(),
            router_addresses: [ip("10.0.0.1"), ip("10.0.10.1"), ip("10.0.0.2")].into(),
            subnets: vec![
                subnet(
                    "public",
                    net("10.0.0.0/24"),
                    1,
                    vec![route("0.0.0.0/0", RouteTarget::InternetGateway)],
                ),
                subnet(
                    "app",
                    net("10.0.10.0/24"),
                    2,
                    vec![
                        route("0.0.0.0/0", RouteTarget::Eni("nat".into())),
                        route("192.0.2.0/24", RouteTarget::GatewayEndpoint("s3".into())),
                        route("198.18.0.0/15", RouteTarget::Eni("gone".into())),
                    ],
                ),
            ],
            enis: vec![
                nat,
                Eni::new("alb".into(), 1, net("10.0.0.23/24")),
                Eni::new("app".into(), 2, net("10.0.10.23/24")),
                Eni::new("other".into(), 3, net("10.0.10.24/24")),
            ],
            gateway_endpoints: vec![GatewayEndpoint {
                id: "s3".into(),
                link: LinkName::gateway_endpoint(0),
                addresses: [ip("192.0.2.1")].into(),
            }],
        }],
    }
}

pub(crate) fn build_scenario(wait: bool) -> u8 {
    match Namespaces::build(&lower(&small())) {
        Ok(_namespaces) if wait => {
            println!("ready");
            loop {
                std::thread::park();
            }
        }
        Ok(_) => 0,
        Err(error) => {
            println!("{error}: {}", error.hint().unwrap_or_default());
            3
        }
    }
}

struct World(Namespaces);

impl World {
    fn eni(&self, id: &str) -> &Netns {
        self.0.get(&NamespaceName::Eni(id.into())).unwrap()
    }

    fn listen(&self, id: &str, address: &str) -> TcpListener {
        socket_in(self.eni(id), || TcpListener::bind(address)).unwrap()
    }

    fn connect(&self, id: &str, address: &str) -> io::Result<TcpStream> {
        let address: SocketAddr = address.parse().unwrap();
        socket_in(self.eni(id), || {
            TcpStream::connect_timeout(&address, SILENCE)
        })
    }
}

pub(crate) fn scenario() -> u8 {
    let network = small();
    let start = Instant::now();
    let mut world = World(Namespaces::build(&lower(&network)).unwrap());
    println!(
        "built in {:?}, settings by {:?}",
        start.elapsed(),
        world.0.settings()
    );
    from_eni_to_eni(&world);
    to_nobody(&world);
    by_route_table(&world, &network);
    settings(&world);
    come_and_go(&mut world, &network);
    println!("all as expected");
    0
}

fn from_eni_to_eni(world: &World) {
    for (from, source, to, address) in [
        ("app", "10.0.10.23", "other", "10.0.10.24:5432"),
        ("app", "10.0.10.23", "alb", "10.0.0.23:443"),
        ("alb", "10.0.0.23", "app", "10.0.10.23:8080"),
    ] {
        let listener = world.listen(to, address);
        let start = Instant::now();
        let _stream = world.connect(from, address).unwrap();
        let (_, peer) = listener.accept().unwrap();
        println!("{from} to {address} in {:?}", start.elapsed());
        assert_eq!(peer.ip().to_string(), source);
    }
    // nobody listens: the host is there and says so
    let refused = world.connect("app", "10.0.0.23:444").unwrap_err();
    assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused);
}

/// As in AWS, an address nobody has is silent, in the own subnet as elsewhere.
fn to_nobody(world: &World) {
    for address in ["10.0.10.99:80", "10.0.99.9:80", "100.64.0.1:80"] {
        let silence = world.connect("app", address).unwrap_err();
        assert_eq!(
            silence.kind(),
            io::ErrorKind::TimedOut,
            "{address}: {silence}"
        );
    }
}

/// Packets of the router itself, marked as if they came from a subnet.
fn by_route_table(world: &World, network: &Network) {
    let router = world.0.get(&NamespaceName::Router("vpc".into())).unwrap();
    let marked = |mark: u32| {
        let socket = socket_in(router, || UdpSocket::bind("10.0.0.2:0")).unwrap();
        setsockopt(&socket.as_fd(), Mark, &mark).unwrap();
        socket
    };
    let receive = |namespace: &NamespaceName, address: &str| {
        let namespace = world.0.get(namespace).unwrap();
        let socket = socket_in(namespace, || UdpSocket::bind(address)).unwrap();
        socket
            .set_read_timeout(Some(Duration::from_secs(2)))
            .unwrap();
        socket
    };
    let from = |socket: &UdpSocket| socket.recv_from(&mut [0; 8]).unwrap().1.ip();
    let resolver = Ipv4Addr::new(10, 0, 0, 2);

    let edge = receive(&NamespaceName::Internet, "198.51.100.10:9");
    marked(1).send_to(b"igw", "198.51.100.10:9").unwrap();
    assert_eq!(from(&edge), resolver);

    let s3 = NamespaceName::GatewayEndpoint("s3".into());
    let bucket = receive(&s3, "192.0.2.1:9");
    marked(2).send_to(b"endpoint", "192.0.2.1:9").unwrap();
    assert_eq!(from(&bucket), resolver);

    let before = received_packets(world.eni("nat"));
    marked(2).send_to(b"nat", "198.51.100.10:9").unwrap();
    assert_eq!(received_packets(world.eni("nat")), before + 1);

    // a target that is gone, and a mark without a table
    marked(2).send_to(b"gone", "198.18.0.1:9").unwrap_err();
    marked(7).send_to(b"none", "198.51.100.10:9").unwrap_err();

    // and the internet sends an elastic address's packets to its VPC
    let [vpc] = network.vpcs.as_slice() else {
        panic!("one VPC")
    };
    let elastic = vpc.elastic_addresses.first().unwrap();
    let before = received_packets_of(router, "igw");
    let internet = world.0.get(&NamespaceName::Internet).unwrap();
    let viewer = socket_in(internet, || UdpSocket::bind("198.51.100.10:0")).unwrap();
    viewer.send_to(b"in", (*elastic, 9)).unwrap();
    assert_eq!(received_packets_of(router, "igw"), before + 1);
}

fn received_packets(namespace: &Netns) -> u64 {
    received_packets_of(namespace, "eth0")
}

fn received_packets_of(namespace: &Netns, link: &str) -> u64 {
    let table = namespace
        .run(|| fs::read_to_string("/proc/thread-self/net/dev"))
        .unwrap();
    let line = table
        .lines()
        .find_map(|line| line.trim().strip_prefix(&format!("{link}:")));
    line.unwrap()
        .split_ascii_whitespace()
        .nth(1)
        .unwrap()
        .parse()
        .unwrap()
}

fn settings(world: &World) {
    let read = |id: &str, path: &str| {
        let path = format!("/proc/sys/net/{path}");
        world
            .eni(id)
            .run(|| fs::read_to_string(path))
            .unwrap()
            .trim()
            .to_owned()
    };
    assert_eq!(read("app", "ipv4/ip_unprivileged_port_start"), "0");
    assert_eq!(read("app", "ipv4/ip_forward"), "0");
    assert_eq!(read("nat", "ipv4/ip_forward"), "1");
    assert_eq!(read("app", "ipv4/conf/eth0/rp_filter"), "0");
}

fn come_and_go(world: &mut World, network: &Network) {
    let vpc = &network.vpcs[0].id;
    let eni = Eni::new("new".into(), 9, "10.0.10.50/24".parse().unwrap());
    world.0.attach(vpc, &eni).unwrap();
    let again = world.0.attach(vpc, &eni).unwrap_err();
    assert_eq!(
        again.to_string(),
        "the namespace `eni new` is there already"
    );
    let listener = world.listen("new", "10.0.10.50:80");
    world.connect("app", "10.0.10.50:80").unwrap();
    drop(listener);
    assert!(world.0.detach(&EniId::from("new")));
    assert!(!world.0.detach(&EniId::from("new")));
    crate::harness::until("the detached ENI falls silent", || {
        let error = world.connect("app", "10.0.10.50:80").unwrap_err();
        (error.kind() == io::ErrorKind::TimedOut).then_some(())
    });
    // its place can be taken again, under a name of its own
    let next = Eni::new("next".into(), 9, "10.0.10.50/24".parse().unwrap());
    world.0.attach(vpc, &next).unwrap();
    let _listener = world.listen("next", "10.0.10.50:80");
    world.connect("app", "10.0.10.50:80").unwrap();
}
