//! Interface endpoints without an interface in a zone that uses them.
//!
//! ## What it does
//! Compares the Availability Zones of each interface endpoint with those of the workloads that need
//! its service.
//!
//! ## Why is this bad
//! When the endpoint's zone fails, workloads of the healthy zone lose the service too; until then
//! their traffic crosses zones, for 0.01 USD a GB each way.
//!
//! ## Example
//! ```yaml
//! SubnetIds: [!Ref AppSubnetA]
//! ```
//!
//! ## Use instead
//! ```yaml
//! SubnetIds: [!Ref AppSubnetA, !Ref AppSubnetB]
//! ```
//!
//! ## References
//! - AWS PrivateLink Guide, "Access an AWS service using an interface VPC endpoint"

use std::collections::BTreeSet;

use model::VpcEndpointKind;

use super::super::{Facts, Finding};
use crate::needs;

pub(super) fn run(facts: &Facts<'_>) -> Vec<Finding> {
    let model = facts.model;
    let zone = |subnet| Some(model.subnets.get(subnet)?.availability_zone.as_str());
    let mut findings = Vec::new();
    for endpoint in model.vpc_endpoints.values() {
        let VpcEndpointKind::Interface { subnets, .. } = &endpoint.kind else {
            continue;
        };
        let service = endpoint.service(&model.stack.region);
        let has: BTreeSet<&str> = subnets.iter().filter_map(zone).collect();
        let needed = facts.needs.iter().filter(|need| need.service == service);
        let enis = needed.flat_map(|need| needs::interfaces(model, &need.workload));
        let used: BTreeSet<&str> = enis.filter_map(|eni| zone(&eni.subnet)).collect();
        let lacking: Vec<&str> = used.difference(&has).copied().collect();
        if !lacking.is_empty() {
            let message = format!(
                "{} has no interface in {}, where {service} is used",
                endpoint.id,
                lacking.join(", ")
            );
            findings.push(Finding::at(&endpoint.provenance, message));
        }
    }
    findings
}
