//! Results as JSON: a stable form for programs, `"version": 1`.

use analysis::check::{Exploration, Finding, Report};
use analysis::removal::Removal;
use cfn::{Diagnostic, Severity, Source, Span};
use model::NotAnalysed;
use serde_json::{Value, json};

pub(crate) mod access;
pub(crate) mod cost;
pub(crate) mod reach;

/// The result of `check`.
pub(crate) fn check(
    source: &Source,
    found: &[Diagnostic],
    report: &Report,
    not_analysed: &[NotAnalysed],
) -> Value {
    json!({
        "version": 1,
        "template": source.name.as_ref(),
        "diagnostics": found.iter().map(diagnostic).collect::<Vec<_>>(),
        "findings": report.findings.iter().map(finding).collect::<Vec<_>>(),
        "suppressed": report.suppressed.iter()
            .map(|one| json!({ "finding": finding(&one.finding), "reason": one.reason }))
            .collect::<Vec<_>>(),
        "intents": report.proofs.iter()
            .map(|proof| json!({
                "line": proof.statement.line,
                "statement": proof.statement.claim.to_string(),
                "holds": proof.holds(),
                "because": proof.failure,
            }))
            .collect::<Vec<_>>(),
        "explored": exploration(&report.exploration),
        "removals": report.removals.iter().map(removal).collect::<Vec<_>>(),
        "notAnalysed": not_analysed.iter().map(gap).collect::<Vec<_>>(),
    })
}

fn diagnostic(diagnostic: &Diagnostic) -> Value {
    json!({
        "severity": match diagnostic.severity {
            Severity::Warning => "warning",
            Severity::Error => "error",
        },
        "code": diagnostic.code,
        "message": diagnostic.message,
        "span": span(diagnostic.span),
        "hint": diagnostic.hint,
        "related": diagnostic.related.iter()
            .map(|(place, text)| json!({ "span": span(*place), "message": text }))
            .collect::<Vec<_>>(),
    })
}

fn finding(finding: &Finding) -> Value {
    json!({
        "rule": finding.rule,
        "severity": finding.severity.to_string(),
        "message": finding.message,
        "logicalId": finding.primary.logical_id.as_ref(),
        "path": finding.primary.path.as_ref(),
        "span": span(finding.primary.span),
        "related": finding.related.iter()
            .map(|(place, text)| json!({ "span": span(place.span), "message": text }))
            .collect::<Vec<_>>(),
        "hint": finding.hint,
    })
}

/// Under which values of the parameters everything was asked.
fn exploration(explored: &Exploration) -> Value {
    json!({
        "parameters": explored.switches.iter()
            .map(|(name, values)| json!({
                "name": name,
                "values": values,
                "decides": explored.deciding.contains(name),
            }))
            .collect::<Vec<_>>(),
        "combinations": explored.explored,
        "of": u64::try_from(explored.combinations).unwrap_or(u64::MAX),
        "atMost": analysis::MAX_COMBINATIONS,
        "pairsLeft": explored.pairs_left,
        "refused": explored.refused,
        "untried": explored.untried,
    })
}

/// A part of the template, and what breaks without it.
fn removal(one: &Removal) -> Value {
    json!({
        "what": one.what,
        "logicalId": one.provenance.logical_id.as_ref(),
        "path": one.provenance.path.as_ref(),
        "span": span(one.provenance.span),
        "breaks": one.breaks,
    })
}

fn gap(entry: &NotAnalysed) -> Value {
    json!({
        "what": entry.subject.to_string(),
        "logicalId": entry.provenance.logical_id.as_ref(),
        "path": entry.provenance.path.as_ref(),
        "span": span(entry.provenance.span),
    })
}

fn span(span: Span) -> Value {
    json!({ "line": span.line, "column": span.column, "start": span.start, "end": span.end })
}
