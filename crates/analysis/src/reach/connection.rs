//! One connection: every gate between two ends, and what passes all of them.

use model::{Eni, EniKind, LogicalId, NatGateway, RouteTarget};

use super::filter::{self, Far};
use super::gate::{Element, Gate, GateKind};
use super::network::Network;
use super::route::{Leg, Way, legs};
use super::verdict::{Hop, Verdict};
use crate::set::{AddressSet, Flow, FlowSet, Ranges, TrafficSet};

/// Where a connection starts or ends.
#[derive(Clone, Debug)]
pub enum End<'a> {
    Eni(&'a Eni),
    /// Addresses outside every VPC.
    World {
        name: String,
        addresses: AddressSet,
    },
}

impl<'a> End<'a> {
    pub fn internet() -> Self {
        Self::World {
            name: "internet".to_owned(),
            addresses: AddressSet::internet(),
        }
    }

    pub fn cloudfront(network: &Network<'_>) -> Self {
        Self::World {
            name: "cloudfront".to_owned(),
            addresses: network.cloudfront(),
        }
    }

    pub fn name(&self) -> String {
        match self {
            Self::Eni(eni) => eni.id.to_string(),
            Self::World { name, .. } => name.clone(),
        }
    }
}

/// Judges a connection with its reasons.
pub fn connect(
    network: &Network<'_>,
    from: &End<'_>,
    to: &End<'_>,
    traffic: &TrafficSet,
) -> Verdict {
    let mut verdict = Verdict {
        from: from.name(),
        to: to.name(),
        asked: traffic.clone(),
        accepted: FlowSet::none(),
        hops: Vec::new(),
        blockers: Vec::new(),
    };
    for way in ways(network, from, to, traffic) {
        let accepted = way.accepted();
        if accepted.is_empty() {
            verdict.blockers.extend(way.blockers(network));
        } else {
            verdict.hops.extend(way.hops(network, &accepted));
            verdict.accepted = verdict.accepted.union(&accepted);
        }
    }
    if verdict.is_accepted() {
        verdict.blockers.clear();
    }
    verdict.blockers.sort_by_key(|blocker| blocker.code);
    verdict
}

/// What passes, without the reasons.
pub(super) fn accepted(
    network: &Network<'_>,
    from: &End<'_>,
    to: &End<'_>,
    traffic: &TrafficSet,
) -> FlowSet {
    let ways = ways(network, from, to, traffic);
    ways.iter()
        .fold(FlowSet::none(), |all, way| all.union(&way.accepted()))
}

/// A part of the asked traffic and the gates on its way.
struct Passage<'a> {
    space: FlowSet,
    gates: Vec<Gate<'a>>,
}

impl<'a> Passage<'a> {
    fn accepted(&self) -> FlowSet {
        let mut passed = self.space.clone();
        for gate in &self.gates {
            passed = passed.intersection(&gate.admits);
            if passed.is_empty() {
                break;
            }
        }
        passed
    }

    fn hops(&self, network: &Network<'_>, accepted: &FlowSet) -> Vec<Hop> {
        self.gates
            .iter()
            .flat_map(|gate| gate.hops(network, accepted))
            .collect()
    }

    /// Every gate that stops all of it; or, when each lets something pass but
    /// no part gets past all, every gate that is not wide open.
    fn blockers(&self, network: &Network<'_>) -> Vec<super::Blocker> {
        let shut = |gate: &&Gate<'a>| self.space.intersection(&gate.admits).is_empty();
        let narrow = |gate: &&Gate<'a>| !gate.admits.covers(&self.space);
        let mut stopping: Vec<&Gate<'a>> = self.gates.iter().filter(shut).collect();
        if stopping.is_empty() {
            stopping = self.gates.iter().filter(narrow).collect();
        }
        stopping
            .into_iter()
            .map(|gate| gate.blocker(network, &self.space))
            .collect()
    }
}

fn ways<'a>(
    network: &Network<'a>,
    from: &End<'a>,
    to: &End<'a>,
    traffic: &TrafficSet,
) -> Vec<Passage<'a>> {
    match (from, to) {
        (End::Eni(from), End::Eni(to)) => within(network, from, to, traffic),
        (End::World { addresses, .. }, End::Eni(to)) => {
            vec![inward(network, addresses, to, traffic)]
        }
        (End::Eni(from), End::World { addresses, .. }) => {
            outward(network, from, addresses, traffic)
        }
        (End::World { .. }, End::World { name, .. }) => {
            let kind = GateKind::Addresses { name: name.clone() };
            let space = FlowSet::of(AddressSet::internet(), traffic.clone());
            let gates = vec![Gate::all_or_none(kind, false, &space)];
            vec![Passage { space, gates }]
        }
    }
}

