//! Who can reach whom, with which traffic, by which way, or what stands in it?
//!
//! A [`Network`] indexes a model's interfaces, filters and routes. One
//! connection between two places is judged gate by gate ([`connect`]): security
//! groups on both sides, network ACLs in both directions, routes and gateways.
//! Load balancers and distributions pass requests on, so a way may have
//! several connections ([`ask`]).
//!
//! (VPC User Guide, "Security groups", "Network ACLs", "Route tables"; blockers
//! carry the codes of "Reachability Analyzer explanation codes".)

mod ask;
mod class;
mod connection;
mod filter;
mod forward;
mod gate;
mod matrix;
mod network;
mod passage;
mod place;
mod route;
mod verdict;

pub use ask::{Answer, Outcome, ask};
pub(crate) use ask::{ask_among, every_pair};
pub use class::{Class, Classes};
pub use connection::{End, connect};
pub(crate) use connection::{Passed, accepted, passed};
pub use forward::{Node, Step};
pub(crate) use forward::{balancer_named, forwarded_groups, on_port, origin_ports, targets};
pub use matrix::{Cell, Matrix, matrix};
pub(crate) use matrix::{gateway_addresses, outside_end};
pub use network::Network;
pub use place::{Place, PlaceError, Target, place, target};
pub use verdict::{Blocker, Code, Hop, Verdict};

use model::{EniId, Model};

use crate::set::TrafficSet;

/// Where a packet may come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Point {
    Internet,
    /// CloudFront's servers: the managed prefix list of their addresses.
    CloudFront,
    Eni(EniId),
}

/// Transport of a single connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Protocol {
    Tcp,
    Udp,
    /// An echo request; the port does not count.
    Ping,
}

/// Whether one connection's packets get there and the replies come back:
/// filters and routes only, nothing passed on by anything on the way.
///
/// `None` when the model has no such interface.
pub fn verdict(
    model: &Model,
    from: &Point,
    to: &EniId,
    protocol: Protocol,
    port: u16,
) -> Option<Verdict> {
    let network = Network::new(model);
    let traffic = match protocol {
        Protocol::Tcp => TrafficSet::tcp(port),
        Protocol::Udp => TrafficSet::udp(port),
        Protocol::Ping => TrafficSet::ping(),
    };
    let from = match from {
        Point::Internet => End::internet(),
        Point::CloudFront => End::cloudfront(&network),
        Point::Eni(id) => End::Eni(model.enis.get(id)?),
    };
    let to = End::Eni(model.enis.get(to)?);
    Some(connect(&network, &from, &to, &traffic))
}

#[cfg(test)]
mod tests;
