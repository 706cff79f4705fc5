//! `Fn::Split`: text cut at a delimiter.
//!
//! Text with symbols cannot be cut: nobody knows what delimiters they hold.

use super::arguments;
use crate::diagnostic::Diagnostic;
use crate::function::Function;
use crate::node::Node;
use crate::scope::Scope;
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
        .zip(text.as_text());
    let Some((delimiter, text)) = parts else {
        return scope.opaque("Fn::Split", &[&delimiter, &text], span);
    };
    let items = text
        .split(delimiter)
        .enumerate()
        .map(|(index, part)| {
            let part = Fragment::Literal(part.to_owned());
            scope.at_index(index, |scope| scope.text(vec![part], span))
        })
        .collect();
    scope.value(Kind::List(items), span)
}
