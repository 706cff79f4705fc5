//! AWS Secrets Manager: named values in versions, each decrypted only for who may also use its key.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::Value;

use crate::call::Call;
use crate::clock::Timestamp;
use crate::emulator::{OpenError, ResolveError};
use crate::error::{ApiError, ApiResult};
use crate::seed::SecretSeed;
use crate::service::kms::keyring::Keyring;
use crate::store::Store;

mod create;
mod disk;
mod password;
mod read;
mod state;
mod write;

pub use password::PasswordError;
pub(crate) use read::resolve;
use state::Secret;

/// The secrets of the account, by name.
pub(crate) struct SecretsManager {
    store: Arc<Store>,
    keys: Arc<Keyring>,
    secrets: Mutex<BTreeMap<String, Secret>>,
}

impl SecretsManager {
    /// Loads the seeded secrets, making first versions and versions for what the seed changed.
    pub(crate) fn open(
        store: Arc<Store>,
        keys: Arc<Keyring>,
        seeds: &[SecretSeed],
        now: Timestamp,
    ) -> Result<Self, OpenError> {
        let mut secrets = BTreeMap::new();
        for seed in seeds {
            let secret = create::from_seed(&store, &keys, seed, now)?;
            secrets.insert(seed.name.clone(), secret);
        }
        Ok(Self {
            store,
            keys,
            secrets: Mutex::new(secrets),
        })
    }

    /// A panic cannot leave a secret half changed: changes are made on a copy and put back whole.
    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Secret>> {
        self.secrets.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A copy of a secret by name, ARN, or ARN without its suffix.
    fn find(&self, id: &str) -> Option<Secret> {
        let secrets = self.lock();
        if let Some(secret) = secrets.get(id) {
            return Some(secret.clone());
        }
        let by_arn = |secret: &&Secret| {
            secret.arn == id
                || secret.arn.strip_prefix(id).is_some_and(|rest| {
                    rest.len() == 7
                        && rest.starts_with('-')
                        && rest[1..].bytes().all(|b| b.is_ascii_alphanumeric())
                })
        };
        secrets.values().find(by_arn).cloned()
    }

    /// Changes a secret as a whole: on disk first, then in memory; nobody sees half of it, and no
    /// two changes are lost in each other.
    fn change<T>(
        &self,
        name: &str,
        apply: impl FnOnce(&mut Secret) -> ApiResult<T>,
    ) -> ApiResult<T> {
        let mut secrets = self.lock();
        let current = secrets.get(name).ok_or_else(not_found)?;
        let mut changed = current.clone();
        let answer = apply(&mut changed)?;
        disk::save(&self.store, &self.keys, &changed)
            .map_err(|error| ApiError::internal(&error))?;
        secrets.insert(name.to_owned(), changed);
        Ok(answer)
    }
}

/// Runs a Secrets Manager operation.
pub(crate) fn handle(call: &Call<'_>, operation: &str, input: &Value) -> ApiResult<Value> {
    match operation {
        "GetSecretValue" => read::get_secret_value(call, input),
        "DescribeSecret" => read::describe_secret(call, input),
        "ListSecrets" => read::list_secrets(call, input),
        "ListSecretVersionIds" => read::list_secret_version_ids(call, input),
        "PutSecretValue" => write::put_secret_value(call, input),
        "UpdateSecretVersionStage" => write::update_secret_version_stage(call, input),
        "GetRandomPassword" => write::get_random_password(call, input),
        other => Err(ApiError::unsupported("AWS Secrets Manager", other)),
    }
}

fn not_found() -> ApiError {
    ApiError::client(
        "ResourceNotFoundException",
        "Secrets Manager can't find the specified secret.",
    )
}

fn undecryptable() -> ApiError {
    ApiError::client(
        "DecryptionFailure",
        "Secrets Manager can't decrypt the protected secret text using the provided KMS key.",
    )
}

/// Why a dynamic reference has no value, when it is not there.
fn unresolved(id: &str) -> ResolveError {
    ResolveError::NotFound(id.to_owned())
}
