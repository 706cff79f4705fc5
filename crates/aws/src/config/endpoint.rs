//! Where do the calls of a service go?
//!
//! To `https://SERVICE.REGION.amazonaws.com`, unless a variable or the profile
//! names another place for all services or for one.

use std::collections::BTreeMap;
use std::net::Ipv6Addr;

use http::Uri;

use super::{ConfigError, Environment, Profile, Profiles};

/// A place that answers HTTP.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Endpoint {
    /// Over TLS, verified to be `host`.
    pub is_tls: bool,
    /// The name or address to connect to, an IPv6 address without brackets.
    pub host: String,
    pub port: u16,
    /// What `Host` says.
    pub authority: String,
    /// The path all requests stand below; empty or `/…` without a slash at the end.
    pub path: String,
}

/// Why a URL is no endpoint.
#[derive(Debug, thiserror::Error)]
pub enum EndpointFault {
    #[error("`{url}` is not a URL")]
    Url {
        url: String,
        source: http::uri::InvalidUri,
    },
    #[error("`{url}` does not start with http:// or https:// and a host")]
    Form { url: String },
}

impl Endpoint {
    /// Reads `http://…`, `https://…`, `ws://…` or `wss://…`; a query is left out.
    ///
    /// # Errors
    ///
    /// What is not such a URL.
    pub fn parse(url: &str) -> Result<Self, EndpointFault> {
        let form = || EndpointFault::Form {
            url: url.to_owned(),
        };
        let uri: Uri = url.parse().map_err(|source| EndpointFault::Url {
            url: url.to_owned(),
            source,
        })?;
        let is_tls = match uri.scheme_str() {
            Some("https" | "wss") => true,
            Some("http" | "ws") => false,
            _ => return Err(form()),
        };
        let authority = uri.authority().ok_or_else(form)?;
        let (host, port) = host_and_port(authority.as_str()).ok_or_else(form)?;
        Ok(Self {
            is_tls,
            host,
            port: port.unwrap_or(if is_tls { 443 } else { 80 }),
            authority: authority.as_str().to_owned(),
            path: uri.path().trim_end_matches('/').to_owned(),
        })
    }

    /// The URL without a path, for people.
    #[must_use]
    pub fn origin(&self) -> String {
        let scheme = if self.is_tls { "https" } else { "http" };
        format!("{scheme}://{}", self.authority)
    }
}

/// `HOST`, `HOST:PORT`, `[IPV6]` or `[IPV6]:PORT`, and nothing more: no user, no rest.
fn host_and_port(authority: &str) -> Option<(String, Option<u16>)> {
    let (host, rest) = if let Some(inner) = authority.strip_prefix('[') {
        let (address, rest) = inner.split_once(']')?;
        let _is_one: Ipv6Addr = address.parse().ok()?;
        (address, rest)
    } else {
        authority.split_at(authority.find(':').unwrap_or(authority.len()))
    };
    let port = match rest.strip_prefix(':') {
        Some(port) => Some(port.parse().ok()?),
        None if rest.is_empty() => None,
        None => return None,
    };
    let is_name = !host.is_empty() && !host.contains(['@', '[', ']']);
    is_name.then(|| (host.to_owned(), port))
}

/// The services called here by their signing name, which is also how their host
/// name begins, and their word in `AWS_ENDPOINT_URL_…`. The last three are no
/// service of the SDKs; the same form is used.
const SERVICES: [(&str, &str); 12] = [
    ("cloudformation", "CLOUDFORMATION"),
    ("ec2", "EC2"),
    ("kms", "KMS"),
    ("logs", "CLOUDWATCH_LOGS"),
    ("rds", "RDS"),
    ("secretsmanager", "SECRETS_MANAGER"),
    ("ssm", "SSM"),
    ("sts", "STS"),
    ("oidc", "SSO_OIDC"),
    ("portal.sso", "SSO"),
    ("ssmmessages", "SSMMESSAGES"),
    ("ec2messages", "EC2MESSAGES"),
];

/// Every service's place.
#[derive(Debug, Clone)]
pub(crate) struct Endpoints {
    region: String,
    /// For all services.
    all: Option<Endpoint>,
    /// By signing name.
    some: BTreeMap<&'static str, Endpoint>,
}

impl Endpoints {
    pub(crate) fn settle(
        environment: &Environment,
        profiles: &Profiles,
        profile: &Profile,
        region: &str,
    ) -> Result<Self, ConfigError> {
        let mut settled = Self {
            region: region.to_owned(),
            all: None,
            some: BTreeMap::new(),
        };
        if environment.is_true("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS") {
            return Ok(settled);
        }
        let parse = |setting: &str, url: &str| {
            Endpoint::parse(url).map_err(|source| ConfigError::Endpoint {
                setting: setting.to_owned(),
                source,
            })
        };
        let services = profile
            .get("services")
            .map(|name| profiles.services(name))
            .transpose()?;
        for (service, word) in SERVICES {
            let variable = format!("AWS_ENDPOINT_URL_{word}");
            let in_file = services
                .as_ref()
                .and_then(|services| services.nested(&word.to_ascii_lowercase(), "endpoint_url"));
            // a variable for all services wins over the file's for one
            let for_all = environment.get("AWS_ENDPOINT_URL");
            let url = environment
                .get(&variable)
                .or_else(|| in_file.filter(|_| for_all.is_none()));
            if let Some(url) = url {
                settled.some.insert(service, parse(&variable, url)?);
            }
        }
        let all = environment
            .get("AWS_ENDPOINT_URL")
            .or_else(|| profile.get("endpoint_url"));
        settled.all = all.map(|url| parse("AWS_ENDPOINT_URL", url)).transpose()?;
        Ok(settled)
    }

    pub(crate) fn of(&self, service: &str) -> Endpoint {
        self.of_in(service, &self.region)
    }

    /// A service's place in another region, which only AWS itself has.
    pub(crate) fn of_in(&self, service: &str, region: &str) -> Endpoint {
        if let Some(endpoint) = self.some.get(service).or(self.all.as_ref()) {
            return endpoint.clone();
        }
        let suffix = if region.starts_with("cn-") {
            "amazonaws.com.cn"
        } else {
            "amazonaws.com"
        };
        let host = format!("{service}.{region}.{suffix}");
        Endpoint {
            is_tls: true,
            authority: host.clone(),
            host,
            port: 443,
            path: String::new(),
        }
    }

    pub(crate) fn region(&self) -> &str {
        &self.region
    }
}
