//! The network interfaces that the resources imply.
//!
//! AWS makes them when it makes the resource; nothing in a template names
//! them. Addresses are stand-ins: the next free one of the subnet, in order of
//! interface id, past the four that AWS reserves.
//! (VPC User Guide, "Subnet CIDR blocks")

use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv4Addr, Ipv6Addr};

use cfn::{Stack, Symbol};
use ipnet::Ipv4Net;

use crate::physical::{interface_id, resolve, rule_id};
use crate::reader::Lowering;
use crate::{
    Eni, EniId, EniKind, LoadBalancerKind, LogicalId, Model, NotAnalysedSubject, Peer,
    SecurityGroup, SecurityGroupRule, Subnet, Traffic, VpcEndpointKind,
};

/// The first four addresses of a subnet, and the last, are AWS's.
const RESERVED_AT_START: u32 = 4;
/// A template may ask for many instances; a model lists no more than this of one group.
const MAX_PER_OWNER: u32 = 10_000;

pub(super) fn imply(lowering: &Lowering<'_>, model: &mut Model) {
    let mut implied: Vec<Implied> = Vec::new();
    of_network(model, &mut implied);
    of_instances(model, &mut implied);
    of_services(model, &mut implied);
    of_data(model, &mut implied);
    model.enis = addressed(lowering, model, implied);
    default_groups(lowering.stack, model);
}

fn of_network(model: &Model, implied: &mut Vec<Implied>) {
    for balancer in model.load_balancers.values() {
        let (id, groups) = (&balancer.id, &balancer.security_groups);
        for subnet in &balancer.subnets {
            implied.push(Implied {
                public: Some(balancer.internet_facing),
                ..Implied::new(
                    format!("{id}/{subnet}"),
                    id,
                    EniKind::LoadBalancer,
                    subnet,
                    groups,
                )
            });
        }
    }
    for gateway in model.nat_gateways.values() {
        let (id, subnet) = (&gateway.id, &gateway.subnet);
        implied.push(Implied {
            public: Some(gateway.allocation.is_some()),
            ..Implied::new(id.to_string(), id, EniKind::NatGateway, subnet, &[])
        });
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
        one_per_subnet(
            implied,
            &endpoint.id,
            EniKind::Endpoint,
            subnets,
            security_groups,
        );
    }
}

fn of_instances(model: &Model, implied: &mut Vec<Implied>) {
    for group in model.auto_scaling_groups.values() {
        let template = group
            .launch_template
            .as_ref()
            .and_then(|id| model.launch_templates.get(id));
        let Some(template) = template else { continue };
        spread(
            implied,
            &group.id,
            EniKind::Instance,
            group.desired_capacity,
            &group.subnets,
            template.associate_public_ip,
            &template.security_groups,
        );
    }
    let own = model.instances.values().flat_map(|instance| {
        let interfaces = instance.interfaces.iter().enumerate();
        interfaces.map(move |(index, interface)| (&instance.id, index, interface))
    });
    let waiting = model.network_interfaces.iter();
    let waiting = waiting.map(|(id, interface)| (id, 0, interface));
    for (owner, index, interface) in own.chain(waiting) {
        let name = match (&interface.resource, index) {
            (Some(resource), _) => resource.to_string(),
            (None, 0) => owner.to_string(),
            (None, index) => format!("{owner}/{index}"),
        };
        let (subnet, groups) = (&interface.subnet, &interface.security_groups);
        implied.push(Implied {
            public: interface.public,
            address: interface.address,
            ..Implied::new(name, owner, EniKind::Instance, subnet, groups)
        });
    }
}

fn of_services(model: &Model, implied: &mut Vec<Implied>) {
    for service in model.services.values() {
        spread(
            implied,
            &service.id,
            EniKind::Task,
            service.desired_count,
            &service.subnets,
            Some(service.assign_public_ip),
            &service.security_groups,
        );
    }
    run_once(model, implied);
    for function in model.functions.values() {
        let (subnets, groups) = (&function.subnets, &function.security_groups);
        one_per_subnet(implied, &function.id, EniKind::Function, subnets, groups);
    }
}

fn of_data(model: &Model, implied: &mut Vec<Implied>) {
    for database in model.databases.values() {
        let Some(subnet) = database.subnets.first() else {
            continue;
        };
        let (id, groups) = (&database.id, &database.security_groups);
        implied.push(Implied {
            public: Some(database.publicly_accessible),
            ..Implied::new(id.to_string(), id, EniKind::Database, subnet, groups)
        });
    }
    for store in model.stores.values() {
        let first = implied.len();
        let (subnets, groups) = (&store.subnets, &store.security_groups);
        one_per_subnet(implied, &store.id, EniKind::Store, subnets, groups);
        for interface in &mut implied[first..] {
            interface.public = Some(store.public);
        }
    }
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
        let (id, groups) = (&definition.id, &service.security_groups);
        implied.push(Implied {
            public: Some(service.assign_public_ip),
            ..Implied::new(format!("{id}/once"), id, EniKind::Task, subnet, groups)
        });
    }
}

