//! The network interfaces that the resources imply.
//!
//! AWS makes them when it makes the resource; nothing in a template names
//! them. Addresses are stand-ins: the next free one of the subnet, in order of
//! interface id, past the four that AWS reserves.
//! (VPC User Guide, "Subnet CIDR blocks")

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, Ipv6Addr};

use cfn::{Stack, Symbol};
use ipnet::Ipv4Net;

use crate::physical::{interface_id, resolve, rule_id};
use crate::reader::Lowering;
use crate::{
    Eni, EniId, EniKind, LogicalId, Model, NotAnalysedSubject, Peer, SecurityGroup,
    SecurityGroupRule, Traffic, VpcEndpointKind,
};

/// The first four addresses of a subnet, and the last, are AWS's.
const RESERVED_AT_START: u32 = 4;
/// A template may ask for many instances; a model lists no more than this of one group.
const MAX_PER_OWNER: u32 = 10_000;

pub(super) fn imply(lowering: &Lowering<'_>, model: &mut Model) {
    let mut implied: Vec<Implied> = Vec::new();
    for balancer in model.load_balancers.values() {
        let groups = &balancer.security_groups;
        for subnet in &balancer.subnets {
            let name = format!("{}/{subnet}", balancer.id);
            let public = balancer.internet_facing;
            implied.push(Implied::new(
                name,
                &balancer.id,
                EniKind::LoadBalancer,
                subnet,
                public,
                groups,
            ));
        }
    }
    for gateway in model.nat_gateways.values() {
        let public = gateway.allocation.is_some();
        let (id, subnet) = (&gateway.id, &gateway.subnet);
        implied.push(Implied::new(
            id.to_string(),
            id,
            EniKind::NatGateway,
            subnet,
            public,
            &[],
        ));
    }
    for endpoint in model.vpc_endpoints.values() {
        let VpcEndpointKind::Interface {
            subnets,
            security_groups,
            ..
        } = &endpoint.kind
        else {
            continue;
        };
        for subnet in subnets {
            let name = format!("{}/{subnet}", endpoint.id);
            let id = &endpoint.id;
            implied.push(Implied::new(
                name,
                id,
                EniKind::Endpoint,
                subnet,
                false,
                security_groups,
            ));
        }
    }
    for group in model.auto_scaling_groups.values() {
        let template = group
            .launch_template
            .as_ref()
            .and_then(|id| model.launch_templates.get(id));
        let Some(template) = template else { continue };
        let public = template.associate_public_ip;
        let groups = &template.security_groups;
        spread(
            &mut implied,
            &group.id,
            EniKind::Instance,
            group.desired_capacity,
            &group.subnets,
            public,
            groups,
        );
    }
    for service in model.services.values() {
        let (public, groups) = (service.assign_public_ip, &service.security_groups);
        spread(
            &mut implied,
            &service.id,
            EniKind::Task,
            service.desired_count,
            &service.subnets,
            public,
            groups,
        );
    }
    run_once(model, &mut implied);
    for database in model.databases.values() {
        let Some(subnet) = database.subnets.first() else {
            continue;
        };
        let (public, groups) = (database.publicly_accessible, &database.security_groups);
        let id = &database.id;
        implied.push(Implied::new(
            id.to_string(),
            id,
            EniKind::Database,
            subnet,
            public,
            groups,
        ));
    }
    model.enis = addressed(lowering, model, implied);
    default_groups(lowering.stack, model);
}

/// The security group of a VPC that AWS uses where none is named.
fn default_group(vpc: &LogicalId) -> LogicalId {
    LogicalId::new(&format!("{vpc}.DefaultSecurityGroup"))
}

/// Default groups come into the model only where an interface uses one: in
/// from their own members, out to everywhere.
/// (VPC User Guide, "Default security groups")
fn default_groups(stack: &Stack, model: &mut Model) {
    for vpc in model.vpcs.values() {
        let id = default_group(&vpc.id);
        if !model
            .enis
            .values()
            .any(|eni| eni.security_groups.contains(&id))
        {
            continue;
        }
        let rule = |name: &str, peer| SecurityGroupRule {
            rule_id: rule_id(stack, &format!("{id}/{name}")),
            traffic: Traffic::All,
            peer,
            description: Some("the VPC's default security group".to_owned()),
            provenance: vpc.provenance.clone(),
        };
        let everywhere = Peer::Cidr(Ipv4Net::default());
        let group = SecurityGroup {
            group_id: group_id(stack, &vpc.id),
            name: "default".to_owned(),
            vpc: Some(vpc.id.clone()),
            ingress: vec![rule("ingress", Peer::SecurityGroup(id.clone()))],
            egress: vec![rule("egress", everywhere)],
            provenance: vpc.provenance.clone(),
            id: id.clone(),
        };
        model.security_groups.insert(id, group);
    }
}

