//! The Kickytime service: people, matches, seats.
//!
//! One program with three roles. `users` and `matches` serve HTTP behind a
//! load balancer, `migrate` brings the database's schema up to date and ends.
//! A role's routes stand on one screen ([`users::router`],
//! [`matches::router`]); one endpoint is one file with its SQL in it.
//!
//! **Invariant:** nothing here knows where it runs. Settings come from the
//! environment, credentials from the SDK's default chain, trust from the
//! platform's roots; the same binary runs in AWS and in the local region.

pub mod settings;

pub mod users;

pub mod matches;

pub mod caller;
pub mod health;
pub mod input;
pub mod korea;
pub mod openapi;
pub mod page;
pub mod problem;
pub mod request;

pub mod app;
pub mod database;
pub mod https;
pub mod limit;
pub mod metrics;
pub mod migrate;
pub mod role;
pub mod serve;
pub mod telemetry;
pub mod token;
pub mod trust;
