//! What is wrong with this system, across its resources?
//!
//! A rule a file under `check/rules`; its file's opening comment is its
//! documentation, which `kickytime explain` prints and `docs/rules` holds. A
//! finding that is meant to be is suppressed beside its resource, with a reason:
//! `Metadata: Kickytime::Check: [{ Rule: …, Reason: … }]`.

mod finding;
mod rules;
mod suppression;

use model::Model;

use crate::access::Access;
use crate::needs::{self, Need};
use crate::reach::{Classes, Network};

pub use finding::{Finding, Severity};
pub use rules::RULES;
pub use suppression::Suppressed;

/// What rules look at.
pub struct Facts<'a> {
    pub model: &'a Model,
    pub network: Network<'a>,
    pub classes: Classes<'a>,
    pub access: Access<'a>,
    pub(crate) needs: Vec<Need<'a>>,
}

impl<'a> Facts<'a> {
    pub fn new(model: &'a Model) -> Self {
        let network = Network::new(model);
        Self {
            classes: Classes::new(&network),
            access: Access::new(model),
            needs: needs::of(model),
            network,
            model,
        }
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
}

/// Runs every rule.
pub fn check(model: &Model) -> Report {
    check_facts(&Facts::new(model))
}

/// Runs every rule over facts that are there already.
pub fn check_facts(facts: &Facts<'_>) -> Report {
    let mut findings = Vec::new();
    for rule in RULES {
        findings.extend((rule.run)(facts).into_iter().map(|found| Finding {
            rule: rule.name,
            severity: found.severity.min(rule.severity),
            ..found
        }));
    }
    let mut report = suppression::apply(facts.model, findings);
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
