//! A pool as state: its users, the codes it handed out, what it revoked; and the tokens it makes.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::password::{self, PasswordHash};
use super::sealed::{self, Kind};
use super::throttle::Throttle;
use super::token::{self, SigningKey};
use super::{Place, disk};
use crate::clock::Timestamp;
use crate::emulator::OpenError;
use crate::random;
use crate::seed::{PoolClientSeed, UserPoolSeed};
use crate::service::kms::keyring::Keyring;
use crate::store::Store;
use crate::vault::VaultError;

/// How long an authorization code is good. Cognito: five minutes.
const CODE_SECONDS: i64 = 300;
/// How long one sign-in at the hosted page lasts. Cognito: one hour.
pub(super) const SESSION_SECONDS: i64 = 3_600;
/// Codes waiting to be redeemed; beyond, nobody gets a new one until some expire.
const CODE_LIMIT: usize = 10_000;
/// Tries at a confirmation code before it is void.
const CONFIRMATION_TRIES: u32 = 5;
/// Cognito's codes are good for a day.
const CONFIRMATION_SECONDS: i64 = 24 * 3_600;

/// A user pool.
pub(crate) struct Pool {
    pub(super) seed: UserPoolSeed,
    /// `https://cognito-idp.REGION.amazonaws.com/POOL_ID`
    pub(super) issuer: String,
    /// `https://PREFIX.auth.REGION.amazoncognito.com`, if it has a domain.
    pub(super) domain: Option<String>,
    pub(super) keys: Arc<Keyring>,
    pub(super) signing: SigningKey,
    store: Arc<Store>,
    state: Mutex<State>,
}

/// What changes.
pub(super) struct State {
    pub(super) kept: Kept,
    codes: BTreeMap<String, Code>,
    throttle: Throttle,
}

/// What is written to disk.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Kept {
    /// The signing key, PKCS #8 in base64.
    pub(super) signing_key: String,
    /// By `sub`.
    pub(super) users: BTreeMap<String, User>,
    /// `origin_jti` of revoked sign-ins, with when their last token ends.
    pub(super) revoked: BTreeMap<String, i64>,
}

/// A user of the pool.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct User {
    pub(super) sub: String,
    pub(super) email: String,
    pub(super) nickname: String,
    pub(super) password: PasswordHash,
    pub(super) confirmed: bool,
    pub(super) groups: BTreeSet<String>,
    pub(super) created_ms: i64,
    /// A keyed digest of the seed's password, to see when the seed changes.
    pub(super) seed_mark: Option<String>,
    pub(super) confirmation: Option<Confirmation>,
}

/// A code sent to an address.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Confirmation {
    pub(super) code: String,
    pub(super) expires_ms: i64,
    pub(super) tries: u32,
}

/// One sign-in of one user at one client: what every token of it derives from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct SignIn {
    pub(super) sub: String,
    pub(super) client_id: String,
    pub(super) scopes: Vec<String>,
    pub(super) auth_time_ms: i64,
    pub(super) origin_jti: String,
    pub(super) nonce: Option<String>,
}

/// What an authorization code stands for.
struct Code {
    sign_in: SignIn,
    redirect_uri: String,
    challenge: String,
    expires: Timestamp,
    used: bool,
}

/// A refresh token's content.
#[derive(Serialize, Deserialize)]
struct Refresh {
    sign_in: SignIn,
    expires_ms: i64,
}

/// Tokens of one grant.
pub(super) struct Tokens {
    pub(super) id: Option<String>,
    pub(super) access: String,
    pub(super) refresh: Option<String>,
    pub(super) expires_in: i64,
}

/// Why a sign-in failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SignInFault {
    /// No such user, or not the password: one answer for both.
    Wrong,
    /// Too many failures; try later.
    Locked,
    /// The password is right and the address not confirmed.
    Unconfirmed,
}

/// Why a sign-up failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SignUpFault {
    Exists,
    Email,
    Nickname,
    Password(password::PasswordFault),
    Closed,
}

