//! What does this stack consist of, as AWS would understand it?
//!
//! [`lower()`] turns an evaluated `cfn::Stack` into a [`Model`]: typed
//! resources that point at each other, the network interfaces they imply, and
//! a list of everything that was not understood. Questions about a Model are
//! left to `analysis`, running it to `region`.
//!
//! **Invariant:** nothing of the template is dropped in silence. A property
//! is read, or skipped by name in the lowering file of its service, or listed
//! in [`Model::not_analysed`].
#![deny(clippy::disallowed_methods)]

mod balancer;
mod compute;
mod data;
mod edge;
mod identity;
mod logical_id;
mod lower;
mod network;
mod physical;
mod reader;

use std::collections::BTreeMap;
use std::sync::Arc;

use cfn::{Provenance, Stack, Symbol, Value};

pub use balancer::*;
pub use compute::*;
pub use data::*;
pub use edge::*;
pub use identity::*;
pub use logical_id::LogicalId;
pub use lower::lower;
pub use network::*;

/// The typed resource graph of one stack. Every map is keyed and ordered by
/// logical id.
#[derive(Clone, Debug, Default)]
pub struct Model {
    pub stack: Arc<Stack>,
    // network
    pub vpcs: BTreeMap<LogicalId, Vpc>,
    pub subnets: BTreeMap<LogicalId, Subnet>,
    pub internet_gateways: BTreeMap<LogicalId, InternetGateway>,
    pub nat_gateways: BTreeMap<LogicalId, NatGateway>,
    pub route_tables: BTreeMap<LogicalId, RouteTable>,
    pub network_acls: BTreeMap<LogicalId, NetworkAcl>,
    pub security_groups: BTreeMap<LogicalId, SecurityGroup>,
    pub prefix_lists: BTreeMap<String, PrefixList>,
    pub vpc_endpoints: BTreeMap<LogicalId, VpcEndpoint>,
    /// Every interface the template implies, by its stand-in id.
    pub enis: BTreeMap<EniId, Eni>,
    pub flow_logs: BTreeMap<LogicalId, FlowLog>,
    // balancing and edge
    pub load_balancers: BTreeMap<LogicalId, LoadBalancer>,
    pub target_groups: BTreeMap<LogicalId, TargetGroup>,
    pub distributions: BTreeMap<LogicalId, Distribution>,
    pub origin_access_controls: BTreeMap<LogicalId, OriginAccessControl>,
    pub response_headers_policies: BTreeMap<LogicalId, ResponseHeadersPolicy>,
    pub edge_functions: BTreeMap<LogicalId, EdgeFunction>,
    pub record_sets: BTreeMap<LogicalId, RecordSet>,
    pub certificates: BTreeMap<LogicalId, Certificate>,
    // compute
    pub launch_templates: BTreeMap<LogicalId, LaunchTemplate>,
    pub auto_scaling_groups: BTreeMap<LogicalId, AutoScalingGroup>,
    pub instances: BTreeMap<LogicalId, Instance>,
    /// Those that belong to no instance of the template.
    pub network_interfaces: BTreeMap<LogicalId, NetworkInterface>,
    pub functions: BTreeMap<LogicalId, Function>,
    pub clusters: BTreeMap<LogicalId, Cluster>,
    pub task_definitions: BTreeMap<LogicalId, TaskDefinition>,
    pub services: BTreeMap<LogicalId, Service>,
    // data
    pub databases: BTreeMap<LogicalId, Database>,
    pub stores: BTreeMap<LogicalId, Store>,
    pub secrets: BTreeMap<LogicalId, Secret>,
    pub keys: BTreeMap<LogicalId, Key>,
    pub log_groups: BTreeMap<LogicalId, LogGroup>,
    pub buckets: BTreeMap<LogicalId, Bucket>,
    pub repositories: BTreeMap<LogicalId, Repository>,
    pub ssm_documents: BTreeMap<LogicalId, SsmDocument>,
    pub ssm_parameters: BTreeMap<LogicalId, SsmParameter>,
    // identity
    pub roles: BTreeMap<LogicalId, Role>,
    pub instance_profiles: BTreeMap<LogicalId, InstanceProfile>,
    pub oidc_providers: BTreeMap<LogicalId, OidcProvider>,
    pub user_pools: BTreeMap<LogicalId, UserPool>,
    /// Understood, and without a part in network, permissions or running:
    /// alarms, topics, scaling policies.
    pub passive: BTreeMap<LogicalId, String>,
    /// What the template says and this model does not.
    pub not_analysed: Vec<NotAnalysed>,
}

/// Something in the template that the model does not cover.
#[derive(Clone, Debug)]
pub struct NotAnalysed {
    pub subject: NotAnalysedSubject,
    pub provenance: Provenance,
}

/// What kind of thing was not analysed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotAnalysedSubject {
    /// The whole resource: its type is unknown.
    ResourceType(String),
    /// A property this crate does not know for the type.
    Property {
        resource_type: String,
        property: String,
    },
    /// A property it knows, with a value it cannot use; says why.
    Value { property: String, reason: String },
}

impl std::fmt::Display for NotAnalysedSubject {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::ResourceType(name) => write!(f, "resource type `{name}`"),
            Self::Property {
                resource_type,
                property,
            } => {
                write!(f, "property `{property}` of `{resource_type}`")
            }
            Self::Value { property, reason } => write!(f, "value of `{property}`: {reason}"),
        }
    }
}

impl Model {
    /// The stand-in for a value that only AWS knows: physical ids, ARNs and
    /// host names in AWS's own form, derived from the stack and logical id, so
    /// that they are the same in every run.
    pub fn resolve(&self, symbol: &Symbol) -> Option<String> {
        physical::resolve(&self.stack, symbol)
    }

    /// A scalar's text with every symbol replaced by its stand-in.
    pub fn text(&self, value: &Value) -> Option<String> {
        value.render(&|symbol| self.resolve(symbol))
    }

    /// An output's text, by its name.
    pub fn output(&self, name: &str) -> Option<String> {
        self.text(&self.stack.outputs.get(name)?.value)
    }

    /// The stack's ARN, with a stand-in for its random part.
    pub fn stack_id(&self) -> String {
        physical::stack_id(&self.stack)
    }

    /// The stand-in id of the instance behind an interface: `i-…`.
    pub fn instance_id(&self, eni: &Eni) -> String {
        match self.instances.get(&eni.owner) {
            Some(instance) => instance.instance_id.clone(),
            None => physical::instance_id(&self.stack, &eni.id.0),
        }
    }

    /// The interfaces that belong to a resource, in order of id.
    pub fn enis_of(&self, owner: &LogicalId) -> impl Iterator<Item = &Eni> {
        self.enis.values().filter(move |eni| eni.owner == *owner)
    }
}
