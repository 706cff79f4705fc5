//! What does this system look like?
//!
//! [`picture`] says what is drawn: parts in tiers and zones, and the flows the
//! network lets pass. [`svg`] lays it out, [`mermaid`] leaves that to others.

mod mermaid;
mod svg;

use std::collections::{BTreeMap, BTreeSet};

use model::{
    EniKind, LoadBalancerKind, LogicalId, Model, OriginKind, RouteTarget, VpcEndpointKind,
};

use crate::reach::{Classes, Network, matrix};

pub use mermaid::mermaid;
pub use svg::svg;

/// What is drawn, before it has places.
#[derive(Clone, Debug, Default)]
pub struct Picture {
    /// In the order they are drawn, top to bottom.
    pub parts: Vec<Part>,
    pub flows: Vec<Flow>,
    pub vpcs: Vec<String>,
    /// Availability zones, left to right.
    pub zones: Vec<String>,
    pub subnets: Vec<SubnetBox>,
}

/// One box.
#[derive(Clone, Debug)]
pub struct Part {
    /// What flows call it.
    pub name: String,
    /// What people read.
    pub title: String,
    /// `ECS service, 2 tasks`.
    pub detail: String,
    pub kind: PartKind,
    pub tier: Tier,
    /// Indexes into [`Picture::zones`].
    pub zones: BTreeSet<usize>,
}

/// What a box is, for its colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum PartKind {
    Internet,
    Distribution,
    Bucket,
    NatGateway,
    LoadBalancer,
    Instance,
    Task,
    Function,
    Endpoint,
    Database,
}

/// How far in a box stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Tier {
    /// Outside the VPC.
    Outside,
    /// Subnets with a route to an internet gateway.
    Public,
    /// Subnets with some way out.
    Private,
    /// Subnets with the local route alone.
    Isolated,
    /// In the VPC and in no subnet: gateway endpoints.
    Gateway,
}

/// Traffic that is let pass.
#[derive(Clone, Debug)]
pub struct Flow {
    pub from: String,
    pub to: String,
    pub label: String,
}

/// A subnet, drawn behind the parts.
#[derive(Clone, Debug)]
pub struct SubnetBox {
    pub name: String,
    pub cidr: String,
    pub tier: Tier,
    pub zone: usize,
}

/// What a model looks like.
pub fn picture(model: &Model) -> Picture {
    let network = Network::new(model);
    let zones: BTreeSet<&str> = model
        .subnets
        .values()
        .map(|subnet| subnet.availability_zone.as_str())
        .collect();
    let zones: Vec<String> = zones.into_iter().map(str::to_owned).collect();
    let mut picture = Picture {
        vpcs: model.vpcs.values().map(|vpc| vpc.id.to_string()).collect(),
        zones,
        ..Picture::default()
    };
    picture.outside(model);
    picture.inside(&network);
    picture.flows(model, &network);
    picture
        .parts
        .sort_by(|a, b| (a.tier, a.kind, &a.name).cmp(&(b.tier, b.kind, &b.name)));
    picture
        .subnets
        .sort_by(|a, b| (a.tier, a.zone, &a.name).cmp(&(b.tier, b.zone, &b.name)));
    picture
}

impl Picture {
    fn part(&mut self, name: &str, detail: String, kind: PartKind, tier: Tier) {
        self.parts.push(Part {
            name: name.to_owned(),
            title: name.to_owned(),
            detail,
            kind,
            tier,
            zones: BTreeSet::new(),
        });
    }

    fn flow(&mut self, from: &str, to: &str, label: &str) {
        self.flows.push(Flow {
            from: from.to_owned(),
            to: to.to_owned(),
            label: label.to_owned(),
        });
    }

    fn outside(&mut self, model: &Model) {
        self.part("internet", String::new(), PartKind::Internet, Tier::Outside);
        for distribution in model.distributions.values() {
            let id = distribution.id.as_str();
            let name = distribution
                .aliases
                .first()
                .unwrap_or(&distribution.domain_name);
            let detail = format!("CloudFront, {name}");
            self.part(id, detail, PartKind::Distribution, Tier::Outside);
            self.flow("internet", id, "https");
            for origin in &distribution.origins {
                if let OriginKind::S3 {
                    bucket: Some(bucket),
                    ..
                } = &origin.kind
                {
                    let detail = "S3 bucket".to_owned();
                    self.part(bucket.as_str(), detail, PartKind::Bucket, Tier::Outside);
                    self.flow(id, bucket.as_str(), "https");
                }
            }
        }
    }

