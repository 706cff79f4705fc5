//! What runs the programs: instances, groups of them, tasks, services.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use cfn::Provenance;

use crate::LogicalId;

/// How an instance is to be launched; a launch configuration is one too.
#[derive(Clone, Debug)]
pub struct LaunchTemplate {
    pub id: LogicalId,
    /// `lt-…`
    pub launch_template_id: String,
    pub instance_type: Option<String>,
    pub security_groups: Vec<LogicalId>,
    /// Unsaid, the subnet decides.
    pub associate_public_ip: Option<bool>,
    pub instance_profile: Option<LogicalId>,
    pub metadata_options: MetadataOptions,
    /// Tags of the instances.
    pub tags: BTreeMap<String, String>,
    /// What the instance runs, from `Metadata: Kickytime::Local`.
    pub local: Option<LocalProgram>,
    pub provenance: Provenance,
}

/// Instance metadata settings.
/// (EC2 User Guide, "Configure the instance metadata options")
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MetadataOptions {
    pub tokens_required: bool,
    pub hop_limit: u8,
    pub instance_tags: bool,
}

impl Default for MetadataOptions {
    fn default() -> Self {
        Self {
            tokens_required: false,
            hop_limit: 1,
            instance_tags: false,
        }
    }
}

/// `Metadata: Kickytime::Local` of a launch template: what its user data
/// starts, as data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocalProgram {
    pub image: String,
    pub command: Vec<String>,
    pub port: Option<u16>,
    pub log_group: Option<String>,
    pub environment: BTreeMap<String, String>,
}

/// An instance of its own, outside any group.
#[derive(Clone, Debug)]
pub struct Instance {
    pub id: LogicalId,
    /// `i-…`
    pub instance_id: String,
    pub instance_type: Option<String>,
    /// In order of device index; empty when it runs outside the template's VPCs.
    pub interfaces: Vec<NetworkInterface>,
    pub instance_profile: Option<LogicalId>,
    pub metadata_options: MetadataOptions,
    pub provenance: Provenance,
}

/// An interface that is made with an instance, or for one.
#[derive(Clone, Debug)]
pub struct NetworkInterface {
    /// The `AWS::EC2::NetworkInterface` it is, where it is one.
    pub resource: Option<LogicalId>,
    pub subnet: LogicalId,
    pub security_groups: Vec<LogicalId>,
    /// The address the template sets.
    pub address: Option<Ipv4Addr>,
    /// Whether it has a public address; unsaid, the subnet decides.
    pub public: Option<bool>,
}

/// A Lambda function.
#[derive(Clone, Debug)]
pub struct Function {
    pub id: LogicalId,
    pub arn: String,
    pub name: String,
    pub role: Option<LogicalId>,
    /// Where it reaches into a VPC; empty when it does not.
    pub subnets: Vec<LogicalId>,
    pub security_groups: Vec<LogicalId>,
    pub environment: BTreeMap<String, String>,
    pub provenance: Provenance,
}

/// A group of like instances.
#[derive(Clone, Debug)]
pub struct AutoScalingGroup {
    pub id: LogicalId,
    pub name: String,
    pub launch_template: Option<LogicalId>,
    pub subnets: Vec<LogicalId>,
    pub min_size: u32,
    pub max_size: u32,
    pub desired_capacity: u32,
    pub target_groups: Vec<LogicalId>,
    /// `EC2` or `ELB`.
    pub health_check_type: String,
    pub provenance: Provenance,
}

/// An ECS cluster.
#[derive(Clone, Debug)]
pub struct Cluster {
    pub id: LogicalId,
    pub name: String,
    pub arn: String,
    pub provenance: Provenance,
}

/// A task definition.
#[derive(Clone, Debug)]
pub struct TaskDefinition {
    pub id: LogicalId,
    pub family: String,
    pub arn: String,
    pub network_mode: String,
    pub cpu: Option<String>,
    pub memory: Option<String>,
    pub task_role: Option<LogicalId>,
    pub execution_role: Option<LogicalId>,
    pub containers: Vec<Container>,
    /// `Metadata: Kickytime::Local: RunOnce`: a task that a person or pipeline
    /// runs once per deployment; `up` runs it before the services.
    pub run_once: bool,
    pub provenance: Provenance,
}

/// A container of a task definition.
#[derive(Clone, Debug)]
pub struct Container {
    pub name: String,
    pub image: String,
    pub entry_point: Vec<String>,
    pub command: Vec<String>,
    pub ports: Vec<u16>,
    pub environment: BTreeMap<String, String>,
    /// Variable and the ARN its value comes from.
    pub secrets: Vec<(String, String)>,
    pub essential: bool,
    /// awslogs group and stream prefix.
    pub log_group: Option<String>,
    pub log_stream_prefix: Option<String>,
    /// `CMD-SHELL`/`CMD` health command, as given.
    pub health_check: Option<Vec<String>>,
    pub stop_timeout_s: Option<u32>,
    pub provenance: Provenance,
}

/// An ECS service.
#[derive(Clone, Debug)]
pub struct Service {
    pub id: LogicalId,
    pub name: String,
    pub cluster: Option<LogicalId>,
    pub task_definition: Option<LogicalId>,
    pub desired_count: u32,
    pub launch_type: String,
    pub subnets: Vec<LogicalId>,
    pub security_groups: Vec<LogicalId>,
    pub assign_public_ip: bool,
    pub load_balancers: Vec<ServiceTarget>,
    pub health_check_grace_s: u32,
    pub provenance: Provenance,
}

/// A container's port behind a target group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceTarget {
    pub target_group: LogicalId,
    pub container: String,
    pub port: u16,
}
