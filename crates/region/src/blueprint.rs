//! The whole local region as data: what `apply` makes true, with no choice left open.

pub mod balancer;
pub mod distribution;
pub mod dns;
pub mod network;
pub mod ruleset;
pub mod workload;

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use emulator::Seed;
use model::{EniId, LogicalId};

pub use workload::*;

use crate::plan::addresses;
use crate::plan::ruleset::Firewall;

const HTTPS: u16 = 443;

/// Everything of one region.
#[derive(Clone, Debug)]
pub struct Blueprint {
    pub account: String,
    pub region: String,
    pub stack_name: String,
    pub network: network::Network,
    /// What each VPC's router lets through, by VPC.
    pub firewalls: BTreeMap<LogicalId, Firewall>,
    /// Public addresses of interfaces, by interface.
    pub public: BTreeMap<EniId, Ipv4Addr>,
    /// Every interface with what stands behind it, for people to read.
    pub interfaces: Vec<Interface>,
    /// What the internet's names stand for.
    pub names: dns::DnsView,
    /// What each VPC's resolver knows, by VPC.
    pub vpc_names: BTreeMap<LogicalId, dns::DnsView>,
    pub balancers: Vec<Balancer>,
    pub distributions: Vec<Distribution>,
    pub endpoints: Vec<Endpoint>,
    pub databases: Vec<Database>,
    /// Run to their end, one after another, before the services.
    pub tasks_once: Vec<Workload>,
    pub workloads: Vec<Workload>,
    /// One for each instance.
    pub agents: Vec<InstanceAgent>,
    pub flow_logs: Vec<FlowLog>,
    /// What the site's door leads to; none without a distribution.
    pub site: Option<Site>,
    /// What the account holds.
    pub seed: Seed,
}

/// An interface as the status table shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interface {
    pub id: EniId,
    /// `eni-…`
    pub interface_id: String,
    pub vpc: LogicalId,
    pub owner: LogicalId,
    pub kind: model::EniKind,
    pub subnet: LogicalId,
    pub address: Ipv4Addr,
    pub public: Option<Ipv4Addr>,
    /// Names of its security groups.
    pub security_groups: Vec<String>,
}

/// A load balancer and where its nodes stand.
#[derive(Clone, Debug)]
pub struct Balancer {
    pub id: LogicalId,
    pub config: balancer::LoadBalancer,
    pub nodes: Vec<EniId>,
}

/// A distribution of the edge.
#[derive(Clone, Debug)]
pub struct Distribution {
    pub id: LogicalId,
    /// What its requests to origins are signed for.
    pub arn: String,
    pub config: distribution::Distribution,
}

/// An endpoint of a VPC, and the AWS services behind it.
#[derive(Clone, Debug)]
pub struct Endpoint {
    pub id: LogicalId,
    /// `vpce-…`
    pub endpoint_id: String,
    pub vpc_id: String,
    /// `ecr.api` and so on.
    pub service: String,
    /// Where it answers: interfaces of an interface endpoint.
    pub interfaces: Vec<EniId>,
    /// A gateway endpoint answers in a namespace of its own.
    pub gateway: Option<network::GatewayEndpointId>,
    /// The host names it answers to, for TLS; `*.` wildcards allowed.
    pub names: Vec<String>,
    /// `None` lets everything through.
    pub policy: Option<iam::PolicyDocument>,
}

/// Flow logs of a VPC.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FlowLog {
    pub id: LogicalId,
    pub vpc: LogicalId,
    pub log_group: String,
    pub accepted: bool,
    pub rejected: bool,
}

/// What the person's doors lead to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Site {
    /// The distribution's host name for viewers.
    pub host: String,
    /// Public names that pages refer to and the browser must reach.
    pub other_hosts: Vec<String>,
    /// The bucket of the static files.
    pub bucket: Option<String>,
    /// `/config.json` of the site: outputs of the stack that its pages need.
    pub config: serde_json::Value,
}

impl Blueprint {
    pub fn interface(&self, id: &EniId) -> Option<&Interface> {
        self.interfaces.iter().find(|interface| interface.id == *id)
    }

    /// The resolver of a VPC.
    pub fn resolver(&self, vpc: &LogicalId) -> Option<Ipv4Addr> {
        let vpc = self
            .network
            .vpcs
            .iter()
            .find(|found| found.id.0 == vpc.as_str())?;
        let base = u32::from(vpc.cidrs.first()?.network());
        Some(Ipv4Addr::from(base + 2))
    }

    /// Where a gateway endpoint answers.
    pub fn gateway_addresses(
        &self,
        id: &network::GatewayEndpointId,
    ) -> impl Iterator<Item = Ipv4Addr> {
        let mut vpcs = self.network.vpcs.iter();
        let endpoint = vpcs.find_map(|vpc| vpc.gateway_endpoint(id));
        endpoint
            .into_iter()
            .flat_map(|endpoint| endpoint.addresses.iter().copied())
    }

    /// Whether there is anything to run an image for.
    pub fn runs_programs(&self) -> bool {
        !(self.workloads.is_empty() && self.tasks_once.is_empty())
    }

    /// Public addresses of AWS services, and the names answered at each.
    pub fn public_services(&self) -> Vec<(Ipv4Addr, Vec<String>)> {
        crate::plan::public_services(&self.region)
    }

    /// Where the site's door leads: the site, and the names its pages refer to.
    pub fn viewer_door(&self) -> Option<distribution::ViewerDoor> {
        let site = self.site.as_ref()?;
        let at = |address| SocketAddr::new(IpAddr::V4(address), HTTPS);
        let others = site.other_hosts.iter();
        let others = others.map(|host| (host.clone(), at(addresses::COGNITO)));
        Some(distribution::ViewerDoor {
            site: site.host.clone(),
            names: others
                .chain([(site.host.clone(), at(addresses::EDGE))])
                .collect(),
            rewritten_paths: BTreeSet::from(["/config.json".to_owned()]),
        })
    }
}
