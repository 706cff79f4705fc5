//! One thing a rule found.

use std::fmt;

use cfn::Provenance;

/// How much a finding matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Worth knowing.
    Note,
    /// Works, and should not be left so.
    Warning,
    /// Does not work, or stands open.
    Error,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Note => "note",
            Self::Warning => "warning",
            Self::Error => "error",
        })
    }
}

/// A finding of a rule, with its places.
#[derive(Clone, Debug)]
pub struct Finding {
    pub rule: &'static str,
    pub severity: Severity,
    pub message: String,
    pub primary: Provenance,
    pub related: Vec<(Provenance, String)>,
    pub hint: Option<String>,
}

impl Finding {
    /// A finding; the rule's name and severity are filled in for it.
    pub(crate) fn at(primary: &Provenance, message: impl Into<String>) -> Self {
        Self {
            rule: "",
            severity: Severity::Error,
            message: message.into(),
            primary: primary.clone(),
            related: Vec::new(),
            hint: None,
        }
    }

    #[must_use]
    pub(crate) fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    #[must_use]
    pub(crate) fn with_related(
        mut self,
        place: Option<&Provenance>,
        why: impl Into<String>,
    ) -> Self {
        if let Some(place) = place {
            self.related.push((place.clone(), why.into()));
        }
        self
    }

    /// Less severe than the rule is in general.
    #[must_use]
    pub(crate) fn at_most(mut self, severity: Severity) -> Self {
        self.severity = self.severity.min(severity);
        self
    }
}