impl Pool {
    /// Loads a pool, making key and seeded users that are not there yet.
    pub(super) fn open(
        store: Arc<Store>,
        keys: Arc<Keyring>,
        seed: &UserPoolSeed,
        place: &Place<'_>,
        now: Timestamp,
    ) -> Result<Self, OpenError> {
        let (kept, signing) = disk::load(&store, &keys, seed, now)?;
        let domain = seed
            .domain
            .as_ref()
            .map(|prefix| format!("https://{prefix}.auth.{}.amazoncognito.com", place.region));
        let issuer = format!(
            "https://cognito-idp.{}.{}/{}",
            place.region, place.dns_suffix, seed.id
        );
        let state = State {
            kept,
            codes: BTreeMap::new(),
            throttle: Throttle::default(),
        };
        Ok(Self {
            seed: seed.clone(),
            issuer,
            domain,
            keys,
            signing,
            store,
            state: Mutex::new(state),
        })
    }

    /// A client by id.
    pub(super) fn client(&self, id: &str) -> Option<&PoolClientSeed> {
        self.seed.clients.iter().find(|client| client.id == id)
    }

    /// A panic between two map operations leaves the maps whole.
    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn save(&self, state: &State) -> Result<(), VaultError> {
        disk::save(&self.store, &self.keys, &self.seed.id, &state.kept)
    }

    /// A user by `sub`.
    pub(super) fn user(&self, sub: &str) -> Option<User> {
        self.lock().kept.users.get(sub).cloned()
    }

    /// Checks a password. The lock is not held while hashing, so one guess does not stop the rest.
    pub(super) fn sign_in(
        &self,
        email: &str,
        password: &str,
        now: Timestamp,
    ) -> Result<User, SignInFault> {
        let name = email.trim().to_lowercase();
        let user = {
            let state = self.lock();
            if !state.throttle.admits(&name, now) {
                return Err(SignInFault::Locked);
            }
            state.find(&name).cloned()
        };
        let right = match &user {
            Some(user) => user.password.is(password),
            None => {
                password::check_nobody(password);
                false
            }
        };
        let mut state = self.lock();
        match user.filter(|_| right) {
            None => {
                state.throttle.failed(&name, now);
                Err(SignInFault::Wrong)
            }
            Some(user) => {
                state.throttle.succeeded(&name);
                if user.confirmed {
                    Ok(user)
                } else {
                    Err(SignInFault::Unconfirmed)
                }
            }
        }
    }

    /// Makes an unconfirmed user.
    pub(super) fn sign_up(
        &self,
        email: &str,
        nickname: &str,
        password: &str,
        now: Timestamp,
    ) -> Result<Result<User, SignUpFault>, VaultError> {
        let (email, nickname) = (email.trim(), nickname.trim());
        if let Err(fault) = self.check_sign_up(email, nickname, password) {
            return Ok(Err(fault));
        }
        let user = User {
            sub: random::uuid(),
            email: email.to_owned(),
            nickname: nickname.to_owned(),
            password: PasswordHash::new(password),
            confirmed: false,
            groups: BTreeSet::new(),
            created_ms: now.0,
            seed_mark: None,
            confirmation: None,
        };
        let mut state = self.lock();
        if let Some(existing) = state.find(&email.to_lowercase()).cloned() {
            if existing.confirmed {
                return Ok(Err(SignUpFault::Exists));
            }
            // Nobody has shown that the address is theirs: who signs up last may try.
            state.kept.users.remove(&existing.sub);
        }
        state.kept.users.insert(user.sub.clone(), user.clone());
        self.save(&state)?;
        Ok(Ok(user))
    }

    fn check_sign_up(
        &self,
        email: &str,
        nickname: &str,
        password: &str,
    ) -> Result<(), SignUpFault> {
        if !self.seed.self_sign_up {
            return Err(SignUpFault::Closed);
        }
        if !is_email(email) {
            return Err(SignUpFault::Email);
        }
        if nickname.is_empty()
            || nickname.chars().count() > 50
            || nickname.contains(char::is_control)
        {
            return Err(SignUpFault::Nickname);
        }
        password::check(&self.seed.password_policy, password).map_err(SignUpFault::Password)
    }