    fn inside(&mut self, network: &Network<'_>) {
        let model = network.model;
        for subnet in model.subnets.values() {
            let zone = self
                .zones
                .iter()
                .position(|zone| *zone == subnet.availability_zone);
            self.subnets.push(SubnetBox {
                name: subnet.id.to_string(),
                cidr: subnet.cidr.to_string(),
                tier: tier(network, &subnet.id),
                zone: zone.unwrap_or(0),
            });
        }
        let mut parts: BTreeMap<String, Part> = BTreeMap::new();
        for class in &Classes::new(network).classes {
            let eni = class.representative();
            let own = tier(network, &eni.subnet);
            let name = class.name();
            let owners = class.owners();
            let part = parts.entry(name.clone()).or_insert_with(|| Part {
                title: match owners.len() {
                    1 => name.clone(),
                    several => format!("{several} interface endpoints"),
                },
                detail: detail(model, &owners, eni.kind),
                kind: kind(eni.kind),
                tier: own,
                zones: BTreeSet::new(),
                name,
            });
            part.tier = part.tier.min(own);
            for eni in &class.members {
                let zone = model
                    .subnets
                    .get(&eni.subnet)
                    .map(|subnet| &subnet.availability_zone);
                part.zones
                    .extend(self.zones.iter().position(|one| Some(one) == zone));
            }
        }
        self.parts.extend(parts.into_values());
        for endpoint in model.vpc_endpoints.values() {
            if let VpcEndpointKind::Gateway { .. } = endpoint.kind {
                let service = endpoint.service(&model.stack.region);
                let detail = format!("gateway endpoint, {service}");
                self.part(
                    endpoint.id.as_str(),
                    detail,
                    PartKind::Endpoint,
                    Tier::Gateway,
                );
            }
        }
    }

    /// The accepted connections; CloudFront's go by its distributions.
    fn flows(&mut self, model: &Model, network: &Network<'_>) {
        for cell in matrix(network).cells {
            let label = cell.flows.traffic().to_string();
            if cell.from == "cloudfront" {
                for distribution in model.distributions.values() {
                    self.flow(distribution.id.as_str(), &cell.to, &label);
                }
            } else {
                self.flow(&cell.from, &cell.to, &label);
            }
        }
    }
}

fn tier(network: &Network<'_>, subnet: &LogicalId) -> Tier {
    let routes = network
        .route_table(subnet)
        .map(|table| table.routes.as_slice());
    let routes = routes.unwrap_or_default();
    if routes
        .iter()
        .any(|route| matches!(route.target, RouteTarget::InternetGateway(_)))
    {
        Tier::Public
    } else if routes.is_empty() {
        Tier::Isolated
    } else {
        Tier::Private
    }
}

fn kind(kind: EniKind) -> PartKind {
    match kind {
        EniKind::LoadBalancer => PartKind::LoadBalancer,
        EniKind::NatGateway => PartKind::NatGateway,
        EniKind::Instance => PartKind::Instance,
        EniKind::Task => PartKind::Task,
        EniKind::Function => PartKind::Function,
        EniKind::Database | EniKind::Store => PartKind::Database,
        EniKind::Endpoint => PartKind::Endpoint,
    }
}

/// One line about what stands behind an interface.
fn detail(model: &Model, owners: &[&LogicalId], kind: EniKind) -> String {
    let owner = owners
        .first()
        .map(|owner| owner.as_str())
        .unwrap_or_default();
    match kind {
        EniKind::LoadBalancer => {
            let facing = model
                .load_balancers
                .get(owner)
                .is_some_and(|one| one.internet_facing);
            let facing = if facing {
                "internet-facing"
            } else {
                "internal"
            };
            let kind = model.load_balancers.get(owner).map(|one| one.kind);
            let kind = match kind {
                Some(LoadBalancerKind::Network) => "network load balancer",
                Some(LoadBalancerKind::Gateway) => "gateway load balancer",
                _ => "load balancer",
            };
            format!("{kind}, {facing}")
        }
        EniKind::NatGateway => "NAT gateway".to_owned(),
        EniKind::Instance => match model.auto_scaling_groups.get(owner) {
            Some(group) => format!("Auto Scaling group, {} instances", group.desired_capacity),
            None if model.instances.contains_key(owner) => "instance".to_owned(),
            None => "network interface".to_owned(),
        },
        EniKind::Function => "Lambda function".to_owned(),
        EniKind::Store => {
            let store = model.stores.get(owner);
            let kind = store.map(|store| store.resource_type.as_str());
            let mut words = kind.unwrap_or_default().split("::").skip(1);
            let service = words.next().unwrap_or_default();
            format!("{service} {}", words.next().unwrap_or_default())
        }
        EniKind::Task => match model.services.get(owner) {
            Some(service) => format!("ECS service, {} tasks", service.desired_count),
            None => "task, run once".to_owned(),
        },
        EniKind::Database => {
            let database = model.databases.get(owner);
            let zones = database.is_some_and(|one| one.multi_az);
            let engine = database.map(|one| one.engine.as_str()).unwrap_or_default();
            format!(
                "{engine}, {}",
                if zones {
                    "standby in another zone"
                } else {
                    "one zone"
                }
            )
        }
        EniKind::Endpoint => {
            let services = owners.iter().filter_map(|id| {
                Some(
                    model
                        .vpc_endpoints
                        .get(id.as_str())?
                        .service(&model.stack.region),
                )
            });
            services.collect::<Vec<_>>().join(", ")
        }
    }
}

#[cfg(test)]
mod tests;
