//! Is a condition true?
//!
//! Three answers: yes, no, and `None` where it hangs on something only AWS
//! knows. Source: Template Reference, "Condition functions".

use crate::diagnostic::Diagnostic;
use crate::evaluate::evaluate_node;
use crate::function::Function;
use crate::node::{Call, Node, NodeKind};
use crate::scope::Scope;
use crate::value::{Kind, Span, Value};

/// Larger sets are not compared; real ones have a handful of members.
const MAX_COMPARISONS: usize = 1_000_000;

/// The truth of a condition by its name; unknown names were named before.
pub(crate) fn evaluate_named(scope: &mut Scope<'_>, name: &str) -> Option<bool> {
    if let Some(truth) = scope.conditions.get(name) {
        return *truth;
    }
    let entry = scope.template.conditions.get(name)?;
    // while it is being evaluated it is unknown: that ends a cycle
    scope.conditions.insert(name.to_owned(), None);
    let truth = evaluate(scope, &entry.value);
    scope.conditions.insert(name.to_owned(), truth);
    truth
}

/// The truth of an expression.
pub(crate) fn evaluate(scope: &mut Scope<'_>, node: &Node) -> Option<bool> {
    match &node.kind {
        NodeKind::Call(call) if call.function.is_logical() => evaluate_call(scope, call),
        NodeKind::Map(_) => evaluate_named(scope, named(node)?),
        _ => evaluate_node(scope, node)?.as_bool(),
    }
}

/// The name in `Condition: name`, which among conditions is a function.
pub(crate) fn named(node: &Node) -> Option<&str> {
    let map = node.as_map().filter(|map| map.len() == 1)?;
    map.get("Condition")?.value.as_text()
}

/// The truth of a logical function.
pub(crate) fn evaluate_call(scope: &mut Scope<'_>, call: &Call) -> Option<bool> {
    let items = call.argument.as_list().unwrap_or_default();
    match call.function {
        Function::Condition => evaluate_named(scope, call.argument.as_text()?),
        Function::Not => evaluate(scope, items.first()?).map(|truth| !truth),
        Function::And => all(items.iter().map(|item| evaluate(scope, item))),
        Function::Or => all(items
            .iter()
            .map(|item| evaluate(scope, item).map(|truth| !truth)))
        .map(|truth| !truth),
        Function::Equals => {
            let [left, right] = values(scope, items)?;
            equals(&left, &right)
        }
        Function::Contains => {
            let [list, item] = values(scope, items)?;
            any(list.items().iter().map(|member| equals(member, &item)))
        }
        Function::EachMemberEquals => {
            let [list, item] = values(scope, items)?;
            all(list.items().iter().map(|member| equals(member, &item)))
        }
        Function::EachMemberIn => {
            let [list, set] = values(scope, items)?;
            if list.items().len() * set.items().len() > MAX_COMPARISONS {
                return None;
            }
            all(list
                .items()
                .iter()
                .map(|member| any(set.items().iter().map(|other| equals(member, other)))))
        }
        _ => None,
    }
}

/// `Fn::If`: the branch of a decided condition.
pub(crate) fn evaluate_if(scope: &mut Scope<'_>, argument: &Node, span: Span) -> Option<Value> {
    let Some([name, then, otherwise]) = argument.as_list() else {
        return Some(scope.opaque("Fn::If", &[], span));
    };
    let truth = match name.as_text() {
        Some(name) => evaluate_named(scope, name),
        None => evaluate(scope, name),
    };
    match truth {
        Some(true) => evaluate_node(scope, then),
        Some(false) => evaluate_node(scope, otherwise),
        None => undecided(scope, name, then, otherwise, span),
    }
}

/// Nobody knows which branch holds: their common value, or an opaque one.
fn undecided(
    scope: &mut Scope<'_>,
    name: &Node,
    then: &Node,
    otherwise: &Node,
    span: Span,
) -> Option<Value> {
    let left = evaluate_node(scope, then);
    let right = evaluate_node(scope, otherwise);
    if left == right {
        return left;
    }
    let name = name.as_text().unwrap_or("condition").to_owned();
    if scope.template.conditions.contains_key(&name) {
        let message = format!("whether `{name}` holds is not known, so neither is this value");
        scope.report(
            Diagnostic::warning("undecided-condition", span, message)
                .with_hint("give the parameters it hangs on a value"),
        );
    }
    let none = scope.value(Kind::String("AWS::NoValue".to_owned()), span);
    let name = scope.value(Kind::String(name), span);
    let left = left.unwrap_or_else(|| none.clone());
    let right = right.unwrap_or(none);
    Some(scope.opaque("Fn::If", &[&name, &left, &right], span))
}

/// Whether two values are the same; only a symbol leaves that open.
fn equals(left: &Value, right: &Value) -> Option<bool> {
    match (left.as_text(), right.as_text()) {
        (Some(left), Some(right)) => Some(left == right),
        _ if left == right => Some(true),
        _ if left.is_literal() && right.is_literal() => Some(false),
        _ => None,
    }
}

fn values(scope: &mut Scope<'_>, items: &[Node]) -> Option<[Value; 2]> {
    let [left, right] = items else { return None };
    Some([evaluate_node(scope, left)?, evaluate_node(scope, right)?])
}

/// True when all are; false as soon as one is, whatever the others are.
fn all(mut truths: impl Iterator<Item = Option<bool>>) -> Option<bool> {
    truths
        .try_fold(Some(true), |so_far, truth| match truth {
            Some(false) => Err(()),
            truth => Ok(so_far.and(truth)),
        })
        .unwrap_or(Some(false))
}

fn any(truths: impl Iterator<Item = Option<bool>>) -> Option<bool> {
    all(truths.map(|truth| truth.map(|truth| !truth))).map(|truth| !truth)
}
