//! Which calls does a workload's own program make?
//!
//! No template says what a program asks of AWS. It can be declared beside the
//! task definition or the launch template, each call with its reason:
//! `Metadata: Kickytime::Calls: [{ Action: …, Resource: …, Reason: … }]`. What is
//! declared counts as needed: it must be possible, and what goes beyond it is
//! in excess.

use std::borrow::Cow;

use cfn::{Provenance, Symbol, Value};
use model::{LogicalId, Model};

/// The metadata key under which calls are declared.
pub(crate) const KEY: &str = "Kickytime::Calls";

/// One entry: every one of its actions on every one of its resources.
#[derive(Clone, Debug)]
pub(crate) struct Declared<'a> {
    pub(crate) actions: Vec<String>,
    /// Logical ids, ARNs or `*`.
    pub(crate) resources: Vec<String>,
    pub(crate) reason: String,
    pub(crate) provenance: &'a Provenance,
}

/// What is declared beside a resource.
pub(crate) fn of<'a>(model: &'a Model, holder: &LogicalId) -> Vec<Declared<'a>> {
    let resource = model.stack.resources.get(holder.as_str());
    let metadata = resource.and_then(|resource| resource.metadata.as_ref());
    let entries = metadata.and_then(|metadata| metadata.get(KEY));
    let read = |entry: &'a Value| Declared {
        actions: texts(model, entry.get("Action")),
        resources: texts(model, entry.get("Resource")),
        reason: entry
            .get("Reason")
            .and_then(|reason| model.text(reason))
            .unwrap_or_default(),
        provenance: &entry.provenance,
    };
    entries
        .map(Value::items)
        .unwrap_or_default()
        .iter()
        .map(read)
        .collect()
}

/// A reference to a resource stands for the resource, whatever `Ref` yields.
fn texts(model: &Model, value: Option<&Value>) -> Vec<String> {
    let text = |item: &Value| match item.as_symbol() {
        Some(Symbol::Ref(id)) => Some(id.clone()),
        _ => model.text(item),
    };
    let items = value.map(Value::items).unwrap_or_default();
    items.iter().filter_map(text).collect()
}

/// The endpoint a call of an action goes to, for services whose endpoints are
/// not named as their actions are. (AWS PrivateLink Guide, "AWS services that
/// integrate with AWS PrivateLink")
pub(crate) fn endpoint_service(action: &str) -> Cow<'static, str> {
    let prefix = action.split(':').next().unwrap_or_default();
    match prefix.to_ascii_lowercase().as_str() {
        "cloudwatch" => Cow::Borrowed("monitoring"),
        "ecr" => Cow::Borrowed("ecr.api"),
        "ses" => Cow::Borrowed("email"),
        other => Cow::Owned(other.to_owned()),
    }
}
