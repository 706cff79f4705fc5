//! `kickytime check`: is the template sound, and the system it describes?

use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use analysis::MAX_COMBINATIONS;
use analysis::check::{Exploration, Report, Severity, check_whole};
use analysis::intent::{self, Intent};
use model::NotAnalysed;

use crate::cli::{Check, CheckFormat, FailOn};
use crate::error::CommandError;
use crate::render::{self, Terminal, human, json, sarif};
use crate::source::{self, Loaded};

/// Exit status 2 when the template has an error, 1 for a finding at or above
/// `--fail-on` or an intent that does not hold, 0 otherwise.
pub(crate) fn run(arguments: &Check, terminal: &Terminal) -> Result<ExitCode, CommandError> {
    let fallback = source::local_parameters(&arguments.template.template)?;
    let loaded = source::load(&arguments.template, &fallback)?;
    let intent = intent(arguments)?;
    let report = if loaded.has_errors() {
        Report::default()
    } else {
        let others = analysis::variants(&loaded.template, &loaded.environment);
        let intent = intent.as_ref().map(|file| &file.intent);
        check_whole(&loaded.model, &others, intent)
    };
    let (source, faults) = (&loaded.source, &loaded.diagnostics);
    let gaps = gaps(&loaded);
    render::data(&match arguments.format {
        CheckFormat::Json => format!("{:#}", json::check(source, faults, &report, &gaps)),
        CheckFormat::Sarif => {
            let intents = intent.as_ref().map(|file| file.path.as_path());
            format!(
                "{:#}",
                sarif::check(source, faults, &report, &gaps, intents)
            )
        }
        CheckFormat::Human => {
            human::diagnostics(source, faults, terminal)
                + &human::findings(source, &report.findings, terminal)
                + &proofs(intent.as_ref(), &report)
                + &not_analysed(&loaded, &gaps)
                + &summary(&loaded, &report, gaps.len())
        }
    })?;
    Ok(if loaded.has_errors() {
        ExitCode::from(2)
    } else if fails(arguments.fail_on, &report) {
        ExitCode::from(1)
    } else {
        ExitCode::SUCCESS
    })
}

/// An intent file that was read.
struct IntentFile {
    path: PathBuf,
    intent: Intent,
}

/// The named intent file, or the one beside the template if there is one.
fn intent(arguments: &Check) -> Result<Option<IntentFile>, CommandError> {
    let beside = arguments.template.template.with_file_name("intent.toml");
    let path = match &arguments.intent {
        Some(path) => path.clone(),
        None if beside.exists() => beside,
        None => return Ok(None),
    };
    let text = std::fs::read_to_string(&path).map_err(|source| CommandError::Read {
        path: path.clone(),
        source,
    })?;
    match intent::parse(&text) {
        Ok(intent) => Ok(Some(IntentFile { path, intent })),
        Err(source) => Err(CommandError::Intent { path, source }),
    }
}

/// The intents that do not hold, each with its line and why.
fn proofs(file: Option<&IntentFile>, report: &Report) -> String {
    let mut text = String::new();
    let Some(file) = file else { return text };
    for proof in report.failed_proofs() {
        let (path, statement) = (file.path.display(), &proof.statement);
        let why = proof.failure.as_deref().unwrap_or_default();
        let (line, claim) = (statement.line, &statement.claim);
        let _ = writeln!(text, "{path}:{line}: does not hold: {claim}\n    {why}\n");
    }
    text
}

fn fails(on: FailOn, report: &Report) -> bool {
    let least = match on {
        FailOn::Error => Severity::Error,
        FailOn::Warning => Severity::Warning,
        FailOn::Note => Severity::Note,
        FailOn::Never => return false,
    };
    let mut findings = report.findings.iter();
    findings.any(|finding| finding.severity >= least) || report.failed_proofs().next().is_some()
}

/// What the model does not cover, and what access could not be judged by.
fn gaps(loaded: &Loaded) -> Vec<NotAnalysed> {
    let mut gaps = loaded.model.not_analysed.clone();
    gaps.extend(analysis::access::not_judged(&loaded.model));
    gaps
}

fn not_analysed(loaded: &Loaded, gaps: &[NotAnalysed]) -> String {
    let mut text = String::new();
    for entry in gaps {
        let (place, name) = (&entry.provenance, &loaded.source.name);
        let (line, column) = (place.span.line, place.span.column);
        let _ = writeln!(
            text,
            "not analysed: {} ({}, {name}:{line}:{column})",
            entry.subject, place.logical_id
        );
    }
    text
}

fn summary(loaded: &Loaded, report: &Report, gaps: usize) -> String {
    let (resources, interfaces) = (loaded.stack.resources.len(), loaded.model.enis.len());
    let name = &loaded.source.name;
    let mut parts = Vec::new();
    let faults = loaded.diagnostics.len();
    if faults > 0 {
        parts.push(count(faults, "fault"));
    }
    for severity in [Severity::Error, Severity::Warning, Severity::Note] {
        let found = report
            .findings
            .iter()
            .filter(|finding| finding.severity == severity)
            .count();
        if found > 0 {
            parts.push(count(found, &severity.to_string()));
        }
    }
    if parts.is_empty() {
        parts.push("no findings".to_owned());
    }
    if !report.suppressed.is_empty() {
        parts.push(format!(
            "{} suppressed with a reason",
            report.suppressed.len()
        ));
    }
    if !report.proofs.is_empty() {
        let held = report.proofs.len() - report.failed_proofs().count();
        parts.push(format!("{held} of {} intents hold", report.proofs.len()));
    }
    if !report.removals.is_empty() {
        let needed = report.removals.iter().filter(|one| one.breaks.is_some());
        let (needed, all) = (needed.count(), report.removals.len());
        parts.push(format!(
            "{needed} of {all} rules, routes, endpoints and statements needed"
        ));
    }
    let explored = explored(&report.exploration);
    let rules = analysis::check::RULES.len();
    format!(
        "{explored}{name}: {}; {}, {}, {rules} rules, {gaps} not analysed",
        parts.join(", "),
        count(resources, "resource"),
        count(interfaces, "network interface")
    )
}

/// Under which values all this was asked, when there is a choice.
fn explored(exploration: &Exploration) -> String {
    let mut text = String::new();
    if !exploration.switches.is_empty() {
        let names: Vec<&str> = exploration
            .switches
            .iter()
            .map(|(name, _)| name.as_str())
            .collect();
        let (all, tried) = (exploration.combinations, exploration.explored.len() + 1);
        let _ = write!(
            text,
            "explored {tried} of {all} combinations of {}",
            names.join(", ")
        );
        match exploration.pairs_left {
            _ if tried as u128 == all => {}
            0 => text.push_str(": each value of one with each of every other"),
            left => {
                let _ = write!(
                    text,
                    " (at most {MAX_COMBINATIONS}: {left} pairs of values not met)"
                );
            }
        }
        if exploration.refused > 0 {
            let _ = write!(text, ", {} refused by the template", exploration.refused);
        }
        text.push('\n');
    }
    if !exploration.untried.is_empty() {
        let names = exploration.untried.join(", ");
        let _ = writeln!(text, "no other value to try is known of {names}");
    }
    text
}

fn count(number: usize, noun: &str) -> String {
    if number == 1 {
        format!("1 {noun}")
    } else {
        format!("{number} {noun}s")
    }
}
