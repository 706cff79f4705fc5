//! Checking the health of targets, from one node of a load balancer.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use http::{Request, header};
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::targets::{NodeIndex, PRUNE_AT_LEAST_EVERY, Reason, Targets};
use crate::blueprint::balancer::{HealthCheck, TargetGroupName, TargetId};
use crate::proxy::pool::{Endpoint, Pool, PoolOptions, UpstreamError};
use crate::serve::{Stop, empty};

/// Checks every target of one group until `stop`: at once when it is
/// registered, then every interval.
pub(super) async fn check_group(
    targets: Arc<Targets>,
    node: NodeIndex,
    group: TargetGroupName,
    check: HealthCheck,
    mut stop: Stop,
) {
    let check = Arc::new(check);
    let mut changed = targets.subscribe();
    let mut due: BTreeMap<TargetId, Instant> = BTreeMap::new();
    let mut running = JoinSet::new();
    loop {
        let now = Instant::now();
        let registered = targets.to_check(&group);
        due.retain(|target, _| registered.contains(target));
        for target in registered {
            let at = due.entry(target.clone()).or_insert(now);
            if *at <= now {
                *at = now + check.interval;
                let check = Arc::clone(&check);
                running.spawn(async move {
                    let outcome = check_once(&target, &check).await;
                    (target, outcome)
                });
            }
        }
        let next_check = due.values().min().copied();
        let next_cut = targets.next_cut(&group).map(Instant::from_std);
        let wake = next_check
            .into_iter()
            .chain(next_cut)
            .min()
            .unwrap_or(now + PRUNE_AT_LEAST_EVERY);
        tokio::select! {
            () = stop.stopped() => return,
            _changed = changed.changed() => {}
            () = tokio::time::sleep_until(wake) => {}
            Some(Ok((target, outcome))) = running.join_next() => {
                targets.observe(node, &group, &target, outcome);
            }
        }
    }
}

/// One check on a connection of its own.
async fn check_once(target: &TargetId, check: &HealthCheck) -> Result<(), Reason> {
    let address = SocketAddr::new(target.address, check.port.unwrap_or(target.port));
    let options = PoolOptions {
        connect_timeout: check.timeout,
        ..PoolOptions::default()
    };
    let request = Request::get(check.path.as_str())
        .header(header::HOST, address.to_string())
        .header(header::CONNECTION, "close")
        .header(header::USER_AGENT, "ELB-HealthChecker/2.0")
        .header(header::ACCEPT_ENCODING, "gzip, compressed")
        .body(empty())
        .map_err(|_| Reason::FailedHealthChecks)?;
    let pool = Pool::new(options, None);
    let endpoint = Endpoint::plain(address);
    match tokio::time::timeout(check.timeout, pool.send(&endpoint, request)).await {
        Ok(Ok(response)) if check.matcher.0.contains(&response.status().as_u16()) => Ok(()),
        Ok(Ok(_)) => Err(Reason::ResponseCodeMismatch),
        Err(_) | Ok(Err(UpstreamError::ConnectTimeout { .. })) => Err(Reason::Timeout),
        Ok(Err(_)) => Err(Reason::FailedHealthChecks),
    }
}
