//! What could be taken away without breaking anything?
//!
//! Each security group rule, route, endpoint and allowing statement is taken
//! out of the model on its own. When every intent that held still holds, and
//! nothing that a workload needs is newly missing, the element is unneeded. The
//! template's variants count: what any of them needs is needed.

mod element;

use std::collections::{BTreeMap, BTreeSet};

use cfn::Provenance;
use model::Model;

use crate::check::{Facts, rule};
use crate::intent::{Claim, Intent, holds};

use element::{Element, elements, take_statement, without};

/// Rules that say what a system needs to work.
const NETWORK_RULES: &[&str] = &[
    "service-unreachable",
    "target-unreachable",
    "origin-protocol",
];
const POLICY_RULES: &[&str] = &["permission-missing", "endpoint-policy", "key-grant"];

/// An element that nothing stated or required depends on.
#[derive(Clone, Debug)]
pub struct Unneeded {
    /// `security group rule AppGroup: tcp 443 out to …`.
    pub what: String,
    pub provenance: Provenance,
}

/// Every unneeded element of `models`, which are variants of one template, in
/// the order of its text.
pub fn unneeded(models: &[&Model], intent: &Intent) -> Vec<Unneeded> {
    let mut idle: BTreeMap<(usize, String), Unneeded> = BTreeMap::new();
    let mut needed: BTreeSet<(usize, String)> = BTreeSet::new();
    for model in models {
        let mut facts = Facts::new(model);
        let claims = |network: bool| -> Vec<&Claim> {
            let all = intent.statements.iter().map(|statement| &statement.claim);
            all.filter(|claim| {
                claim.is_permission() && matches!(claim, Claim::Reach { .. }) == network
            })
            .collect()
        };
        let network = Baseline::new(&facts, NETWORK_RULES, claims(true));
        let policies = Baseline::new(&facts, POLICY_RULES, claims(false));
        for element in elements(&facts) {
            let key = element.key(&facts);
            if needed.contains(&key) {
                continue;
            }
            let breaks = match &element {
                Element::Statement { holder, index } => {
                    let part = (holder.document.clone(), *index);
                    policies.uses(&part) && {
                        let taken = take_statement(&mut facts, holder, *index);
                        let breaks = policies.breaks_without(&facts, &part);
                        taken.put_back(&mut facts);
                        breaks
                    }
                }
                _ => {
                    let smaller = without(model, &element);
                    network.breaks(&Facts::new(&smaller))
                }
            };
            if breaks {
                idle.remove(&key);
                needed.insert(key);
            } else {
                idle.entry(key).or_insert_with(|| element.describe(&facts));
            }
        }
    }
    idle.into_values().collect()
}

/// A statement, by its document's name and its index.
type Part = (String, usize);

/// What holds before anything is taken away, and by which statements.
struct Baseline<'i> {
    rules: &'static [&'static str],
    /// Faults there are anyway.
    faults: BTreeSet<String>,
    used_by_rules: BTreeSet<Part>,
    claims: Vec<(&'i Claim, BTreeSet<Part>)>,
}

impl<'i> Baseline<'i> {
    fn new(facts: &Facts<'_>, rules: &'static [&'static str], claims: Vec<&'i Claim>) -> Self {
        facts.access().take_used();
        let faults = faults(facts, rules).collect();
        let used_by_rules = facts.access().take_used();
        let held = claims.into_iter().filter_map(|claim| {
            let held = holds(facts, claim).is_ok();
            let used = facts.access().take_used();
            held.then_some((claim, used))
        });
        Self {
            rules,
            faults,
            claims: held.collect(),
            used_by_rules,
        }
    }

    /// Whether a statement had a part in anything: taking away one that had
    /// none changes nothing, since all of them only ever allow.
    fn uses(&self, part: &Part) -> bool {
        self.used_by_rules.contains(part) || self.claims.iter().any(|(_, used)| used.contains(part))
    }

    fn breaks(&self, facts: &Facts<'_>) -> bool {
        self.claims
            .iter()
            .any(|(claim, _)| holds(facts, claim).is_err())
            || self.is_faulty(facts)
    }

    /// As `breaks`, for what a statement had a part in.
    fn breaks_without(&self, facts: &Facts<'_>, part: &Part) -> bool {
        let mut touched = self.claims.iter().filter(|(_, used)| used.contains(part));
        touched.any(|(claim, _)| holds(facts, claim).is_err())
            || self.used_by_rules.contains(part) && self.is_faulty(facts)
    }

    fn is_faulty(&self, facts: &Facts<'_>) -> bool {
        faults(facts, self.rules).any(|fault| !self.faults.contains(&fault))
    }
}

fn faults<'f>(
    facts: &'f Facts<'_>,
    rules: &'static [&'static str],
) -> impl Iterator<Item = String> + 'f {
    let found = rules
        .iter()
        .filter_map(|name| rule(name))
        .flat_map(|rule| rule.run(facts));
    found.map(|finding| finding.message)
}
