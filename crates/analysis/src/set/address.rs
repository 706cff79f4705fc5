//! Which addresses? IPv4 and IPv6 exactly, and the prefix lists whose
//! addresses only AWS knows.

use std::collections::BTreeSet;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::LazyLock;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use super::Ranges;

/// Ranges the internet does not route, so no packet of it bears such an
/// address (RFC 1918, RFC 6598, RFC 6890, RFC 1112).
const NOT_PUBLIC: &[&str] = &[
    "0.0.0.0/8",
    "10.0.0.0/8",
    "100.64.0.0/10",
    "127.0.0.0/8",
    "169.254.0.0/16",
    "172.16.0.0/12",
    "192.168.0.0/16",
    "224.0.0.0/3",
];

/// A set of addresses. A prefix list of AWS's is a set within the public
/// addresses that nobody here can enumerate; it is carried by its id, and is
/// contained in another set only when that set names it or is all of the
/// public IPv4 space.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct AddressSet {
    pub v4: Ranges<u32>,
    pub v6: Ranges<u128>,
    /// Ids of opaque prefix lists.
    pub lists: BTreeSet<String>,
    /// Whether every opaque prefix list is inside.
    pub any_list: bool,
}

impl AddressSet {
    pub fn none() -> Self {
        Self::default()
    }

    /// Every public address, without those of any prefix list: who is meant
    /// by "the internet" when AWS's own ranges are asked for apart.
    pub fn internet() -> Self {
        Self {
            v4: PUBLIC_V4.clone(),
            v6: PUBLIC_V6.clone(),
            lists: BTreeSet::new(),
            any_list: false,
        }
    }

    pub fn list(id: &str) -> Self {
        Self {
            lists: BTreeSet::from([id.to_owned()]),
            ..Self::default()
        }
    }

    pub fn v4(block: Ipv4Net) -> Self {
        let v4 = Ranges::of(block.network().into(), block.broadcast().into());
        Self {
            v4,
            ..Self::default()
        }
        .widened()
    }

    pub fn v6(block: Ipv6Net) -> Self {
        Self {
            v6: ranges_v6(block),
            ..Self::default()
        }
    }

    pub fn block(block: IpNet) -> Self {
        match block {
            IpNet::V4(block) => Self::v4(block),
            IpNet::V6(block) => Self::v6(block),
        }
    }

    pub fn address(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(address) => Self {
                v4: Ranges::one(address.into()),
                ..Self::default()
            },
            IpAddr::V6(address) => Self {
                v6: Ranges::one(address.into()),
                ..Self::default()
            },
        }
    }

    /// A set that is all of the public IPv4 space holds every prefix list.
    #[must_use]
    pub fn widened(mut self) -> Self {
        self.any_list = self.any_list || self.v4.covers(&PUBLIC_V4);
        self
    }

    pub fn is_empty(&self) -> bool {
        self.v4.is_empty() && self.v6.is_empty() && self.lists.is_empty() && !self.any_list
    }

    /// Whether it holds every public IPv4 address.
    pub fn is_world_v4(&self) -> bool {
        self.v4.covers(&PUBLIC_V4)
    }

    /// Whether it holds every public IPv6 address.
    pub fn is_world_v6(&self) -> bool {
        self.v6.covers(&PUBLIC_V6)
    }

    fn holds(&self, list: &str) -> bool {
        self.any_list || self.lists.contains(list)
    }

    pub fn covers(&self, other: &Self) -> bool {
        self.v4.covers(&other.v4)
            && self.v6.covers(&other.v6)
            && other.lists.iter().all(|list| self.holds(list))
            && (self.any_list || !other.any_list)
    }

    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        Self {
            v4: self.v4.union(&other.v4),
            v6: self.v6.union(&other.v6),
            lists: self.lists.union(&other.lists).cloned().collect(),
            any_list: self.any_list || other.any_list,
        }
    }

    #[must_use]
    pub fn intersection(&self, other: &Self) -> Self {
        let mine = self.lists.iter().filter(|list| other.holds(list));
        let theirs = other.lists.iter().filter(|list| self.holds(list));
        Self {
            v4: self.v4.intersection(&other.v4),
            v6: self.v6.intersection(&other.v6),
            lists: mine.chain(theirs).cloned().collect(),
            any_list: self.any_list && other.any_list,
        }
    }

    #[must_use]
    pub fn difference(&self, other: &Self) -> Self {
        Self {
            v4: self.v4.difference(&other.v4),
            v6: self.v6.difference(&other.v6),
            lists: self
                .lists
                .iter()
                .filter(|list| !other.holds(list))
                .cloned()
                .collect(),
            any_list: self.any_list && !other.any_list,
        }
    }
}

/// Every IPv4 address that the internet routes.
static PUBLIC_V4: LazyLock<Ranges<u32>> = LazyLock::new(|| {
    let blocked = NOT_PUBLIC.iter().map(|block| {
        let block: Ipv4Net = block.parse().expect("a valid block");
        (block.network().into(), block.broadcast().into())
    });
    blocked.collect::<Ranges<u32>>().complement()
});

/// Global unicast without the documentation range (RFC 4291, RFC 3849), of
/// which the model makes stand-ins for blocks that AWS provides.
static PUBLIC_V6: LazyLock<Ranges<u128>> = LazyLock::new(|| {
    let block = |text: &str| ranges_v6(text.parse().expect("a valid block"));
    block("2000::/3").difference(&block("2001:db8::/32"))
});

fn ranges_v6(block: Ipv6Net) -> Ranges<u128> {
    Ranges::of(block.network().into(), block.broadcast().into())
}

/// CIDR blocks where the set is made of them, else ranges; the whole internet
/// as people write it.
impl fmt::Display for AddressSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parts: Vec<String> = Vec::new();
        if self.is_world_v4() {
            parts.push("0.0.0.0/0".to_owned());
        } else {
            for (first, last) in self.v4.iter() {
                let (first, last) = (Ipv4Addr::from(first), Ipv4Addr::from(last));
                parts.extend(
                    Ipv4Net::aggregate(&subnets_v4(first, last))
                        .iter()
                        .map(|block| {
                            if block.prefix_len() == 32 {
                                block.addr().to_string()
                            } else {
                                block.to_string()
                            }
                        }),
                );
            }
        }
        if self.is_world_v6() {
            parts.push("::/0".to_owned());
        } else {
            for (first, last) in self.v6.iter() {
                let (first, last) = (Ipv6Addr::from(first), Ipv6Addr::from(last));
                let blocks = ipnet::Ipv6Subnets::new(first, last, 0);
                parts.extend(blocks.map(|block| block.to_string()));
            }
        }
        parts.extend(self.lists.iter().cloned());
        if parts.is_empty() {
            return f.write_str(if self.any_list {
                "any prefix list"
            } else {
                "nothing"
            });
        }
        f.write_str(&parts.join(", "))
    }
}

fn subnets_v4(first: Ipv4Addr, last: Ipv4Addr) -> Vec<Ipv4Net> {
    ipnet::Ipv4Subnets::new(first, last, 0).collect()
}
