//! What is the value of an intrinsic function?
//!
//! One function a file. Each takes the scope and its call and gives a value,
//! or `None` when the property is to be left out (`AWS::NoValue`). What hangs
//! on a symbol becomes text with symbols in it where that is possible, an
//! opaque [`Symbol::Function`](crate::Symbol::Function) otherwise. Faults of
//! form were named by `check` before; here such a call is merely opaque.

mod availability_zones;
mod base64;
mod cidr;
mod find_in_map;
pub(crate) mod for_each;
mod import_value;
mod join;
mod length;
mod list;
pub(crate) mod reference;
mod select;
mod split;
pub(crate) mod sub;
mod to_json_string;

use crate::condition;
use crate::evaluate::evaluate_node;
use crate::function::Function;
use crate::node::{Call, Node};
use crate::rule;
use crate::scope::Scope;
use crate::value::{Kind, Span, Value};

/// Evaluates a call at the scope's current place.
pub(crate) fn evaluate(scope: &mut Scope<'_>, call: &Call, span: Span) -> Option<Value> {
    let argument = &call.argument;
    match call.function {
        Function::Ref => reference::evaluate_ref(scope, argument, span),
        Function::GetAtt => reference::evaluate_get_att(scope, argument, span),
        Function::If => condition::evaluate_if(scope, argument, span),
        Function::Sub => Some(sub::evaluate(scope, argument, span)),
        Function::Join => Some(join::evaluate(scope, argument, span)),
        Function::Select => select::evaluate(scope, argument, span),
        Function::Split => Some(split::evaluate(scope, argument, span)),
        Function::FindInMap => find_in_map::evaluate(scope, argument, span),
        Function::Cidr => Some(cidr::evaluate(scope, argument, span)),
        Function::GetAZs => Some(availability_zones::evaluate(scope, argument, span)),
        Function::Base64 => Some(base64::evaluate(scope, argument, span)),
        Function::ImportValue => Some(import_value::evaluate(scope, argument, span)),
        Function::Length => Some(length::evaluate(scope, argument, span)),
        Function::ToJsonString => Some(to_json_string::evaluate(scope, argument, span)),
        Function::RefAll => Some(rule::evaluate_ref_all(scope, argument, span)),
        function if function.is_logical() => {
            let truth = condition::evaluate_call(scope, call);
            Some(match truth {
                Some(truth) => scope.value(Kind::Bool(truth), span),
                None => scope.opaque(function.name(), &[], span),
            })
        }
        function => {
            let value = evaluate_node(scope, argument);
            let arguments: Vec<&Value> = value.iter().collect();
            Some(scope.opaque(function.name(), &arguments, span))
        }
    }
}

/// Evaluates the items of an argument that is a list of so many; an opaque
/// value of the whole call otherwise.
fn arguments<const N: usize>(
    scope: &mut Scope<'_>,
    function: Function,
    argument: &Node,
    span: Span,
) -> Result<[Value; N], Value> {
    let items = argument.as_list().unwrap_or_default();
    let values: Vec<Value> = items
        .iter()
        .take(N)
        .filter_map(|item| evaluate_node(scope, item))
        .collect();
    values.try_into().map_err(|values: Vec<Value>| {
        let values: Vec<&Value> = values.iter().collect();
        scope.opaque(function.name(), &values, span)
    })
}
