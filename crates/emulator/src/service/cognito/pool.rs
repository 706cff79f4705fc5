//! A pool as state: its users, the codes it handed out, what it revoked; and the tokens it makes.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};

use super::password::{self, PasswordHash};
use super::throttle::Throttle;
use super::token::SigningKey;
use super::{Place, disk};
use crate::clock::Timestamp;
use crate::emulator::OpenError;
use crate::seed::{PoolClientSeed, UserPoolSeed};
use crate::service::kms::keyring::Keyring;
use crate::store::Store;
use crate::vault::VaultError;

mod grant;
mod user;

/// How long one sign-in at the hosted page lasts. Cognito: one hour.
pub(super) const SESSION_SECONDS: i64 = 3_600;
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

/// Equality in a time that tells nothing of where texts differ.
pub(super) fn equal(a: &str, b: &str) -> bool {
    iam::sigv4::constant_time_eq(a.as_bytes(), b.as_bytes())
}
