//! Subnets that leave through a NAT gateway of another zone.
//!
//! ## What it does
//! Compares the zone of each subnet with that of the NAT gateway its default route names.
//!
//! ## Why is this bad
//! The other zone's failure cuts this one off, and every GB crosses zones for 0.01 USD each way. It
//! is also the cheaper design: one gateway less is 43 USD a month less. So this is a note.
//!
//! ## Example
//! Two subnets in two zones that share one NAT gateway.
//!
//! ## Use instead
//! A NAT gateway in each zone, or nothing that needs one.
//!
//! ## References
//! - Amazon VPC User Guide, "NAT gateways"

use model::{EniKind, RouteTarget};

use super::super::{Facts, Finding};

pub(super) fn run(facts: &Facts<'_>) -> Vec<Finding> {
    let model = facts.model;
    let mut findings = Vec::new();
    for table in model.route_tables.values() {
        for route in &table.routes {
            let RouteTarget::NatGateway(gateway) = &route.target else { continue };
            let Some(gateway) = model.nat_gateways.get(gateway) else { continue };
            let Some(home) = model.subnets.get(&gateway.subnet) else { continue };
            let used = table.subnets.iter().filter_map(|id| model.subnets.get(id)).find(|subnet| {
                let is_used = model.enis.values().any(|eni| {
                    eni.subnet == subnet.id
                        && matches!(eni.kind, EniKind::Instance | EniKind::Task)
                });
                is_used && subnet.availability_zone != home.availability_zone
            });
            if let Some(subnet) = used {
                let message = format!(
                    "{} in {} leaves through {} in {}",
                    subnet.id, subnet.availability_zone, gateway.id, home.availability_zone
                );
                findings.push(Finding::at(&route.provenance, message));
            }
        }
    }
    findings
}
