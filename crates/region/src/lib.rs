//! How does the template's system run on this machine?
//!
//! [`plan`] turns a `Model` into a [`blueprint::Blueprint`], pure data that
//! leaves no choice open; [`apply`] makes this machine match it. Everything
//! that touches the kernel stands in [`host`].

pub mod blueprint;
pub mod plan;

pub mod apply;
pub mod control;
pub mod dns;
pub mod flow_log;
pub mod host;
pub mod metadata;
pub mod postgres;
pub mod proxy;
pub mod serve;
pub mod state;
pub mod supervise;
pub mod tls;
