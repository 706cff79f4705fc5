//! Which public addresses stand for whom?
//!
//! Nothing here is routed anywhere: the ranges are those set aside for
//! documentation (RFC 5737), so that no packet of a region can be mistaken
//! for one of the real internet, or become one.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use ipnet::Ipv4Net;
use model::{EniId, Model};

/// The one address of AWS's public API endpoints, told apart by TLS server name.
pub const AWS_SERVICES: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 10);
/// Cognito: its API and the pools' hosted pages.
pub const COGNITO: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 20);
/// S3, by itself because routes and rules name its addresses.
pub const S3: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 129);
/// What stands for the S3 prefix list.
pub const S3_RANGE: &str = "192.0.2.128/28";
/// Where viewers reach the distribution.
pub const EDGE: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 40);
/// Where the edge's requests to origins come from.
pub const EDGE_ORIGIN_FACING: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 10);
/// What stands for the CloudFront origin-facing prefix list.
pub const ORIGIN_FACING_RANGE: &str = "198.51.100.0/26";
/// A person on the internet.
pub const VIEWER: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 200);
/// The person's own machine on the internet.
pub const VISITOR: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 201);
/// The resolver of that machine.
pub const PUBLIC_RESOLVER: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 53);
/// Public and elastic addresses of the VPC's interfaces.
const FIRST_PUBLIC: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 10);
const PUBLIC_COUNT: u32 = 240;

/// The stand-in blocks of a prefix list; `None` for one nothing is known about.
pub fn prefix_list(model: &Model, id: &str) -> Option<Vec<Ipv4Net>> {
    let list = model.prefix_lists.get(id);
    if let Some(entries) = list.and_then(|list| list.entries.clone()) {
        return Some(entries);
    }
    let name = list.map_or(id, |list| list.name.as_str());
    let range = if name.ends_with(".cloudfront.origin-facing") {
        ORIGIN_FACING_RANGE
    } else if name.ends_with(".s3") {
        S3_RANGE
    } else {
        return None;
    };
    Some(vec![range.parse().expect("a constant block")])
}

/// A public address for every interface that has one, in order of id; those
/// past the end of the range get none and are returned as the second part.
pub fn public(model: &Model) -> (BTreeMap<EniId, Ipv4Addr>, Vec<EniId>) {
    let wanted = model
        .enis
        .values()
        .filter(|eni| eni.public)
        .map(|eni| eni.id.clone());
    let mut given = BTreeMap::new();
    let mut without = Vec::new();
    for (index, id) in (0_u32..).zip(wanted) {
        if index < PUBLIC_COUNT {
            given.insert(id, Ipv4Addr::from(u32::from(FIRST_PUBLIC) + index));
        } else {
            without.push(id);
        }
    }
    (given, without)
}
