//! What does a person mean by FROM and TO?
//!
//! `internet`, `cloudfront`, a logical id, an interface (`UsersService/1`,
//! `eni-…`, its address), a CIDR block. A target may end in `:443`,
//! `:8000-8080`, `:udp/53` or `:ping`.

use std::net::IpAddr;

use ipnet::IpNet;
use model::{
    Bucket, Distribution, Eni, EniId, LogicalId, Model, PortRange, Traffic, VpcEndpoint,
    VpcEndpointKind,
};
use thiserror::Error;

use super::network::Network;
use crate::set::{AddressSet, TrafficSet};

/// One side of a question.
#[derive(Clone, Debug)]
pub enum Place<'a> {
    /// Addresses outside every VPC, by the name they were asked for.
    World {
        name: String,
        addresses: AddressSet,
    },
    Distribution(&'a Distribution),
    /// Interfaces, by the name they were asked for.
    Interfaces {
        name: String,
        enis: Vec<&'a Eni>,
    },
    /// The service behind a gateway endpoint.
    Gateway(&'a VpcEndpoint),
    Bucket(&'a Bucket),
}

/// A place and the traffic that is to get there.
#[derive(Clone, Debug)]
pub struct Target<'a> {
    pub place: Place<'a>,
    pub traffic: TrafficSet,
}

/// Why a place could not be made out.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum PlaceError {
    #[error("nothing in the template is called `{name}`")]
    Unknown {
        name: String,
        similar: Option<String>,
    },
    #[error("`{name}` has no network interface")]
    NoInterface { name: String },
    #[error("`{text}` is no port: expected 443, 8000-8080, udp/53 or ping")]
    Port { text: String },
}

impl PlaceError {
    /// What the person can do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Unknown { similar, .. } => Some(match similar {
                Some(name) => format!("did you mean `{name}`?"),
                None => "name a logical id, an interface, a CIDR block, `internet` or \
                         `cloudfront`"
                    .to_owned(),
            }),
            Self::NoInterface { .. } => Some(
                "its count may be 0 under these parameters, or its type has no interface"
                    .to_owned(),
            ),
            Self::Port { .. } => None,
        }
    }
}

impl Place<'_> {
    pub fn name(&self) -> String {
        match self {
            Self::World { name, .. } | Self::Interfaces { name, .. } => name.clone(),
            Self::Distribution(distribution) => distribution.id.to_string(),
            Self::Gateway(endpoint) => endpoint.id.to_string(),
            Self::Bucket(bucket) => bucket.id.to_string(),
        }
    }
}

/// Reads `PLACE[:PORT]`; without a port, all traffic is meant.
///
/// # Errors
/// The name is unknown, stands for no interface, or the port is none.
pub fn target<'a>(network: &Network<'a>, text: &str) -> Result<Target<'a>, PlaceError> {
    let whole = |place| Target {
        place,
        traffic: TrafficSet::all(),
    };
    if text.parse::<IpNet>().is_ok() || text.parse::<IpAddr>().is_ok() {
        return place(network, text).map(whole);
    }
    match text.rsplit_once(':') {
        Some((name, port)) => Ok(Target {
            place: place(network, name.trim_start_matches('[').trim_end_matches(']'))?,
            traffic: traffic(port)?,
        }),
        None => place(network, text).map(whole),
    }
}

/// Reads `443`, `8000-8080`, `tcp/443`, `udp/53`, `ping`.
fn traffic(text: &str) -> Result<TrafficSet, PlaceError> {
    let error = || PlaceError::Port {
        text: text.to_owned(),
    };
    let (protocol, ports) = text.split_once('/').unwrap_or(("tcp", text));
    if text == "ping" || text == "icmp" {
        return Ok(TrafficSet::ping());
    }
    let (first, last) = ports.split_once('-').unwrap_or((ports, ports));
    let range = PortRange {
        first: first.parse().map_err(|_| error())?,
        last: last.parse().map_err(|_| error())?,
    };
    match protocol {
        _ if range.first > range.last => Err(error()),
        "tcp" => Ok(Traffic::Tcp(range).into()),
        "udp" => Ok(Traffic::Udp(range).into()),
        _ => Err(error()),
    }
}

