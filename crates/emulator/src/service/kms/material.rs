//! Key material on disk: the one thing that is not encrypted, because it is what encrypts.
//!
//! Each key has a file `hsm/KEY_ID` readable by its owner only. A checksum tells a damaged file
//! from a good one before anything is decrypted with wrong bytes.

use std::fmt;

use aws_lc_rs::digest;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::random;
use crate::store::{Store, StoreError};

/// Why a key's material is not usable.
#[derive(Debug, thiserror::Error)]
pub enum MaterialError {
    /// The file is there and is not what was written.
    #[error("key material in `{path}` is damaged: {reason}")]
    Damaged {
        /// The file.
        path: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The file could not be read or written.
    #[error(transparent)]
    Store(#[from] StoreError),
}

const KEY_LEN: usize = 32;

/// All versions of one key's material.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Material {
    /// When the key was made.
    pub(crate) created_ms: i64,
    /// INVARIANT: not empty, oldest first.
    versions: Vec<(i64, [u8; KEY_LEN])>,
}

impl fmt::Debug for Material {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Material")
            .field("versions", &self.versions.len())
            .finish_non_exhaustive()
    }
}

impl Material {
    fn generate(now: Timestamp) -> Self {
        Self {
            created_ms: now.0,
            versions: vec![(now.0, random::bytes())],
        }
    }

    /// Adds a version; the older ones stay, to decrypt what they encrypted.
    pub(crate) fn rotate(&mut self, now: Timestamp) {
        self.versions.push((now.0, random::bytes()));
    }

    /// When the newest version was made.
    pub(crate) fn newest_ms(&self) -> i64 {
        self.versions
            .last()
            .map_or(self.created_ms, |(made, _)| *made)
    }

    /// The raw keys, oldest first.
    pub(crate) fn versions(&self) -> impl Iterator<Item = &[u8; KEY_LEN]> {
        self.versions.iter().map(|(_, bytes)| bytes)
    }
}

#[derive(Serialize, Deserialize)]
struct File {
    created_ms: i64,
    versions: Vec<FileVersion>,
    checksum: String,
}

#[derive(Serialize, Deserialize)]
struct FileVersion {
    created_ms: i64,
    material: String,
}

/// A key's material, made and kept if there is none.
pub(crate) fn load_or_create(
    store: &Store,
    id: &str,
    now: Timestamp,
) -> Result<Material, MaterialError> {
    if let Some(bytes) = store.read(&path_of(id))? {
        return decode(&bytes).map_err(|reason| MaterialError::Damaged {
            path: store.describe(&path_of(id)),
            reason,
        });
    }
    let material = Material::generate(now);
    save(store, id, &material)?;
    Ok(material)
}

/// Writes a key's material.
pub(crate) fn save(store: &Store, id: &str, material: &Material) -> Result<(), MaterialError> {
    store.write(&path_of(id), &encode(material))?;
    Ok(())
}

fn path_of(id: &str) -> String {
    format!("hsm/{}", crate::vault::file_name(id))
}

fn encode(material: &Material) -> Vec<u8> {
    let file = File {
        created_ms: material.created_ms,
        versions: material
            .versions
            .iter()
            .map(|(created_ms, bytes)| FileVersion {
                created_ms: *created_ms,
                material: STANDARD.encode(bytes),
            })
            .collect(),
        checksum: checksum(material),
    };
    serde_json::to_vec_pretty(&file).expect("numbers and strings make JSON")
}

fn decode(bytes: &[u8]) -> Result<Material, &'static str> {
    let file: File = serde_json::from_slice(bytes).map_err(|_| "it is not the JSON written")?;
    let mut versions = Vec::new();
    for version in &file.versions {
        let raw = STANDARD
            .decode(&version.material)
            .map_err(|_| "a version is not base64")?;
        let raw = raw
            .try_into()
            .map_err(|_| "a version is not 32 bytes long")?;
        versions.push((version.created_ms, raw));
    }
    if versions.is_empty() {
        return Err("it holds no version");
    }
    let material = Material {
        created_ms: file.created_ms,
        versions,
    };
    if checksum(&material) == file.checksum {
        Ok(material)
    } else {
        Err("its checksum does not match")
    }
}

fn checksum(material: &Material) -> String {
    let mut context = digest::Context::new(&digest::SHA256);
    context.update(&material.created_ms.to_be_bytes());
    for (created_ms, bytes) in &material.versions {
        context.update(&created_ms.to_be_bytes());
        context.update(bytes);
    }
    random::hex(context.finish().as_ref())
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp(1_000);

    #[test]
    fn material_survives_and_debug_keeps_it_quiet() {
        let store = Store::memory();
        let first = load_or_create(&store, "k", NOW).unwrap();
        assert_eq!(load_or_create(&store, "k", Timestamp(9)).unwrap(), first);
        assert_eq!(format!("{first:?}"), "Material { versions: 1, .. }");
    }

    #[test]
    fn a_changed_byte_is_noticed_and_the_file_named() {
        let store = Store::memory();
        load_or_create(&store, "k", NOW).unwrap();
        let path = path_of("k");
        let text = String::from_utf8(store.read(&path).unwrap().unwrap()).unwrap();
        store
            .write(&path, text.replacen("1000", "1001", 1).as_bytes())
            .unwrap();
        let error = load_or_create(&store, "k", NOW).unwrap_err().to_string();
        assert!(
            error.contains(&path) && error.contains("checksum"),
            "{error}"
        );
    }
}
