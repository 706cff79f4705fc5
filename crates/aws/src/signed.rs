//! A request as AWS takes it: at an endpoint, with a signature.

use bytes::Bytes;
use http::{HeaderValue, Method, Request, header};
use iam::sigv4::{self, HttpRequest, Payload, Scope};
use time::OffsetDateTime;

use crate::config::Endpoint;
use crate::credentials::Credentials;

/// What is asked of a service, before it is signed.
#[derive(Debug, Clone)]
pub(crate) struct Ask {
    pub(crate) method: Method,
    /// Below the endpoint's own path, with the query.
    pub(crate) path_and_query: String,
    pub(crate) content_type: Option<&'static str>,
    /// `X-Amz-Target`, for the JSON protocols.
    pub(crate) target: Option<String>,
    pub(crate) body: Bytes,
}

/// The request, unsigned; none when the path or the target is nothing a request could hold.
pub(crate) fn request(endpoint: &Endpoint, ask: &Ask) -> Option<Request<Bytes>> {
    let mut builder = Request::builder()
        .method(ask.method.clone())
        .uri(format!("{}{}", endpoint.path, ask.path_and_query))
        .header(header::HOST, endpoint.authority.as_str());
    if let Some(content_type) = ask.content_type {
        builder = builder.header(header::CONTENT_TYPE, content_type);
    }
    if let Some(target) = &ask.target {
        builder = builder.header("x-amz-target", target.as_str());
    }
    builder.body(ask.body.clone()).ok()
}

/// Adds a signature to a request in origin form.
pub(crate) fn sign(
    request: &mut Request<Bytes>,
    credentials: &Credentials,
    region: &str,
    service: &str,
    now: OffsetDateTime,
) {
    let signed = sigv4::sign(
        &HttpRequest {
            method: request.method().as_str(),
            path: request.uri().path(),
            query: request.uri().query().unwrap_or_default(),
            headers: request.headers(),
        },
        &credentials.signing,
        &Scope {
            region,
            service,
            at: now,
        },
        Payload::Bytes(request.body()),
    );
    request.headers_mut().extend(signed);
    request.headers_mut().insert(
        header::USER_AGENT,
        HeaderValue::from_static(concat!("kickytime/", env!("CARGO_PKG_VERSION"))),
    );
}
