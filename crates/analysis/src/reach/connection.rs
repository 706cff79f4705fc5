//! One connection between two ends: what passes, and what it passes by.

use model::{Eni, SecurityGroup, SecurityGroupRule};

use super::gate::{Element, GateKind};
use super::network::Network;
use super::passage::passages;
use super::verdict::Verdict;
use crate::set::{AddressSet, FlowSet, TrafficSet};

/// Where a connection starts or ends.
#[derive(Clone, Debug)]
pub enum End<'a> {
    Eni(&'a Eni),
    /// Addresses outside every VPC.
    World {
        name: String,
        addresses: AddressSet,
    },
}

impl<'a> End<'a> {
    pub fn internet() -> Self {
        Self::World {
            name: "internet".to_owned(),
            addresses: AddressSet::internet(),
        }
    }

    pub fn cloudfront(network: &Network<'_>) -> Self {
        Self::World {
            name: "cloudfront".to_owned(),
            addresses: network.cloudfront(),
        }
    }

    pub fn name(&self) -> String {
        match self {
            Self::Eni(eni) => eni.id.to_string(),
            Self::World { name, .. } => name.clone(),
        }
    }
}

/// Judges a connection with its reasons.
pub fn connect(
    network: &Network<'_>,
    from: &End<'_>,
    to: &End<'_>,
    traffic: &TrafficSet,
) -> Verdict {
    let mut verdict = Verdict {
        from: from.name(),
        to: to.name(),
        asked: traffic.clone(),
        accepted: FlowSet::none(),
        hops: Vec::new(),
        blockers: Vec::new(),
    };
    for way in passages(network, from, to, traffic) {
        let accepted = way.accepted();
        if accepted.is_empty() {
            verdict.blockers.extend(way.blockers(network));
        } else {
            verdict.hops.extend(way.hops(network, &accepted));
            verdict.accepted = verdict.accepted.union(&accepted);
        }
    }
    if verdict.is_accepted() {
        verdict.blockers.clear();
    }
    verdict.blockers.sort_by_key(|blocker| blocker.code);
    verdict
}

/// What passes, without the reasons.
pub(crate) fn accepted(
    network: &Network<'_>,
    from: &End<'_>,
    to: &End<'_>,
    traffic: &TrafficSet,
) -> FlowSet {
    let ways = passages(network, from, to, traffic);
    ways.iter()
        .fold(FlowSet::none(), |all, way| all.union(&way.accepted()))
}

/// A security group rule that traffic passes by.
pub(crate) struct Passed<'a> {
    pub(crate) group: &'a SecurityGroup,
    pub(crate) rule: &'a SecurityGroupRule,
    pub(crate) egress: bool,
    /// What passes: addresses are those of whichever side is no interface.
    pub(crate) flows: FlowSet,
}

/// Which rules let how much of a connection pass.
pub(crate) fn passed<'a>(
    network: &Network<'a>,
    from: &End<'a>,
    to: &End<'a>,
    traffic: &TrafficSet,
) -> Vec<Passed<'a>> {
    let mut found = Vec::new();
    for way in passages(network, from, to, traffic) {
        let accepted = way.accepted();
        for gate in &way.gates {
            let GateKind::SecurityGroups { egress, .. } = gate.kind else {
                continue;
            };
            for (flow, element) in &gate.by {
                let Element::Rule(group, rule) = *element else {
                    continue;
                };
                let share = accepted.iter().map(|passed| passed.intersection(flow));
                let flows: FlowSet = share.collect();
                if !flows.is_empty() {
                    found.push(Passed {
                        group,
                        rule,
                        egress,
                        flows,
                    });
                }
            }
        }
    }
    found
}
