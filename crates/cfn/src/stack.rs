//! A template evaluated for one account and region.

use std::collections::BTreeMap;

use crate::symbol::Symbol;
use crate::value::{Provenance, Value};

/// What a template is evaluated for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Environment {
    pub account_id: String,
    pub region: String,
    pub stack_name: String,
    /// Values given by the person; missing ones fall back to the template's
    /// `Default`, and without one stay symbolic.
    pub parameters: BTreeMap<String, String>,
}

/// The evaluated template: only what exists under the given parameters.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Stack {
    pub description: Option<String>,
    pub account_id: String,
    pub region: String,
    pub partition: String,
    pub stack_name: String,
    /// Every parameter with its evaluated value.
    pub parameters: BTreeMap<String, Value>,
    /// Every condition with its truth; `None` when it hangs on a symbol.
    pub conditions: BTreeMap<String, Option<bool>>,
    /// Resources whose condition holds, by logical id.
    pub resources: BTreeMap<String, Resource>,
    pub outputs: BTreeMap<String, Output>,
    /// The template's own `Metadata`, evaluated as plain data.
    pub metadata: Option<Value>,
}

/// One resource that exists in the stack.
#[derive(Clone, Debug, PartialEq)]
pub struct Resource {
    pub logical_id: String,
    /// `AWS::EC2::VPC` and so on.
    pub resource_type: String,
    /// Always a map; `Fn::If` and `AWS::NoValue` are already applied.
    pub properties: Value,
    pub metadata: Option<Value>,
    /// Written `DependsOn` plus every `Ref`, `GetAtt` and `Sub`; sorted.
    pub depends_on: Vec<String>,
    pub deletion_policy: Option<String>,
    pub provenance: ResourceProvenance,
}

/// Where a resource stands in the text; ignored in equality.
#[derive(Clone, Debug, Default)]
pub struct ResourceProvenance(pub Provenance);

impl PartialEq for ResourceProvenance {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

/// One output of the stack.
#[derive(Clone, Debug, PartialEq)]
pub struct Output {
    pub description: Option<String>,
    pub value: Value,
    pub export_name: Option<Value>,
}

impl Stack {
    /// Parameters that have neither a value nor a default, sorted.
    pub fn missing_parameters(&self) -> Vec<&str> {
        self.parameters
            .iter()
            .filter(|(name, value)| {
                matches!(value.as_symbol(), Some(Symbol::Parameter(symbol)) if symbol == *name)
            })
            .map(|(name, _)| name.as_str())
            .collect()
    }
}
