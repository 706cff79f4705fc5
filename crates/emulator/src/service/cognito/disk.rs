//! A pool on disk: one sealed file with its signing key, its users and what it revoked.

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::password::PasswordHash;
use super::pool::{Kept, User};
use super::token::SigningKey;
use crate::clock::Timestamp;
use crate::random;
use crate::seed::{PoolUserSeed, UserPoolSeed};
use crate::service::kms::keyring::{Keyring, SERVICE_KEY};
use crate::store::Store;
use crate::vault::{self, VaultError};

/// The pool as kept, brought up to what the seed says.
pub(super) fn load(
    store: &Store,
    keys: &Keyring,
    seed: &UserPoolSeed,
    now: Timestamp,
) -> Result<(Kept, SigningKey), VaultError> {
    let path = path_of(&seed.id);
    let damaged = |reason| VaultError::Damaged {
        path: store.describe(&path),
        reason,
    };
    let (mut kept, mut changed) = match vault::read(store, keys, &path)? {
        Some(bytes) => {
            let kept: Kept = serde_json::from_slice(&bytes)
                .map_err(|_| damaged("it is not the JSON written"))?;
            (kept, false)
        }
        None => (fresh(), true),
    };
    let der = STANDARD
        .decode(&kept.signing_key)
        .map_err(|_| damaged("its key is not base64"))?;
    let signing = SigningKey::from_pkcs8(&der).ok_or_else(|| damaged("its key is no RSA key"))?;
    let marker = hmac::Key::new(hmac::HMAC_SHA256, &der);
    for user in &seed.users {
        changed |= bring_up(&mut kept, user, &marker, now);
    }
    if changed {
        save(store, keys, &seed.id, &kept)?;
    }
    Ok((kept, signing))
}

/// Writes a pool.
pub(super) fn save(
    store: &Store,
    keys: &Keyring,
    pool_id: &str,
    kept: &Kept,
) -> Result<(), VaultError> {
    let bytes = serde_json::to_vec(kept).expect("strings and numbers make JSON");
    vault::write(store, keys, SERVICE_KEY, &path_of(pool_id), &bytes)
}

fn fresh() -> Kept {
    Kept {
        signing_key: STANDARD.encode(SigningKey::generate()),
        users: std::collections::BTreeMap::new(),
        revoked: std::collections::BTreeMap::new(),
    }
}

/// Makes a seeded user, or changes it where the seed changed; hashing a password is slow on purpose,
/// so whether it changed is told by a keyed digest.
fn bring_up(kept: &mut Kept, seed: &PoolUserSeed, marker: &hmac::Key, now: Timestamp) -> bool {
    let text = serde_json::json!([
        seed.email,
        seed.password.expose(),
        seed.nickname,
        seed.groups
    ]);
    let mark = random::hex(hmac::sign(marker, text.to_string().as_bytes()).as_ref());
    let email = seed.email.to_lowercase();
    let known = kept
        .users
        .values()
        .find(|user| user.email.to_lowercase() == email);
    if known.is_some_and(|user| user.seed_mark.as_ref() == Some(&mark)) {
        return false;
    }
    let user = User {
        sub: known.map_or_else(random::uuid, |user| user.sub.clone()),
        email: seed.email.clone(),
        nickname: seed.nickname.clone(),
        password: PasswordHash::new(seed.password.expose()),
        confirmed: true,
        groups: seed.groups.iter().cloned().collect(),
        created_ms: known.map_or(now.0, |user| user.created_ms),
        seed_mark: Some(mark),
        confirmation: None,
    };
    kept.users.insert(user.sub.clone(), user);
    true
}

fn path_of(pool_id: &str) -> String {
    format!("cognito/{}", vault::file_name(pool_id))
}
