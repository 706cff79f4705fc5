//! Answers a load balancer gives by itself: redirects, fixed responses, error pages.
//!
//! Elastic Load Balancing user guide, "Redirect actions", "Fixed-response
//! actions" and "Troubleshoot your Application Load Balancers".

use http::header::{CONTENT_TYPE, HeaderValue, LOCATION, SERVER};
use http::{Response, StatusCode};

use super::rule::Asked;
use crate::blueprint::balancer::{FixedResponse, Redirect};
use crate::proxy::headers::split_host;
use crate::serve::{Body, empty, full};

const SERVER_NAME: HeaderValue = HeaderValue::from_static("awselb/2.0");

/// The page for a status code, with the bytes a load balancer sends.
pub(super) fn page(status: StatusCode) -> Response<Body> {
    let title = title(status);
    let html = format!(
        "<html>\r\n<head><title>{title}</title></head>\r\n<body>\r\n<center><h1>{title}</h1></center>\r\n</body>\r\n</html>\r\n"
    );
    let mut response = Response::new(full(html));
    *response.status_mut() = status;
    response.headers_mut().insert(SERVER, SERVER_NAME);
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static("text/html"));
    response
}

fn title(status: StatusCode) -> String {
    match status.as_u16() {
        503 => "503 Service Temporarily Unavailable".to_owned(),
        504 => "504 Gateway Time-out".to_owned(),
        460 | 463 | 464 => format!("{} Bad Request", status.as_u16()),
        302 => "302 Found".to_owned(),
        _ => status.to_string(),
    }
}

/// The answer of a redirect action, and where it points.
pub(super) fn redirect(
    redirect: &Redirect,
    asked: &Asked<'_>,
    own: Own,
) -> (Response<Body>, String) {
    let target = location(redirect, asked, own);
    let mut response = page(redirect.status);
    match HeaderValue::from_str(&target) {
        Ok(value) => {
            response.headers_mut().insert(LOCATION, value);
        }
        Err(_) => response = page(StatusCode::BAD_REQUEST),
    }
    (response, target)
}

/// The listener a request came in by.
#[derive(Debug, Clone, Copy)]
pub(super) struct Own {
    pub(super) secure: bool,
    pub(super) port: u16,
}

fn location(redirect: &Redirect, asked: &Asked<'_>, own: Own) -> String {
    let (host, _) = split_host(asked.authority);
    let port = own.port.to_string();
    let path = asked.parts.uri.path();
    let values = [
        ("#{protocol}", if own.secure { "https" } else { "http" }),
        ("#{host}", host),
        ("#{port}", &port),
        ("#{path}", path.strip_prefix('/').unwrap_or(path)),
        ("#{query}", asked.parts.uri.query().unwrap_or_default()),
    ];
    let protocol = fill(&redirect.protocol, &values).to_ascii_lowercase();
    let host = fill(&redirect.host, &values);
    let port = fill(&redirect.port, &values);
    let path = fill(&redirect.path, &values);
    let query = fill(&redirect.query, &values);
    let mark = if query.is_empty() { "" } else { "?" };
    format!("{protocol}://{host}:{port}{path}{mark}{query}")
}

/// Puts values in for placeholders, in one pass: a value is never looked into.
fn fill(text: &str, values: &[(&str, &str)]) -> String {
    let mut filled = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("#{") {
        filled.push_str(&rest[..at]);
        rest = &rest[at..];
        let known = values
            .iter()
            .find(|(placeholder, _)| rest.starts_with(placeholder));
        let (put, taken) = known.map_or(("#{", 2), |(placeholder, value)| {
            (*value, placeholder.len())
        });
        filled.push_str(put);
        rest = &rest[taken..];
    }
    filled.push_str(rest);
    filled
}

/// The answer of a fixed-response action.
pub(super) fn fixed(fixed: &FixedResponse) -> Response<Body> {
    let body = if fixed.body.is_empty() {
        empty()
    } else {
        full(fixed.body.clone())
    };
    let mut response = Response::new(body);
    *response.status_mut() = fixed.status;
    response.headers_mut().insert(SERVER, SERVER_NAME);
    if let Some(kind) = &fixed.content_type
        && let Ok(value) = HeaderValue::from_str(kind)
    {
        response.headers_mut().insert(CONTENT_TYPE, value);
    }
    response
}

#[cfg(test)]
mod tests;
