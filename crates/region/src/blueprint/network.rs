//! Which namespaces, interfaces, addresses and routes does the region have?
//!
//! Two layers, both pure data. [`Network`] speaks AWS's words (a VPC, its
//! subnets, their route tables, the ENIs) and is what `plan` writes.
//! [`lower`] says the same in the kernel's words (namespaces, veth pairs,
//! routes, rules) and is what `host::netns` makes true. Security groups and
//! network ACLs stand in `blueprint::ruleset`.

pub mod lower;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::Ipv4Addr;

use ipnet::Ipv4Net;

/// MTU between two interfaces of one VPC (jumbo frames).
/// <https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/network_mtu.html>
pub const VPC_MTU: u32 = 9001;

/// MTU over an internet gateway.
/// <https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/network_mtu.html>
pub const INTERNET_MTU: u32 = 1500;

/// Name of the interface inside every ENI's namespace.
pub const ENI_INTERFACE: &str = "eth0";

/// Name of a VPC router's interface towards the internet gateway.
pub const INTERNET_GATEWAY_INTERFACE: &str = "igw";

macro_rules! name {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub String);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                Self(text.to_owned())
            }
        }
    };
}

name!(
    /// An elastic network interface, by a name that is unique in the region.
    EniId
);
name!(
    /// A VPC, by a name that is unique in the region.
    VpcId
);
name!(
    /// A subnet, by a name that is unique in the region.
    SubnetId
);
name!(
    /// A gateway endpoint, by a name that is unique in the region.
    GatewayEndpointId
);

/// The name of a network interface as the kernel takes it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LinkName(String);

/// Why a text cannot name an interface.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LinkNameError {
    /// The kernel keeps 16 bytes with the closing zero.
    #[error("interface name `{0}` is not 1 to 15 bytes long")]
    Length(String),
    /// `/`, `:`, blanks and control characters cannot stand in a name, nor
    /// may it be `.` or `..`.
    #[error("interface name `{0}` has a character an interface cannot have")]
    Character(String),
}

impl LinkName {
    /// Checks `name` by the kernel's rules (`dev_valid_name`).
    pub fn new(name: impl Into<String>) -> Result<Self, LinkNameError> {
        let name = name.into();
        if name.is_empty() || name.len() > 15 {
            return Err(LinkNameError::Length(name));
        }
        let allowed = |byte: u8| byte.is_ascii_graphic() && byte != b'/' && byte != b':';
        if name == "." || name == ".." || !name.bytes().all(allowed) {
            return Err(LinkNameError::Character(name));
        }
        Ok(Self(name))
    }

    /// `eN`: the router's end of the `index`-th ENI's link.
    pub fn eni(index: u32) -> Self {
        Self(format!("e{index}"))
    }

    /// `vpcN`: the internet's end of the `index`-th VPC's uplink.
    pub fn uplink(index: u32) -> Self {
        Self(format!("vpc{index}"))
    }

    /// `gweN`: the router's end of the `index`-th gateway endpoint's link.
    pub fn gateway_endpoint(index: u32) -> Self {
        Self(format!("gwe{index}"))
    }

    /// `visitor`: the internet's end of the visitor's link.
    pub fn visitor() -> Self {
        Self("visitor".to_owned())
    }

    /// The loopback interface.
    pub fn loopback() -> Self {
        Self("lo".to_owned())
    }

    /// The interface inside an ENI's namespace.
    pub fn eth0() -> Self {
        Self(ENI_INTERFACE.to_owned())
    }

    /// The router's interface towards the internet gateway.
    pub fn internet_gateway() -> Self {
        Self(INTERNET_GATEWAY_INTERFACE.to_owned())
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for LinkName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// An Ethernet address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MacAddress(pub [u8; 6]);

impl MacAddress {
    /// A stable address for whatever `name` names: the same in every run, so
    /// that instance metadata does not change between starts. Locally
    /// administered and unicast, with the first byte EC2 interfaces show.
    pub fn for_name(name: &str) -> Self {
        // FNV-1a, 64 bits: needs no dependency and no secrecy
        let hash = name.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
        });
        let [_, _, _, b, c, d, e, f] = hash.to_be_bytes();
        Self([0x06, b, c, d, e, f])
    }
}

impl fmt::Display for MacAddress {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, f] = self.0;
        write!(out, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{f:02x}")
    }
}

