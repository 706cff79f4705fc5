//! Where does a subnet's route table send packets?
//!
//! The longest prefix wins; among equals a written route beats one of a prefix
//! list. (VPC User Guide, "How route priority works")

use ipnet::IpNet;
use model::{Destination, LogicalId, Route, RouteTarget};

use super::network::Network;
use crate::set::AddressSet;

/// Addresses that share a way.
#[derive(Clone, Debug)]
pub(super) struct Leg<'a> {
    pub(super) destinations: AddressSet,
    pub(super) way: Way<'a>,
}

/// What a route table does with packets.
#[derive(Clone, Copy, Debug)]
pub(super) enum Way<'a> {
    /// Delivered within the VPC.
    Local,
    Route(&'a Route),
    /// No route.
    Nowhere,
}

impl Leg<'_> {
    pub(super) fn target(&self) -> Option<&RouteTarget> {
        match self.way {
            Way::Route(route) => Some(&route.target),
            Way::Local | Way::Nowhere => None,
        }
    }
}

/// Splits destinations by the route that takes them.
pub(super) fn legs<'a>(
    network: &Network<'a>,
    subnet: &LogicalId,
    destinations: &AddressSet,
) -> Vec<Leg<'a>> {
    let mut ways: Vec<(u8, u8, AddressSet, Way<'a>)> = Vec::new();
    if let Some(vpc) = network.vpc_of(subnet) {
        for block in &vpc.cidrs {
            ways.push((block.prefix_len(), 0, AddressSet::v4(*block), Way::Local));
        }
        if let Some(block) = &vpc.cidr6 {
            ways.push((block.prefix_len(), 0, AddressSet::v6(*block), Way::Local));
        }
    }
    let table = network.route_table(subnet);
    for route in table
        .map(|table| table.routes.as_slice())
        .unwrap_or_default()
    {
        let way = Way::Route(route);
        match &route.destination {
            Destination::Cidr(block) => {
                ways.push((block.prefix_len(), 1, AddressSet::v4(*block), way));
            }
            Destination::Cidr6(block) => {
                ways.push((block.prefix_len(), 1, AddressSet::v6(*block), way));
            }
            Destination::PrefixList(id) => {
                let entries = network.model.prefix_lists.get(id);
                match entries.and_then(|list| list.entries.as_ref()) {
                    Some(entries) => {
                        for block in entries {
                            let addresses = AddressSet::block(IpNet::V4(*block));
                            ways.push((block.prefix_len(), 2, addresses, way));
                        }
                    }
                    // AWS's lists hold blocks longer than any route people write for them.
                    None => ways.push((u8::MAX, 2, AddressSet::list(id), way)),
                }
            }
        }
    }
    ways.sort_by_key(|(length, rank, ..)| (std::cmp::Reverse(*length), *rank));
    let mut rest = destinations.clone();
    let mut legs: Vec<Leg<'a>> = Vec::new();
    for (_, _, addresses, way) in ways {
        let taken = rest.intersection(&addresses);
        if !taken.is_empty() {
            rest = rest.difference(&addresses);
            legs.push(Leg {
                destinations: taken,
                way,
            });
        }
        if rest.is_empty() {
            return legs;
        }
    }
    legs.push(Leg {
        destinations: rest,
        way: Way::Nowhere,
    });
    legs
}
