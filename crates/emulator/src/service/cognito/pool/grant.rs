//! From a sign-in to tokens: codes for one use, refresh, revocation, and what the tokens claim.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::super::sealed::{self, Kind};
use super::super::token;
use super::{API_SCOPE, Code, Pool, SignIn, State, Tokens, User, equal};
use crate::clock::Timestamp;
use crate::random;
use crate::seed::PoolClientSeed;
use crate::vault::VaultError;

/// How long an authorization code is good. Cognito: five minutes.
const CODE_SECONDS: i64 = 300;
/// Codes waiting to be redeemed; beyond, nobody gets a new one until some expire.
const CODE_LIMIT: usize = 10_000;

/// A refresh token's content.
#[derive(Serialize, Deserialize)]
struct Refresh {
    sign_in: SignIn,
    expires_ms: i64,
}

impl Pool {
    /// A code for one use, bound to where it is sent and to the client's PKCE challenge.
    pub(in super::super) fn new_code(
        &self,
        sign_in: SignIn,
        redirect_uri: &str,
        challenge: &str,
        now: Timestamp,
    ) -> Option<String> {
        let mut state = self.lock();
        state.codes.retain(|_, code| code.expires > now);
        if state.codes.len() >= CODE_LIMIT {
            return None;
        }
        let text = random::uuid();
        let code = Code {
            sign_in,
            redirect_uri: redirect_uri.to_owned(),
            challenge: challenge.to_owned(),
            expires: now.plus_seconds(CODE_SECONDS),
            used: false,
        };
        state.codes.insert(text.clone(), code);
        Some(text)
    }

    /// Takes a code. One that was used before revokes what it gave (RFC 6749 §4.1.2).
    pub(in super::super) fn redeem(
        &self,
        code: &str,
        client_id: &str,
        redirect_uri: &str,
        challenge_of_verifier: &str,
        now: Timestamp,
    ) -> Result<Option<SignIn>, VaultError> {
        let mut state = self.lock();
        let Some(found) = state.codes.get_mut(code).filter(|code| code.expires > now) else {
            return Ok(None);
        };
        let sign_in = found.sign_in.clone();
        if found.used {
            self.revoke_locked(&mut state, &sign_in, now)?;
            return Ok(None);
        }
        found.used = true;
        let good = sign_in.client_id == client_id
            && found.redirect_uri == redirect_uri
            && equal(&found.challenge, challenge_of_verifier);
        Ok(good.then_some(sign_in))
    }

    /// Ends a sign-in: its refresh token gives nothing more and its access token opens nothing here.
    pub(in super::super) fn revoke(
        &self,
        sign_in: &SignIn,
        now: Timestamp,
    ) -> Result<(), VaultError> {
        let mut state = self.lock();
        self.revoke_locked(&mut state, sign_in, now)
    }

    fn revoke_locked(
        &self,
        state: &mut State,
        sign_in: &SignIn,
        now: Timestamp,
    ) -> Result<(), VaultError> {
        let lasts = self
            .client(&sign_in.client_id)
            .map_or(0, |c| c.validity.refresh_seconds);
        state.kept.revoked.retain(|_, until| *until > now.0);
        let until = now.plus_seconds(lasts).0;
        state.kept.revoked.insert(sign_in.origin_jti.clone(), until);
        self.save(state)
    }

    /// Whether a sign-in was revoked.
    pub(in super::super) fn is_revoked(&self, origin_jti: &str) -> bool {
        self.lock().kept.revoked.contains_key(origin_jti)
    }

    /// The sign-in a refresh token stands for, if it is still good for this client.
    pub(in super::super) fn open_refresh(
        &self,
        token: &str,
        client_id: &str,
        now: Timestamp,
    ) -> Option<SignIn> {
        let refresh: Refresh = sealed::open(&self.keys, &self.seed.id, Kind::Refresh, token)?;
        let good = refresh.sign_in.client_id == client_id
            && now.0 < refresh.expires_ms
            && !self.is_revoked(&refresh.sign_in.origin_jti);
        good.then_some(refresh.sign_in)
    }

