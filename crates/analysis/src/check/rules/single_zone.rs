//! Parts that stand in one Availability Zone while the system has more.
//!
//! ## What it does
//! Where the VPC has subnets in several zones, reports load balancers, services and Auto Scaling
//! groups that use one of them, and subnet groups of a database that do.
//!
//! ## Why is this bad
//! The zone's failure is then the system's.
//!
//! ## Example
//! ```yaml
//! VPCZoneIdentifier: [!Ref AppSubnetA]
//! ```
//!
//! ## Use instead
//! ```yaml
//! VPCZoneIdentifier: [!Ref AppSubnetA, !Ref AppSubnetB]
//! ```
//!
//! ## References
//! - AWS Well-Architected Framework, Reliability pillar, "Deploy the workload to multiple locations"

use std::collections::BTreeSet;

use cfn::Provenance;
use model::LogicalId;

use super::super::{Facts, Finding};

pub(super) fn run(facts: &Facts<'_>) -> Vec<Finding> {
    let model = facts.model;
    let zone = |subnet: &LogicalId| Some(model.subnets.get(subnet)?.availability_zone.as_str());
    let zones: BTreeSet<&str> =
        model.subnets.values().map(|subnet| subnet.availability_zone.as_str()).collect();
    if zones.len() < 2 {
        return Vec::new();
    }
    let balancers = model.load_balancers.values();
    let balancers = balancers.map(|one| (&one.id, &one.subnets, &one.provenance));
    let services = model.services.values();
    let services = services.map(|one| (&one.id, &one.subnets, &one.provenance));
    let groups = model.auto_scaling_groups.values();
    let groups = groups.map(|one| (&one.id, &one.subnets, &one.provenance));
    let databases = model.databases.values();
    let databases = databases.map(|one| (&one.id, &one.subnets, &one.provenance));
    let all = balancers.chain(services).chain(groups).chain(databases);
    let mut findings = Vec::new();
    for (id, subnets, place) in all {
        let used: BTreeSet<&str> = subnets.iter().filter_map(zone).collect();
        if let (1, Some(only)) = (used.len(), used.first()) {
            findings.push(finding(id, only, place));
        }
    }
    findings
}

fn finding(id: &LogicalId, zone: &str, place: &Provenance) -> Finding {
    Finding::at(place, format!("{id} stands in {zone} only"))
}
