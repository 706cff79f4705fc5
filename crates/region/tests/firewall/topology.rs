//! A small VPC of namespaces: a router, five interfaces, the internet.
//!
//! ```text
//! subnet 0 (public)  web 10.0.0.10 = 203.0.113.10   nat 10.0.0.11 = 203.0.113.11
//! subnet 1 (app)     app 10.0.1.10                  peer 10.0.1.12
//! subnet 2 (data)    db  10.0.2.10
//! internet           198.51.100.1
//! ```

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use region::flow_log::{Config, FlowLog, FlowRecord, LoggedInterface};
use region::host::flow_collector::FlowCollector;
use region::host::nft::Nft;
use region::plan::ruleset::{
    AccessList, AccessListEntry, Firewall, FirewallGroup, FirewallInterface, FirewallRule,
    FirewallSubnet, Peer, Protocol, PublicAddress, amazon_services, internet_gateway, nat_gateway,
    subnet_mark, vpc,
};

use crate::namespace::Namespace;

pub(crate) const INTERNET: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 1);
const DEADLINE: Duration = Duration::from_secs(10);
/// How long a connection nobody answers is waited for: what was to be refused
/// says so in the log or a counter too, so this need not outlast a busy machine.
const PATIENCE: Duration = Duration::from_millis(700);

/// Name, address, subnet, group.
const INTERFACES: [(&str, [u8; 4], usize, Option<&str>); 5] = [
    ("app", [10, 0, 1, 10], 1, Some("sg-app")),
    ("peer", [10, 0, 1, 12], 1, Some("sg-peer")),
    ("db", [10, 0, 2, 10], 2, Some("sg-db")),
    ("web", [10, 0, 0, 10], 0, Some("sg-web")),
    ("nat", [10, 0, 0, 11], 0, None),
];

pub(crate) struct Topology {
    pub(crate) router: Namespace,
    pub(crate) internet: Namespace,
    interfaces: BTreeMap<&'static str, Namespace>,
    stop: Arc<AtomicBool>,
    collector: Option<JoinHandle<()>>,
    records: Receiver<FlowRecord>,
    seen: Vec<String>,
}

/// The firewall most tests begin with: app may speak to db's 5432 and, like
/// everyone, to the internet; nobody else may speak to anybody.
pub(crate) fn firewall() -> Firewall {
    let everywhere = || Peer::Cidr("0.0.0.0/0".parse().expect("a network"));
    let group = |ingress: Vec<FirewallRule>, egress: Vec<FirewallRule>, line| FirewallGroup {
        ingress,
        egress,
        provenance: format!("t.yaml:{line}"),
    };
    let interfaces = INTERFACES
        .iter()
        .enumerate()
        .map(|(index, (_, address, subnet, group))| FirewallInterface {
            link: format!("e{index}"),
            address: (*address).into(),
            subnet: *subnet,
            security_groups: group.map(|group| vec![group.to_owned()]),
            source_dest_check: group.is_some(),
        });
    Firewall {
        cidrs: vec!["10.0.0.0/16".parse().expect("a network")],
        services: amazon_services([10, 0, 0, 2].into()),
        subnets: (0..3)
            .map(|access_list| FirewallSubnet { access_list })
            .collect(),
        interfaces: interfaces.collect(),
        uplinks: vec!["igw".into()],
        groups: BTreeMap::from([
            (
                "sg-app".into(),
                group(
                    vec![],
                    vec![
                        tcp_rule("sgr-to-db", 5432, Peer::Group("sg-db".into())),
                        tcp_rule("sgr-to-web", 443, everywhere()),
                        tcp_rule("sgr-to-peers", 8080, Peer::Group("sg-peer".into())),
                    ],
                    10,
                ),
            ),
            (
                "sg-db".into(),
                group(
                    vec![
                        tcp_rule("sgr-from-app", 5432, Peer::Group("sg-app".into())),
                        tcp_rule("sgr-unused", 5433, Peer::Group("sg-app".into())),
                    ],
                    vec![],
                    20,
                ),
            ),
            (
                "sg-web".into(),
                group(
                    vec![tcp_rule("sgr-from-all", 443, everywhere())],
                    vec![tcp_rule("sgr-to-all", 443, everywhere())],
                    30,
                ),
            ),
            ("sg-peer".into(), group(vec![], vec![], 40)),
        ]),
        access_lists: (0..3).map(open_access_list).collect(),
        prefix_lists: BTreeMap::new(),
    }
}

pub(crate) fn tcp_rule(id: &str, port: u16, peer: Peer) -> FirewallRule {
    FirewallRule {
        id: id.into(),
        protocol: Protocol::Tcp(port..=port),
        peer,
        provenance: format!("t.yaml {id}"),
    }
}

fn open_access_list(index: usize) -> AccessList {
    let allow = || vec![entry(100, true, Protocol::All, "0.0.0.0/0")];
    AccessList {
        id: format!("acl-{index}"),
        ingress: allow(),
        egress: allow(),
        provenance: format!("t.yaml acl-{index}"),
    }
}

