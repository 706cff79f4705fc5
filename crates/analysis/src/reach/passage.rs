//! Which gates stand between two ends, in the order packets meet them?

use model::{Eni, LogicalId, RouteTarget};

use super::connection::End;
use super::filter::Far;
use super::gate::{Gate, GateKind};
use super::network::Network;
use super::route::{Leg, legs};
use super::verdict::{Blocker, Hop};
use crate::set::{AddressSet, FlowSet, Ranges, TrafficSet};

mod gates;

use gates::{
    acl, endpoint, ephemeral_ports, gateway, groups, local, moved, nat_fault, nobody_home,
    reachable_families, reply, way_back,
};

/// A part of the asked traffic and the gates on its way.
pub(super) struct Passage<'a> {
    space: FlowSet,
    pub(super) gates: Vec<Gate<'a>>,
}

impl<'a> Passage<'a> {
    pub(super) fn accepted(&self) -> FlowSet {
        let mut passed = self.space.clone();
        for gate in &self.gates {
            passed = passed.intersection(&gate.admits);
            if passed.is_empty() {
                break;
            }
        }
        passed
    }

    pub(super) fn hops(&self, network: &Network<'_>, accepted: &FlowSet) -> Vec<Hop> {
        self.gates
            .iter()
            .flat_map(|gate| gate.hops(network, accepted))
            .collect()
    }

    /// Every gate that stops all of it; or, when each lets something pass but
    /// no part gets past all, every gate that is not wide open.
    pub(super) fn blockers(&self, network: &Network<'_>) -> Vec<Blocker> {
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

/// Every way packets between two ends could take.
pub(super) fn passages<'a>(
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
