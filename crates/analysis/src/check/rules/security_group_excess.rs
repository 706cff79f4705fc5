//! Security group rules that let more through than anything calls for.
//!
//! ## What it does
//! With an intent file beside the template: works out which addresses and ports of each rule the
//! allowed intents, the workloads' needs, load balancers and distributions make use of, under each
//! value of the template's switches, and takes them from what the rule lets through. What remains is
//! reported, as sets: nothing is sampled. Rules that nothing uses at all are `unneeded`; what AWS adds to
//! a group without egress rules is asked about like any other rule.
//!
//! ## Why is this bad
//! The remainder is open to whoever gets into the other side, and nobody meant it to be.
//!
//! ## Example
//! ```yaml
//! - { IpProtocol: tcp, FromPort: 0, ToPort: 65535, SourceSecurityGroupId: !Ref AppSecurityGroup }
//! ```
//!
//! ## Use instead
//! The ports that are listened on, from the group that connects to them; or an intent that says who else
//! is meant to.
//!
//! ## References
//! - Amazon VPC User Guide, "Security group rules"

use std::collections::BTreeMap;

use model::{Eni, EniKind, Model, Peer, SecurityGroup, SecurityGroupRule};

use super::super::{Facts, Finding};
use crate::called::{RuleKey, called, whole};
use crate::set::{AddressSet, Flow, FlowSet, TrafficSet};

pub(super) fn run(facts: &Facts<'_>) -> Vec<Finding> {
    if facts.intent.is_none() || facts.alternatives.is_empty() {
        return Vec::new();
    }
    let wanted = called(facts);
    let asks = |model: &Model| {
        rules(model).any(|(group, rule, egress)| {
            let key = RuleKey::new(group, rule, egress);
            let nothing = FlowSet::none();
            !facts.model.security_groups.contains_key(&group.id)
                || beyond(facts, group, rule, egress, wanted.get(&key).unwrap_or(&nothing)).is_some()
        })
    };
    // What one system calls for is enough for the same rules in all of them.
    if !facts.alternatives.iter().any(|model| asks(model)) {
        return Vec::new();
    }
    among_all(facts)
}

/// The excess of each rule over what is called for under any combination.
fn among_all(facts: &Facts<'_>) -> Vec<Finding> {
    let mut wanted: BTreeMap<RuleKey, FlowSet> = BTreeMap::new();
    let mut findings: BTreeMap<RuleKey, Finding> = BTreeMap::new();
    let alternatives: Vec<Facts<'_>> = facts
        .alternatives
        .iter()
        .map(|model| Facts::new(model).with_intent(facts.intent))
        .collect();
    for alternative in &alternatives {
        for (key, flows) in called(alternative) {
            let all = wanted.entry(key).or_default();
            *all = all.union(&flows);
        }
    }
    for alternative in &alternatives {
        for (group, rule, egress) in rules(alternative.model) {
            let key = RuleKey::new(group, rule, egress);
            if let Some(wanted) = wanted.get(&key)
                && let Some(finding) = beyond(alternative, group, rule, egress, wanted)
            {
                findings.entry(key).or_insert(finding);
            }
        }
    }
    findings.into_values().collect()
}

/// Every rule with its group, and whether it is about what leaves.
fn rules(model: &Model) -> impl Iterator<Item = (&SecurityGroup, &SecurityGroupRule, bool)> {
    model.security_groups.values().flat_map(|group| {
        let ingress = group.ingress.iter().map(|rule| (rule, false));
        let all = ingress.chain(group.egress.iter().map(|rule| (rule, true)));
        all.map(move |(rule, egress)| (group, rule, egress))
    })
}

/// What a rule lets through beyond what is wanted of it.
fn beyond(
    facts: &Facts<'_>,
    group: &SecurityGroup,
    rule: &SecurityGroupRule,
    egress: bool,
    wanted: &FlowSet,
) -> Option<Finding> {
    let traffic = TrafficSet::from(rule.traffic);
    let peer = match &rule.peer {
        Peer::Cidr(block) => AddressSet::v4(*block),
        Peer::Cidr6(block) => AddressSet::v6(*block),
        Peer::PrefixList(id) => facts.network.prefix_list(id),
        // Who is in a group is the group's business: ports are what can be too many.
        Peer::SecurityGroup(_) => wanted.addresses(),
        Peer::Other(_) => return None,
    };
    let opens = |kind: EniKind| !matches!(kind, EniKind::Endpoint | EniKind::Database | EniKind::NatGateway);
    let mut members = facts.network.members(&group.id).iter();
    let is_used = members.any(|id| {
        let eni = facts.model.enis.get(*id);
        let speaks = |eni: &Eni| !matches!(rule.peer, Peer::Cidr6(_)) || eni.address6.is_some();
        eni.is_some_and(|eni| speaks(eni) && (!egress || opens(eni.kind)))
    });
    if !is_used {
        return None;
    }
    let wanted: FlowSet = match &rule.peer {
        Peer::SecurityGroup(_) => FlowSet::of(peer.clone(), wanted.traffic()),
        _ => wanted.clone(),
    };
    let rest = FlowSet::of(whole(peer), traffic.clone()).difference(&wanted);
    if rest.is_empty() {
        return None;
    }
    let is_group = matches!(rule.peer, Peer::SecurityGroup(_));
    let direction = if egress { "out of" } else { "into" };
    let side = if egress { "to" } else { "from" };
    let mut parts: Vec<String> = rest
        .iter()
        .map(|flow| match is_group {
            true => flow.traffic.to_string(),
            false => format!("{} {side} {}", flow.traffic, flow.addresses),
        })
        .collect();
    let is_anything = |flow: &Flow| flow.traffic.is_all() && flow.addresses.is_world_v4();
    if rest.iter().any(is_anything) {
        parts = vec![format!("everything else {side} anywhere")];
    }
    let message = format!(
        "the rule that lets {traffic} {direction} {} is called for with {}; beyond that it lets through {}",
        group.id,
        wanted.traffic(),
        parts.join("; and ")
    );
    Some(Finding::at(&rule.provenance, message))
}
