//! Load balancers, listeners, rules and target groups.

use cfn::Provenance;

use crate::LogicalId;

/// What a load balancer looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoadBalancerKind {
    /// Requests.
    Application,
    /// Connections. Without security groups nothing filters it.
    Network,
    /// Packets, on their way through appliances.
    Gateway,
}

/// A load balancer with its listeners.
#[derive(Clone, Debug)]
pub struct LoadBalancer {
    pub id: LogicalId,
    pub kind: LoadBalancerKind,
    pub arn: String,
    pub name: String,
    /// `….elb.amazonaws.com`
    pub dns_name: String,
    pub internet_facing: bool,
    /// Whether it has IPv6 addresses beside IPv4.
    pub dual_stack: bool,
    pub subnets: Vec<LogicalId>,
    pub security_groups: Vec<LogicalId>,
    /// `routing.http.drop_invalid_header_fields.enabled` and so on.
    pub attributes: Vec<(String, String)>,
    pub listeners: Vec<Listener>,
    pub provenance: Provenance,
}

impl LoadBalancer {
    pub fn attribute(&self, key: &str) -> Option<&str> {
        let found = self.attributes.iter().find(|(name, _)| name == key);
        found.map(|(_, value)| value.as_str())
    }
}

/// A port of a load balancer and what happens to requests on it.
#[derive(Clone, Debug)]
pub struct Listener {
    pub id: LogicalId,
    pub arn: String,
    pub port: u16,
    /// `HTTP`, `HTTPS`; of a network load balancer `TCP`, `TLS`, `UDP`, `TCP_UDP`.
    pub protocol: String,
    pub ssl_policy: Option<String>,
    pub certificates: Vec<CertificateReference>,
    pub default_actions: Vec<Action>,
    /// Sorted by priority.
    pub rules: Vec<ListenerRule>,
    pub provenance: Provenance,
}

/// A certificate of the template, or an ARN from outside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CertificateReference {
    Local(LogicalId),
    External(String),
}

/// A rule of a listener: all conditions must hold.
#[derive(Clone, Debug)]
pub struct ListenerRule {
    pub id: LogicalId,
    pub priority: u32,
    pub conditions: Vec<RuleCondition>,
    pub actions: Vec<Action>,
    pub provenance: Provenance,
}

/// One condition of a listener rule; any of its values satisfies it.
/// A header value may hold a dynamic reference to a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RuleCondition {
    PathPattern(Vec<String>),
    HostHeader(Vec<String>),
    HttpHeader { name: String, values: Vec<String> },
    HttpRequestMethod(Vec<String>),
    QueryString(Vec<(Option<String>, String)>),
    SourceIp(Vec<String>),
}

/// What a listener does with a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Target groups with their weights.
    Forward(Vec<(LogicalId, u32)>),
    Redirect {
        protocol: String,
        host: String,
        port: String,
        path: String,
        query: String,
        status: u16,
    },
    FixedResponse {
        status: u16,
        content_type: String,
        body: String,
    },
    /// An action the model does not follow (authentication), by its type.
    Other(String),
}

/// A group of targets behind a listener.
#[derive(Clone, Debug)]
pub struct TargetGroup {
    pub id: LogicalId,
    pub arn: String,
    pub name: String,
    pub port: u16,
    pub protocol: String,
    /// `instance`, `ip`, `lambda` or `alb`.
    pub target_type: String,
    /// Instances and load balancers that the template registers by hand, with
    /// the port if it says one.
    pub targets: Vec<(LogicalId, Option<u16>)>,
    /// Whether a target sees the client's address instead of the network load
    /// balancer's.
    pub preserve_client_ip: bool,
    pub vpc: Option<LogicalId>,
    pub health_check: HealthCheck,
    pub deregistration_delay_s: u32,
    /// `round_robin` or `least_outstanding_requests`.
    pub algorithm: String,
    pub provenance: Provenance,
}

/// How a target proves that it is well.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HealthCheck {
    pub path: String,
    /// `None` is the traffic port.
    pub port: Option<u16>,
    pub protocol: String,
    /// `200`, `200-299`, `200,204`.
    pub matcher: String,
    pub interval_s: u32,
    pub timeout_s: u32,
    pub healthy_threshold: u32,
    pub unhealthy_threshold: u32,
}
