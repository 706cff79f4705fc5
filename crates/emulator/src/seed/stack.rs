//! What a template became: the stack with its outputs and resources, and its databases.

use super::Tags;

/// A CloudFormation stack, created.
#[derive(Clone, Debug)]
pub struct StackSeed {
    /// Unique in the account and region.
    pub name: String,
    /// `arn:aws:cloudformation:region:account:stack/NAME/UUID`.
    pub id: String,
    /// The template's description.
    pub description: Option<String>,
    /// Outputs as evaluated.
    pub outputs: Vec<OutputSeed>,
    /// Every resource that exists.
    pub resources: Vec<StackResourceSeed>,
    /// Stack tags.
    pub tags: Tags,
}

/// An output of a stack.
#[derive(Clone, Debug)]
pub struct OutputSeed {
    /// Its name in the template.
    pub key: String,
    /// Its value.
    pub value: String,
    /// Free text.
    pub description: Option<String>,
    /// The name other stacks import it by.
    pub export: Option<String>,
}

/// A resource of a stack.
#[derive(Clone, Debug)]
pub struct StackResourceSeed {
    /// Its name in the template.
    pub logical_id: String,
    /// What `Ref` gives.
    pub physical_id: String,
    /// `AWS::EC2::VPC`.
    pub kind: String,
}

/// An RDS database instance.
#[derive(Clone, Debug)]
pub struct DatabaseSeed {
    /// `DBInstanceIdentifier`, in lower case.
    pub identifier: String,
    /// `arn:aws:rds:region:account:db:IDENTIFIER`.
    pub arn: String,
    /// `db-…`.
    pub resource_id: String,
    /// `db.t4g.micro`, if the template says.
    pub instance_class: Option<String>,
    /// `postgres`.
    pub engine: String,
    /// As in `17.6`, if the template says.
    pub engine_version: Option<String>,
    /// The host name clients use.
    pub address: String,
    /// The port clients use.
    pub port: u16,
    /// The initial database's name.
    pub database_name: Option<String>,
    /// The master user's name.
    pub master_username: Option<String>,
    /// `vpc-…`.
    pub vpc_id: Option<String>,
    /// `subnet-…` with its zone.
    pub subnets: Vec<(String, String)>,
    /// `sg-…`.
    pub security_groups: Vec<String>,
    /// Whether its name resolves to a public address.
    pub publicly_accessible: bool,
    /// Whether it has a standby in another zone.
    pub multi_az: bool,
    /// Whether its storage is encrypted.
    pub storage_encrypted: bool,
    /// ARN of the key that encrypts it.
    pub kms_key: Option<String>,
    /// Whether it refuses to be deleted.
    pub deletion_protection: bool,
    /// Days backups are kept.
    pub backup_retention_days: u32,
    /// Logs that go to CloudWatch.
    pub exported_logs: Vec<String>,
    /// Resource tags.
    pub tags: Tags,
}
