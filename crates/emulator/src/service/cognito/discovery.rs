//! What anyone may know of a pool: its OpenID configuration and its public keys.

use bytes::Bytes;
use http::header::{ACCESS_CONTROL_ALLOW_ORIGIN, CACHE_CONTROL, HeaderValue};
use http::{Method, Request, Response, StatusCode};
use serde_json::{Value, json};

use super::pool::Pool;
use crate::error::ApiError;
use crate::route::Protocol;
use crate::wire;

/// Answers `/POOL_ID/.well-known/…`.
pub(super) fn handle(pool: &Pool, request: &Request<Bytes>) -> Response<Bytes> {
    let path = request.uri().path();
    let document = path
        .split_once("/.well-known/")
        .map(|(_, document)| document);
    let body = match (request.method(), document) {
        (&Method::GET | &Method::HEAD, Some("openid-configuration")) => configuration(pool),
        (&Method::GET | &Method::HEAD, Some("jwks.json")) => {
            json!({ "keys": [pool.signing.jwk()] })
        }
        _ => {
            let error = ApiError::new(StatusCode::NOT_FOUND, "NotFound", "no such document");
            return wire::error(Protocol::Json, &error, "", path);
        }
    };
    let kind = HeaderValue::from_static("application/json");
    let mut response = wire::with_type(StatusCode::OK, kind, body.to_string().into());
    let headers = response.headers_mut();
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    headers.insert(
        CACHE_CONTROL,
        HeaderValue::from_static("public, max-age=86400"),
    );
    response
}

/// OpenID Connect Discovery 1.0 §3, with what this pool really does.
fn configuration(pool: &Pool) -> Value {
    let mut out = json!({
        "issuer": pool.issuer,
        "jwks_uri": format!("{}/.well-known/jwks.json", pool.issuer),
        "id_token_signing_alg_values_supported": ["RS256"],
        "response_types_supported": ["code"],
        "grant_types_supported": ["authorization_code", "refresh_token"],
        "code_challenge_methods_supported": ["S256"],
        "scopes_supported": ["openid", "email", "profile"],
        "subject_types_supported": ["public"],
        "token_endpoint_auth_methods_supported": ["none"],
    });
    if let Some(domain) = &pool.domain {
        for (name, path) in [
            ("authorization_endpoint", "oauth2/authorize"),
            ("token_endpoint", "oauth2/token"),
            ("userinfo_endpoint", "oauth2/userInfo"),
            ("revocation_endpoint", "oauth2/revoke"),
            ("end_session_endpoint", "logout"),
        ] {
            out[name] = json!(format!("{domain}/{path}"));
        }
    }
    out
}
