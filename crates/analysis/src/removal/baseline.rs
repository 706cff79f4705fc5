//! What holds before anything is taken away, and by which statements?

use std::collections::BTreeSet;

use crate::check::{Facts, rule};
use crate::intent::{Claim, Intent, Statement, holds};

/// Rules that say what a system needs to work.
const NETWORK_RULES: &[&str] = &[
    "service-unreachable",
    "target-unreachable",
    "origin-protocol",
];
const POLICY_RULES: &[&str] = &[
    "permission-missing",
    "role-trust",
    "endpoint-policy",
    "key-grant",
];
/// Rules that find too much, which a denial may have kept them from.
const DENIAL_RULES: &[&str] = &["permission-excess", "privilege-escalation"];

/// A statement, by its document's name and its index.
pub(super) type Part = (String, usize);

/// What each sort of element could break.
pub(super) struct Baselines<'i> {
    /// Rules, routes and endpoints let traffic pass.
    pub(super) network: Baseline<'i>,
    /// Allowing statements.
    pub(super) grants: Baseline<'i>,
    /// Denying statements.
    pub(super) denials: Baseline<'i>,
}

impl<'i> Baselines<'i> {
    pub(super) fn new(facts: &Facts<'_>, intent: &'i Intent) -> Self {
        let claims = |wanted: fn(&Claim) -> bool| -> Vec<&'i Statement> {
            let all = intent.statements.iter();
            all.filter(|statement| wanted(&statement.claim)).collect()
        };
        let reach = claims(|claim| matches!(claim, Claim::Reach { expected: true, .. }));
        let access = claims(|claim| matches!(claim, Claim::Access { expected: true, .. }));
        let forbidden = claims(|claim| {
            let denies = matches!(
                claim,
                Claim::Access {
                    expected: false,
                    ..
                }
            );
            denies || matches!(claim, Claim::AccessOnly { .. })
        });
        Self {
            network: Baseline::new(facts, NETWORK_RULES, &reach),
            grants: Baseline::new(facts, POLICY_RULES, &access),
            denials: Baseline::new(facts, DENIAL_RULES, &forbidden),
        }
    }
}

/// The claims that hold and the faults there are.
pub(super) struct Baseline<'i> {
    rules: &'static [&'static str],
    /// Faults there are anyway.
    faults: BTreeSet<String>,
    used_by_rules: BTreeSet<Part>,
    claims: Vec<(&'i Statement, BTreeSet<Part>)>,
}

impl<'i> Baseline<'i> {
    fn new(facts: &Facts<'_>, rules: &'static [&'static str], claims: &[&'i Statement]) -> Self {
        facts.access().take_used();
        let faults = faults(facts, rules).map(|(_, fault)| fault).collect();
        let used_by_rules = facts.access().take_used();
        let held = claims.iter().filter_map(|statement| {
            let held = holds(facts, &statement.claim).is_ok();
            let used = facts.access().take_used();
            held.then_some((*statement, used))
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
    pub(super) fn uses(&self, part: &Part) -> bool {
        self.used_by_rules.contains(part) || self.claims.iter().any(|(_, used)| used.contains(part))
    }

    /// The first thing that does not hold any more.
    pub(super) fn breaks(&self, facts: &Facts<'_>) -> Option<String> {
        self.breaks_near(facts, &BTreeSet::new())
    }

    /// As `breaks`; claims that name one of these are likely to, and asked first.
    pub(super) fn breaks_near(&self, facts: &Facts<'_>, names: &BTreeSet<&str>) -> Option<String> {
        let is_near = |statement: &Statement| match &statement.claim {
            Claim::Reach { from, to, .. } => {
                let to = to.split(':').next().unwrap_or_default();
                names.contains(from.as_str()) && names.contains(to)
                    || names.contains(to) && names.len() == 1
            }
            _ => false,
        };
        let claims = self.claims.iter().map(|(statement, _)| *statement);
        let near = claims.clone().filter(|statement| is_near(statement));
        let others = claims.filter(|statement| !is_near(statement));
        broken(facts, near.chain(others)).or_else(|| self.fault(facts))
    }

    /// As `breaks`, for what a statement had a part in.
    pub(super) fn breaks_without(&self, facts: &Facts<'_>, part: &Part) -> Option<String> {
        let touched = self.claims.iter().filter(|(_, used)| used.contains(part));
        broken(facts, touched.map(|(statement, _)| *statement)).or_else(|| {
            let is_used = self.used_by_rules.contains(part);
            is_used.then(|| self.fault(facts)).flatten()
        })
    }

    fn fault(&self, facts: &Facts<'_>) -> Option<String> {
        let mut all = faults(facts, self.rules);
        let new = all.find(|(_, fault)| !self.faults.contains(fault));
        new.map(|(rule, fault)| format!("{rule}: {fault}"))
    }
}

fn broken<'s>(
    facts: &Facts<'_>,
    mut claims: impl Iterator<Item = &'s Statement>,
) -> Option<String> {
    let broken = claims.find(|statement| holds(facts, &statement.claim).is_err())?;
    Some(format!("intent {}: {}", broken.line, broken.claim))
}

fn faults<'f>(
    facts: &'f Facts<'_>,
    rules: &'static [&'static str],
) -> impl Iterator<Item = (&'static str, String)> + 'f {
    let rules = rules.iter().filter_map(|name| rule(name));
    rules.flat_map(|rule| {
        let found = rule.run(facts).into_iter();
        found.map(|finding| (rule.name, finding.message))
    })
}
