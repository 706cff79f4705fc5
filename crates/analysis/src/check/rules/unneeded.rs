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

/// Nothing by itself: this needs the intent file and the template's variants,
/// and is found by `check_whole`.
pub(super) fn run(_: &Facts<'_>) -> Vec<Finding> {
    Vec::new()
}
