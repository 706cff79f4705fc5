//! `Fn::ToJsonString`: a list or map as JSON text (`AWS::LanguageExtensions`).

use crate::evaluate::evaluate_node;
use crate::node::Node;
use crate::scope::{Scope, pieces};
use crate::value::{Fragment, Kind, Span, Value};

pub(super) fn evaluate(scope: &mut Scope<'_>, argument: &Node, span: Span) -> Value {
    let mut text = Vec::new();
    match evaluate_node(scope, argument) {
        Some(value) => write(&value, &mut text),
        None => text.push(Fragment::Literal("null".to_owned())),
    }
    scope.text(text, span)
}

/// JSON without white space; symbols stay symbols inside their quotes.
fn write(value: &Value, out: &mut Vec<Fragment>) {
    let literal = |text: &str| Fragment::Literal(text.to_owned());
    match &value.kind {
        Kind::List(items) => {
            out.push(literal("["));
            for (index, item) in items.iter().enumerate() {
                out.extend((index > 0).then(|| literal(",")));
                write(item, out);
            }
            out.push(literal("]"));
        }
        Kind::Map(map) => {
            out.push(literal("{"));
            for (index, (key, item)) in map.iter().enumerate() {
                out.extend((index > 0).then(|| literal(",")));
                out.push(Fragment::Literal(format!("{}:", quoted(key))));
                write(item, out);
            }
            out.push(literal("}"));
        }
        Kind::Null => out.push(literal("null")),
        Kind::Bool(truth) => out.push(Fragment::Literal(truth.to_string())),
        Kind::Number(text) => out.push(literal(text)),
        Kind::String(_) | Kind::Text(_) | Kind::Symbol(_) => {
            out.push(literal("\""));
            for piece in pieces(value).unwrap_or_default() {
                out.push(match piece {
                    Fragment::Literal(text) => {
                        let text = quoted(&text);
                        Fragment::Literal(text[1..text.len() - 1].to_owned())
                    }
                    symbol => symbol,
                });
            }
            out.push(literal("\""));
        }
    }
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}
