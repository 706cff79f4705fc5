//! Why a template cannot be run here.

use cfn::Provenance;

/// What to do about a policy with faults.
pub(super) const POLICY_HINT: &str =
    "every statement needs an Effect, actions and resources (IAM, \"Policy grammar\")";

/// One thing of the template that the local region cannot do.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{message}")]
pub struct PlanFault {
    /// In the user's words, with theirs in backticks.
    pub message: String,
    /// Which line of the template causes it.
    pub provenance: Provenance,
    /// What to do about it.
    pub hint: String,
}

/// Collects every fault, so that all are told at once.
#[derive(Debug, Default)]
pub(super) struct Faults(Vec<PlanFault>);

impl Faults {
    pub(super) fn add(
        &mut self,
        message: impl Into<String>,
        provenance: &Provenance,
        hint: impl Into<String>,
    ) {
        self.0.push(PlanFault {
            message: message.into(),
            provenance: provenance.clone(),
            hint: hint.into(),
        });
    }

    /// In the order of the template's text; what several tasks or subnets
    /// share is told once.
    pub(super) fn into_sorted(mut self) -> Vec<PlanFault> {
        self.0.sort_by_key(|fault| fault.provenance.span);
        self.0
            .dedup_by(|a, b| a.message == b.message && a.provenance.span == b.provenance.span);
        self.0
    }
}
