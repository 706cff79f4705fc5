//! What the model knows and analysis answers for, and nothing here runs:
//! each is refused by its name.

use model::{LoadBalancerKind, LogicalId, Model};

use super::fault::Faults;

const LEAVE_OUT: &str =
    "leave it out under a condition to run the rest; `check` and `reach` cover it";

pub(super) fn refuse(model: &Model, faults: &mut Faults) {
    for id in model.instances.keys() {
        add(
            model,
            id,
            "an instance outside an Auto Scaling group",
            faults,
        );
    }
    for id in model.network_interfaces.keys() {
        add(model, id, "a network interface without an instance", faults);
    }
    for id in model.functions.keys() {
        add(model, id, "a Lambda function", faults);
    }
    for store in model.stores.values() {
        let what = format!("`{}`", store.resource_type);
        add(model, &store.id, &what, faults);
    }
    for balancer in model.load_balancers.values() {
        let what = match balancer.kind {
            LoadBalancerKind::Application => continue,
            LoadBalancerKind::Network => "a network load balancer",
            LoadBalancerKind::Gateway => "a gateway load balancer",
        };
        add(model, &balancer.id, what, faults);
    }
    for database in model.databases.values() {
        if let Some(cluster) = &database.cluster {
            add(model, cluster, "a cluster of databases", faults);
        }
    }
    for group in model.target_groups.values() {
        if !group.targets.is_empty() {
            add(
                model,
                &group.id,
                "a target group with targets of its own",
                faults,
            );
        }
    }
}

fn add(model: &Model, id: &LogicalId, what: &str, faults: &mut Faults) {
    let resource = model.stack.resources.get(id.as_str());
    let place = resource.map(|resource| resource.provenance.0.clone());
    let message = format!("{what} is not run here: `{id}`");
    faults.add(message, &place.unwrap_or_default(), LEAVE_OUT);
}
