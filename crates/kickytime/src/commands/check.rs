//! `kickytime check`: is the template sound, and what is not analysed?

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::process::ExitCode;

use crate::cli::{Check, Format};
use crate::error::CommandError;
use crate::render::{self, Terminal};
use crate::source::{self, Loaded};

/// Exit status 2 when the template has an error, 0 otherwise.
pub(crate) fn run(arguments: &Check, terminal: &Terminal) -> Result<ExitCode, CommandError> {
    let loaded = source::load(&arguments.template, &BTreeMap::new())?;
    match arguments.format {
        Format::Json => {
            let gaps = &loaded.model.not_analysed;
            let result = render::json::check(&loaded.source, &loaded.diagnostics, gaps);
            render::data(&format!("{result:#}"));
        }
        Format::Human => {
            let text = render::human::diagnostics(&loaded.source, &loaded.diagnostics, terminal);
            render::data(&(text + &not_analysed(&loaded) + &summary(&loaded)));
        }
    }
    Ok(if loaded.has_errors() {
        ExitCode::from(2)
    } else {
        ExitCode::SUCCESS
    })
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

fn summary(loaded: &Loaded) -> String {
    let (resources, interfaces) = (loaded.stack.resources.len(), loaded.model.enis.len());
    let faults = loaded.diagnostics.len();
    let gaps = loaded.model.not_analysed.len();
    let name = &loaded.source.name;
    let verdict = if faults == 0 {
        "no faults".to_owned()
    } else {
        count(faults, "fault")
    };
    format!(
        "{name}: {verdict}; {}, {}, {gaps} not analysed",
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
