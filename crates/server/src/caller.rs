//! Who is asking, and what are they allowed to be?
//!
//! Two extractors: [`SignedIn`] has a good access token, [`Admin`] has the
//! administrator's role in the database at this moment (whatever the token
//! says). A handler that needs the caller's account finds it by the token's
//! subject in the statement that does the work, so no request pays for a
//! look-up of its own and no deleted account is remembered.

use std::sync::Arc;
use std::time::Instant;

use axum::extract::{FromRef, FromRequestParts};
use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;

use crate::app::App;
use crate::problem::{Code, Problem};
use crate::token::TokenError;

/// Someone with a good access token.
pub struct SignedIn {
    /// The user pool's name for the person.
    pub sub: String,
    /// When the token expires, in seconds since 1970.
    pub expires_at: u64,
}

/// Someone who is an administrator now.
pub struct Admin {
    pub id: i64,
}

impl From<TokenError> for Problem {
    fn from(error: TokenError) -> Self {
        let code = match error {
            TokenError::KeysUnavailable => Code::Unavailable,
            _ => Code::Unauthorized,
        };
        Self::new(code, error.to_string())
    }
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme
        .eq_ignore_ascii_case("bearer")
        .then_some(token.trim())
}

/// What to answer someone without an account.
pub fn not_registered() -> Problem {
    Problem::new(
        Code::NotRegistered,
        "this account is not registered; sign in again",
    )
}

impl<S: Send + Sync> FromRequestParts<S> for SignedIn
where
    Arc<App>: FromRef<S>,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let app = Arc::from_ref(state);
        let token = bearer(&parts.headers).ok_or_else(|| {
            Problem::new(
                Code::Unauthorized,
                "an access token is needed in `Authorization: Bearer`",
            )
        })?;
        let claims = app.verifier.access(token).await?;
        app.limiter
            .take(&claims.sub, Instant::now())
            .map_err(|wait| Problem {
                retry_after_s: Some(wait.as_secs() + 1),
                ..Problem::new(Code::TooManyRequests, "too many requests; slow down")
            })?;
        Ok(Self {
            sub: claims.sub,
            expires_at: claims.exp,
        })
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Admin
where
    Arc<App>: FromRef<S>,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let SignedIn { sub, .. } = SignedIn::from_request_parts(parts, state).await?;
        let row = Arc::<App>::from_ref(state)
            .database
            .row(
                "SELECT id, role = 'ADMIN' FROM users WHERE cognito_sub = $1",
                &[&sub],
            )
            .await?
            .ok_or_else(not_registered)?;
        if row.get(1) {
            Ok(Self { id: row.get(0) })
        } else {
            Err(Problem::new(Code::Forbidden, "this is for administrators"))
        }
    }
}