    /// A new confirmation code for a user; `None` if there is nothing to confirm.
    pub(super) fn new_confirmation(
        &self,
        sub: &str,
        now: Timestamp,
    ) -> Result<Option<(String, String)>, VaultError> {
        let mut state = self.lock();
        let Some(user) = state.kept.users.get_mut(sub).filter(|user| !user.confirmed) else {
            return Ok(None);
        };
        let code = random::text(b"0123456789", 6);
        let expires_ms = now.plus_seconds(CONFIRMATION_SECONDS).0;
        user.confirmation = Some(Confirmation {
            code: code.clone(),
            expires_ms,
            tries: 0,
        });
        let email = user.email.clone();
        self.save(&state)?;
        Ok(Some((email, code)))
    }

    /// Confirms a user by the code sent; a code has few tries.
    pub(super) fn confirm(
        &self,
        sub: &str,
        code: &str,
        now: Timestamp,
    ) -> Result<bool, VaultError> {
        let mut state = self.lock();
        let Some(user) = state.kept.users.get_mut(sub) else {
            return Ok(false);
        };
        let Some(confirmation) = &mut user.confirmation else {
            return Ok(false);
        };
        confirmation.tries += 1;
        let right = confirmation.tries <= CONFIRMATION_TRIES
            && now.0 < confirmation.expires_ms
            && equal(&confirmation.code, code.trim());
        if right {
            user.confirmed = true;
            user.confirmation = None;
        }
        self.save(&state)?;
        Ok(right)
    }

    /// A code for one use, bound to where it is sent and to the client's PKCE challenge.
    pub(super) fn new_code(
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
    pub(super) fn redeem(
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
    pub(super) fn revoke(&self, sign_in: &SignIn, now: Timestamp) -> Result<(), VaultError> {
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
    pub(super) fn is_revoked(&self, origin_jti: &str) -> bool {
        self.lock().kept.revoked.contains_key(origin_jti)
    }

    /// The sign-in a refresh token stands for, if it is still good for this client.
    pub(super) fn open_refresh(
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
    pub(super) fn issue(
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
    pub(super) fn open_access(&self, token: &str, now: Timestamp) -> Option<Value> {
        let claims = self.signing.verify(token)?;
        let good = claims["token_use"] == "access"
            && claims["iss"] == self.issuer
            && claims["exp"].as_i64()? > now.seconds()
            && !self.is_revoked(claims["origin_jti"].as_str()?);
        good.then_some(claims)
    }
}

/// The scope of tokens that the API's own sign-in gives.
pub(super) const API_SCOPE: &str = "aws.cognito.signin.user.admin";

impl State {
    /// A user by lower-case address.
    fn find(&self, email: &str) -> Option<&User> {
        self.kept
            .users
            .values()
            .find(|user| user.email.to_lowercase() == email)
    }
}

fn put_groups(claims: &mut Value, user: &User) {
    if !user.groups.is_empty() {
        claims["cognito:groups"] = json!(user.groups);
    }
}

/// Good enough to send mail to: something, one `@`, a domain with a dot or a single label.
fn is_email(text: &str) -> bool {
    let Some((local, domain)) = text.split_once('@') else {
        return false;
    };
    let plain = |part: &str| {
        !part.is_empty()
            && !part.contains(|c: char| c.is_whitespace() || c.is_control() || "@<>\"".contains(c))
    };
    text.len() <= 254
        && plain(local)
        && plain(domain)
        && !domain.starts_with('.')
        && !domain.ends_with('.')
}

/// Equality in a time that tells nothing of where texts differ.
pub(super) fn equal(a: &str, b: &str) -> bool {
    iam::sigv4::constant_time_eq(a.as_bytes(), b.as_bytes())
}