pub(crate) fn entry(
    number: u16,
    is_allow: bool,
    protocol: Protocol,
    cidr: &str,
) -> AccessListEntry {
    AccessListEntry {
        number,
        is_allow,
        protocol,
        cidr: cidr.parse().expect("a network"),
        provenance: format!("t.yaml entry {number}"),
    }
}

impl Topology {
    pub(crate) fn new(firewall: &Firewall) -> Self {
        let router = forwarding_namespace();
        let internet = forwarding_namespace();
        build_router(&router);
        build_internet(&router, &internet);
        let mut interfaces = BTreeMap::new();
        for (index, (name, address, subnet, _)) in INTERFACES.into_iter().enumerate() {
            let namespace = interface(&router, index, address.into(), subnet);
            interfaces.insert(name, namespace);
        }
        build_nat_gateway(&interfaces["nat"]);
        let (table, reasons) = vpc(firewall);
        load(&router, &table);
        load(&internet, &public_addresses());
        let (stop, collector, records) = collect(&router, reasons);
        let collector = Some(collector);
        Self {
            router,
            internet,
            interfaces,
            stop,
            collector,
            records,
            seen: Vec::new(),
        }
    }

    pub(crate) fn replace(&self, firewall: &Firewall) {
        load(&self.router, &vpc(firewall).0);
    }

    pub(crate) fn interface(&self, name: &str) -> &Namespace {
        match name {
            "internet" => &self.internet,
            "router" => &self.router,
            name => &self.interfaces[name],
        }
    }

    /// Answers each connection with the address it sees it come from.
    pub(crate) fn listen(&self, name: &str, port: u16) {
        let listener = self
            .interface(name)
            .run(|| TcpListener::bind(("0.0.0.0", port)))
            .expect("a listening socket");
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.expect("a connection");
                std::thread::spawn(move || {
                    let peer = stream.peer_addr().expect("connected").ip().to_string();
                    let mut byte = [0];
                    while stream.write_all(peer.as_bytes()).is_ok()
                        && stream.read_exact(&mut byte).is_ok()
                    {}
                });
            }
        });
    }

    /// Connects, waiting as long as a busy machine may take.
    #[track_caller]
    pub(crate) fn connect(&self, from: &str, to: &str) -> Conversation {
        match self.connect_within(from, to, DEADLINE) {
            Ok(conversation) => conversation,
            Err(error) => panic!("{from} cannot connect to {to}: {error}"),
        }
    }

    /// Connects and gives the address the other side sees us come from.
    #[track_caller]
    pub(crate) fn seen_as(&self, from: &str, to: &str) -> String {
        self.connect(from, to).hear().expect("the listener greets")
    }

    /// Whether a connection finds no answer at all, as dropped packets leave it.
    pub(crate) fn is_unanswered(&self, from: &str, to: &str) -> bool {
        let connected = self.connect_within(from, to, PATIENCE);
        connected.is_err_and(|error| error.kind() == std::io::ErrorKind::TimedOut)
    }

    fn connect_within(
        &self,
        from: &str,
        to: &str,
        limit: Duration,
    ) -> std::io::Result<Conversation> {
        let to: SocketAddr = to.parse().expect("address and port");
        let stream = self
            .interface(from)
            .run(|| TcpStream::connect_timeout(&to, limit))?;
        stream.set_read_timeout(Some(DEADLINE))?;
        Ok(Conversation { stream })
    }

    /// Waits for a flow log line that contains all `parts`.
    pub(crate) fn wait_for_record(&mut self, parts: &[&str]) -> String {
        let wanted = |line: &String| parts.iter().all(|part| line.contains(part));
        let deadline = Instant::now() + DEADLINE;
        loop {
            if let Some(line) = self.seen.iter().find(|line| wanted(line)) {
                return line.clone();
            }
            let left = deadline.saturating_duration_since(Instant::now());
            match self.records.recv_timeout(left) {
                Ok(record) => self.seen.push(record.with_reason()),
                Err(_) => panic!("no record with {parts:?} among\n{}", self.seen.join("\n")),
            }
        }
    }

    /// All lines, after the last window was closed.
    pub(crate) fn finish(mut self) -> Vec<String> {
        self.stop_collector();
        let mut lines = std::mem::take(&mut self.seen);
        lines.extend(self.records.try_iter().map(|record| record.with_reason()));
        lines
    }

    fn stop_collector(&mut self) {
        self.stop.store(true, Ordering::Release);
        if let Some(collector) = self.collector.take() {
            collector.join().expect("the collector ends well");
        }
    }
}

impl Drop for Topology {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.stop_collector();
        }
    }
}

/// A connection to a [`Topology::listen`] port.
pub(crate) struct Conversation {
    stream: TcpStream,
}

impl Conversation {
    pub(crate) fn hear(&mut self) -> Option<String> {
        let mut buffer = [0; 64];
        let length = self
            .stream
            .read(&mut buffer)
            .ok()
            .filter(|length| *length > 0)?;
        Some(String::from_utf8_lossy(&buffer[..length]).into_owned())
    }

