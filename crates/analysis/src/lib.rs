//! What follows from a template, before any account exists?
//!
//! Who can reach whom ([`reach`]), who may do what
//! ([`access`]), what is wrong across resources ([`check`]), whether what
//! is meant to be is ([`intent`]), and what breaks without a part of it ([`removal`]). Every answer is a pure function of a
//! [`model::Model`] and carries its reasons and their places in the template.
//!
//! **Invariant:** nothing here reads a file, a clock or the network, and no
//! code that matches packets is shared with the one that plans a local region:
//! the kernel there is the check on the reasoning here.
#![deny(clippy::disallowed_methods)]

pub mod access;
mod called;
pub mod check;
pub mod cost;
pub mod diagram;
pub mod intent;
mod needs;
pub mod reach;
pub mod removal;
pub mod set;
mod variant;

pub use variant::{MAX_COMBINATIONS, Switch, Values, Variant, Variants, describe, variants};