fn group_id(stack: &Stack, vpc: &LogicalId) -> String {
    let symbol = Symbol::GetAtt(vpc.to_string(), "DefaultSecurityGroup".to_owned());
    resolve(stack, &symbol).unwrap_or_default()
}

/// A task that is run once per deployment gets its network where it is run,
/// not in its definition; it is taken to run where the template's first
/// service runs, as `ecs:RunTask` is usually told.
fn run_once(model: &Model, implied: &mut Vec<Implied>) {
    let Some(service) = model.services.values().next() else {
        return;
    };
    let Some(subnet) = service.subnets.first() else {
        return;
    };
    for definition in model.task_definitions.values().filter(|task| task.run_once) {
        let (public, groups) = (service.assign_public_ip, &service.security_groups);
        let name = format!("{}/once", definition.id);
        implied.push(Implied::new(
            name,
            &definition.id,
            EniKind::Task,
            subnet,
            public,
            groups,
        ));
    }
}

struct Implied {
    name: String,
    owner: LogicalId,
    kind: EniKind,
    subnet: LogicalId,
    public: bool,
    security_groups: Vec<LogicalId>,
}

impl Implied {
    fn new(
        name: String,
        owner: &LogicalId,
        kind: EniKind,
        subnet: &LogicalId,
        public: bool,
        security_groups: &[LogicalId],
    ) -> Self {
        Self {
            name,
            owner: owner.clone(),
            kind,
            subnet: subnet.clone(),
            public,
            security_groups: security_groups.to_vec(),
        }
    }
}

/// `count` interfaces over the subnets in turn, as Auto Scaling and ECS
/// balance availability zones.
fn spread(
    implied: &mut Vec<Implied>,
    owner: &LogicalId,
    kind: EniKind,
    count: u32,
    subnets: &[LogicalId],
    public: bool,
    groups: &[LogicalId],
) {
    let subnets = subnets
        .iter()
        .cycle()
        .take(if subnets.is_empty() { 0 } else { usize::MAX });
    for (number, subnet) in (1..=count.min(MAX_PER_OWNER)).zip(subnets) {
        implied.push(Implied::new(
            format!("{owner}/{number}"),
            owner,
            kind,
            subnet,
            public,
            groups,
        ));
    }
}

fn addressed(
    lowering: &Lowering<'_>,
    model: &Model,
    mut implied: Vec<Implied>,
) -> BTreeMap<EniId, Eni> {
    let mut homeless: BTreeMap<(LogicalId, LogicalId), u32> = BTreeMap::new();
    implied.sort_by(|a, b| a.name.cmp(&b.name));
    let mut used: BTreeMap<LogicalId, u32> = BTreeMap::new();
    let mut enis = BTreeMap::new();
    for interface in implied {
        let Some(subnet) = model.subnets.get(&interface.subnet) else {
            continue;
        };
        let next = used
            .entry(interface.subnet.clone())
            .or_insert(RESERVED_AT_START);
        let first: u32 = subnet.cidr.network().into();
        let last: u32 = subnet.cidr.broadcast().into();
        let Some(address) = first.checked_add(*next).filter(|address| *address < last) else {
            *homeless
                .entry((interface.owner, interface.subnet))
                .or_default() += 1;
            continue;
        };
        *next += 1;
        let dual_stack = match interface.kind {
            EniKind::LoadBalancer => model
                .load_balancers
                .get(&interface.owner)
                .is_some_and(|balancer| balancer.dual_stack),
            EniKind::Instance | EniKind::Task => subnet.assigns_ipv6,
            EniKind::NatGateway | EniKind::Database | EniKind::Endpoint => false,
        };
        let host = u128::from(address - first);
        let address6 = subnet
            .cidr6
            .filter(|_| dual_stack)
            .map(|block| Ipv6Addr::from(u128::from(block.network()) | host));
        let address = Ipv4Addr::from(address);
        let groups = match (interface.kind, interface.security_groups) {
            (EniKind::NatGateway, _) => Vec::new(),
            (_, groups) if groups.is_empty() => vec![default_group(&subnet.vpc)],
            (_, groups) => groups,
        };
        let id = EniId(interface.name);
        let eni = Eni {
            interface_id: interface_id(lowering.stack, &id.0),
            owner: interface.owner,
            kind: interface.kind,
            subnet: interface.subnet,
            address,
            address6,
            public: interface.public,
            security_groups: groups,
            id: id.clone(),
        };
        enis.insert(id, eni);
    }
    for ((owner, subnet), count) in homeless {
        no_address_left(lowering, &owner, &subnet, count);
    }
    enis
}

fn no_address_left(lowering: &Lowering<'_>, owner: &LogicalId, subnet: &LogicalId, count: u32) {
    let subject = NotAnalysedSubject::Value {
        property: "Subnets".to_owned(),
        reason: format!("`{subnet}` has no address left for {count} of its interfaces"),
    };
    if let Some(resource) = lowering.stack.resources.get(owner.as_str()) {
        lowering.report(subject, &resource.provenance.0);
    }
}
