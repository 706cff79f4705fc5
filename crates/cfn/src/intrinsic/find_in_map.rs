//! `Fn::FindInMap`: a value of the section `Mappings`.

use crate::diagnostic::Diagnostic;
use crate::evaluate::evaluate_node;
use crate::node::{Map, Node};
use crate::scope::Scope;
use crate::suggest::did_you_mean;
use crate::value::{Span, Value};

pub(super) fn evaluate(scope: &mut Scope<'_>, argument: &Node, span: Span) -> Option<Value> {
    let items = argument.as_list().unwrap_or_default();
    let keys: Vec<Value> = items
        .iter()
        .take(3)
        .filter_map(|key| evaluate_node(scope, key))
        .collect();
    let default = items.get(3).and_then(|item| item.get("DefaultValue"));
    let texts: Vec<&str> = keys.iter().filter_map(Value::as_text).collect();
    let [mapping, top, second] = texts.as_slice() else {
        let keys: Vec<&Value> = keys.iter().collect();
        return Some(scope.opaque("Fn::FindInMap", &keys, span));
    };
    let is_worth_advice = scope.diagnostics.len() < MAX_SUGGESTIONS;
    let found = find(&scope.template.mappings, mapping, &[top, second]);
    match (found, default) {
        (Ok(node), _) => {
            let value = evaluate_node(scope, node)?;
            Some(scope.moved(&value, span))
        }
        (Err(_), Some(default)) => evaluate_node(scope, default),
        (Err(fault), None) => {
            let place = keys[fault.argument].provenance.span;
            let region = fault.word == scope.environment.region;
            let hint = match (region, is_worth_advice) {
                (true, _) => fault.regions(),
                (false, true) => fault.nearest(),
                (false, false) => None,
            };
            let diagnostic = Diagnostic::error("unknown-mapping", place, fault.message);
            scope.report(diagnostic.with_hint_if(hint));
            let keys: Vec<&Value> = keys.iter().collect();
            Some(scope.opaque("Fn::FindInMap", &keys, span))
        }
    }
}

/// Beyond so many faults no more advice is looked for.
const MAX_SUGGESTIONS: usize = 200;
/// So many keys are named where another region would do.
const MAX_REGIONS: usize = 8;

struct NotFound<'t> {
    /// Which of the three arguments leads nowhere.
    argument: usize,
    message: String,
    word: String,
    /// What could have been meant.
    known: Option<&'t Map>,
}

impl NotFound<'_> {
    /// A mapping by region lacks the one the template is evaluated for.
    fn regions(&self) -> Option<String> {
        let mut known: Vec<&str> = self.known?.keys().map(String::as_str).collect();
        known.sort_unstable();
        known.truncate(MAX_REGIONS);
        let known = known.join(", ");
        Some(format!(
            "evaluate it for a region the mapping has, with `--region`: {known}"
        ))
    }

    fn nearest(&self) -> Option<String> {
        did_you_mean(&self.word, self.known?.keys().map(String::as_str))
    }
}

/// Walks down from the mapping by its keys.
fn find<'t>(mappings: &'t Map, mapping: &str, keys: &[&str]) -> Result<&'t Node, NotFound<'t>> {
    let entry = mappings.get(mapping).ok_or_else(|| NotFound {
        argument: 0,
        message: format!("there is no mapping `{mapping}`"),
        word: mapping.to_owned(),
        known: Some(mappings),
    })?;
    let mut node = &entry.value;
    for (index, key) in keys.iter().enumerate() {
        node = node.get(key).ok_or_else(|| NotFound {
            argument: index + 1,
            message: format!("mapping `{mapping}` has no key `{key}`"),
            word: (*key).to_owned(),
            known: node.as_map(),
        })?;
    }
    Ok(node)
}
