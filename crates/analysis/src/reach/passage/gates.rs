//! Each sort of gate, and how much of some traffic it lets pass.

use model::{Eni, EniKind, LogicalId, NatGateway, RouteTarget};

use crate::reach::filter::{self, Far};
use crate::reach::gate::{Element, Gate, GateKind};
use crate::reach::network::Network;
use crate::reach::route::{Way, legs};
use crate::set::{AddressSet, Flow, FlowSet, Ranges, TrafficSet};

/// A NAT gateway carries what was opened from inside; nothing can be opened
/// to it. (VPC User Guide, "NAT gateway basics")
pub(super) fn nobody_home<'a>(
    network: &Network<'a>,
    to: &Eni,
    space: &FlowSet,
) -> Option<Gate<'a>> {
    let gateway = network.model.nat_gateways.get(&to.owner)?;
    let kind = GateKind::Nat {
        gateway,
        fault: Some("takes no connections: it only carries those from inside"),
    };
    Some(Gate::all_or_none(kind, false, space))
}

/// Replies to the internet must leave through an internet gateway.
pub(super) fn way_back<'a>(
    network: &Network<'a>,
    subnet: &'a LogicalId,
    sources: &AddressSet,
    traffic: &TrafficSet,
) -> Option<Gate<'a>> {
    let mut admits = FlowSet::none();
    let mut other = Way::Nowhere;
    for leg in legs(network, subnet, sources) {
        match leg.target() {
            Some(RouteTarget::InternetGateway(_)) => {
                admits.push(Flow::new(leg.destinations, traffic.clone()));
            }
            _ => other = leg.way,
        }
    }
    let table = network.route_table(subnet);
    let kind = GateKind::Route {
        subnet,
        table,
        way: other,
        reply: true,
    };
    Some(Gate {
        kind,
        admits,
        by: Vec::new(),
    })
}

pub(super) fn nat_fault(
    network: &Network<'_>,
    gateway: &NatGateway,
    destinations: &AddressSet,
) -> Option<&'static str> {
    if gateway.allocation.is_none() {
        return Some("is a private NAT gateway: it has no public address");
    }
    let subnet = network.subnet(&gateway.subnet)?;
    if network.internet_gateway(&subnet.vpc).is_none() {
        return Some("stands in a VPC without an internet gateway");
    }
    let leads_out = legs(network, &gateway.subnet, destinations)
        .iter()
        .any(|leg| matches!(leg.target(), Some(RouteTarget::InternetGateway(_))));
    (!leads_out).then_some("stands in a subnet that has no route to an internet gateway")
}

pub(super) fn endpoint<'a>(
    network: &Network<'a>,
    id: &LogicalId,
    space: &FlowSet,
) -> Option<Gate<'a>> {
    let endpoint = network.model.vpc_endpoints.get(id)?;
    let mut takes = TrafficSet::ping();
    takes.tcp = Ranges::all();
    let everywhere = FlowSet::of(space.addresses(), takes);
    Some(Gate {
        kind: GateKind::GatewayEndpoint(endpoint),
        admits: space.intersection(&everywhere),
        by: Vec::new(),
    })
}

/// Public IPv4 needs a public address; IPv6 addresses are public themselves.
pub(super) fn gateway<'a>(
    network: &Network<'a>,
    eni: &'a Eni,
    ingress: bool,
    space: &FlowSet,
) -> Gate<'a> {
    let vpc = network.subnet(&eni.subnet).map(|subnet| &subnet.vpc);
    let attached = vpc.and_then(|vpc| network.internet_gateway(vpc));
    let attached = attached.map(|gateway| &gateway.id);
    let family = |flow: &Flow| {
        let mut addresses = flow.addresses.clone();
        if !eni.public {
            addresses = AddressSet {
                v6: addresses.v6,
                ..AddressSet::none()
            };
        }
        Flow::new(addresses, flow.traffic.clone())
    };
    let admits = match attached {
        Some(_) => space.iter().map(family).collect(),
        None => FlowSet::none(),
    };
    Gate {
        kind: GateKind::InternetGateway {
            eni,
            ingress,
            attached,
        },
        admits,
        by: Vec::new(),
    }
}

