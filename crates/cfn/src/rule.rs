//! Do the parameters keep the template's own rules?
//!
//! Source: Template Reference, "Rules section" and "Rule-specific intrinsic
//! functions". Only an assertion that is surely false is a fault.

use crate::condition;
use crate::diagnostic::Diagnostic;
use crate::node::Node;
use crate::scope::Scope;
use crate::suggest::did_you_mean;
use crate::value::{Kind, Span, Value};

/// Evaluates every rule whose condition holds.
pub(crate) fn evaluate_all(scope: &mut Scope<'_>) {
    let template = scope.template;
    for (name, entry) in &template.rules {
        check_form(scope, name, &entry.value);
        let applies = match entry.value.get("RuleCondition") {
            Some(node) => condition::evaluate(scope, node),
            None => Some(true),
        };
        if applies != Some(true) {
            continue;
        }
        for assertion in entry
            .value
            .get("Assertions")
            .map(Node::items)
            .unwrap_or_default()
        {
            check_assertion(scope, name, assertion);
        }
    }
}

fn check_form(scope: &mut Scope<'_>, name: &str, rule: &Node) {
    const KNOWN: [&str; 2] = ["RuleCondition", "Assertions"];
    let Some(map) = rule.as_map() else {
        let message = format!("rule `{name}` must be a map, not {}", rule.describe());
        scope.report(Diagnostic::error("wrong-type", rule.span, message));
        return;
    };
    for (key, entry) in map {
        if !KNOWN.contains(&key.as_str()) {
            let message = format!("unknown attribute `{key}` of rule `{name}`");
            let fault = Diagnostic::error("unknown-attribute", entry.key_span, message);
            scope.report(fault.with_hint_if(did_you_mean(key, KNOWN)));
        }
    }
    if !map.contains_key("Assertions") {
        let message = format!("rule `{name}` has no `Assertions`");
        scope.report(Diagnostic::error("missing-value", rule.span, message));
    }
}

fn check_assertion(scope: &mut Scope<'_>, rule: &str, assertion: &Node) {
    let Some(claim) = assertion.get("Assert") else {
        let message = format!("an assertion of rule `{rule}` has no `Assert`");
        scope.report(Diagnostic::error("missing-value", assertion.span, message));
        return;
    };
    if condition::evaluate(scope, claim) != Some(false) {
        return;
    }
    let said = assertion.get("AssertDescription").and_then(Node::as_text);
    let message = format!("the parameters break rule `{rule}`");
    let fault = Diagnostic::error("rule-assertion", claim.span, message);
    scope.report(fault.with_hint_if(said.map(str::to_owned)));
}

/// `Fn::RefAll`: the values of all parameters of a type.
pub(crate) fn evaluate_ref_all(scope: &mut Scope<'_>, argument: &Node, span: Span) -> Value {
    let template = scope.template;
    let wanted = argument.as_text();
    let names = template.parameters.iter().filter(|(_, parameter)| {
        wanted.is_some() && parameter.get("Type").and_then(Node::as_text) == wanted
    });
    let mut values = Vec::new();
    for (name, _) in names {
        if !scope.has_room() {
            break;
        }
        if let Some(value) = scope.parameters.get(name).cloned() {
            values.push(scope.moved(&value, span));
        }
    }
    scope.value(Kind::List(values), span)
}
