//! The key store: real AES-256-GCM keys that never leave it, in versions, under key ids.
//!
//! A ciphertext names the key and version that made it, as AWS's does, so decryption needs no key
//! id. The encryption context is authenticated, not stored. Key material lies apart from all other
//! state, in `hsm/`, one file a key; everything else at rest is encrypted under these keys.

use std::collections::BTreeMap;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use iam::PolicyDocument;

use super::material::{self, Material, MaterialError};
use crate::clock::Timestamp;
use crate::random;
use crate::seed::{KeySeed, Tags};
use crate::store::Store;

/// Key-value pairs bound to a ciphertext; order does not matter.
pub(crate) type EncryptionContext = BTreeMap<String, String>;

/// The key that services use where no customer key was chosen; only services can use it.
pub(crate) const SERVICE_KEY: &str = "aws-owned-service-key";

const FORMAT: u8 = 1;
const NONCE_LEN: usize = 12;
const TAG_LEN: usize = 16;
const YEAR_SECONDS: i64 = 365 * 24 * 3_600;

/// All keys of the account; fixed once opened.
pub(crate) struct Keyring {
    keys: BTreeMap<String, Key>,
    /// `alias/name` to key id.
    aliases: BTreeMap<String, String>,
}

/// One key with what `DescribeKey` tells of it.
pub(crate) struct Key {
    pub(crate) id: String,
    pub(crate) arn: String,
    pub(crate) description: String,
    pub(crate) policy: Option<PolicyDocument>,
    pub(crate) enabled: bool,
    pub(crate) tags: Tags,
    pub(crate) created: Timestamp,
    /// INVARIANT: not empty; version n at index n - 1, the newest last.
    versions: Vec<LessSafeKey>,
}

/// Why a ciphertext was not made or not opened.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum CipherError {
    /// Not ours, of another context, or changed on the way: one answer for all, as it must be.
    #[error("the ciphertext does not decrypt under the encryption context it was given with")]
    InvalidCiphertext,
    /// The key is disabled.
    #[error("key `{0}` is disabled")]
    Disabled(String),
    /// No such key.
    #[error("key `{0}` does not exist")]
    NotFound(String),
}

impl Keyring {
    /// Loads each seeded key's material, making it when first seen and rotating it when due.
    pub(crate) fn open(
        store: &Store,
        seeds: &[KeySeed],
        arn_prefix: &str,
        now: Timestamp,
    ) -> Result<Self, MaterialError> {
        let mut ring = Self {
            keys: BTreeMap::new(),
            aliases: BTreeMap::new(),
        };
        let service_arn = format!("{arn_prefix}{SERVICE_KEY}");
        let service = load(store, SERVICE_KEY, false, now)?;
        ring.keys
            .insert(SERVICE_KEY.to_owned(), service_key(&service, service_arn));
        for seed in seeds {
            let loaded = load(store, &seed.id, seed.rotation, now)?;
            for alias in &seed.aliases {
                ring.aliases.insert(alias.clone(), seed.id.clone());
            }
            let key = Key {
                id: seed.id.clone(),
                arn: seed.arn.clone(),
                description: seed.description.clone(),
                policy: Some(seed.policy.clone()),
                enabled: seed.enabled,
                tags: seed.tags.clone(),
                created: Timestamp(loaded.created_ms),
                versions: aead_keys(&loaded),
            };
            ring.keys.insert(seed.id.clone(), key);
        }
        Ok(ring)
    }

    /// A key by id, key ARN, alias name or alias ARN.
    pub(crate) fn find(&self, reference: &str) -> Option<&Key> {
        let (home, local) = match reference.strip_prefix("arn:") {
            Some(_) => {
                let at = reference.match_indices(':').nth(4)?.0 + 1;
                (Some(&reference[..at]), &reference[at..])
            }
            None => (None, reference),
        };
        let id = match local.strip_prefix("key/") {
            Some(id) => id,
            None if local.starts_with("alias/") => self.aliases.get(local)?,
            None if home.is_some() => return None,
            None => local,
        };
        let key = self.keys.get(id)?;
        home.is_none_or(|home| key.arn.starts_with(home))
            .then_some(key)
    }

    /// Customer keys in order of id.
    pub(crate) fn customer_keys(&self) -> impl Iterator<Item = &Key> {
        self.keys.values().filter(|key| key.policy.is_some())
    }

    /// Aliases in order of name, with the key id each stands for.
    pub(crate) fn aliases(&self) -> impl Iterator<Item = (&str, &str)> {
        self.aliases
            .iter()
            .map(|(alias, id)| (alias.as_str(), id.as_str()))
    }

    /// Aliases of one key.
    pub(crate) fn aliases_of<'a>(&'a self, id: &'a str) -> impl Iterator<Item = &'a str> {
        self.aliases()
            .filter(move |(_, target)| *target == id)
            .map(|(alias, _)| alias)
    }

