//! `Fn::Base64`: the text itself.
//!
//! User data is of interest decoded, as the instance gets to see it; nothing
//! that reads a stack wants the encoding.

use crate::evaluate::evaluate_node;
use crate::node::Node;
use crate::scope::Scope;
use crate::value::{Kind, Span, Value};

pub(super) fn evaluate(scope: &mut Scope<'_>, argument: &Node, span: Span) -> Value {
    match evaluate_node(scope, argument) {
        Some(value) => value,
        None => scope.value(Kind::String(String::new()), span),
    }
}
