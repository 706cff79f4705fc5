//! The HTTP hops of the region: viewer door, CloudFront edge, load balancer.

pub mod balancer;
pub mod edge;
mod headers;
mod pattern;
pub mod pool;
pub mod viewer;

#[cfg(test)]
mod tests;
