//! What value does a parameter have, and may it?
//!
//! Source: Template Reference, "Parameters", and User Guide, "Specify existing
//! resources at runtime with CloudFormation-supplied parameter types".

use crate::constraint;
use crate::diagnostic::Diagnostic;
use crate::node::{Node, NodeKind};
use crate::scalar::is_number;
use crate::scope::Scope;
use crate::suggest::did_you_mean;
use crate::symbol::Symbol;
use crate::template::Declaration;
use crate::value::{Kind, Span, Value};

/// What a parameter's type makes of its text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ParameterType {
    Text,
    Number,
    TextList,
    NumberList,
    /// The name of a parameter in Parameter Store, which alone knows the value.
    Store,
}

impl ParameterType {
    pub(crate) fn of(name: &str) -> Option<Self> {
        match name {
            "String" | "AWS::SSM::Parameter::Name" => Some(Self::Text),
            "Number" => Some(Self::Number),
            "CommaDelimitedList" => Some(Self::TextList),
            "List<Number>" => Some(Self::NumberList),
            _ if name.starts_with("AWS::SSM::Parameter::Value<") => Some(Self::Store),
            _ if RESOURCE_TYPES.contains(&name) => Some(Self::Text),
            _ => {
                let inner = name.strip_prefix("List<")?.strip_suffix('>')?;
                let is_known = inner == "String" || RESOURCE_TYPES.contains(&inner);
                is_known.then_some(Self::TextList)
            }
        }
    }

    pub(crate) fn is_list(self) -> bool {
        matches!(self, Self::TextList | Self::NumberList)
    }
}

const RESOURCE_TYPES: [&str; 9] = [
    "AWS::EC2::AvailabilityZone::Name",
    "AWS::EC2::Image::Id",
    "AWS::EC2::Instance::Id",
    "AWS::EC2::KeyPair::KeyName",
    "AWS::EC2::SecurityGroup::GroupName",
    "AWS::EC2::SecurityGroup::Id",
    "AWS::EC2::Subnet::Id",
    "AWS::EC2::VPC::Id",
    "AWS::Route53::HostedZone::Id",
];

/// Gives every parameter its value: the person's, else its default, else a
/// symbol.
pub(crate) fn evaluate_all(scope: &mut Scope<'_>) {
    let template = scope.template;
    let names = || template.parameters.keys().map(String::as_str);
    // a template that could not be read has no parameters to compare with
    let is_readable = !template.resources.is_empty();
    for given in scope.environment.parameters.keys().filter(|_| is_readable) {
        if !template.parameters.contains_key(given) {
            let message = format!("the template has no parameter `{given}`, yet a value is given");
            let span = Span {
                line: 1,
                column: 1,
                ..Span::default()
            };
            let hint = did_you_mean(given, names());
            let fault = Diagnostic::error("unknown-parameter", span, message);
            scope.report(fault.with_hint_if(hint));
        }
    }
    for (name, declaration) in &template.parameters {
        let value = evaluate(scope, name, declaration);
        scope.parameters.insert(name.clone(), value);
    }
}

fn evaluate(scope: &mut Scope<'_>, name: &str, declaration: &Declaration) -> Value {
    let span = declaration.name_span;
    let parameter_type = declared_type(scope, declaration);
    let default = declaration.get("Default");
    let faults = constraint::check_declaration(name, declaration, parameter_type);
    scope.diagnostics.extend(faults);
    let given = scope.environment.parameters.get(name).cloned();
    let place = match (&given, default) {
        (None, Some(node)) => node.span,
        _ => span,
    };
    let Some(text) = given.or_else(|| default.and_then(default_text)) else {
        return scope.value(Kind::Symbol(Symbol::Parameter(name.to_owned())), span);
    };
    let faults = constraint::check_value(name, declaration, parameter_type, &text, place);
    scope.diagnostics.extend(faults);
    let kind = kind_of(scope, parameter_type, &text, place);
    scope.value(kind, place)
}

fn declared_type(scope: &mut Scope<'_>, declaration: &Declaration) -> ParameterType {
    let Some(node) = declaration.get("Type") else {
        return ParameterType::Text;
    };
    let Some(name) = node.as_text() else {
        return ParameterType::Text;
    };
    ParameterType::of(name).unwrap_or_else(|| {
        let message = format!("unknown parameter type `{name}`");
        let known = ["String", "Number", "CommaDelimitedList", "List<Number>"];
        let hint = did_you_mean(name, known.into_iter().chain(RESOURCE_TYPES));
        let fault = Diagnostic::error("parameter-type", node.span, message);
        scope.report(fault.with_hint_if(hint));
        ParameterType::Text
    })
}

fn default_text(node: &Node) -> Option<String> {
    match &node.kind {
        NodeKind::List(_) | NodeKind::Map(_) | NodeKind::Call(_) | NodeKind::Null => None,
        _ => node.as_text().map(str::to_owned),
    }
}

fn kind_of(scope: &mut Scope<'_>, parameter_type: ParameterType, text: &str, span: Span) -> Kind {
    match parameter_type {
        ParameterType::Text => Kind::String(text.to_owned()),
        ParameterType::Number => number(text),
        ParameterType::Store => Kind::Symbol(Symbol::SsmParameter(text.to_owned())),
        ParameterType::TextList | ParameterType::NumberList => {
            let items = members(text)
                .enumerate()
                .map(|(index, item)| {
                    let kind = match parameter_type {
                        ParameterType::NumberList => number(item),
                        _ => Kind::String(item.to_owned()),
                    };
                    scope.at_index(index, |scope| scope.value(kind, span))
                })
                .collect();
            Kind::List(items)
        }
    }
}

/// The members of a comma-delimited list, without the space around them; an
/// empty text has none.
pub(crate) fn members(text: &str) -> impl Iterator<Item = &str> {
    let text = text.trim();
    (!text.is_empty())
        .then(|| text.split(',').map(str::trim))
        .into_iter()
        .flatten()
}

fn number(text: &str) -> Kind {
    if is_number(text.trim()) {
        Kind::Number(text.trim().to_owned())
    } else {
        Kind::String(text.to_owned())
    }
}
