//! Parts of a blueprint as a person would read them.

use std::fmt::Write as _;

use crate::blueprint::dns::{DnsView, Records};
use crate::blueprint::{Blueprint, Workload, WorkloadKind};

pub(super) fn names(view: &DnsView) -> String {
    let mut text = String::new();
    for (name, set) in &view.records {
        let answer = match &set.records {
            Records::Addresses(addresses) => addresses
                .iter()
                .map(|at| match &at.zone {
                    Some(zone) => format!("{} ({zone})", at.address),
                    None => at.address.to_string(),
                })
                .collect::<Vec<_>>()
                .join(", "),
            Records::Name { target, flattened } => {
                format!("{} {target}", if *flattened { "alias" } else { "cname" })
            }
            Records::Text(texts) => format!("{texts:?}"),
        };
        let _infallible = writeln!(text, "{name} = {answer}");
    }
    for (net, zone) in &view.zones {
        let _infallible = writeln!(text, "askers in {net} are in {zone}");
    }
    text
}

pub(super) fn balancers(blueprint: &Blueprint) -> String {
    let mut text = String::new();
    for balancer in &blueprint.balancers {
        let config = &balancer.config;
        let _infallible = writeln!(text, "{} on {:?}", balancer.id, balancer.nodes);
        let _infallible = writeln!(text, "{:#?}", config.attributes);
        for listener in &config.listeners {
            let _infallible = writeln!(text, "listener {} {:?}", listener.port, listener.protocol);
            for rule in &listener.rules {
                let _infallible = writeln!(text, "  rule {}", rule.priority);
                for condition in &rule.conditions {
                    let _infallible = writeln!(text, "    if {condition:?}");
                }
                let _infallible = writeln!(text, "    then {:?}", rule.action);
            }
            let _infallible = writeln!(text, "  otherwise {:?}", listener.default_action);
        }
        for (name, group) in &config.target_groups {
            let _infallible = writeln!(text, "target group {}: {group:#?}", name.0);
        }
    }
    text
}

pub(super) fn endpoints(blueprint: &Blueprint) -> String {
    let mut text = String::new();
    for endpoint in &blueprint.endpoints {
        let statements = endpoint.policy.as_ref().map(|p| p.statements.len());
        let policy = statements.map_or("no policy".to_owned(), |n| format!("{n} statements"));
        let at = match &endpoint.gateway {
            Some(id) => {
                let addresses: Vec<_> = blueprint.gateway_addresses(id).collect();
                format!("gateway {addresses:?}")
            }
            None => format!("{:?}", endpoint.interfaces),
        };
        let names = endpoint.names.join(" ");
        let _infallible = writeln!(text, "{} ({policy}) at {at}: {names}", endpoint.service);
    }
    text
}

pub(super) fn workloads(blueprint: &Blueprint) -> String {
    let mut text = String::new();
    for database in &blueprint.databases {
        let _infallible = writeln!(text, "database {database:#?}");
    }
    for workload in &blueprint.tasks_once {
        text += &format!("once, before the rest: {}", self::workload(workload));
    }
    for workload in &blueprint.workloads {
        text += &self::workload(workload);
    }
    for agent in &blueprint.agents {
        let _infallible = writeln!(
            text,
            "{} at {} in {}, of {}",
            agent.name, agent.address, agent.vpc, agent.instance.instance_id
        );
    }
    text
}

fn workload(workload: &Workload) -> String {
    let mut text = format!(
        "{} at {} in {}: {:?}\n",
        workload.name, workload.address, workload.vpc, workload.command
    );
    for (name, value) in &workload.environment {
        let _infallible = writeln!(text, "  {name}={value}");
    }
    let role = workload.role.as_deref().unwrap_or("none");
    let _infallible = writeln!(text, "  role {role}");
    if let Some(log) = &workload.log {
        let _infallible = writeln!(
            text,
            "  log {} {} by {:?}",
            log.group,
            log.stream,
            log.role.as_deref().unwrap_or("nobody")
        );
    }
    for (group, port) in &workload.targets {
        let _infallible = writeln!(text, "  target of {} on {port}", group.0);
    }
    let _infallible = writeln!(text, "  {} s to stop", workload.stop_timeout_s);
    match &workload.kind {
        WorkloadKind::Instance(facts) => {
            let _infallible = writeln!(text, "  {facts:#?}");
        }
        WorkloadKind::Task(facts) => {
            let _infallible = writeln!(text, "  {facts:#?}");
        }
    }
    text
}

/// What the Describe calls, Systems Manager and CloudFormation have to tell.
pub(super) fn described(blueprint: &Blueprint) -> String {
    let seed = &blueprint.seed;
    let mut text = String::new();
    for instance in &seed.instances {
        let _infallible = writeln!(text, "{instance:#?}");
    }
    for document in &seed.documents {
        let _infallible = writeln!(text, "{document:#?}");
    }
    for parameter in &seed.parameters {
        let _infallible = writeln!(text, "{parameter:#?}");
    }
    for database in &seed.databases {
        let _infallible = writeln!(text, "{database:#?}");
    }
    for stack in &seed.stacks {
        let _infallible = writeln!(text, "stack {} {}", stack.name, stack.id);
        for output in &stack.outputs {
            let _infallible = writeln!(text, "  output {} = {}", output.key, output.value);
        }
        for resource in &stack.resources {
            let (id, physical, kind) =
                (&resource.logical_id, &resource.physical_id, &resource.kind);
            let _infallible = writeln!(text, "  {id} {kind} {physical}");
        }
    }
    text
}
