//! Systems Manager: documents and parameters.

use serde_json::Value as Json;

use crate::reader::{Lowering, Reader};
use crate::{LogicalId, Model, SsmDocument, SsmParameter};

use super::elb::ref_text;

pub(super) fn lower(lowering: &Lowering<'_>, model: &mut Model) {
    for resource in lowering.resources("AWS::SSM::Document") {
        let properties = lowering.reader(resource);
        properties.skip(&["UpdateMethod", "VersionName", "TargetType"]);
        properties.require(&["Content"]);
        let id = LogicalId::new(&resource.logical_id);
        let document = SsmDocument {
            name: ref_text(lowering, &resource.logical_id),
            kind: properties
                .text("DocumentType")
                .unwrap_or_else(|| "Command".to_owned()),
            content: content(&properties),
            tags: properties.tags("Tags"),
            provenance: properties.provenance.clone(),
            id: id.clone(),
        };
        properties.skip(&["Name"]);
        model.ssm_documents.insert(id, document);
    }
    for resource in lowering.resources("AWS::SSM::Parameter") {
        let properties = lowering.reader(resource);
        properties.skip(&["AllowedPattern", "DataType", "Policies", "Tier", "Name"]);
        properties.require(&["Type", "Value"]);
        let id = LogicalId::new(&resource.logical_id);
        let parameter = SsmParameter {
            name: ref_text(lowering, &resource.logical_id),
            kind: properties
                .text("Type")
                .unwrap_or_else(|| "String".to_owned()),
            value: properties.text("Value").unwrap_or_default(),
            description: properties.text("Description"),
            tags: properties.tags("Tags"),
            provenance: properties.provenance.clone(),
            id: id.clone(),
        };
        model.ssm_parameters.insert(id, parameter);
    }
}

/// A map, or the text of one.
fn content(properties: &Reader<'_>) -> Json {
    let format = properties.text("DocumentFormat");
    match properties.json("Content").unwrap_or_default() {
        Json::String(text) => match serde_json::from_str(&text) {
            Ok(json @ Json::Object(_)) => json,
            _ => {
                if let Some(value) = properties.value("Content") {
                    let format = format.as_deref().unwrap_or("JSON");
                    let reason = format!("a text that is not a JSON object, in format {format}");
                    properties.unusable("Content", value, &reason);
                }
                Json::Null
            }
        },
        other => other,
    }
}
