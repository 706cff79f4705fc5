//! `Fn::ImportValue`: another stack's export, which only AWS knows.

use crate::evaluate::evaluate_node;
use crate::node::Node;
use crate::scope::Scope;
use crate::symbol::Symbol;
use crate::value::{Kind, Span, Value};

pub(super) fn evaluate(scope: &mut Scope<'_>, argument: &Node, span: Span) -> Value {
    let name = evaluate_node(scope, argument).map_or_else(String::new, |name| name.to_string());
    scope.value(Kind::Symbol(Symbol::Import(name)), span)
}
