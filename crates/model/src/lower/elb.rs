//! Load balancers, listeners, rules, target groups.

use crate::reader::{Lowering, Reader};
use crate::{
    Action, CertificateReference, HealthCheck, Listener, ListenerRule, LoadBalancer,
    LoadBalancerKind, LogicalId, Model, RuleCondition, TargetGroup,
};

const TARGET_GROUP: &[&str] = &["AWS::ElasticLoadBalancingV2::TargetGroup"];
/// What can be registered with a target group by hand and has interfaces.
const REGISTERED: &[&str] = &[
    "AWS::EC2::Instance",
    "AWS::ElasticLoadBalancingV2::LoadBalancer",
    "AWS::Lambda::Function",
];
const CERTIFICATE: &[&str] = &["AWS::CertificateManager::Certificate"];

pub(super) fn lower(lowering: &Lowering<'_>, model: &mut Model) {
    for resource in lowering.resources("AWS::ElasticLoadBalancingV2::TargetGroup") {
        let group = target_group(lowering, &lowering.reader(resource), &resource.logical_id);
        model.target_groups.insert(group.id.clone(), group);
    }
    for resource in lowering.resources("AWS::ElasticLoadBalancingV2::LoadBalancer") {
        let balancer = load_balancer(lowering, &lowering.reader(resource), &resource.logical_id);
        model.load_balancers.insert(balancer.id.clone(), balancer);
    }
    for resource in lowering.resources("AWS::ElasticLoadBalancingV2::Listener") {
        let properties = lowering.reader(resource);
        properties.require(&["LoadBalancerArn", "Port", "DefaultActions"]);
        let balancer = properties.reference(
            "LoadBalancerArn",
            &["AWS::ElasticLoadBalancingV2::LoadBalancer"],
        );
        let listener = listener(lowering, &properties, &resource.logical_id);
        let balancer = balancer.and_then(|id| model.load_balancers.get_mut(&id));
        if let (Some(balancer), Some(listener)) = (balancer, listener) {
            balancer.listeners.push(listener);
        }
    }
    for resource in lowering.resources("AWS::ElasticLoadBalancingV2::ListenerRule") {
        let properties = lowering.reader(resource);
        properties.skip(&["Tags"]);
        properties.require(&["ListenerArn", "Priority", "Conditions", "Actions"]);
        let listener =
            properties.reference("ListenerArn", &["AWS::ElasticLoadBalancingV2::Listener"]);
        let rule = ListenerRule {
            id: LogicalId::new(&resource.logical_id),
            priority: properties.number("Priority").unwrap_or(u32::MAX),
            conditions: properties
                .children("Conditions")
                .iter()
                .filter_map(condition)
                .collect(),
            actions: actions(&properties, "Actions"),
            provenance: properties.provenance.clone(),
        };
        let listeners = model
            .load_balancers
            .values_mut()
            .flat_map(|b| &mut b.listeners);
        let mut listeners = listeners.filter(|found| Some(&found.id) == listener.as_ref());
        if let Some(listener) = listeners.next() {
            listener.rules.push(rule);
            listener.rules.sort_by_key(|rule| rule.priority);
        }
    }
}

fn load_balancer(lowering: &Lowering<'_>, properties: &Reader<'_>, id: &str) -> LoadBalancer {
    properties.skip(&["Tags"]);
    let attributes = properties.children("LoadBalancerAttributes");
    let mut subnets = properties.references("Subnets", &["AWS::EC2::Subnet"]);
    for mapping in properties.children("SubnetMappings") {
        mapping.skip(&["AllocationId", "IPv6Address", "PrivateIPv4Address"]);
        subnets.extend(mapping.reference("SubnetId", &["AWS::EC2::Subnet"]));
    }
    LoadBalancer {
        kind: match properties.text("Type").as_deref() {
            Some("network") => LoadBalancerKind::Network,
            Some("gateway") => LoadBalancerKind::Gateway,
            _ => LoadBalancerKind::Application,
        },
        id: LogicalId::new(id),
        arn: ref_text(lowering, id),
        name: properties.text("Name").unwrap_or_else(|| id.to_owned()),
        dns_name: attribute_text(lowering, id, "DNSName"),
        dual_stack: properties
            .text("IpAddressType")
            .is_some_and(|kind| kind.starts_with("dualstack")),
        internet_facing: properties.text("Scheme").as_deref() != Some("internal"),
        subnets,
        security_groups: properties.references("SecurityGroups", &["AWS::EC2::SecurityGroup"]),
        attributes: pairs(&attributes),
        listeners: Vec::new(),
        provenance: properties.provenance.clone(),
    }
}

