//! `Fn::Join`: items with a delimiter between them.

use super::arguments;
use super::list::members;
use crate::function::Function;
use crate::node::Node;
use crate::scope::{Scope, pieces};
use crate::value::{Fragment, Span, Value};

pub(super) fn evaluate(scope: &mut Scope<'_>, argument: &Node, span: Span) -> Value {
    let [delimiter, list] = match arguments::<2>(scope, Function::Join, argument, span) {
        Ok(values) => values,
        Err(opaque) => return opaque,
    };
    // what repeats the delimiter can outgrow the template many times over
    let repeated = delimiter.as_text().map_or(0, str::len) * list.items().len();
    if !scope.charge(repeated, span) {
        return scope.opaque("Fn::Join", &[], span);
    }
    joined(&delimiter, &list)
        .map(|text| scope.text(text, span))
        .unwrap_or_else(|| scope.opaque("Fn::Join", &[&delimiter, &list], span))
}

fn joined(delimiter: &Value, list: &Value) -> Option<Vec<Fragment>> {
    let delimiter = delimiter.as_text()?;
    let mut text = Vec::new();
    for (index, item) in members(list)?.iter().enumerate() {
        if index > 0 {
            text.push(Fragment::Literal(delimiter.to_owned()));
        }
        text.extend(pieces(item)?);
    }
    Some(text)
}
