//! What stands in the template text, before anything is evaluated?
//!
//! A tree of nodes, each with its span. The short and the long way to write a
//! function (`!Sub x`, `Fn::Sub: x`) are one and the same here.

use indexmap::IndexMap;

use crate::function::Function;
use crate::value::Span;

/// One node of the template text.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    pub kind: NodeKind,
    pub span: Span,
}

/// What a [`Node`] is. Scalars are already resolved the way CloudFormation does.
#[derive(Clone, Debug, PartialEq)]
pub enum NodeKind {
    Null,
    Bool(bool),
    /// The number as it is written.
    Number(String),
    String(String),
    List(Vec<Node>),
    Map(Map),
    Call(Box<Call>),
}

/// The entries of a map in the order they are written.
pub type Map = IndexMap<String, Entry>;

/// A map's value and the place of its key.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    pub key_span: Span,
    pub value: Node,
}

/// An intrinsic function and its argument.
#[derive(Clone, Debug, PartialEq)]
pub struct Call {
    pub function: Function,
    /// The tag or the key that names the function.
    pub name_span: Span,
    pub argument: Node,
}

impl Node {
    /// Text of a scalar, as CloudFormation passes it on.
    pub fn as_text(&self) -> Option<&str> {
        match &self.kind {
            NodeKind::String(text) | NodeKind::Number(text) => Some(text),
            NodeKind::Bool(true) => Some("true"),
            NodeKind::Bool(false) => Some("false"),
            _ => None,
        }
    }

    pub fn as_map(&self) -> Option<&Map> {
        match &self.kind {
            NodeKind::Map(map) => Some(map),
            _ => None,
        }
    }

    pub fn as_list(&self) -> Option<&[Self]> {
        match &self.kind {
            NodeKind::List(items) => Some(items),
            _ => None,
        }
    }

    pub fn as_call(&self) -> Option<&Call> {
        match &self.kind {
            NodeKind::Call(call) => Some(call),
            _ => None,
        }
    }

    /// The value of a map's key.
    pub fn get(&self, key: &str) -> Option<&Self> {
        self.as_map()?.get(key).map(|entry| &entry.value)
    }

    /// The items of a list; any other node counts as a list of itself.
    pub fn items(&self) -> &[Self] {
        self.as_list().unwrap_or(std::slice::from_ref(self))
    }

    /// What the node is, in words for a message.
    pub(crate) fn describe(&self) -> &'static str {
        match &self.kind {
            NodeKind::Null => "nothing",
            NodeKind::Bool(_) => "a boolean",
            NodeKind::Number(_) => "a number",
            NodeKind::String(_) => "text",
            NodeKind::List(_) => "a list",
            NodeKind::Map(_) => "a map",
            NodeKind::Call(_) => "a function",
        }
    }
}
