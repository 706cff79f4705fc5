//! Rules, routes, endpoints and permissions that nothing depends on.
//!
//! ## What it does
//! With an intent file beside the template: takes each security group rule, route, endpoint and
//! statement of a policy away in turn, and asks what breaks, under each value of the template's switches.
//! Without what allows, an allowed intent may fail, or a workload lack what it needs; without what
//! denies, something forbidden may become possible. What breaks nothing is reported here;
//! `--format json` lists under `removals` what breaks without each of the others.
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

pub(super) fn run(facts: &Facts<'_>) -> Vec<Finding> {
    let idle = facts.removals.iter().filter(|one| one.breaks.is_none());
    idle.map(|one| Finding::at(&one.provenance, format!("nothing depends on {}", one.what)))
        .collect()
}
