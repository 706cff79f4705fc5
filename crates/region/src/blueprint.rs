//! The whole local region as data: what `apply` makes true, with no choice left open.

pub mod balancer;
pub mod distribution;
pub mod dns;
pub mod network;
pub mod ruleset;
