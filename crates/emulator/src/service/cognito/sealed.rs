//! Texts that only the pool can read back: refresh tokens, session and pending-user cookies.
//!
//! Like Cognito's refresh tokens they are encrypted, so there is nothing to keep for each of them;
//! what is kept is the short list of those that were revoked.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::service::kms::keyring::{EncryptionContext, Keyring, SERVICE_KEY};

/// What a sealed text is for; one kind never opens as another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Refresh,
    Session,
    PendingUser,
}

/// Seals a value for one pool and purpose.
pub(super) fn seal<T: Serialize>(keys: &Keyring, pool: &str, kind: Kind, value: &T) -> String {
    let plain = serde_json::to_vec(value).expect("strings and numbers make JSON");
    let blob = keys
        .encrypt(SERVICE_KEY, &plain, &context(pool, kind))
        .expect("the services' own key is always there");
    URL_SAFE_NO_PAD.encode(blob)
}

/// Opens a sealed text; `None` unless this pool sealed it for this purpose.
pub(super) fn open<T: DeserializeOwned>(
    keys: &Keyring,
    pool: &str,
    kind: Kind,
    text: &str,
) -> Option<T> {
    let blob = URL_SAFE_NO_PAD.decode(text).ok()?;
    let plain = keys.decrypt_own(&blob, &context(pool, kind)).ok()?;
    serde_json::from_slice(&plain).ok()
}

fn context(pool: &str, kind: Kind) -> EncryptionContext {
    [
        ("kickytime:pool".to_owned(), pool.to_owned()),
        ("kickytime:kind".to_owned(), format!("{kind:?}")),
    ]
    .into()
}
