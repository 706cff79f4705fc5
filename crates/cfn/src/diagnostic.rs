//! A fault in the template text itself, and where it stands.

use crate::value::Span;

/// How much a diagnostic matters: an error makes the template unusable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The template means something, but perhaps not what its author thinks.
    Warning,
    /// CloudFormation would refuse the template.
    Error,
}

/// One fault of the template text: syntax, reference, type.
///
/// The message is lowercase, without a period, with the user's own words in
/// backticks; advice belongs to `hint`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    pub severity: Severity,
    /// Stable kebab-case name of the kind of fault, for example `unknown-reference`.
    pub code: &'static str,
    pub message: String,
    /// The offending text.
    pub span: Span,
    /// Other places that matter, each with a word on why.
    pub related: Vec<(Span, String)>,
    /// What to do about it.
    pub hint: Option<String>,
}
