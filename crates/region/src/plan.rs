//! From a Model to a Blueprint, without touching the machine.

pub mod ruleset;
