//! Does the service keep its promises against a real PostgreSQL?
//!
//! The routers run in this process; the database is a server of the machine's
//! own PostgreSQL that this test run starts, with TLS on, and that ends with it.

mod cluster;
mod harness;
mod people;

mod binary;
mod contract;
mod events;
mod join;
mod matches;
mod pages;
mod schema;
mod tokens;
mod users;
