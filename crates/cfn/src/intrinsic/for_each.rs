//! `Fn::ForEach` (`AWS::LanguageExtensions`): what does a loop write out?
//!
//! `Fn::ForEach::Name: [Identifier, [values…], {Key${Identifier}: …}]` stands
//! among the keys of a map; `${Identifier}` and `&{Identifier}` (which drops
//! what is not alphanumeric) are replaced by each value in turn. Loops are
//! written out before anything is evaluated, so nothing else knows of them.

use indexmap::IndexMap;

use crate::diagnostic::Diagnostic;
use crate::evaluate::evaluate_node;
use crate::function::Function;
use crate::limits::{MAX_LOOP_DEPTH, MAX_LOOP_NODES, MAX_NAME_CHARACTERS};
use crate::node::{Call, Entry, Map, Node, NodeKind};
use crate::parameter;
use crate::scope::Scope;
use crate::stack::Environment;
use crate::template::{Declaration, Template};
use crate::value::{Span, Value};

const PREFIX: &str = "Fn::ForEach::";

/// The template with every loop written out; nothing when it has none.
pub(crate) fn expand(
    template: &Template,
    environment: &Environment,
) -> (Option<Template>, Vec<Diagnostic>) {
    let places: Vec<Span> = loops(template);
    let Some(first) = places.first() else {
        return (None, Vec::new());
    };
    if !template.has_language_extensions() {
        let fault = Diagnostic::error(
            "misplaced-function",
            *first,
            "`Fn::ForEach` is a language extension",
        )
        .with_hint("add `Transform: AWS::LanguageExtensions` to the template");
        return (None, vec![fault]);
    }
    let mut scope = Scope::new(template, environment);
    parameter::evaluate_all(&mut scope);
    scope.diagnostics.clear();
    let mut expander = Expander {
        scope,
        variables: Vec::new(),
        nodes: 0,
        is_full: false,
    };
    let mut expanded = template.clone();
    expanded.conditions = expander.map(&template.conditions);
    expanded.resources = expander.declarations(&template.resources);
    expanded.outputs = expander.declarations(&template.outputs);
    (Some(expanded), expander.scope.diagnostics)
}

/// Where loops stand.
fn loops(template: &Template) -> Vec<Span> {
    let mut found = Vec::new();
    let declarations = template.resources.iter().chain(&template.outputs);
    for (name, declaration) in declarations {
        if name.starts_with(PREFIX) {
            found.push(declaration.name_span);
        }
        find_loops(&declaration.body, &mut found);
    }
    for (name, entry) in &template.conditions {
        if name.starts_with(PREFIX) {
            found.push(entry.key_span);
        }
    }
    found
}

fn find_loops(node: &Node, found: &mut Vec<Span>) {
    match &node.kind {
        NodeKind::List(items) => items.iter().for_each(|item| find_loops(item, found)),
        NodeKind::Call(call) => find_loops(&call.argument, found),
        NodeKind::Map(map) => {
            for (key, entry) in map {
                if key.starts_with(PREFIX) {
                    found.push(entry.key_span);
                }
                find_loops(&entry.value, found);
            }
        }
        _ => {}
    }
}

struct Expander<'t> {
    scope: Scope<'t>,
    /// Identifiers of the loops around, innermost last.
    variables: Vec<(String, String)>,
    /// Nodes written so far.
    nodes: usize,
    /// Too much was written, and that was said.
    is_full: bool,
}

