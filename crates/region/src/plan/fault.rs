//! Why a template cannot be run here.

use cfn::Provenance;

/// One thing of the template that the local region cannot do.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{message}")]
pub struct PlanFault {
    /// In the user's words, with theirs in backticks.
    pub message: String,
    /// Which line of the template causes it.
    pub provenance: Provenance,
    /// What to do about it.
    pub hint: Option<String>,
}

/// Collects every fault, so that all are told at once.
#[derive(Debug, Default)]
pub(super) struct Faults(Vec<PlanFault>);

impl Faults {
    pub(super) fn add(&mut self, message: impl Into<String>, provenance: &Provenance) {
        let message = message.into();
        self.0.push(PlanFault {
            message,
            provenance: provenance.clone(),
            hint: None,
        });
    }

    pub(super) fn add_with_hint(
        &mut self,
        message: impl Into<String>,
        provenance: &Provenance,
        hint: impl Into<String>,
    ) {
        self.add(message, provenance);
        if let Some(fault) = self.0.last_mut() {
            fault.hint = Some(hint.into());
        }
    }

    /// In the order of the template's text.
    pub(super) fn into_sorted(mut self) -> Vec<PlanFault> {
        self.0.sort_by_key(|fault| fault.provenance.span);
        self.0
    }
}
