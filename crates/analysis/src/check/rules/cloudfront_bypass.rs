//! Load balancers behind CloudFront that can be asked without it.
//!
//! ## What it does
//! For each load balancer that is a distribution's origin: can the internet reach a listener that
//! forwards, without knowing the secret header the distribution adds? And if only CloudFront can
//! reach it: would anybody else's distribution do?
//!
//! ## Why is this bad
//! Everything the distribution adds (TLS policy, WAF, limits) is optional for whoever finds the
//! load balancer's name. CloudFront's address list admits every customer's distribution.
//!
//! ## Example
//! ```yaml
//! SecurityGroupIngress:
//!   - { IpProtocol: tcp, FromPort: 443, ToPort: 443, CidrIp: 0.0.0.0/0 }
//! ```
//!
//! ## Use instead
//! The prefix list `com.amazonaws.global.cloudfront.origin-facing` as the source, and a listener
//! rule condition on a header with a generated secret that only the distribution sends.
//!
//! ## References
//! - CloudFront Developer Guide, "Restrict access to Application Load Balancers"

use std::collections::BTreeSet;

use model::{Action, Distribution, Listener, ListenerRule, LoadBalancer, OriginKind, RuleCondition};

use super::super::{Facts, Finding, Severity};
use crate::reach::{End, balancer_named, connect};
use crate::set::TrafficSet;

pub(super) fn run(facts: &Facts<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for distribution in facts.model.distributions.values() {
        for origin in &distribution.origins {
            if !matches!(origin.kind, OriginKind::Custom { .. }) {
                continue;
            }
            if let Some(balancer) = balancer_named(&facts.network, &origin.domain_name) {
                let headers = secret_headers(distribution);
                findings.extend(balancer_findings(facts, distribution, balancer, &headers));
            }
        }
    }
    findings
}

/// The headers a distribution adds with a value people do not know.
fn secret_headers(distribution: &Distribution) -> BTreeSet<String> {
    let origins = distribution.origins.iter();
    let headers = origins.flat_map(|origin| &origin.custom_headers);
    headers.map(|(name, _)| name.to_ascii_lowercase()).collect()
}

fn balancer_findings(
    facts: &Facts<'_>,
    distribution: &Distribution,
    balancer: &LoadBalancer,
    headers: &BTreeSet<String>,
) -> Option<Finding> {
    for listener in &balancer.listeners {
        let Some(open) = forwards_without(listener, headers) else {
            continue;
        };
        for eni in facts.model.enis_of(&balancer.id) {
            let ports = TrafficSet::tcp(listener.port);
            let direct = connect(&facts.network, &End::internet(), &End::Eni(eni), &ports);
            let (id, port) = (&balancer.id, listener.port);
            if direct.is_accepted() {
                let message = format!(
                    "{id} forwards requests on port {port} that do not come through {}",
                    distribution.id
                );
                let rule = direct.hops.iter().rev().find_map(|hop| hop.provenance.as_ref());
                return Some(
                    Finding::at(rule.unwrap_or(&listener.provenance), message)
                        .with_related(Some(open), "forwards without the distribution's header")
                        .with_hint("admit CloudFront's prefix list only, and demand a secret header"),
                );
            }
            let edge = End::cloudfront(&facts.network);
            if connect(&facts.network, &edge, &End::Eni(eni), &ports).is_accepted() {
                let message =
                    format!("{id} forwards requests on port {port} of anybody's distribution");
                return Some(
                    Finding::at(open, message)
                        .at_most(Severity::Warning)
                        .with_hint("demand a secret header that only your distribution sends"),
                );
            }
        }
    }
    None
}

/// The place of a rule or default that forwards without a secret header.
fn forwards_without<'l>(
    listener: &'l Listener,
    headers: &BTreeSet<String>,
) -> Option<&'l cfn::Provenance> {
    let forwards = |actions: &[Action]| {
        actions.iter().any(|action| matches!(action, Action::Forward(_) | Action::Other(_)))
    };
    let demands = |rule: &&ListenerRule| {
        rule.conditions.iter().any(|condition| match condition {
            RuleCondition::HttpHeader { name, .. } => headers.contains(&name.to_ascii_lowercase()),
            _ => false,
        })
    };
    let mut open = listener.rules.iter().filter(|rule| forwards(&rule.actions) && !demands(rule));
    if let Some(rule) = open.next() {
        return Some(&rule.provenance);
    }
    forwards(&listener.default_actions).then_some(&listener.provenance)
}
