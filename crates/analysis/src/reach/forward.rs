//! What passes requests on: distributions to their origins, load balancers to
//! their targets.

use std::fmt;

use model::{
    Action, Distribution, Eni, EniKind, Listener, LoadBalancer, LogicalId, Origin, OriginKind,
    PortRange, RuleCondition, TargetGroup, Traffic,
};

use super::connection::{End, connect};
use super::filter::{self, Far};
use super::network::Network;
use super::verdict::{Blocker, Code, Hop};
use crate::set::{AddressSet, TrafficSet};

/// A place a request can be at.
#[derive(Clone, Debug)]
pub enum Node<'a> {
    Internet,
    Distribution(&'a Distribution),
    Eni(&'a Eni),
    Bucket(&'a LogicalId),
}

impl Node<'_> {
    pub(super) fn key(&self) -> String {
        self.to_string()
    }
}

impl fmt::Display for Node<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Internet => f.write_str("internet"),
            Self::Distribution(distribution) => write!(f, "{}", distribution.id),
            Self::Eni(eni) => write!(f, "{}", eni.id),
            Self::Bucket(bucket) => write!(f, "{bucket}"),
        }
    }
}

/// One request passed on.
#[derive(Clone, Debug)]
pub struct Step<'a> {
    pub from: String,
    pub to: Node<'a>,
    /// What arrives at `to`; empty when the step is blocked.
    pub traffic: TrafficSet,
    pub hops: Vec<Hop>,
    pub blockers: Vec<Blocker>,
}

/// Where requests go from `node` once they have arrived with `entered`.
pub(super) fn onward<'a>(
    network: &Network<'a>,
    node: &Node<'a>,
    entered: &TrafficSet,
) -> Vec<Step<'a>> {
    match node {
        Node::Internet => from_viewers(network),
        Node::Distribution(distribution) => to_origins(network, distribution),
        Node::Eni(eni) if eni.kind == EniKind::LoadBalancer => to_targets(network, eni, entered),
        Node::Eni(_) | Node::Bucket(_) => Vec::new(),
    }
}

/// Anybody may ask a distribution and an internet-facing load balancer.
fn from_viewers<'a>(network: &Network<'a>) -> Vec<Step<'a>> {
    let model = network.model;
    let viewers = model.distributions.values().map(|distribution| Step {
        from: "internet".to_owned(),
        to: Node::Distribution(distribution),
        traffic: TrafficSet::tcp(443).union(&TrafficSet::tcp(80)),
        hops: vec![Hop {
            component: distribution.id.to_string(),
            text: format!("serves viewers as {}", public_name(distribution)),
            provenance: Some(distribution.provenance.clone()),
        }],
        blockers: Vec::new(),
    });
    let balancers = model
        .enis
        .values()
        .filter(|eni| eni.kind == EniKind::LoadBalancer);
    let direct = balancers.map(|eni| {
        let listens = listening(network, eni);
        connection(
            network,
            "internet",
            &End::internet(),
            eni,
            &listens,
            Vec::new(),
        )
    });
    viewers.chain(direct).collect()
}

fn public_name(distribution: &Distribution) -> &str {
    distribution
        .aliases
        .first()
        .map_or(&distribution.domain_name, |alias| alias)
}

fn to_origins<'a>(network: &Network<'a>, distribution: &'a Distribution) -> Vec<Step<'a>> {
    let mut steps = Vec::new();
    for origin in &distribution.origins {
        let paths = paths(distribution, origin);
        let hop = Hop {
            component: distribution.id.to_string(),
            text: format!(
                "fetches {paths} from origin `{}`, {}",
                origin.name, origin.domain_name
            ),
            provenance: Some(origin.provenance.clone()),
        };
        match &origin.kind {
            OriginKind::S3 {
                bucket: Some(bucket),
                ..
            } => steps.push(Step {
                from: distribution.id.to_string(),
                to: Node::Bucket(bucket),
                traffic: TrafficSet::tcp(443),
                hops: vec![hop],
                blockers: Vec::new(),
            }),
            OriginKind::S3 { bucket: None, .. } => {}
            OriginKind::Custom { .. } => {
                let ports = origin_ports(origin);
                let balancer = balancer_named(network, &origin.domain_name);
                for eni in balancer
                    .iter()
                    .flat_map(|balancer| network.model.enis_of(&balancer.id))
                {
                    let source = End::cloudfront(network);
                    let name = distribution.id.to_string();
                    let before = vec![hop.clone()];
                    steps.push(connection(network, &name, &source, eni, &ports, before));
                }
            }
        }
    }
    steps
}

