//! `Ref` and `Fn::GetAtt`: what is the value of a name?

use crate::diagnostic::Diagnostic;
use crate::evaluate::evaluate_node;
use crate::node::Node;
use crate::scope::Scope;
use crate::symbol::Symbol;
use crate::value::{Kind, Span, Value};

/// Pseudo parameters. Source: Template Reference, "Pseudo parameters".
pub(crate) const PSEUDO_PARAMETERS: [&str; 8] = [
    "AWS::AccountId",
    "AWS::NoValue",
    "AWS::NotificationARNs",
    "AWS::Partition",
    "AWS::Region",
    "AWS::StackId",
    "AWS::StackName",
    "AWS::URLSuffix",
];

pub(super) fn evaluate_ref(scope: &mut Scope<'_>, argument: &Node, span: Span) -> Option<Value> {
    match argument.as_text() {
        Some(name) => named(scope, name, span),
        None => {
            let name = evaluate_node(scope, argument)?;
            match name.as_text() {
                Some(name) => named(scope, name, span),
                None => Some(scope.opaque("Ref", &[&name], span)),
            }
        }
    }
}

/// The value of a parameter, pseudo parameter or resource by its name.
pub(crate) fn named(scope: &mut Scope<'_>, name: &str, span: Span) -> Option<Value> {
    if let Some(pseudo) = name.strip_prefix("AWS::") {
        return pseudo_parameter(scope, pseudo, span);
    }
    if let Some(value) = scope.parameters.get(name).cloned() {
        return Some(scope.moved(&value, span));
    }
    refer(scope, name, span);
    Some(scope.value(Kind::Symbol(Symbol::Ref(name.to_owned())), span))
}

pub(super) fn evaluate_get_att(
    scope: &mut Scope<'_>,
    argument: &Node,
    span: Span,
) -> Option<Value> {
    if let Some((id, attribute)) = argument.as_text().and_then(|text| text.split_once('.')) {
        return Some(attribute_of(scope, id, attribute, span));
    }
    let parts: Vec<Value> = argument
        .as_list()
        .unwrap_or_default()
        .iter()
        .filter_map(|part| evaluate_node(scope, part))
        .collect();
    if let [id, attributes @ ..] = parts.as_slice()
        && let Some(id) = id.as_text()
        && let Some(names) = attributes
            .iter()
            .map(Value::as_text)
            .collect::<Option<Vec<_>>>()
    {
        return Some(attribute_of(scope, id, &names.join("."), span));
    }
    let parts: Vec<&Value> = parts.iter().collect();
    Some(scope.opaque("Fn::GetAtt", &parts, span))
}

/// An attribute of a resource.
pub(super) fn attribute_of(
    scope: &mut Scope<'_>,
    logical_id: &str,
    attribute: &str,
    span: Span,
) -> Value {
    refer(scope, logical_id, span);
    let symbol = Symbol::GetAtt(logical_id.to_owned(), attribute.to_owned());
    scope.value(Kind::Symbol(symbol), span)
}

/// Notes that the current place needs a resource, which must exist.
fn refer(scope: &mut Scope<'_>, logical_id: &str, span: Span) {
    let Some(declaration) = scope.template.resources.get(logical_id) else {
        return;
    };
    scope
        .references
        .entry(logical_id.to_owned())
        .or_insert(span);
    if scope.absent.contains(logical_id) {
        let condition = declaration.get("Condition").and_then(Node::as_text);
        let condition = condition.unwrap_or_default();
        let message =
            format!("`{logical_id}` does not exist here: its condition `{condition}` is false");
        scope.report(
            Diagnostic::error("absent-resource", span, message)
                .with_related(declaration.name_span, "declared here, under the condition")
                .with_hint(format!(
                    "refer to it inside `!If [{condition}, …, !Ref AWS::NoValue]`"
                )),
        );
    }
}

fn pseudo_parameter(scope: &mut Scope<'_>, name: &str, span: Span) -> Option<Value> {
    let environment = scope.environment;
    let text = match name {
        "NoValue" => return None,
        "AccountId" => environment.account_id.clone(),
        "Region" => environment.region.clone(),
        "StackName" => environment.stack_name.clone(),
        "Partition" if !environment.region.is_empty() => partition(&environment.region).to_owned(),
        "URLSuffix" if !environment.region.is_empty() => url_suffix(&environment.region).to_owned(),
        _ => String::new(),
    };
    let kind = if text.is_empty() {
        Kind::Symbol(Symbol::Ref(format!("AWS::{name}")))
    } else {
        Kind::String(text)
    };
    Some(scope.value(kind, span))
}

/// The partition a region belongs to.
pub(crate) fn partition(region: &str) -> &'static str {
    match region {
        _ if region.starts_with("cn-") => "aws-cn",
        _ if region.starts_with("us-gov-") => "aws-us-gov",
        _ if region.starts_with("eusc-") => "aws-eusc",
        _ => "aws",
    }
}

fn url_suffix(region: &str) -> &'static str {
    match partition(region) {
        "aws-cn" => "amazonaws.com.cn",
        "aws-eusc" => "amazonaws.eu",
        _ => "amazonaws.com",
    }
}
