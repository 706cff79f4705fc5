//! `/oauth2/authorize`: what an application asks for, checked before anyone is asked to sign in
//! (RFC 6749 §4.1.1, RFC 7636, "Authorize endpoint").
//!
//! A client or redirect URI that is not the pool's is told to the person and never redirected to;
//! any other fault goes back to the application.

use bytes::Bytes;
use http::Response;

use super::super::pool::{SignIn, User};
use super::{Visit, cookie, page, redirect};
use crate::random;
use crate::seed::PoolClientSeed;
use crate::wire::percent_encode;

/// Longest `state` or `nonce` that is carried along.
const OPAQUE_LIMIT: usize = 2_048;

/// A request for a code that may be answered by a redirect.
pub(super) struct Request<'a> {
    pub(super) client: &'a PoolClientSeed,
    pub(super) redirect_uri: &'a str,
    state: Option<&'a str>,
    nonce: Option<&'a str>,
    scopes: Vec<String>,
    challenge: &'a str,
}

/// Why a request is not answered with a code.
pub(super) enum Fault<'a> {
    /// Told to the person: there is no one to redirect to.
    Here(&'static str),
    /// Told to the application.
    There {
        redirect_uri: &'a str,
        state: Option<&'a str>,
        error: &'static str,
        why: &'static str,
    },
}

/// Signs in by the cookie if there is a session, by the page otherwise.
pub(super) fn handle(visit: &Visit<'_>) -> Response<Bytes> {
    let request = match read(visit) {
        Ok(request) => request,
        Err(fault) => return refuse(visit, &fault),
    };
    let prompt = visit.query("prompt").unwrap_or_default();
    let session = cookie::session(visit).filter(|_| prompt != "login");
    match session.and_then(|session| Some((visit.pool.user(&session.sub)?, session.auth_time_ms))) {
        Some((user, auth_time_ms)) => grant(visit, &request, &user, auth_time_ms),
        None if prompt == "none" => {
            let fault = Fault::There {
                redirect_uri: request.redirect_uri,
                state: request.state,
                error: "login_required",
                why: "nobody is signed in",
            };
            refuse(visit, &fault)
        }
        None => redirect(&format!("/login?{}", visit.raw_query())),
    }
}

/// Reads and checks what is asked for, from the query.
pub(super) fn read<'a>(visit: &'a Visit<'_>) -> Result<Request<'a>, Fault<'a>> {
    let client = visit
        .query("client_id")
        .and_then(|id| visit.pool.client(id))
        .ok_or(Fault::Here("client"))?;
    let redirect_uri = visit
        .query("redirect_uri")
        .filter(|uri| client.callback_urls.iter().any(|known| known == uri))
        .ok_or(Fault::Here("redirect"))?;
    let state = visit.query("state");
    let invalid = |why| Fault::There {
        redirect_uri,
        state,
        error: "invalid_request",
        why,
    };
    let too_long = |text: &Option<&str>| text.is_some_and(|text| text.len() > OPAQUE_LIMIT);
    let nonce = visit.query("nonce");
    if too_long(&state) || too_long(&nonce) {
        return Err(Fault::Here("long"));
    }
    match visit.query("response_type") {
        Some("code") => {}
        Some(_) => {
            return Err(Fault::There {
                redirect_uri,
                state,
                error: "unsupported_response_type",
                why: "only the code flow is supported",
            });
        }
        None => return Err(invalid("response_type is missing")),
    }
    let challenge = visit
        .query("code_challenge")
        .filter(|challenge| is_challenge(challenge))
        .ok_or_else(|| invalid("a public client must send a code_challenge"))?;
    if visit.query("code_challenge_method") != Some("S256") {
        return Err(invalid("code_challenge_method must be S256"));
    }
    let scopes = scopes_of(client, visit.query("scope")).ok_or(Fault::There {
        redirect_uri,
        state,
        error: "invalid_scope",
        why: "the client may not ask for this scope",
    })?;
    Ok(Request {
        client,
        redirect_uri,
        state,
        nonce,
        scopes,
        challenge,
    })
}

/// Sends the browser back with a code for `user`.
pub(super) fn grant(
    visit: &Visit<'_>,
    request: &Request<'_>,
    user: &User,
    auth_time_ms: i64,
) -> Response<Bytes> {
    let sign_in = SignIn {
        sub: user.sub.clone(),
        client_id: request.client.id.clone(),
        scopes: request.scopes.clone(),
        auth_time_ms,
        origin_jti: random::uuid(),
        nonce: request.nonce.map(str::to_owned),
    };
    let code = visit
        .pool
        .new_code(sign_in, request.redirect_uri, request.challenge, visit.now);
    match code {
        Some(code) => redirect(&with_parameters(
            request.redirect_uri,
            &[("code", Some(code.as_str())), ("state", request.state)],
        )),
        None => refuse(
            visit,
            &Fault::There {
                redirect_uri: request.redirect_uri,
                state: request.state,
                error: "temporarily_unavailable",
                why: "too many sign-ins are under way",
            },
        ),
    }
}

/// Tells whoever may be told.
pub(super) fn refuse(visit: &Visit<'_>, fault: &Fault<'_>) -> Response<Bytes> {
    match fault {
        Fault::Here(which) => page::fault(visit, which),
        Fault::There {
            redirect_uri,
            state,
            error,
            why,
        } => redirect(&with_parameters(
            redirect_uri,
            &[
                ("error", Some(*error)),
                ("error_description", Some(*why)),
                ("state", *state),
            ],
        )),
    }
}

/// Every scope asked for must be the client's; without any, all of the client's are given.
fn scopes_of(client: &PoolClientSeed, asked: Option<&str>) -> Option<Vec<String>> {
    let asked: Vec<&str> = asked
        .unwrap_or_default()
        .split(' ')
        .filter(|s| !s.is_empty())
        .collect();
    if asked.is_empty() {
        return Some(client.scopes.clone());
    }
    let known = |scope: &&str| client.scopes.iter().any(|known| known == scope);
    asked
        .iter()
        .all(known)
        .then(|| asked.into_iter().map(str::to_owned).collect())
}

/// The base64url text of a SHA-256 digest.
fn is_challenge(text: &str) -> bool {
    text.len() == 43
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b))
}

/// Adds parameters to a URI that may have some.
fn with_parameters(uri: &str, parameters: &[(&str, Option<&str>)]) -> String {
    let mut out = uri.to_owned();
    let mut separator = if uri.contains('?') { '&' } else { '?' };
    for (name, value) in parameters {
        if let Some(value) = value {
            out.push(separator);
            out.push_str(name);
            out.push('=');
            out.push_str(&percent_encode(value));
            separator = '&';
        }
    }
    out
}
