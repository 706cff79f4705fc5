//! The door on the host: a viewer standing in the internet namespace.
//!
//! A browser on the host speaks plain HTTP to `localhost`, which it trusts like
//! HTTPS (a "secure context"); from here on it is HTTPS to the real public
//! names, verified, so that everything behind sees what it would see in AWS.
//! What comes back is rewritten just enough for the browser to stay on the door.
//!
//! Names that are not on the door's list are refused with 421, whatever they
//! resolve to: a page elsewhere must not reach the region by DNS rebinding.

mod names;

pub use names::is_local;

use std::net::SocketAddr;
use std::sync::Arc;

use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Request, Response, StatusCode, Version};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use rustls::ClientConfig;
use tokio::net::TcpListener;

use crate::blueprint::distribution::ViewerDoor;
use crate::proxy::headers::{remove_hop_by_hop, split_host};
use crate::proxy::pool::{Endpoint, Pool, PoolOptions, UpstreamError};
use crate::serve::{self, Body, BodyError, ServeOptions, Stop, full};
use names::Names;

/// Largest body that is rewritten, in bytes.
const MAX_REWRITTEN: usize = 256 * 1024;

/// Serves the door on a listener that was opened on the host, until `stop`.
///
/// Runs on the thread whose namespace reaches the public names.
pub async fn run(door: ViewerDoor, listener: TcpListener, trust: Arc<ClientConfig>, stop: Stop) {
    let pool = Pool::new(PoolOptions::default(), Some(trust));
    let door = Arc::new(door);
    let handler = move |request: Request<Incoming>| {
        let (door, pool) = (Arc::clone(&door), pool.clone());
        async move { handle(&door, &pool, request).await }
    };
    serve::serve(listener, None, ServeOptions::default(), handler, stop).await;
}

async fn handle(door: &ViewerDoor, pool: &Pool, request: Request<Incoming>) -> Response<Body> {
    let host = request
        .headers()
        .get(header::HOST)
        .and_then(|host| host.to_str().ok())
        .unwrap_or("");
    let Some((name, address)) = destination(door, host) else {
        return refused(host);
    };
    let names = Names::new(door, host);
    let endpoint = Endpoint::tls(address, &name);
    let rewrites_body = name == door.site && door.rewritten_paths.contains(request.uri().path());
    let request = to_public(request, &names, &name);
    match pool.send(&endpoint, request).await {
        Ok(response) => {
            let response = to_local(response, &names);
            if rewrites_body {
                rewrite_body(response, &names).await
            } else {
                response
            }
        }
        Err(error) => failed(&name, &error),
    }
}

/// The public name (and its address) that a `Host` on the door means.
fn destination(door: &ViewerDoor, host: &str) -> Option<(String, SocketAddr)> {
    let (host, _) = split_host(host);
    let host = host.to_ascii_lowercase();
    let name = match host.strip_suffix(".localhost") {
        Some(name) => name.to_owned(),
        None if is_local(&host) => door.site.clone(),
        None => return None,
    };
    let address = *door.names.get(&name)?;
    Some((name, address))
}

fn to_public(request: Request<Incoming>, names: &Names, name: &str) -> Request<Body> {
    let (mut parts, body) = request.into_parts();
    parts.version = Version::HTTP_11;
    remove_hop_by_hop(&mut parts.headers);
    parts.headers.remove(header::EXPECT);
    if let Ok(host) = HeaderValue::from_str(name) {
        parts.headers.insert(header::HOST, host);
    }
    for field in [header::ORIGIN, header::REFERER] {
        rewrite(&mut parts.headers, &field, |value| names.to_public(value));
    }
    if let Some(path) = parts.uri.path_and_query().map(|path| path.as_str()) {
        // a client may send the absolute form; the next hop gets the origin form
        parts.uri = path.parse().unwrap_or_default();
    }
    Request::from_parts(parts, body.map_err(BodyError::from).boxed_unsync())
}

fn to_local(mut response: Response<Body>, names: &Names) -> Response<Body> {
    *response.version_mut() = Version::HTTP_11;
    let headers = response.headers_mut();
    remove_hop_by_hop(headers);
    headers.remove(header::STRICT_TRANSPORT_SECURITY);
    headers.remove(header::ALT_SVC);
    let plain = [
        header::LOCATION,
        header::CONTENT_LOCATION,
        header::LINK,
        header::ACCESS_CONTROL_ALLOW_ORIGIN,
    ];
    for field in &plain {
        rewrite(headers, field, |value| names.to_local(value));
    }
    for field in [
        header::CONTENT_SECURITY_POLICY,
        header::CONTENT_SECURITY_POLICY_REPORT_ONLY,
    ] {
        rewrite(headers, &field, |value| names.policy_to_local(value));
    }
    rewrite(headers, &header::SET_COOKIE, names::cookie_to_local);
    response
}

/// Rewrites every value of a field; a value that is not text stays as it is.
fn rewrite(headers: &mut HeaderMap, field: &HeaderName, with: impl Fn(&str) -> String) {
    let values: Vec<HeaderValue> = headers
        .get_all(field)
        .iter()
        .map(|value| {
            let rewritten = value.to_str().ok().map(&with);
            rewritten
                .and_then(|text| HeaderValue::from_str(&text).ok())
                .unwrap_or_else(|| value.clone())
        })
        .collect();
    headers.remove(field);
    for value in values {
        headers.append(field, value);
    }
}

async fn rewrite_body(response: Response<Body>, names: &Names) -> Response<Body> {
    if response.headers().contains_key(header::CONTENT_ENCODING) {
        return response;
    }
    let (mut parts, body) = response.into_parts();
    let Ok(bytes) = serve::collect(body, MAX_REWRITTEN).await else {
        return plain(
            StatusCode::BAD_GATEWAY,
            "the response broke off or is too large to rewrite\n",
        );
    };
    let rewritten = names.to_local(&String::from_utf8_lossy(&bytes));
    parts
        .headers
        .insert(header::CONTENT_LENGTH, HeaderValue::from(rewritten.len()));
    // an entity tag names the bytes; these are others
    parts.headers.remove(header::ETAG);
    Response::from_parts(parts, full(rewritten))
}

fn refused(host: &str) -> Response<Body> {
    let host: String = host
        .chars()
        .filter(|letter| letter.is_ascii_graphic())
        .take(255)
        .collect();
    plain(
        StatusCode::MISDIRECTED_REQUEST,
        &format!(
            "`{host}` is not served here; this door answers to localhost and the region's public names under .localhost\n"
        ),
    )
}

fn failed(name: &str, error: &UpstreamError) -> Response<Body> {
    let status = match error {
        UpstreamError::ConnectTimeout { .. } | UpstreamError::ResponseTimeout { .. } => {
            StatusCode::GATEWAY_TIMEOUT
        }
        UpstreamError::RequestTimeout { .. } => StatusCode::REQUEST_TIMEOUT,
        UpstreamError::RequestBody(_) => StatusCode::BAD_REQUEST,
        _ => StatusCode::BAD_GATEWAY,
    };
    plain(status, &format!("`{name}`: {error}\n"))
}

fn plain(status: StatusCode, text: &str) -> Response<Body> {
    let mut response = Response::new(full(text.to_owned()));
    *response.status_mut() = status;
    let kind = HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    response
}

#[cfg(test)]
mod tests;
