//! From load balancers of the template to what a load balancer does.

use std::collections::BTreeMap;
use std::time::Duration;

use http::StatusCode;
use model::{CertificateReference, Model};

use super::fault::Faults;
use crate::blueprint::balancer::{
    Action, Algorithm, Attributes, Condition, DesyncMitigation, FixedResponse, ForwardedFor,
    HealthCheck, Listener, ListenerProtocol, LoadBalancer, QueryPattern, Redirect, Rule,
    TargetGroup, TargetGroupName, TlsVersions, WeightedTargetGroup,
};
use crate::blueprint::distribution::SecretText;

pub(super) fn balancer(
    model: &Model,
    balancer: &model::LoadBalancer,
    faults: &mut Faults,
) -> LoadBalancer {
    let mut listeners: Vec<_> = balancer
        .listeners
        .iter()
        .filter_map(|listener| self::listener(model, listener, faults))
        .collect();
    listeners.sort_by_key(|listener| listener.port);
    let mut target_groups = BTreeMap::new();
    for group in model.target_groups.values() {
        if let Some(planned) = target_group(group, faults) {
            target_groups.insert(TargetGroupName(group.id.to_string()), planned);
        }
    }
    let arn_suffix = balancer
        .arn
        .split_once(":loadbalancer/")
        .map_or("", |(_, suffix)| suffix);
    LoadBalancer {
        arn_suffix: arn_suffix.to_owned(),
        listeners,
        target_groups,
        attributes: attributes(balancer),
    }
}

fn attributes(balancer: &model::LoadBalancer) -> Attributes {
    let defaults = Attributes::default();
    let flag = |key: &str, default: bool| {
        balancer
            .attribute(key)
            .map_or(default, |value| value.eq_ignore_ascii_case("true"))
    };
    let seconds = |key: &str, default: Duration| {
        let value = balancer.attribute(key).and_then(|value| value.parse().ok());
        value.map_or(default, Duration::from_secs)
    };
    Attributes {
        idle_timeout: seconds("idle_timeout.timeout_seconds", defaults.idle_timeout),
        client_keep_alive: seconds("client_keep_alive.seconds", defaults.client_keep_alive),
        http2: flag("routing.http2.enabled", defaults.http2),
        drop_invalid_header_fields: flag(
            "routing.http.drop_invalid_header_fields.enabled",
            defaults.drop_invalid_header_fields,
        ),
        desync_mitigation: match balancer.attribute("routing.http.desync_mitigation_mode") {
            Some("monitor") => DesyncMitigation::Monitor,
            Some("strictest") => DesyncMitigation::Strictest,
            _ => DesyncMitigation::Defensive,
        },
        preserve_host_header: flag("routing.http.preserve_host_header.enabled", false),
        forwarded_for: match balancer.attribute("routing.http.xff_header_processing.mode") {
            Some("preserve") => ForwardedFor::Preserve,
            Some("remove") => ForwardedFor::Remove,
            _ => ForwardedFor::Append,
        },
        forwarded_client_port: flag("routing.http.xff_client_port.enabled", false),
        tls_headers: flag(
            "routing.http.x_amzn_tls_version_and_cipher_suite.enabled",
            false,
        ),
    }
}

fn listener(model: &Model, listener: &model::Listener, faults: &mut Faults) -> Option<Listener> {
    let protocol = match listener.protocol.as_str() {
        "HTTP" => ListenerProtocol::Http,
        "HTTPS" => https(model, listener, faults)?,
        other => {
            let message = format!("listener protocol `{other}` is not run here");
            faults.add(message, &listener.provenance, "use HTTP or HTTPS");
            return None;
        }
    };
    let mut rules = Vec::new();
    for rule in &listener.rules {
        if let Some(action) = action(&rule.actions, &rule.provenance, faults) {
            let conditions = rule.conditions.iter();
            let conditions = conditions.filter_map(|c| condition(c, &rule.provenance, faults));
            let conditions = conditions.collect();
            rules.push(Rule {
                priority: rule.priority,
                conditions,
                action,
            });
        }
    }
    let default_action = action(&listener.default_actions, &listener.provenance, faults)?;
    Some(Listener {
        port: listener.port,
        protocol,
        rules,
        default_action,
    })
}

