//! How a secret lies on disk: one sealed JSON file each, values inside still under their own keys.

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use super::state::{Secret, Version};
use crate::clock::Timestamp;
use crate::seed::{SecretSeed, Tags};
use crate::service::kms::keyring::{Keyring, SERVICE_KEY};
use crate::store::Store;
use crate::vault::{self, VaultError};

#[derive(Serialize, Deserialize)]
struct File {
    arn: String,
    created_ms: i64,
    changed_ms: i64,
    accessed_ms: Option<i64>,
    seed_mark: String,
    versions: BTreeMap<String, FileVersion>,
}

#[derive(Serialize, Deserialize)]
struct FileVersion {
    created_ms: i64,
    stages: BTreeSet<String>,
    wrapped: String,
    sealed: String,
}

/// The state of a secret from its file; what the seed says of it comes from the seed.
pub(super) fn load(
    store: &Store,
    keys: &Keyring,
    seed: &SecretSeed,
) -> Result<Option<Secret>, VaultError> {
    let path = path_of(&seed.name);
    let Some(bytes) = vault::read(store, keys, &path)? else {
        return Ok(None);
    };
    let damaged = |reason| VaultError::Damaged {
        path: store.describe(&path),
        reason,
    };
    let file: File =
        serde_json::from_slice(&bytes).map_err(|_| damaged("it is not the JSON written"))?;
    let mut versions = BTreeMap::new();
    for (id, version) in file.versions {
        let bytes = |text: &str| {
            STANDARD
                .decode(text)
                .map_err(|_| damaged("a value is not base64"))
        };
        let version = Version {
            created: Timestamp(version.created_ms),
            stages: version.stages,
            wrapped: bytes(&version.wrapped)?,
            sealed: bytes(&version.sealed)?,
        };
        versions.insert(id, version);
    }
    let mut secret = Secret {
        arn: file.arn,
        seed_mark: file.seed_mark,
        versions,
        accessed: file.accessed_ms.map(Timestamp),
        ..blank(keys, seed, Timestamp(file.created_ms))
    };
    secret.changed = Timestamp(file.changed_ms);
    Ok(Some(secret))
}

/// Writes a secret.
pub(super) fn save(store: &Store, keys: &Keyring, secret: &Secret) -> Result<(), VaultError> {
    let versions = secret.versions.iter().map(|(id, version)| {
        let version = FileVersion {
            created_ms: version.created.0,
            stages: version.stages.clone(),
            wrapped: STANDARD.encode(&version.wrapped),
            sealed: STANDARD.encode(&version.sealed),
        };
        (id.clone(), version)
    });
    let file = File {
        arn: secret.arn.clone(),
        created_ms: secret.created.0,
        changed_ms: secret.changed.0,
        accessed_ms: secret.accessed.map(|at| at.0),
        seed_mark: secret.seed_mark.clone(),
        versions: versions.collect(),
    };
    let bytes = serde_json::to_vec(&file).expect("strings and numbers make JSON");
    vault::write(store, keys, SERVICE_KEY, &path_of(&secret.name), &bytes)
}

/// A secret as the seed describes it, without versions.
pub(super) fn blank(keys: &Keyring, seed: &SecretSeed, created: Timestamp) -> Secret {
    let tags: Tags = seed.tags.clone();
    Secret {
        name: seed.name.clone(),
        arn: seed.arn.clone(),
        description: seed.description.clone(),
        kms_key: seed
            .kms_key
            .as_deref()
            .and_then(|key| keys.find(key))
            .map(|key| key.id.clone()),
        policy: seed.policy.clone(),
        tags,
        created,
        changed: created,
        accessed: None,
        seed_mark: String::new(),
        versions: BTreeMap::new(),
    }
}

fn path_of(name: &str) -> String {
    format!("secrets/{}", vault::file_name(name))
}
