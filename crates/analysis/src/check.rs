//! What is wrong with this system, across its resources?
//!
//! A rule a file under `check/rules`; its file's opening comment is its
//! documentation, which `kickytime explain` prints and `docs/rules` holds. A
//! finding that is meant to be is suppressed beside its resource, with a reason:
//! `Metadata: Kickytime::Check: [{ Rule: …, Reason: … }]`.

mod finding;
mod rules;
mod suppression;
mod whole;

use std::cell::OnceCell;

use model::Model;

use crate::access::Access;
use crate::intent::{Intent, Proof};
use crate::needs::{self, Need};
use crate::reach::{Classes, Network};
use crate::removal::Removal;

pub use finding::{Finding, Severity};
pub use rules::RULES;
pub use suppression::Suppressed;
pub use whole::{Exploration, check_whole};

/// What rules look at.
pub struct Facts<'a> {
    pub model: &'a Model,
    pub network: Network<'a>,
    pub classes: Classes<'a>,
    access: OnceCell<Access<'a>>,
    pub(crate) needs: Vec<Need<'a>>,
    /// What is meant to be, where it is stated.
    pub(crate) intent: Option<&'a Intent>,
    /// This model and the other systems the same template describes: given to
    /// rules that ask whether anything under any of them depends on something.
    pub(crate) alternatives: &'a [&'a Model],
    /// What breaks without each part of the template, when that was asked.
    pub(crate) removals: Vec<Removal>,
}

impl<'a> Facts<'a> {
    pub fn new(model: &'a Model) -> Self {
        let network = Network::new(model);
        Self {
            classes: Classes::new(&network),
            access: OnceCell::new(),
            needs: needs::of(model),
            intent: None,
            alternatives: &[],
            removals: Vec::new(),
            network,
            model,
        }
    }

    /// The same, when it is stated what is meant to be.
    #[must_use]
    pub fn with_intent(mut self, intent: Option<&'a Intent>) -> Self {
        self.intent = intent;
        self
    }

    /// The compiled policies: read when first asked for, as not every question is about them.
    pub fn access(&self) -> &Access<'a> {
        self.access.get_or_init(|| Access::new(self.model))
    }

    pub(crate) fn access_mut(&mut self) -> &mut Access<'a> {
        self.access();
        self.access.get_mut().expect("it was just made")
    }
}

/// One rule.
pub struct Rule {
    /// Stable kebab-case name.
    pub name: &'static str,
    pub severity: Severity,
    /// The rule's own source text, which opens with its documentation.
    source: &'static str,
    run: fn(&Facts<'_>) -> Vec<Finding>,
}

impl Rule {
    /// What the rule finds, before exceptions.
    pub(crate) fn run(&self, facts: &Facts<'_>) -> Vec<Finding> {
        (self.run)(facts)
    }

    /// The rule's documentation, as Markdown.
    pub fn documentation(&self) -> String {
        let lines = self
            .source
            .lines()
            .map_while(|line| line.strip_prefix("//!"));
        let text: Vec<&str> = lines
            .map(|line| line.strip_prefix(' ').unwrap_or(line))
            .collect();
        let (name, severity) = (self.name, self.severity);
        format!(
            "# {name}\n\nSeverity: {severity}.\n\n{}\n",
            text.join("\n").trim()
        )
    }

    /// Its first sentence.
    pub fn summary(&self) -> &'static str {
        let first = self.source.lines().next().unwrap_or_default();
        first.trim_start_matches("//! ").trim_end_matches('.')
    }
}

/// A rule by its name.
pub fn rule(name: &str) -> Option<&'static Rule> {
    RULES.iter().find(|rule| rule.name == name)
}

/// What a check found.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// Worst first, then in the order of the template.
    pub findings: Vec<Finding>,
    pub suppressed: Vec<Suppressed>,
    /// Every statement of the intent file with its answer.
    pub proofs: Vec<Proof>,
    /// With an intent file: each part of the template with what breaks without it.
    pub removals: Vec<Removal>,
    /// Under which values of the template's parameters all this was asked.
    pub exploration: Exploration,
}

impl Report {
    pub fn failed_proofs(&self) -> impl Iterator<Item = &Proof> {
        self.proofs.iter().filter(|proof| !proof.holds())
    }
}

/// Runs every rule.
pub fn check(model: &Model) -> Report {
    report(model, findings(&Facts::new(model)))
}

fn findings(facts: &Facts<'_>) -> Vec<Finding> {
    let of = |rule: &'static Rule| {
        (rule.run)(facts).into_iter().map(|found| Finding {
            rule: rule.name,
            severity: found.severity.min(rule.severity),
            ..found
        })
    };
    RULES.iter().flat_map(of).collect()
}

fn report(model: &Model, findings: Vec<Finding>) -> Report {
    let mut report = suppression::apply(model, findings);
    let key = |one: &Finding| {
        (
            std::cmp::Reverse(one.severity),
            one.primary.span,
            one.rule,
            one.message.clone(),
        )
    };
    report.findings.sort_by_key(key);
    report.findings.dedup_by(|a, b| key(a) == key(b));
    report
}
