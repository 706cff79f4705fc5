//! Everything that can reach anything, class by class.
//!
//! Only pairs that some rule could join are looked at: the members of the
//! groups a rule names, and the addresses in its block.

use std::collections::{BTreeMap, BTreeSet};

use model::{EniKind, LogicalId, Peer, VpcEndpointKind};

use super::class::{Class, Classes};
use super::connection::{End, accepted};
use super::network::Network;
use super::place::Place;
use crate::set::{AddressSet, FlowSet, TrafficSet};

/// All accepted connections of a network.
#[derive(Clone, Debug)]
pub struct Matrix {
    /// In order of source and destination.
    pub cells: Vec<Cell>,
    pub interfaces: usize,
    pub classes: usize,
}

/// What one place may send to another.
#[derive(Clone, Debug)]
pub struct Cell {
    pub from: String,
    pub to: String,
    pub flows: FlowSet,
    /// Whether only some interfaces of the two may.
    pub partial: bool,
}

/// The whole matrix.
pub fn matrix(network: &Network<'_>) -> Matrix {
    let classes = Classes::new(network);
    let mut rows = Rows::default();
    for class in &classes.classes {
        from_outside(network, class, &mut rows);
        if opens_connections(class) {
            to_outside(network, class, &mut rows);
        }
        for source in candidates(network, &classes, class) {
            let source = &classes.classes[source];
            if opens_connections(source) && takes_connections(class) {
                between(network, source, class, &mut rows);
            }
        }
    }
    let mut sizes: BTreeMap<String, usize> = BTreeMap::new();
    for class in &classes.classes {
        *sizes.entry(class.name()).or_default() += 1;
    }
    Matrix {
        cells: rows.cells(&sizes),
        interfaces: network.model.enis.len(),
        classes: classes.classes.len(),
    }
}

/// Endpoints, NAT gateways and managed stores answer; they start nothing of
/// their own.
fn opens_connections(class: &Class<'_>) -> bool {
    !matches!(
        class.representative().kind,
        EniKind::Endpoint | EniKind::NatGateway | EniKind::Store
    )
}

/// Nothing listens behind a NAT gateway's or a function's interface.
fn takes_connections(class: &Class<'_>) -> bool {
    !matches!(
        class.representative().kind,
        EniKind::NatGateway | EniKind::Function
    )
}

fn from_outside(network: &Network<'_>, class: &Class<'_>, rows: &mut Rows) {
    let eni = End::Eni(class.representative());
    if !takes_connections(class) {
        return;
    }
    for outside in [End::internet(), End::cloudfront(network)] {
        let flows = accepted(network, &outside, &eni, &TrafficSet::all());
        rows.add(outside.name(), class.name(), &flows);
    }
}

fn to_outside(network: &Network<'_>, class: &Class<'_>, rows: &mut Rows) {
    let eni = End::Eni(class.representative());
    let flows = accepted(network, &eni, &End::internet(), &TrafficSet::all());
    rows.add(class.name(), "internet".to_owned(), &flows);
    for endpoint in network.model.vpc_endpoints.values() {
        if let VpcEndpointKind::Gateway { .. } = endpoint.kind {
            let end = End::World {
                name: endpoint.id.to_string(),
                addresses: gateway_addresses(network, &endpoint.id),
            };
            let flows = accepted(network, &eni, &end, &TrafficSet::all());
            rows.add(class.name(), endpoint.id.to_string(), &flows);
        }
    }
}

fn between(network: &Network<'_>, from: &Class<'_>, to: &Class<'_>, rows: &mut Rows) {
    let source = from.representative();
    let other = to.members.iter().find(|eni| eni.id != source.id);
    // A class of one has nobody else to reach.
    let Some(destination) = other else { return };
    let (source, destination) = (End::Eni(source), End::Eni(destination));
    let flows = accepted(network, &source, &destination, &TrafficSet::all());
    rows.add(from.name(), to.name(), &flows);
}

/// The classes that some ingress rule of `class` could be about.
fn candidates(network: &Network<'_>, classes: &Classes<'_>, class: &Class<'_>) -> BTreeSet<usize> {
    let groups = &class.representative().security_groups;
    if groups.is_empty() {
        return BTreeSet::new();
    }
    let mut found = BTreeSet::new();
    let mut inside = |addresses: &AddressSet| {
        let all = classes.classes.iter().enumerate();
        found.extend(all.filter_map(|(index, class)| {
            let eni = class.representative();
            let in_v6 = eni
                .address6
                .is_some_and(|address| addresses.v6.contains(address.into()));
            (addresses.v4.contains(eni.address.into()) || in_v6).then_some(index)
        }));
    };
    let mut members: Vec<&LogicalId> = Vec::new();
    for rule in groups
        .iter()
        .filter_map(|id| network.group(id))
        .flat_map(|group| &group.ingress)
    {
        match &rule.peer {
            Peer::Cidr(block) => inside(&AddressSet::v4(*block)),
            Peer::Cidr6(block) => inside(&AddressSet::v6(*block)),
            Peer::PrefixList(id) => inside(&network.prefix_list(id)),
            Peer::SecurityGroup(id) => members.push(id),
            Peer::Other(_) => {}
        }
    }
    for group in members {
        found.extend(
            network
                .members(group)
                .iter()
                .filter_map(|eni| classes.index_of(eni)),
        );
    }
    found
}

/// The addresses a gateway endpoint takes packets for: the prefix list of its routes.
pub(crate) fn gateway_addresses(network: &Network<'_>, endpoint: &LogicalId) -> AddressSet {
    let tables = network.model.route_tables.values();
    let routes = tables.flat_map(|table| &table.routes);
    let lists = routes.filter_map(|route| match (&route.target, &route.destination) {
        (model::RouteTarget::VpcEndpoint(id), model::Destination::PrefixList(list))
            if id == endpoint =>
        {
            Some(network.prefix_list(list))
        }
        _ => None,
    });
    lists.fold(AddressSet::none(), |all, list| all.union(&list))
}

/// The end a place is, when it is not made of interfaces.
pub(crate) fn outside_end<'a>(network: &Network<'a>, place: &Place<'a>) -> Option<End<'a>> {
    match place {
        Place::World { name, addresses } => Some(End::World {
            name: name.clone(),
            addresses: addresses.clone(),
        }),
        Place::Gateway(endpoint) => Some(End::World {
            name: endpoint.id.to_string(),
            addresses: gateway_addresses(network, &endpoint.id),
        }),
        Place::Distribution(_) | Place::Interfaces { .. } | Place::Bucket(_) => None,
    }
}

/// Cells by name, merged as they come.
#[derive(Default)]
struct Rows(BTreeMap<(String, String), (FlowSet, usize, bool)>);

impl Rows {
    fn add(&mut self, from: String, to: String, flows: &FlowSet) {
        if flows.is_empty() {
            return;
        }
        let entry = self.0.entry((from, to));
        let (all, count, uneven) = entry.or_insert_with(|| (flows.clone(), 0, false));
        *count += 1;
        if all.traffic() != flows.traffic() {
            *uneven = true;
        }
        *all = all.union(flows);
    }

    fn cells(self, sizes: &BTreeMap<String, usize>) -> Vec<Cell> {
        let size = |name: &str| sizes.get(name).copied().unwrap_or(1);
        let cell = |((from, to), (flows, count, uneven)): ((String, String), _)| Cell {
            partial: uneven || count < size(&from) * size(&to),
            from,
            to,
            flows,
        };
        self.0.into_iter().map(cell).collect()
    }
}
