use super::*;
use crate::blueprint::balancer::{Attributes, HealthCheck};

fn name() -> TargetGroupName {
    TargetGroupName("matches".into())
}

fn target(last: u8) -> TargetId {
    TargetId {
        address: std::net::IpAddr::from([10, 0, 10, last]),
        port: 8080,
    }
}

/// Healthy after 3, unhealthy after 2; `count` targets; one node.
fn targets(algorithm: Algorithm, count: u8) -> (Arc<Targets>, NodeIndex) {
    let group = TargetGroup {
        arn: "arn".into(),
        port: 8080,
        algorithm,
        deregistration_delay: Duration::from_millis(100),
        health_check: HealthCheck {
            healthy_threshold: 3,
            ..HealthCheck::default()
        },
    };
    let balancer = LoadBalancer {
        arn_suffix: "app/a/b".into(),
        listeners: Vec::new(),
        target_groups: [(name(), group)].into(),
        attributes: Attributes::default(),
    };
    let targets = Targets::new(&balancer);
    for last in 0..count {
        targets.register(&name(), target(last));
    }
    let node = targets.join();
    (targets, node)
}

fn chosen(targets: &Targets, node: NodeIndex, times: usize) -> Vec<TargetId> {
    (0..times)
        .map(|_| targets.choose(node, &name()).unwrap().target.clone())
        .collect()
}

#[test]
fn a_new_target_needs_one_success_a_failed_one_its_threshold() {
    let (targets, node) = targets(Algorithm::RoundRobin, 1);
    let mut seen = Vec::new();
    let failure = Err(Reason::ResponseCodeMismatch);
    for outcome in [
        Ok(()),
        failure,
        Ok(()),
        failure,
        failure,
        Ok(()),
        Ok(()),
        failure,
        Ok(()),
        Ok(()),
        Ok(()),
    ] {
        targets.observe(node, &name(), &target(0), outcome);
        seen.push(targets.health(&name())[0].1.state());
    }
    let (up, down) = ("healthy", "unhealthy");
    assert_eq!(
        seen,
        [up, up, up, up, down, down, down, down, down, down, up]
    );
}

#[test]
fn requests_go_round_the_healthy_and_to_all_when_nobody_is() {
    let (targets, node) = targets(Algorithm::RoundRobin, 3);
    let round = chosen(&targets, node, 6);
    assert_eq!(round[..3], round[3..], "all initial: everybody in turn");
    assert!((0..3).all(|last| round.contains(&target(last))));
    targets.observe(node, &name(), &target(1), Ok(()));
    assert_eq!(chosen(&targets, node, 3), [target(1), target(1), target(1)]);
    for _ in 0..2 {
        targets.observe(node, &name(), &target(1), Err(Reason::Timeout));
    }
    assert_eq!(
        chosen(&targets, node, 3)
            .iter()
            .filter(|chosen| **chosen == target(1))
            .count(),
        1
    );
}

#[test]
fn each_node_sees_for_itself() {
    let (targets, near) = targets(Algorithm::RoundRobin, 2);
    let far = targets.join();
    targets.observe(near, &name(), &target(0), Ok(()));
    targets.observe(far, &name(), &target(1), Ok(()));
    assert_eq!(chosen(&targets, near, 2), [target(0), target(0)]);
    assert_eq!(chosen(&targets, far, 2), [target(1), target(1)]);
}

#[test]
fn the_least_busy_target_is_chosen_and_equals_take_turns() {
    let (targets, node) = targets(Algorithm::LeastOutstandingRequests, 3);
    let first = targets.choose(node, &name()).unwrap();
    let second = targets.choose(node, &name()).unwrap();
    let third = targets.choose(node, &name()).unwrap();
    let mut three = [&first, &second, &third].map(|chosen| chosen.target.clone());
    three.sort();
    assert_eq!(three, [target(0), target(1), target(2)]);
    let freed = second.target.clone();
    drop(second);
    assert_eq!(targets.choose(node, &name()).unwrap().target, freed);
}

#[tokio::test]
async fn a_deregistered_target_drains_then_is_cut() {
    let (targets, node) = targets(Algorithm::RoundRobin, 2);
    let busy = targets.choose(node, &name()).unwrap();
    let leaving = busy.target.clone();
    targets.deregister(&name(), &leaving);
    assert_eq!(targets.in_flight(&name(), &leaving), 1);
    let health = targets.health(&name());
    assert!(
        health.contains(&(leaving.clone(), Health::Draining)),
        "{health:?}"
    );
    assert!(!chosen(&targets, node, 4).contains(&leaving));
    // the checker looks at the group again when the delay is over
    let cut = async {
        while !targets.to_check(&name()).is_empty() && targets.next_cut(&name()).is_some() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(5), async {
        tokio::join!(busy.cut_off(), cut)
    })
    .await
    .unwrap();
    assert!(
        !targets
            .health(&name())
            .iter()
            .any(|(target, _)| *target == leaving)
    );
    // and whoever is registered again begins anew
    targets.register(&name(), leaving.clone());
    assert!(
        targets
            .health(&name())
            .contains(&(leaving, Health::Initial))
    );
}

#[test]
fn no_registered_target_is_no_target() {
    let (targets, node) = targets(Algorithm::RoundRobin, 0);
    assert!(targets.choose(node, &name()).is_none());
    targets.register(&TargetGroupName("unknown".into()), target(1));
    assert!(
        targets
            .choose(node, &TargetGroupName("unknown".into()))
            .is_none()
    );
}
