//! Sets of addresses, of traffic, and of both together, worked with whole.
//!
//! A question about a network is asked of every port and every address at
//! once; nothing here tries samples.

mod address;
mod flow;
mod range;
mod traffic;

pub use address::AddressSet;
pub use flow::{Flow, FlowSet};
pub use range::{Bound, Ranges};
pub use traffic::TrafficSet;

#[cfg(test)]
mod tests;
