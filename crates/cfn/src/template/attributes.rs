//! Does a parameter, resource or output say what it must, and nothing else?

use indexmap::IndexMap;

use super::Declaration;
use crate::diagnostic::Diagnostic;
use crate::node::{Node, NodeKind};
use crate::suggest::did_you_mean;

/// What a declaration of a kind may and must say.
pub(super) struct Attributes {
    kind: &'static str,
    required: &'static str,
    known: &'static [&'static str],
}

pub(super) const PARAMETER: Attributes = Attributes {
    kind: "parameter",
    required: "Type",
    known: &[
        "Type",
        "Default",
        "Description",
        "AllowedPattern",
        "AllowedValues",
        "ConstraintDescription",
        "MaxLength",
        "MaxValue",
        "MinLength",
        "MinValue",
        "NoEcho",
    ],
};

pub(super) const OUTPUT: Attributes = Attributes {
    kind: "output",
    required: "Value",
    known: &["Value", "Description", "Export", "Condition"],
};

pub(super) const RESOURCE: Attributes = Attributes {
    kind: "resource",
    required: "Type",
    known: &[
        "Type",
        "Properties",
        "Condition",
        "DependsOn",
        "Metadata",
        "DeletionPolicy",
        "UpdateReplacePolicy",
        "CreationPolicy",
        "UpdatePolicy",
    ],
};

/// What a custom resource may say beside that.
/// (CloudFormation, "AWS::CloudFormation::CustomResource")
const CUSTOM_RESOURCE: &str = "Version";

/// Names what is missing and what is unknown. A macro may take attributes of its
/// own away before CloudFormation sees them (SAM's `Connectors`).
pub(super) fn check_attributes(
    attributes: &Attributes,
    declarations: &IndexMap<String, Declaration>,
    has_macros: bool,
    diagnostics: &mut Vec<Diagnostic>,
) {
    for (name, declaration) in declarations {
        if !name.starts_with("Fn::ForEach::") {
            check_declaration(attributes, name, declaration, has_macros, diagnostics);
        }
    }
}

fn check_declaration(
    attributes: &Attributes,
    name: &str,
    declaration: &Declaration,
    has_macros: bool,
    diagnostics: &mut Vec<Diagnostic>,
) {
    let Attributes {
        kind,
        required,
        known,
    } = *attributes;
    let Some(map) = declaration.body.as_map() else {
        return;
    };
    if !map.contains_key(required) {
        let message = format!("{kind} `{name}` has no `{required}`");
        let code = if required == "Type" {
            "missing-type"
        } else {
            "missing-value"
        };
        let misspelt = map.keys().find(|key| key.eq_ignore_ascii_case(required));
        let hint = misspelt.map(|key| format!("write `{required}` instead of `{key}`"));
        let fault = Diagnostic::error(code, declaration.name_span, message);
        diagnostics.push(fault.with_hint_if(hint));
    }
    for (key, entry) in map {
        let is_custom = key == CUSTOM_RESOURCE && is_custom_resource(declaration);
        if known.contains(&key.as_str()) || key.starts_with("Fn::") || is_custom || has_macros {
            continue;
        }
        let message = format!("unknown attribute `{key}` of {kind} `{name}`");
        let hint = did_you_mean(key, known.iter().copied()).or_else(|| {
            (kind == "resource")
                .then(|| format!("properties belong below `Properties` of `{name}`"))
        });
        diagnostics.push(
            Diagnostic::error("unknown-attribute", entry.key_span, message).with_hint_if(hint),
        );
    }
    let body = declaration;
    expect_text(body, "Type", kind, name, diagnostics);
    expect_text(body, "Condition", kind, name, diagnostics);
    if kind == "resource"
        && let Some(properties) = body.get("Properties")
        && !matches!(
            properties.kind,
            NodeKind::Map(_) | NodeKind::Null | NodeKind::Call(_)
        )
    {
        let found = properties.describe();
        let message = format!("`Properties` of `{name}` must be a map, not {found}");
        diagnostics.push(Diagnostic::error("wrong-type", properties.span, message));
    }
}

fn is_custom_resource(declaration: &Declaration) -> bool {
    let kind = declaration.get("Type").and_then(Node::as_text);
    kind.is_some_and(|kind| {
        kind.starts_with("Custom::") || kind == "AWS::CloudFormation::CustomResource"
    })
}

fn expect_text(
    declaration: &Declaration,
    attribute: &str,
    kind: &str,
    name: &str,
    diagnostics: &mut Vec<Diagnostic>,
) {
    if let Some(node) = declaration.get(attribute)
        && !matches!(node.kind, NodeKind::String(_) | NodeKind::Null)
    {
        let found = node.describe();
        let message = format!("`{attribute}` of {kind} `{name}` must be text, not {found}");
        diagnostics.push(Diagnostic::error("wrong-type", node.span, message));
    }
}
