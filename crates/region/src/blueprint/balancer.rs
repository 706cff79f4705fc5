//! What a load balancer does, as data.
//!
//! Everything an Application Load Balancer of the template is asked to do, with
//! names already resolved; `plan` refuses what does not fit in here. How the
//! parts behave is `proxy::balancer`'s.

mod security_policy;

pub use security_policy::{TlsVersions, UnknownSecurityPolicy};

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

use http::StatusCode;
use ipnet::IpNet;

use super::distribution::SecretText;

/// One load balancer: the same for each of its nodes (one node a subnet).
#[derive(Debug, Clone, PartialEq)]
pub struct LoadBalancer {
    /// The end of the ARN, `app/NAME/ID`: how access logs name it.
    pub arn_suffix: String,
    /// In ascending port order.
    pub listeners: Vec<Listener>,
    /// Every target group a listener may forward to.
    pub target_groups: BTreeMap<TargetGroupName, TargetGroup>,
    /// What `LoadBalancerAttributes` says.
    pub attributes: Attributes,
}

/// The name (or ARN) of a target group, unique in the blueprint.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TargetGroupName(pub String);

/// `LoadBalancerAttributes`, with the defaults AWS gives them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attributes {
    /// `idle_timeout.timeout_seconds`: longest silence between request and response.
    pub idle_timeout: Duration,
    /// `client_keep_alive.seconds`: longest life of a client connection.
    pub client_keep_alive: Duration,
    /// `routing.http2.enabled`.
    pub http2: bool,
    /// `routing.http.drop_invalid_header_fields.enabled`.
    pub drop_invalid_header_fields: bool,
    /// `routing.http.desync_mitigation_mode`.
    pub desync_mitigation: DesyncMitigation,
    /// `routing.http.preserve_host_header.enabled`.
    pub preserve_host_header: bool,
    /// `routing.http.xff_header_processing.mode`.
    pub forwarded_for: ForwardedFor,
    /// `routing.http.xff_client_port.enabled`.
    pub forwarded_client_port: bool,
    /// `routing.http.x_amzn_tls_version_and_cipher_suite.enabled`.
    pub tls_headers: bool,
}

impl Default for Attributes {
    fn default() -> Self {
        Self {
            idle_timeout: Duration::from_secs(60),
            client_keep_alive: Duration::from_secs(3600),
            http2: true,
            drop_invalid_header_fields: false,
            desync_mitigation: DesyncMitigation::Defensive,
            preserve_host_header: false,
            forwarded_for: ForwardedFor::Append,
            forwarded_client_port: false,
            tls_headers: false,
        }
    }
}

/// How requests that two servers could read differently are treated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DesyncMitigation {
    /// Let them through.
    Monitor,
    /// Let known-safe ones through, close the connection after ambiguous ones.
    Defensive,
    /// Only requests that follow RFC 7230.
    Strictest,
}

/// What happens to a client's own `X-Forwarded-For`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ForwardedFor {
    /// The client's address is added at its end.
    Append,
    /// It goes on as it came.
    Preserve,
    /// It is taken out.
    Remove,
}

/// A port the load balancer listens on.
#[derive(Debug, Clone, PartialEq)]
pub struct Listener {
    /// The TCP port.
    pub port: u16,
    /// Plain or TLS.
    pub protocol: ListenerProtocol,
    /// In ascending order of priority.
    pub rules: Vec<Rule>,
    /// What happens to a request no rule takes.
    pub default_action: Action,
}

/// Plain HTTP or HTTPS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ListenerProtocol {
    /// HTTP/1.1.
    Http,
    /// HTTP/1.1 and HTTP/2 over TLS.
    Https {
        /// What the security policy allows.
        versions: TlsVersions,
        /// Host names (or `*.` wildcards) its certificates carry; the first is the default.
        certificate_names: Vec<String>,
    },
}

/// A listener rule: all conditions must hold.
#[derive(Debug, Clone, PartialEq)]
pub struct Rule {
    /// 1 to 50,000, unique in the listener; the lowest that holds wins.
    pub priority: u32,
    /// All must hold.
    pub conditions: Vec<Condition>,
    /// What happens then.
    pub action: Action,
}

/// One condition of a rule; it holds when one of its values does.
///
/// In patterns `*` stands for any run of characters and `?` for exactly one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Condition {
    /// Against the path, case-sensitive, without the query.
    PathPattern(Vec<String>),
    /// Against the host without port, case-insensitive.
    HostHeader(Vec<String>),
    /// Against every value of one header, case-insensitive.
    HttpHeader {
        /// The header's name.
        name: String,
        /// Patterns; one may be the secret that proves where a request comes from.
        values: Vec<SecretText>,
    },
    /// The method, case-sensitive, no patterns.
    HttpRequestMethod(Vec<String>),
    /// Against query parameters, case-insensitive.
    QueryString(Vec<QueryPattern>),
    /// The address the connection came from, not `X-Forwarded-For`.
    SourceIp(Vec<IpNet>),
}

