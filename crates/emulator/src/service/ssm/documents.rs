//! The documents there are: ListDocuments, DescribeDocument, GetDocument.

use aws_lc_rs::digest;
use serde_json::{Value, json};

use super::describe::Page;
use super::document::{Document, Owner};
use super::{document_arn, time};
use crate::call::{Ask, Call};
use crate::error::{ApiError, ApiResult};
use crate::random;
use crate::seed::Tags;
use crate::service::input::{optional, required, texts};

pub(super) fn list_documents(call: &Call<'_>, input: &Value) -> ApiResult<Value> {
    call.authorize(&Ask::new("ssm:ListDocuments", "*"))?;
    let page = Page::read(input)?;
    let given = match input.get("Filters") {
        None | Some(Value::Null) => &Vec::new(),
        Some(Value::Array(given)) => given,
        Some(_) => return Err(ApiError::serialization("`Filters` is not a list")),
    };
    let mut found = Vec::new();
    for document in call.emulator.ssm.documents.iter() {
        let mut is_wanted = true;
        for filter in given {
            is_wanted &= admits(
                document,
                required(filter, "Key")?,
                &texts(filter, "Values")?,
            )?;
        }
        if is_wanted {
            found.push(identifier(call, document));
        }
    }
    Ok(page.cut("DocumentIdentifiers", found))
}

pub(super) fn describe_document(call: &Call<'_>, input: &Value) -> ApiResult<Value> {
    let document = allowed(call, "ssm:DescribeDocument", input)?;
    let mut described = identifier(call, document);
    let content = document.content.to_string();
    let hash = digest::digest(&digest::SHA256, content.as_bytes());
    let parameters = document
        .content
        .get("parameters")
        .and_then(Value::as_object);
    let parameters = parameters.into_iter().flatten().map(|(name, rule)| {
        let default = rule.get("default").map(|default| match default {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        });
        let mut shown = json!({
            "Name": name,
            "Type": rule.get("type").cloned().unwrap_or_default(),
            "Description": rule.get("description").cloned().unwrap_or(json!("")),
        });
        if let Some(default) = default {
            shown["DefaultValue"] = json!(default);
        }
        shown
    });
    described["Parameters"] = parameters.collect();
    described["Description"] = json!(document.text("description"));
    described["Hash"] = json!(random::hex(hash.as_ref()));
    described["HashType"] = json!("Sha256");
    described["Status"] = json!("Active");
    described["LatestVersion"] = json!("1");
    described["DefaultVersion"] = json!("1");
    Ok(json!({ "Document": described }))
}

pub(super) fn get_document(call: &Call<'_>, input: &Value) -> ApiResult<Value> {
    let format = optional(input, "DocumentFormat")?.unwrap_or("JSON");
    if format != "JSON" {
        let what = format!("GetDocument in format {format}");
        return Err(ApiError::unsupported("AWS Systems Manager", &what));
    }
    let document = allowed(call, "ssm:GetDocument", input)?;
    let content = serde_json::to_string_pretty(&document.content).unwrap_or_default();
    Ok(json!({
        "Name": document.name,
        "CreatedDate": time(call.emulator.opened),
        "DocumentVersion": "1",
        "Status": "Active",
        "Content": content,
        "DocumentType": document.kind,
        "DocumentFormat": "JSON",
    }))
}

/// The document an input names, if the caller may do `action` to it. It has one version.
fn allowed<'a>(call: &Call<'a>, action: &str, input: &Value) -> ApiResult<&'a Document> {
    let name = required(input, "Name")?;
    let document = call.emulator.ssm.documents.get(name);
    let arn = match document {
        Some(document) => document_arn(call.emulator, document),
        None => call.emulator.arn("ssm", &format!("document/{name}")),
    };
    let no_tags = Tags::new();
    let tags = document.map_or(&no_tags, |document| &document.tags);
    let ask = Ask::new(action, &arn).tags(tags);
    call.authorize(&ask.tags_as("ssm:resourceTag", tags))?;
    let version = optional(input, "DocumentVersion")?.unwrap_or("1");
    if !["1", "$LATEST", "$DEFAULT"].contains(&version) {
        let message = format!("Document version {version} does not exist.");
        return Err(ApiError::client("InvalidDocumentVersion", message));
    }
    document.ok_or_else(|| {
        let message = format!("Document with name {name} does not exist.");
        ApiError::client("InvalidDocument", message)
    })
}

fn admits(document: &Document, key: &str, values: &[&str]) -> ApiResult<bool> {
    let is = |text: &str| values.contains(&text);
    let owner = document.owner();
    Ok(match key {
        "Name" => values
            .iter()
            .any(|prefix| document.name.starts_with(prefix)),
        "DocumentType" => is(&document.kind),
        "Owner" => match owner {
            Owner::Amazon => is("Amazon") || is("Public"),
            Owner::Account => is("Self") || is("Private"),
        },
        "PlatformTypes" => is("Linux"),
        other => match other.strip_prefix("tag:") {
            Some(tag) => document.tags.get(tag).is_some_and(|value| is(value)),
            None => {
                let message = format!("The specified filter key `{other}` is not valid.");
                return Err(ApiError::client("InvalidFilterKey", message));
            }
        },
    })
}

fn identifier(call: &Call<'_>, document: &Document) -> Value {
    let owner = match document.owner() {
        Owner::Amazon => "Amazon",
        Owner::Account => &call.emulator.seed.account,
    };
    let tags = document.tags.iter();
    let tags: Vec<_> = tags
        .map(|(key, value)| json!({ "Key": key, "Value": value }))
        .collect();
    json!({
        "Name": document.name,
        "CreatedDate": time(call.emulator.opened),
        "Owner": owner,
        "PlatformTypes": ["Linux"],
        "DocumentVersion": "1",
        "DocumentType": document.kind,
        "SchemaVersion": document.text("schemaVersion"),
        "DocumentFormat": "JSON",
        "Tags": tags,
    })
}