    /// Makes tokens for a sign-in; `None` if the user has gone since.
    pub(in super::super) fn issue(
        &self,
        sign_in: &SignIn,
        with_refresh: bool,
        now: Timestamp,
    ) -> Option<Tokens> {
        let user = self.user(&sign_in.sub)?;
        let client = self.client(&sign_in.client_id)?;
        let event_id = random::uuid();
        let access = self
            .signing
            .sign(&self.access_claims(&user, sign_in, client, &event_id, now));
        let wants_id = sign_in
            .scopes
            .iter()
            .any(|s| s == "openid" || s == API_SCOPE);
        let id = wants_id.then(|| {
            let mut claims = self.id_claims(&user, sign_in, client, &event_id, now);
            claims["at_hash"] = json!(token::at_hash(&access));
            self.signing.sign(&claims)
        });
        let refresh = with_refresh.then(|| {
            let expires_ms = Timestamp(sign_in.auth_time_ms)
                .plus_seconds(client.validity.refresh_seconds)
                .0;
            let content = Refresh {
                sign_in: sign_in.clone(),
                expires_ms,
            };
            sealed::seal(&self.keys, &self.seed.id, Kind::Refresh, &content)
        });
        Some(Tokens {
            id,
            access,
            refresh,
            expires_in: client.validity.access_seconds,
        })
    }

    fn access_claims(
        &self,
        user: &User,
        sign_in: &SignIn,
        client: &PoolClientSeed,
        event_id: &str,
        now: Timestamp,
    ) -> Value {
        let mut claims = json!({
            "sub": user.sub,
            "iss": self.issuer,
            "version": 2,
            "client_id": client.id,
            "origin_jti": sign_in.origin_jti,
            "event_id": event_id,
            "token_use": "access",
            "scope": sign_in.scopes.join(" "),
            "auth_time": Timestamp(sign_in.auth_time_ms).seconds(),
            "exp": now.plus_seconds(client.validity.access_seconds).seconds(),
            "iat": now.seconds(),
            "jti": random::uuid(),
            "username": user.sub,
        });
        put_groups(&mut claims, user);
        claims
    }

    fn id_claims(
        &self,
        user: &User,
        sign_in: &SignIn,
        client: &PoolClientSeed,
        event_id: &str,
        now: Timestamp,
    ) -> Value {
        let may = |scope: &str| sign_in.scopes.iter().any(|s| s == scope || s == API_SCOPE);
        let mut claims = json!({
            "sub": user.sub,
            "iss": self.issuer,
            "cognito:username": user.sub,
            "origin_jti": sign_in.origin_jti,
            "aud": client.id,
            "event_id": event_id,
            "token_use": "id",
            "auth_time": Timestamp(sign_in.auth_time_ms).seconds(),
            "exp": now.plus_seconds(client.validity.id_seconds).seconds(),
            "iat": now.seconds(),
            "jti": random::uuid(),
        });
        if may("email") {
            claims["email"] = json!(user.email);
            claims["email_verified"] = json!(user.confirmed);
        }
        if may("profile") {
            claims["nickname"] = json!(user.nickname);
        }
        if let Some(nonce) = &sign_in.nonce {
            claims["nonce"] = json!(nonce);
        }
        put_groups(&mut claims, user);
        claims
    }

    /// The claims of an access token of this pool that is still good.
    pub(in super::super) fn open_access(&self, token: &str, now: Timestamp) -> Option<Value> {
        let claims = self.signing.verify(token)?;
        let good = claims["token_use"] == "access"
            && claims["iss"] == self.issuer
            && claims["exp"].as_i64()? > now.seconds()
            && !self.is_revoked(claims["origin_jti"].as_str()?);
        good.then_some(claims)
    }
}

fn put_groups(claims: &mut Value, user: &User) {
    if !user.groups.is_empty() {
        claims["cognito:groups"] = json!(user.groups);
    }
}
