//! What does this CloudFormation template say?
//!
//! Text becomes a [`Template`] whose every node knows its line, and a template
//! evaluated with parameters for one account and region becomes a [`Stack`].
//! What the resources *mean* is left to the `model` crate.
#![deny(clippy::disallowed_methods)]

mod diagnostic;
mod stack;
mod symbol;
mod value;

pub use diagnostic::{Diagnostic, Severity};
pub use stack::{Environment, Output, Resource, ResourceProvenance, Stack};
pub use symbol::Symbol;
pub use value::{Fragment, Kind, Provenance, Span, Value};
