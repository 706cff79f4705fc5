//! Keys, log groups, buckets, image repositories.

use cfn::Resource;

use crate::reader::Lowering;
use crate::{Bucket, Key, LogGroup, LogicalId, Model, Repository};

use super::elb::{attribute_text, ref_text};

const KEY: &[&str] = &["AWS::KMS::Key", "AWS::KMS::Alias"];

pub(super) fn lower(lowering: &Lowering<'_>, model: &mut Model) {
    for resource in lowering.resources("AWS::KMS::Key") {
        let key = key(lowering, resource);
        model.keys.insert(key.id.clone(), key);
    }
    for resource in lowering.resources("AWS::KMS::Alias") {
        let properties = lowering.reader(resource);
        let target = properties.reference("TargetKeyId", &["AWS::KMS::Key"]);
        let name = properties.text("AliasName");
        if let Some(key) = target.and_then(|id| model.keys.get_mut(&id)) {
            key.aliases.extend(name);
        }
    }
    for resource in lowering.resources("AWS::Logs::LogGroup") {
        let properties = lowering.reader(resource);
        properties.skip(&["DataProtectionPolicy", "LogGroupClass"]);
        let id = LogicalId::new(&resource.logical_id);
        let group = LogGroup {
            arn: attribute_text(lowering, &resource.logical_id, "Arn"),
            name: properties
                .text("LogGroupName")
                .unwrap_or_else(|| ref_text(lowering, &resource.logical_id)),
            retention_days: properties.number("RetentionInDays"),
            key: properties.reference("KmsKeyId", KEY),
            tags: properties.tags("Tags"),
            provenance: properties.provenance.clone(),
            id: id.clone(),
        };
        model.log_groups.insert(id, group);
    }
    for resource in lowering.resources("AWS::S3::Bucket") {
        let bucket = bucket(lowering, resource);
        model.buckets.insert(bucket.id.clone(), bucket);
    }
    for resource in lowering.resources("AWS::S3::BucketPolicy") {
        let properties = lowering.reader(resource);
        let bucket = properties.reference("Bucket", &["AWS::S3::Bucket"]);
        let policy = properties.json("PolicyDocument");
        if let Some(bucket) = bucket.and_then(|id| model.buckets.get_mut(&id)) {
            bucket.policy = policy;
        }
    }
    for resource in lowering.resources("AWS::ECR::Repository") {
        let repository = repository(lowering, resource);
        model.repositories.insert(repository.id.clone(), repository);
    }
}

fn key(lowering: &Lowering<'_>, resource: &Resource) -> Key {
    let properties = lowering.reader(resource);
    properties.skip(&[
        "BypassPolicyLockoutSafetyCheck",
        "Enabled",
        "KeySpec",
        "KeyUsage",
        "PendingWindowInDays",
        "RotationPeriodInDays",
    ]);
    Key {
        id: LogicalId::new(&resource.logical_id),
        key_id: ref_text(lowering, &resource.logical_id),
        arn: attribute_text(lowering, &resource.logical_id, "Arn"),
        aliases: Vec::new(),
        description: properties.text("Description"),
        policy: properties.json("KeyPolicy").unwrap_or_default(),
        rotation: properties.flag("EnableKeyRotation").unwrap_or(false),
        tags: properties.tags("Tags"),
        provenance: properties.provenance.clone(),
    }
}

fn bucket(lowering: &Lowering<'_>, resource: &Resource) -> Bucket {
    let properties = lowering.reader(resource);
    properties.skip(&[
        "BucketName",
        "LifecycleConfiguration",
        "LoggingConfiguration",
        "OwnershipControls",
        "VersioningConfiguration",
    ]);
    let encryption = properties.child("BucketEncryption").and_then(|encryption| {
        let rules = encryption.children("ServerSideEncryptionConfiguration");
        let rule = rules.into_iter().next()?;
        rule.skip(&["BucketKeyEnabled", "BlockedEncryptionTypes"]);
        rule.child("ServerSideEncryptionByDefault")
    });
    let access = properties.child("PublicAccessBlockConfiguration");
    let is_on = |key| {
        access
            .as_ref()
            .is_some_and(|access| access.flag(key).unwrap_or(false))
    };
    let blocked = [
        "BlockPublicAcls",
        "BlockPublicPolicy",
        "IgnorePublicAcls",
        "RestrictPublicBuckets",
    ]
    .map(is_on);
    Bucket {
        id: LogicalId::new(&resource.logical_id),
        arn: attribute_text(lowering, &resource.logical_id, "Arn"),
        name: ref_text(lowering, &resource.logical_id),
        encryption: encryption
            .as_ref()
            .and_then(|default| default.text("SSEAlgorithm")),
        key: encryption.and_then(|default| default.reference("KMSMasterKeyID", KEY)),
        public_access_blocked: blocked.iter().all(|flag| *flag),
        policy: None,
        tags: properties.tags("Tags"),
        provenance: properties.provenance.clone(),
    }
}

fn repository(lowering: &Lowering<'_>, resource: &Resource) -> Repository {
    let properties = lowering.reader(resource);
    properties.skip(&[
        "EmptyOnDelete",
        "ImageScanningConfiguration",
        "LifecyclePolicy",
    ]);
    let encryption = properties.child("EncryptionConfiguration");
    let key = encryption.and_then(|encryption| {
        encryption.skip(&["EncryptionType"]);
        encryption.reference("KmsKey", KEY)
    });
    Repository {
        id: LogicalId::new(&resource.logical_id),
        arn: attribute_text(lowering, &resource.logical_id, "Arn"),
        name: properties
            .text("RepositoryName")
            .unwrap_or_else(|| ref_text(lowering, &resource.logical_id)),
        uri: attribute_text(lowering, &resource.logical_id, "RepositoryUri"),
        immutable_tags: properties
            .text("ImageTagMutability")
            .is_some_and(|text| text.starts_with("IMMUTABLE")),
        key,
        policy: properties.json("RepositoryPolicyText"),
        tags: properties.tags("Tags"),
        provenance: properties.provenance.clone(),
    }
}
