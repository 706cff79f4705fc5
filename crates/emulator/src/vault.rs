//! Files that only their key opens: state sealed with a fresh data key per write.
//!
//! A sealed file is `magic ‖ length ‖ wrapped data key ‖ nonce ‖ ciphertext`. The data key is
//! wrapped by a KMS key with the file's own path in the encryption context, so a file moved, renamed,
//! cut or changed does not open, and the error names it.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::digest;

use crate::random;
use crate::service::kms::keyring::{CipherError, EncryptionContext, Keyring};
use crate::store::{Store, StoreError};

/// Why sealed state did not open.
#[derive(Debug, thiserror::Error)]
pub enum VaultError {
    /// The file is there and is not what was written.
    #[error("`{path}` is damaged or was changed: {reason}")]
    Damaged {
        /// The file.
        path: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The key it is sealed under cannot be used.
    #[error("`{path}` cannot be opened: its key `{key}` is disabled or gone")]
    KeyUnusable {
        /// The file.
        path: String,
        /// The key.
        key: String,
    },
    /// The file could not be read or written.
    #[error(transparent)]
    Store(#[from] StoreError),
}

const MAGIC: &[u8; 8] = b"ktseal1\n";
const NONCE_LEN: usize = 12;

/// Reads and opens a sealed file; `None` if there is none.
pub(crate) fn read(
    store: &Store,
    keys: &Keyring,
    path: &str,
) -> Result<Option<Vec<u8>>, VaultError> {
    match store.read(path)? {
        Some(bytes) => open(store, keys, path, &bytes).map(Some),
        None => Ok(None),
    }
}

/// Seals and writes a file.
pub(crate) fn write(
    store: &Store,
    keys: &Keyring,
    key_id: &str,
    path: &str,
    plaintext: &[u8],
) -> Result<(), VaultError> {
    let (data_key, wrapped) = new_data_key(store, keys, key_id, path)?;
    let mut file = Vec::with_capacity(plaintext.len() + 256);
    put_header(&mut file, MAGIC, &wrapped);
    let nonce: [u8; NONCE_LEN] = random::bytes();
    file.extend_from_slice(&nonce);
    let mut sealed = plaintext.to_vec();
    data_key
        .seal_in_place_append_tag(
            Nonce::assume_unique_for_key(nonce),
            Aad::from(MAGIC),
            &mut sealed,
        )
        .expect("a file is far below the cipher's limit of 64 GiB");
    file.extend_from_slice(&sealed);
    store.write(path, &file)?;
    Ok(())
}

fn open(store: &Store, keys: &Keyring, path: &str, file: &[u8]) -> Result<Vec<u8>, VaultError> {
    let damaged = |reason| VaultError::Damaged {
        path: store.describe(path),
        reason,
    };
    let (wrapped, rest) =
        take_header(file, MAGIC).ok_or_else(|| damaged("it does not begin as a sealed file"))?;
    let data_key = unwrap_data_key(store, keys, path, wrapped)?;
    let (nonce, sealed) = rest
        .split_first_chunk::<NONCE_LEN>()
        .ok_or_else(|| damaged("it ends too early"))?;
    let mut buffer = sealed.to_vec();
    let length = data_key
        .open_in_place(
            Nonce::assume_unique_for_key(*nonce),
            Aad::from(MAGIC),
            &mut buffer,
        )
        .map_err(|_| damaged("its content does not authenticate"))?
        .len();
    buffer.truncate(length);
    Ok(buffer)
}

/// A data key bound to a file, and its wrapped form for the file's header.
pub(crate) fn new_data_key(
    store: &Store,
    keys: &Keyring,
    key_id: &str,
    path: &str,
) -> Result<(LessSafeKey, Vec<u8>), VaultError> {
    let raw: [u8; 32] = random::bytes();
    let wrapped = keys
        .encrypt(key_id, &raw, &file_context(path))
        .map_err(|_| VaultError::KeyUnusable {
            path: store.describe(path),
            key: key_id.to_owned(),
        })?;
    Ok((aead_key(&raw), wrapped))
}

/// Opens a file's wrapped data key.
pub(crate) fn unwrap_data_key(
    store: &Store,
    keys: &Keyring,
    path: &str,
    wrapped: &[u8],
) -> Result<LessSafeKey, VaultError> {
    let raw = keys
        .decrypt(wrapped, &file_context(path))
        .map_err(|error| match error {
            CipherError::InvalidCiphertext => VaultError::Damaged {
                path: store.describe(path),
                reason: "its data key does not unwrap: other key material, or a moved file",
            },
            CipherError::Disabled(key) | CipherError::NotFound(key) => VaultError::KeyUnusable {
                path: store.describe(path),
                key,
            },
        })?;
    let raw: [u8; 32] = raw.try_into().map_err(|_| VaultError::Damaged {
        path: store.describe(path),
        reason: "its data key has another length",
    })?;
    Ok(aead_key(&raw))
}

/// Writes `magic ‖ length ‖ wrapped data key`.
pub(crate) fn put_header(out: &mut Vec<u8>, magic: &[u8; 8], wrapped: &[u8]) {
    out.extend_from_slice(magic);
    let length = u16::try_from(wrapped.len()).expect("a wrapped data key is some 150 bytes");
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(wrapped);
}

/// The wrapped data key and what follows it.
pub(crate) fn take_header<'a>(file: &'a [u8], magic: &[u8; 8]) -> Option<(&'a [u8], &'a [u8])> {
    let rest = file.strip_prefix(magic.as_slice())?;
    let (length, rest) = rest.split_first_chunk::<2>()?;
    rest.split_at_checked(usize::from(u16::from_be_bytes(*length)))
}

/// A file name for any resource name: readable, and distinct by a digest of the whole name.
pub(crate) fn file_name(name: &str) -> String {
    const READABLE: usize = 48;
    let readable: String = name
        .chars()
        .filter(|c| !c.is_control())
        .map(|c| {
            if c.is_ascii_alphanumeric() || "-_.".contains(c) {
                c
            } else {
                '_'
            }
        })
        .skip_while(|c| "._".contains(*c))
        .take(READABLE)
        .collect();
    let digest = digest::digest(&digest::SHA256, name.as_bytes());
    format!("{readable}-{}", random::hex(&digest.as_ref()[..8]))
}

fn aead_key(raw: &[u8; 32]) -> LessSafeKey {
    LessSafeKey::new(UnboundKey::new(&AES_256_GCM, raw).expect("32 bytes make a key"))
}

fn file_context(path: &str) -> EncryptionContext {
    [("kickytime:file".to_owned(), path.to_owned())].into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Timestamp;
    use crate::service::kms::keyring::SERVICE_KEY;

    fn keys(store: &Store) -> Keyring {
        Keyring::open(store, &[], "arn:aws:kms:r:a:key/", Timestamp(0)).unwrap()
    }

    #[test]
    fn what_was_sealed_opens_and_is_not_readable_without() {
        let store = Store::memory();
        let ring = keys(&store);
        write(&store, &ring, SERVICE_KEY, "a/b", b"a plain secret").unwrap();
        assert_eq!(
            read(&store, &ring, "a/b").unwrap().unwrap(),
            b"a plain secret"
        );
        let raw = store.read("a/b").unwrap().unwrap();
        assert!(!raw.windows(5).any(|part| part == b"plain"));
        assert!(read(&store, &ring, "a/c").unwrap().is_none());
    }

    #[test]
    fn any_change_of_byte_place_or_key_is_noticed_and_the_file_named() {
        let store = Store::memory();
        let ring = keys(&store);
        write(&store, &ring, SERVICE_KEY, "a/b", b"a plain secret").unwrap();
        let good = store.read("a/b").unwrap().unwrap();
        for at in 0..good.len() {
            let mut bad = good.clone();
            bad[at] ^= 1;
            store.write("a/b", &bad).unwrap();
            let error = read(&store, &ring, "a/b").unwrap_err().to_string();
            assert!(error.contains("`a/b`"), "{error}");
            store.write("a/b", &good[..at]).unwrap();
            read(&store, &ring, "a/b").unwrap_err();
        }
        store.write("a/c", &good).unwrap();
        assert!(matches!(
            read(&store, &ring, "a/c"),
            Err(VaultError::Damaged { .. })
        ));
        store.write("a/b", &good).unwrap();
        assert!(read(&store, &keys(&Store::memory()), "a/b").is_err());
    }

    #[test]
    fn names_become_distinct_readable_file_names() {
        assert!(file_name("kickytime/db").starts_with("kickytime_db-"));
        assert_ne!(file_name("a/b"), file_name("a_b"));
        assert!(!file_name("../../etc/passwd").contains('/'));
        assert!(!file_name("..").starts_with('.'));
        assert!(file_name(&"x".repeat(5_000)).len() < 80);
    }
}