/// Every namespace of the region and how they hang together.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Network {
    /// What stands for the public internet.
    pub internet: Internet,
    /// The VPCs, each with one router.
    pub vpcs: Vec<Vpc>,
}

/// The namespace of viewers, edges and public AWS endpoints.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Internet {
    /// Public addresses served there, with the name of what each stands for.
    pub addresses: BTreeMap<Ipv4Addr, String>,
    /// The address of a machine of its own on the internet, where a person's
    /// programs can be put to see what the internet sees.
    pub visitor: Option<Ipv4Addr>,
}

/// One VPC: a router namespace with a link to the internet and one to each ENI.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Vpc {
    /// Its name.
    pub id: VpcId,
    /// Its address blocks; an address inside that no ENI has is a black hole.
    pub cidrs: Vec<Ipv4Net>,
    /// The internet's end of its link (`vpcN`).
    pub uplink: LinkName,
    /// Elastic addresses: the internet routes these to the VPC. Rewriting to
    /// the private address is the ruleset's part.
    pub elastic_addresses: BTreeSet<Ipv4Addr>,
    /// Addresses the router itself answers at: subnet gateways, the resolver,
    /// metadata and time services.
    pub router_addresses: BTreeSet<Ipv4Addr>,
    /// The subnets with their route tables.
    pub subnets: Vec<Subnet>,
    /// The network interfaces.
    pub enis: Vec<Eni>,
    /// Gateway endpoints (S3).
    pub gateway_endpoints: Vec<GatewayEndpoint>,
}

impl Vpc {
    /// The interface named `id`.
    pub fn eni(&self, id: &EniId) -> Option<&Eni> {
        self.enis.iter().find(|eni| eni.id == *id)
    }

    /// The gateway endpoint named `id`.
    pub fn gateway_endpoint(&self, id: &GatewayEndpointId) -> Option<&GatewayEndpoint> {
        self.gateway_endpoints
            .iter()
            .find(|endpoint| endpoint.id == *id)
    }
}

/// A subnet as the router sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subnet {
    /// Its name.
    pub id: SubnetId,
    /// Its address block.
    pub cidr: Ipv4Net,
    /// Packet mark of traffic that comes from it (1, 2, …): chooses the route
    /// table, and the network ACL in the ruleset.
    pub mark: u32,
    /// Routes of its route table, without the VPC's own `local` route. The
    /// longest prefix wins, whatever the order.
    pub routes: Vec<Route>,
}

/// One entry of a route table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// Where the packet goes.
    pub destination: Ipv4Net,
    /// What takes it there.
    pub target: RouteTarget,
}

/// What a route points at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RouteTarget {
    /// The VPC's internet gateway.
    InternetGateway,
    /// A NAT gateway's (or appliance's) interface.
    Eni(EniId),
    /// A gateway endpoint; one route for each block of its prefix list.
    GatewayEndpoint(GatewayEndpointId),
    /// A target that is gone: packets are dropped.
    Blackhole,
}

/// An elastic network interface: one namespace with one interface, `eth0`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Eni {
    /// Its name.
    pub id: EniId,
    /// The router's end of its link (`eN`).
    pub link: LinkName,
    /// Its private address, with the prefix length of its subnet.
    pub address: Ipv4Net,
    /// The subnet's router address (`.1`).
    pub gateway: Ipv4Addr,
    /// Ethernet address, the same on both ends of the link.
    pub mac: MacAddress,
    /// [`VPC_MTU`] unless there is a reason.
    pub mtu: u32,
    /// Passes packets on that are not its own: NAT gateways.
    pub forwarding: bool,
}

impl Eni {
    /// An ordinary interface: `address` is private address and subnet prefix
    /// in one, the gateway is the subnet's first host address.
    pub fn new(id: EniId, index: u32, address: Ipv4Net) -> Self {
        let gateway = Ipv4Addr::from(u32::from(address.network()).wrapping_add(1));
        Self {
            link: LinkName::eni(index),
            address,
            gateway,
            mac: MacAddress::for_name(&id.0),
            mtu: VPC_MTU,
            forwarding: false,
            id,
        }
    }
}

/// A gateway endpoint: a namespace that holds a service's public addresses,
/// reached by the route tables that name it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GatewayEndpoint {
    /// Its name.
    pub id: GatewayEndpointId,
    /// The router's end of its link (`gweN`).
    pub link: LinkName,
    /// The service's addresses that answer there.
    pub addresses: BTreeSet<Ipv4Addr>,
}

#[cfg(test)]
mod tests;