struct Implied {
    name: String,
    owner: LogicalId,
    kind: EniKind,
    subnet: LogicalId,
    /// Unsaid, the subnet decides.
    public: Option<bool>,
    /// Set by the template.
    address: Option<Ipv4Addr>,
    security_groups: Vec<LogicalId>,
}

impl Implied {
    /// One without a public address.
    fn new(
        name: String,
        owner: &LogicalId,
        kind: EniKind,
        subnet: &LogicalId,
        security_groups: &[LogicalId],
    ) -> Self {
        Self {
            name,
            owner: owner.clone(),
            kind,
            subnet: subnet.clone(),
            public: Some(false),
            address: None,
            security_groups: security_groups.to_vec(),
        }
    }
}

/// An interface in each subnet, as endpoints, functions and stores have them.
fn one_per_subnet(
    implied: &mut Vec<Implied>,
    owner: &LogicalId,
    kind: EniKind,
    subnets: &[LogicalId],
    groups: &[LogicalId],
) {
    for subnet in subnets {
        let name = format!("{owner}/{subnet}");
        implied.push(Implied::new(name, owner, kind, subnet, groups));
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
    public: Option<bool>,
    groups: &[LogicalId],
) {
    let subnets = subnets
        .iter()
        .cycle()
        .take(if subnets.is_empty() { 0 } else { usize::MAX });
    for (number, subnet) in (1..=count.min(MAX_PER_OWNER)).zip(subnets) {
        implied.push(Implied {
            public,
            ..Implied::new(format!("{owner}/{number}"), owner, kind, subnet, groups)
        });
    }
}

fn addressed(
    lowering: &Lowering<'_>,
    model: &Model,
    mut implied: Vec<Implied>,
) -> BTreeMap<EniId, Eni> {
    let mut homeless: BTreeMap<(LogicalId, LogicalId), u32> = BTreeMap::new();
    implied.sort_by(|a, b| a.name.cmp(&b.name));
    let set: BTreeSet<Ipv4Addr> = implied.iter().filter_map(|one| one.address).collect();
    let mut used: BTreeMap<LogicalId, u32> = BTreeMap::new();
    let mut enis = BTreeMap::new();
    for interface in implied {
        let Some(subnet) = model.subnets.get(&interface.subnet) else {
            continue;
        };
        let next = used
            .entry(interface.subnet.clone())
            .or_insert(RESERVED_AT_START);
        let address = match interface.address {
            Some(address) => subnet.cidr.contains(&address).then_some(address),
            None => next_free(subnet, next, &set),
        };
        let Some(address) = address else {
            let place = (interface.owner, interface.subnet);
            *homeless.entry(place).or_default() += 1;
            continue;
        };
        let eni = eni(lowering, model, interface, subnet, address);
        enis.insert(eni.id.clone(), eni);
    }
    for ((owner, subnet), count) in homeless {
        no_address_left(lowering, &owner, &subnet, count);
    }
    enis
}

/// The next address of a subnet that nothing in the template has set.
fn next_free(subnet: &Subnet, next: &mut u32, set: &BTreeSet<Ipv4Addr>) -> Option<Ipv4Addr> {
    let first: u32 = subnet.cidr.network().into();
    let last: u32 = subnet.cidr.broadcast().into();
    loop {
        let address = first.checked_add(*next).filter(|address| *address < last)?;
        *next += 1;
        let address = Ipv4Addr::from(address);
        if !set.contains(&address) {
            return Some(address);
        }
    }
}

fn eni(
    lowering: &Lowering<'_>,
    model: &Model,
    interface: Implied,
    subnet: &Subnet,
    address: Ipv4Addr,
) -> Eni {
    let balancer = model.load_balancers.get(&interface.owner);
    let dual_stack = match interface.kind {
        EniKind::LoadBalancer => balancer.is_some_and(|balancer| balancer.dual_stack),
        EniKind::Instance | EniKind::Task => subnet.assigns_ipv6,
        EniKind::NatGateway
        | EniKind::Function
        | EniKind::Database
        | EniKind::Store
        | EniKind::Endpoint => false,
    };
    let host = u128::from(u32::from(address) - u32::from(subnet.cidr.network()));
    let address6 = subnet
        .cidr6
        .filter(|_| dual_stack)
        .map(|block| Ipv6Addr::from(u128::from(block.network()) | host));
    // nothing filters a NAT gateway, nor a network load balancer without groups
    let is_unfiltered = interface.kind == EniKind::NatGateway
        || balancer.is_some_and(|balancer| balancer.kind != LoadBalancerKind::Application);
    let mut groups = interface.security_groups;
    if groups.is_empty() && !is_unfiltered {
        groups.push(default_group(&subnet.vpc));
    }
    Eni {
        interface_id: interface_id(lowering.stack, &interface.name),
        owner: interface.owner,
        kind: interface.kind,
        address,
        address6,
        public: interface.public.unwrap_or(subnet.map_public_ip_on_launch),
        security_groups: groups,
        id: EniId(interface.name),
        subnet: interface.subnet,
    }
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
