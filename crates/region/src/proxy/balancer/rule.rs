//! Which rule takes a request.
//!
//! Elastic Load Balancing user guide, "Condition types for listener rules".
//! Pure: a request's parts in, a rule out.

use std::net::IpAddr;

use http::request::Parts;

use crate::blueprint::balancer::{Condition, Listener, QueryPattern, Rule};
use crate::proxy::headers::split_host;
use crate::proxy::pattern::wildcard;

/// What rules look at.
pub(super) struct Asked<'a> {
    pub(super) parts: &'a Parts,
    /// With port, as the client sent it.
    pub(super) authority: &'a str,
    pub(super) source: IpAddr,
}

/// The rule with the lowest priority number that holds; `None` means the default action.
pub(super) fn matching<'a>(listener: &'a Listener, asked: &Asked<'_>) -> Option<&'a Rule> {
    listener
        .rules
        .iter()
        .filter(|rule| {
            rule.conditions
                .iter()
                .all(|condition| holds(condition, asked))
        })
        .min_by_key(|rule| rule.priority)
}

fn holds(condition: &Condition, asked: &Asked<'_>) -> bool {
    match condition {
        Condition::PathPattern(patterns) => {
            let path = asked.parts.uri.path();
            patterns
                .iter()
                .any(|pattern| wildcard(pattern.as_bytes(), path.as_bytes()))
        }
        Condition::HostHeader(patterns) => {
            let (host, _) = split_host(asked.authority);
            patterns
                .iter()
                .any(|pattern| wildcard_ignoring_case(pattern, host.as_bytes()))
        }
        Condition::HttpHeader { name, values } => {
            let sent = asked.parts.headers.get_all(name.as_str());
            sent.iter().any(|sent| {
                values
                    .iter()
                    .any(|pattern| wildcard_ignoring_case(&pattern.0, sent.as_bytes()))
            })
        }
        Condition::HttpRequestMethod(methods) => methods
            .iter()
            .any(|method| asked.parts.method.as_str() == method),
        Condition::QueryString(patterns) => {
            let query = asked.parts.uri.query().unwrap_or_default();
            query_holds(patterns, query)
        }
        Condition::SourceIp(ranges) => ranges.iter().any(|range| range.contains(&asked.source)),
    }
}

fn query_holds(patterns: &[QueryPattern], query: &str) -> bool {
    query
        .split('&')
        .filter(|pair| !pair.is_empty())
        .any(|pair| {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            patterns.iter().any(|pattern| {
                let key_holds = pattern
                    .key
                    .as_ref()
                    .is_none_or(|wanted| wildcard_ignoring_case(wanted, key.as_bytes()));
                key_holds && wildcard_ignoring_case(&pattern.value, value.as_bytes())
            })
        })
}

fn wildcard_ignoring_case(pattern: &str, text: &[u8]) -> bool {
    wildcard(
        pattern.to_ascii_lowercase().as_bytes(),
        &text.to_ascii_lowercase(),
    )
}

#[cfg(test)]
mod tests;
