//! From a Model to a Blueprint, without touching the machine.
//!
//! Every choice is made here; what cannot be run is refused here, all of it at
//! once, with the template's line.

pub mod addresses;
mod balancer;
mod distribution;
mod fault;
mod firewall;
mod names;
mod network;
pub mod ruleset;
mod seed;
mod settings;
mod site;
mod unrun;
mod workload;

#[cfg(test)]
mod tests;

use iam::PolicyDocument;
use model::{EniKind, LoadBalancerKind, Model, VpcEndpointKind};

pub use fault::PlanFault;
pub use network::{INSTANCE_METADATA, LINK_LOCAL_RESOLVER, TASK_METADATA};
pub use seed::OPERATOR;
pub use settings::{Settings, SignIn};
pub use workload::{field_of_reference, secret_of_reference};

use crate::blueprint::network::GatewayEndpointId;
use crate::blueprint::{Balancer, Blueprint, Distribution, Endpoint, FlowLog, Interface};
use fault::Faults;

/// Plans the region of a model. `template` is the file's name, for messages of
/// the running region that point into it.
///
/// # Errors
///
/// Everything the template asks for that cannot be run here.
pub fn plan(
    model: &Model,
    template: &str,
    settings: &Settings,
) -> Result<Blueprint, Vec<PlanFault>> {
    let mut faults = Faults::default();
    let (public, without) = addresses::public(model);
    for id in without {
        let owner = model.enis.get(&id).map(|eni| eni.owner.as_str());
        let owner = owner.and_then(|owner| model.stack.resources.get(owner));
        faults.add(
            format!("no public address is left for interface `{id}`"),
            &owner
                .map(|owner| owner.provenance.0.clone())
                .unwrap_or_default(),
            "ask for fewer instances or tasks with a public address",
        );
    }
    unrun::refuse(model, &mut faults);
    let names = names::internet(model, &public);
    let vpcs = model.vpcs.values();
    let workloads = workload::workloads(model, &mut faults);
    let blueprint = Blueprint {
        account: model.stack.account_id.clone(),
        region: model.stack.region.clone(),
        stack_name: model.stack.stack_name.clone(),
        network: network::network(model, &public, &mut faults),
        firewalls: vpcs
            .clone()
            .map(|vpc| {
                (
                    vpc.id.clone(),
                    firewall::firewall(model, vpc, template, &mut faults),
                )
            })
            .collect(),
        interfaces: interfaces(model, &public),
        vpc_names: vpcs
            .map(|vpc| (vpc.id.clone(), names::vpc(model, vpc, &names)))
            .collect(),
        names,
        balancers: balancers(model, &mut faults),
        distributions: distributions(model, &mut faults),
        endpoints: endpoints(model, &mut faults),
        databases: workload::databases(model, &mut faults),
        tasks_once: workload::tasks_once(model, &mut faults),
        agents: workload::agents(&workloads),
        workloads,
        flow_logs: flow_logs(model, &mut faults),
        site: site::site(model, &mut faults),
        seed: seed::seed(model, settings, &mut faults),
        public,
    };
    let faults = faults.into_sorted();
    if faults.is_empty() {
        Ok(blueprint)
    } else {
        Err(faults)
    }
}

fn interfaces(
    model: &Model,
    public: &std::collections::BTreeMap<model::EniId, std::net::Ipv4Addr>,
) -> Vec<Interface> {
    let interface = |eni: &model::Eni| {
        let groups = eni
            .security_groups
            .iter()
            .filter_map(|id| model.security_groups.get(id));
        Some(Interface {
            id: eni.id.clone(),
            interface_id: eni.interface_id.clone(),
            vpc: model.subnets.get(&eni.subnet)?.vpc.clone(),
            owner: eni.owner.clone(),
            kind: eni.kind,
            subnet: eni.subnet.clone(),
            address: eni.address,
            public: public.get(&eni.id).copied(),
            security_groups: groups.map(|group| group.name.clone()).collect(),
        })
    };
    model.enis.values().filter_map(interface).collect()
}

