//! Which other systems does the same template describe?
//!
//! Parameters switch parts on and off. Those that could change an answer are
//! switches; the template is evaluated under combinations of their values: all
//! of them when they are few, else so many that each pair of values meets in
//! one, up to a number. What was explored, and what was not, is told.

mod cover;
mod switch;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use cfn::{Environment, Template};
use model::Model;

pub use switch::Switch;
pub(crate) use switch::is_probe;

/// Combinations looked at beside the given one.
pub const MAX_COMBINATIONS: usize = 16;

/// Values of some parameters, where they are not as given.
pub type Values = BTreeMap<String, String>;

/// The system under values other than the given ones.
#[derive(Clone, Debug)]
pub struct Variant {
    pub values: Values,
    pub model: Model,
}

/// What a template describes beside the system it is given for.
#[derive(Clone, Debug)]
pub struct Variants<'t> {
    template: &'t Template,
    environment: &'t Environment,
    /// The parameters that could change an answer, in the template's order.
    pub switches: Vec<Switch>,
    /// Parameters that conditions ask for, no other value of which is known.
    pub untried: Vec<String>,
    /// Those that were looked at.
    pub explored: Vec<Variant>,
    /// Combinations that the template's own rules forbid.
    pub refused: usize,
    /// Pairs of values that no explored combination has, as there was an end to them.
    pub pairs_left: usize,
}

/// Evaluates the template under other values of its switches.
pub fn variants<'t>(template: &'t Template, environment: &'t Environment) -> Variants<'t> {
    let (switches, untried) = switch::find(template, environment);
    let mut variants = Variants {
        template,
        environment,
        switches,
        untried,
        explored: Vec::new(),
        refused: 0,
        pairs_left: 0,
    };
    let sizes: Vec<usize> = variants
        .switches
        .iter()
        .map(|switch| switch.values.len())
        .collect();
    let chosen = cover::combinations(&sizes, MAX_COMBINATIONS);
    variants.pairs_left = chosen.pairs_left;
    for row in chosen.rows {
        let picked = variants.switches.iter().zip(row);
        let values: Values = picked
            .filter(|(_, index)| *index > 0)
            .map(|(switch, index)| (switch.parameter.clone(), switch.values[index].clone()))
            .collect();
        match variants.model(&values) {
            Some(model) => variants.explored.push(Variant { values, model }),
            None => variants.refused += 1,
        }
    }
    variants
}

impl Variants<'_> {
    /// How many combinations there are, the given one included.
    pub fn combinations(&self) -> u128 {
        let sizes = self.switches.iter().map(|switch| switch.values.len());
        sizes.fold(1, |all: u128, size| all.saturating_mul(size as u128))
    }

    /// The system under some values; `None` when the template forbids them.
    pub(crate) fn model(&self, values: &Values) -> Option<Model> {
        let mut environment = self.environment.clone();
        environment.parameters.extend(values.clone());
        let (stack, faults) = cfn::evaluate(self.template, &environment);
        let is_refused = faults.iter().any(cfn::Diagnostic::is_error);
        (!is_refused).then(|| model::lower(&Arc::new(stack)))
    }

    /// The fewest of `values` that still have what `shows` looks for: the rest
    /// go back, one after another, to what was given.
    pub(crate) fn reduced(
        &self,
        values: &Values,
        mut shows: impl FnMut(&Self, &Values) -> bool,
    ) -> Values {
        let mut kept = values.clone();
        for parameter in values.keys() {
            if kept.len() == 1 {
                break;
            }
            let mut fewer = kept.clone();
            fewer.remove(parameter);
            if shows(self, &fewer) {
                kept = fewer;
            }
        }
        kept
    }

    /// Names of the switches, for people.
    pub fn names(&self) -> BTreeSet<&str> {
        let names = self.switches.iter();
        names.map(|switch| switch.parameter.as_str()).collect()
    }
}

/// `HttpRedirect=false and NatGateways=0`.
pub fn describe(values: &Values) -> String {
    let pairs: Vec<String> = values
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    pairs.join(" and ")
}
