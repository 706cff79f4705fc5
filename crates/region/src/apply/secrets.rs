//! Dynamic references to secrets, resolved when the region starts, as
//! CloudFormation does when it makes the resource.

use emulator::{Emulator, ResolveError};

use crate::blueprint::Blueprint;
use crate::blueprint::balancer::Condition;
use crate::plan::{field_of_reference, secret_of_reference};

/// Replaces every dynamic reference of balancers and distributions by its value.
///
/// # Errors
///
/// When a secret, or its field, does not exist.
pub fn resolve(blueprint: &mut Blueprint, emulator: &Emulator) -> Result<(), ResolveError> {
    for balancer in &mut blueprint.balancers {
        for listener in &mut balancer.config.listeners {
            for condition in listener
                .rules
                .iter_mut()
                .flat_map(|rule| &mut rule.conditions)
            {
                if let Condition::HttpHeader { values, .. } = condition {
                    values
                        .iter_mut()
                        .try_for_each(|value| replace(&mut value.0, emulator))?;
                }
            }
        }
    }
    for distribution in &mut blueprint.distributions {
        for origin in distribution.config.origins.values_mut() {
            for (_, value) in &mut origin.custom_headers {
                replace(&mut value.0, emulator)?;
            }
        }
    }
    Ok(())
}

fn replace(text: &mut String, emulator: &Emulator) -> Result<(), ResolveError> {
    if let Some(secret) = secret_of_reference(text) {
        let value = emulator.resolve_secret(secret, field_of_reference(text), None)?;
        value.expose().clone_into(text);
    }
    Ok(())
}
