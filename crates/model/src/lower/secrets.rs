//! Secrets and what is written into them.

use crate::reader::{Lowering, Reader};
use crate::{GenerateSecretString, LogicalId, Model, Secret};

use super::elb::ref_text;

pub(super) fn lower(lowering: &Lowering<'_>, model: &mut Model) {
    for resource in lowering.resources("AWS::SecretsManager::Secret") {
        let properties = lowering.reader(resource);
        let id = LogicalId::new(&resource.logical_id);
        if let Some(value) = properties.value("SecretString") {
            let reason = "a secret whose value stands in the template";
            properties.unusable("SecretString", value, reason);
        }
        let secret = Secret {
            arn: ref_text(lowering, &resource.logical_id),
            name: properties
                .text("Name")
                .unwrap_or_else(|| resource.logical_id.clone()),
            description: properties.text("Description"),
            key: properties.reference("KmsKeyId", &["AWS::KMS::Key"]),
            generate: properties
                .child("GenerateSecretString")
                .map(|reader| generate(&reader)),
            attached_to: None,
            tags: properties.tags("Tags"),
            provenance: properties.provenance.clone(),
            id: id.clone(),
        };
        model.secrets.insert(id, secret);
    }
    for resource in lowering.resources("AWS::SecretsManager::SecretTargetAttachment") {
        let properties = lowering.reader(resource);
        properties.skip(&["TargetType"]);
        properties.require(&["SecretId", "TargetId"]);
        let secret = properties.reference("SecretId", &["AWS::SecretsManager::Secret"]);
        let target = properties.reference("TargetId", &["AWS::RDS::DBInstance"]);
        if let Some(secret) = secret.and_then(|id| model.secrets.get_mut(&id)) {
            secret.attached_to = target;
        }
    }
}

fn generate(properties: &Reader<'_>) -> GenerateSecretString {
    GenerateSecretString {
        template: properties.text("SecretStringTemplate"),
        key: properties.text("GenerateStringKey"),
        length: properties.number("PasswordLength").unwrap_or(32),
        exclude_characters: properties.text("ExcludeCharacters").unwrap_or_default(),
        exclude_lowercase: properties.flag("ExcludeLowercase").unwrap_or(false),
        exclude_uppercase: properties.flag("ExcludeUppercase").unwrap_or(false),
        exclude_numbers: properties.flag("ExcludeNumbers").unwrap_or(false),
        exclude_punctuation: properties.flag("ExcludePunctuation").unwrap_or(false),
        include_space: properties.flag("IncludeSpace").unwrap_or(false),
        require_each_included_type: properties.flag("RequireEachIncludedType").unwrap_or(true),
    }
}
