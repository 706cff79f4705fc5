//! What do AWS's own managed policies allow?
//!
//! The documents of those that people attach, as AWS publishes them, from one
//! dated data file (`data/managed-policies.json`). One that is not there is
//! never guessed at: it is named as not judged ([`not_judged`]).

use std::collections::BTreeMap;
use std::sync::LazyLock;

use cfn::Provenance;
use iam::{Named, PolicyDocument};
use model::{LogicalId, Model, NotAnalysed, NotAnalysedSubject};
use serde::Deserialize;
use serde_json::Value;

use super::policies::Store;

const DATA: &str = include_str!("../../data/managed-policies.json");

/// Read when a template first names one.
static POLICIES: LazyLock<File> =
    LazyLock::new(|| serde_json::from_str(DATA).expect("a test reads the file"));

#[derive(Deserialize)]
struct File {
    policies: BTreeMap<String, Policy>,
}

#[derive(Deserialize)]
struct Policy {
    /// `/`, `/service-role/`, `/job-function/`.
    path: String,
    document: Value,
}

/// The document of a managed policy by its ARN.
pub(super) fn find(arn: &str) -> Option<Named> {
    let (name, policy) = policy(arn)?;
    let document = PolicyDocument::parse(&policy.document).ok()?;
    Some(Named::new(name, document))
}

fn policy(arn: &str) -> Option<(&str, &'static Policy)> {
    let (owner, path) = arn.split_once(":policy")?;
    if !owner.ends_with(":iam::aws") {
        return None;
    }
    let (path, name) = path.split_at(path.rfind('/')? + 1);
    let policy = POLICIES.policies.get(name)?;
    // an ARN with another path is of no policy
    (policy.path == path).then_some((name, policy))
}

/// The policies that are left out of every answer: managed ones whose documents
/// are neither in the template nor known here, and those that hang on values
/// nobody knows before deployment.
pub fn not_judged(model: &Model) -> Vec<NotAnalysed> {
    let store = Store::new(model);
    let entry = |(holder, what): &(LogicalId, String)| {
        let (property, reason) = if what.starts_with("arn:") {
            let reason = format!("what `{what}` allows is not known here, and not judged");
            ("ManagedPolicyArns", reason)
        } else {
            let reason = format!("`{what}` hangs on values not known here, and is not judged");
            ("PolicyDocument", reason)
        };
        NotAnalysed {
            provenance: place(model, holder, property),
            subject: NotAnalysedSubject::Value {
                property: property.to_owned(),
                reason,
            },
        }
    };
    let mut found: Vec<NotAnalysed> = store.unknown.iter().map(entry).collect();
    found.sort_by_key(|entry| entry.provenance.span);
    found.dedup_by(|a, b| a.subject == b.subject && a.provenance.span == b.provenance.span);
    found
}

/// The property itself, where the resource has it.
fn place(model: &Model, holder: &LogicalId, property: &str) -> Provenance {
    let resource = model.stack.resources.get(holder.as_str());
    let Some(resource) = resource else {
        return Provenance::default();
    };
    let value = resource.properties.get(property);
    value.map_or_else(
        || resource.provenance.0.clone(),
        |value| value.provenance.clone(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_document_is_one() {
        assert!(POLICIES.policies.len() > 100);
        for (name, policy) in &POLICIES.policies {
            let arn = format!("arn:aws:iam::aws:policy{}{name}", policy.path);
            assert!(find(&arn).is_some(), "{name}");
        }
    }

    #[test]
    fn a_policy_is_found_by_its_whole_arn_alone() {
        let of = |arn: &str| find(arn).map(|named| named.name);
        let role = "AWSLambdaBasicExecutionRole";
        let known = format!("arn:aws:iam::aws:policy/service-role/{role}");
        assert_eq!(of(&known).as_deref(), Some(role));
        let china = format!("arn:aws-cn:iam::aws:policy/service-role/{role}");
        assert_eq!(of(&china).as_deref(), Some(role));
        for other in [
            &format!("arn:aws:iam::aws:policy/{role}"),
            &format!("arn:aws:iam::123456789012:policy/service-role/{role}"),
            "arn:aws:iam::aws:policy/NoSuchPolicy",
            "arn:aws:iam::aws:policy",
            "policy/",
        ] {
            assert_eq!(of(other), None, "{other}");
        }
    }
}
