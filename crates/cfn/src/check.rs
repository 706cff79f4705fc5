//! Does every name in the template mean something, and every function get
//! what it asks for?
//!
//! Walks the whole text, also the branches and resources no condition lets
//! through, so that all faults come at once. Evaluation then need not name
//! them again.

mod call;
mod name;

use crate::diagnostic::Diagnostic;
use crate::graph::{Graph, cycles};
use crate::node::{Node, NodeKind};
use crate::suggest::did_you_mean;
use crate::template::{Declaration, Template};

/// The part of the template a node stands in; each allows other functions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Area {
    Conditions,
    Rules,
    Resources,
    Outputs,
    /// Parameters' defaults and mappings, where nothing is evaluated.
    Data,
}

/// Beyond so many faults no more advice is looked for: it costs too much.
const MAX_SUGGESTIONS: usize = 200;

struct Checker<'t> {
    template: &'t Template,
    area: Area,
    has_extensions: bool,
    /// Other macros may bring names and functions we cannot know.
    has_macros: bool,
    /// Logical ids of the resources that are modules, in order.
    modules: Vec<&'t str>,
    faults: Vec<Diagnostic>,
    /// Condition that refers to condition, for cycles.
    conditions: Graph<'t>,
    /// The condition being looked at.
    condition: Option<&'t str>,
}

/// Faults of reference and form in an expanded template.
pub(crate) fn check(template: &Template) -> Vec<Diagnostic> {
    let mut checker = Checker {
        template,
        area: Area::Data,
        has_extensions: template.has_language_extensions(),
        has_macros: false,
        modules: modules(template),
        faults: Vec::new(),
        conditions: Graph::new(),
        condition: None,
    };
    checker.transforms();
    for mapping in template.mappings.values() {
        checker.node(&mapping.value);
    }
    checker.area = Area::Conditions;
    for (name, entry) in &template.conditions {
        checker.condition = Some(name);
        checker.condition_expression(&entry.value);
    }
    checker.condition = None;
    checker.condition_cycles();
    checker.area = Area::Rules;
    for rule in template.rules.values() {
        checker.node(&rule.value);
    }
    checker.area = Area::Resources;
    for (name, declaration) in &template.resources {
        checker.resource(name, declaration);
    }
    checker.area = Area::Outputs;
    for (name, declaration) in &template.outputs {
        checker.declaration(name, declaration, &["Value", "Export", "Description"]);
    }
    checker.faults
}

fn modules(template: &Template) -> Vec<&str> {
    let is_module = |declaration: &Declaration| {
        let kind = declaration.get("Type").and_then(Node::as_text);
        kind.is_some_and(|kind| kind.ends_with("::MODULE"))
    };
    let resources = template.resources.iter();
    let modules = resources.filter(|(_, declaration)| is_module(declaration));
    let mut modules: Vec<&str> = modules.map(|(id, _)| id.as_str()).collect();
    modules.sort_unstable();
    modules
}

impl<'t> Checker<'t> {
    fn transforms(&mut self) {
        for (transform, name) in self.template.macros() {
            self.has_macros = true;
            let name = name.unwrap_or("…");
            let message = format!("transform `{name}` is not analysed");
            self.faults.push(
                Diagnostic::warning("not-analysed", transform.span, message)
                    .with_hint("what the macro would add or change is not seen"),
            );
        }
    }

    fn resource(&mut self, name: &str, declaration: &'t Declaration) {
        let attributes = [
            "Properties",
            "Metadata",
            "CreationPolicy",
            "UpdatePolicy",
            "DeletionPolicy",
            "UpdateReplacePolicy",
        ];
        self.declaration(name, declaration, &attributes);
        if let Some(node) = declaration.get("Type")
            && let Some(resource_type) = node.as_text()
            && !is_resource_type(resource_type)
        {
            let message = format!("`{resource_type}` is no resource type");
            let hint = "types look like `AWS::EC2::VPC` or `Custom::Name`";
            self.faults
                .push(Diagnostic::error("resource-type", node.span, message).with_hint(hint));
        }
        for attribute in ["DeletionPolicy", "UpdateReplacePolicy"] {
            self.policy(attribute, declaration);
        }
        self.depends_on(declaration);
    }

