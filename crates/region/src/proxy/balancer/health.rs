//! Checking the health of targets, from one node of a load balancer.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http::{Request, header};
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::targets::{NodeIndex, PRUNE_AT_LEAST_EVERY, Reason, Targets};
use crate::blueprint::balancer::{HealthCheck, TargetGroupName, TargetId};
use crate::proxy::pool::{Endpoint, Pool, PoolOptions, UpstreamError};
use crate::serve::{Stop, empty};

/// Between checks of a target that has just been registered and has not
/// answered yet.
const EAGER: Duration = Duration::from_millis(50);

/// When a target is checked next.
struct Watch {
    next: Instant,
    /// Until then a failure before the first success is not held against it.
    eager_until: Instant,
}

/// Checks every target of one group until `stop`: at once when it is
/// registered, then every interval.
///
/// A program is registered when it is started, some hundred milliseconds
/// before it answers. AWS would notice that at the next interval; here a person
/// waits, so for the first interval an initial target is asked again at once.
pub(super) async fn check_group(
    targets: Arc<Targets>,
    node: NodeIndex,
    group: TargetGroupName,
    check: HealthCheck,
    mut stop: Stop,
) {
    let check = Arc::new(check);
    let mut changed = targets.subscribe();
    let mut due: BTreeMap<TargetId, Watch> = BTreeMap::new();
    let mut running = JoinSet::new();
    loop {
        let now = Instant::now();
        let registered = targets.to_check(&group);
        due.retain(|target, _| registered.contains(target));
        for target in registered {
            let watch = due.entry(target.clone()).or_insert(Watch {
                next: now,
                eager_until: now + check.interval,
            });
            if watch.next <= now {
                watch.next = now + check.interval;
                let check = Arc::clone(&check);
                running.spawn(async move {
                    let outcome = check_once(&target, &check).await;
                    (target, outcome)
                });
            }
        }
        let next_check = due.values().map(|watch| watch.next).min();
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
                let now = Instant::now();
                match due.get_mut(&target) {
                    Some(watch) if outcome.is_err()
                        && now < watch.eager_until
                        && targets.is_initial(node, &group, &target) =>
                    {
                        watch.next = now + EAGER;
                    }
                    _ => targets.observe(node, &group, &target, outcome),
                }
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
