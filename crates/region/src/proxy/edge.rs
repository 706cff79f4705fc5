//! The CloudFront edge.
//!
//! One [`Edge`] serves one distribution at one address of the internet
//! namespace: TLS and HTTP/2 to viewers, behaviors in order, a bounded cache in
//! memory, verified TLS to origins. Amazon CloudFront developer guide.
//!
//! Not here: compression, signed URLs, field-level encryption, HTTP/3, caching
//! of errors.

mod answer;
mod behavior;
mod cache;
mod origin;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::SystemTime;

use http::request::Parts;
use http::{Method, Request, Response, StatusCode, Uri, header};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use rustls::ServerConfig;
use tokio::net::TcpListener;

use crate::blueprint::distribution::{CacheBehavior, Distribution, ViewerProtocol};
use crate::dns::Resolver;
use crate::proxy::headers::{join_cookies, remove_hop_by_hop, split_host};
use crate::serve::{self, Body, BodyError, Peer, ServeOptions, Stop, empty};
use crate::tls::{Authority, AuthorityError, server_config};
use answer::{Source, Visit};
use cache::{Cache, Found};
use origin::Origins;

/// What requests to a signing origin are signed with.
pub type OriginCredentials = Arc<dyn Fn() -> iam::sigv4::Credentials + Send + Sync>;

/// Largest object that is kept, in bytes.
const MAX_OBJECT_BYTES: usize = 1024 * 1024;
/// Most bytes of objects that are kept.
const MAX_CACHE_BYTES: usize = 32 * 1024 * 1024;

/// One distribution at one point of presence.
#[derive(Clone)]
pub struct Edge(Arc<Shared>);

struct Shared {
    distribution: Distribution,
    tls: Arc<ServerConfig>,
    origins: Origins,
    cache: Cache,
}

impl std::fmt::Debug for Edge {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Edge")
            .field("name", &self.0.distribution.domain_name)
            .finish_non_exhaustive()
    }
}

/// The sockets of an edge, bound at its address.
#[derive(Debug)]
pub struct EdgeListeners {
    /// Port 443.
    pub https: TcpListener,
    /// Port 80.
    pub http: TcpListener,
}

impl Edge {
    /// An edge for `distribution`. It looks origins up with `resolver`, connects
    /// to them from `source` (an address of the origin-facing range) and signs
    /// with `credentials` where the distribution says so.
    pub fn new(
        distribution: Distribution,
        authority: &Arc<Authority>,
        resolver: Arc<Resolver>,
        source: Option<IpAddr>,
        credentials: OriginCredentials,
    ) -> Result<Self, AuthorityError> {
        let mut names = distribution.aliases.clone();
        names.push(distribution.domain_name.clone());
        let tls = server_config(authority, &names, distribution.versions, distribution.http2)?;
        let trust = authority.client_config();
        let origins = Origins::new(&distribution, resolver, source, &trust, credentials);
        let cache = Cache::new(MAX_CACHE_BYTES);
        Ok(Self(Arc::new(Shared {
            distribution,
            tls,
            origins,
            cache,
        })))
    }

    /// Serves viewers until `stop`, on the runtime of the calling thread.
    pub async fn run(&self, listeners: EdgeListeners, stop: Stop) {
        let handler = |secure: bool| {
            let edge = self.clone();
            move |request: Request<Incoming>| {
                let edge = edge.clone();
                async move { edge.handle(secure, request).await }
            }
        };
        let tls = Some(Arc::clone(&self.0.tls));
        let https = serve::serve(
            listeners.https,
            tls,
            ServeOptions::default(),
            handler(true),
            stop.clone(),
        );
        let http = serve::serve(
            listeners.http,
            None,
            ServeOptions::default(),
            handler(false),
            stop,
        );
        tokio::join!(https, http);
    }

    async fn handle(&self, secure: bool, request: Request<Incoming>) -> Response<Body> {
        let distribution = &self.0.distribution;
        let visit = Visit::new(&distribution.point_of_presence);
        let host = host(&request);
        if !is_own(distribution, &host) {
            return visit.refuse(
                StatusCode::FORBIDDEN,
                "The host name is not one of this distribution.",
            );
        }
        let behavior = behavior::of(distribution, request.uri().path());
        if !secure && behavior.viewer_protocol != ViewerProtocol::AllowAll {
            return match behavior.viewer_protocol {
                ViewerProtocol::RedirectToHttps => {
                    visit.redirect(request.method(), &host, request.uri())
                }
                _ => visit.refuse(StatusCode::FORBIDDEN, "Only HTTPS is served here."),
            };
        }
        if !behavior.allowed_methods.contains(request.method().as_str()) {
            return visit.refuse(
                StatusCode::FORBIDDEN,
                "This distribution is not configured to allow the HTTP request method that was used for this request.",
            );
        }
        let (mut parts, body) = request.into_parts();
        let viewer = parts
            .extensions
            .get::<Arc<Peer>>()
            .map(|peer| peer.address.ip());
        parts.uri = behavior::rewrite(distribution, behavior, &parts.uri);
        if let Ok(host) = host.parse() {
            parts.headers.insert(header::HOST, host);
        }
        remove_hop_by_hop(&mut parts.headers);
        join_cookies(&mut parts.headers);
        parts.headers.remove(header::EXPECT);
        let asked = Asked {
            behavior,
            viewer,
            visit: &visit,
        };
        let body = body.map_err(BodyError::from).boxed_unsync();
        let (response, source) = self.object(&asked, parts, body).await;
        visit.deliver(response, source, behavior)
    }

