//! `Fn::Select`: one item of a list, counted from 0.

use super::arguments;
use super::list::members;
use crate::diagnostic::Diagnostic;
use crate::function::Function;
use crate::node::Node;
use crate::scope::Scope;
use crate::value::{Span, Value};

pub(super) fn evaluate(scope: &mut Scope<'_>, argument: &Node, span: Span) -> Option<Value> {
    let [index, list] = match arguments::<2>(scope, Function::Select, argument, span) {
        Ok(values) => values,
        Err(opaque) => return Some(opaque),
    };
    let (Some(number), Some(items)) = (index.as_text(), members(&list)) else {
        return Some(scope.opaque("Fn::Select", &[&index, &list], span));
    };
    let place = index.provenance.span;
    let Ok(position) = number.trim().parse::<usize>() else {
        let message = format!("`{number}` is no index: `Fn::Select` counts from 0");
        scope.report(Diagnostic::error("select-index", place, message));
        return Some(scope.opaque("Fn::Select", &[&index, &list], span));
    };
    if let Some(item) = items.get(position) {
        let place = item.provenance.span;
        return Some(scope.moved(item, place));
    }
    let message = format!(
        "`Fn::Select` asks for item {position} of a list of {}",
        items.len()
    );
    scope
        .report(Diagnostic::error("select-index", place, message).with_hint("the first item is 0"));
    Some(scope.opaque("Fn::Select", &[&index, &list], span))
}
