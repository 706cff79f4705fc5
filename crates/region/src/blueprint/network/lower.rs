//! What must the kernel hold for a [`Network`] to be true?
//!
//! The routing scheme of a VPC router: rule 100 looks up table 100, which has
//! a /32 for each ENI and a black hole for the rest of the VPC, so that an
//! address nobody has times out instead of answering "unreachable". Rule 200
//! sends what a subnet's hosts send elsewhere to table 200 + mark, that
//! subnet's route table. The main table is a black hole.

use std::fmt;
use std::net::Ipv4Addr;

use ipnet::Ipv4Net;

use super::{
    Eni, EniId, GatewayEndpoint, GatewayEndpointId, INTERNET_MTU, LinkName, MacAddress, Network,
    Route, RouteTarget, VPC_MTU, Vpc, VpcId,
};

/// The kernel's main routing table.
pub const MAIN_TABLE: u32 = 254;
/// Table with the VPC's own addresses.
pub const LOCAL_TABLE: u32 = 100;
/// Priority of the rule that looks up [`LOCAL_TABLE`].
pub const LOCAL_RULE: u32 = 100;
/// First subnet table; a subnet's table is this plus its mark.
pub const SUBNET_TABLES: u32 = 200;
/// Priority of the rules that look up the subnets' tables.
pub const SUBNET_RULE: u32 = 200;

const EVERYWHERE: Ipv4Net = Ipv4Net::new_assert(Ipv4Addr::UNSPECIFIED, 0);

/// Which namespace.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum NamespaceName {
    /// What stands for the public internet.
    Internet,
    /// A machine on the internet that is the person's own.
    Visitor,
    /// The router of a VPC.
    Router(VpcId),
    /// An elastic network interface.
    Eni(EniId),
    /// A gateway endpoint.
    GatewayEndpoint(GatewayEndpointId),
}

impl fmt::Display for NamespaceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Internet => f.write_str("internet"),
            Self::Visitor => f.write_str("visitor"),
            Self::Router(vpc) => write!(f, "router {vpc}"),
            Self::Eni(eni) => write!(f, "eni {eni}"),
            Self::GatewayEndpoint(endpoint) => write!(f, "gateway endpoint {endpoint}"),
        }
    }
}

/// What a namespace holds once it is made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamespaceSpec {
    /// Which one.
    pub name: NamespaceName,
    /// What it is for: decides the kernel settings.
    pub role: NamespaceRole,
    /// Addresses, each on an interface of the namespace.
    pub addresses: Vec<(LinkName, Ipv4Net)>,
    /// Routes of all tables.
    pub routes: Vec<RouteSpec>,
    /// Policy rules.
    pub rules: Vec<RuleSpec>,
}

/// What a namespace does with packets that are not its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NamespaceRole {
    /// Drops them: an ENI with a workload.
    Host,
    /// Passes them on and tracks them: a VPC router.
    Router,
    /// Passes them on with translated addresses: a NAT gateway.
    NatGateway,
    /// Passes them on: the internet.
    Internet,
}

/// A file under `/proc/sys` and what to write to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sysctl {
    /// Path below `/proc/sys`.
    pub path: &'static str,
    /// The value.
    pub value: &'static str,
    /// The region works without: a kernel that lacks the file is fine.
    pub optional: bool,
}

impl NamespaceRole {
    /// True when packets that are not its own are passed on.
    pub fn forwards(self) -> bool {
        self != Self::Host
    }

