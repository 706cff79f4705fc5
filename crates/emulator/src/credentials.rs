//! What a caller signs with, and how a session proves itself without the emulator remembering it.
//!
//! A session token is a ciphertext under the services' own key, bound to its access key id. It holds
//! whose session it is, its secret key and when it ends. So sessions survive a restart, cost no
//! memory, and cannot be made or stretched by anyone else.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::random;
use crate::seed::Sensitive;
use crate::service::kms::keyring::{EncryptionContext, Keyring, SERVICE_KEY};

/// An access key, with a session token if it is a session's.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// `AKIA…` of a user, `ASIA…` of a session.
    pub access_key_id: String,
    /// Never shown by `Debug`.
    pub secret_access_key: Sensitive,
    /// Never shown by `Debug`.
    pub session_token: Option<Sensitive>,
    /// When a session ends; `None` for a user's key.
    pub expiration: Option<Timestamp>,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials")
            .field("access_key_id", &self.access_key_id)
            .field("expiration", &self.expiration)
            .finish_non_exhaustive()
    }
}

/// What a session token says.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Session {
    pub(crate) who: SessionOf,
    pub(crate) secret: String,
    pub(crate) issued_ms: i64,
    pub(crate) expires_ms: i64,
}

/// Whose session it is.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum SessionOf {
    /// A session of a role, limited by a session policy if one was passed.
    Role {
        arn: String,
        name: String,
        policy: Option<serde_json::Value>,
    },
    /// An AWS service acting for one of its resources.
    Service { name: String, source_arn: String },
}

/// Opens a session: new credentials whose token says all of it.
pub(crate) fn issue(
    keys: &Keyring,
    who: SessionOf,
    now: Timestamp,
    lifetime_seconds: i64,
) -> Credentials {
    let access_key_id = access_key_id("ASIA");
    let secret = secret_access_key();
    let expires = now.plus_seconds(lifetime_seconds);
    let session = Session {
        who,
        secret: secret.clone(),
        issued_ms: now.0,
        expires_ms: expires.0,
    };
    let plain = serde_json::to_vec(&session).expect("a session is strings and numbers");
    let blob = keys
        .encrypt(SERVICE_KEY, &plain, &token_context(&access_key_id))
        .expect("the services' own key is always there");
    Credentials {
        access_key_id,
        secret_access_key: Sensitive(secret),
        session_token: Some(Sensitive(URL_SAFE_NO_PAD.encode(blob))),
        expiration: Some(expires),
    }
}

/// Reads a session token; `None` unless this emulator issued it for this access key id.
pub(crate) fn read_token(keys: &Keyring, access_key_id: &str, token: &str) -> Option<Session> {
    let blob = URL_SAFE_NO_PAD.decode(token).ok()?;
    let plain = keys
        .decrypt_own(&blob, &token_context(access_key_id))
        .ok()?;
    serde_json::from_slice(&plain).ok()
}

/// Twenty characters, as AWS's are.
pub(crate) fn access_key_id(prefix: &str) -> String {
    format!("{prefix}{}", random::text(random::UPPER_BASE32, 16))
}

/// Forty characters, 238 bits.
pub(crate) fn secret_access_key() -> String {
    random::text(random::ALPHANUMERIC, 40)
}

fn token_context(access_key_id: &str) -> EncryptionContext {
    [("kickytime:session".to_owned(), access_key_id.to_owned())].into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Store;

    #[test]
    fn a_token_opens_only_with_its_own_access_key_id() {
        let store = Store::memory();
        let keys = Keyring::open(&store, &[], "arn:aws:kms:r:a:key/", Timestamp(0)).unwrap();
        let who = SessionOf::Service {
            name: "s".into(),
            source_arn: "a".into(),
        };
        let made = issue(&keys, who, Timestamp(5_000), 60);
        let token = made.session_token.clone().unwrap();
        let session = read_token(&keys, &made.access_key_id, token.expose()).unwrap();
        assert_eq!(session.secret, made.secret_access_key.expose());
        assert_eq!(session.expires_ms, 65_000);
        assert!(read_token(&keys, "ASIAOTHER", token.expose()).is_none());
        assert!(read_token(&keys, &made.access_key_id, "AAAA").is_none());
        assert!(!format!("{made:?}").contains(made.secret_access_key.expose()));
    }
}