    fn declaration(&mut self, _name: &str, declaration: &'t Declaration, attributes: &[&str]) {
        if let Some(node) = declaration.get("Condition")
            && let Some(condition) = node.as_text()
        {
            self.condition_name(condition, node.span);
        }
        for attribute in attributes {
            if let Some(node) = declaration.get(attribute) {
                self.node(node);
            }
        }
    }

    fn policy(&mut self, attribute: &str, declaration: &Declaration) {
        const POLICIES: [&str; 4] = ["Delete", "Retain", "RetainExceptOnCreate", "Snapshot"];
        let Some(node) = declaration.get(attribute) else {
            return;
        };
        if node.as_call().is_some() && self.has_extensions {
            return;
        }
        let text = node.as_text();
        if text.is_some_and(|text| POLICIES.contains(&text)) {
            return;
        }
        let found = text.unwrap_or_else(|| node.describe());
        let message = format!("`{found}` is no `{attribute}`");
        let hint = did_you_mean(found, POLICIES)
            .unwrap_or_else(|| format!("one of {}", POLICIES.join(", ")));
        self.faults
            .push(Diagnostic::error("wrong-type", node.span, message).with_hint(hint));
    }

    fn depends_on(&mut self, declaration: &Declaration) {
        let Some(node) = declaration.get("DependsOn") else {
            return;
        };
        for item in node.items() {
            match item.as_text() {
                Some(id) if self.template.resources.contains_key(id) || self.has_macros => {}
                Some(id) => {
                    let message = format!("`DependsOn` names `{id}`, which is no resource here");
                    let resources = self.template.resources.keys().map(String::as_str);
                    let hint = self.did_you_mean(id, resources);
                    let fault = Diagnostic::error("unknown-reference", item.span, message);
                    self.faults.push(fault.with_hint_if(hint));
                }
                None => {
                    let found = item.describe();
                    let message = format!("`DependsOn` takes logical ids, not {found}");
                    self.faults
                        .push(Diagnostic::error("wrong-type", item.span, message));
                }
            }
        }
    }

    fn did_you_mean<'c>(
        &self,
        word: &str,
        candidates: impl IntoIterator<Item = &'c str>,
    ) -> Option<String> {
        let is_worth_it = self.faults.len() < MAX_SUGGESTIONS;
        is_worth_it.then(|| did_you_mean(word, candidates))?
    }

    fn node(&mut self, node: &'t Node) {
        match &node.kind {
            NodeKind::List(items) => items.iter().for_each(|item| self.node(item)),
            NodeKind::Map(map) => map.values().for_each(|entry| self.node(&entry.value)),
            NodeKind::Call(call) => self.call(call, node.span),
            _ => {}
        }
    }

    /// A node that must have a truth value.
    fn condition_expression(&mut self, node: &'t Node) {
        if let Some(name) = crate::condition::named(node) {
            let place = node.get("Condition").map_or(node.span, |name| name.span);
            self.condition_name(name, place);
            return;
        }
        match &node.kind {
            NodeKind::Call(call) if call.function.is_logical() => self.call(call, node.span),
            NodeKind::Call(call) if self.area == Area::Rules => self.call(call, node.span),
            _ => {
                let found = node.describe();
                let message = format!("a condition is expected here, not {found}");
                let hint = "use `Fn::Equals`, `Fn::And`, `Fn::Or`, `Fn::Not` or `Condition`";
                self.faults
                    .push(Diagnostic::error("not-a-condition", node.span, message).with_hint(hint));
            }
        }
    }

    fn condition_cycles(&mut self) {
        for cycle in cycles(&self.conditions) {
            let first = cycle[0];
            let names: Vec<String> = cycle
                .iter()
                .chain([&first])
                .map(|name| format!("`{name}`"))
                .collect();
            let message = format!("conditions in a circle: {}", names.join(" → "));
            let Some(entry) = self.template.conditions.get(first) else {
                continue;
            };
            let fault = Diagnostic::error("condition-cycle", entry.key_span, message);
            let others = cycle[1..]
                .iter()
                .filter_map(|name| self.template.conditions.get(*name));
            self.faults.push(others.fold(fault, |fault, entry| {
                fault.with_related(entry.key_span, "also in the circle")
            }));
        }
    }
}

fn is_resource_type(name: &str) -> bool {
    let parts: Vec<&str> = name.split("::").collect();
    let is_word = |part: &&str| {
        !part.is_empty()
            && part
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"_@-".contains(&b))
    };
    parts.len() >= 2 && parts.iter().all(is_word)
}
