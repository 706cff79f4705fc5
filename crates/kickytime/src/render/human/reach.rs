//! Reachability as people read it.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use analysis::reach::{
    Answer, Blocker, Class, Classes, Hop, Matrix, Network, Outcome, Step, Verdict,
};
use analysis::set::FlowSet;
use cfn::{Provenance, Source};
use model::EniKind;

/// The answer with its way, or with everything that stands in it.
pub(crate) fn answer(source: &Source, answer: &Answer<'_>) -> String {
    let question = if answer.asked.is_all() {
        format!("{} → {}", answer.from, answer.to)
    } else {
        format!("{} → {}, {}", answer.from, answer.to, answer.asked)
    };
    let mut text = String::new();
    match answer.outcome {
        Outcome::Direct => {
            let _ = writeln!(text, "yes: {question}");
            for verdict in answer.direct.iter().filter(|verdict| verdict.is_accepted()) {
                accepted(&mut text, source, verdict);
            }
            let shut: Vec<_> = answer.direct.iter().filter(|v| !v.is_accepted()).collect();
            for verdict in shut {
                let _ = writeln!(text, "\n  but not {} → {}:", verdict.from, verdict.to);
                blockers(&mut text, source, &verdict.blockers);
            }
        }
        Outcome::Forwarded => {
            let _ = writeln!(text, "yes, by way of others: {question}");
            steps(&mut text, source, &answer.forwarded);
        }
        Outcome::Blocked => {
            let _ = writeln!(text, "no: {question}");
            for verdict in &answer.direct {
                let _ = writeln!(text, "\n  {} → {}", verdict.from, verdict.to);
                blockers(&mut text, source, &verdict.blockers);
            }
            for step in &answer.broken {
                let _ = writeln!(
                    text,
                    "\n  {} would pass requests on to {}, but",
                    step.from, step.to
                );
                blockers(&mut text, source, &step.blockers);
            }
            if !answer.takeover.is_empty() {
                let _ = writeln!(
                    text,
                    "\nwhoever takes over the hosts on the way gets there:"
                );
                steps(&mut text, source, &answer.takeover);
            }
        }
    }
    text
}

fn accepted(text: &mut String, source: &Source, verdict: &Verdict) {
    let _ = writeln!(
        text,
        "\n  {} → {}: {}",
        verdict.from,
        verdict.to,
        flows(&verdict.accepted)
    );
    hops(text, source, &verdict.hops, "    ");
}

fn steps(text: &mut String, source: &Source, steps: &[Step<'_>]) {
    for (index, step) in steps.iter().enumerate() {
        let _ = writeln!(
            text,
            "\n  {}. {} → {}: {}",
            index + 1,
            step.from,
            step.to,
            step.traffic
        );
        hops(text, source, &step.hops, "     ");
    }
}

fn hops(text: &mut String, source: &Source, hops: &[Hop], indent: &str) {
    for hop in hops {
        let words = if hop.text.starts_with(hop.component.as_str()) {
            hop.text.clone()
        } else {
            format!("{}: {}", hop.component, hop.text)
        };
        let _ = writeln!(
            text,
            "{indent}{words}{}",
            place(source, hop.provenance.as_ref())
        );
    }
}

fn blockers(text: &mut String, source: &Source, blockers: &[Blocker]) {
    for blocker in blockers {
        let (code, component) = (blocker.code, &blocker.component);
        let place = place(source, blocker.provenance.as_ref());
        let _ = writeln!(
            text,
            "    {code}\n      {component}: {}{place}",
            blocker.text
        );
    }
}

/// `  (infra/kickytime.yaml:612)`.
pub(super) fn place(source: &Source, provenance: Option<&Provenance>) -> String {
    provenance.map_or_else(String::new, |provenance| {
        format!("  ({}:{})", source.name, provenance.span.line)
    })
}

/// Traffic with its addresses, where those say something.
fn flows(flows: &FlowSet) -> String {
    let one = |flow: &analysis::set::Flow| {
        let is_single = flow.addresses.v4.iter().all(|(first, last)| first == last)
            && flow.addresses.v6.is_empty()
            && flow.addresses.lists.is_empty();
        if is_single {
            flow.traffic.to_string()
        } else {
            format!("{} with {}", flow.traffic, flow.addresses)
        }
    };
    let mut parts: Vec<_> = flows.iter().map(one).collect();
    parts.dedup();
    parts.join("; ")
}

/// Every accepted connection, by source.
pub(crate) fn matrix(network: &Network<'_>, matrix: &Matrix) -> String {
    let mut text = String::new();
    let width = matrix
        .cells
        .iter()
        .map(|cell| cell.to.chars().count())
        .max()
        .unwrap_or(0);
    let mut last = "";
    for cell in &matrix.cells {
        if cell.from != last {
            let _ = writeln!(text, "{}", cell.from);
            last = &cell.from;
        }
        let mut what = cell.flows.traffic().to_string();
        let outside = cell.from == "internet" || cell.to == "internet";
        let addresses = cell.flows.addresses();
        if outside && !addresses.is_world_v4() {
            let _ = write!(what, " with {addresses}");
        }
        if cell.partial {
            what += " (some)";
        }
        let _ = writeln!(text, "  → {:width$}  {what}", cell.to);
    }
    let silent = silent(network, matrix);
    if !silent.is_empty() {
        let _ = writeln!(text, "nothing reaches: {}", silent.join(", "));
    }
    let _ = writeln!(
        text,
        "{} interfaces in {} kinds; everything not listed is blocked",
        matrix.interfaces, matrix.classes
    );
    text
}

/// Owners of interfaces that no cell leads to.
fn silent(network: &Network<'_>, matrix: &Matrix) -> Vec<String> {
    let reached: BTreeSet<&str> = matrix.cells.iter().map(|cell| cell.to.as_str()).collect();
    let classes = Classes::new(network);
    let answers = |class: &&Class<'_>| class.representative().kind != EniKind::NatGateway;
    let names: BTreeSet<String> = classes
        .classes
        .iter()
        .filter(answers)
        .map(Class::name)
        .collect();
    let silent = names
        .into_iter()
        .filter(|name| !reached.contains(name.as_str()));
    silent.collect()
}
