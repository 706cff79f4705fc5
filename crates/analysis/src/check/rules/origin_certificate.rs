//! Origins asked by a name their certificate does not cover.
//!
//! ## What it does
//! For each custom origin that CloudFront asks over HTTPS and that is a load balancer of the
//! template, compares the origin's host name with the names on the listener's certificates.
//!
//! ## Why is this bad
//! CloudFront verifies the certificate of the name it connects to and answers 502 to everyone when
//! it does not match. No certificate of yours can cover `….elb.amazonaws.com`.
//!
//! ## Example
//! ```yaml
//! DomainName: !GetAtt LoadBalancer.DNSName
//! CustomOriginConfig: { OriginProtocolPolicy: https-only }
//! ```
//!
//! ## Use instead
//! A record of your own zone that points at the load balancer, and a certificate for it.
//!
//! ## References
//! - CloudFront Developer Guide, "Require HTTPS for communication between CloudFront and your custom
//!   origin"

use model::{Certificate, CertificateReference, Listener, OriginKind};

use super::super::{Facts, Finding};
use crate::reach::{balancer_named, origin_ports};

pub(super) fn run(facts: &Facts<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    let origins = facts.model.distributions.values().flat_map(|one| &one.origins);
    for origin in origins {
        let OriginKind::Custom { protocol_policy, .. } = &origin.kind else {
            continue;
        };
        if protocol_policy == "http-only" {
            continue;
        }
        let name = origin.domain_name.as_str();
        let Some(balancer) = balancer_named(&facts.network, name) else {
            continue;
        };
        let ports = origin_ports(origin);
        let asked = |listener: &&Listener| {
            listener.protocol == "HTTPS" && ports.tcp.contains(listener.port)
        };
        for listener in balancer.listeners.iter().filter(asked) {
            let Some(certificates) = certificates(facts, listener) else {
                // A certificate from outside the template: only its own-name case is certain.
                if name == balancer.dns_name {
                    findings.push(mismatch(origin, listener, "any certificate of yours"));
                }
                continue;
            };
            let names: Vec<&String> = certificates.iter().flat_map(|one| &one.names).collect();
            if !names.iter().any(|pattern| covers(pattern, name)) {
                let list: Vec<&str> = names.iter().map(|name| name.as_str()).collect();
                findings.push(mismatch(origin, listener, &list.join(", ")));
            }
        }
    }
    findings
}

fn mismatch(origin: &model::Origin, listener: &Listener, names: &str) -> Finding {
    let message = format!(
        "CloudFront asks `{}`, but the certificate of {} is for {names}",
        origin.domain_name, listener.id
    );
    Finding::at(&origin.provenance, message)
        .with_related(Some(&listener.provenance), "the listener")
        .with_hint("give the origin a name in your zone that the certificate covers")
}

/// The certificates, when all of them are of the template.
fn certificates<'a>(facts: &Facts<'a>, listener: &Listener) -> Option<Vec<&'a Certificate>> {
    let local = |reference: &CertificateReference| match reference {
        CertificateReference::Local(id) => facts.model.certificates.get(id),
        CertificateReference::External(_) => None,
    };
    listener.certificates.iter().map(local).collect()
}

/// A wildcard stands for one label. (RFC 6125, section 6.4.3)
fn covers(pattern: &str, name: &str) -> bool {
    match pattern.strip_prefix("*.") {
        Some(rest) => name.split_once('.').is_some_and(|(_, tail)| tail.eq_ignore_ascii_case(rest)),
        None => pattern.eq_ignore_ascii_case(name),
    }
}
