//! What holds data: keys, secrets, log groups, buckets, image repositories.

use iam::PolicyDocument;

use super::{ResourcePolicy, Sensitive, Tags};

/// A customer-managed symmetric KMS key.
#[derive(Clone, Debug)]
pub struct KeySeed {
    /// The key id, the last part of `arn`.
    pub id: String,
    /// `arn:aws:kms:region:account:key/…`.
    pub arn: String,
    /// Names with their prefix: `alias/kickytime-key`.
    pub aliases: Vec<String>,
    /// Free text.
    pub description: String,
    /// The key policy. A key without a statement for someone is unusable by everyone.
    pub policy: PolicyDocument,
    /// Whether new key material is made each year; old material keeps decrypting.
    pub rotation: bool,
    /// A disabled key refuses every cryptographic operation.
    pub enabled: bool,
    /// Resource tags.
    pub tags: Tags,
}

/// A Secrets Manager secret.
#[derive(Clone, Debug)]
pub struct SecretSeed {
    /// The friendly name, as in `kickytime/db`.
    pub name: String,
    /// The full ARN with its six-character suffix.
    pub arn: String,
    /// Free text.
    pub description: String,
    /// ARN of the key that encrypts it; `None` is the service's own `aws/secretsmanager`.
    pub kms_key: Option<String>,
    /// What its first version holds. A changed content makes a new version, an unchanged one never.
    pub content: SecretContent,
    /// The database it is attached to (`AWS::SecretsManager::SecretTargetAttachment`).
    pub attachment: Option<TargetAttachment>,
    /// Its resource policy.
    pub policy: ResourcePolicy,
    /// Resource tags.
    pub tags: Tags,
}

/// How a secret gets its value.
#[derive(Clone, Debug)]
pub enum SecretContent {
    /// As `GenerateSecretString` of the template says.
    Generated(GenerateSecretString),
    /// As `SecretString` of the template says.
    Text(Sensitive),
}

/// `AWS::SecretsManager::Secret` `GenerateSecretString`; the defaults are AWS's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GenerateSecretString {
    /// Characters of the password, 1 to 4,096.
    pub password_length: usize,
    /// Characters that must not occur.
    pub exclude_characters: String,
    /// Leave out `a-z`.
    pub exclude_lowercase: bool,
    /// Leave out `A-Z`.
    pub exclude_uppercase: bool,
    /// Leave out `0-9`.
    pub exclude_numbers: bool,
    /// Leave out punctuation.
    pub exclude_punctuation: bool,
    /// Let a space occur.
    pub include_space: bool,
    /// At least one character of each kind that is left in.
    pub require_each_included_type: bool,
    /// A JSON object to put the password into.
    pub secret_string_template: Option<String>,
    /// The member of that object which holds the password.
    pub generate_string_key: Option<String>,
}

impl Default for GenerateSecretString {
    fn default() -> Self {
        Self {
            password_length: 32,
            exclude_characters: String::new(),
            exclude_lowercase: false,
            exclude_uppercase: false,
            exclude_numbers: false,
            exclude_punctuation: false,
            include_space: false,
            require_each_included_type: true,
            secret_string_template: None,
            generate_string_key: None,
        }
    }
}

/// What an attachment writes into a secret's JSON.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TargetAttachment {
    /// `postgres`.
    pub engine: String,
    /// The database's host name.
    pub host: String,
    /// The database's port.
    pub port: u16,
    /// The database's name, when the instance has an initial one.
    pub dbname: Option<String>,
    /// The instance's identifier.
    pub db_instance_identifier: Option<String>,
    /// The master user, written only if the secret does not name one.
    pub username: Option<String>,
}

/// A CloudWatch log group.
#[derive(Clone, Debug)]
pub struct LogGroupSeed {
    /// `/kickytime/users`.
    pub name: String,
    /// `arn:aws:logs:region:account:log-group:NAME`, without the trailing `:*`.
    pub arn: String,
    /// Days events are kept; `None` for ever.
    pub retention_days: Option<u32>,
    /// ARN of the key that encrypts it; `None` is a key of the service's own.
    pub kms_key: Option<String>,
    /// Resource tags.
    pub tags: Tags,
}

/// An S3 bucket.
#[derive(Clone, Debug)]
pub struct BucketSeed {
    /// Globally unique name.
    pub name: String,
    /// The bucket policy.
    pub policy: ResourcePolicy,
    /// Default encryption of its objects.
    pub encryption: Encryption,
    /// Resource tags.
    pub tags: Tags,
}

/// Default encryption of a bucket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Encryption {
    /// SSE-S3, `AES256`.
    S3,
    /// SSE-KMS under a key, by ARN.
    Kms {
        /// The key's ARN.
        key: String,
        /// One data key for many objects, so the encryption context is the bucket's ARN.
        bucket_key: bool,
    },
}

/// An ECR repository.
#[derive(Clone, Debug)]
pub struct RepositorySeed {
    /// The repository's name.
    pub name: String,
    /// `arn:aws:ecr:region:account:repository/NAME`.
    pub arn: String,
    /// Whether a tag can be pushed only once.
    pub immutable_tags: bool,
    /// ARN of the key that encrypts it.
    pub kms_key: Option<String>,
    /// The repository policy.
    pub policy: ResourcePolicy,
    /// Resource tags.
    pub tags: Tags,
}
