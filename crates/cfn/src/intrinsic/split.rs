//! `Fn::Split`: text cut at a delimiter.

use super::arguments;
use crate::diagnostic::Diagnostic;
use crate::function::Function;
use crate::node::Node;
use crate::scope::{Scope, pieces};
use crate::value::{Fragment, Kind, Span, Value};

pub(super) fn evaluate(scope: &mut Scope<'_>, argument: &Node, span: Span) -> Value {
    let [delimiter, text] = match arguments::<2>(scope, Function::Split, argument, span) {
        Ok(values) => values,
        Err(opaque) => return opaque,
    };
    if delimiter.as_text() == Some("") {
        let message = "`Fn::Split` needs a delimiter";
        scope.report(Diagnostic::error(
            "split-delimiter",
            delimiter.provenance.span,
            message,
        ));
    }
    let parts = delimiter
        .as_text()
        .filter(|delimiter| !delimiter.is_empty())
        .and_then(|delimiter| split(delimiter, &text));
    let Some(parts) = parts else {
        return scope.opaque("Fn::Split", &[&delimiter, &text], span);
    };
    let items = parts
        .into_iter()
        .enumerate()
        .map(|(index, part)| scope.at_index(index, |scope| scope.text(part, span)))
        .collect();
    scope.value(Kind::List(items), span)
}

/// Cuts at every literal delimiter. A lone symbol cannot be cut: nobody knows
/// what it holds. Symbols among text are taken to hold no delimiter.
fn split(delimiter: &str, text: &Value) -> Option<Vec<Vec<Fragment>>> {
    if matches!(text.kind, Kind::Symbol(_)) {
        return None;
    }
    let mut parts = vec![Vec::new()];
    for piece in pieces(text)? {
        let Fragment::Literal(literal) = piece else {
            parts.last_mut()?.push(piece);
            continue;
        };
        for (index, part) in literal.split(delimiter).enumerate() {
            if index > 0 {
                parts.push(Vec::new());
            }
            parts.last_mut()?.push(Fragment::Literal(part.to_owned()));
        }
    }
    Some(parts)
}
