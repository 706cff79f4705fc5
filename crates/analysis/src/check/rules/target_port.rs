//! Target groups, containers and services that speak of different ports.
//!
//! ## What it does
//! Compares the port of a service's load balancer entry with the ports its container declares, the
//! kind of target with what the service runs, and the port of an instance's program with that of its
//! target group.
//!
//! ## Why is this bad
//! ECS refuses the service, or the load balancer knocks where nobody listens.
//!
//! ## Example
//! ```yaml
//! LoadBalancers: [{ ContainerName: app, ContainerPort: 80, TargetGroupArn: !Ref Targets }]
//! ```
//! with `PortMappings: [{ ContainerPort: 8080 }]`.
//!
//! ## Use instead
//! The container's own port in both places; `TargetType: ip` for tasks of network mode `awsvpc`.
//!
//! ## References
//! - Amazon ECS Developer Guide, "Use load balancing to distribute service traffic"

use super::super::{Facts, Finding};

pub(super) fn run(facts: &Facts<'_>) -> Vec<Finding> {
    let mut findings = services(facts);
    findings.extend(instances(facts));
    findings
}

fn services(facts: &Facts<'_>) -> Vec<Finding> {
    let model = facts.model;
    let mut findings = Vec::new();
    for service in model.services.values() {
        let definition = service.task_definition.as_ref();
        let Some(definition) = definition.and_then(|id| model.task_definitions.get(id)) else {
            continue;
        };
        for target in &service.load_balancers {
            let group = model.target_groups.get(&target.target_group);
            if let Some(group) = group.filter(|group| {
                definition.network_mode == "awsvpc" && group.target_type != "ip"
            }) {
                let message = format!(
                    "{} is of type {}, but tasks of {} have addresses of their own",
                    group.id, group.target_type, service.id
                );
                findings.push(Finding::at(&group.provenance, message).with_hint("`TargetType: ip`"));
            }
            let container = definition.containers.iter().find(|one| one.name == target.container);
            let Some(container) = container else {
                let message = format!("{} has no container `{}`", definition.id, target.container);
                findings.push(Finding::at(&service.provenance, message));
                continue;
            };
            if !container.ports.contains(&target.port) {
                let message = format!(
                    "{} sends requests to port {} of `{}`, which listens on {:?}",
                    service.id, target.port, container.name, container.ports
                );
                findings.push(
                    Finding::at(&service.provenance, message)
                        .with_related(Some(&container.provenance), "the container"),
                );
            }
        }
    }
    findings
}

fn instances(facts: &Facts<'_>) -> Vec<Finding> {
    let model = facts.model;
    let mut findings = Vec::new();
    for instances in model.auto_scaling_groups.values() {
        let template = instances.launch_template.as_ref();
        let template = template.and_then(|id| model.launch_templates.get(id));
        let port = template.and_then(|template| template.local.as_ref()?.port);
        let groups = instances.target_groups.iter().filter_map(|id| model.target_groups.get(id));
        for group in groups {
            if let Some(port) = port.filter(|port| *port != group.port) {
                let message = format!(
                    "{} sends requests to port {}, but {} listens on {port}",
                    group.id, group.port, instances.id
                );
                findings.push(Finding::at(&group.provenance, message));
            }
        }
    }
    findings
}
