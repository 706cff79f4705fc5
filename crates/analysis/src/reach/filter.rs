//! What do security groups and network ACLs let pass?

use model::{LogicalId, NetworkAcl, NetworkAclEntry, Peer, SecurityGroup, SecurityGroupRule};

use super::network::Network;
use crate::set::{AddressSet, Flow, FlowSet, Ranges, TrafficSet};

/// The far side of a filter: its addresses, and the groups it carries when it
/// is an interface. Only private addresses match a reference to a group.
#[derive(Clone, Copy, Debug)]
pub(super) struct Far<'f> {
    pub(super) addresses: &'f AddressSet,
    pub(super) groups: &'f [LogicalId],
}

/// What passed, and which element let how much of it pass.
#[derive(Debug)]
pub(super) struct Admitted<T> {
    pub(super) flows: FlowSet,
    pub(super) by: Vec<(Flow, T)>,
}

impl<T> Default for Admitted<T> {
    fn default() -> Self {
        Self {
            flows: FlowSet::none(),
            by: Vec::new(),
        }
    }
}

/// The union of the rules of all groups, for one direction.
pub(super) fn groups<'a>(
    network: &Network<'a>,
    groups: &[LogicalId],
    egress: bool,
    far: Far<'_>,
) -> Admitted<(&'a SecurityGroup, &'a SecurityGroupRule)> {
    let mut admitted = Admitted::default();
    let mut halves: Vec<Flow> = Vec::new();
    for group in groups.iter().filter_map(|id| network.group(id)) {
        let rules = if egress {
            &group.egress
        } else {
            &group.ingress
        };
        for rule in rules {
            let peer = match &rule.peer {
                Peer::Cidr(block) => AddressSet::v4(*block),
                Peer::Cidr6(block) => AddressSet::v6(*block),
                Peer::PrefixList(id) => network.prefix_list(id),
                Peer::SecurityGroup(id) if far.groups.contains(id) => far.addresses.clone(),
                Peer::SecurityGroup(_) | Peer::Other(_) => continue,
            };
            let traffic = TrafficSet::from(rule.traffic);
            let flow = Flow::new(peer.intersection(far.addresses), traffic.clone());
            if matches!(rule.peer, Peer::Cidr(_)) && !far.addresses.lists.is_empty() {
                halves.push(Flow::new(peer, traffic));
            }
            if !flow.is_empty() {
                admitted.flows.push(flow.clone());
                admitted.by.push((flow, (group, rule)));
            }
        }
    }
    // Blocks that are the world only together hold every prefix list.
    for flow in halves.into_iter().collect::<FlowSet>().iter() {
        let whole = flow.addresses.clone().widened().intersection(far.addresses);
        admitted.flows.push(Flow::new(whole, flow.traffic.clone()));
    }
    admitted
}

/// The first entry that matches decides; without any, nothing passes.
/// `None` for the ACL is the default one: everything passes.
pub(super) fn acl<'a>(
    acl: Option<&'a NetworkAcl>,
    egress: bool,
    asked: &FlowSet,
) -> Admitted<&'a NetworkAclEntry> {
    let Some(acl) = acl else {
        return Admitted {
            flows: asked.clone(),
            by: Vec::new(),
        };
    };
    let mut admitted = Admitted::default();
    let mut rest = asked.clone();
    for entry in acl.entries.iter().filter(|entry| entry.egress == egress) {
        let blocks = entry.cidr.map(AddressSet::v4).into_iter();
        let blocks = blocks.chain(entry.cidr6.map(AddressSet::v6));
        let addresses = blocks.fold(AddressSet::none(), |set, block| set.union(&block));
        let matched = FlowSet::of(addresses, TrafficSet::from(entry.traffic));
        if entry.allow {
            let passed = rest.intersection(&matched);
            for flow in passed.iter() {
                admitted.by.push((flow.clone(), entry));
            }
            admitted.flows = admitted.flows.union(&passed);
        }
        rest = rest.difference(&matched);
        if rest.is_empty() {
            break;
        }
    }
    admitted
}

/// The part of `asked` whose replies an ACL lets pass. A reply goes to the
/// client's ephemeral port; a connection counts when every port of that range
/// may be answered.
pub(super) fn replies(
    network_acl: Option<&NetworkAcl>,
    egress: bool,
    asked: &FlowSet,
    ephemeral: &Ranges<u16>,
) -> FlowSet {
    if network_acl.is_none() {
        return asked.clone();
    }
    let mut answered = FlowSet::none();
    for flow in asked.iter() {
        for (forward, reply) in exchanges(&flow.traffic, ephemeral) {
            let question = FlowSet::of(flow.addresses.clone(), reply);
            let passed = acl(network_acl, egress, &question).flows;
            let refused = question.difference(&passed).addresses();
            answered.push(Flow::new(flow.addresses.difference(&refused), forward));
        }
    }
    answered
}

/// Each part of some traffic with what answers it.
fn exchanges(traffic: &TrafficSet, ephemeral: &Ranges<u16>) -> Vec<(TrafficSet, TrafficSet)> {
    let none = TrafficSet::none;
    let (echo, echo6) = (Ranges::one(8 << 8), Ranges::one(128 << 8));
    let tcp = TrafficSet {
        tcp: traffic.tcp.clone(),
        ..none()
    };
    let udp = TrafficSet {
        udp: traffic.udp.clone(),
        ..none()
    };
    let ping = TrafficSet {
        icmp: traffic.icmp.intersection(&echo),
        ..none()
    };
    let ping6 = TrafficSet {
        icmpv6: traffic.icmpv6.intersection(&echo6),
        ..none()
    };
    let silent = TrafficSet {
        icmp: traffic.icmp.difference(&echo),
        icmpv6: traffic.icmpv6.difference(&echo6),
        ..none()
    };
    let other = TrafficSet {
        other: traffic.other.clone(),
        ..none()
    };
    let pairs = [
        (
            tcp,
            TrafficSet {
                tcp: ephemeral.clone(),
                ..none()
            },
        ),
        (
            udp,
            TrafficSet {
                udp: ephemeral.clone(),
                ..none()
            },
        ),
        (
            ping,
            TrafficSet {
                icmp: Ranges::one(0),
                ..none()
            },
        ),
        (
            ping6,
            TrafficSet {
                icmpv6: Ranges::one(129 << 8),
                ..none()
            },
        ),
        (silent, none()),
        (other.clone(), other),
    ];
    pairs
        .into_iter()
        .filter(|(forward, _)| !forward.is_empty())
        .collect()
}

#[cfg(test)]
mod tests;
