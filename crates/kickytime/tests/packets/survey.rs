//! Which connections are there to try?

use std::net::{Ipv4Addr, SocketAddrV4};

use model::{EniId, Model};
use region::blueprint::Blueprint;
use region::plan::addresses::{AWS_SERVICES, EDGE_ORIGIN_FACING, S3, VIEWER};

use crate::oracle::Side;
use crate::world::{CLOSED_PORT, Origin, PORTS};

/// A connection, as a person would name it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Trip {
    pub(crate) from: Origin,
    pub(crate) to: Goal,
    pub(crate) port: u16,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Goal {
    Eni(EniId),
    Internet(Ipv4Addr),
}

impl std::fmt::Display for Trip {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.from {
            Origin::Eni(id) => write!(f, "{id}")?,
            Origin::Internet(address) => write!(f, "{address}")?,
        }
        match &self.to {
            Goal::Eni(id) => write!(f, " -> {id}")?,
            Goal::Internet(address) => write!(f, " -> {address}")?,
        }
        write!(f, ":{}", self.port)
    }
}

impl Trip {
    /// The side it starts at.
    pub(crate) fn source<'a>(&self, model: &'a Model) -> Side<'a> {
        match &self.from {
            Origin::Eni(id) => Side::Eni(&model.enis[id]),
            Origin::Internet(address) => Side::Outside(*address),
        }
    }

    /// The side it is to end at.
    pub(crate) fn destination<'a>(&self, model: &'a Model) -> Side<'a> {
        match &self.to {
            Goal::Eni(id) => Side::Eni(&model.enis[id]),
            Goal::Internet(address) => Side::Outside(*address),
        }
    }

    /// The address to connect to: from outside the public one, if there is one.
    pub(crate) fn address(&self, blueprint: &Blueprint) -> SocketAddrV4 {
        let address = match &self.to {
            Goal::Internet(address) => *address,
            Goal::Eni(id) => {
                let interface = blueprint.interface(id).unwrap();
                let public = interface.public;
                let public = public.filter(|_| matches!(self.from, Origin::Internet(_)));
                public.unwrap_or(interface.address)
            }
        };
        SocketAddrV4::new(address, self.port)
    }
}

/// Every (interface, viewer or edge; interface or public address; port).
pub(crate) fn trips(model: &Model) -> Vec<Trip> {
    let interfaces = || model.enis.keys().cloned();
    let origins = interfaces()
        .map(Origin::Eni)
        .chain([VIEWER, EDGE_ORIGIN_FACING].map(Origin::Internet));
    let mut trips = Vec::new();
    for from in origins {
        let outside = [VIEWER, S3, AWS_SERVICES].map(Goal::Internet);
        let outside = outside
            .into_iter()
            .filter(|_| matches!(from, Origin::Eni(_)));
        for to in interfaces().map(Goal::Eni).chain(outside) {
            let to_itself = matches!((&from, &to), (Origin::Eni(a), Goal::Eni(b)) if a == b);
            if to_itself {
                continue;
            }
            for port in PORTS.into_iter().chain([CLOSED_PORT]) {
                trips.push(Trip {
                    from: from.clone(),
                    to: to.clone(),
                    port,
                });
            }
        }
    }
    trips
}
