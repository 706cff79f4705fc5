//! Where data rests: databases, secrets, keys, logs, buckets, images.

use std::collections::BTreeMap;

use cfn::Provenance;
use serde_json::Value as Json;

use crate::LogicalId;

/// An RDS database instance, or a cluster without instances of its own.
#[derive(Clone, Debug)]
pub struct Database {
    pub id: LogicalId,
    pub identifier: String,
    pub arn: String,
    /// `db.t4g.micro`
    pub instance_class: Option<String>,
    /// The `AWS::RDS::DBCluster` it is an instance of.
    pub cluster: Option<LogicalId>,
    pub engine: String,
    pub engine_version: Option<String>,
    /// Host name other resources see as `Endpoint.Address`.
    pub endpoint: String,
    pub port: u16,
    pub database_name: Option<String>,
    pub master_username: Option<MasterUser>,
    pub subnets: Vec<LogicalId>,
    pub security_groups: Vec<LogicalId>,
    pub publicly_accessible: bool,
    pub multi_az: bool,
    pub storage_encrypted: bool,
    pub key: Option<LogicalId>,
    pub deletion_protection: bool,
    pub backup_retention_days: u32,
    /// Parameters of its parameter group.
    pub parameters: BTreeMap<String, String>,
    pub exported_logs: Vec<String>,
    pub tags: BTreeMap<String, String>,
    pub provenance: Provenance,
}

/// A managed service that stands in a VPC with interfaces of its own and is not
/// modelled further: a cache, a warehouse, a file system, a proxy.
#[derive(Clone, Debug)]
pub struct Store {
    pub id: LogicalId,
    pub resource_type: String,
    /// What clients connect to, where the service or the template says.
    pub port: Option<u16>,
    pub subnets: Vec<LogicalId>,
    pub security_groups: Vec<LogicalId>,
    pub public: bool,
    pub provenance: Provenance,
}

/// The database's first user: its name and password as given, which may be
/// dynamic references.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MasterUser {
    pub name: String,
    pub password: Option<String>,
}

/// A secret of Secrets Manager.
#[derive(Clone, Debug)]
pub struct Secret {
    pub id: LogicalId,
    pub arn: String,
    pub name: String,
    pub description: Option<String>,
    pub key: Option<LogicalId>,
    pub generate: Option<GenerateSecretString>,
    /// The database whose host and port are written into the secret.
    pub attached_to: Option<LogicalId>,
    pub tags: BTreeMap<String, String>,
    pub provenance: Provenance,
}

/// How a secret's first value is made.
/// (CloudFormation, `AWS::SecretsManager::Secret GenerateSecretString`)
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GenerateSecretString {
    pub template: Option<String>,
    pub key: Option<String>,
    pub length: u32,
    pub exclude_characters: String,
    pub exclude_lowercase: bool,
    pub exclude_uppercase: bool,
    pub exclude_numbers: bool,
    pub exclude_punctuation: bool,
    pub include_space: bool,
    pub require_each_included_type: bool,
}

/// A KMS key with its aliases.
#[derive(Clone, Debug)]
pub struct Key {
    pub id: LogicalId,
    pub key_id: String,
    pub arn: String,
    /// `alias/…`
    pub aliases: Vec<String>,
    pub description: Option<String>,
    pub policy: Json,
    pub rotation: bool,
    pub tags: BTreeMap<String, String>,
    pub provenance: Provenance,
}

/// A CloudWatch log group.
#[derive(Clone, Debug)]
pub struct LogGroup {
    pub id: LogicalId,
    pub arn: String,
    pub name: String,
    pub retention_days: Option<u32>,
    pub key: Option<LogicalId>,
    pub tags: BTreeMap<String, String>,
    pub provenance: Provenance,
}

/// An S3 bucket with its policy.
#[derive(Clone, Debug)]
pub struct Bucket {
    pub id: LogicalId,
    pub arn: String,
    pub name: String,
    /// `aws:kms` or `AES256`.
    pub encryption: Option<String>,
    pub key: Option<LogicalId>,
    pub public_access_blocked: bool,
    pub policy: Option<Json>,
    pub tags: BTreeMap<String, String>,
    pub provenance: Provenance,
}

/// An ECR repository.
#[derive(Clone, Debug)]
pub struct Repository {
    pub id: LogicalId,
    pub arn: String,
    pub name: String,
    pub uri: String,
    pub immutable_tags: bool,
    pub key: Option<LogicalId>,
    pub policy: Option<Json>,
    pub tags: BTreeMap<String, String>,
    pub provenance: Provenance,
}

/// A Systems Manager document: what a session or a command does.
#[derive(Clone, Debug)]
pub struct SsmDocument {
    pub id: LogicalId,
    pub name: String,
    /// `Session`, `Command`, …
    pub kind: String,
    /// A map; null when it could not be read.
    pub content: Json,
    pub tags: BTreeMap<String, String>,
    pub provenance: Provenance,
}

/// A parameter of the Parameter Store.
#[derive(Clone, Debug)]
pub struct SsmParameter {
    pub id: LogicalId,
    pub name: String,
    /// `String` or `StringList`.
    pub kind: String,
    pub value: String,
    pub description: Option<String>,
    pub tags: BTreeMap<String, String>,
    pub provenance: Provenance,
}
