//! Endpoints that nothing in the template uses.
//!
//! ## What it does
//! Compares each endpoint with what workloads need, and with what some role or session document of
//! the template may do there.
//!
//! ## Why is this bad
//! An interface endpoint costs about 9.50 USD a month and zone, whether used or not, and is one
//! more way out.
//!
//! ## Example
//! An endpoint for `sqs` where no role may send or receive messages.
//!
//! ## Use instead
//! Remove it, or give it a reason under `Kickytime::Check`.
//!
//! ## References
//! - AWS PrivateLink pricing

use super::super::{Facts, Finding};
use crate::access::roles_of;

pub(super) fn run(facts: &Facts<'_>) -> Vec<Finding> {
    let model = facts.model;
    let owners: std::collections::BTreeSet<_> = model.enis.values().map(|eni| &eni.owner).collect();
    if owners.is_empty() {
        return Vec::new();
    }
    let roles: Vec<_> =
        owners.iter().flat_map(|owner| roles_of(model, owner.as_str())).map(|(role, _)| role).collect();
    let unused = model.vpc_endpoints.values().filter(|endpoint| {
        let service = endpoint.service(&model.stack.region);
        let needed = facts.needs.iter().any(|need| need.service == service);
        let prefix = service.split('.').next().unwrap_or(service);
        let may = roles.iter().any(|role| {
            facts.access().store.identity(role).iter().any(|policy| {
                let mut actions = policy
                    .document
                    .statements
                    .iter()
                    .flat_map(|statement| &statement.action.patterns);
                actions.any(|pattern| {
                    let text = pattern.as_str().to_ascii_lowercase();
                    text == "*" || text.split(':').next() == Some(prefix)
                })
            })
        });
        !needed && !may
    });
    let finding = |endpoint: &model::VpcEndpoint| {
        let message = format!("nothing in the template uses {}", endpoint.id);
        Finding::at(&endpoint.provenance, message)
    };
    unused.map(finding).collect()
}
