//! Which traffic is called for, and by which security group rules does it pass?
//!
//! Called for is what the intent file allows, what workloads must be able to
//! reach, and what load balancers and distributions pass on. A rule that admits
//! more than all of that together is wider than anybody meant.

use std::collections::{BTreeMap, BTreeSet};

use model::{Eni, LogicalId, SecurityGroup, SecurityGroupRule, VpcEndpointKind};

use crate::check::Facts;
use crate::intent::Claim;
use crate::needs;
use crate::reach::{
    End, Passed, Place, balancer_named, forwarded_groups, gateway_addresses, origin_ports,
    outside_end, passed, place, target, targets,
};
use crate::set::{AddressSet, FlowSet, Ranges, TrafficSet};

/// A rule of a template, the same under all of the template's switches.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct RuleKey {
    group: LogicalId,
    egress: bool,
    start: usize,
}

impl RuleKey {
    pub(crate) fn new(group: &SecurityGroup, rule: &SecurityGroupRule, egress: bool) -> Self {
        Self {
            group: group.id.clone(),
            egress,
            start: rule.provenance.span.start,
        }
    }
}

/// For every rule that something passes by: what is called for by it, with the
/// addresses of the far side.
pub(crate) fn called(facts: &Facts<'_>) -> BTreeMap<RuleKey, FlowSet> {
    let mut called: BTreeMap<RuleKey, FlowSet> = BTreeMap::new();
    for (from, to, traffic) in connections(facts) {
        for Passed {
            group,
            rule,
            egress,
            flows,
        } in passed(&facts.network, &from, &to, &traffic)
        {
            let far = if egress { &to } else { &from };
            let addresses = match far {
                End::Eni(eni) => around(facts, eni),
                End::World { .. } => whole(flows.addresses()),
            };
            let all = called.entry(RuleKey::new(group, rule, egress)).or_default();
            *all = all.union(&FlowSet::of(addresses, flows.traffic()));
        }
    }
    called
}

/// AWS gives an interface any address of its subnet.
fn around(facts: &Facts<'_>, eni: &Eni) -> AddressSet {
    let subnet = facts.network.subnet(&eni.subnet);
    let blocks = subnet.map(|subnet| {
        let v6 = subnet.cidr6.map(AddressSet::v6).unwrap_or_default();
        AddressSet::v4(subnet.cidr).union(&v6)
    });
    blocks.unwrap_or_else(|| AddressSet::address(eni.address.into()))
}

/// Who means the internet does not mean to leave out addresses that nobody on
/// it has: there is no way to write that.
pub(crate) fn whole(mut addresses: AddressSet) -> AddressSet {
    if addresses.is_world_v4() {
        addresses.v4 = Ranges::all();
        addresses.any_list = true;
    }
    if addresses.is_world_v6() {
        addresses.v6 = Ranges::all();
    }
    addresses
}

type Connection<'a> = (End<'a>, End<'a>, TrafficSet);

fn connections<'a>(facts: &Facts<'a>) -> Vec<Connection<'a>> {
    let mut all = Vec::new();
    intended(facts, &mut all);
    needed(facts, &mut all);
    passed_on(facts, &mut all);
    all
}

fn intended<'a>(facts: &Facts<'a>, all: &mut Vec<Connection<'a>>) {
    let network = &facts.network;
    for statement in facts.intent.iter().flat_map(|intent| &intent.statements) {
        let Claim::Reach {
            from,
            to,
            expected: true,
        } = &statement.claim
        else {
            continue;
        };
        let (Ok(from), Ok(to)) = (place(network, from), target(network, to)) else {
            continue; // says so where the intent is proven
        };
        let destinations = ends(facts, &to.place);
        for source in ends(facts, &from) {
            for destination in &destinations {
                all.push((source.clone(), destination.clone(), to.traffic.clone()));
            }
        }
    }
}

/// What workloads need, however the services' names resolve.
fn needed<'a>(facts: &Facts<'a>, all: &mut Vec<Connection<'a>>) {
    let (model, network) = (facts.model, &facts.network);
    let mut asked: BTreeSet<(&LogicalId, &str)> = BTreeSet::new();
    for need in &facts.needs {
        if !asked.insert((&need.workload, &need.service)) {
            continue;
        }
        for source in alike(facts, needs::interfaces(model, &need.workload)) {
            let region = &model.stack.region;
            let endpoints = model.vpc_endpoints.values();
            for endpoint in endpoints.filter(|one| one.service(region) == need.service) {
                match &endpoint.kind {
                    VpcEndpointKind::Gateway { .. } => {
                        let name = endpoint.id.to_string();
                        let addresses = gateway_addresses(network, &endpoint.id);
                        let end = End::World { name, addresses };
                        all.push((End::Eni(source), end, TrafficSet::tcp(443)));
                    }
                    VpcEndpointKind::Interface { .. } => {
                        for eni in model.enis_of(&endpoint.id) {
                            let traffic = TrafficSet::tcp(443);
                            all.push((End::Eni(source), End::Eni(eni), traffic));
                        }
                    }
                }
            }
            if !model
                .vpc_endpoints
                .values()
                .any(|one| one.service(region) == need.service)
            {
                all.push((End::Eni(source), End::internet(), TrafficSet::tcp(443)));
            }
        }
    }
}

/// Requests on their way from the edge to targets, and health checks.
fn passed_on<'a>(facts: &Facts<'a>, all: &mut Vec<Connection<'a>>) {
    let (model, network) = (facts.model, &facts.network);
    for origin in model.distributions.values().flat_map(|one| &one.origins) {
        let Some(balancer) = balancer_named(network, &origin.domain_name) else {
            continue;
        };
        for eni in model.enis_of(&balancer.id) {
            let edge = End::cloudfront(network);
            all.push((edge, End::Eni(eni), origin_ports(origin)));
        }
    }
    for balancer in model.load_balancers.values() {
        for group in forwarded_groups(model, balancer) {
            for (target, port) in targets(network, group) {
                let health = group.health_check.port.unwrap_or(port);
                let ports = TrafficSet::tcp(port).union(&TrafficSet::tcp(health));
                for eni in model.enis_of(&balancer.id) {
                    all.push((End::Eni(eni), End::Eni(target), ports.clone()));
                }
            }
        }
    }
}

fn ends<'a>(facts: &Facts<'a>, place: &Place<'a>) -> Vec<End<'a>> {
    match place {
        Place::Interfaces { enis, .. } => {
            let enis = alike(facts, enis.clone());
            enis.into_iter().map(End::Eni).collect()
        }
        _ => outside_end(&facts.network, place).into_iter().collect(),
    }
}

/// One interface of each kind and subnet.
fn alike<'a>(facts: &Facts<'a>, enis: Vec<&'a Eni>) -> Vec<&'a Eni> {
    let mut seen = BTreeSet::new();
    let is_new =
        |eni: &&'a Eni| seen.insert((facts.classes.index_of(&eni.id), &eni.owner, &eni.subnet));
    enis.into_iter().filter(is_new).collect()
}
