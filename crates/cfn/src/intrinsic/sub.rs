//! `Fn::Sub`: text with `${…}` filled in.
//!
//! `${Name}` and `${Name.Attribute}` refer, `${!Literal}` is written out as
//! `${Literal}`; in the form with a map, the map's names go first.

use indexmap::IndexMap;

use super::reference;
use crate::evaluate::evaluate_node;
use crate::node::Node;
use crate::scope::{Scope, pieces};
use crate::value::{Fragment, Span, Value};

/// A piece of a `Fn::Sub` text.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Piece<'t> {
    Literal(&'t str),
    /// `${!Text}`, which stands for `${Text}`.
    Escaped(&'t str),
    /// What stands between the braces.
    Variable(&'t str),
    /// A `${` whose brace never closes.
    Unclosed(&'t str),
}

/// Takes a `Fn::Sub` text apart.
pub(crate) fn split(text: &str) -> Vec<Piece<'_>> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some(start) = rest.find("${") {
        if start > 0 {
            found.push(Piece::Literal(&rest[..start]));
        }
        let inside = &rest[start + 2..];
        let Some(end) = inside.find('}') else {
            found.push(Piece::Unclosed(&rest[start..]));
            return found;
        };
        let name = &inside[..end];
        found.push(match name.strip_prefix('!') {
            Some(literal) => Piece::Escaped(literal),
            None => Piece::Variable(name.trim()),
        });
        rest = &inside[end + 1..];
    }
    if !rest.is_empty() {
        found.push(Piece::Literal(rest));
    }
    found
}

/// The text and the variables of either form of the argument.
pub(crate) fn parts(argument: &Node) -> Option<(&Node, Option<&Node>)> {
    match argument.as_list() {
        Some([text, variables]) => Some((text, Some(variables))),
        Some([text]) => Some((text, None)),
        Some(_) => None,
        None => Some((argument, None)),
    }
}

pub(super) fn evaluate(scope: &mut Scope<'_>, argument: &Node, span: Span) -> Value {
    let Some((text, variables)) = parts(argument) else {
        return scope.opaque("Fn::Sub", &[], span);
    };
    let mut values = IndexMap::new();
    for (name, entry) in variables.and_then(Node::as_map).into_iter().flatten() {
        if let Some(value) = evaluate_node(scope, &entry.value) {
            values.insert(name.as_str(), value);
        }
    }
    let Some(text) = text.as_text() else {
        return scope.opaque("Fn::Sub", &[], span);
    };
    let mut filled = Vec::new();
    for piece in split(text) {
        match piece {
            Piece::Literal(text) | Piece::Unclosed(text) => {
                filled.push(Fragment::Literal(text.to_owned()));
            }
            Piece::Escaped(text) => filled.push(Fragment::Literal(format!("${{{text}}}"))),
            Piece::Variable(name) => {
                let value = variable(scope, name, &values, span);
                if !scope.charge(size(&value), span) {
                    break;
                }
                filled.extend(value);
            }
        }
    }
    scope.text(filled, span)
}

/// Bytes of text.
fn size(fragments: &[Fragment]) -> usize {
    let sizes = fragments.iter().map(|fragment| match fragment {
        Fragment::Literal(text) => text.len(),
        Fragment::Symbol(_) => size_of::<Fragment>(),
    });
    sizes.sum()
}

fn variable(
    scope: &mut Scope<'_>,
    name: &str,
    values: &IndexMap<&str, Value>,
    span: Span,
) -> Vec<Fragment> {
    let value = match values.get(name) {
        Some(value) => Some(value.clone()),
        None => match name.split_once('.') {
            Some((id, attribute)) => Some(reference::attribute_of(scope, id, attribute, span)),
            None => reference::named(scope, name, span),
        },
    };
    let Some(value) = value else {
        return Vec::new();
    };
    pieces(&value).unwrap_or_else(|| {
        // a list parameter is filled in as its comma-separated text
        let items = value.items().iter().map(ToString::to_string);
        vec![Fragment::Literal(items.collect::<Vec<_>>().join(","))]
    })
}
