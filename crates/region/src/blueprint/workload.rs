//! The programs that run behind interfaces: tasks, instances, databases.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use model::{EniId, LogicalId};

use super::balancer::TargetGroupName;

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

/// How a program is run in AWS, which decides where its credentials come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WorkloadKind {
    Instance {
        /// `i-…`
        instance_id: String,
        instance_type: String,
        availability_zone: String,
        instance_profile_arn: Option<String>,
        role_name: Option<String>,
        metadata: model::MetadataOptions,
        tags: BTreeMap<String, String>,
    },
    Task {
        cluster: String,
        task_arn: String,
        family: String,
        container: String,
        availability_zone: String,
    },
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
