//! What does the region contain when it starts? Plain data, built by whoever planned it.
//!
//! A seed says what should exist; what happened to it since (a secret's new version, a signed-up
//! user, an event in a log) is state, kept in the state directory and never overwritten by a seed
//! that has not changed.

use std::collections::BTreeMap;
use std::fmt;

use iam::PolicyDocument;

mod data;
mod identity;
mod pool;
mod stack;
mod systems;

pub use data::{
    BucketSeed, Encryption, GenerateSecretString, KeySeed, LogGroupSeed, RepositorySeed,
    SecretContent, SecretSeed, TargetAttachment,
};
pub use identity::{RoleSeed, UserSeed};
pub use pool::{
    AuthFlow, GroupSeed, PasswordPolicy, PoolClientSeed, PoolUserSeed, TokenValidity, UserPoolSeed,
};
pub use stack::{DatabaseSeed, OutputSeed, StackResourceSeed, StackSeed};
pub use systems::{DocumentSeed, InstanceSeed, ParameterSeed};

/// Resource tags, key to value.
pub type Tags = BTreeMap<String, String>;

/// Everything one account holds in one region.
#[derive(Clone, Debug)]
pub struct Seed {
    /// Twelve digits.
    pub account: String,
    /// As in `ap-northeast-2`.
    pub region: String,
    /// `aws`, `aws-cn`, `aws-us-gov`.
    pub partition: String,
    /// IAM roles: of tasks, instances, deployment.
    pub roles: Vec<RoleSeed>,
    /// IAM users: the person at the keyboard.
    pub users: Vec<UserSeed>,
    /// Customer-managed KMS keys.
    pub keys: Vec<KeySeed>,
    /// Secrets Manager secrets.
    pub secrets: Vec<SecretSeed>,
    /// CloudWatch log groups.
    pub log_groups: Vec<LogGroupSeed>,
    /// S3 buckets.
    pub buckets: Vec<BucketSeed>,
    /// ECR repositories.
    pub repositories: Vec<RepositorySeed>,
    /// Cognito user pools.
    pub user_pools: Vec<UserPoolSeed>,
    /// EC2 instances.
    pub instances: Vec<InstanceSeed>,
    /// SSM documents.
    pub documents: Vec<DocumentSeed>,
    /// SSM parameters.
    pub parameters: Vec<ParameterSeed>,
    /// RDS database instances.
    pub databases: Vec<DatabaseSeed>,
    /// CloudFormation stacks.
    pub stacks: Vec<StackSeed>,
}

impl Seed {
    /// An account with nothing in it.
    pub fn empty(account: &str, region: &str) -> Self {
        Self {
            account: account.to_owned(),
            region: region.to_owned(),
            partition: "aws".to_owned(),
            roles: Vec::new(),
            users: Vec::new(),
            keys: Vec::new(),
            secrets: Vec::new(),
            log_groups: Vec::new(),
            buckets: Vec::new(),
            repositories: Vec::new(),
            user_pools: Vec::new(),
            instances: Vec::new(),
            documents: Vec::new(),
            parameters: Vec::new(),
            databases: Vec::new(),
            stacks: Vec::new(),
        }
    }

    /// The domain AWS host names of this partition end in.
    pub fn dns_suffix(&self) -> &'static str {
        if self.partition == "aws-cn" {
            "amazonaws.com.cn"
        } else {
            "amazonaws.com"
        }
    }
}

/// A text that must not appear in any output: its `Debug` says only that it is there.
#[derive(Clone, PartialEq, Eq)]
pub struct Sensitive(pub String);

impl Sensitive {
    /// The text itself; the caller takes over the duty of keeping it quiet.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl From<&str> for Sensitive {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl fmt::Debug for Sensitive {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

/// A policy attached to a resource, if it has one.
pub type ResourcePolicy = Option<PolicyDocument>;
