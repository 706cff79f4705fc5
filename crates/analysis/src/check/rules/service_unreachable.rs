//! Workloads that have no network path to an AWS service they need.
//!
//! ## What it does
//! Works out what the template makes each workload call (image pull with its S3 layers, log
//! delivery, secrets, Systems Manager), finds how the service's name resolves in its VPC, and asks
//! whether port 443 is reachable there: through the endpoint when its private DNS answers, else
//! over the internet.
//!
//! ## Why is this bad
//! Tasks stay in `PENDING` with `ResourceInitializationError`, logs are lost, instances never show
//! up in Session Manager. With private DNS on, a blocking endpoint breaks the service even where a
//! NAT gateway would have served.
//!
//! ## Example
//! Tasks in private subnets without a NAT gateway and with endpoints for `ecr.api` and `ecr.dkr`, but
//! no gateway endpoint for S3.
//!
//! ## Use instead
//! An endpoint whose security group admits 443 from the workload and whose name resolves (private DNS
//! on, both DNS attributes of the VPC on), associated with the route tables in use; or a NAT gateway.
//!
//! ## References
//! - Amazon ECR User Guide, "Amazon ECR interface VPC endpoints"
//! - AWS PrivateLink Guide, "Access an AWS service using an interface VPC endpoint"

use std::collections::BTreeSet;

use model::{Eni, EniId, VpcEndpoint, VpcEndpointKind};

use super::super::{Facts, Finding};
use crate::needs;
use crate::reach::{End, accepted, connect, gateway_addresses};
use crate::set::TrafficSet;

pub(super) fn run(facts: &Facts<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut asked: BTreeSet<(&EniId, &str)> = BTreeSet::new();
    for need in &facts.needs {
        for eni in needs::interfaces(facts.model, &need.workload) {
            let index = facts.classes.index_of(&eni.id);
            let class = index.map_or(&eni.id, |index| {
                &facts.classes.classes[index].representative().id
            });
            if !asked.insert((class, need.service.as_ref())) {
                continue;
            }
            if let Err((fault, place)) = path(facts, eni, &need.service) {
                let message = format!(
                    "{} in {} cannot reach {}: {fault}",
                    need.workload, eni.subnet, need.service
                );
                let at = place.as_ref().unwrap_or(need.provenance);
                findings.push(
                    Finding::at(at, message).with_related(Some(need.provenance), need.why.as_str()),
                );
            }
        }
    }
    findings
}

type Fault = (String, Option<cfn::Provenance>);

/// Whether an interface reaches a service the way its name resolves.
fn path(facts: &Facts<'_>, eni: &Eni, service: &str) -> Result<(), Fault> {
    let model = facts.model;
    let Some(vpc) = facts.network.vpc_of(&eni.subnet) else {
        return Ok(());
    };
    let region = &model.stack.region;
    let in_vpc = |endpoint: &&VpcEndpoint| {
        endpoint.vpc == vpc.id && endpoint.service(region) == service
    };
    let endpoints: Vec<&VpcEndpoint> = model.vpc_endpoints.values().filter(in_vpc).collect();
    let mut unresolved = None;
    for endpoint in &endpoints {
        match &endpoint.kind {
            VpcEndpointKind::Gateway { .. } => {
                let end = End::World {
                    name: endpoint.id.to_string(),
                    addresses: gateway_addresses(&facts.network, &endpoint.id),
                };
                let (from, asked) = (End::Eni(eni), TrafficSet::tcp(443));
                if !accepted(&facts.network, &from, &end, &asked).is_empty() {
                    return Ok(());
                }
                let verdict = connect(&facts.network, &from, &end, &asked);
                let blocker = verdict.blockers.into_iter().next();
                unresolved = blocker.map(|blocker| {
                    (format!("{} {}", blocker.component, blocker.text), blocker.provenance)
                });
            }
            VpcEndpointKind::Interface { private_dns, .. } => {
                if !private_dns {
                    let why = format!("{} has private DNS off, so its name is not used", endpoint.id);
                    unresolved = Some((why, Some(endpoint.provenance.clone())));
                } else if !(vpc.dns_support && vpc.dns_hostnames) {
                    let why = format!(
                        "private DNS of {} needs EnableDnsSupport and EnableDnsHostnames of {}",
                        endpoint.id, vpc.id
                    );
                    unresolved = Some((why, Some(vpc.provenance.clone())));
                } else {
                    return through(facts, eni, endpoint);
                }
            }
        }
    }
    let internet = accepted(&facts.network, &End::Eni(eni), &End::internet(), &TrafficSet::tcp(443));
    if internet.addresses().is_world_v4() {
        return Ok(());
    }
    Err(unresolved.unwrap_or_else(|| {
        ("there is neither an endpoint for it nor a way to the internet".to_owned(), None)
    }))
}

/// Every interface of an endpoint must be reachable: its name resolves to all of them.
fn through(facts: &Facts<'_>, eni: &Eni, endpoint: &VpcEndpoint) -> Result<(), Fault> {
    for target in facts.model.enis_of(&endpoint.id) {
        let (from, to) = (End::Eni(eni), End::Eni(target));
        if !accepted(&facts.network, &from, &to, &TrafficSet::tcp(443)).is_empty() {
            continue;
        }
        let verdict = connect(&facts.network, &from, &to, &TrafficSet::tcp(443));
        if let Some(blocker) = verdict.blockers.into_iter().next() {
            let why = format!("{}: {} {}", endpoint.id, blocker.component, blocker.text);
            return Err((why, blocker.provenance));
        }
    }
    Ok(())
}
