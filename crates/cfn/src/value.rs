//! An evaluated property value that remembers where it came from.

use std::fmt;
use std::sync::Arc;

use indexmap::IndexMap;

use crate::symbol::Symbol;

/// A stretch of the template text. Offsets are bytes, half open; line and
/// column count from 1, the column in characters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span {
    pub start: usize,
    pub end: usize,
    pub line: usize,
    pub column: usize,
}

/// Where a value comes from: resource, property path, place in the text.
/// It never takes part in equality of values.
#[derive(Clone, Debug, Default)]
pub struct Provenance {
    /// The resource (or empty, outside `Resources`).
    pub logical_id: Arc<str>,
    /// Property path as people write it: `SecurityGroupIngress[0].CidrIp`.
    /// Empty for the resource itself.
    pub path: Arc<str>,
    pub span: Span,
}

/// A value after parameters, conditions and intrinsic functions have been
/// evaluated. Equality compares what it is, not where it stands.
#[derive(Clone, Debug)]
pub struct Value {
    pub kind: Kind,
    pub provenance: Provenance,
}

/// What a [`Value`] is.
#[derive(Clone, Debug, PartialEq)]
pub enum Kind {
    Null,
    Bool(bool),
    /// The number's own text, so that account numbers keep their zeros.
    Number(String),
    String(String),
    /// Text with at least one part that only AWS knows.
    Text(Vec<Fragment>),
    /// A value that only AWS knows.
    Symbol(Symbol),
    List(Vec<Value>),
    /// In the order of the template.
    Map(IndexMap<String, Value>),
}

/// A part of [`Kind::Text`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fragment {
    Literal(String),
    Symbol(Symbol),
}

impl PartialEq for Value {
    fn eq(&self, other: &Self) -> bool {
        self.kind == other.kind
    }
}

impl Value {
    /// The value of a map's key.
    pub fn get(&self, key: &str) -> Option<&Self> {
        match &self.kind {
            Kind::Map(map) => map.get(key),
            _ => None,
        }
    }

    /// The value at a path of map keys.
    pub fn at(&self, path: &[&str]) -> Option<&Self> {
        path.iter().try_fold(self, |value, key| value.get(key))
    }

    /// The items of a list; a lone value counts as a list of one, as
    /// CloudFormation itself treats it, and null as none.
    pub fn items(&self) -> &[Self] {
        match &self.kind {
            Kind::List(items) => items,
            Kind::Null => &[],
            _ => std::slice::from_ref(self),
        }
    }

    /// The entries of a map, in template order; nothing for other kinds.
    pub fn entries(&self) -> impl Iterator<Item = (&str, &Self)> {
        let map = match &self.kind {
            Kind::Map(map) => Some(map),
            _ => None,
        };
        map.into_iter()
            .flatten()
            .map(|(key, value)| (key.as_str(), value))
    }

    /// Literal text of a scalar: strings, numbers and booleans as
    /// CloudFormation passes them on. `None` when any part is symbolic.
    pub fn as_text(&self) -> Option<&str> {
        match &self.kind {
            Kind::String(text) | Kind::Number(text) => Some(text),
            Kind::Bool(true) => Some("true"),
            Kind::Bool(false) => Some("false"),
            _ => None,
        }
    }

    /// A boolean, written as one or as the words `true` and `false`.
    pub fn as_bool(&self) -> Option<bool> {
        match self.as_text()? {
            text if text.eq_ignore_ascii_case("true") => Some(true),
            text if text.eq_ignore_ascii_case("false") => Some(false),
            _ => None,
        }
    }

    /// An integer, written as a number or as text.
    pub fn as_i64(&self) -> Option<i64> {
        self.as_text()?.trim().parse().ok()
    }

    /// The symbol, when the whole value is one.
    pub fn as_symbol(&self) -> Option<&Symbol> {
        match &self.kind {
            Kind::Symbol(symbol) => Some(symbol),
            _ => None,
        }
    }

    /// Text with every symbol replaced by what `resolve` knows of it; `None`
    /// when a symbol is unknown or the value is no scalar.
    pub fn render(&self, resolve: &dyn Fn(&Symbol) -> Option<String>) -> Option<String> {
        match &self.kind {
            Kind::Symbol(symbol) => resolve(symbol),
            Kind::Text(fragments) => fragments
                .iter()
                .map(|fragment| match fragment {
                    Fragment::Literal(text) => Some(text.clone()),
                    Fragment::Symbol(symbol) => resolve(symbol),
                })
                .collect(),
            _ => self.as_text().map(str::to_owned),
        }
    }
}

impl Value {
    /// The value as JSON, numbers and booleans kept, with every symbol
    /// replaced by what `resolve` knows of it; `None` when a symbol is unknown.
    pub fn to_json(
        &self,
        resolve: &dyn Fn(&Symbol) -> Option<String>,
    ) -> Option<serde_json::Value> {
        use serde_json::Value as Json;
        Some(match &self.kind {
            Kind::Null => Json::Null,
            Kind::Bool(truth) => Json::Bool(*truth),
            Kind::Number(text) => {
                serde_json::from_str(text).unwrap_or_else(|_| Json::String(text.clone()))
            }
            Kind::List(items) => items
                .iter()
                .map(|item| item.to_json(resolve))
                .collect::<Option<_>>()?,
            Kind::Map(map) => map
                .iter()
                .map(|(key, item)| Some((key.clone(), item.to_json(resolve)?)))
                .collect::<Option<_>>()?,
            Kind::String(_) | Kind::Text(_) | Kind::Symbol(_) => {
                Json::String(self.render(resolve)?)
            }
        })
    }

    /// True when no part of the value, however deep, is symbolic.
    pub fn is_literal(&self) -> bool {
        match &self.kind {
            Kind::Text(_) | Kind::Symbol(_) => false,
            Kind::List(items) => items.iter().all(Self::is_literal),
            Kind::Map(map) => map.values().all(Self::is_literal),
            _ => true,
        }
    }
}

/// The canonical text: scalars as they are, symbols in their own notation,
/// lists and maps as JSON has them.
impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            Kind::Null => f.write_str("null"),
            Kind::Bool(truth) => write!(f, "{truth}"),
            Kind::Number(text) | Kind::String(text) => f.write_str(text),
            Kind::Symbol(symbol) => write!(f, "{symbol}"),
            Kind::Text(fragments) => fragments.iter().try_for_each(|fragment| match fragment {
                Fragment::Literal(text) => f.write_str(text),
                Fragment::Symbol(symbol) => write!(f, "{symbol}"),
            }),
            Kind::List(items) => {
                f.write_str("[")?;
                for (index, item) in items.iter().enumerate() {
                    let comma = if index > 0 { ", " } else { "" };
                    write!(f, "{comma}{item}")?;
                }
                f.write_str("]")
            }
            Kind::Map(map) => {
                f.write_str("{")?;
                for (index, (key, item)) in map.iter().enumerate() {
                    let comma = if index > 0 { ", " } else { "" };
                    write!(f, "{comma}{key}: {item}")?;
                }
                f.write_str("}")
            }
        }
    }
}