/// Between two interfaces of a VPC, by private addresses: one passage for
/// each address family both have.
fn within<'a>(
    network: &Network<'a>,
    from: &'a Eni,
    to: &'a Eni,
    traffic: &TrafficSet,
) -> Vec<Passage<'a>> {
    let mut families = vec![(from.address.into(), to.address.into())];
    if let (Some(source), Some(destination)) = (from.address6, to.address6) {
        families.push((source.into(), destination.into()));
    }
    let same_vpc = network.vpc_of(&from.subnet).map(|vpc| &vpc.id)
        == network.vpc_of(&to.subnet).map(|vpc| &vpc.id);
    let passage = |(source, destination): (std::net::IpAddr, std::net::IpAddr)| {
        let (source, destination) = (
            AddressSet::address(source),
            AddressSet::address(destination),
        );
        let space = FlowSet::of(destination.clone(), traffic.clone());
        let mut gates = Vec::new();
        if same_vpc {
            let far = Far {
                addresses: &destination,
                groups: &to.security_groups,
            };
            gates.extend(groups(network, from, true, far));
            let crosses = from.subnet != to.subnet;
            let asked_out = space.clone();
            let asked_in = FlowSet::of(source.clone(), traffic.clone());
            if crosses {
                gates.push(acl(network, &from.subnet, true, &asked_out));
            }
            gates.push(local(network, &from.subnet, &destination, &space, false));
            if crosses {
                gates.push(moved(
                    acl(network, &to.subnet, false, &asked_in),
                    &destination,
                ));
            }
            let far = Far {
                addresses: &source,
                groups: &from.security_groups,
            };
            let ingress = groups(network, to, false, far);
            gates.extend(ingress.map(|gate| moved(gate, &destination)));
            if crosses {
                let ephemeral = ephemeral_ports(from.kind);
                let back = reply(network, &to.subnet, true, &asked_in, &ephemeral);
                gates.push(moved(back, &destination));
                gates.push(reply(network, &from.subnet, false, &asked_out, &ephemeral));
            }
            gates.push(local(network, &to.subnet, &source, &space, true));
            gates.extend(nobody_home(network, to, &space));
        } else {
            gates.push(Gate::all_or_none(GateKind::Vpcs, false, &space));
        }
        Passage { space, gates }
    };
    families.into_iter().map(passage).collect()
}

/// From outside to an interface with a public address.
fn inward<'a>(
    network: &Network<'a>,
    sources: &AddressSet,
    to: &'a Eni,
    traffic: &TrafficSet,
) -> Passage<'a> {
    let sources = reachable_families(sources, to);
    let space = FlowSet::of(sources.clone(), traffic.clone());
    if space.is_empty() {
        let kind = GateKind::Addresses {
            name: to.id.to_string(),
        };
        return Passage {
            gates: vec![Gate::all_or_none(kind, false, &space)],
            space,
        };
    }
    let mut gates = vec![gateway(network, to, true, &space)];
    gates.push(acl(network, &to.subnet, false, &space));
    let far = Far {
        addresses: &sources,
        groups: &[],
    };
    gates.extend(groups(network, to, false, far));
    let ephemeral = Ranges::of(1024, u16::MAX);
    gates.push(reply(network, &to.subnet, true, &space, &ephemeral));
    gates.extend(way_back(network, &to.subnet, &sources, traffic));
    gates.extend(nobody_home(network, to, &space));
    Passage { space, gates }
}

/// A NAT gateway carries what was opened from inside; nothing can be opened
/// to it. (VPC User Guide, "NAT gateway basics")
fn nobody_home<'a>(network: &Network<'a>, to: &Eni, space: &FlowSet) -> Option<Gate<'a>> {
    let gateway = network.model.nat_gateways.get(&to.owner)?;
    let kind = GateKind::Nat {
        gateway,
        fault: Some("takes no connections: it only carries those from inside"),
    };
    Some(Gate::all_or_none(kind, false, space))
}

/// Replies to the internet must leave through an internet gateway.
fn way_back<'a>(
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

