//! Policies that IAM would refuse.
//!
//! ## What it does
//! Reads each policy document of the template as IAM does: roles' own and trust policies, managed policies,
//! policies of keys, buckets, repositories and endpoints. Reported is what makes a document invalid, by
//! itself or where it is attached.
//!
//! ## Why is this bad
//! Creating the resource fails, in the middle of an update. What such a document was to allow counts as
//! nothing in every other answer.
//!
//! ## Example
//! ```yaml
//! AssumeRolePolicyDocument:
//!   Statement: [{ Effect: Allow, Action: sts:AssumeRole, Resource: "*" }] # for whom?
//! ```
//!
//! ## Use instead
//! A `Principal` in policies of resources and in trust policies, none in policies of a role; a `Resource`
//! everywhere but in trust policies.
//!
//! ## References
//! - IAM User Guide, "Grammar of the IAM JSON policy language"

use super::super::{Facts, Finding};
use crate::variant::is_probe;

pub(super) fn run(facts: &Facts<'_>) -> Vec<Finding> {
    let store = &facts.access().store;
    let quoted = |message: &str| message.split('`').nth(1).is_some_and(is_probe);
    let unread = store.faults.iter().filter(|(_, fault)| !quoted(&fault.message));
    let unread = unread.map(|(place, fault)| {
        let message = format!("{} in {}: {fault}", place.logical_id, fault.path);
        Finding::at(place, message)
    });
    let mut findings: Vec<Finding> = unread.collect();
    for (holder, document) in store.documents() {
        for fault in document.faults_as(holder.policy_kind()) {
            let index = fault.path.split('/').nth(2).and_then(|index| index.parse().ok());
            let place = index.and_then(|index| store.statement(&holder.document, index));
            if let Some(place) = place {
                findings.push(Finding::at(&place, format!("{}: {fault}", holder.document)));
            }
        }
    }
    findings
}
