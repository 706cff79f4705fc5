//! Sending a request on to a target.

use std::net::{IpAddr, SocketAddr};
use std::time::SystemTime;

use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Request, Response, StatusCode, Version};
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;

use super::action::Own;
use super::trace;
use crate::blueprint::balancer::{Attributes, ForwardedFor};
use crate::proxy::headers::{append_to_list, join_cookies, remove_hop_by_hop, split_host, upgrade};
use crate::proxy::pool::{Endpoint, Pool, UpstreamError};
use crate::serve::{Body, Peer};

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const FORWARDED_PORT: HeaderName = HeaderName::from_static("x-forwarded-port");
const TLS_VERSION: HeaderName = HeaderName::from_static("x-amzn-tls-version");
const TLS_CIPHER: HeaderName = HeaderName::from_static("x-amzn-tls-cipher-suite");
/// More addresses than this in `X-Forwarded-For` are answered with 463.
const MAX_FORWARDED: usize = 30;

/// Makes a client's header fields those a target is sent; returns the trace id.
/// `Err` is the status the request is refused with.
pub(super) fn prepare(
    headers: &mut HeaderMap,
    authority: &str,
    peer: &Peer,
    own: Own,
    attributes: &Attributes,
) -> Result<String, StatusCode> {
    let trace_id = trace::stamp(headers, SystemTime::now());
    if attributes.drop_invalid_header_fields {
        drop_invalid(headers);
    }
    remove_hop_by_hop(headers);
    headers.remove(header::EXPECT);
    join_cookies(headers);
    let host = host(authority, own.port, attributes.preserve_host_header);
    let host = HeaderValue::from_str(&host).map_err(|_| StatusCode::BAD_REQUEST)?;
    headers.insert(header::HOST, host);
    forwarded_for(headers, peer.address, attributes)?;
    let proto = if own.secure { "https" } else { "http" };
    headers.insert(FORWARDED_PROTO, HeaderValue::from_static(proto));
    headers.insert(FORWARDED_PORT, HeaderValue::from(own.port));
    if let (true, Some(tls)) = (attributes.tls_headers, &peer.tls) {
        headers.insert(TLS_VERSION, HeaderValue::from_static(tls.protocol));
        if let Ok(cipher) = HeaderValue::from_str(&tls.cipher) {
            headers.insert(TLS_CIPHER, cipher);
        }
    }
    Ok(trace_id)
}

/// The host a target is told: without a port on the ports everybody knows, with
/// one elsewhere, unless it is to stay as the client sent it.
fn host(authority: &str, port: u16, preserve: bool) -> String {
    match split_host(authority) {
        (host, _) if !preserve && matches!(port, 80 | 443) => host.to_owned(),
        (host, None) if !preserve => format!("{host}:{port}"),
        _ => authority.to_owned(),
    }
}

fn forwarded_for(
    headers: &mut HeaderMap,
    client: SocketAddr,
    attributes: &Attributes,
) -> Result<(), StatusCode> {
    let sent: usize = headers
        .get_all(FORWARDED_FOR)
        .iter()
        .map(|value| value.as_bytes().split(|&byte| byte == b',').count())
        .sum();
    if sent > MAX_FORWARDED {
        return Err(StatusCode::from_u16(463).expect("463 is a status code"));
    }
    match attributes.forwarded_for {
        ForwardedFor::Preserve => {}
        ForwardedFor::Remove => {
            headers.remove(FORWARDED_FOR);
        }
        ForwardedFor::Append if attributes.forwarded_client_port => {
            append_to_list(headers, &FORWARDED_FOR, &client.to_string());
        }
        ForwardedFor::Append => {
            append_to_list(headers, &FORWARDED_FOR, &client.ip().to_string());
        }
    }
    Ok(())
}

/// Valid names are letters, digits and hyphens.
fn drop_invalid(headers: &mut HeaderMap) {
    let valid = |name: &HeaderName| {
        name.as_str()
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    let invalid: Vec<HeaderName> = headers
        .keys()
        .filter(|name| !valid(name))
        .cloned()
        .collect();
    for name in invalid {
        headers.remove(name);
    }
}

/// Sends the prepared request to a target; for an upgrade, joins both
/// connections when the target agrees.
pub(super) async fn send(
    pool: &Pool,
    (address, port): (IpAddr, u16),
    mut request: Request<Body>,
    upgrading: Option<(HeaderValue, OnUpgrade)>,
) -> Result<Response<Body>, UpstreamError> {
    let uri = request
        .uri()
        .path_and_query()
        .map_or("/", |path| path.as_str())
        .parse();
    *request.uri_mut() = uri.unwrap_or_default();
    *request.version_mut() = Version::HTTP_11;
    let endpoint = Endpoint::plain(SocketAddr::new(address, port));
    let Some((protocol, client)) = upgrading else {
        let mut response = pool.send(&endpoint, request).await?;
        remove_hop_by_hop(response.headers_mut());
        *response.version_mut() = Version::HTTP_11;
        return Ok(response);
    };
    request
        .headers_mut()
        .insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
    request.headers_mut().insert(header::UPGRADE, protocol);
    let mut response = pool.send(&endpoint, request).await?;
    if response.status() == StatusCode::SWITCHING_PROTOCOLS {
        let target = hyper::upgrade::on(&mut response);
        tokio::spawn(join(client, target));
    }
    Ok(response)
}

/// What a request needs for an upgrade, taken before its fields are prepared.
pub(super) fn upgrading<B>(request: &mut Request<B>) -> Option<(HeaderValue, OnUpgrade)> {
    if request.version() == Version::HTTP_2 {
        return None;
    }
    let protocol = upgrade(request.headers())?;
    protocol
        .as_bytes()
        .eq_ignore_ascii_case(b"websocket")
        .then(|| (protocol, hyper::upgrade::on(request)))
}

async fn join(client: OnUpgrade, target: OnUpgrade) {
    let (Ok(client), Ok(target)) = tokio::join!(client, target) else {
        return;
    };
    // either side may leave when it likes
    let _ended =
        tokio::io::copy_bidirectional(&mut TokioIo::new(client), &mut TokioIo::new(target)).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_port_in_the_host_field_is_that_of_an_uncommon_listener() {
        let told = |authority, port| host(authority, port, false);
        assert_eq!(told("a.example:443", 443), "a.example");
        assert_eq!(told("a.example:8443", 443), "a.example");
        assert_eq!(told("a.example", 8443), "a.example:8443");
        assert_eq!(told("a.example:8443", 8443), "a.example:8443");
        assert_eq!(told("[::1]", 80), "[::1]");
        assert_eq!(host("a.example:1", 80, true), "a.example:1");
    }
}
