//! What does this CloudFormation template say?
//!
//! Text becomes a [`Template`] whose every node knows its line, and a template
//! evaluated with parameters for one account and region becomes a [`Stack`].
//! What the resources *mean* is left to the `model` crate.
#![deny(clippy::disallowed_methods)]

mod check;
mod condition;
mod constraint;
mod diagnostic;
mod dynamic_reference;
mod evaluate;
mod function;
mod graph;
mod intrinsic;
mod json;
mod limits;
mod node;
mod parameter;
mod parameter_file;
mod rule;
mod scalar;
mod scope;
mod stack;
mod suggest;
mod symbol;
mod syntax;
mod syntax_error;
mod template;
mod text_index;
mod value;

pub use diagnostic::{Diagnostic, Severity};
pub use evaluate::evaluate;
pub use function::Function;
pub use node::{Call, Entry, Map, Node, NodeKind};
pub use parameter_file::{ParameterFileError, parse_parameters};
pub use stack::{Environment, Output, Resource, ResourceProvenance, Stack};
pub use symbol::Symbol;
pub use template::{Declaration, Source, Template, parse};
pub use value::{Fragment, Kind, Provenance, Span, Value};
