//! Databases that are public, or could become so by one switch.
//!
//! ## What it does
//! Reports databases with `PubliclyAccessible`, and databases whose subnets have a route to an
//! internet gateway.
//!
//! ## Why is this bad
//! With a public address, one security group rule separates the data from the internet. In a subnet
//! with a way out, one switch does.
//!
//! ## Example
//! ```yaml
//! Database:
//!   Type: AWS::RDS::DBInstance
//!   Properties: { PubliclyAccessible: true }
//! ```
//!
//! ## Use instead
//! `PubliclyAccessible: false`, and subnets whose route table has the local route alone.
//!
//! ## References
//! - Amazon RDS User Guide, "Working with a DB instance in a VPC"

use model::RouteTarget;

use super::super::{Facts, Finding, Severity};

pub(super) fn run(facts: &Facts<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for database in facts.model.databases.values() {
        if database.publicly_accessible {
            let message = format!("{} has a public address", database.id);
            findings.push(
                Finding::at(&database.provenance, message)
                    .with_hint("set `PubliclyAccessible: false`"),
            );
        }
        for subnet in &database.subnets {
            let table = facts.network.route_table(subnet);
            let routes = table.into_iter().flat_map(|table| &table.routes);
            let mut out = routes
                .filter(|route| matches!(route.target, RouteTarget::InternetGateway(_)));
            if let Some(route) = out.next() {
                let message =
                    format!("{} stands in {subnet}, which has a route to the internet", database.id);
                findings.push(
                    Finding::at(&database.provenance, message)
                        .at_most(Severity::Warning)
                        .with_related(Some(&route.provenance), "the route"),
                );
                break;
            }
        }
    }
    findings
}