impl Expander<'_> {
    fn declarations(
        &mut self,
        declarations: &IndexMap<String, Declaration>,
    ) -> IndexMap<String, Declaration> {
        let entries = declarations.iter().map(|(name, declaration)| {
            let entry = Entry {
                key_span: declaration.name_span,
                value: declaration.body.clone(),
            };
            (name.clone(), entry)
        });
        self.map(&entries.collect())
            .into_iter()
            .map(|(name, entry)| {
                let (name_span, body) = (entry.key_span, entry.value);
                (name, Declaration { name_span, body })
            })
            .collect()
    }

    fn map(&mut self, map: &Map) -> Map {
        let mut out = Map::new();
        for (key, entry) in map {
            if key.starts_with(PREFIX) {
                self.written_out(key, entry, &mut out);
                continue;
            }
            let value = self.node(&entry.value);
            let key = self.text(key);
            self.insert(&mut out, key, entry.key_span, value);
        }
        out
    }

    fn insert(&mut self, out: &mut Map, key: String, key_span: Span, value: Node) {
        if let Some(first) = out.get(&key) {
            let fault = Diagnostic::error(
                "duplicate-key",
                key_span,
                format!("`{key}` is written twice"),
            )
            .with_related(first.key_span, "first here")
            .with_hint("use the loop's identifier in the name");
            self.scope.report(fault);
            return;
        }
        out.insert(key, Entry { key_span, value });
    }

    /// Writes one loop's entries out, once for each value.
    fn written_out(&mut self, key: &str, entry: &Entry, out: &mut Map) {
        let parts = entry.value.as_list().unwrap_or_default();
        let [identifier, collection, body] = parts else {
            let message = format!("`{key}` takes an identifier, a collection and a map");
            self.fault(entry.value.span, message);
            return;
        };
        let (Some(name), Some(body)) = (identifier.as_text(), body.as_map()) else {
            let message = format!("`{key}` takes an identifier, a collection and a map");
            self.fault(identifier.span, message);
            return;
        };
        if self.variables.len() >= MAX_LOOP_DEPTH {
            let message = format!("more than {MAX_LOOP_DEPTH} loops in each other");
            self.fault(entry.key_span, message);
            return;
        }
        let Some(values) = self.collection(collection) else {
            let message = format!("the collection of `{key}` is not known");
            self.fault(collection.span, message);
            return;
        };
        for value in values {
            if self.nodes > MAX_LOOP_NODES {
                return;
            }
            self.variables.push((name.to_owned(), value));
            for (key, written) in self.map(body) {
                self.insert(out, key, written.key_span, written.value);
            }
            self.variables.pop();
        }
    }

    /// The values a loop runs over; they can hang on parameters and mappings,
    /// and must be fit for parts of names.
    fn collection(&mut self, node: &Node) -> Option<Vec<String>> {
        let node = self.node(node);
        let value = evaluate_node(&mut self.scope, &node)?;
        if value.as_symbol().is_some() {
            return None;
        }
        let is_fit = |text: &&str| text.len() <= MAX_NAME_CHARACTERS && !text.contains('{');
        let members = value.items().iter().map(Value::as_text);
        members
            .map(|text| text.filter(is_fit).map(str::to_owned))
            .collect()
    }

    fn fault(&mut self, span: Span, message: String) {
        let fault = Diagnostic::error("for-each", span, message).with_hint(
            "write `Fn::ForEach::Name: [Identifier, [a, b], {\"Key${Identifier}\": …}]`",
        );
        self.scope.report(fault);
    }

    fn node(&mut self, node: &Node) -> Node {
        self.nodes += 1;
        if self.nodes > MAX_LOOP_NODES && !std::mem::replace(&mut self.is_full, true) {
            let message = "the loops write out too much".to_owned();
            self.scope
                .report(Diagnostic::error("template-limit", node.span, message));
        }
        let kind = match &node.kind {
            _ if self.nodes > MAX_LOOP_NODES => NodeKind::String(String::new()),
            NodeKind::String(text) => NodeKind::String(self.text(text)),
            NodeKind::List(items) => {
                NodeKind::List(items.iter().map(|item| self.node(item)).collect())
            }
            NodeKind::Map(map) => NodeKind::Map(self.map(map)),
            NodeKind::Call(call) => self.call(call),
            other => other.clone(),
        };
        let span = node.span;
        Node { kind, span }
    }

    /// `Ref` of an identifier is its value.
    fn call(&mut self, call: &Call) -> NodeKind {
        if call.function == Function::Ref
            && let Some(name) = call.argument.as_text()
            && let Some((_, value)) = self.variables.iter().rev().find(|(known, _)| known == name)
        {
            return NodeKind::String(value.clone());
        }
        NodeKind::Call(Box::new(Call {
            function: call.function,
            name_span: call.name_span,
            argument: self.node(&call.argument),
        }))
    }

    fn text(&mut self, text: &str) -> String {
        let mut out = text.to_owned();
        for (name, value) in self.variables.iter().rev() {
            if !out.contains('{') {
                break;
            }
            let plain: String = value.chars().filter(char::is_ascii_alphanumeric).collect();
            out = out
                .replace(&format!("${{{name}}}"), value)
                .replace(&format!("&{{{name}}}"), &plain);
        }
        // long text counts for as many nodes as it could have been
        self.nodes += out.len() / 64;
        out
    }
}
