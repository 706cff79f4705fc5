//! Interfaces that anybody on the internet can open a connection to.
//!
//! ## What it does
//! Computes which traffic from the internet passes gateway, routes, network ACLs and security
//! groups to each interface. Anything but a listener's port of a load balancer is reported.
//!
//! ## Why is this bad
//! Whatever listens there is one vulnerability away from everybody. A port of a load balancer that
//! no listener serves is open for whatever is put there next.
//!
//! ## Example
//! ```yaml
//! SecurityGroupIngress:
//!   - { IpProtocol: tcp, FromPort: 22, ToPort: 22, CidrIp: 0.0.0.0/0 }
//! ```
//!
//! ## Use instead
//! A load balancer in front, Session Manager for people, and `SourceSecurityGroupId` between parts.
//!
//! ## References
//! - Amazon VPC User Guide, "Internet gateways", "Security groups"

use model::{EniKind, LoadBalancer};

use super::super::{Facts, Finding};
use crate::reach::{End, connect, on_port};
use crate::set::TrafficSet;

pub(super) fn run(facts: &Facts<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for class in &facts.classes.classes {
        let eni = class.representative();
        let served = match eni.kind {
            // a network load balancer drops what no listener asks for
            EniKind::LoadBalancer if eni.security_groups.is_empty() => continue,
            EniKind::LoadBalancer => facts
                .model
                .load_balancers
                .get(&eni.owner)
                .map(listeners)
                .unwrap_or_default(),
            EniKind::NatGateway => continue,
            _ => TrafficSet::none(),
        };
        let asked = TrafficSet::all().difference(&served);
        let verdict = connect(&facts.network, &End::internet(), &End::Eni(eni), &asked);
        if !verdict.is_accepted() {
            continue;
        }
        let rule = verdict.hops.iter().rev().find_map(|hop| hop.provenance.as_ref());
        let owner = facts.model.stack.resources.get(eni.owner.as_str());
        let owner = owner.map(|resource| &resource.provenance.0);
        let Some(place) = rule.or(owner) else { continue };
        let (traffic, sources) = (verdict.accepted.traffic(), verdict.accepted.addresses());
        let message = if eni.kind == EniKind::LoadBalancer {
            format!("{} is open to {sources} for {traffic}, where it has no listener", eni.owner)
        } else {
            format!("{} can be reached from {sources} with {traffic}", eni.owner)
        };
        findings.push(Finding::at(place, message).with_related(owner, "it has a public address"));
    }
    findings
}

fn listeners(balancer: &LoadBalancer) -> TrafficSet {
    let ports = balancer.listeners.iter();
    let ports = ports.map(|listener| on_port(&listener.protocol, listener.port));
    ports.fold(TrafficSet::none(), |all, port| all.union(&port))
}
