//! Network ACLs that let connections through and not their replies.
//!
//! ## What it does
//! For each subnet with an ACL of its own, compares what comes in with what may go back to the
//! ports clients listen on, 1024-65535.
//!
//! ## Why is this bad
//! ACLs have no memory. The request arrives, the reply is dropped, and the client sees a timeout. With
//! part of the range open only some clients work: Linux uses 32768-60999, load balancers and NAT
//! gateways 1024-65535, Windows 49152-65535.
//!
//! ## Example
//! ```yaml
//! Egress: true
//! PortRange: { From: 443, To: 443 }
//! ```
//!
//! ## Use instead
//! ```yaml
//! Egress: true
//! PortRange: { From: 1024, To: 65535 }
//! ```
//!
//! ## References
//! - Amazon VPC User Guide, "Network ACLs", "Ephemeral ports"

use model::{NetworkAcl, NetworkAclEntry};

use super::super::{Facts, Finding};
use crate::set::{Ranges, TrafficSet};

pub(super) fn run(facts: &Facts<'_>) -> Vec<Finding> {
    let used = facts.model.network_acls.values().filter(|acl| !acl.subnets.is_empty());
    used.flat_map(|acl| [false, true].map(|egress| one_way(acl, egress))).flatten().collect()
}

/// Connections of one direction, and what may answer them.
fn one_way(acl: &NetworkAcl, egress: bool) -> Option<Finding> {
    let is_request = |entry: &&NetworkAclEntry| {
        entry.allow
            && entry.egress == egress
            && TrafficSet::from(entry.traffic).tcp.iter().any(|(first, _)| first < 1024)
    };
    let request = acl.entries.iter().find(is_request)?;
    let blocks = |entry: &NetworkAclEntry| {
        entry.cidr.is_some_and(|block| request.cidr.is_some_and(|asked| overlap(block, asked)))
            || entry.cidr6.is_some() && request.cidr6.is_some()
    };
    let mut open = Ranges::none();
    let mut shut = Ranges::none();
    for entry in acl.entries.iter().filter(|entry| entry.egress != egress && blocks(entry)) {
        let ports = TrafficSet::from(entry.traffic).tcp.difference(&open).difference(&shut);
        if entry.allow {
            open = open.union(&ports);
        } else {
            shut = shut.union(&ports);
        }
    }
    let ephemeral = Ranges::of(1024, u16::MAX);
    if open.covers(&ephemeral) {
        return None;
    }
    let missing = ephemeral.difference(&open);
    let (into, back) = if egress { ("out of", "in") } else { ("into", "out") };
    let message = format!(
        "{} lets connections {into} its subnets but no replies {back} to ports {missing}",
        acl.id
    );
    Some(Finding::at(&request.provenance, message).with_related(Some(&acl.provenance), "the ACL"))
}

fn overlap(a: ipnet::Ipv4Net, b: ipnet::Ipv4Net) -> bool {
    a.contains(&b.network()) || b.contains(&a.network())
}