    /// Asks for one more answer.
    pub(crate) fn ask(&mut self) -> Option<String> {
        self.stream.write_all(b"?").ok()?;
        self.hear()
    }
}

fn load(namespace: &Namespace, table: &region::blueprint::ruleset::Table) {
    let loaded = namespace.run(|| Nft::open()?.replace(table));
    loaded.expect("the ruleset loads");
}

fn forwarding_namespace() -> Namespace {
    let namespace = Namespace::new();
    namespace.set("ipv4/ip_forward", "1");
    for which in ["all", "default"] {
        namespace.set(&format!("ipv4/conf/{which}/rp_filter"), "0");
        namespace.set(&format!("ipv4/conf/{which}/send_redirects"), "0");
        namespace.set(&format!("ipv6/conf/{which}/disable_ipv6"), "1");
    }
    namespace
}

fn build_router(router: &Namespace) {
    for address in [
        "10.0.0.1",
        "10.0.1.1",
        "10.0.2.1",
        "10.0.0.2",
        "169.254.169.254",
    ] {
        router.ip(&format!("addr add {address}/32 dev lo"));
    }
    router.ip("rule add priority 100 lookup 100");
    router.ip("route add blackhole 10.0.0.0/16 table 100");
    for subnet in 0..3 {
        let mark = subnet_mark(subnet);
        router.ip(&format!(
            "rule add priority 200 fwmark {mark} lookup {}",
            200 + subnet
        ));
    }
}

fn build_internet(router: &Namespace, internet: &Namespace) {
    let mac = "02:00:00:00:ff:01";
    router.ip(&format!(
        "link add igw address {mac} type veth peer name vpc0 address {mac} netns {}",
        internet.path()
    ));
    router.ip("link set igw up arp off");
    internet.ip("link set vpc0 up arp off");
    internet.ip(&format!("addr add {INTERNET}/32 dev lo"));
    internet.ip("route add 203.0.113.0/24 dev vpc0");
    router.ip("route add default dev igw table 200");
}

fn interface(router: &Namespace, index: usize, address: Ipv4Addr, subnet: usize) -> Namespace {
    let namespace = forwarding_namespace();
    namespace.set("ipv4/ip_forward", "0");
    let mac = format!("02:00:00:00:00:{index:02x}");
    router.ip(&format!(
        "link add e{index} address {mac} type veth peer name eth0 address {mac} netns {}",
        namespace.path()
    ));
    router.ip(&format!("link set e{index} up arp off"));
    router.ip(&format!(
        "route add {address}/32 dev e{index} scope link table 100"
    ));
    namespace.ip("link set eth0 up arp off");
    namespace.ip(&format!("addr add {address}/24 dev eth0"));
    namespace.ip(&format!("route add default via 10.0.{subnet}.1"));
    if subnet == 0 && address.octets()[3] == 11 {
        for private in [201, 202] {
            router.ip(&format!(
                "route add default via {address} dev e{index} onlink table {private}"
            ));
        }
    }
    namespace
}

fn build_nat_gateway(namespace: &Namespace) {
    namespace.set("ipv4/ip_forward", "1");
    let cidr = "10.0.0.0/16".parse().expect("a network");
    load(namespace, &nat_gateway(&[cidr], [10, 0, 0, 11].into()));
}

fn public_addresses() -> region::blueprint::ruleset::Table {
    let address = |last| PublicAddress {
        link: "vpc0".into(),
        private: [10, 0, 0, last].into(),
        public: [203, 0, 113, last].into(),
    };
    internet_gateway(&["vpc0".into()], &[address(10), address(11)])
}

fn collect(
    router: &Namespace,
    reasons: region::plan::ruleset::reason::Reasons,
) -> (Arc<AtomicBool>, JoinHandle<()>, Receiver<FlowRecord>) {
    let interfaces = INTERFACES
        .iter()
        .enumerate()
        .map(|(index, (name, address, ..))| LoggedInterface {
            id: format!("eni-{name}"),
            link: format!("e{index}"),
            address: (*address).into(),
        });
    let config = Config {
        account_id: "123456789012".into(),
        window_ms: 300,
        max_flows: 10_000,
        interfaces: interfaces.collect(),
        unlogged: amazon_services([10, 0, 0, 2].into())
            .iter()
            .map(|s| s.address)
            .collect(),
        reasons,
    };
    let stop = Arc::new(AtomicBool::new(false));
    let (is_ready, ready) = channel();
    let (sender, records) = channel();
    let flag = Arc::clone(&stop);
    let collector = router.spawn(move || {
        let collector = FlowCollector::open().expect("the subscriptions");
        is_ready.send(()).expect("the test waits");
        let log = Mutex::new(FlowLog::new(config, 0));
        let ran = collector.run(&log, &flag, |record| drop(sender.send(record)));
        ran.expect("the collector runs");
    });
    ready.recv().expect("the collector starts");
    (stop, collector, records)
}