fn pairs(attributes: &[Reader<'_>]) -> Vec<(String, String)> {
    let pair = |entry: &Reader<'_>| Some((entry.text("Key")?, entry.text("Value")?));
    attributes.iter().filter_map(pair).collect()
}

fn listener(lowering: &Lowering<'_>, properties: &Reader<'_>, id: &str) -> Option<Listener> {
    properties.skip(&["MutualAuthentication", "ListenerAttributes", "Tags"]);
    let certificates = properties.children("Certificates");
    let certificates = certificates
        .iter()
        .filter_map(|entry| certificate(entry, "CertificateArn"));
    Some(Listener {
        certificates: certificates.collect(),
        id: LogicalId::new(id),
        arn: ref_text(lowering, id),
        protocol: properties
            .text("Protocol")
            .unwrap_or_else(|| "HTTP".to_owned()),
        ssl_policy: properties.text("SslPolicy"),
        default_actions: actions(properties, "DefaultActions"),
        rules: Vec::new(),
        provenance: properties.provenance.clone(),
        port: properties.number("Port")?,
    })
}

/// A certificate of the template, or the ARN of one outside.
pub(super) fn certificate(entry: &Reader<'_>, key: &str) -> Option<CertificateReference> {
    let value = entry.value(key)?;
    match entry.lowering.referent(value, CERTIFICATE) {
        Some(id) => Some(CertificateReference::Local(id)),
        None => entry.text(key).map(CertificateReference::External),
    }
}

fn condition(entry: &Reader<'_>) -> Option<RuleCondition> {
    entry.require(&["Field"]);
    let field = entry.text("Field");
    // Path and host conditions have an older spelling with `Values` beside `Field`.
    let values = |config: &str| {
        let mut values = entry.texts("Values");
        values.extend(
            entry
                .child(config)
                .map(|config| config.texts("Values"))
                .unwrap_or_default(),
        );
        values
    };
    match field.as_deref()? {
        "path-pattern" => Some(RuleCondition::PathPattern(values("PathPatternConfig"))),
        "host-header" => Some(RuleCondition::HostHeader(values("HostHeaderConfig"))),
        "http-request-method" => Some(RuleCondition::HttpRequestMethod(values(
            "HttpRequestMethodConfig",
        ))),
        "source-ip" => Some(RuleCondition::SourceIp(values("SourceIpConfig"))),
        "http-header" => {
            entry.require(&["HttpHeaderConfig"]);
            let config = entry.child("HttpHeaderConfig")?;
            config.require(&["HttpHeaderName"]);
            let name = config.text("HttpHeaderName")?;
            Some(RuleCondition::HttpHeader {
                name,
                values: config.texts("Values"),
            })
        }
        "query-string" => {
            entry.require(&["QueryStringConfig"]);
            let config = entry.child("QueryStringConfig")?;
            let values = config.children("Values");
            let pair = |pair: &Reader<'_>| Some((pair.text("Key"), pair.text("Value")?));
            Some(RuleCondition::QueryString(
                values.iter().filter_map(pair).collect(),
            ))
        }
        _ => {
            let value = entry.value("Field")?;
            entry.unusable("Field", value, "not a condition of a listener rule");
            None
        }
    }
}

fn actions(properties: &Reader<'_>, key: &str) -> Vec<Action> {
    let mut actions = properties.children(key);
    actions.sort_by_key(|action| action.number("Order").unwrap_or(u32::MAX));
    actions.iter().filter_map(action).collect()
}

fn action(entry: &Reader<'_>) -> Option<Action> {
    entry.skip(&["Order"]);
    entry.require(&["Type"]);
    let kind = entry.text("Type")?;
    match kind.as_str() {
        "redirect" => entry.require(&["RedirectConfig"]),
        "fixed-response" => entry.require(&["FixedResponseConfig"]),
        _ => {}
    }
    match kind.as_str() {
        "forward" => Some(forward(entry)),
        "redirect" => entry.child("RedirectConfig").map(|config| {
            let part =
                |key: &str, default: &str| config.text(key).unwrap_or_else(|| default.to_owned());
            Action::Redirect {
                protocol: part("Protocol", "#{protocol}"),
                host: part("Host", "#{host}"),
                port: part("Port", "#{port}"),
                path: part("Path", "/#{path}"),
                query: part("Query", "#{query}"),
                status: if part("StatusCode", "HTTP_301") == "HTTP_302" {
                    302
                } else {
                    301
                },
            }
        }),
        "fixed-response" => {
            entry
                .child("FixedResponseConfig")
                .map(|config| Action::FixedResponse {
                    status: config.number("StatusCode").unwrap_or(503),
                    content_type: config
                        .text("ContentType")
                        .unwrap_or_else(|| "text/plain".into()),
                    body: config.text("MessageBody").unwrap_or_default(),
                })
        }
        _ => Some(Action::Other(kind)),
    }
}

fn forward(entry: &Reader<'_>) -> Action {
    let Some(config) = entry.child("ForwardConfig") else {
        entry.require(&["TargetGroupArn"]);
        let group = entry.reference("TargetGroupArn", TARGET_GROUP);
        return Action::Forward(group.into_iter().map(|group| (group, 1)).collect());
    };
    entry.skip(&["TargetGroupArn"]);
    config.skip(&["TargetGroupStickinessConfig"]);
    let weighted = |group: &Reader<'_>| {
        let weight = group.number("Weight").unwrap_or(1);
        Some((group.reference("TargetGroupArn", TARGET_GROUP)?, weight))
    };
    Action::Forward(
        config
            .children("TargetGroups")
            .iter()
            .filter_map(weighted)
            .collect(),
    )
}

