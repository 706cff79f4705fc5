//! A pool's hosted domain: the OAuth endpoints and the pages people sign in with.
//!
//! Pages are HTML without script, links and forms are relative, and cookies name no domain, so the
//! same pages serve under AWS's name and under whatever name a local browser reaches them by
//! (`X-Forwarded-Host`, `X-Forwarded-Proto`). What tokens say of their issuer stays AWS's name.

use bytes::Bytes;
use http::header::{HeaderValue, LOCATION};
use http::{Method, Request, Response, StatusCode};

use super::Cognito;
use super::pool::Pool;
use crate::clock::Timestamp;
use crate::emulator::Emulator;
use crate::gate::header;
use crate::via::Via;
use crate::wire;

mod authorize;
mod confirm;
mod cookie;
mod page;
mod sign_in;
mod sign_out;
mod sign_up;
mod text;
mod token_endpoint;
mod user_info;

use text::Language;

/// Forms are small.
const FORM_LIMIT_BYTES: usize = 16 * 1024;

/// One request to a hosted domain.
struct Visit<'a> {
    pool: &'a Pool,
    cognito: &'a Cognito,
    request: &'a Request<Bytes>,
    query: Vec<(String, String)>,
    form: Vec<(String, String)>,
    language: Language,
    now: Timestamp,
}

/// Answers a request to a hosted domain.
pub(crate) fn handle(
    emulator: &Emulator,
    prefix: &str,
    request: &Request<Bytes>,
    _via: &Via,
) -> Response<Bytes> {
    let Some(pool) = emulator.cognito.by_domain(prefix) else {
        return plain(StatusCode::NOT_FOUND, "no user pool has this domain");
    };
    if request.body().len() > FORM_LIMIT_BYTES {
        return plain(StatusCode::PAYLOAD_TOO_LARGE, "the form is too large");
    }
    let query = wire::form(request.uri().query().unwrap_or_default());
    let form = wire::form(std::str::from_utf8(request.body()).unwrap_or_default());
    let language = Language::of(
        find(&query, "lang"),
        header(request.headers(), "accept-language"),
    );
    let now = emulator.clock.now();
    let visit = Visit {
        pool,
        cognito: &emulator.cognito,
        request,
        query,
        form,
        language,
        now,
    };
    let path = request.uri().path();
    match (request.method(), path) {
        (&Method::GET, "/oauth2/authorize") => authorize::handle(&visit),
        (&Method::GET, "/login") => sign_in::show(&visit),
        (&Method::POST, "/login") => sign_in::submit(&visit),
        (&Method::GET, "/signup") => sign_up::show(&visit),
        (&Method::POST, "/signup") => sign_up::submit(&visit),
        (&Method::GET, "/confirm") => confirm::show(&visit),
        (&Method::POST, "/confirm") => confirm::submit(&visit),
        (&Method::POST, "/resend") => confirm::resend(&visit),
        (&Method::GET, "/logout") => sign_out::handle(&visit),
        (&Method::POST, "/oauth2/token") => token_endpoint::token(&visit),
        (&Method::POST, "/oauth2/revoke") => token_endpoint::revoke(&visit),
        (&Method::GET | &Method::POST, "/oauth2/userInfo") => user_info::handle(&visit),
        (&Method::OPTIONS, path) if path.starts_with("/oauth2/") => {
            token_endpoint::preflight(&visit)
        }
        (_, known) if PATHS.contains(&known) => plain(
            StatusCode::METHOD_NOT_ALLOWED,
            "the method is not for this path",
        ),
        _ => plain(StatusCode::NOT_FOUND, "there is no such page"),
    }
}

const PATHS: [&str; 9] = [
    "/oauth2/authorize",
    "/oauth2/token",
    "/oauth2/revoke",
    "/oauth2/userInfo",
    "/login",
    "/signup",
    "/confirm",
    "/resend",
    "/logout",
];

impl Visit<'_> {
    /// A parameter of the query.
    fn query(&self, name: &str) -> Option<&str> {
        find(&self.query, name)
    }

    /// A field of the form.
    fn field(&self, name: &str) -> &str {
        find(&self.form, name).unwrap_or_default()
    }

    /// The query as it came, for links that carry it along.
    fn raw_query(&self) -> &str {
        self.request.uri().query().unwrap_or_default()
    }

    /// Whether the browser's side of the way is TLS: cookies are `Secure` then.
    fn is_secure(&self) -> bool {
        header(self.request.headers(), "x-forwarded-proto") != "http"
    }
}

/// The first pair of that name.
fn find<'a>(pairs: &'a [(String, String)], name: &str) -> Option<&'a str> {
    pairs
        .iter()
        .find(|(key, _)| key == name)
        .map(|(_, value)| value.as_str())
}

/// Sends the browser elsewhere with a GET.
fn redirect(to: &str) -> Response<Bytes> {
    let mut response = Response::new(Bytes::new());
    *response.status_mut() = StatusCode::SEE_OTHER;
    match HeaderValue::from_str(to) {
        Ok(value) => {
            response.headers_mut().insert(LOCATION, value);
            page::protect(&mut response, &[]);
            response
        }
        Err(_) => plain(StatusCode::BAD_REQUEST, "the address to go to is not one"),
    }
}

fn plain(status: StatusCode, text: &'static str) -> Response<Bytes> {
    let kind = HeaderValue::from_static("text/plain; charset=utf-8");
    let mut response = wire::with_type(status, kind, Bytes::from_static(text.as_bytes()));
    page::protect(&mut response, &[]);
    response
}