/// The path patterns whose behaviour uses an origin.
fn paths(distribution: &Distribution, origin: &Origin) -> String {
    let behaviors = distribution.behaviors.iter();
    let behaviors = behaviors.chain(std::iter::once(&distribution.default_behavior));
    let used = behaviors.filter(|behavior| behavior.target_origin == origin.name);
    let patterns: Vec<_> = used
        .map(|behavior| behavior.path_pattern.as_str())
        .collect();
    if patterns.is_empty() {
        "nothing".to_owned()
    } else {
        patterns.join(", ")
    }
}

/// The ports CloudFront connects to.
pub(crate) fn origin_ports(origin: &Origin) -> TrafficSet {
    let OriginKind::Custom {
        protocol_policy,
        http_port,
        https_port,
        ..
    } = &origin.kind
    else {
        return TrafficSet::tcp(443);
    };
    match protocol_policy.as_str() {
        "https-only" => TrafficSet::tcp(*https_port),
        "http-only" => TrafficSet::tcp(*http_port),
        _ => TrafficSet::tcp(*https_port).union(&TrafficSet::tcp(*http_port)),
    }
}

/// The load balancer behind a host name: its own, or that of a record.
pub(crate) fn balancer_named<'a>(network: &Network<'a>, name: &str) -> Option<&'a LoadBalancer> {
    let model = network.model;
    let own = |name: &str| {
        let name = name.trim_start_matches("dualstack.").trim_end_matches('.');
        model
            .load_balancers
            .values()
            .find(|balancer| balancer.dns_name == name)
    };
    let name = name.trim_end_matches('.');
    own(name).or_else(|| {
        let record = model
            .record_sets
            .values()
            .find(|record| record.name == name)?;
        record.values.iter().find_map(|value| own(value))
    })
}

/// The ports a load balancer listens on.
fn listening(network: &Network<'_>, eni: &Eni) -> TrafficSet {
    let balancer = network.model.load_balancers.get(&eni.owner);
    let ports = balancer
        .into_iter()
        .flat_map(|balancer| &balancer.listeners);
    ports.fold(TrafficSet::none(), |all, listener| {
        all.union(&on_port(&listener.protocol, listener.port))
    })
}

/// The traffic that a listener or target group of a protocol speaks.
pub(crate) fn on_port(protocol: &str, port: u16) -> TrafficSet {
    let range = PortRange {
        first: port,
        last: port,
    };
    match protocol {
        "UDP" | "QUIC" => Traffic::Udp(range).into(),
        "TCP_UDP" => TrafficSet::tcp(port).union(&Traffic::Udp(range).into()),
        _ => TrafficSet::tcp(port),
    }
}

fn to_targets<'a>(network: &Network<'a>, eni: &'a Eni, entered: &TrafficSet) -> Vec<Step<'a>> {
    let Some(balancer) = network.model.load_balancers.get(&eni.owner) else {
        return Vec::new();
    };
    let open = |listener: &&Listener| {
        let listens = on_port(&listener.protocol, listener.port);
        !entered.intersection(&listens).is_empty()
    };
    let mut steps = Vec::new();
    for listener in balancer.listeners.iter().filter(open) {
        let rules = listener.rules.iter().map(|rule| {
            let text = format!("forwards {}", conditions(&rule.conditions));
            (text, &rule.actions, &rule.id, &rule.provenance)
        });
        let default = (
            "forwards everything else".to_owned(),
            &listener.default_actions,
            &listener.id,
            &listener.provenance,
        );
        for (text, actions, id, provenance) in rules.chain([default]) {
            for (group, _) in actions.iter().flat_map(forwarded) {
                let Some(group) = network.model.target_groups.get(group) else {
                    continue;
                };
                let hop = Hop {
                    component: id.to_string(),
                    text: format!("{text} to {}", group.id),
                    provenance: Some(provenance.clone()),
                };
                for (target, port) in targets(network, group) {
                    let from = End::Eni(eni);
                    let name = eni.id.to_string();
                    let ports = on_port(&group.protocol, port);
                    let before = vec![hop.clone()];
                    let mut step = connection(network, &name, &from, target, &ports, before);
                    if balancer.internet_facing && group.preserve_client_ip {
                        admit_clients(network, balancer, group, target, &mut step);
                    }
                    steps.push(step);
                }
            }
        }
    }
    steps
}