fn target_group(lowering: &Lowering<'_>, properties: &Reader<'_>, id: &str) -> TargetGroup {
    properties.skip(&[
        "Tags",
        "HealthCheckEnabled",
        "IpAddressType",
        "ProtocolVersion",
    ]);
    let attributes = pairs(&properties.children("TargetGroupAttributes"));
    let attribute = |key: &str| {
        let found = attributes.iter().find(|(name, _)| name == key);
        found.map(|(_, value)| value.clone())
    };
    let matcher = properties
        .child("Matcher")
        .and_then(|matcher| matcher.text("HttpCode"));
    let targets = properties.children("Targets");
    let targets = targets.iter().filter_map(|target| {
        target.skip(&["AvailabilityZone"]);
        target.require(&["Id"]);
        let port = target.number("Port");
        let id = target.value("Id")?;
        let address = properties.lowering.text(id);
        if address.is_some_and(|text| text.parse::<std::net::IpAddr>().is_ok()) {
            target.unusable(
                "Id",
                id,
                "what is registered by its address is not followed",
            );
            return None;
        }
        Some((target.reference("Id", REGISTERED)?, port))
    });
    let protocol = properties
        .text("Protocol")
        .unwrap_or_else(|| "HTTP".to_owned());
    let target_type = properties
        .text("TargetType")
        .unwrap_or_else(|| "instance".to_owned());
    let preserves = attribute("preserve_client_ip.enabled").map(|value| value == "true");
    let health_port = properties.text("HealthCheckPort");
    TargetGroup {
        id: LogicalId::new(id),
        arn: ref_text(lowering, id),
        name: properties.text("Name").unwrap_or_else(|| id.to_owned()),
        port: properties.number("Port").unwrap_or(80),
        targets: targets.collect(),
        preserve_client_ip: preserves
            .unwrap_or_else(|| preserves_client_ip(&protocol, &target_type)),
        protocol,
        target_type,
        vpc: properties.reference("VpcId", &["AWS::EC2::VPC"]),
        health_check: HealthCheck {
            path: properties
                .text("HealthCheckPath")
                .unwrap_or_else(|| "/".to_owned()),
            port: health_port.and_then(|port| port.parse().ok()),
            protocol: properties
                .text("HealthCheckProtocol")
                .unwrap_or_else(|| "HTTP".to_owned()),
            matcher: matcher.unwrap_or_else(|| "200".to_owned()),
            interval_s: properties
                .number("HealthCheckIntervalSeconds")
                .unwrap_or(30),
            timeout_s: properties.number("HealthCheckTimeoutSeconds").unwrap_or(5),
            healthy_threshold: properties.number("HealthyThresholdCount").unwrap_or(5),
            unhealthy_threshold: properties.number("UnhealthyThresholdCount").unwrap_or(2),
        },
        deregistration_delay_s: attribute("deregistration_delay.timeout_seconds")
            .and_then(|text| text.parse().ok())
            .unwrap_or(300),
        algorithm: attribute("load_balancing.algorithm.type")
            .unwrap_or_else(|| "round_robin".to_owned()),
        provenance: properties.provenance.clone(),
    }
}

/// Whether targets see the client's address when no attribute says so.
/// (Network Load Balancers, "Client IP preservation")
fn preserves_client_ip(protocol: &str, target_type: &str) -> bool {
    matches!(
        (protocol, target_type),
        ("TCP" | "TLS", "instance") | ("UDP" | "TCP_UDP", _)
    )
}

pub(super) fn ref_text(lowering: &Lowering<'_>, id: &str) -> String {
    lowering
        .resolve(&cfn::Symbol::Ref(id.to_owned()))
        .unwrap_or_default()
}

pub(super) fn attribute_text(lowering: &Lowering<'_>, id: &str, attribute: &str) -> String {
    let symbol = cfn::Symbol::GetAtt(id.to_owned(), attribute.to_owned());
    lowering.resolve(&symbol).unwrap_or_default()
}
