//! What do the region's AWS APIs answer? State machines with one gate in front.
//!
//! [`Emulator::handle`] takes a request and the door it came by ([`Via`]) and answers as the service
//! would: the signature is verified, every policy that applies is weighed, the decision and its
//! reason go to the audit trail, then the operation runs. There is no way round the gate.
//!
//! Serving HTTP, TLS and names is the region's work; what exists when it starts is said by a
//! [`Seed`] of plain data, so that this crate knows nothing of templates and runs alone.
//!
//! **Invariant:** nothing that came in from outside makes it panic, and nothing secret leaves it in a
//! log, a `Debug` or an error.

mod answer;
mod audit;
mod call;
mod clock;
mod credentials;
mod emulator;
mod error;
mod gate;
mod identity;
mod journal;
mod random;
mod route;
mod seed;
mod service;
mod store;
mod vault;
mod via;
mod wire;

pub use answer::{Answer, Later};
pub use audit::AuditEvent;
pub use clock::{Clock, SystemClock, Timestamp};
pub use credentials::Credentials;
pub use emulator::{Emulator, OpenError, ResolveError, SessionError, WriteError};
pub use seed::{
    AuthFlow, BucketSeed, DatabaseSeed, DocumentSeed, Encryption, GenerateSecretString, GroupSeed,
    InstanceSeed, KeySeed, LogGroupSeed, OutputSeed, ParameterSeed, PasswordPolicy, PoolClientSeed,
    PoolUserSeed, RepositorySeed, ResourcePolicy, RoleSeed, SecretContent, SecretSeed, Seed,
    Sensitive, StackResourceSeed, StackSeed, Tags, TargetAttachment, TokenValidity, UserPoolSeed,
    UserSeed,
};
pub use service::cognito::Message;
pub use service::kms::MaterialError;
pub use service::logs::LogEvent;
pub use service::secretsmanager::PasswordError;
pub use service::ssm::DocumentError;
pub use service::ssmmessages::Channel;
pub use store::StoreError;
pub use vault::VaultError;
pub use via::{Via, VpcEndpointVia};
