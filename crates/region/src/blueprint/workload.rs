//! The programs that run behind interfaces: tasks, instances, databases.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use model::{EniId, LogicalId};

use super::balancer::TargetGroupName;
use crate::metadata::instance::InstanceFacts;
use crate::metadata::task::TaskFacts;

/// One running copy of a program: a task, or what an instance runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Workload {
    /// Unique in the region, and how people call it: `UsersService/1`.
    pub name: String,
    pub owner: LogicalId,
    pub eni: EniId,
    pub address: Ipv4Addr,
    pub vpc: LogicalId,
    pub kind: WorkloadKind,
    /// Arguments of the image's entry point.
    pub command: Vec<String>,
    pub environment: BTreeMap<String, String>,
    /// The role whose credentials the program gets.
    pub role: Option<String>,
    pub log: Option<LogStream>,
    /// Where it is registered, and with which port.
    pub targets: Vec<(TargetGroupName, u16)>,
    /// Between SIGTERM and SIGKILL.
    pub stop_timeout_s: u32,
}

/// The SSM agent of an instance: a process beside what the instance is there for,
/// with the same network and metadata.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InstanceAgent {
    /// Unique in the region, and how people call it: `MatchesAutoScalingGroup/1 ssm-agent`.
    pub name: String,
    pub eni: EniId,
    pub address: Ipv4Addr,
    pub vpc: LogicalId,
    pub instance: InstanceFacts,
}

/// How a program is run in AWS, which decides where its credentials and
/// metadata come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WorkloadKind {
    Instance(InstanceFacts),
    Task(TaskFacts),
}

impl WorkloadKind {
    /// The service that vouches for the program's role.
    pub fn service_principal(&self) -> &'static str {
        match self {
            Self::Instance(_) => "ec2.amazonaws.com",
            Self::Task(_) => "ecs-tasks.amazonaws.com",
        }
    }

    /// What trust policies see as `aws:SourceArn`: the task; AWS sets none for
    /// an instance.
    pub fn source_arn(&self) -> Option<&str> {
        match self {
            Self::Instance(_) => None,
            Self::Task(task) => Some(&task.task_arn),
        }
    }

    /// The name of its role sessions: the instance id, the task's own id.
    pub fn session_name(&self) -> &str {
        match self {
            Self::Instance(instance) => &instance.instance_id,
            Self::Task(task) => task.task_arn.rsplit('/').next().unwrap_or(&task.task_arn),
        }
    }
}

/// Where a program's output goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogStream {
    pub group: String,
    pub stream: String,
    /// Whose permission writes it: the execution role of a task, the
    /// instance's own role.
    pub role: Option<String>,
}

/// A database server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Database {
    pub id: LogicalId,
    pub eni: EniId,
    pub address: Ipv4Addr,
    pub port: u16,
    pub endpoint: String,
    pub database_name: Option<String>,
    /// The master user: the secret that holds name and password.
    pub secret_arn: String,
    /// As in the template; the local server's own version may differ.
    pub engine_version: Option<String>,
    pub parameters: BTreeMap<String, String>,
}
