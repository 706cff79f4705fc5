//! Which findings are meant to be?

use std::collections::BTreeSet;

use model::Model;

use super::{Finding, Report, Severity, rule};

/// The metadata key under which a resource explains its exceptions.
const KEY: &str = "Kickytime::Check";

/// A finding that its resource explains.
#[derive(Clone, Debug)]
pub struct Suppressed {
    pub finding: Finding,
    pub reason: String,
}

struct Exception {
    logical_id: String,
    rule: String,
    reason: String,
    provenance: cfn::Provenance,
    used: bool,
}

/// The rules and resources that are explained.
pub(super) fn explained(model: &Model) -> BTreeSet<(String, String)> {
    let all = exceptions(model).into_iter();
    all.map(|one| (one.rule, one.logical_id)).collect()
}

/// Takes out what is suppressed; an exception that explains nothing, or
/// without a reason, is itself a finding.
pub(super) fn apply(model: &Model, findings: Vec<Finding>) -> Report {
    let mut exceptions = exceptions(model);
    let mut report = Report::default();
    for finding in findings {
        let matching = exceptions.iter_mut().find(|exception| {
            exception.rule == finding.rule && *exception.logical_id == *finding.primary.logical_id
        });
        match matching {
            Some(exception) => {
                exception.used = true;
                let reason = exception.reason.clone();
                report.suppressed.push(Suppressed { finding, reason });
            }
            None => report.findings.push(finding),
        }
    }
    for exception in exceptions {
        let mut severity = Severity::Warning;
        let message = if rule(&exception.rule).is_none() {
            format!("there is no rule `{}`", exception.rule)
        } else if exception.reason.trim().is_empty() {
            format!("the exception to `{}` gives no reason", exception.rule)
        } else if !exception.used {
            // Other parameter values may well need it.
            severity = Severity::Note;
            format!(
                "`{}` finds nothing here, so the exception is idle",
                exception.rule
            )
        } else {
            continue;
        };
        report.findings.push(Finding {
            rule: "suppression",
            severity,
            ..Finding::at(&exception.provenance, message)
        });
    }
    report
}

fn exceptions(model: &Model) -> Vec<Exception> {
    let mut all = Vec::new();
    for resource in model.stack.resources.values() {
        let listed = resource
            .metadata
            .as_ref()
            .and_then(|metadata| metadata.get(KEY));
        for entry in listed.map(cfn::Value::items).unwrap_or_default() {
            let text = |key: &str| entry.get(key).and_then(|value| model.text(value));
            all.push(Exception {
                logical_id: resource.logical_id.clone(),
                rule: text("Rule").unwrap_or_default(),
                reason: text("Reason").unwrap_or_default(),
                provenance: entry.provenance.clone(),
                used: false,
            });
        }
    }
    all
}