    /// The settings of a namespace of this role. They are all written out,
    /// because a new namespace starts with the host's values.
    pub fn sysctls(self) -> Vec<Sysctl> {
        let needed = |path, value| Sysctl {
            path,
            value,
            optional: false,
        };
        let optional = |path, value| Sysctl {
            path,
            value,
            optional: true,
        };
        let mut sysctls = vec![
            needed("net/ipv4/conf/all/rp_filter", "0"),
            needed("net/ipv4/conf/default/rp_filter", "0"),
            needed("net/ipv4/conf/all/send_redirects", "0"),
            needed("net/ipv4/conf/default/send_redirects", "0"),
            optional("net/ipv6/conf/all/disable_ipv6", "1"),
            optional("net/ipv6/conf/default/disable_ipv6", "1"),
        ];
        if self.forwards() {
            sysctls.push(needed("net/ipv4/ip_forward", "1"));
        }
        match self {
            // a workload binds 443 or 80 without a capability
            Self::Host => sysctls.push(needed("net/ipv4/ip_unprivileged_port_start", "0")),
            Self::Router => sysctls.extend([
                optional("net/netfilter/nf_conntrack_acct", "1"),
                optional("net/netfilter/nf_conntrack_timestamp", "1"),
            ]),
            // https://docs.aws.amazon.com/vpc/latest/userguide/nat-gateway-troubleshooting.html
            Self::NatGateway => sysctls.push(optional(
                "net/netfilter/nf_conntrack_tcp_timeout_established",
                "350",
            )),
            Self::Internet => {}
        }
        sysctls
    }
}

/// A route as the kernel takes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RouteSpec {
    /// Table number.
    pub table: u32,
    /// Where the packet goes.
    pub destination: Ipv4Net,
    /// Which way.
    pub via: RouteVia,
}

/// Which way a packet leaves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RouteVia {
    /// Out of an interface; whoever is at the other end takes it.
    Link(LinkName),
    /// Out of an interface towards a next hop, taken to be there (`onlink`).
    Gateway(Ipv4Addr, LinkName),
    /// Dropped without a word.
    Blackhole,
}

/// A policy rule: which packets look up which table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RuleSpec {
    /// Lower goes first.
    pub priority: u32,
    /// Only packets with this mark; all packets when `None`.
    pub mark: Option<u32>,
    /// The table.
    pub table: u32,
}

/// A veth pair. Both ends carry one MAC address and no ARP is spoken, so no
/// neighbour is ever looked up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkSpec {
    /// The end towards the internet.
    pub upper: (NamespaceName, LinkName),
    /// The end away from it.
    pub lower: (NamespaceName, LinkName),
    /// Ethernet address of both.
    pub mac: MacAddress,
    /// MTU of both, bytes.
    pub mtu: u32,
}

/// An ENI, or gateway endpoint, by itself: what comes when it is attached to
/// a router that already runs, and what goes when it is detached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attachment {
    /// Its own namespace.
    pub namespace: NamespaceSpec,
    /// Its link to the router.
    pub link: LinkSpec,
    /// What the router's tables get.
    pub router_routes: Vec<RouteSpec>,
}

/// All of a region in the kernel's words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lowered {
    /// Namespaces, the internet first, each VPC's router before its ENIs.
    pub namespaces: Vec<NamespaceSpec>,
    /// The pairs between them.
    pub links: Vec<LinkSpec>,
}

/// Says `network` in the kernel's words.
pub fn lower(network: &Network) -> Lowered {
    let mut lowered = Lowered {
        namespaces: vec![internet(network)],
        links: Vec::new(),
    };
    if let Some(address) = network.internet.visitor {
        let (namespace, link) = visitor(address);
        lowered.namespaces.push(namespace);
        lowered.links.push(link);
    }
    for vpc in &network.vpcs {
        let mut router = router(vpc);
        let attachments: Vec<Attachment> = vpc
            .enis
            .iter()
            .map(|eni| attach_eni(&vpc.id, eni))
            .chain(
                vpc.gateway_endpoints
                    .iter()
                    .map(|endpoint| attach_endpoint(&vpc.id, endpoint)),
            )
            .collect();
        for attachment in &attachments {
            router
                .routes
                .extend(attachment.router_routes.iter().cloned());
        }
        router.routes.extend(vpc.subnets.iter().flat_map(|subnet| {
            subnet
                .routes
                .iter()
                .map(|route| subnet_route(vpc, SUBNET_TABLES + subnet.mark, route))
        }));
        lowered.namespaces.push(router);
        lowered.links.push(LinkSpec {
            upper: (NamespaceName::Internet, vpc.uplink.clone()),
            lower: (
                NamespaceName::Router(vpc.id.clone()),
                LinkName::internet_gateway(),
            ),
            mac: MacAddress::for_name(&vpc.id.0),
            mtu: INTERNET_MTU,
        });
        for attachment in attachments {
            lowered.namespaces.push(attachment.namespace);
            lowered.links.push(attachment.link);
        }
    }
    lowered
}

