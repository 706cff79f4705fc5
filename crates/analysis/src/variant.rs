//! Which other systems does the same template describe?
//!
//! A parameter that a condition asks for switches parts on and off. Each of
//! its other allowed values is one variant; values are tried one parameter at
//! a time, up to a number that is reported.

use std::sync::Arc;

use cfn::{Environment, Node, NodeKind, Template};
use model::Model;

/// More variants than this are left out, and counted.
const MAX_VARIANTS: usize = 32;
/// A parameter with more allowed values than this is no switch.
const MAX_VALUES: usize = 8;

/// The template under one parameter's other value.
#[derive(Clone, Debug)]
pub struct Variant {
    pub parameter: String,
    pub value: String,
    pub model: Model,
}

impl Variant {
    /// `NatGateways=0`.
    pub fn name(&self) -> String {
        format!("{}={}", self.parameter, self.value)
    }
}

/// All variants, and how many were left out.
#[derive(Clone, Debug, Default)]
pub struct Variants {
    pub variants: Vec<Variant>,
    pub left_out: usize,
}

/// Evaluates the template under each other value of each switch.
pub fn variants(template: &Template, environment: &Environment) -> Variants {
    let mut found = Variants::default();
    for (name, declaration) in &template.parameters {
        let allowed = declaration
            .get("AllowedValues")
            .map(Node::items)
            .unwrap_or_default();
        let is_switch = (2..=MAX_VALUES).contains(&allowed.len())
            && template
                .conditions
                .values()
                .any(|entry| mentions(&entry.value, name));
        if !is_switch {
            continue;
        }
        let default = declaration.get("Default").and_then(Node::as_text);
        let given = environment.parameters.get(name).map(String::as_str);
        let current = given.or(default);
        let others = allowed
            .iter()
            .filter_map(Node::as_text)
            .filter(|one| Some(*one) != current);
        for value in others {
            if found.variants.len() == MAX_VARIANTS {
                found.left_out += 1;
                continue;
            }
            let mut environment = environment.clone();
            environment
                .parameters
                .insert(name.clone(), value.to_owned());
            let (stack, faults) = cfn::evaluate(template, &environment);
            // A rule of the template may forbid the combination.
            if faults.iter().any(cfn::Diagnostic::is_error) {
                continue;
            }
            found.variants.push(Variant {
                parameter: name.clone(),
                value: value.to_owned(),
                model: model::lower(&Arc::new(stack)),
            });
        }
    }
    found
}

/// Whether a parameter is named anywhere under a node.
fn mentions(node: &Node, parameter: &str) -> bool {
    match &node.kind {
        NodeKind::Call(call) => {
            call.argument.as_text() == Some(parameter) || mentions(&call.argument, parameter)
        }
        NodeKind::List(items) => items.iter().any(|item| mentions(item, parameter)),
        NodeKind::Map(map) => map.values().any(|entry| mentions(&entry.value, parameter)),
        _ => false,
    }
}