fn https(
    model: &Model,
    listener: &model::Listener,
    faults: &mut Faults,
) -> Option<ListenerProtocol> {
    // (ELB User Guide, "Security policies": the default of an HTTPS listener)
    let policy = listener
        .ssl_policy
        .as_deref()
        .unwrap_or("ELBSecurityPolicy-2016-08");
    let versions = match policy.parse::<TlsVersions>() {
        Ok(versions) => versions,
        Err(unknown) => {
            faults.add(
                unknown.to_string(),
                &listener.provenance,
                "use one of ELB's own, such as ELBSecurityPolicy-TLS13-1-2-2021-06",
            );
            return None;
        }
    };
    let mut certificate_names = Vec::new();
    for certificate in &listener.certificates {
        match certificate {
            CertificateReference::Local(id) => {
                let names = model
                    .certificates
                    .get(id)
                    .map(|certificate| &certificate.names);
                certificate_names.extend(names.into_iter().flatten().cloned());
            }
            CertificateReference::External(arn) => faults.add(
                format!("certificate `{arn}` is not in the template, so its names are unknown"),
                &listener.provenance,
                "define it as an `AWS::CertificateManager::Certificate`",
            ),
        }
    }
    Some(ListenerProtocol::Https {
        versions,
        certificate_names,
    })
}

fn condition(
    condition: &model::RuleCondition,
    provenance: &cfn::Provenance,
    faults: &mut Faults,
) -> Option<Condition> {
    use model::RuleCondition as From;
    Some(match condition {
        From::PathPattern(values) => Condition::PathPattern(values.clone()),
        From::HostHeader(values) => Condition::HostHeader(values.clone()),
        From::HttpHeader { name, values } => Condition::HttpHeader {
            name: name.clone(),
            values: values.iter().cloned().map(SecretText).collect(),
        },
        From::HttpRequestMethod(values) => Condition::HttpRequestMethod(values.clone()),
        From::QueryString(pairs) => {
            let pairs = pairs.iter().cloned();
            Condition::QueryString(
                pairs
                    .map(|(key, value)| QueryPattern { key, value })
                    .collect(),
            )
        }
        From::SourceIp(blocks) => {
            let parsed: Result<Vec<_>, _> = blocks.iter().map(|block| block.parse()).collect();
            match parsed {
                Ok(blocks) => Condition::SourceIp(blocks),
                Err(_) => {
                    faults.add(
                        "a source-ip condition holds no CIDR block",
                        provenance,
                        "write blocks such as 203.0.113.0/24",
                    );
                    return None;
                }
            }
        }
    })
}

/// The action that decides; a load balancer without authentication has one.
fn action(
    actions: &[model::Action],
    provenance: &cfn::Provenance,
    faults: &mut Faults,
) -> Option<Action> {
    let [action] = actions else {
        faults.add(
            "a listener or rule needs exactly one action here",
            provenance,
            "leave the one that decides: forward, redirect or fixed-response",
        );
        return None;
    };
    let status = |code: u16| StatusCode::from_u16(code).unwrap_or(StatusCode::OK);
    Some(match action {
        model::Action::Forward(groups) => {
            let group = |(id, weight): &(model::LogicalId, u32)| WeightedTargetGroup {
                group: TargetGroupName(id.to_string()),
                weight: *weight,
            };
            Action::Forward(groups.iter().map(group).collect())
        }
        model::Action::Redirect {
            protocol,
            host,
            port,
            path,
            query,
            status: code,
        } => Action::Redirect(Redirect {
            protocol: protocol.clone(),
            host: host.clone(),
            port: port.clone(),
            path: path.clone(),
            query: query.clone(),
            status: status(*code),
        }),
        model::Action::FixedResponse {
            status: code,
            content_type,
            body,
        } => Action::FixedResponse(FixedResponse {
            status: status(*code),
            content_type: Some(content_type.clone()),
            body: body.clone(),
        }),
        model::Action::Other(kind) => {
            faults.add(
                format!("listener action `{kind}` is not run here"),
                provenance,
                "use forward, redirect or fixed-response",
            );
            return None;
        }
    })
}

fn target_group(group: &model::TargetGroup, faults: &mut Faults) -> Option<TargetGroup> {
    if group.protocol != "HTTP" {
        let message = format!("target group protocol `{}` is not run here", group.protocol);
        faults.add(message, &group.provenance, "set `Protocol: HTTP`");
        return None;
    }
    let check = &group.health_check;
    let matcher = match check.matcher.parse() {
        Ok(matcher) => matcher,
        Err(fault) => {
            let fault: crate::blueprint::balancer::MatcherError = fault;
            faults.add(
                fault.to_string(),
                &group.provenance,
                "write codes as in `200`, `200,202` or `200-299`",
            );
            return None;
        }
    };
    let seconds = |seconds: u32| Duration::from_secs(u64::from(seconds));
    Some(TargetGroup {
        arn: group.arn.clone(),
        port: group.port,
        algorithm: match group.algorithm.as_str() {
            "least_outstanding_requests" => Algorithm::LeastOutstandingRequests,
            _ => Algorithm::RoundRobin,
        },
        deregistration_delay: seconds(group.deregistration_delay_s),
        health_check: HealthCheck {
            port: check.port,
            path: check.path.clone(),
            interval: seconds(check.interval_s),
            timeout: seconds(check.timeout_s),
            healthy_threshold: check.healthy_threshold,
            unhealthy_threshold: check.unhealthy_threshold,
            matcher,
        },
    })
}