/// From an interface to addresses outside: each leg of its routes apart.
fn outward<'a>(
    network: &Network<'a>,
    from: &'a Eni,
    destinations: &AddressSet,
    traffic: &TrafficSet,
) -> Vec<Passage<'a>> {
    let destinations = reachable_families(destinations, from);
    let table = network.route_table(&from.subnet);
    let passage = |leg: Leg<'a>| {
        let space = FlowSet::of(leg.destinations.clone(), traffic.clone());
        let far = Far {
            addresses: &leg.destinations,
            groups: &[],
        };
        let mut gates: Vec<Gate<'a>> = groups(network, from, true, far).into_iter().collect();
        gates.push(acl(network, &from.subnet, true, &space));
        let opens = matches!(
            leg.target(),
            Some(
                RouteTarget::InternetGateway(_)
                    | RouteTarget::NatGateway(_)
                    | RouteTarget::VpcEndpoint(_)
            )
        );
        let subnet = &from.subnet;
        let kind = GateKind::Route {
            subnet,
            table,
            way: leg.way,
            reply: false,
        };
        gates.push(Gate::all_or_none(kind, opens, &space));
        match leg.target() {
            Some(RouteTarget::InternetGateway(_)) => {
                gates.push(gateway(network, from, false, &space));
            }
            Some(RouteTarget::NatGateway(id)) => {
                gates.extend(through_nat(network, from, id, &leg.destinations, &space));
            }
            Some(RouteTarget::VpcEndpoint(id)) => gates.extend(endpoint(network, id, &space)),
            _ => {}
        }
        let ephemeral = ephemeral_ports(from.kind);
        gates.push(reply(network, subnet, false, &space, &ephemeral));
        Passage { space, gates }
    };
    legs(network, &from.subnet, &destinations)
        .into_iter()
        .map(passage)
        .collect()
}

/// A NAT gateway sends on from its own subnet, under that subnet's ACL, with
/// ephemeral ports of 1024 and up.
fn through_nat<'a>(
    network: &Network<'a>,
    from: &'a Eni,
    id: &LogicalId,
    destinations: &AddressSet,
    space: &FlowSet,
) -> Vec<Gate<'a>> {
    let Some(gateway) = network.model.nat_gateways.get(id) else {
        return Vec::new();
    };
    let fault = nat_fault(network, gateway, destinations);
    let kind = GateKind::Nat { gateway, fault };
    let mut gates = vec![Gate::all_or_none(kind, fault.is_none(), space)];
    let subnet = &gateway.subnet;
    if *subnet != from.subnet {
        let inside = FlowSet::of(AddressSet::address(from.address.into()), space.traffic());
        gates.push(moved(acl(network, subnet, false, &inside), destinations));
        let ephemeral = ephemeral_ports(from.kind);
        let back = reply(network, subnet, true, &inside, &ephemeral);
        gates.push(moved(back, destinations));
    }
    gates.push(acl(network, subnet, true, space));
    gates.push(reply(
        network,
        subnet,
        false,
        space,
        &Ranges::of(1024, u16::MAX),
    ));
    gates
}

fn nat_fault(
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

fn endpoint<'a>(network: &Network<'a>, id: &LogicalId, space: &FlowSet) -> Option<Gate<'a>> {
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
fn gateway<'a>(network: &Network<'a>, eni: &'a Eni, ingress: bool, space: &FlowSet) -> Gate<'a> {
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
fn reachable_families(addresses: &AddressSet, eni: &Eni) -> AddressSet {
    let mut addresses = addresses.clone();
    if eni.address6.is_none() {
        addresses.v6 = Ranges::none();
    }
    addresses
}

/// Security groups do not filter a NAT gateway.
fn groups<'a>(network: &Network<'a>, eni: &'a Eni, egress: bool, far: Far<'_>) -> Option<Gate<'a>> {
    if eni.kind == EniKind::NatGateway {
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

fn acl<'a>(
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

fn reply<'a>(
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
fn local<'a>(
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
fn moved<'a>(mut gate: Gate<'a>, addresses: &AddressSet) -> Gate<'a> {
    let place = |flow: &Flow| Flow::new(addresses.clone(), flow.traffic.clone());
    gate.admits = gate.admits.iter().map(place).collect();
    for (flow, _) in &mut gate.by {
        flow.addresses = addresses.clone();
    }
    gate
}

/// The ports a client opens connections from.
/// (VPC User Guide, "Ephemeral ports"; Linux `ip_local_port_range`)
fn ephemeral_ports(kind: EniKind) -> Ranges<u16> {
    match kind {
        EniKind::Instance | EniKind::Task | EniKind::Database => Ranges::of(32768, 60999),
        EniKind::LoadBalancer | EniKind::NatGateway | EniKind::Endpoint => {
            Ranges::of(1024, u16::MAX)
        }
    }
}
