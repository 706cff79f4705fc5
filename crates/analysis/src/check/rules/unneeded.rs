//! Rules, routes, endpoints and permissions that nothing depends on.
//!
//! ## What it does
//! With an intent file beside the template: takes each security group rule, route, endpoint and
//! allowing statement away in turn, and proves again that every stated intent holds and every workload
//! has what it needs, under each value of the template's switches. What breaks nothing is reported.
//!
//! ## Why is this bad
//! Least privilege has two sides. What is there for nobody is there for an intruder.
//!
//! ## Example
//! A rule that admits port 22 to instances that people enter through Session Manager.
//!
//! ## Use instead
//! Remove it, or state in `intent.toml` what it is for.
//!
//! ## References
//! - AWS Well-Architected Framework, Security pillar, "Grant least privilege access"

use super::super::{Facts, Finding};

/// Asked once for all alternatives: what any of them needs is needed.
pub(super) fn run(facts: &Facts<'_>) -> Vec<Finding> {
    let Some(intent) = facts.intent.filter(|_| !facts.alternatives.is_empty()) else {
        return Vec::new();
    };
    let found = crate::unneeded::unneeded(facts.alternatives, intent).into_iter();
    found
        .map(|one| Finding::at(&one.provenance, format!("nothing depends on {}", one.what)))
        .collect()
}
