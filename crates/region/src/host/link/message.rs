//! Which rtnetlink message says what?

use std::net::{IpAddr, Ipv4Addr};
use std::os::fd::{AsFd, AsRawFd};

use ipnet::Ipv4Net;
use netlink_packet_core::{DefaultNla, NLA_F_NESTED};
use netlink_packet_route::address::{AddressAttribute, AddressMessage, AddressScope};
use netlink_packet_route::link::{
    AfSpecInet, AfSpecUnspec, InfoData, InfoKind, InfoVeth, LinkAttribute, LinkFlags, LinkInfo,
    LinkMessage,
};
use netlink_packet_route::route::{
    RouteAddress, RouteAttribute, RouteFlags, RouteMessage, RouteProtocol, RouteScope, RouteType,
};
use netlink_packet_route::rule::{RuleAction, RuleAttribute, RuleMessage};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};

use super::Request;
use crate::blueprint::network::lower::{RouteSpec, RouteVia, RuleSpec};
use crate::blueprint::network::{LinkName, MacAddress};

/// `IFLA_INET_CONF`, and three of its settings, of linux/if_link.h and linux/ip.h.
const IFLA_INET_CONF: u16 = 1;
const DEVCONF_FORWARDING: u16 = 1;
const DEVCONF_SEND_REDIRECTS: u16 = 6;
const DEVCONF_RP_FILTER: u16 = 8;

/// One end of a veth pair.
#[derive(Debug, Clone)]
pub struct VethEnd<'a> {
    /// Its name.
    pub name: &'a LinkName,
    /// Its interface index, chosen by us: later requests need it and asking
    /// the kernel would be one more round trip.
    pub index: u32,
}

/// A veth pair: `near` here, up; `far` in the namespace of `far_namespace`,
/// down, because the kernel refuses to bring up an end whose other end is not
/// there yet (ENOTCONN). Same MAC on both, no ARP.
pub fn add_veth(
    near: &VethEnd<'_>,
    far: &VethEnd<'_>,
    far_namespace: &impl AsFd,
    mac: MacAddress,
    mtu: u32,
) -> Request {
    let mut peer = veth_end(far, mac, mtu);
    peer.attributes
        .push(LinkAttribute::NetNsFd(far_namespace.as_fd().as_raw_fd()));
    let mut message = veth_end(near, mac, mtu);
    message.header.flags |= LinkFlags::Up;
    message.header.change_mask |= LinkFlags::Up;
    message.attributes.push(LinkAttribute::LinkInfo(vec![
        LinkInfo::Kind(InfoKind::Veth),
        LinkInfo::Data(InfoData::Veth(InfoVeth::Peer(peer))),
    ]));
    let step = format!("make the veth pair `{}` and `{}`", near.name, far.name);
    Request::create(step, RouteNetlinkMessage::NewLink(message))
}

fn veth_end(end: &VethEnd<'_>, mac: MacAddress, mtu: u32) -> LinkMessage {
    let mut message = LinkMessage::default();
    message.header.index = end.index;
    message.header.flags = LinkFlags::Noarp;
    message.header.change_mask = LinkFlags::Noarp;
    message.attributes = vec![
        LinkAttribute::IfName(end.name.as_str().to_owned()),
        LinkAttribute::Mtu(mtu),
        LinkAttribute::Address(mac.0.to_vec()),
    ];
    message
}

/// Brings an interface up.
pub fn set_up(name: &LinkName, index: u32) -> Request {
    let mut message = LinkMessage::default();
    message.header.index = index;
    message.header.flags = LinkFlags::Up;
    message.header.change_mask = LinkFlags::Up;
    Request::change(
        format!("bring `{name}` up"),
        RouteNetlinkMessage::SetLink(message),
    )
}

/// Asks for an interface's state.
pub(super) fn get_link(index: u32) -> Request {
    let mut message = LinkMessage::default();
    message.header.index = index;
    Request::change(
        format!("look at interface {index}"),
        RouteNetlinkMessage::GetLink(message),
    )
}

/// Removes an interface, and with it its other end.
pub fn delete_link(name: &LinkName, index: u32) -> Request {
    let mut message = LinkMessage::default();
    message.header.index = index;
    Request::change(
        format!("remove `{name}`"),
        RouteNetlinkMessage::DelLink(message),
    )
}

