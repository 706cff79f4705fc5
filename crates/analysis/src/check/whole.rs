//! What does the whole template say, under every combination explored?
//!
//! A finding that hangs on parameters says on which: those values are named
//! without which it would not be there. What must never be is proven for each
//! combination, what must be for the given values.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};

use model::Model;

use super::suppression::explained;
use super::{Facts, Finding, Report, findings, report};
use crate::intent::{Claim, Intent, Proof, holds, is_askable, prove};
use crate::removal::removals;
use crate::variant::{Values, Variants, describe};

/// Rules that look at all combinations by themselves.
const ACROSS: &[&str] = &["security-group-excess", "unneeded"];
/// Systems evaluated only to name fewer values, for findings and for intents each;
/// beyond it, more are named.
const MAX_REDUCTIONS: usize = 48;

/// What was explored, and what came of it.
#[derive(Clone, Debug, Default)]
pub struct Exploration {
    /// Each parameter that could change an answer, with its values, the given one first.
    pub switches: Vec<(String, Vec<String>)>,
    /// The combinations looked at, each by what differs from the given values.
    pub explored: Vec<Values>,
    /// How many there are.
    pub combinations: u128,
    /// How many of those chosen the template's own rules forbid.
    pub refused: usize,
    /// Pairs of values that met in no combination.
    pub pairs_left: usize,
    /// Parameters that conditions ask for, no other value of which is known.
    pub untried: Vec<String>,
    /// Parameters that some answer hangs on.
    pub deciding: BTreeSet<String>,
}

type Key = (&'static str, String);

/// Runs every rule under every combination, proves the intent, and looks for
/// what nothing depends on.
pub fn check_whole(model: &Model, variants: &Variants<'_>, intent: Option<&Intent>) -> Report {
    let models: Vec<&Model> = std::iter::once(model)
        .chain(variants.explored.iter().map(|one| &one.model))
        .collect();
    let mut facts = Facts::new(model).with_intent(intent);
    facts.alternatives = &models;
    facts.removals = intent
        .map(|intent| removals(&models, intent))
        .unwrap_or_default();
    let mut found = findings(&facts);
    let mut proofs = intent
        .map(|intent| prove(&facts, intent))
        .unwrap_or_default();
    let mut alternatives = Alternatives {
        explained: explained(model),
        variants,
        intent,
        keys: RefCell::default(),
        deciding: RefCell::default(),
        spent: Cell::default(),
    };
    alternatives.explore(&mut found, &mut proofs);
    let mut report = report(model, found);
    report.proofs = proofs;
    report.removals = facts.removals;
    report.exploration = Exploration {
        switches: variants
            .switches
            .iter()
            .map(|switch| (switch.parameter.clone(), switch.values.clone()))
            .collect(),
        explored: variants
            .explored
            .iter()
            .map(|one| one.values.clone())
            .collect(),
        combinations: variants.combinations(),
        refused: variants.refused,
        pairs_left: variants.pairs_left,
        untried: variants.untried.clone(),
        deciding: alternatives.deciding.into_inner(),
    };
    report
}

/// The systems beside the given one.
struct Alternatives<'a> {
    /// What nobody reads needs no values named.
    explained: BTreeSet<(String, String)>,
    variants: &'a Variants<'a>,
    intent: Option<&'a Intent>,
    /// What is found under some values, as far as that was asked.
    keys: RefCell<BTreeMap<Values, BTreeSet<Key>>>,
    deciding: RefCell<BTreeSet<String>>,
    /// Systems evaluated to name fewer values for intents.
    spent: Cell<usize>,
}

impl Alternatives<'_> {
    /// Adds what is found elsewhere, and says of what is found on which values it hangs.
    fn explore(&mut self, found: &mut Vec<Finding>, proofs: &mut [Proof]) {
        let given: BTreeSet<Key> = keys(found);
        self.keys.get_mut().insert(Values::new(), given.clone());
        let mut known = given.clone();
        let mut gone: BTreeMap<Key, &Values> = BTreeMap::new();
        for variant in &self.variants.explored {
            let facts = Facts::new(&variant.model).with_intent(self.intent);
            let here = findings(&facts);
            let keys = keys(&here);
            for key in given.difference(&keys) {
                gone.entry(key.clone()).or_insert(&variant.values);
            }
            self.keys.get_mut().insert(variant.values.clone(), keys);
            for mut finding in here {
                let key = key(&finding);
                if known.insert(key.clone()) {
                    if self.is_explained(&finding) {
                        found.push(finding);
                        continue;
                    }
                    let values = self.reduced(&variant.values, |keys| keys.contains(&key));
                    finding.message += &format!(" (with {})", describe(&values));
                    found.push(finding);
                }
            }
            self.prove(&facts, &variant.values, proofs);
        }
        for finding in found.iter_mut() {
            let key = key(finding);
            if let Some(values) = gone.get(&key)
                && !self.is_explained(finding)
            {
                let values = self.reduced(values, |keys| !keys.contains(&key));
                finding.message += &format!(" (not with {})", describe(&values));
            }
        }
    }

    fn is_explained(&self, finding: &Finding) -> bool {
        let place = finding.primary.logical_id.to_string();
        self.explained.contains(&(finding.rule.to_owned(), place))
    }

    /// What must never be, here too.
    fn prove(&self, facts: &Facts<'_>, values: &Values, proofs: &mut [Proof]) {
        for proof in proofs.iter_mut().filter(|proof| proof.holds()) {
            let claim = &proof.statement.claim;
            if claim.is_permission() || !is_askable(facts, claim) {
                continue;
            }
            if let Err(failure) = holds(facts, claim) {
                let fails = |claim: &Claim, values: &Values| {
                    if self.spent.replace(self.spent.get() + 1) >= MAX_REDUCTIONS {
                        return false;
                    }
                    let model = self.variants.model(values);
                    model.is_some_and(|model| holds(&Facts::new(&model), claim).is_err())
                };
                let values = self
                    .variants
                    .reduced(values, |_, fewer| fails(claim, fewer));
                self.deciding.borrow_mut().extend(values.keys().cloned());
                proof.failure = Some(format!("with {}: {failure}", describe(&values)));
            }
        }
    }

    /// The fewest of the values under which what is found is as `wanted`.
    fn reduced(&self, values: &Values, wanted: impl Fn(&BTreeSet<Key>) -> bool) -> Values {
        let values = self.variants.reduced(values, |variants, fewer| {
            if let Some(keys) = self.keys.borrow().get(fewer) {
                return wanted(keys);
            }
            if self.keys.borrow().len() > variants.explored.len() + MAX_REDUCTIONS {
                return false;
            }
            let Some(model) = variants.model(fewer) else {
                return false;
            };
            let found = findings(&Facts::new(&model).with_intent(self.intent));
            let keys = keys(&found);
            let is_wanted = wanted(&keys);
            self.keys.borrow_mut().insert(fewer.clone(), keys);
            is_wanted
        });
        self.deciding.borrow_mut().extend(values.keys().cloned());
        values
    }
}

fn key(finding: &Finding) -> Key {
    (finding.rule, finding.message.clone())
}

fn keys(found: &[Finding]) -> BTreeSet<Key> {
    let own = found
        .iter()
        .filter(|finding| !ACROSS.contains(&finding.rule));
    own.map(key).collect()
}
