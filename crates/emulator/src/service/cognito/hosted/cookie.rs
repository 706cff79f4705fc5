//! Cookies of the hosted pages: the session, the user waiting for a code, and the token that shows a
//! form came from our own page.

use bytes::Bytes;
use http::Response;
use http::header::{COOKIE, HeaderValue, ORIGIN, SET_COOKIE};
use serde::{Deserialize, Serialize};

use super::super::pool::{SESSION_SECONDS, User, equal};
use super::super::sealed::{self, Kind};
use super::Visit;
use crate::gate::header;
use crate::random;

const SESSION: &str = "cognito";
const PENDING: &str = "cognito-pending";
const CSRF: &str = "XSRF-TOKEN";

/// Who is signed in at the hosted page.
#[derive(Serialize, Deserialize)]
pub(super) struct Session {
    pub(super) sub: String,
    pub(super) auth_time_ms: i64,
}

/// Who has shown a password and not yet an address.
#[derive(Serialize, Deserialize)]
pub(super) struct Pending {
    pub(super) sub: String,
    expires_ms: i64,
}

/// The session of the request, if there is one and it has not ended.
pub(super) fn session(visit: &Visit<'_>) -> Option<Session> {
    let text = read(visit, SESSION)?;
    let keys = &visit.pool.keys;
    let session: Session = sealed::open(keys, &visit.pool.seed.id, Kind::Session, text)?;
    let ends = session.auth_time_ms.saturating_add(SESSION_SECONDS * 1_000);
    (visit.now.0 < ends).then_some(session)
}

/// Begins a session.
pub(super) fn set_session(visit: &Visit<'_>, response: &mut Response<Bytes>, user: &User) {
    let session = Session {
        sub: user.sub.clone(),
        auth_time_ms: visit.now.0,
    };
    let text = sealed::seal(
        &visit.pool.keys,
        &visit.pool.seed.id,
        Kind::Session,
        &session,
    );
    set(visit, response, SESSION, &text, SESSION_SECONDS);
    set(visit, response, PENDING, "", 0);
}

/// Ends the session.
pub(super) fn clear_session(visit: &Visit<'_>, response: &mut Response<Bytes>) {
    set(visit, response, SESSION, "", 0);
}

/// The user waiting for a code.
pub(super) fn pending(visit: &Visit<'_>) -> Option<Pending> {
    let text = read(visit, PENDING)?;
    let keys = &visit.pool.keys;
    let pending: Pending = sealed::open(keys, &visit.pool.seed.id, Kind::PendingUser, text)?;
    (visit.now.0 < pending.expires_ms).then_some(pending)
}

/// Notes the user waiting for a code.
pub(super) fn set_pending(visit: &Visit<'_>, response: &mut Response<Bytes>, sub: &str) {
    let pending = Pending {
        sub: sub.to_owned(),
        expires_ms: visit.now.plus_seconds(SESSION_SECONDS).0,
    };
    let text = sealed::seal(
        &visit.pool.keys,
        &visit.pool.seed.id,
        Kind::PendingUser,
        &pending,
    );
    set(visit, response, PENDING, &text, SESSION_SECONDS);
}

/// The token for this browser's forms: the one it has, or a new one.
pub(super) fn csrf_token(visit: &Visit<'_>) -> String {
    match read(visit, CSRF) {
        Some(token) if token.len() == 43 => token.to_owned(),
        _ => random::text(random::ALPHANUMERIC, 43),
    }
}

/// Lets the browser keep the token.
pub(super) fn set_csrf(visit: &Visit<'_>, response: &mut Response<Bytes>, token: &str) {
    set(visit, response, CSRF, token, SESSION_SECONDS);
}

/// Whether a form was sent from our own page: its token is the cookie's, and the browser, if it says
/// where from, says here.
pub(super) fn is_own_form(visit: &Visit<'_>) -> bool {
    let token = read(visit, CSRF).unwrap_or_default();
    let headers = visit.request.headers();
    let origin = header(headers, ORIGIN.as_str());
    let host = match header(headers, "x-forwarded-host") {
        "" => header(headers, "host"),
        forwarded => forwarded,
    };
    let from_here = origin.is_empty()
        || origin
            .split_once("://")
            .is_some_and(|(_, from)| from.eq_ignore_ascii_case(host));
    token.len() == 43 && equal(token, visit.field("_csrf")) && from_here
}

fn read<'a>(visit: &'a Visit<'_>, name: &str) -> Option<&'a str> {
    visit
        .request
        .headers()
        .get_all(COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|line| line.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(key, _)| *key == name)
        .map(|(_, value)| value)
}

fn set(visit: &Visit<'_>, response: &mut Response<Bytes>, name: &str, value: &str, seconds: i64) {
    let secure = if visit.is_secure() { "; Secure" } else { "" };
    let text = format!("{name}={value}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Lax{secure}");
    if let Ok(value) = HeaderValue::from_str(&text) {
        response.headers_mut().append(SET_COOKIE, value);
    }
}
