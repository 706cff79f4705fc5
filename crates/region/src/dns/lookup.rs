//! From a name to what it stands for, without any packet.

use std::net::{IpAddr, Ipv4Addr};

use crate::blueprint::dns::{DnsView, PrivateNames, Records, ZonedAddress};

/// Longest chain of names that is followed.
const MAX_CHAIN: usize = 8;
/// How long the names that addresses have by themselves may be kept, in seconds.
const PRIVATE_NAME_TTL_S: u32 = 60;

/// Why a name gave no address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LookupError {
    /// Nobody here knows the name.
    #[error("`{name}` does not exist")]
    NoSuchName {
        /// The name asked for.
        name: String,
    },
    /// The name exists but has no address.
    #[error("`{name}` has no address")]
    NoAddress {
        /// The name asked for.
        name: String,
    },
}

/// One record of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) name: String,
    pub(super) ttl_s: u32,
    pub(super) value: Value,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Value {
    Address(IpAddr),
    Alias(String),
    Pointer(String),
    Text(Vec<String>),
}

/// Everything known about one name, aliases followed.
#[derive(Debug, Default)]
pub(super) struct Answer {
    pub(super) records: Vec<Found>,
    /// Whether the name (the last one, if aliases were followed) exists at all.
    pub(super) exists: bool,
}

impl Answer {
    pub(super) fn addresses(&self) -> Vec<IpAddr> {
        let address = |found: &Found| match found.value {
            Value::Address(address) => Some(address),
            _ => None,
        };
        self.records.iter().filter_map(address).collect()
    }
}

/// Lower case, without the last dot.
pub(super) fn normal(name: &str) -> String {
    name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase()
}

/// Looks `name` (in normal form) up for the asker at `source`.
pub(super) fn find(view: &DnsView, name: &str, source: IpAddr) -> Answer {
    let mut answer = Answer::default();
    let mut owner = name.to_owned();
    let mut target = name.to_owned();
    for _ in 0..MAX_CHAIN {
        let Some((ttl_s, records)) = entry(view, &target) else {
            let private = private_name(view, &target);
            answer.exists = private.is_some() || has_names_under(view, &target);
            let found = |value| Found {
                name: owner.clone(),
                ttl_s: PRIVATE_NAME_TTL_S,
                value,
            };
            answer.records.extend(private.map(found));
            return answer;
        };
        answer.exists = true;
        let found = |value| Found {
            name: owner.clone(),
            ttl_s,
            value,
        };
        match records {
            Records::Addresses(addresses) => {
                let nearest = nearest_first(view, addresses, source);
                answer
                    .records
                    .extend(nearest.map(|address| found(Value::Address(address))));
                return answer;
            }
            Records::Text(text) => {
                answer.records.push(found(Value::Text(text.clone())));
                return answer;
            }
            Records::Name {
                target: next,
                flattened,
            } => {
                let next = normal(next);
                if !flattened {
                    answer.records.push(found(Value::Alias(next.clone())));
                    owner.clone_from(&next);
                }
                target = next;
            }
        }
    }
    answer
}

/// The name's own records, or those of the nearest wildcard above it.
fn entry<'a>(view: &'a DnsView, name: &str) -> Option<(u32, &'a Records)> {
    let own = view.records.get(name).or_else(|| {
        let mut parents =
            std::iter::successors(name.split_once('.'), |(_, parent)| parent.split_once('.'));
        // a name that exists, even without records, hides wildcards above it
        if has_names_under(view, name) {
            return None;
        }
        parents.find_map(|(_, parent)| view.records.get(&format!("*.{parent}")))
    });
    own.map(|set| (set.ttl_s, &set.records))
}

fn has_names_under(view: &DnsView, name: &str) -> bool {
    let suffix = format!(".{name}");
    name.is_empty()
        || view
            .apexes
            .iter()
            .any(|apex| apex == name || apex.ends_with(&suffix))
        || view.records.keys().any(|known| known.ends_with(&suffix))
}

fn nearest_first<'a>(
    view: &DnsView,
    addresses: &'a [ZonedAddress],
    source: IpAddr,
) -> impl Iterator<Item = IpAddr> + use<'a> {
    let here = view
        .zones
        .iter()
        .find(|(net, _)| net.contains(&source))
        .map(|(_, zone)| zone.clone());
    let mut sorted: Vec<&ZonedAddress> = addresses.iter().collect();
    sorted.sort_by_key(|address| here.is_none() || address.zone != here);
    sorted.into_iter().map(|address| address.address)
}

/// `ip-A-B-C-D.domain` to its address, and `D.C.B.A.in-addr.arpa` to its name.
fn private_name(view: &DnsView, name: &str) -> Option<Value> {
    let names = view.private_names.as_ref()?;
    if let Some(reverse) = name.strip_suffix(".in-addr.arpa") {
        let mut octets: Vec<u8> = reverse
            .split('.')
            .map(str::parse)
            .collect::<Result<_, _>>()
            .ok()?;
        octets.reverse();
        let address = Ipv4Addr::from(<[u8; 4]>::try_from(octets).ok()?);
        return inside(names, address).then(|| {
            let dashed = address.to_string().replace('.', "-");
            Value::Pointer(format!("ip-{dashed}.{}", names.domain))
        });
    }
    let label = name
        .strip_suffix(&names.domain)?
        .strip_suffix('.')?
        .strip_prefix("ip-")?;
    let address: Ipv4Addr = label.replace('-', ".").parse().ok()?;
    inside(names, address).then_some(Value::Address(IpAddr::V4(address)))
}

fn inside(names: &PrivateNames, address: Ipv4Addr) -> bool {
    names.cidrs.iter().any(|cidr| cidr.contains(&address))
}
