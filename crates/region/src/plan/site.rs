//! What the person's doors lead to: the distribution, and the pages' settings.

use model::{LogicalId, Model, OriginKind};
use serde_json::json;

use super::fault::Faults;
use crate::blueprint::Site;

/// The site of the first distribution.
pub(super) fn site(model: &Model, faults: &mut Faults) -> Option<Site> {
    let distribution = model.distributions.values().next()?;
    if model.distributions.len() > 1 {
        let message = "one door leads to one distribution; a template with more is not run here";
        faults.add(
            message,
            &distribution.provenance,
            "leave one, or make the others depend on a condition",
        );
    }
    let host = distribution
        .aliases
        .first()
        .unwrap_or(&distribution.domain_name);
    Some(Site {
        host: host.clone(),
        other_hosts: hosted_pages(model),
        bucket: bucket(model, distribution),
        config: config(model),
    })
}

/// The bucket behind the default behaviour, by its name.
fn bucket(model: &Model, distribution: &model::Distribution) -> Option<String> {
    let target = &distribution.default_behavior.target_origin;
    let origin = distribution
        .origins
        .iter()
        .find(|origin| origin.name == *target)?;
    let bucket: &LogicalId = match &origin.kind {
        OriginKind::S3 { bucket, .. } => bucket.as_ref()?,
        OriginKind::Custom { .. } => return None,
    };
    model.buckets.get(bucket).map(|bucket| bucket.name.clone())
}

/// The sign-in pages of the user pools.
fn hosted_pages(model: &Model) -> Vec<String> {
    let region = &model.stack.region;
    let domains = model
        .user_pools
        .values()
        .filter_map(|pool| pool.domain.as_ref());
    domains
        .map(|domain| format!("{domain}.auth.{region}.amazoncognito.com"))
        .collect()
}

/// `/config.json`, from the same facts as the stack's outputs.
fn config(model: &Model) -> serde_json::Value {
    let pool = model.user_pools.values().next();
    let client = pool.and_then(|pool| pool.clients.first());
    json!({
        "region": model.stack.region,
        "userPoolId": pool.map(|pool| &pool.pool_id),
        "userPoolClientId": client.map(|client| &client.client_id),
        "authDomain": hosted_pages(model).first().map(|host| format!("https://{host}")),
    })
}