/// The addresses an interface has a family for.
pub(super) fn reachable_families(addresses: &AddressSet, eni: &Eni) -> AddressSet {
    let mut addresses = addresses.clone();
    if eni.address6.is_none() {
        addresses.v6 = Ranges::none();
    }
    addresses
}

/// Interfaces without groups are not filtered: NAT gateways, and network load
/// balancers that have none.
pub(super) fn groups<'a>(
    network: &Network<'a>,
    eni: &'a Eni,
    egress: bool,
    far: Far<'_>,
) -> Option<Gate<'a>> {
    if eni.security_groups.is_empty() {
        return None;
    }
    let admitted = filter::groups(network, &eni.security_groups, egress, far);
    let element = |(flow, (group, rule))| (flow, Element::Rule(group, rule));
    Some(Gate {
        kind: GateKind::SecurityGroups { eni, egress },
        admits: admitted.flows,
        by: admitted.by.into_iter().map(element).collect(),
    })
}

pub(super) fn acl<'a>(
    network: &Network<'a>,
    subnet: &'a LogicalId,
    egress: bool,
    asked: &FlowSet,
) -> Gate<'a> {
    let acl = network.acl(subnet);
    let admitted = filter::acl(acl, egress, asked);
    Gate {
        kind: GateKind::Acl {
            subnet,
            acl,
            egress,
            reply: false,
        },
        admits: admitted.flows,
        by: admitted
            .by
            .into_iter()
            .map(|(flow, entry)| (flow, Element::Entry(entry)))
            .collect(),
    }
}

pub(super) fn reply<'a>(
    network: &Network<'a>,
    subnet: &'a LogicalId,
    egress: bool,
    asked: &FlowSet,
    ephemeral: &Ranges<u16>,
) -> Gate<'a> {
    let acl = network.acl(subnet);
    Gate {
        kind: GateKind::Acl {
            subnet,
            acl,
            egress,
            reply: true,
        },
        admits: filter::replies(acl, egress, asked, ephemeral),
        by: Vec::new(),
    }
}

/// The local route, unless a more specific one leads elsewhere.
pub(super) fn local<'a>(
    network: &Network<'a>,
    subnet: &'a LogicalId,
    destination: &AddressSet,
    space: &FlowSet,
    reply: bool,
) -> Gate<'a> {
    let elsewhere = legs(network, subnet, destination)
        .into_iter()
        .find(|leg| !matches!(leg.way, Way::Local));
    let way = elsewhere.map_or(Way::Local, |leg| leg.way);
    let table = network.route_table(subnet);
    let kind = GateKind::Route {
        subnet,
        table,
        way,
        reply,
    };
    Gate::all_or_none(kind, matches!(way, Way::Local), space)
}

/// The same gate, speaking of the destination instead of the source: between
/// two interfaces only the traffic tells flows apart.
pub(super) fn moved<'a>(mut gate: Gate<'a>, addresses: &AddressSet) -> Gate<'a> {
    let place = |flow: &Flow| Flow::new(addresses.clone(), flow.traffic.clone());
    gate.admits = gate.admits.iter().map(place).collect();
    for (flow, _) in &mut gate.by {
        flow.addresses = addresses.clone();
    }
    gate
}

/// The ports a client opens connections from.
/// (VPC User Guide, "Ephemeral ports"; Linux `ip_local_port_range`)
pub(super) fn ephemeral_ports(kind: EniKind) -> Ranges<u16> {
    match kind {
        EniKind::Instance | EniKind::Task | EniKind::Database => Ranges::of(32768, 60999),
        EniKind::LoadBalancer
        | EniKind::NatGateway
        | EniKind::Function
        | EniKind::Store
        | EniKind::Endpoint => Ranges::of(1024, u16::MAX),
    }
}
