//! Changed copies of the template, each compared as the template is.

mod lists;
mod routes;
mod rules;

use std::time::Instant;

use crate::differential::compare;
use crate::draft::Draft;

/// A change with a name for people.
type Change = (String, Box<dyn Fn(Draft) -> Draft>);

fn change(name: impl Into<String>, change: impl Fn(Draft) -> Draft + 'static) -> Change {
    (name.into(), Box::new(change))
}

/// Compares every copy; differences are told together at the end.
fn compare_all(drafts: Vec<(String, Draft)>) {
    let since = Instant::now();
    let (mut probed, mut accepted) = (0, 0);
    let mut counts = std::collections::BTreeSet::new();
    let mut differences = Vec::new();
    let copies = drafts.len();
    for (name, draft) in drafts {
        let report = compare(&draft);
        probed += report.probed();
        accepted += report.accepted();
        counts.insert(report.accepted());
        for difference in report.differences() {
            differences.push(format!("{name}: {difference}"));
        }
    }
    println!(
        "  {copies} copies: {probed} connections tried, {accepted} accepted, {} differences, {:.1} s",
        differences.len(),
        since.elapsed().as_secs_f32()
    );
    assert!(differences.is_empty(), "{}", differences.join("\n"));
    // copies that all behave alike would test nothing
    assert!(counts.len() > 2, "{counts:?}");
}

fn each(changes: Vec<Change>) -> Vec<(String, Draft)> {
    let changes = changes.into_iter();
    changes
        .map(|(name, change)| (name, change(Draft::small())))
        .collect()
}

pub(crate) fn security_group_rules() {
    let mut changes = rules::alone();
    changes.extend(rules::inline());
    assert!(changes.len() >= 30);
    compare_all(each(changes));
}

pub(crate) fn network_acls() {
    compare_all(each(lists::changes()));
}

pub(crate) fn routes_and_parameters() {
    compare_all(each(routes::changes()));
}

/// Changes drawn together by a generator with a fixed start: what one change
/// hides another may show.
pub(crate) fn several_at_once() {
    let (rules, lists, routes) = (rules::alone(), lists::changes(), routes::changes());
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut below = |limit: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state % u64::try_from(limit).unwrap()).unwrap()
    };
    let mut drafts = Vec::new();
    for _ in 0..16 {
        let parts = [
            &rules[below(rules.len())],
            &lists[below(lists.len())],
            &routes[below(routes.len())],
        ];
        let names: Vec<_> = parts.iter().map(|(name, _)| name.as_str()).collect();
        let draft = parts
            .iter()
            .fold(Draft::small(), |draft, (_, change)| change(draft));
        drafts.push((names.join(" + "), draft));
    }
    compare_all(drafts);
}
