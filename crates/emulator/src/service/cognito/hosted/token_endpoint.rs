//! `/oauth2/token` and `/oauth2/revoke`: codes and refresh tokens turned into tokens, by the client
//! itself and not by the browser's address bar (RFC 6749 §4.1.3, §6; RFC 7009; RFC 7636 §4.5).

use aws_lc_rs::digest;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_MAX_AGE, CACHE_CONTROL, HeaderValue, ORIGIN, PRAGMA, VARY,
};
use http::{Response, StatusCode};
use serde_json::{Value, json};

use super::super::pool::Tokens;
use super::{Visit, page};
use crate::gate::header;
use crate::seed::PoolClientSeed;
use crate::wire;

/// An OAuth error code; what is behind it is not told.
struct Refusal(StatusCode, &'static str);

const INVALID_REQUEST: Refusal = Refusal(StatusCode::BAD_REQUEST, "invalid_request");
const INVALID_CLIENT: Refusal = Refusal(StatusCode::BAD_REQUEST, "invalid_client");
const INVALID_GRANT: Refusal = Refusal(StatusCode::BAD_REQUEST, "invalid_grant");
const UNSUPPORTED: Refusal = Refusal(StatusCode::BAD_REQUEST, "unsupported_grant_type");
const TROUBLE: Refusal = Refusal(StatusCode::INTERNAL_SERVER_ERROR, "server_error");

/// `/oauth2/token`.
pub(super) fn token(visit: &Visit<'_>) -> Response<Bytes> {
    let answer = client_of(visit).and_then(|client| match visit.field("grant_type") {
        "authorization_code" => by_code(visit, client),
        "refresh_token" => by_refresh(visit, client),
        "" => Err(INVALID_REQUEST),
        _ => Err(UNSUPPORTED),
    });
    respond(visit, answer)
}

/// `/oauth2/revoke`: a token that is not ours is no error.
pub(super) fn revoke(visit: &Visit<'_>) -> Response<Bytes> {
    let answer = client_of(visit).and_then(|client| {
        let sign_in = visit
            .pool
            .open_refresh(visit.field("token"), &client.id, visit.now);
        match sign_in.map(|sign_in| visit.pool.revoke(&sign_in, visit.now)) {
            Some(Err(_)) => Err(TROUBLE),
            _ => Ok(json!({})),
        }
    });
    respond(visit, answer)
}

fn by_code(visit: &Visit<'_>, client: &PoolClientSeed) -> Result<Value, Refusal> {
    let verifier = visit.field("code_verifier");
    if !is_verifier(verifier) {
        return Err(INVALID_REQUEST);
    }
    let challenge = digest::digest(&digest::SHA256, verifier.as_bytes());
    let challenge = URL_SAFE_NO_PAD.encode(challenge.as_ref());
    let sign_in = visit
        .pool
        .redeem(
            visit.field("code"),
            &client.id,
            visit.field("redirect_uri"),
            &challenge,
            visit.now,
        )
        .map_err(|_| TROUBLE)?
        .ok_or(INVALID_GRANT)?;
    visit
        .pool
        .issue(&sign_in, true, visit.now)
        .map(|t| body(&t))
        .ok_or(INVALID_GRANT)
}

fn by_refresh(visit: &Visit<'_>, client: &PoolClientSeed) -> Result<Value, Refusal> {
    let sign_in = visit
        .pool
        .open_refresh(visit.field("refresh_token"), &client.id, visit.now)
        .ok_or(INVALID_GRANT)?;
    visit
        .pool
        .issue(&sign_in, false, visit.now)
        .map(|t| body(&t))
        .ok_or(INVALID_GRANT)
}

fn body(tokens: &Tokens) -> Value {
    let mut out = json!({
        "access_token": tokens.access,
        "expires_in": tokens.expires_in,
        "token_type": "Bearer",
    });
    if let Some(id) = &tokens.id {
        out["id_token"] = json!(id);
    }
    if let Some(refresh) = &tokens.refresh {
        out["refresh_token"] = json!(refresh);
    }
    out
}

/// Our clients are public: they have an id and no secret.
fn client_of<'a>(visit: &'a Visit<'_>) -> Result<&'a PoolClientSeed, Refusal> {
    visit
        .pool
        .client(visit.field("client_id"))
        .ok_or(INVALID_CLIENT)
}

/// 43 to 128 unreserved characters (RFC 7636 §4.1).
fn is_verifier(text: &str) -> bool {
    (43..=128).contains(&text.len())
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"-._~".contains(&b))
}

fn respond(visit: &Visit<'_>, answer: Result<Value, Refusal>) -> Response<Bytes> {
    let (status, body) = match answer {
        Ok(body) => (StatusCode::OK, body),
        Err(Refusal(status, code)) => (status, json!({ "error": code })),
    };
    json_answer(visit, status, &body)
}

/// A JSON answer that no cache keeps and that pages of the clients' origins may read.
pub(super) fn json_answer(visit: &Visit<'_>, status: StatusCode, body: &Value) -> Response<Bytes> {
    let kind = HeaderValue::from_static("application/json;charset=UTF-8");
    let mut response = wire::with_type(status, kind, body.to_string().into());
    page::protect(&mut response, &[]);
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(PRAGMA, HeaderValue::from_static("no-cache"));
    allow_origin(visit, &mut response);
    response
}

/// Answers the question a browser asks before a request of another origin.
pub(super) fn preflight(visit: &Visit<'_>) -> Response<Bytes> {
    let mut response = Response::new(Bytes::new());
    *response.status_mut() = StatusCode::NO_CONTENT;
    if allow_origin(visit, &mut response) {
        let headers = response.headers_mut();
        headers.insert(
            ACCESS_CONTROL_ALLOW_METHODS,
            HeaderValue::from_static("GET, POST"),
        );
        let allowed = HeaderValue::from_static("authorization, content-type");
        headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, allowed);
        headers.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("600"));
    }
    response
}

/// The origins of the clients' callback URLs, and no other.
fn allow_origin(visit: &Visit<'_>, response: &mut Response<Bytes>) -> bool {
    let headers = response.headers_mut();
    headers.append(VARY, HeaderValue::from_static("Origin"));
    let origin = header(visit.request.headers(), ORIGIN.as_str());
    let mut known = visit
        .pool
        .seed
        .clients
        .iter()
        .flat_map(|client| &client.callback_urls);
    let is_known = !origin.is_empty() && known.any(|url| page::origin_of(url) == Some(origin));
    if is_known && let Ok(value) = HeaderValue::from_str(origin) {
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, value);
    }
    is_known
}
