//! Which traffic? Protocols with their ports, or types and codes.

use std::fmt;

use model::{PortRange, Traffic};

use super::Ranges;

/// Protocol numbers with a field of their own below.
const KNOWN: [u16; 4] = [1, 6, 17, 58];

/// A set of (protocol, destination port) and its kin.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TrafficSet {
    pub tcp: Ranges<u16>,
    pub udp: Ranges<u16>,
    /// Type times 256 plus code.
    pub icmp: Ranges<u16>,
    pub icmpv6: Ranges<u16>,
    /// Other IP protocols by number.
    pub other: Ranges<u16>,
}

impl TrafficSet {
    pub fn none() -> Self {
        Self::default()
    }

    pub fn all() -> Self {
        let known = KNOWN.into_iter().map(|number| (number, number)).collect();
        Self {
            tcp: Ranges::all(),
            udp: Ranges::all(),
            icmp: Ranges::all(),
            icmpv6: Ranges::all(),
            other: Ranges::of(0, 255).difference(&known),
        }
    }

    pub fn tcp(port: u16) -> Self {
        Self {
            tcp: Ranges::one(port),
            ..Self::default()
        }
    }

    pub fn udp(port: u16) -> Self {
        Self {
            udp: Ranges::one(port),
            ..Self::default()
        }
    }

    /// Echo requests of both families.
    pub fn ping() -> Self {
        Self {
            icmp: Ranges::one(8 << 8),
            icmpv6: Ranges::one(128 << 8),
            ..Self::default()
        }
    }

    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    pub fn is_all(&self) -> bool {
        *self == Self::all()
    }

    pub fn covers(&self, other: &Self) -> bool {
        self.tcp.covers(&other.tcp)
            && self.udp.covers(&other.udp)
            && self.icmp.covers(&other.icmp)
            && self.icmpv6.covers(&other.icmpv6)
            && self.other.covers(&other.other)
    }

    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        self.zip(other, Ranges::union)
    }

    #[must_use]
    pub fn intersection(&self, other: &Self) -> Self {
        self.zip(other, Ranges::intersection)
    }

    #[must_use]
    pub fn difference(&self, other: &Self) -> Self {
        self.zip(other, Ranges::difference)
    }

    fn zip(&self, other: &Self, with: impl Fn(&Ranges<u16>, &Ranges<u16>) -> Ranges<u16>) -> Self {
        Self {
            tcp: with(&self.tcp, &other.tcp),
            udp: with(&self.udp, &other.udp),
            icmp: with(&self.icmp, &other.icmp),
            icmpv6: with(&self.icmpv6, &other.icmpv6),
            other: with(&self.other, &other.other),
        }
    }
}

impl From<Traffic> for TrafficSet {
    fn from(traffic: Traffic) -> Self {
        let ports = |PortRange { first, last }| Ranges::of(first, last);
        match traffic {
            Traffic::All => Self::all(),
            Traffic::Tcp(range) => Self {
                tcp: ports(range),
                ..Self::default()
            },
            Traffic::Udp(range) => Self {
                udp: ports(range),
                ..Self::default()
            },
            Traffic::Icmp(kind, code) => Self {
                icmp: types(kind, code),
                ..Self::default()
            },
            Traffic::Icmpv6(kind, code) => Self {
                icmpv6: types(kind, code),
                ..Self::default()
            },
            Traffic::Other(number) => Self {
                other: Ranges::one(u16::from(number)),
                ..Self::default()
            },
        }
    }
}

/// Type and code as numbers; a code counts only under a type.
fn types(kind: Option<u8>, code: Option<u8>) -> Ranges<u16> {
    let Some(kind) = kind else {
        return Ranges::all();
    };
    let base = u16::from(kind) << 8;
    match code {
        Some(code) => Ranges::one(base | u16::from(code)),
        None => Ranges::of(base, base | 0xff),
    }
}

/// `tcp 443, 8080; udp 53; icmp` and so on.
impl fmt::Display for TrafficSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_all() {
            return f.write_str("all traffic");
        }
        let mut parts = Vec::new();
        for (name, ports) in [("tcp", &self.tcp), ("udp", &self.udp)] {
            if ports.is_all() {
                parts.push(format!("{name} all ports"));
            } else if !ports.is_empty() {
                parts.push(format!("{name} {ports}"));
            }
        }
        for (name, kinds) in [("icmp", &self.icmp), ("icmpv6", &self.icmpv6)] {
            if kinds.is_all() {
                parts.push(name.to_owned());
            } else if !kinds.is_empty() {
                let one = |(first, last): (u16, u16)| match (first >> 8, last >> 8) {
                    (kind, end) if kind == end && first & 0xff == 0 && last & 0xff == 0xff => {
                        format!("type {kind}")
                    }
                    (kind, _) if first == last => format!("type {kind} code {}", first & 0xff),
                    (kind, end) => format!("types {kind}-{end}"),
                };
                let list: Vec<_> = kinds.iter().map(one).collect();
                parts.push(format!("{name} {}", list.join(", ")));
            }
        }
        if !self.other.is_empty() {
            parts.push(format!("protocol {}", self.other));
        }
        if parts.is_empty() {
            parts.push("nothing".to_owned());
        }
        f.write_str(&parts.join("; "))
    }
}
