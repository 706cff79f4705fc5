//! How does this program call AWS, the real one or a region on this machine?
//!
//! [`Config`] says where (region, endpoints, trust) and as whom (a chain of
//! sources of credentials), as the shared conventions of AWS tools have it;
//! [`Client`] makes signed calls with retries; a module a service has the few
//! operations used here. Whether an endpoint is AWS's own or a local one makes
//! no difference to any code below.
//!
//! **Invariant:** a request leaves over plain HTTP only where an endpoint was
//! configured so; certificates are always verified, chain and name.

mod client;
pub mod cloudformation;
pub mod config;
pub mod credentials;
mod error;

pub mod imds;
pub mod kms;
pub mod logs;
pub mod secrets_manager;
mod signed;
pub mod ssm;
pub mod sts;
mod transport;
mod websocket;
mod xml;

pub use client::Client;
pub use config::{Config, ConfigError, Endpoint, Environment, Options};
pub use credentials::{Credentials, CredentialsError};
pub use error::{CallError, Refusal};
pub use transport::{ProxyFault, Stream, TransportError};
pub use websocket::WebsocketError;

#[cfg(test)]
mod testing;
