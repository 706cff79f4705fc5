//! Which names does a resolver know, and what do they stand for?

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};

use ipnet::IpNet;
use model::{EniId, LogicalId, Model, VpcEndpointKind};

use super::addresses;
use crate::blueprint::dns::{DnsView, PrivateNames, RecordSet, Records, ZonedAddress};

/// As AWS answers for its own names.
const TTL_S: u32 = 60;

/// The names an endpoint of a service takes over in its VPC, and the ones its
/// certificate carries.
/// (AWS PrivateLink Guide, "AWS services that integrate"; Amazon ECR User
/// Guide, "Interface VPC endpoints")
pub(super) fn service_names(service: &str, region: &str) -> Vec<String> {
    match service {
        "ecr.api" => vec![format!("api.ecr.{region}.amazonaws.com")],
        "ecr.dkr" => vec![format!("*.dkr.ecr.{region}.amazonaws.com")],
        "s3" => s3_names(region),
        other => vec![format!("{other}.{region}.amazonaws.com")],
    }
}

/// Names of S3 in path style and virtual-host style.
pub(super) fn s3_names(region: &str) -> Vec<String> {
    [
        format!("s3.{region}.amazonaws.com"),
        "s3.amazonaws.com".to_owned(),
    ]
    .into_iter()
    .flat_map(|name| [format!("*.{name}"), name])
    .collect()
}

/// Cognito's API and the hosted pages of its pools.
pub(super) fn cognito_names(region: &str) -> Vec<String> {
    vec![
        format!("cognito-idp.{region}.amazonaws.com"),
        format!("*.auth.{region}.amazoncognito.com"),
    ]
}

/// What everybody on the internet can look up.
pub(super) fn internet(model: &Model, public: &BTreeMap<EniId, Ipv4Addr>) -> DnsView {
    let region = &model.stack.region;
    let mut view = DnsView::default();
    view.apexes
        .extend(["amazonaws.com".to_owned(), "amazoncognito.com".to_owned()]);
    view.apexes.insert("cloudfront.net".to_owned());
    let mut add = |name: &str, addresses: Vec<ZonedAddress>| {
        let name = name.to_ascii_lowercase();
        let record = RecordSet {
            ttl_s: TTL_S,
            records: Records::Addresses(addresses),
        };
        view.records.insert(name, record);
    };
    // a service without an entry of its own still has a public address
    for name in [
        format!("*.{region}.amazonaws.com"),
        "*.amazonaws.com".to_owned(),
    ] {
        add(&name, anywhere(addresses::AWS_SERVICES));
    }
    add(
        &format!("*.dkr.ecr.{region}.amazonaws.com"),
        anywhere(addresses::AWS_SERVICES),
    );
    add(
        &format!("api.ecr.{region}.amazonaws.com"),
        anywhere(addresses::AWS_SERVICES),
    );
    for name in s3_names(region) {
        add(&name, anywhere(addresses::S3));
    }
    for name in cognito_names(region) {
        add(&name, anywhere(addresses::COGNITO));
    }
    for distribution in model.distributions.values() {
        add(&distribution.domain_name, anywhere(addresses::EDGE));
    }
    for balancer in model.load_balancers.values() {
        let nodes = model.enis_of(&balancer.id).map(|eni| ZonedAddress {
            address: IpAddr::V4(public.get(&eni.id).copied().unwrap_or(eni.address)),
            zone: zone(model, &eni.subnet),
        });
        add(&balancer.dns_name, nodes.collect());
    }
    for database in model.databases.values() {
        let hosts = model.enis_of(&database.id).map(|eni| ZonedAddress {
            address: IpAddr::V4(eni.address),
            zone: zone(model, &eni.subnet),
        });
        add(&database.endpoint, hosts.collect());
    }
    for record in model.record_sets.values() {
        view.apexes.insert(parent(&record.name));
        if let Some(records) = self::records(record) {
            let records = RecordSet {
                ttl_s: TTL_S,
                records,
            };
            view.records
                .insert(record.name.to_ascii_lowercase(), records);
        }
    }
    view
}

/// What the resolver of a VPC knows: the internet's names, those of its own
/// interfaces, and private DNS of its endpoints in front of both.
pub(super) fn vpc(model: &Model, vpc: &model::Vpc, internet: &DnsView) -> DnsView {
    let region = &model.stack.region;
    let mut view = internet.clone();
    let subnets = model.subnets.values().filter(|subnet| subnet.vpc == vpc.id);
    view.zones = subnets
        .map(|subnet| (IpNet::V4(subnet.cidr), subnet.availability_zone.clone()))
        .collect();
    view.private_names = vpc.dns_hostnames.then(|| PrivateNames {
        cidrs: vpc.cidrs.clone(),
        domain: format!("{region}.compute.internal"),
    });
    // (AWS PrivateLink Guide: private DNS needs both VPC attributes)
    let private_dns_works = vpc.dns_support && vpc.dns_hostnames;
    for endpoint in model
        .vpc_endpoints
        .values()
        .filter(|endpoint| endpoint.vpc == vpc.id)
    {
        let VpcEndpointKind::Interface { private_dns, .. } = &endpoint.kind else {
            continue;
        };
        if !(*private_dns && private_dns_works) {
            continue;
        }
        let interfaces: Vec<_> = model
            .enis_of(&endpoint.id)
            .map(|eni| ZonedAddress {
                address: IpAddr::V4(eni.address),
                zone: zone(model, &eni.subnet),
            })
            .collect();
        for name in service_names(endpoint.service(region), region) {
            let records = Records::Addresses(interfaces.clone());
            view.records.insert(
                name,
                RecordSet {
                    ttl_s: TTL_S,
                    records,
                },
            );
        }
    }
    view
}

fn records(record: &model::RecordSet) -> Option<Records> {
    match record.record_type.as_str() {
        _ if record.alias => Some(Records::Name {
            target: record
                .values
                .first()?
                .trim_end_matches('.')
                .to_ascii_lowercase(),
            flattened: true,
        }),
        "CNAME" => Some(Records::Name {
            target: record
                .values
                .first()?
                .trim_end_matches('.')
                .to_ascii_lowercase(),
            flattened: false,
        }),
        "A" => {
            let addresses = record.values.iter().filter_map(|value| value.parse().ok());
            Some(Records::Addresses(addresses.flat_map(anywhere).collect()))
        }
        "TXT" => Some(Records::Text(record.values.clone())),
        _ => None,
    }
}

fn anywhere(address: Ipv4Addr) -> Vec<ZonedAddress> {
    vec![ZonedAddress {
        address: IpAddr::V4(address),
        zone: None,
    }]
}

fn zone(model: &Model, subnet: &LogicalId) -> Option<String> {
    model
        .subnets
        .get(subnet)
        .map(|subnet| subnet.availability_zone.clone())
}

fn parent(name: &str) -> String {
    name.split_once('.')
        .map_or(name, |(_, rest)| rest)
        .to_ascii_lowercase()
}