    /// Encrypts under the newest version of a key.
    pub(crate) fn encrypt(
        &self,
        key_id: &str,
        plaintext: &[u8],
        context: &EncryptionContext,
    ) -> Result<Vec<u8>, CipherError> {
        let key = self.usable(key_id)?;
        let version = u32::try_from(key.versions.len()).expect("one version a year");
        let newest = key.versions.last().expect("a key has at least one version");
        let mut blob = Vec::with_capacity(64 + key.id.len() + plaintext.len());
        blob.push(FORMAT);
        blob.push(u8::try_from(key.id.len()).map_err(|_| CipherError::InvalidCiphertext)?);
        blob.extend_from_slice(key.id.as_bytes());
        blob.extend_from_slice(&version.to_be_bytes());
        let nonce: [u8; NONCE_LEN] = random::bytes();
        blob.extend_from_slice(&nonce);
        let mut sealed = plaintext.to_vec();
        newest
            .seal_in_place_append_tag(
                Nonce::assume_unique_for_key(nonce),
                Aad::from(associated_data(&key.arn, context)),
                &mut sealed,
            )
            .map_err(|_| CipherError::InvalidCiphertext)?;
        blob.extend_from_slice(&sealed);
        Ok(blob)
    }

    /// The key a ciphertext says it was made under.
    pub(crate) fn key_of(&self, blob: &[u8]) -> Result<&Key, CipherError> {
        let parts = split(blob).ok_or(CipherError::InvalidCiphertext)?;
        self.keys
            .get(parts.key_id)
            .ok_or(CipherError::InvalidCiphertext)
    }

    /// Decrypts a ciphertext made by [`Keyring::encrypt`] with the same context.
    pub(crate) fn decrypt(
        &self,
        blob: &[u8],
        context: &EncryptionContext,
    ) -> Result<Vec<u8>, CipherError> {
        let parts = split(blob).ok_or(CipherError::InvalidCiphertext)?;
        let key = self.usable(parts.key_id).map_err(|error| match error {
            CipherError::NotFound(_) => CipherError::InvalidCiphertext,
            other => other,
        })?;
        let index = usize::try_from(parts.version).unwrap_or(0).wrapping_sub(1);
        let version = key
            .versions
            .get(index)
            .ok_or(CipherError::InvalidCiphertext)?;
        let mut buffer = parts.sealed.to_vec();
        let plain = version
            .open_in_place(
                Nonce::assume_unique_for_key(parts.nonce),
                Aad::from(associated_data(&key.arn, context)),
                &mut buffer,
            )
            .map_err(|_| CipherError::InvalidCiphertext)?
            .len();
        buffer.truncate(plain);
        Ok(buffer)
    }

    /// Decrypts what a service sealed under [`SERVICE_KEY`], and nothing else: whoever may
    /// encrypt under a customer's key chooses plaintext and context, and must not thereby make
    /// what only a service makes.
    pub(crate) fn decrypt_own(
        &self,
        blob: &[u8],
        context: &EncryptionContext,
    ) -> Result<Vec<u8>, CipherError> {
        if self.key_of(blob)?.id != SERVICE_KEY {
            return Err(CipherError::InvalidCiphertext);
        }
        self.decrypt(blob, context)
    }

    fn usable(&self, key_id: &str) -> Result<&Key, CipherError> {
        let key = self
            .keys
            .get(key_id)
            .ok_or_else(|| CipherError::NotFound(key_id.to_owned()))?;
        if key.enabled {
            Ok(key)
        } else {
            Err(CipherError::Disabled(key.arn.clone()))
        }
    }
}

fn load(
    store: &Store,
    id: &str,
    rotation: bool,
    now: Timestamp,
) -> Result<Material, MaterialError> {
    let mut loaded = material::load_or_create(store, id, now)?;
    if rotation && now.0 >= Timestamp(loaded.newest_ms()).plus_seconds(YEAR_SECONDS).0 {
        loaded.rotate(now);
        material::save(store, id, &loaded)?;
    }
    Ok(loaded)
}

fn service_key(loaded: &Material, arn: String) -> Key {
    Key {
        id: SERVICE_KEY.to_owned(),
        arn,
        description: "owned by the emulated services".to_owned(),
        policy: None,
        enabled: true,
        tags: Tags::new(),
        created: Timestamp(loaded.created_ms),
        versions: aead_keys(loaded),
    }
}

fn aead_keys(material: &Material) -> Vec<LessSafeKey> {
    material
        .versions()
        .map(|bytes| {
            let unbound = UnboundKey::new(&AES_256_GCM, bytes).expect("32 bytes make a key");
            LessSafeKey::new(unbound)
        })
        .collect()
}

struct Parts<'a> {
    key_id: &'a str,
    version: u32,
    nonce: [u8; NONCE_LEN],
    sealed: &'a [u8],
}

fn split(blob: &[u8]) -> Option<Parts<'_>> {
    let (&format, rest) = blob.split_first()?;
    let (&id_len, rest) = rest.split_first()?;
    let (id, rest) = rest.split_at_checked(usize::from(id_len))?;
    let (version, rest) = rest.split_first_chunk::<4>()?;
    let (nonce, sealed) = rest.split_first_chunk::<NONCE_LEN>()?;
    (format == FORMAT && sealed.len() >= TAG_LEN).then_some(())?;
    Some(Parts {
        key_id: std::str::from_utf8(id).ok()?,
        version: u32::from_be_bytes(*version),
        nonce: *nonce,
        sealed,
    })
}

/// Every part is preceded by its length, so no two contexts share an encoding.
fn associated_data(arn: &str, context: &EncryptionContext) -> Vec<u8> {
    let mut data = Vec::new();
    let mut put = |part: &str| {
        data.extend_from_slice(&(part.len() as u64).to_be_bytes());
        data.extend_from_slice(part.as_bytes());
    };
    put(arn);
    for (key, value) in context {
        put(key);
        put(value);
    }
    data
}

#[cfg(test)]
mod tests;
