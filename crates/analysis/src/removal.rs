//! What breaks when one thing is taken away?
//!
//! Each security group rule, route, endpoint and policy statement is taken out
//! of the model on its own. Without one that lets something happen, an allowed
//! intent may fail, or something that a workload needs be missing; without one
//! that forbids, a forbidden thing may be possible. When nothing breaks under
//! any of the template's switches, nothing depends on it.

mod baseline;
mod element;

use std::collections::BTreeMap;

use cfn::Provenance;
use iam::Effect;
use model::Model;

use crate::check::Facts;
use crate::intent::Intent;

use baseline::{Baselines, Part};
use element::{Element, elements, take_statement, without};

/// One thing that was taken away on trial.
#[derive(Clone, Debug)]
pub struct Removal {
    /// `the rule that lets tcp 443 out of AppGroup`.
    pub what: String,
    pub provenance: Provenance,
    /// The first thing found to break; `None` when nothing does.
    pub breaks: Option<String>,
}

/// Every element of `models`, which are what one template describes under
/// different parameters, in the order of its text.
pub fn removals(models: &[&Model], intent: &Intent) -> Vec<Removal> {
    let mut found: BTreeMap<(usize, String), Removal> = BTreeMap::new();
    for model in models {
        let mut facts = Facts::new(model).with_intent(Some(intent));
        let described = elements(&facts).into_iter().map(|element| {
            let removal = element.describe(&facts);
            (
                (removal.provenance.span.start, removal.what.clone()),
                element,
                removal,
            )
        });
        // What is needed under other values is needed.
        let is_needed = |one: &Removal| one.breaks.is_some();
        let open: Vec<_> = described
            .filter(|(key, ..)| !found.get(key).is_some_and(is_needed))
            .collect();
        if open.is_empty() {
            continue;
        }
        let baselines = Baselines::new(&facts, intent);
        for (key, element, mut removal) in open {
            removal.breaks = breakage(&mut facts, &baselines, &element);
            found.insert(key, removal);
        }
    }
    found.into_values().collect()
}

/// What breaks first without an element.
fn breakage(facts: &mut Facts<'_>, baselines: &Baselines<'_>, element: &Element) -> Option<String> {
    let Element::Statement {
        holder,
        index,
        effect,
    } = element
    else {
        let smaller = without(facts.model, element);
        let near = element.near(facts);
        return baselines.network.breaks_near(&Facts::new(&smaller), &near);
    };
    let part: Part = (holder.document.clone(), *index);
    if *effect == Effect::Allow && !baselines.grants.uses(&part) {
        return None;
    }
    let taken = take_statement(facts, holder, *index);
    let breaks = match effect {
        Effect::Allow => baselines.grants.breaks_without(facts, &part),
        // Who may become whom grows, so that no claim is out of reach of it.
        Effect::Deny => baselines.denials.breaks(facts),
    };
    taken.put_back(facts);
    breaks
}
