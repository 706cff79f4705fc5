//! What CloudFront itself adds to answers, and the answers it gives alone.

use std::fmt::Write;

use http::header::{self, HeaderName, HeaderValue};
use http::{Method, Response, StatusCode, Uri};

use super::origin::OriginError;
use crate::blueprint::distribution::CacheBehavior;
use crate::proxy::headers::{random_hex, remove_hop_by_hop};
use crate::proxy::pool::UpstreamError;
use crate::serve::{Body, full};

const X_CACHE: HeaderName = HeaderName::from_static("x-cache");
const CF_POP: HeaderName = HeaderName::from_static("x-amz-cf-pop");
pub(super) const CF_ID: HeaderName = HeaderName::from_static("x-amz-cf-id");
const HTML: HeaderValue = HeaderValue::from_static("text/html");

/// Where an answer came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Source {
    Hit,
    RefreshHit,
    Miss,
    Error,
    Redirect,
}

impl Source {
    fn text(self) -> HeaderValue {
        HeaderValue::from_static(match self {
            Self::Hit => "Hit from cloudfront",
            Self::RefreshHit => "RefreshHit from cloudfront",
            Self::Miss => "Miss from cloudfront",
            Self::Error => "Error from cloudfront",
            Self::Redirect => "Redirect from cloudfront",
        })
    }
}

/// One request of one viewer.
pub(super) struct Visit {
    id: String,
    point_of_presence: String,
}

impl Visit {
    pub(super) fn new(point_of_presence: &str) -> Self {
        Self {
            id: random_hex(28),
            point_of_presence: point_of_presence.to_owned(),
        }
    }

    /// The request id that viewers and origins see.
    pub(super) fn id(&self) -> &str {
        &self.id
    }

    /// Puts the last fields on a response.
    pub(super) fn deliver(
        &self,
        mut response: Response<Body>,
        source: Source,
        behavior: &CacheBehavior,
    ) -> Response<Body> {
        let headers = response.headers_mut();
        remove_hop_by_hop(headers);
        for field in &behavior.response_headers {
            let name = HeaderName::from_bytes(field.name.as_bytes());
            let (Ok(name), Ok(value)) = (name, HeaderValue::from_str(&field.value)) else {
                continue;
            };
            if field.overrides || !headers.contains_key(&name) {
                headers.insert(name, value);
            }
        }
        self.sign_off(response, source)
    }

    /// An answer without any origin.
    pub(super) fn refuse(&self, status: StatusCode, why: &str) -> Response<Body> {
        self.sign_off(self.page(status, why), Source::Error)
    }

    /// To the same place over HTTPS.
    pub(super) fn redirect(&self, method: &Method, host: &str, uri: &Uri) -> Response<Body> {
        let path = uri.path_and_query().map_or("/", |path| path.as_str());
        let readable = method == Method::GET || method == Method::HEAD;
        let status = if readable {
            StatusCode::MOVED_PERMANENTLY
        } else {
            StatusCode::TEMPORARY_REDIRECT
        };
        let mut response = Response::new(full(format!(
            "<html>\r\n<head><title>{status}</title></head>\r\n<body>\r\n<center><h1>{status}</h1></center>\r\n<hr><center>CloudFront</center>\r\n</body>\r\n</html>\r\n"
        )));
        *response.status_mut() = status;
        response.headers_mut().insert(header::CONTENT_TYPE, HTML);
        response
            .headers_mut()
            .insert(header::SERVER, HeaderValue::from_static("CloudFront"));
        if let Ok(location) = HeaderValue::from_str(&format!("https://{host}{path}")) {
            response.headers_mut().insert(header::LOCATION, location);
        }
        self.sign_off(response, Source::Redirect)
    }

    /// The page for an origin that gave no answer.
    pub(super) fn origin_failed(&self, error: &OriginError) -> Response<Body> {
        let (status, why) = match error {
            OriginError::Name(_) => (
                StatusCode::BAD_GATEWAY,
                "CloudFront wasn't able to resolve the origin domain name.",
            ),
            OriginError::Upstream(
                UpstreamError::ConnectTimeout { .. } | UpstreamError::ResponseTimeout { .. },
            ) => (
                StatusCode::GATEWAY_TIMEOUT,
                "CloudFront attempted to connect to the origin, but it did not answer in time.",
            ),
            OriginError::Upstream(UpstreamError::RequestTimeout { .. }) => (
                StatusCode::REQUEST_TIMEOUT,
                "The request did not arrive in time.",
            ),
            OriginError::Upstream(UpstreamError::RequestBody(_)) => {
                (StatusCode::BAD_REQUEST, "The request broke off.")
            }
            OriginError::Upstream(UpstreamError::Response { .. }) => (
                StatusCode::BAD_GATEWAY,
                "The origin closed the connection or gave an invalid response.",
            ),
            OriginError::Upstream(_) | OriginError::Unknown => (
                StatusCode::BAD_GATEWAY,
                "CloudFront wasn't able to connect to the origin.",
            ),
        };
        self.page(status, why)
    }

    fn page(&self, status: StatusCode, why: &str) -> Response<Body> {
        let mut html = String::from("<!DOCTYPE html>\n<html><head><meta charset=\"utf-8\">\n");
        let code = status.as_u16();
        // writing to a string does not fail
        let _ok = write!(
            html,
            "<title>ERROR: The request could not be satisfied</title></head>\n<body><h1>{code} ERROR</h1>\n<h2>The request could not be satisfied.</h2>\n<hr>\n<p>{why}</p>\n<hr>\n<pre>Generated by cloudfront (CloudFront)\nRequest ID: {}</pre></body></html>\n",
            self.id
        );
        let mut response = Response::new(full(html));
        *response.status_mut() = status;
        response.headers_mut().insert(header::CONTENT_TYPE, HTML);
        response
            .headers_mut()
            .insert(header::SERVER, HeaderValue::from_static("CloudFront"));
        response
    }

    fn sign_off(&self, mut response: Response<Body>, source: Source) -> Response<Body> {
        let headers = response.headers_mut();
        headers.insert(X_CACHE, source.text());
        let via = format!("1.1 {}.cloudfront.net (CloudFront)", &self.id[..32]);
        for (name, value) in [
            (header::VIA, &via),
            (CF_POP, &self.point_of_presence),
            (CF_ID, &self.id),
        ] {
            if let Ok(value) = HeaderValue::from_str(value) {
                headers.insert(name, value);
            }
        }
        response
    }
}

/// For an object that ended before its announced length.
pub(super) fn broken_off() -> Response<Body> {
    let mut response = Response::new(full("the origin broke off\n"));
    *response.status_mut() = StatusCode::BAD_GATEWAY;
    response
}
