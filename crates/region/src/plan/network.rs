//! From VPCs, subnets and routes to namespaces, links and routes.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use ipnet::Ipv4Net;
use model::{Destination, EniKind, LogicalId, Model, VpcEndpoint, VpcEndpointKind};

use super::addresses;
use super::fault::Faults;
use crate::blueprint::network::{
    Eni, EniId, GatewayEndpoint, GatewayEndpointId, Internet, LinkName, Network, Route,
    RouteTarget, Subnet, SubnetId, Vpc, VpcId,
};

/// Instance metadata. (EC2 User Guide, "Access instance metadata")
pub const INSTANCE_METADATA: Ipv4Addr = Ipv4Addr::new(169, 254, 169, 254);
/// Task credentials and metadata. (ECS Developer Guide, "Task IAM role")
pub const TASK_METADATA: Ipv4Addr = Ipv4Addr::new(169, 254, 170, 2);
/// The resolver's link-local address. (VPC User Guide, "Amazon DNS")
pub const LINK_LOCAL_RESOLVER: Ipv4Addr = Ipv4Addr::new(169, 254, 169, 253);

/// What to do about a prefix list of unknown addresses.
pub(super) const PREFIX_LIST_HINT: &str = "define it as an `AWS::EC2::PrefixList`";

/// The network of the region. `public` holds the interfaces' public addresses.
pub(super) fn network(
    model: &Model,
    public: &BTreeMap<model::EniId, Ipv4Addr>,
    faults: &mut Faults,
) -> Network {
    let mut internet = Internet {
        visitor: Some(addresses::VISITOR),
        ..Internet::default()
    };
    for (address, name) in [
        (addresses::AWS_SERVICES, "AWS services"),
        (addresses::COGNITO, "Cognito"),
        (addresses::S3, "S3"),
        (addresses::EDGE, "CloudFront, viewer side"),
        (addresses::EDGE_ORIGIN_FACING, "CloudFront, origin side"),
        (addresses::VIEWER, "a viewer"),
        (addresses::PUBLIC_RESOLVER, "a resolver"),
    ] {
        internet.addresses.insert(address, name.to_owned());
    }
    let links = links(model);
    let vpcs = (0_u32..).zip(model.vpcs.values());
    let vpcs = vpcs.map(|(index, vpc)| self::vpc(model, vpc, index, &links, public, faults));
    Network {
        vpcs: vpcs.collect(),
        internet,
    }
}

/// The number of every interface's link, the same in the ruleset.
pub(super) fn links(model: &Model) -> BTreeMap<model::EniId, u32> {
    model.enis.keys().cloned().zip(0_u32..).collect()
}

/// The packet mark of every subnet, from 1 in each VPC.
pub(super) fn marks(model: &Model, vpc: &LogicalId) -> BTreeMap<LogicalId, u32> {
    let subnets = model.subnets.values().filter(|subnet| subnet.vpc == *vpc);
    subnets
        .map(|subnet| subnet.id.clone())
        .zip(1_u32..)
        .collect()
}

fn vpc(
    model: &Model,
    vpc: &model::Vpc,
    index: u32,
    links: &BTreeMap<model::EniId, u32>,
    public: &BTreeMap<model::EniId, Ipv4Addr>,
    faults: &mut Faults,
) -> Vpc {
    let marks = marks(model, &vpc.id);
    let subnets: Vec<_> = model
        .subnets
        .values()
        .filter(|subnet| subnet.vpc == vpc.id)
        .collect();
    let enis: Vec<_> = model
        .enis
        .values()
        .filter(|eni| subnets.iter().any(|subnet| subnet.id == eni.subnet))
        .collect();
    let mut router_addresses =
        BTreeSet::from([INSTANCE_METADATA, TASK_METADATA, LINK_LOCAL_RESOLVER]);
    router_addresses.extend(vpc.resolver());
    router_addresses.extend(subnets.iter().map(|subnet| gateway(subnet.cidr)));
    Vpc {
        id: VpcId(vpc.id.to_string()),
        cidrs: vpc.cidrs.clone(),
        uplink: LinkName::uplink(index),
        elastic_addresses: enis
            .iter()
            .filter_map(|eni| public.get(&eni.id).copied())
            .collect(),
        router_addresses,
        subnets: subnets
            .iter()
            .map(|subnet| Subnet {
                id: SubnetId(subnet.id.to_string()),
                cidr: subnet.cidr,
                mark: marks[&subnet.id],
                routes: routes(model, subnet, faults),
            })
            .collect(),
        enis: enis
            .iter()
            .map(|eni| interface(model, eni, links[&eni.id]))
            .collect(),
        gateway_endpoints: gateway_endpoints(model, &vpc.id, faults),
    }
}