/// Behind a network load balancer that keeps the client's address, the target's
/// groups have to admit that address, or the balancer's own groups.
/// (Network Load Balancers, "Client IP preservation", "Security groups")
fn admit_clients(
    network: &Network<'_>,
    balancer: &LoadBalancer,
    group: &TargetGroup,
    target: &Eni,
    step: &mut Step<'_>,
) {
    let far = Far {
        addresses: &AddressSet::internet(),
        groups: &balancer.security_groups,
    };
    let admitted = filter::groups(network, &target.security_groups, false, far);
    let traffic = step.traffic.intersection(&admitted.flows.traffic());
    if traffic.is_empty() && !step.traffic.is_empty() {
        step.blockers.push(Blocker {
            code: Code::EniSgRulesMismatch,
            component: target.id.to_string(),
            text: format!(
                "has no group that admits clients of the internet, whose addresses {} keeps",
                group.id
            ),
            provenance: Some(group.provenance.clone()),
        });
    }
    step.traffic = traffic;
}

fn forwarded(action: &Action) -> &[(LogicalId, u32)] {
    match action {
        Action::Forward(groups) => groups,
        _ => &[],
    }
}

/// The target groups a load balancer forwards to, each once.
pub(crate) fn forwarded_groups<'a>(
    model: &'a model::Model,
    balancer: &LoadBalancer,
) -> Vec<&'a TargetGroup> {
    let mut ids = std::collections::BTreeSet::new();
    for listener in &balancer.listeners {
        let rules = listener.rules.iter().flat_map(|rule| &rule.actions);
        let actions = rules.chain(&listener.default_actions);
        ids.extend(actions.flat_map(forwarded).map(|(group, _)| group));
    }
    ids.into_iter()
        .filter_map(|id| model.target_groups.get(id))
        .collect()
}

/// The interfaces behind a target group, with the port requests arrive on.
pub(crate) fn targets<'a>(network: &Network<'a>, group: &'a TargetGroup) -> Vec<(&'a Eni, u16)> {
    let model = network.model;
    let services = model.services.values().flat_map(|service| {
        let mine = service
            .load_balancers
            .iter()
            .find(|target| target.target_group == group.id);
        mine.map(|target| (&service.id, target.port))
    });
    let instances = model.auto_scaling_groups.values().filter_map(|instances| {
        let mine = instances.target_groups.contains(&group.id);
        mine.then_some((&instances.id, group.port))
    });
    let registered = group.targets.iter();
    let registered = registered.map(|(owner, port)| (owner, port.unwrap_or(group.port)));
    let owners = services.chain(instances).chain(registered);
    owners
        .flat_map(|(owner, port)| model.enis_of(owner).map(move |eni| (eni, port)))
        .collect()
}

/// `/api/users* with header X-Origin-Secret`.
fn conditions(conditions: &[RuleCondition]) -> String {
    let one = |condition: &RuleCondition| match condition {
        RuleCondition::PathPattern(values) => values.join(" or "),
        RuleCondition::HostHeader(values) => format!("host {}", values.join(" or ")),
        RuleCondition::HttpHeader { name, .. } => format!("the right header {name}"),
        RuleCondition::HttpRequestMethod(values) => values.join(" or "),
        RuleCondition::QueryString(_) => "a query string".to_owned(),
        RuleCondition::SourceIp(values) => format!("source {}", values.join(" or ")),
    };
    let all: Vec<_> = conditions.iter().map(one).collect();
    if all.is_empty() {
        "everything".to_owned()
    } else {
        all.join(" with ")
    }
}

fn connection<'a>(
    network: &Network<'a>,
    name: &str,
    from: &End<'a>,
    to: &'a Eni,
    traffic: &TrafficSet,
    before: Vec<Hop>,
) -> Step<'a> {
    let verdict = connect(network, from, &End::Eni(to), traffic);
    Step {
        from: name.to_owned(),
        to: Node::Eni(to),
        traffic: verdict.accepted.traffic(),
        hops: before.into_iter().chain(verdict.hops).collect(),
        blockers: verdict.blockers,
    }
}
