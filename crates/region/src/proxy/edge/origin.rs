//! Requests to origins: what goes into them, and how they get there.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::request::Parts;
use http::{Method, Request, Response, Version};
use iam::sigv4::{EMPTY_PAYLOAD_SHA256, HttpRequest, Payload, Scope, sign};
use rustls::ClientConfig;
use time::OffsetDateTime;

use super::OriginCredentials;
use super::answer::CF_ID;
use crate::blueprint::distribution::{
    CacheBehavior, Distribution, Origin, OriginId, OriginRequest,
};
use crate::dns::{LookupError, Resolver};
use crate::proxy::headers::append_to_list;
use crate::proxy::pool::{Endpoint, Pool, PoolOptions, UpstreamError};
use crate::serve::Body;

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// Why an origin gave no response.
#[derive(Debug, thiserror::Error)]
pub(super) enum OriginError {
    #[error("no such origin")]
    Unknown,
    #[error("could not resolve the origin")]
    Name(#[from] LookupError),
    #[error("could not get an answer from the origin")]
    Upstream(#[from] UpstreamError),
}

/// The origins of a distribution, each with its own connections and limits.
pub(super) struct Origins {
    origins: BTreeMap<OriginId, (Origin, Pool)>,
    resolver: Arc<Resolver>,
    source: Option<IpAddr>,
    credentials: OriginCredentials,
}

impl Origins {
    pub(super) fn new(
        distribution: &Distribution,
        resolver: Arc<Resolver>,
        source: Option<IpAddr>,
        trust: &Arc<ClientConfig>,
        credentials: OriginCredentials,
    ) -> Self {
        let with_pool = |origin: &Origin| {
            let options = PoolOptions {
                connect_timeout: origin.connect_timeout,
                silence_timeout: origin.read_timeout,
                keep_alive: origin.keep_alive,
                source,
                ..PoolOptions::default()
            };
            (origin.clone(), Pool::new(options, Some(Arc::clone(trust))))
        };
        let origins = distribution
            .origins
            .iter()
            .map(|(id, origin)| (id.clone(), with_pool(origin)));
        Self {
            origins: origins.collect(),
            resolver,
            source,
            credentials,
        }
    }

    /// Sends a viewer's request to the behavior's origin.
    pub(super) async fn send(
        &self,
        behavior: &CacheBehavior,
        mut parts: Parts,
        body: Body,
        viewer: Option<IpAddr>,
        visit_id: &str,
    ) -> Result<Response<Body>, OriginError> {
        let (origin, pool) = self
            .origins
            .get(&behavior.origin)
            .ok_or(OriginError::Unknown)?;
        select(&mut parts, behavior);
        let keeps_host =
            behavior.origin_request == OriginRequest::AllViewer && origin.signing.is_none();
        if !keeps_host && let Ok(host) = HeaderValue::from_str(&origin.domain_name) {
            parts.headers.insert(header::HOST, host);
        }
        add_own_fields(&mut parts.headers, parts.version, origin, viewer, visit_id);
        parts.version = Version::HTTP_11;
        let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
        parts.uri = format!("{}{path}", origin.path).parse().unwrap_or_default();
        self.sign(origin, &mut parts);
        let source = self.source.unwrap_or(IpAddr::from([127, 0, 0, 1]));
        let addresses = self.resolver.lookup(&origin.domain_name, source)?;
        // spread over the addresses of the origin, as a resolver's rotation would
        let turn = visit_id.bytes().map(usize::from).sum::<usize>() % addresses.len().max(1);
        let address = *addresses.get(turn).ok_or(OriginError::Unknown)?;
        let endpoint = Endpoint::tls(SocketAddr::new(address, origin.port), &origin.domain_name);
        Ok(pool
            .send(&endpoint, Request::from_parts(parts, body))
            .await?)
    }

    fn sign(&self, origin: &Origin, parts: &mut Parts) {
        let Some(signing) = &origin.signing else {
            return;
        };
        parts.headers.remove(header::AUTHORIZATION);
        let payload = if parts.method == Method::GET || parts.method == Method::HEAD {
            Payload::Sha256(EMPTY_PAYLOAD_SHA256)
        } else {
            Payload::Unsigned
        };
        let request = HttpRequest {
            method: parts.method.as_str(),
            path: parts.uri.path(),
            query: parts.uri.query().unwrap_or_default(),
            headers: &parts.headers,
        };
        let scope = Scope {
            region: &signing.region,
            service: &signing.service,
            at: OffsetDateTime::now_utc(),
        };
        let added = sign(&request, &(self.credentials)(), &scope, payload);
        for (name, value) in &added {
            parts.headers.insert(name, value.clone());
        }
    }
}

/// Leaves in what the policies let through to the origin.
fn select(parts: &mut Parts, behavior: &CacheBehavior) {
    if behavior.origin_request != OriginRequest::KeyOnly {
        return;
    }
    if !behavior.cache.query_in_key {
        parts.uri = parts.uri.path().parse().unwrap_or_default();
    }
    let kept = [
        header::HOST,
        header::CONTENT_LENGTH,
        header::CONTENT_TYPE,
        header::RANGE,
        header::IF_NONE_MATCH,
        header::IF_MODIFIED_SINCE,
        FORWARDED_FOR,
    ];
    let mut headers = HeaderMap::new();
    for name in kept {
        if let Some(value) = parts.headers.get(&name) {
            headers.insert(name, value.clone());
        }
    }
    headers.insert(
        header::USER_AGENT,
        HeaderValue::from_static("Amazon CloudFront"),
    );
    parts.headers = headers;
}

fn add_own_fields(
    headers: &mut HeaderMap,
    version: Version,
    origin: &Origin,
    viewer: Option<IpAddr>,
    visit_id: &str,
) {
    if let Some(viewer) = viewer {
        append_to_list(headers, &FORWARDED_FOR, &viewer.to_string());
    }
    let spoken = if version == Version::HTTP_2 {
        "2.0"
    } else {
        "1.1"
    };
    append_to_list(
        headers,
        &header::VIA,
        &format!("{spoken} {}.cloudfront.net (CloudFront)", &visit_id[..32]),
    );
    if let Ok(id) = HeaderValue::from_str(visit_id) {
        headers.insert(CF_ID, id);
    }
    for (name, value) in &origin.custom_headers {
        let name = HeaderName::from_bytes(name.as_bytes());
        if let (Ok(name), Ok(mut value)) = (name, HeaderValue::from_str(&value.0)) {
            // a viewer must not be able to send it for us
            value.set_sensitive(true);
            headers.insert(name, value);
        }
    }
}
