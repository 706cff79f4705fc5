//! From security groups and network ACLs to an nf_tables ruleset.
//!
//! The input is a [`Firewall`]: what of a VPC decides about packets, and
//! nothing else. Semantics are those of the VPC User Guide:
//! - a security group only admits; the groups of an interface are a union;
//!   replies to an admitted flow always pass ("Security groups");
//! - a rule that names a group means the private addresses of the interfaces
//!   that carry it ("Security group rules");
//! - network ACLs judge each packet by itself, both ways, lowest number first,
//!   denied at the end, and not between two interfaces of one subnet
//!   ("Network ACL basics");
//! - resolver, instance and task metadata and time are subject to neither.
//!
//! Three tables come out: [`vpc()`] for the router, [`internet_gateway`] for the
//! internet's side of it, [`nat_gateway`] for each NAT gateway. Only IPv4 is
//! spoken of, because IPv6 is off in every namespace of the region: a rule on
//! an IPv6 range has nothing to match and is left out before this point.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::ops::RangeInclusive;

use ipnet::Ipv4Net;

mod access_list;
mod gateway;
mod group;
pub mod reason;
mod vpc;

#[cfg(test)]
mod tests;

pub use gateway::{PublicAddress, internet_gateway, nat_gateway};
pub use vpc::{rejected_sets, vpc};

/// The nfnetlink_log group rejected packets go to.
pub const REJECTED_GROUP: u16 = 5;

/// The comment of the rule that counts rejected packets which come too fast
/// to be logged; it stands in chain `rejected` of table `vpc`.
pub const UNLOGGED_COMMENT: &str = "too many to log";

/// What of one VPC decides about packets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Firewall {
    /// The VPC's own address ranges: nothing from outside may claim them.
    pub cidrs: Vec<Ipv4Net>,
    /// What the router itself answers; nothing else of it can be reached.
    pub services: Vec<LocalService>,
    /// A subnet is known by its position; see [`subnet_mark`].
    pub subnets: Vec<FirewallSubnet>,
    pub interfaces: Vec<FirewallInterface>,
    /// Links that lead out of the VPC: to the internet, to gateway endpoints.
    pub uplinks: Vec<String>,
    /// By group id.
    pub groups: BTreeMap<String, FirewallGroup>,
    pub access_lists: Vec<AccessList>,
    /// By prefix list id.
    pub prefix_lists: BTreeMap<String, Vec<Ipv4Net>>,
}

/// An address, protocol and port the router answers for every interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct LocalService {
    pub address: Ipv4Addr,
    /// 6 or 17.
    pub protocol: u8,
    pub port: u16,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FirewallSubnet {
    /// Position in [`Firewall::access_lists`].
    pub access_list: usize,
}

/// An interface's end in the router.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FirewallInterface {
    /// The link's name in the router, such as `e3`.
    pub link: String,
    /// The private address.
    pub address: Ipv4Addr,
    /// Position in [`Firewall::subnets`].
    pub subnet: usize,
    /// Group ids; `None` for what has no security groups (a NAT gateway). An
    /// empty list admits nothing.
    pub security_groups: Option<Vec<String>>,
    /// Whether it may only speak with its own address (the default in AWS).
    pub source_dest_check: bool,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FirewallGroup {
    pub ingress: Vec<FirewallRule>,
    pub egress: Vec<FirewallRule>,
    /// Where the template declares it, as text for people.
    pub provenance: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FirewallRule {
    /// `sgr-…`: shown in flow logs and listings.
    pub id: String,
    pub protocol: Protocol,
    pub peer: Peer,
    /// Where the template declares it, as text for people.
    pub provenance: String,
}

/// Which packets, before their addresses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// `-1`.
    All,
    Tcp(RangeInclusive<u16>),
    Udp(RangeInclusive<u16>),
    /// `None` is any.
    Icmp {
        icmp_type: Option<u8>,
        code: Option<u8>,
    },
    /// Every packet of this protocol number.
    Number(u8),
}

/// Who is on the other side.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Peer {
    Cidr(Ipv4Net),
    /// The interfaces that carry this group.
    Group(String),
    PrefixList(String),
}

/// A network ACL.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AccessList {
    /// `acl-…`.
    pub id: String,
    /// In any order: the numbers decide.
    pub ingress: Vec<AccessListEntry>,
    pub egress: Vec<AccessListEntry>,
    /// Where the template declares it, as text for people.
    pub provenance: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessListEntry {
    /// 1 to 32766.
    pub number: u16,
    pub is_allow: bool,
    pub protocol: Protocol,
    pub cidr: Ipv4Net,
    /// Where the template declares it, as text for people.
    pub provenance: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Direction {
    Ingress,
    Egress,
}

/// The mark on packets that came from the subnet at this position: the
/// router's policy routing chooses the subnet's route table by it. 0 is
/// "from outside".
#[must_use]
pub fn subnet_mark(position: usize) -> u32 {
    u32::try_from(position + 1).expect("a VPC has at most 200 subnets")
}

/// What AWS answers inside every VPC, security groups or not: the resolver
/// (also at 169.254.169.253), instance metadata, task credentials, time.
#[must_use]
pub fn amazon_services(resolver: Ipv4Addr) -> Vec<LocalService> {
    const TCP: u8 = 6;
    const UDP: u8 = 17;
    let service = |address: [u8; 4], protocol, port| LocalService {
        address: address.into(),
        protocol,
        port,
    };
    vec![
        service(resolver.octets(), UDP, 53),
        service(resolver.octets(), TCP, 53),
        service([169, 254, 169, 253], UDP, 53),
        service([169, 254, 169, 253], TCP, 53),
        service([169, 254, 169, 254], TCP, 80),
        service([169, 254, 170, 2], TCP, 80),
        service([169, 254, 169, 123], UDP, 123),
    ]
}
