//! Payloads of a session whose preferences ask for KMS encryption.
//!
//! One data key of 64 bytes from KMS serves both directions: the first half
//! encrypts what the agent sends, the second what the client sends. AES-256-GCM,
//! a 12-byte nonce in front. Calling KMS is the caller's.

use std::fmt;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use bytes::{BufMut, Bytes, BytesMut};

use crate::channel::Role;

/// The plain data key of a session. Never printed.
#[derive(Clone)]
pub struct DataKey([u8; 64]);

impl DataKey {
    #[must_use]
    pub fn new(plaintext: [u8; 64]) -> Self {
        Self(plaintext)
    }
}

impl fmt::Debug for DataKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DataKey(…)")
    }
}

/// Encrypts one way and decrypts the other.
pub(crate) struct Cipher {
    sealing: LessSafeKey,
    opening: LessSafeKey,
    /// Random part of every nonce; the rest counts, so none comes twice.
    salt: [u8; 4],
    sealed: u64,
}

impl fmt::Debug for Cipher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Cipher({} sealed)", self.sealed)
    }
}

/// A payload that this session's other end did not encrypt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the payload does not decrypt under the session's key")]
pub(crate) struct Undecipherable;

impl Cipher {
    pub(crate) fn new(role: Role, key: &DataKey, salt: [u8; 4]) -> Self {
        let half = |range: std::ops::Range<usize>| {
            let key = UnboundKey::new(&AES_256_GCM, &key.0[range]);
            LessSafeKey::new(key.expect("half a data key is an AES-256 key"))
        };
        let (of_agent, of_client) = (half(0..32), half(32..64));
        let (sealing, opening) = match role {
            Role::Agent => (of_agent, of_client),
            Role::Client => (of_client, of_agent),
        };
        Self {
            sealing,
            opening,
            salt,
            sealed: 0,
        }
    }

    pub(crate) fn seal(&mut self, plain: &[u8]) -> Bytes {
        let mut nonce = [0; NONCE_LEN];
        nonce[..4].copy_from_slice(&self.salt);
        nonce[4..].copy_from_slice(&self.sealed.to_be_bytes());
        self.sealed += 1;
        let mut sealed = BytesMut::with_capacity(NONCE_LEN + plain.len() + 16);
        sealed.put_slice(&nonce);
        let mut body = plain.to_vec();
        self.sealing
            .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::empty(), &mut body)
            .expect("a payload is shorter than AES-GCM's limit");
        sealed.put_slice(&body);
        sealed.freeze()
    }

    pub(crate) fn open(&self, sealed: &[u8]) -> Result<Bytes, Undecipherable> {
        let (nonce, body) = sealed
            .split_first_chunk::<NONCE_LEN>()
            .ok_or(Undecipherable)?;
        let mut body = body.to_vec();
        let plain = self
            .opening
            .open_in_place(
                Nonce::assume_unique_for_key(*nonce),
                Aad::empty(),
                &mut body,
            )
            .map_err(|_| Undecipherable)?;
        let length = plain.len();
        body.truncate(length);
        Ok(body.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_end_reads_what_the_other_writes_and_nothing_else() {
        let mut key = [1; 64];
        key[32..].fill(2);
        let key = DataKey::new(key);
        let mut client = Cipher::new(Role::Client, &key, [9; 4]);
        let agent = Cipher::new(Role::Agent, &key, [8; 4]);
        let (first, second) = (client.seal(b"hello"), client.seal(b"hello"));
        assert_ne!(first, second, "no nonce comes twice");
        assert_eq!(first.len(), 12 + 5 + 16);
        assert_eq!(agent.open(&first), Ok(Bytes::from_static(b"hello")));
        assert_eq!(
            client.open(&first),
            Err(Undecipherable),
            "directions have their own keys"
        );
        assert_eq!(agent.open(&first[..20]), Err(Undecipherable));
        assert_eq!(agent.open(b""), Err(Undecipherable));
        assert!(!format!("{key:?}").contains('1'));
    }
}
