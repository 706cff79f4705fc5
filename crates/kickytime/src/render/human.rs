//! Diagnostics as people read them: the source line, the place, the advice.

use analysis::check::Finding;
use cfn::{Diagnostic, Severity, Source, Span};
use miette::{
    GraphicalReportHandler, GraphicalTheme, LabeledSpan, MietteDiagnostic, NamedSource, Report,
};

use region::plan::PlanFault;

use super::Terminal;

pub(crate) mod access;
pub(crate) mod cost;
pub(crate) mod reach;

/// Related places further away than this are named, not shown: what lies
/// between would fill the screen.
const NEAR_LINES: usize = 8;

/// Findings in the form of diagnostics, with the rule as their code.
pub(crate) fn findings(source: &Source, found: &[Finding], terminal: &Terminal) -> String {
    let convert = |finding: &Finding| {
        let line = finding.primary.span.line;
        let (near, far): (Vec<_>, Vec<_>) = finding
            .related
            .iter()
            .partition(|(place, _)| place.span.line.abs_diff(line) <= NEAR_LINES);
        let far = far
            .iter()
            .map(|(place, why)| format!("{why}: {}:{}", source.name, place.span.line));
        let advice: Vec<String> = finding.hint.iter().cloned().chain(far).collect();
        Diagnostic {
            severity: match finding.severity {
                analysis::check::Severity::Error => Severity::Error,
                _ => Severity::Warning,
            },
            code: finding.rule,
            message: finding.message.clone(),
            span: heading(source, finding.primary.span),
            related: near
                .iter()
                .map(|(place, why)| (heading(source, place.span), why.clone()))
                .collect(),
            hint: (!advice.is_empty()).then(|| advice.join("\n")),
        }
    };
    let converted: Vec<Diagnostic> = found.iter().map(convert).collect();
    diagnostics(source, &converted, terminal)
}

/// The first line of a span: a whole resource would fill the screen.
fn heading(source: &Source, span: Span) -> Span {
    let text = source.text.get(span.start..span.end).unwrap_or_default();
    let first = text.lines().next().unwrap_or_default().trim_end();
    Span {
        end: span.start + first.len(),
        ..span
    }
}

/// All diagnostics, one after another, ready to print.
pub(crate) fn diagnostics(source: &Source, found: &[Diagnostic], terminal: &Terminal) -> String {
    let theme = if terminal.color {
        GraphicalTheme::unicode()
    } else {
        GraphicalTheme::unicode_nocolor()
    };
    let handler = GraphicalReportHandler::new_themed(theme).with_links(false);
    let named = NamedSource::new(source.name.as_ref(), source.text.to_string());
    found
        .iter()
        .map(|diagnostic| {
            let report = Report::new(convert(diagnostic)).with_source_code(named.clone());
            let mut text = String::new();
            match handler.render_report(&mut text, report.as_ref()) {
                Ok(()) => text,
                Err(_) => format!("{}: {}\n", source.name, diagnostic.message),
            }
        })
        .collect()
}

/// What a template asks for that cannot be run here, in the same form.
pub(crate) fn plan_faults(source: &Source, faults: &[PlanFault], terminal: &Terminal) -> String {
    let as_diagnostic = |fault: &PlanFault| Diagnostic {
        severity: Severity::Error,
        code: "not-run-here",
        message: fault.message.clone(),
        span: fault.provenance.span,
        related: Vec::new(),
        hint: Some(fault.hint.clone()),
    };
    let found: Vec<_> = faults.iter().map(as_diagnostic).collect();
    diagnostics(source, &found, terminal)
}

fn convert(diagnostic: &Diagnostic) -> MietteDiagnostic {
    let severity = match diagnostic.severity {
        Severity::Warning => miette::Severity::Warning,
        Severity::Error => miette::Severity::Error,
    };
    let label = |span: Span, text: Option<String>| {
        LabeledSpan::new(text, span.start, span.end.saturating_sub(span.start))
    };
    let related = diagnostic
        .related
        .iter()
        .map(|(span, text)| label(*span, Some(text.clone())));
    let labels = std::iter::once(label(diagnostic.span, None)).chain(related);
    let converted = MietteDiagnostic::new(diagnostic.message.clone())
        .with_code(diagnostic.code)
        .with_severity(severity)
        .with_labels(labels);
    match &diagnostic.hint {
        Some(hint) => converted.with_help(hint.clone()),
        None => converted,
    }
}
