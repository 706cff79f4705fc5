//! What stack does a template describe for one account and region?
//!
//! Parameters first, then conditions, then the resources and outputs whose
//! condition holds. Every node is evaluated once and every answer is total:
//! what cannot be computed is a symbol.

use std::collections::BTreeMap;

use crate::check;
use crate::condition;
use crate::diagnostic::Diagnostic;
use crate::graph::cycles;
use crate::intrinsic::{self, for_each, reference};
use crate::limits;
use crate::node::{Node, NodeKind};
use crate::parameter;
use crate::rule;
use crate::scope::Scope;
use crate::stack::{Environment, Output, Resource, ResourceProvenance, Stack};
use crate::template::{Declaration, Template};
use crate::value::{Fragment, Kind, Provenance, Value};

/// Evaluates a template; the diagnostics name what `parse` could not know:
/// wrong references, conditions, cycles, parameter values.
pub fn evaluate(template: &Template, environment: &Environment) -> (Stack, Vec<Diagnostic>) {
    let (expanded, mut diagnostics) = for_each::expand(template, environment);
    if let Some(expanded) = &expanded {
        limits::check_counts(expanded, &mut diagnostics);
    }
    let template = expanded.as_ref().unwrap_or(template);
    diagnostics.extend(check::check(template));
    let mut scope = Scope::new(template, environment);
    parameter::evaluate_all(&mut scope);
    for name in template.conditions.keys() {
        condition::evaluate_named(&mut scope, name);
    }
    rule::evaluate_all(&mut scope);
    let mut stack = Stack {
        description: template.description.clone(),
        account_id: environment.account_id.clone(),
        region: environment.region.clone(),
        partition: reference::partition(&environment.region).to_owned(),
        stack_name: environment.stack_name.clone(),
        ..Stack::default()
    };
    evaluate_resources(&mut scope, &mut stack);
    check_cycles(&mut scope);
    evaluate_outputs(&mut scope, &mut stack);
    scope.enter("");
    stack.metadata = template
        .metadata
        .as_ref()
        .map(|node| plain(&mut scope, node));
    stack.parameters = scope.parameters;
    stack.conditions = scope.conditions;
    diagnostics.extend(scope.diagnostics);
    diagnostics.sort_by_key(|diagnostic| diagnostic.span.start);
    limits::cap(&mut diagnostics);
    (stack, diagnostics)
}

/// The value of a node at the scope's current place; `None` leaves it out.
pub(crate) fn evaluate_node(scope: &mut Scope<'_>, node: &Node) -> Option<Value> {
    let span = node.span;
    if !scope.has_room() {
        return None;
    }
    let kind = match &node.kind {
        NodeKind::Null => Kind::Null,
        NodeKind::Bool(truth) => Kind::Bool(*truth),
        NodeKind::Number(text) => Kind::Number(text.clone()),
        NodeKind::String(text) => {
            return Some(scope.text(vec![Fragment::Literal(text.clone())], span));
        }
        NodeKind::List(items) => Kind::List(
            items
                .iter()
                .enumerate()
                .filter_map(|(index, item)| {
                    scope.at_index(index, |scope| evaluate_node(scope, item))
                })
                .collect(),
        ),
        NodeKind::Map(map) => Kind::Map(
            map.iter()
                .filter_map(|(key, entry)| {
                    let value = scope.at_key(key, |scope| evaluate_node(scope, &entry.value))?;
                    Some((key.clone(), value))
                })
                .collect(),
        ),
        NodeKind::Call(call) => return intrinsic::evaluate(scope, call, span),
    };
    Some(scope.value(kind, span))
}

/// A node as data, functions left as they are written.
fn plain(scope: &mut Scope<'_>, node: &Node) -> Value {
    let kind = match &node.kind {
        NodeKind::Null => Kind::Null,
        NodeKind::Bool(truth) => Kind::Bool(*truth),
        NodeKind::Number(text) => Kind::Number(text.clone()),
        NodeKind::String(text) => Kind::String(text.clone()),
        NodeKind::List(items) => Kind::List(items.iter().map(|item| plain(scope, item)).collect()),
        NodeKind::Map(map) => Kind::Map(
            map.iter()
                .map(|(key, entry)| (key.clone(), plain(scope, &entry.value)))
                .collect(),
        ),
        NodeKind::Call(call) => {
            let argument = plain(scope, &call.argument);
            Kind::Map([(call.function.name().to_owned(), argument)].into())
        }
    };
    scope.value(kind, node.span)
}

fn evaluate_resources<'t>(scope: &mut Scope<'t>, stack: &mut Stack) {
    let template: &'t Template = scope.template;
    for (name, declaration) in &template.resources {
        if !exists(scope, name, declaration) {
            scope.absent.insert(name);
        }
    }
    for (name, declaration) in &template.resources {
        let resource_type = declaration.get("Type").and_then(Node::as_text);
        let Some(resource_type) = resource_type else {
            continue; // named as a fault before
        };
        if scope.absent.contains(name.as_str()) {
            continue;
        }
        let resource = evaluate_resource(scope, name, resource_type, declaration);
        stack.resources.insert(name.clone(), resource);
    }
}

