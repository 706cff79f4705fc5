//! Diagnostics as people read them: the source line, the place, the advice.

use cfn::{Diagnostic, Severity, Source, Span};
use miette::{
    GraphicalReportHandler, GraphicalTheme, LabeledSpan, MietteDiagnostic, NamedSource, Report,
};

use region::plan::PlanFault;

use super::Terminal;

pub(crate) mod access;
pub(crate) mod reach;

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
        hint: fault.hint.clone(),
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