/// A query parameter to look for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueryPattern {
    /// The parameter's name; `None` looks at every value.
    pub key: Option<String>,
    /// The value.
    pub value: String,
}

/// What a listener or a rule does with a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Send it to a target, choosing the group by weight.
    Forward(Vec<WeightedTargetGroup>),
    /// Answer with another place.
    Redirect(Redirect),
    /// Answer with this.
    FixedResponse(FixedResponse),
}

/// A target group and its share of the requests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WeightedTargetGroup {
    /// Which group.
    pub group: TargetGroupName,
    /// 0 to 999; shares are weight over sum of weights.
    pub weight: u32,
}

/// A redirect; `#{protocol}`, `#{host}`, `#{port}`, `#{path}` and `#{query}` in
/// the parts stand for those of the request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Redirect {
    /// `HTTP`, `HTTPS` or `#{protocol}`.
    pub protocol: String,
    /// The host.
    pub host: String,
    /// 1 to 65535, or `#{port}`.
    pub port: String,
    /// With its leading `/`; `#{path}` is without it.
    pub path: String,
    /// Without its leading `?`.
    pub query: String,
    /// 301 or 302.
    pub status: StatusCode,
}

/// A fixed answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FixedResponse {
    /// 2xx, 4xx or 5xx.
    pub status: StatusCode,
    /// `None` leaves the header out.
    pub content_type: Option<String>,
    /// At most 1,024 characters.
    pub body: String,
}

/// How to reach and check targets, which speak HTTP/1.1 without TLS. The targets themselves come and go at run time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TargetGroup {
    /// The ARN, as access logs name it.
    pub arn: String,
    /// The port of a target registered without one.
    pub port: u16,
    /// How a target is chosen.
    pub algorithm: Algorithm,
    /// How long requests in flight may go on after deregistration.
    pub deregistration_delay: Duration,
    /// How health is found out.
    pub health_check: HealthCheck,
}

/// `load_balancing.algorithm.type`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Algorithm {
    /// In turn.
    RoundRobin,
    /// The target with the fewest requests in flight.
    LeastOutstandingRequests,
}

/// A target group's health check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HealthCheck {
    /// `None` means the port the target takes traffic on.
    pub port: Option<u16>,
    /// The path, with query.
    pub path: String,
    /// Time between checks of one target.
    pub interval: Duration,
    /// Longest wait for the answer.
    pub timeout: Duration,
    /// Successes in a row that make an unhealthy target healthy.
    pub healthy_threshold: u32,
    /// Failures in a row that make a target unhealthy.
    pub unhealthy_threshold: u32,
    /// The status codes that count as success.
    pub matcher: Matcher,
}

impl Default for HealthCheck {
    /// What AWS takes when the template says nothing.
    fn default() -> Self {
        Self {
            port: None,
            path: "/".to_owned(),
            interval: Duration::from_secs(30),
            timeout: Duration::from_secs(5),
            healthy_threshold: 5,
            unhealthy_threshold: 2,
            matcher: Matcher(BTreeSet::from([200])),
        }
    }
}

/// Status codes that count as success.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Matcher(pub BTreeSet<u16>);

/// A `Matcher` that AWS would refuse.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a list of status codes or ranges between 200 and 499")]
pub struct MatcherError {
    /// The user's words.
    pub text: String,
}

impl std::str::FromStr for Matcher {
    type Err = MatcherError;

    /// Reads `200`, `200,202` or `200-299` (codes 200 to 499).
    fn from_str(text: &str) -> Result<Self, MatcherError> {
        let fault = || MatcherError {
            text: text.to_owned(),
        };
        let code = |part: &str| {
            part.trim()
                .parse::<u16>()
                .ok()
                .filter(|code| (200..=499).contains(code))
                .ok_or_else(fault)
        };
        let mut codes = BTreeSet::new();
        for part in text.split(',') {
            match part.split_once('-') {
                Some((first, last)) => codes.extend(code(first)?..=code(last)?),
                None => codes.extend([code(part)?]),
            }
        }
        if codes.is_empty() {
            Err(fault())
        } else {
            Ok(Self(codes))
        }
    }
}

/// A target as it is registered.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TargetId {
    /// The address of its network interface.
    pub address: IpAddr,
    /// The port it takes traffic on.
    pub port: u16,
}

impl std::fmt::Display for TargetId {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::net::SocketAddr::new(self.address, self.port).fmt(formatter)
    }
}

#[cfg(test)]
mod tests;