/// Whether a resource or output's condition holds; an undecided one counts as
/// holding, and is named.
fn exists(scope: &mut Scope<'_>, name: &str, declaration: &Declaration) -> bool {
    let Some(node) = declaration.get("Condition") else {
        return true;
    };
    let Some(condition) = node.as_text() else {
        return true;
    };
    let is_known = scope.template.conditions.contains_key(condition);
    let truth = condition::evaluate_named(scope, condition);
    if truth.is_none() && is_known {
        scope.report(
            Diagnostic::warning(
                "undecided-condition",
                node.span,
                format!("whether `{condition}` holds is not known; `{name}` is taken to exist"),
            )
            .with_hint("give the parameters it hangs on a value"),
        );
    }
    truth != Some(false)
}

fn evaluate_resource(
    scope: &mut Scope<'_>,
    name: &str,
    resource_type: &str,
    declaration: &Declaration,
) -> Resource {
    scope.enter(name);
    let provenance = Provenance {
        logical_id: name.into(),
        path: "".into(),
        span: declaration.name_span,
    };
    let properties = declaration
        .get("Properties")
        .and_then(|node| evaluate_node(scope, node))
        .filter(|value| matches!(value.kind, Kind::Map(_)))
        .unwrap_or_else(|| Value {
            kind: Kind::Map(indexmap::IndexMap::new()),
            provenance: provenance.clone(),
        });
    let metadata = declaration
        .get("Metadata")
        .and_then(|node| scope.at_key("Metadata", |scope| evaluate_node(scope, node)));
    let deletion_policy = declaration
        .get("DeletionPolicy")
        .and_then(|node| scope.at_key("DeletionPolicy", |scope| evaluate_node(scope, node)))
        .map(|value| value.to_string());
    let depends_on = dependencies(scope, name, declaration);
    Resource {
        logical_id: name.to_owned(),
        resource_type: resource_type.to_owned(),
        properties,
        metadata,
        depends_on,
        deletion_policy,
        provenance: ResourceProvenance(provenance),
    }
}

/// `DependsOn` and every reference, of resources that exist.
fn dependencies(scope: &mut Scope<'_>, name: &str, declaration: &Declaration) -> Vec<String> {
    let mut found = std::mem::take(&mut scope.references);
    let written = declaration.get("DependsOn").map(Node::items);
    for item in written.unwrap_or_default() {
        if let Some(id) = item.as_text() {
            found.entry(id.to_owned()).or_insert(item.span);
        }
    }
    let template = scope.template;
    if is_expanded_by_sam(declaration) {
        // what it needs is spread over the resources the transform makes of it
        scope.dependencies.insert(name.to_owned(), BTreeMap::new());
        return found.into_keys().filter(|id| id != name).collect();
    }
    found
        .retain(|id, _| template.resources.contains_key(id) && !scope.absent.contains(id.as_str()));
    let others = found.keys().filter(|id| *id != name).cloned().collect();
    scope.dependencies.insert(name.to_owned(), found);
    others
}

fn is_expanded_by_sam(declaration: &Declaration) -> bool {
    let kind = declaration.get("Type").and_then(Node::as_text);
    kind.is_some_and(|kind| kind.starts_with("AWS::Serverless::"))
}

/// Resources that need each other can never be created.
fn check_cycles(scope: &mut Scope<'_>) {
    let graph = scope
        .dependencies
        .iter()
        .map(|(from, to)| (from.as_str(), to.keys().map(String::as_str).collect()))
        .collect();
    let mut faults = Vec::new();
    for cycle in cycles(&graph) {
        let edges = cycle.iter().zip(cycle.iter().cycle().skip(1));
        let mut places = edges.map(|(from, to)| (from, to, scope.dependencies[*from][*to]));
        let Some((first, _, place)) = places.next() else {
            continue;
        };
        let names: Vec<String> = cycle
            .iter()
            .chain([first])
            .map(|name| format!("`{name}`"))
            .collect();
        let message = format!("resources depend on each other: {}", names.join(" → "));
        let fault = Diagnostic::error("dependency-cycle", place, message).with_hint(
            "break the circle, for example with a stand-alone rule or attachment resource",
        );
        faults.push(places.fold(fault, |fault, (from, to, place)| {
            fault.with_related(place, format!("`{from}` needs `{to}` here"))
        }));
    }
    scope.diagnostics.extend(faults);
}

fn evaluate_outputs(scope: &mut Scope<'_>, stack: &mut Stack) {
    for (name, declaration) in &scope.template.outputs {
        scope.enter("");
        if !exists(scope, name, declaration) {
            continue;
        }
        let value = declaration
            .get("Value")
            .and_then(|node| evaluate_node(scope, node))
            .unwrap_or_else(|| scope.value(Kind::Null, declaration.name_span));
        let export_name = declaration
            .get("Export")
            .and_then(|export| export.get("Name"))
            .and_then(|node| evaluate_node(scope, node));
        let description = declaration
            .get("Description")
            .and_then(Node::as_text)
            .map(str::to_owned);
        let output = Output {
            description,
            value,
            export_name,
        };
        stack.outputs.insert(name.clone(), output);
    }
}