/// Reads a place without a port.
///
/// # Errors
/// The name is unknown or stands for no interface.
pub fn place<'a>(network: &Network<'a>, text: &str) -> Result<Place<'a>, PlaceError> {
    let model = network.model;
    match text {
        "internet" => {
            return Ok(Place::World {
                name: text.to_owned(),
                addresses: AddressSet::internet(),
            });
        }
        "cloudfront" => {
            return Ok(Place::World {
                name: text.to_owned(),
                addresses: network.cloudfront(),
            });
        }
        _ => {}
    }
    if let Some(block) = block(text) {
        return Ok(in_block(model, text, block));
    }
    if let Some(endpoint) = model.vpc_endpoints.get(text)
        && matches!(endpoint.kind, VpcEndpointKind::Gateway { .. })
    {
        return Ok(Place::Gateway(endpoint));
    }
    if let Some(distribution) = model.distributions.get(text) {
        return Ok(Place::Distribution(distribution));
    }
    if let Some(bucket) = model.buckets.get(text) {
        return Ok(Place::Bucket(bucket));
    }
    let enis = interfaces(network, text);
    if !enis.is_empty() {
        return Ok(Place::Interfaces {
            name: text.to_owned(),
            enis,
        });
    }
    let name = text.to_owned();
    if model.stack.resources.contains_key(text) {
        return Err(PlaceError::NoInterface { name });
    }
    let known = model.stack.resources.keys().map(String::as_str);
    let similar = known
        .chain(["internet", "cloudfront"])
        .min_by_key(|candidate| distance(candidate, text))
        .filter(|candidate| distance(candidate, text) <= text.len().div_ceil(3));
    Err(PlaceError::Unknown {
        name,
        similar: similar.map(str::to_owned),
    })
}

fn block(text: &str) -> Option<IpNet> {
    let address = |text: &str| text.parse::<IpAddr>().ok().map(IpNet::from);
    text.parse().ok().or_else(|| address(text))
}

/// Inside a VPC a block is its interfaces, outside it is the addresses themselves.
fn in_block<'a>(model: &'a Model, text: &str, block: IpNet) -> Place<'a> {
    let inside = |eni: &&Eni| {
        block.contains(&IpAddr::from(eni.address))
            || eni
                .address6
                .is_some_and(|address| block.contains(&IpAddr::from(address)))
    };
    let enis: Vec<&Eni> = model.enis.values().filter(inside).collect();
    let name = text.to_owned();
    if enis.is_empty() || block.prefix_len() == 0 {
        let addresses = AddressSet::block(block).intersection(&AddressSet::internet());
        Place::World { name, addresses }
    } else {
        Place::Interfaces { name, enis }
    }
}

/// The interfaces a name stands for.
fn interfaces<'a>(network: &Network<'a>, text: &str) -> Vec<&'a Eni> {
    let model = network.model;
    if let Some(eni) = model.enis.get(&EniId(text.to_owned())) {
        return vec![eni];
    }
    let owners = owners(model, text);
    let belongs = |eni: &&Eni| {
        owners.contains(&&eni.owner)
            || eni.interface_id == text
            || eni.subnet.as_str() == text
            || eni
                .security_groups
                .iter()
                .any(|group| group.as_str() == text)
            || network
                .vpc_of(&eni.subnet)
                .is_some_and(|vpc| vpc.id.as_str() == text)
    };
    model.enis.values().filter(belongs).collect()
}

/// The resources with interfaces that a logical id leads to.
fn owners<'a>(model: &'a Model, text: &str) -> Vec<&'a LogicalId> {
    let own = model
        .enis
        .values()
        .map(|eni| &eni.owner)
        .find(|owner| owner.as_str() == text);
    let by_template = model.auto_scaling_groups.values().filter(|group| {
        group
            .launch_template
            .as_ref()
            .is_some_and(|id| id.as_str() == text)
            || group.target_groups.iter().any(|id| id.as_str() == text)
    });
    let by_definition = model.services.values().filter(|service| {
        service
            .task_definition
            .as_ref()
            .is_some_and(|id| id.as_str() == text)
            || service
                .load_balancers
                .iter()
                .any(|target| target.target_group.as_str() == text)
    });
    let by_listener = model.load_balancers.values().filter(|balancer| {
        balancer
            .listeners
            .iter()
            .any(|listener| listener.id.as_str() == text)
    });
    let by_cluster = model.databases.values().filter(|database| {
        database
            .cluster
            .as_ref()
            .is_some_and(|id| id.as_str() == text)
    });
    own.into_iter()
        .chain(by_cluster.map(|database| &database.id))
        .chain(by_template.map(|group| &group.id))
        .chain(by_definition.map(|service| &service.id))
        .chain(by_listener.map(|balancer| &balancer.id))
        .collect()
}

/// Edit distance without regard to letter case.
fn distance(a: &str, b: &str) -> usize {
    let (a, b) = (a.to_ascii_lowercase(), b.to_ascii_lowercase());
    let mut row: Vec<usize> = (0..=b.chars().count()).collect();
    for (index, left) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = index + 1;
        for (column, right) in b.chars().enumerate() {
            let replaced = diagonal + usize::from(left != right);
            diagonal = row[column + 1];
            row[column + 1] = replaced.min(diagonal + 1).min(row[column] + 1);
        }
    }
    row.last().copied().unwrap_or_default()
}