fn gateway(cidr: Ipv4Net) -> Ipv4Addr {
    Ipv4Addr::from(u32::from(cidr.network()) + 1)
}

fn interface(model: &Model, eni: &model::Eni, link: u32) -> Eni {
    let prefix = model
        .subnets
        .get(&eni.subnet)
        .map_or(32, |subnet| subnet.cidr.prefix_len());
    let address = Ipv4Net::new(eni.address, prefix).expect("a subnet's prefix length");
    let interface = Eni::new(EniId(eni.id.0.clone()), link, address);
    Eni {
        forwarding: eni.kind == EniKind::NatGateway,
        ..interface
    }
}

/// The routes of the table a subnet is associated with; without one, the main
/// table, which has the local route alone.
fn routes(model: &Model, subnet: &model::Subnet, faults: &mut Faults) -> Vec<Route> {
    let table = model
        .route_tables
        .values()
        .find(|table| table.subnets.contains(&subnet.id));
    let mut routes = Vec::new();
    for route in table
        .map(|table| table.routes.as_slice())
        .unwrap_or_default()
    {
        let destinations = match &route.destination {
            Destination::Cidr(cidr) => vec![*cidr],
            // The region carries IPv4; nothing has an IPv6 address.
            Destination::Cidr6(_) => continue,
            Destination::PrefixList(id) => match addresses::prefix_list(model, id) {
                Some(blocks) => blocks,
                // the endpoint itself is then a fault
                None if matches!(route.target, model::RouteTarget::VpcEndpoint(_)) => continue,
                None => {
                    faults.add(
                        format!("nothing is known of the addresses of prefix list `{id}`"),
                        &route.provenance,
                        PREFIX_LIST_HINT,
                    );
                    continue;
                }
            },
        };
        let target = route_target(model, &route.target);
        routes.extend(destinations.into_iter().map(|destination| Route {
            destination,
            target: target.clone(),
        }));
    }
    routes
}

fn route_target(model: &Model, target: &model::RouteTarget) -> RouteTarget {
    match target {
        model::RouteTarget::InternetGateway(id) => match model.internet_gateways.get(id) {
            Some(gateway) if gateway.vpc.is_some() => RouteTarget::InternetGateway,
            _ => RouteTarget::Blackhole,
        },
        model::RouteTarget::NatGateway(id) | model::RouteTarget::Interface(id) => {
            let eni = model.enis_of(id).next();
            eni.map_or(RouteTarget::Blackhole, |eni| {
                RouteTarget::Eni(EniId(eni.id.0.clone()))
            })
        }
        model::RouteTarget::VpcEndpoint(id) => {
            RouteTarget::GatewayEndpoint(GatewayEndpointId(id.to_string()))
        }
        model::RouteTarget::Other(_) => RouteTarget::Blackhole,
    }
}

/// The gateway endpoints of a VPC with the links that lead to them.
pub(super) fn gateway_endpoint_links<'a>(
    model: &'a Model,
    vpc: &LogicalId,
) -> impl Iterator<Item = (LinkName, &'a VpcEndpoint)> + use<'a> {
    let vpc = vpc.clone();
    let gateways = model.vpc_endpoints.values().filter(move |endpoint| {
        endpoint.vpc == vpc && matches!(endpoint.kind, VpcEndpointKind::Gateway { .. })
    });
    (0_u32..)
        .zip(gateways)
        .map(|(index, endpoint)| (LinkName::gateway_endpoint(index), endpoint))
}

fn gateway_endpoints(model: &Model, vpc: &LogicalId, faults: &mut Faults) -> Vec<GatewayEndpoint> {
    let mut found = Vec::new();
    for (link, endpoint) in gateway_endpoint_links(model, vpc) {
        let service = endpoint.service(&model.stack.region);
        if service != "s3" {
            faults.add(
                format!(
                    "gateway endpoint `{}`: service `{service}` is not run here",
                    endpoint.id
                ),
                &endpoint.provenance,
                "the gateway endpoint that is run here is S3's",
            );
            continue;
        }
        found.push(GatewayEndpoint {
            id: GatewayEndpointId(endpoint.id.to_string()),
            link,
            addresses: BTreeSet::from([addresses::S3]),
        });
    }
    found
}