fn internet(network: &Network) -> NamespaceSpec {
    let elastic = network.vpcs.iter().flat_map(|vpc| {
        vpc.elastic_addresses.iter().map(|address| RouteSpec {
            table: MAIN_TABLE,
            destination: Ipv4Net::from(*address),
            via: RouteVia::Link(vpc.uplink.clone()),
        })
    });
    let visitor = network.internet.visitor.map(|address| RouteSpec {
        table: MAIN_TABLE,
        destination: Ipv4Net::from(address),
        via: RouteVia::Link(LinkName::visitor()),
    });
    let nowhere = RouteSpec {
        table: MAIN_TABLE,
        destination: EVERYWHERE,
        via: RouteVia::Blackhole,
    };
    NamespaceSpec {
        name: NamespaceName::Internet,
        role: NamespaceRole::Internet,
        addresses: on_loopback(network.internet.addresses.keys().copied()),
        routes: elastic.chain(visitor).chain([nowhere]).collect(),
        rules: Vec::new(),
    }
}

fn visitor(address: Ipv4Addr) -> (NamespaceSpec, LinkSpec) {
    let namespace = NamespaceSpec {
        name: NamespaceName::Visitor,
        role: NamespaceRole::Host,
        addresses: vec![(LinkName::eth0(), Ipv4Net::from(address))],
        routes: vec![RouteSpec {
            table: MAIN_TABLE,
            destination: EVERYWHERE,
            via: RouteVia::Link(LinkName::eth0()),
        }],
        rules: Vec::new(),
    };
    let link = LinkSpec {
        upper: (NamespaceName::Internet, LinkName::visitor()),
        lower: (NamespaceName::Visitor, LinkName::eth0()),
        mac: MacAddress::for_name("visitor"),
        mtu: INTERNET_MTU,
    };
    (namespace, link)
}

fn router(vpc: &Vpc) -> NamespaceSpec {
    let holes = vpc.cidrs.iter().map(|cidr| RouteSpec {
        table: LOCAL_TABLE,
        destination: cidr.trunc(),
        via: RouteVia::Blackhole,
    });
    let nowhere = RouteSpec {
        table: MAIN_TABLE,
        destination: EVERYWHERE,
        via: RouteVia::Blackhole,
    };
    let local = RuleSpec {
        priority: LOCAL_RULE,
        mark: None,
        table: LOCAL_TABLE,
    };
    let subnets = vpc.subnets.iter().map(|subnet| RuleSpec {
        priority: SUBNET_RULE,
        mark: Some(subnet.mark),
        table: SUBNET_TABLES + subnet.mark,
    });
    NamespaceSpec {
        name: NamespaceName::Router(vpc.id.clone()),
        role: NamespaceRole::Router,
        addresses: on_loopback(vpc.router_addresses.iter().copied()),
        routes: holes.chain([nowhere]).collect(),
        rules: [local].into_iter().chain(subnets).collect(),
    }
}

fn on_loopback(addresses: impl Iterator<Item = Ipv4Addr>) -> Vec<(LinkName, Ipv4Net)> {
    addresses
        .map(|address| (LinkName::loopback(), Ipv4Net::from(address)))
        .collect()
}

