//! Findings as SARIF 2.1.0, which code hosting sites show beside the lines.
//! (OASIS, "Static Analysis Results Interchange Format Version 2.1.0")

use std::path::Path;

use analysis::check::{Finding, RULES, Report, Severity};
use analysis::intent::Proof;
use cfn::{Diagnostic, Source, Span};
use model::NotAnalysed;
use serde_json::{Value, json};

const SCHEMA: &str = "https://json.schemastore.org/sarif-2.1.0.json";

/// The rule that failing intents are results of.
const INTENT: &str = "intent";

/// One run with every rule, fault, finding and intent that fails; what was not
/// analysed is a notification. What is explained beside its resource is left
/// out: GitHub would take a suppressed result for an open alert.
pub(crate) fn check(
    source: &Source,
    faults: &[Diagnostic],
    report: &Report,
    not_analysed: &[NotAnalysed],
    intents: Option<&Path>,
) -> Value {
    let is_answered = !faults.iter().any(Diagnostic::is_error);
    let gaps = not_analysed.iter().map(|gap| notification(source, gap));
    let rules = RULES.iter().map(|rule| {
        json!({
            "id": rule.name,
            "shortDescription": { "text": rule.summary() },
            "fullDescription": { "text": rule.summary() },
            "help": { "text": rule.documentation(), "markdown": rule.documentation() },
            "defaultConfiguration": { "level": level(rule.severity) },
        })
    });
    let faults = faults.iter().map(|fault| fault_result(source, fault));
    let findings = report
        .findings
        .iter()
        .map(|finding| result(source, finding));
    let intents = intents.map(Path::to_string_lossy).unwrap_or_default();
    let broken = report
        .failed_proofs()
        .map(|proof| broken_intent(&intents, proof));
    let rules = rules.chain([json!({
        "id": INTENT,
        "shortDescription": { "text": "What must or must not be possible" },
        "fullDescription": { "text": "A statement of the intent file does not hold" },
        "defaultConfiguration": { "level": "error" },
    })]);
    json!({
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": {
                "name": "kickytime",
                "version": env!("CARGO_PKG_VERSION"),
                "rules": rules.collect::<Vec<_>>(),
            } },
            "columnKind": "unicodeCodePoints",
            "invocations": [{
                "executionSuccessful": is_answered,
                "toolExecutionNotifications": gaps.collect::<Vec<_>>(),
            }],
            "results": faults.chain(findings).chain(broken).collect::<Vec<_>>(),
        }],
    })
}

fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Note => "note",
    }
}

fn result(source: &Source, finding: &Finding) -> Value {
    let related = finding
        .related
        .iter()
        .enumerate()
        .map(|(index, (place, text))| {
            let mut value = location(source, place.span);
            value["id"] = json!(index);
            value["message"] = json!({ "text": text });
            value
        });
    json!({
        "ruleId": finding.rule,
        "level": level(finding.severity),
        "message": { "text": finding.message },
        "locations": [location(source, finding.primary.span)],
        "relatedLocations": related.collect::<Vec<_>>(),
        "partialFingerprints": {
            "kickytime/v2": format!(
                "{}:{}:{}",
                finding.rule, finding.primary.logical_id, finding.primary.path
            ),
        },
    })
}

fn broken_intent(file: &str, proof: &Proof) -> Value {
    let statement = &proof.statement;
    let why = proof.failure.as_deref().unwrap_or_default();
    let claim = statement.claim.to_string();
    json!({
        "ruleId": INTENT,
        "level": "error",
        "message": { "text": format!("does not hold: {claim}: {why}") },
        "locations": [{
            "physicalLocation": {
                "artifactLocation": { "uri": uri(file) },
                "region": { "startLine": statement.line.max(1) },
            },
        }],
        "partialFingerprints": { "kickytime/v2": format!("{INTENT}:{claim}") },
    })
}

fn fault_result(source: &Source, fault: &Diagnostic) -> Value {
    json!({
        "ruleId": fault.code,
        "level": if fault.is_error() { "error" } else { "warning" },
        "message": { "text": fault.message },
        "locations": [location(source, fault.span)],
    })
}

fn notification(source: &Source, gap: &NotAnalysed) -> Value {
    let text = format!(
        "not analysed: {} ({})",
        gap.subject, gap.provenance.logical_id
    );
    json!({
        "level": "note",
        "message": { "text": text },
        "locations": [location(source, gap.provenance.span)],
    })
}

/// A path as a relative reference: what has a meaning in a URI, or no place in
/// one, is written by its bytes. (RFC 3986, section 3.3)
fn uri(path: &str) -> String {
    let mut uri = String::new();
    for byte in path.replace('\\', "/").bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'-' | b'.' | b'_' | b'~' => {
                uri.push(char::from(byte));
            }
            _ => uri += &format!("%{byte:02X}"),
        }
    }
    uri
}

/// Lines and columns count from 1 in both worlds.
fn location(source: &Source, span: Span) -> Value {
    json!({
        "physicalLocation": {
            "artifactLocation": { "uri": uri(&source.name) },
            "region": {
                "startLine": span.line.max(1),
                "startColumn": span.column.max(1),
            },
        },
    })
}
