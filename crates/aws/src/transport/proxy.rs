//! Which way out: directly, or through the proxy that `HTTPS_PROXY` names?
//!
//! Only TLS goes through a proxy, by `CONNECT`, so the proxy sees a name and no
//! more. An endpoint without TLS is one on this machine or its own network.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::TransportError;
use crate::config::{ConfigError, Endpoint, Environment};

/// A proxy's answer to `CONNECT` is short.
const MAX_HEAD: usize = 8 * 1024;

/// Why a proxy's URL cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ProxyFault {
    #[error("only http:// proxies are spoken to, `{0}` is another")]
    Scheme(String),
    #[error("it is not a URL")]
    Url,
}

/// The proxy, and who is reached without it.
#[derive(Debug, Default)]
pub(crate) struct Proxy {
    way: Option<Way>,
    directly: Vec<String>,
}

/// A proxy's address and the credentials it wants.
pub(crate) struct Way {
    pub(super) host: String,
    pub(super) port: u16,
    authorization: Option<String>,
}

impl std::fmt::Debug for Way {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

impl Proxy {
    pub(crate) fn settle(environment: &Environment) -> Result<Self, ConfigError> {
        let find = |names: [&'static str; 2]| {
            names
                .into_iter()
                .find_map(|name| Some((name, environment.get(name)?)))
        };
        let Some((setting, url)) =
            find(["HTTPS_PROXY", "https_proxy"]).or_else(|| find(["ALL_PROXY", "all_proxy"]))
        else {
            return Ok(Self::default());
        };
        let way = Way::parse(url).map_err(|source| ConfigError::Proxy {
            setting: setting.to_owned(),
            source,
        })?;
        let directly = find(["NO_PROXY", "no_proxy"]).map_or("", |(_, list)| list);
        let directly = directly
            .split(',')
            .map(|entry| entry.trim().to_ascii_lowercase());
        Ok(Self {
            way: Some(way),
            directly: directly.filter(|entry| !entry.is_empty()).collect(),
        })
    }

    /// The proxy on the way to an endpoint.
    pub(super) fn of(&self, endpoint: &Endpoint) -> Option<&Way> {
        let host = endpoint.host.to_ascii_lowercase();
        let is_here = host == "localhost"
            || host
                .parse::<std::net::IpAddr>()
                .is_ok_and(|address| address.is_loopback());
        let is_direct = self.directly.iter().any(|entry| {
            let suffix = entry.trim_start_matches('.');
            entry == "*"
                || host
                    .strip_suffix(suffix)
                    .is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
        });
        self.way
            .as_ref()
            .filter(|_| endpoint.is_tls && !is_here && !is_direct)
    }
}

impl Way {
    fn parse(url: &str) -> Result<Self, ProxyFault> {
        let rest = match url.split_once("://") {
            Some(("http", rest)) => rest,
            Some((scheme, _)) => return Err(ProxyFault::Scheme(format!("{scheme}://"))),
            None => url,
        };
        let authority = rest.split('/').next().unwrap_or_default();
        let (user, place) = match authority.rsplit_once('@') {
            Some((user, place)) => (Some(user), place),
            None => (None, authority),
        };
        let place: http::uri::Authority = place.parse().map_err(|_| ProxyFault::Url)?;
        let authorization = user.map(|user| {
            let user = percent_decoded(user);
            format!("Basic {}", STANDARD.encode(user))
        });
        Ok(Self {
            host: place.host().trim_matches(['[', ']']).to_owned(),
            port: place.port_u16().unwrap_or(80),
            authorization,
        })
    }
}

fn percent_decoded(text: &str) -> Vec<u8> {
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let pair = after
            .get(..2)
            .and_then(|pair| std::str::from_utf8(pair).ok());
        let byte = pair.and_then(|pair| u8::from_str_radix(pair, 16).ok());
        match byte.filter(|_| first == b'%') {
            Some(byte) => {
                decoded.push(byte);
                rest = &after[2..];
            }
            None => {
                decoded.push(first);
                rest = after;
            }
        }
    }
    decoded
}

/// Asks the proxy for a connection to the endpoint.
pub(super) async fn tunnel(
    stream: &mut TcpStream,
    way: &Way,
    endpoint: &Endpoint,
) -> Result<(), TransportError> {
    let refused = |answer: String| TransportError::Proxy {
        proxy: format!("{way:?}"),
        origin: endpoint.origin(),
        answer,
    };
    let place = match endpoint.host.contains(':') {
        true => format!("[{}]:{}", endpoint.host, endpoint.port),
        false => format!("{}:{}", endpoint.host, endpoint.port),
    };
    let mut request = format!("CONNECT {place} HTTP/1.1\r\nHost: {place}\r\n");
    if let Some(authorization) = &way.authorization {
        request += &format!("Proxy-Authorization: {authorization}\r\n");
    }
    request += "\r\n";
    let broken = |error: std::io::Error| refused(error.to_string());
    stream.write_all(request.as_bytes()).await.map_err(broken)?;
    // byte by byte: what follows the head belongs to the endpoint
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        if head.len() >= MAX_HEAD {
            return Err(refused("its answer has no end".to_owned()));
        }
        head.push(stream.read_u8().await.map_err(broken)?);
    }
    let head = String::from_utf8_lossy(&head);
    let status = head.lines().next().unwrap_or_default();
    match status.split(' ').nth(1) {
        Some("200") => Ok(()),
        _ => Err(refused(status.to_owned())),
    }
}