/// What comes when `eni` is attached to the router of `vpc`.
pub fn attach_eni(vpc: &VpcId, eni: &Eni) -> Attachment {
    let name = NamespaceName::Eni(eni.id.clone());
    Attachment {
        namespace: NamespaceSpec {
            name: name.clone(),
            role: if eni.forwarding {
                NamespaceRole::NatGateway
            } else {
                NamespaceRole::Host
            },
            addresses: vec![(LinkName::eth0(), eni.address)],
            routes: vec![RouteSpec {
                table: MAIN_TABLE,
                destination: EVERYWHERE,
                via: RouteVia::Gateway(eni.gateway, LinkName::eth0()),
            }],
            rules: Vec::new(),
        },
        link: LinkSpec {
            upper: (NamespaceName::Router(vpc.clone()), eni.link.clone()),
            lower: (name, LinkName::eth0()),
            mac: eni.mac,
            mtu: eni.mtu,
        },
        router_routes: vec![RouteSpec {
            table: LOCAL_TABLE,
            destination: Ipv4Net::from(eni.address.addr()),
            via: RouteVia::Link(eni.link.clone()),
        }],
    }
}

fn attach_endpoint(vpc: &VpcId, endpoint: &GatewayEndpoint) -> Attachment {
    let name = NamespaceName::GatewayEndpoint(endpoint.id.clone());
    Attachment {
        namespace: NamespaceSpec {
            name: name.clone(),
            role: NamespaceRole::Host,
            addresses: on_loopback(endpoint.addresses.iter().copied()),
            routes: vec![RouteSpec {
                table: MAIN_TABLE,
                destination: EVERYWHERE,
                via: RouteVia::Link(LinkName::eth0()),
            }],
            rules: Vec::new(),
        },
        link: LinkSpec {
            upper: (NamespaceName::Router(vpc.clone()), endpoint.link.clone()),
            lower: (name, LinkName::eth0()),
            mac: MacAddress::for_name(&endpoint.id.0),
            mtu: VPC_MTU,
        },
        router_routes: Vec::new(),
    }
}

/// A route whose target is not in the VPC is a black hole, as in AWS.
fn subnet_route(vpc: &Vpc, table: u32, route: &Route) -> RouteSpec {
    let via = match &route.target {
        RouteTarget::InternetGateway => Some(RouteVia::Link(LinkName::internet_gateway())),
        RouteTarget::Eni(id) => vpc
            .eni(id)
            .map(|eni| RouteVia::Gateway(eni.address.addr(), eni.link.clone())),
        RouteTarget::GatewayEndpoint(id) => vpc
            .gateway_endpoint(id)
            .map(|endpoint| RouteVia::Link(endpoint.link.clone())),
        RouteTarget::Blackhole => None,
    };
    RouteSpec {
        table,
        destination: route.destination.trunc(),
        via: via.unwrap_or(RouteVia::Blackhole),
    }
}

impl fmt::Display for Lowered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for namespace in &self.namespaces {
            writeln!(f, "{namespace}")?;
        }
        for link in &self.links {
            writeln!(f, "{link}")?;
        }
        Ok(())
    }
}

impl fmt::Display for NamespaceSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "namespace {} ({:?})", self.name, self.role)?;
        for (link, address) in &self.addresses {
            write!(f, "\n  address {address} dev {link}")?;
        }
        for rule in &self.rules {
            write!(f, "\n  {rule}")?;
        }
        for route in &self.routes {
            write!(f, "\n  {route}")?;
        }
        Ok(())
    }
}

impl fmt::Display for RouteSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            table,
            destination,
            via,
        } = self;
        match via {
            RouteVia::Link(link) => write!(f, "route {destination} dev {link} table {table}"),
            RouteVia::Gateway(hop, link) => {
                write!(
                    f,
                    "route {destination} via {hop} dev {link} onlink table {table}"
                )
            }
            RouteVia::Blackhole => write!(f, "route blackhole {destination} table {table}"),
        }
    }
}

impl fmt::Display for RuleSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "rule {}:", self.priority)?;
        if let Some(mark) = self.mark {
            write!(f, " fwmark {mark}")?;
        }
        write!(f, " lookup {}", self.table)
    }
}

impl fmt::Display for LinkSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            upper,
            lower,
            mac,
            mtu,
        } = self;
        write!(
            f,
            "link {} {} = {} {} mtu {mtu} mac {mac}",
            upper.0, upper.1, lower.0, lower.1
        )
    }
}
