//! `Fn::Length`: how many items a list has (`AWS::LanguageExtensions`).

use super::list::members;
use crate::evaluate::evaluate_node;
use crate::node::Node;
use crate::scope::Scope;
use crate::value::{Kind, Span, Value};

pub(super) fn evaluate(scope: &mut Scope<'_>, argument: &Node, span: Span) -> Value {
    let list = evaluate_node(scope, argument);
    match list.as_ref().and_then(members) {
        Some(items) => {
            let length = items.len().to_string();
            scope.value(Kind::Number(length), span)
        }
        None => {
            let arguments: Vec<&Value> = list.iter().collect();
            scope.opaque("Fn::Length", &arguments, span)
        }
    }
}
