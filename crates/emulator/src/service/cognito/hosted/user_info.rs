//! `/oauth2/userInfo`: what an access token may know of its user (OpenID Connect Core §5.3).

use bytes::Bytes;
use http::header::{HeaderValue, WWW_AUTHENTICATE};
use http::{Response, StatusCode};
use serde_json::{Value, json};

use super::Visit;
use super::token_endpoint::json_answer;
use crate::gate::header;

/// Answers with the claims the token's scopes allow.
pub(super) fn handle(visit: &Visit<'_>) -> Response<Bytes> {
    let token = header(visit.request.headers(), "authorization");
    let token = token.strip_prefix("Bearer ").unwrap_or_default();
    let found = visit.pool.open_access(token, visit.now).and_then(|claims| {
        let user = visit.pool.user(claims["sub"].as_str()?)?;
        let scopes: Vec<&str> = claims["scope"].as_str()?.split(' ').collect();
        scopes.contains(&"openid").then_some(())?;
        let mut out = json!({ "sub": user.sub, "username": user.sub });
        if scopes.contains(&"email") {
            out["email"] = json!(user.email);
            // Cognito writes this one as text here, and as a boolean in the ID token.
            out["email_verified"] = json!(user.confirmed.to_string());
        }
        if scopes.contains(&"profile") {
            out["nickname"] = json!(user.nickname);
        }
        Some(out)
    });
    match found {
        Some(body) => json_answer(visit, StatusCode::OK, &body),
        None => refused(visit),
    }
}

fn refused(visit: &Visit<'_>) -> Response<Bytes> {
    const CHALLENGE: HeaderValue = HeaderValue::from_static("Bearer error=\"invalid_token\"");
    let body: Value = json!({
        "error": "invalid_token",
        "error_description": "the access token is invalid or has expired",
    });
    let mut response = json_answer(visit, StatusCode::UNAUTHORIZED, &body);
    response.headers_mut().insert(WWW_AUTHENTICATE, CHALLENGE);
    response
}
