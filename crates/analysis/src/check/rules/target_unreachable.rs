//! Load balancers that cannot connect to their targets.
//!
//! ## What it does
//! Asks, for each target group in use, whether every interface of the load balancer reaches every
//! target on the target's port and on the health check's port.
//!
//! ## Why is this bad
//! Targets stay unhealthy, and an ECS service replaces its tasks for ever.
//!
//! ## Example
//! A target's security group that admits port 80 from the load balancer, while the container listens
//! on 8080.
//!
//! ## Use instead
//! One port, written once, in target group, container and both security groups.
//!
//! ## References
//! - Elastic Load Balancing, "Security groups for your Application Load Balancer"

use std::collections::BTreeSet;

use super::super::{Facts, Finding};
use crate::reach::{End, connect, forwarded_groups, targets};
use crate::set::TrafficSet;

pub(super) fn run(facts: &Facts<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for balancer in facts.model.load_balancers.values() {
        for group in forwarded_groups(facts.model, balancer) {
            let mut seen = BTreeSet::new();
            for (target, port) in targets(&facts.network, group) {
                let health = group.health_check.port.unwrap_or(port);
                for port in BTreeSet::from([port, health]) {
                    for eni in facts.model.enis_of(&balancer.id) {
                        let (from, to) = (End::Eni(eni), End::Eni(target));
                        let ports = TrafficSet::tcp(port);
                        let verdict = connect(&facts.network, &from, &to, &ports);
                        for blocker in verdict.blockers {
                        let reason = format!("{} {}", blocker.component, blocker.code);
                        if !seen.insert((target.owner.clone(), port, reason)) {
                            continue;
                        }
                        let what = if port == health { "its health check's port" } else { "port" };
                        let message = format!(
                            "{} cannot reach {} on {what} {port}: {} {}",
                            balancer.id, target.owner, blocker.component, blocker.text
                        );
                        let place = blocker.provenance.unwrap_or(group.provenance.clone());
                        findings.push(
                            Finding::at(&place, message)
                                .with_related(Some(&group.provenance), "the target group"),
                        );
                        }
                    }
                }
            }
        }
    }
    findings
}