fn balancers(model: &Model, faults: &mut Faults) -> Vec<Balancer> {
    let mut balancers = Vec::new();
    let balanced = model.load_balancers.values();
    for balancer in balanced.filter(|one| one.kind == LoadBalancerKind::Application) {
        let nodes = model
            .enis_of(&balancer.id)
            .filter(|eni| eni.kind == EniKind::LoadBalancer);
        balancers.push(Balancer {
            id: balancer.id.clone(),
            config: balancer::balancer(model, balancer, faults),
            nodes: nodes.map(|eni| eni.id.clone()).collect(),
        });
    }
    balancers
}

fn distributions(model: &Model, faults: &mut Faults) -> Vec<Distribution> {
    let mut distributions = Vec::new();
    for distribution in model.distributions.values() {
        distributions.push(Distribution {
            id: distribution.id.clone(),
            arn: distribution.arn.clone(),
            config: distribution::distribution(model, distribution, faults),
        });
    }
    distributions
}

/// Public addresses of AWS services, and the names answered at each.
pub fn public_services(region: &str) -> Vec<(std::net::Ipv4Addr, Vec<String>)> {
    let api = [
        format!("*.{region}.amazonaws.com"),
        format!("api.ecr.{region}.amazonaws.com"),
        format!("*.dkr.ecr.{region}.amazonaws.com"),
        "*.amazonaws.com".to_owned(),
    ];
    vec![
        (addresses::AWS_SERVICES, api.to_vec()),
        (addresses::COGNITO, names::cognito_names(region)),
        (addresses::S3, names::s3_names(region)),
    ]
}

fn endpoints(model: &Model, faults: &mut Faults) -> Vec<Endpoint> {
    let region = &model.stack.region;
    let mut endpoints = Vec::new();
    for endpoint in model.vpc_endpoints.values() {
        let service = endpoint.service(region).to_owned();
        let is_gateway = matches!(endpoint.kind, VpcEndpointKind::Gateway { .. });
        let policy = endpoint
            .policy
            .as_ref()
            .map(PolicyDocument::parse)
            .transpose();
        let policy = policy.unwrap_or_else(|found| {
            for fault in found {
                let message = format!("endpoint policy: {fault}");
                faults.add(message, &endpoint.provenance, fault::POLICY_HINT);
            }
            None
        });
        let vpc = model.vpcs.get(&endpoint.vpc);
        let names = names::service_names(&service, region);
        endpoints.push(Endpoint {
            id: endpoint.id.clone(),
            endpoint_id: endpoint.endpoint_id.clone(),
            vpc_id: vpc.map(|vpc| vpc.vpc_id.clone()).unwrap_or_default(),
            interfaces: model
                .enis_of(&endpoint.id)
                .map(|eni| eni.id.clone())
                .collect(),
            gateway: is_gateway.then(|| GatewayEndpointId(endpoint.id.to_string())),
            names,
            policy,
            service,
        });
    }
    endpoints
}

fn flow_logs(model: &Model, faults: &mut Faults) -> Vec<FlowLog> {
    let mut logs = Vec::new();
    for log in model.flow_logs.values() {
        let (Some(vpc), Some(log_group)) = (&log.resource, &log.log_group_name) else {
            faults.add(
                "only flow logs of a VPC to a log group are kept here",
                &log.provenance,
                "set `ResourceType: VPC` and `LogGroupName` to a log group of the template",
            );
            continue;
        };
        if !model.vpcs.contains_key(vpc) {
            faults.add(
                "only flow logs of a whole VPC are kept here",
                &log.provenance,
                "let `ResourceId` name the VPC",
            );
            continue;
        }
        logs.push(FlowLog {
            id: log.id.clone(),
            vpc: vpc.clone(),
            log_group: log_group.clone(),
            accepted: log.traffic_type != "REJECT",
            rejected: log.traffic_type != "ACCEPT",
        });
    }
    logs
}
