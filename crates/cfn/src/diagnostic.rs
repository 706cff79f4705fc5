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

impl Diagnostic {
    /// A fault CloudFormation would refuse the template for.
    pub fn error(code: &'static str, span: Span, message: impl Into<String>) -> Self {
        Self {
            severity: Severity::Error,
            code,
            message: message.into(),
            span,
            related: Vec::new(),
            hint: None,
        }
    }

    /// Something that means other than it seems, or that we cannot judge.
    pub fn warning(code: &'static str, span: Span, message: impl Into<String>) -> Self {
        Self {
            severity: Severity::Warning,
            ..Self::error(code, span, message)
        }
    }

    /// The same, with advice.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The same, with advice when there is any.
    #[must_use]
    pub fn with_hint_if(mut self, hint: Option<String>) -> Self {
        self.hint = self.hint.or(hint);
        self
    }

    /// The same, pointing at one more place.
    #[must_use]
    pub fn with_related(mut self, span: Span, why: impl Into<String>) -> Self {
        self.related.push((span, why.into()));
        self
    }

    /// True when CloudFormation would refuse the template.
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }
}