    /// The object, or the page that stands for its error.
    async fn object(
        &self,
        asked: &Asked<'_>,
        parts: Parts,
        body: Body,
    ) -> (Response<Body>, Source) {
        let head = parts.method == Method::HEAD;
        let viewer_headers = parts.headers.clone();
        let (response, source) = self.cached(asked, parts, body).await;
        let replaced = self
            .0
            .distribution
            .error_responses
            .get(&response.status().as_u16());
        let Some(replaced) = replaced else {
            return (response, source);
        };
        let Ok(uri) = replaced.page_path.parse::<Uri>() else {
            return (response, source);
        };
        let behavior = behavior::of(&self.0.distribution, uri.path());
        let mut page = Request::new(());
        *page.method_mut() = if head { Method::HEAD } else { Method::GET };
        *page.uri_mut() = uri;
        *page.headers_mut() = viewer_headers;
        for conditional in [
            header::IF_NONE_MATCH,
            header::IF_MODIFIED_SINCE,
            header::RANGE,
        ] {
            page.headers_mut().remove(conditional);
        }
        let (parts, ()) = page.into_parts();
        let (mut page, _) = self
            .cached(&Asked { behavior, ..*asked }, parts, empty())
            .await;
        if page.status() != StatusCode::OK {
            // no page to show: the origin's own error goes out
            return (response, source);
        }
        *page.status_mut() = StatusCode::from_u16(replaced.status).unwrap_or(response.status());
        (page, Source::Error)
    }

    async fn cached(
        &self,
        asked: &Asked<'_>,
        parts: Parts,
        body: Body,
    ) -> (Response<Body>, Source) {
        let policy = &asked.behavior.cache;
        let readable = parts.method == Method::GET || parts.method == Method::HEAD;
        if !readable || policy.max_ttl.is_zero() || parts.headers.contains_key(header::RANGE) {
            return self.fetch(asked, parts, body).await;
        }
        let key = cache::key(asked.behavior, &parts.uri);
        let viewer = parts.headers.clone();
        let head = parts.method == Method::HEAD;
        let found = self.0.cache.find(&key, SystemTime::now());
        if let Found::Fresh(object) = found {
            return (
                object.response(&viewer, head, SystemTime::now()),
                Source::Hit,
            );
        }
        let stale = if let Found::Stale(object) = found {
            Some(object)
        } else {
            None
        };
        let mut parts = parts;
        for conditional in [
            header::IF_NONE_MATCH,
            header::IF_MODIFIED_SINCE,
            header::ACCEPT_ENCODING,
        ] {
            parts.headers.remove(conditional);
        }
        if let Some(stale) = &stale {
            stale.make_conditional(&mut parts.headers);
        }
        let (response, source) = self.fetch(asked, parts, body).await;
        match stale {
            Some(stale) if response.status() == StatusCode::NOT_MODIFIED => {
                let fresh =
                    self.0
                        .cache
                        .renew(&key, &stale, response.headers(), policy, SystemTime::now());
                (
                    fresh.response(&viewer, head, SystemTime::now()),
                    Source::RefreshHit,
                )
            }
            // better old than nothing while the origin is down
            Some(stale) if response.status().is_server_error() => (
                stale.response(&viewer, head, SystemTime::now()),
                Source::Hit,
            ),
            _ if head || response.status() != StatusCode::OK => (response, source),
            _ => (
                self.keep(key, response, &viewer, asked.behavior).await,
                source,
            ),
        }
    }

    /// Keeps a small enough object on its way to the viewer.
    async fn keep(
        &self,
        key: String,
        response: Response<Body>,
        viewer: &http::HeaderMap,
        behavior: &CacheBehavior,
    ) -> Response<Body> {
        let now = SystemTime::now();
        let ttl = cache::time_to_live(response.headers(), &behavior.cache, now);
        let length = response.headers().get(header::CONTENT_LENGTH);
        let length: Option<usize> = length.and_then(|length| length.to_str().ok()?.parse().ok());
        if ttl.is_zero() || length.is_none_or(|length| length > MAX_OBJECT_BYTES) {
            return response;
        }
        let (parts, body) = response.into_parts();
        match serve::collect(body, MAX_OBJECT_BYTES).await {
            Ok(bytes) => self
                .0
                .cache
                .store(key, &parts, bytes, ttl, now)
                .response(viewer, false, now),
            Err(_) => answer::broken_off(),
        }
    }

    async fn fetch(&self, asked: &Asked<'_>, parts: Parts, body: Body) -> (Response<Body>, Source) {
        let sent = self
            .0
            .origins
            .send(asked.behavior, parts, body, asked.viewer, asked.visit.id())
            .await;
        match sent {
            Ok(response) if response.status().as_u16() >= 400 => (response, Source::Error),
            Ok(response) => (response, Source::Miss),
            Err(error) => (asked.visit.origin_failed(&error), Source::Error),
        }
    }
}

/// One request on its way.
#[derive(Clone, Copy)]
struct Asked<'a> {
    behavior: &'a CacheBehavior,
    viewer: Option<IpAddr>,
    visit: &'a Visit,
}

/// The host a viewer asks for, without port, in lower case.
fn host(request: &Request<Incoming>) -> String {
    let authority = match request.uri().authority() {
        Some(authority) => authority.as_str(),
        None => request
            .headers()
            .get(header::HOST)
            .and_then(|host| host.to_str().ok())
            .unwrap_or(""),
    };
    split_host(authority).0.to_ascii_lowercase()
}

fn is_own(distribution: &Distribution, host: &str) -> bool {
    let fits = |name: &String| match name.strip_prefix('*') {
        Some(parent) => host
            .strip_suffix(parent)
            .is_some_and(|label| !label.is_empty() && !label.contains('.')),
        None => name.eq_ignore_ascii_case(host),
    };
    fits(&distribution.domain_name) || distribution.aliases.iter().any(fits)
}

#[cfg(test)]
mod tests;