/// What `ip_forward=1`, `rp_filter=0` and `send_redirects=0` do, for one
/// interface and over netlink: for where `/proc/sys` is read-only.
pub fn forward_without_sysctl(name: &LinkName, index: u32) -> Request {
    // the crate's own encoder leaves zeros out, and two of these are zero
    let settings = [
        (DEVCONF_FORWARDING, 1_u32),
        (DEVCONF_SEND_REDIRECTS, 0),
        (DEVCONF_RP_FILTER, 0),
    ];
    let nested: Vec<u8> = settings
        .iter()
        .flat_map(|(kind, value)| {
            let header = [8_u16.to_ne_bytes(), kind.to_ne_bytes()].concat();
            header.into_iter().chain(value.to_ne_bytes())
        })
        .collect();
    let conf = AfSpecInet::Other(DefaultNla::new(IFLA_INET_CONF | NLA_F_NESTED, nested));
    let mut message = LinkMessage::default();
    message.header.index = index;
    message.attributes = vec![LinkAttribute::AfSpecUnspec(vec![AfSpecUnspec::Inet(vec![
        conf,
    ])])];
    Request::change(
        format!("let `{name}` forward packets"),
        RouteNetlinkMessage::SetLink(message),
    )
}

/// Gives an interface an address.
pub fn add_address(name: &LinkName, index: u32, address: Ipv4Net) -> Request {
    let mut message = AddressMessage::default();
    message.header.family = AddressFamily::Inet;
    message.header.prefix_len = address.prefix_len();
    message.header.scope = AddressScope::Universe;
    message.header.index = index;
    message.attributes = vec![
        AddressAttribute::Local(IpAddr::V4(address.addr())),
        AddressAttribute::Address(IpAddr::V4(address.addr())),
    ];
    if address.prefix_len() < 31 {
        message
            .attributes
            .push(AddressAttribute::Broadcast(address.broadcast()));
    }
    Request::create(
        format!("give `{name}` the address `{address}`"),
        RouteNetlinkMessage::NewAddress(message),
    )
}

/// Adds a route; `index` tells the index of an interface.
pub fn add_route(route: &RouteSpec, index: impl Fn(&LinkName) -> u32) -> Request {
    let mut message = RouteMessage::default();
    message.header.address_family = AddressFamily::Inet;
    message.header.destination_prefix_length = route.destination.prefix_len();
    message.header.protocol = RouteProtocol::Static;
    message.header.kind = RouteType::Unicast;
    message.attributes = vec![RouteAttribute::Table(route.table)];
    if route.destination.prefix_len() > 0 {
        let destination = RouteAddress::Inet(route.destination.network());
        message
            .attributes
            .push(RouteAttribute::Destination(destination));
    }
    match &route.via {
        RouteVia::Link(link) => {
            message.header.scope = RouteScope::Link;
            message.attributes.push(RouteAttribute::Oif(index(link)));
        }
        RouteVia::Gateway(hop, link) => {
            message.header.scope = RouteScope::Universe;
            message.header.flags = RouteFlags::Onlink;
            message.attributes.push(RouteAttribute::Gateway(inet(*hop)));
            message.attributes.push(RouteAttribute::Oif(index(link)));
        }
        RouteVia::Blackhole => {
            message.header.scope = RouteScope::Universe;
            message.header.kind = RouteType::BlackHole;
        }
    }
    Request::create(
        format!("add the {route}"),
        RouteNetlinkMessage::NewRoute(message),
    )
}

fn inet(address: Ipv4Addr) -> RouteAddress {
    RouteAddress::Inet(address)
}

/// Adds a policy rule.
pub fn add_rule(rule: &RuleSpec) -> Request {
    let mut message = RuleMessage::default();
    message.header.family = AddressFamily::Inet;
    message.header.action = RuleAction::ToTable;
    message.attributes = vec![
        RuleAttribute::Priority(rule.priority),
        RuleAttribute::Table(rule.table),
    ];
    if let Some(mark) = rule.mark {
        message.attributes.push(RuleAttribute::FwMark(mark));
    }
    Request::create(
        format!("add the {rule}"),
        RouteNetlinkMessage::NewRule(message),
    )
}
