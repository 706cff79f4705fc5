//! `kickytime check`: is the template sound, and the system it describes?

use std::fmt::Write as _;
use std::process::ExitCode;

use analysis::check::{Report, Severity, check};

use crate::cli::{Check, CheckFormat, FailOn};
use crate::error::CommandError;
use crate::render::{self, Terminal, human, json, sarif};
use crate::source::{self, Loaded};

/// Exit status 2 when the template has an error, 1 for a finding at or above
/// `--fail-on`, 0 otherwise.
pub(crate) fn run(arguments: &Check, terminal: &Terminal) -> Result<ExitCode, CommandError> {
    let fallback = source::local_parameters(&arguments.template.template)?;
    let loaded = source::load(&arguments.template, &fallback)?;
    let report = if loaded.has_errors() {
        Report::default()
    } else {
        check(&loaded.model)
    };
    let (source, faults) = (&loaded.source, &loaded.diagnostics);
    render::data(&match arguments.format {
        CheckFormat::Json => {
            let gaps = &loaded.model.not_analysed;
            format!("{:#}", json::check(source, faults, &report, gaps))
        }
        CheckFormat::Sarif => format!("{:#}", sarif::check(source, faults, &report)),
        CheckFormat::Human => {
            human::diagnostics(source, faults, terminal)
                + &human::findings(source, &report.findings, terminal)
                + &not_analysed(&loaded)
                + &summary(&loaded, &report)
        }
    });
    Ok(if loaded.has_errors() {
        ExitCode::from(2)
    } else if fails(arguments.fail_on, &report) {
        ExitCode::from(1)
    } else {
        ExitCode::SUCCESS
    })
}

fn fails(on: FailOn, report: &Report) -> bool {
    let least = match on {
        FailOn::Error => Severity::Error,
        FailOn::Warning => Severity::Warning,
        FailOn::Note => Severity::Note,
        FailOn::Never => return false,
    };
    report
        .findings
        .iter()
        .any(|finding| finding.severity >= least)
}

fn not_analysed(loaded: &Loaded) -> String {
    let mut text = String::new();
    for entry in &loaded.model.not_analysed {
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

fn summary(loaded: &Loaded, report: &Report) -> String {
    let (resources, interfaces) = (loaded.stack.resources.len(), loaded.model.enis.len());
    let gaps = loaded.model.not_analysed.len();
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
    let rules = analysis::check::RULES.len();
    format!(
        "{name}: {}; {}, {}, {rules} rules, {gaps} not analysed",
        parts.join(", "),
        count(resources, "resource"),
        count(interfaces, "network interface")
    )
}

fn count(number: usize, noun: &str) -> String {
    if number == 1 {
        format!("1 {noun}")
    } else {
        format!("{number} {noun}s")
    }
}
