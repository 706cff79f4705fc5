//! Names and addresses, as data.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use ipnet::{IpNet, Ipv4Net};

/// All that one resolver knows: a VPC's, or the internet's. Nothing is ever
/// asked of anybody else.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DnsView {
    /// By name: lower case, without the last dot; `*.example` answers for every
    /// name under `example` that has no entry of its own (RFC 4592).
    pub records: BTreeMap<String, RecordSet>,
    /// Where authority begins, for negative answers: `ap-northeast-2.amazonaws.com`.
    pub apexes: BTreeSet<String>,
    /// Which availability zone an asker stands in.
    pub zones: Vec<(IpNet, String)>,
    /// The names every address of a VPC has by itself.
    pub private_names: Option<PrivateNames>,
}

/// What a name stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordSet {
    /// How long an answer may be kept, in seconds.
    pub ttl_s: u32,
    /// The answer.
    pub records: Records,
}

/// The answer itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Records {
    /// Addresses; those in the asker's zone come first.
    Addresses(Vec<ZonedAddress>),
    /// Another name (CNAME, or a Route 53 alias if `flattened`).
    Name {
        /// The other name.
        target: String,
        /// Answer with the addresses of the target under the name asked for, as
        /// alias records do.
        flattened: bool,
    },
    /// A text record.
    Text(Vec<String>),
}

/// An address, and where it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ZonedAddress {
    /// The address.
    pub address: IpAddr,
    /// Its availability zone, if it has one.
    pub zone: Option<String>,
}

/// `ip-10-0-10-5.ap-northeast-2.compute.internal` and back (Amazon VPC user
/// guide, "DNS attributes for your VPC").
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PrivateNames {
    /// The addresses of the VPC.
    pub cidrs: Vec<Ipv4Net>,
    /// `ap-northeast-2.compute.internal`.
    pub domain: String,
}
