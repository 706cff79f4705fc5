//! Origins asked on a port nobody serves, or that redirects to itself.
//!
//! ## What it does
//! Follows CloudFront's protocol and port to the load balancer's listeners.
//!
//! ## Why is this bad
//! A listener that answers every request of CloudFront with a redirect to HTTPS sends the viewer back
//! to CloudFront, which asks the listener again: an endless loop. A port without a listener is a
//! 504.
//!
//! ## Example
//! `OriginProtocolPolicy: http-only` against a load balancer whose port 80 redirects to HTTPS.
//!
//! ## Use instead
//! `OriginProtocolPolicy: https-only`.
//!
//! ## References
//! - CloudFront Developer Guide, "Origin settings: Protocol"

use model::{Action, Listener, OriginKind};

use super::super::{Facts, Finding};
use crate::reach::{balancer_named, origin_ports};

pub(super) fn run(facts: &Facts<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    let origins = facts.model.distributions.values().flat_map(|one| &one.origins);
    for origin in origins.filter(|origin| matches!(origin.kind, OriginKind::Custom { .. })) {
        let Some(balancer) = balancer_named(&facts.network, &origin.domain_name) else {
            continue;
        };
        for (port, _) in origin_ports(origin).tcp.iter() {
            let listener = balancer.listeners.iter().find(|listener| listener.port == port);
            let message = match listener {
                None => format!(
                    "CloudFront asks {} on port {port}, where it has no listener",
                    balancer.id
                ),
                Some(listener) if only_redirects(listener) => format!(
                    "CloudFront asks {} on port {port}, where every answer is a redirect",
                    balancer.id
                ),
                Some(_) => continue,
            };
            let place = listener.map(|listener| &listener.provenance);
            findings.push(
                Finding::at(&origin.provenance, message)
                    .with_related(place, "the listener")
                    .with_hint("set `OriginProtocolPolicy: https-only`"),
            );
        }
    }
    findings
}

fn only_redirects(listener: &Listener) -> bool {
    let redirects = |actions: &[Action]| {
        actions.iter().any(|action| matches!(action, Action::Redirect { protocol, .. } if protocol == "HTTPS"))
    };
    redirects(&listener.default_actions)
        && listener.rules.iter().all(|rule| redirects(&rule.actions))
}
