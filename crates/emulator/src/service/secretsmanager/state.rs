//! The secrets and their versions, as state: what stage labels mean and how a value lies at rest.
//!
//! A version's value is encrypted with a data key of its own, and that key is wrapped by the
//! secret's KMS key under the context `{SecretARN, SecretVersionId}` ("Secret encryption and
//! decryption in AWS Secrets Manager"). Only ciphertext is held in memory. The record around it
//! (names, labels, times) is sealed under the services' own key.

use std::collections::{BTreeMap, BTreeSet};

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use iam::PolicyDocument;

use crate::clock::Timestamp;
use crate::random;
use crate::seed::Tags;
use crate::service::kms::keyring::{CipherError, EncryptionContext, Keyring, SERVICE_KEY};

/// The version clients get unless they ask for another.
pub(crate) const CURRENT: &str = "AWSCURRENT";
/// The version that was current before.
pub(crate) const PREVIOUS: &str = "AWSPREVIOUS";

/// One secret.
#[derive(Clone)]
pub(crate) struct Secret {
    pub(crate) name: String,
    pub(crate) arn: String,
    pub(crate) description: String,
    /// The key's id in the keyring, if it is a customer's.
    pub(crate) kms_key: Option<String>,
    pub(crate) policy: Option<PolicyDocument>,
    pub(crate) tags: Tags,
    pub(crate) created: Timestamp,
    pub(crate) changed: Timestamp,
    pub(crate) accessed: Option<Timestamp>,
    /// What the seed said when it last made a version, as a digest.
    pub(crate) seed_mark: String,
    pub(crate) versions: BTreeMap<String, Version>,
}

/// One version of a secret.
#[derive(Clone)]
pub(crate) struct Version {
    pub(crate) created: Timestamp,
    pub(crate) stages: BTreeSet<String>,
    /// The wrapped data key, a KMS ciphertext.
    pub(crate) wrapped: Vec<u8>,
    /// Nonce and ciphertext of the value.
    pub(crate) sealed: Vec<u8>,
}

/// A secret's value: text, or bytes that are not.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum SecretValue {
    Text(String),
    Binary(Vec<u8>),
}

/// Which version is asked for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct VersionChoice<'a> {
    pub(crate) id: Option<&'a str>,
    pub(crate) stage: Option<&'a str>,
}

impl Secret {
    /// The version asked for: by id, by stage, by both if they agree, else the current one.
    pub(crate) fn version(&self, choice: VersionChoice<'_>) -> Option<(&str, &Version)> {
        let stage = match (choice.id, choice.stage) {
            (None, None) => Some(CURRENT),
            (_, stage) => stage,
        };
        self.versions
            .iter()
            .find(|(id, version)| {
                choice.id.is_none_or(|wanted| wanted == id.as_str())
                    && stage.is_none_or(|wanted| version.stages.contains(wanted))
            })
            .map(|(id, version)| (id.as_str(), version))
    }

    /// Adds a version and moves `stages` to it. A moved `AWSCURRENT` leaves `AWSPREVIOUS` behind;
    /// a version left without any label is deprecated and dropped, as AWS may at any time.
    pub(crate) fn add_version(&mut self, id: &str, mut version: Version, now: Timestamp) {
        let stages = std::mem::take(&mut version.stages);
        self.versions.insert(id.to_owned(), version);
        for stage in stages {
            self.move_stage(&stage, Some(id));
        }
        self.changed = now;
        self.drop_deprecated(id);
    }

    /// Takes a label from whatever has it and gives it to `to`.
    pub(crate) fn move_stage(&mut self, stage: &str, to: Option<&str>) {
        let from = self
            .versions
            .iter_mut()
            .find_map(|(id, version)| version.stages.remove(stage).then(|| id.clone()));
        if let Some(to) = to.and_then(|to| self.versions.get_mut(to)) {
            to.stages.insert(stage.to_owned());
            if stage == CURRENT {
                to.stages.remove(PREVIOUS);
            }
        }
        if stage == CURRENT
            && let Some(from) = from.filter(|from| Some(from.as_str()) != to)
        {
            self.move_stage(PREVIOUS, Some(&from));
        }
    }

    fn drop_deprecated(&mut self, keep: &str) {
        self.versions
            .retain(|id, version| id == keep || !version.stages.is_empty());
    }

    /// The key that wraps its data keys.
    pub(crate) fn wrapping_key(&self) -> &str {
        self.kms_key.as_deref().unwrap_or(SERVICE_KEY)
    }
}

/// The encryption context of one version.
pub(crate) fn context_of(arn: &str, version_id: &str) -> EncryptionContext {
    [
        ("SecretARN".to_owned(), arn.to_owned()),
        ("SecretVersionId".to_owned(), version_id.to_owned()),
    ]
    .into()
}

/// Encrypts a value as version `version_id` of `secret`.
pub(crate) fn seal(
    keys: &Keyring,
    secret: &Secret,
    version_id: &str,
    value: &SecretValue,
    now: Timestamp,
) -> Result<Version, CipherError> {
    let raw: [u8; 32] = random::bytes();
    let wrapped = keys.encrypt(
        secret.wrapping_key(),
        &raw,
        &context_of(&secret.arn, version_id),
    )?;
    let nonce: [u8; 12] = random::bytes();
    let (kind, bytes) = match value {
        SecretValue::Text(text) => (b't', text.as_bytes()),
        SecretValue::Binary(bytes) => (b'b', bytes.as_slice()),
    };
    let mut body = bytes.to_vec();
    aead_key(&raw)
        .seal_in_place_append_tag(
            Nonce::assume_unique_for_key(nonce),
            Aad::from([kind]),
            &mut body,
        )
        .map_err(|_| CipherError::InvalidCiphertext)?;
    let sealed = [&[kind], nonce.as_slice(), &body].concat();
    Ok(Version {
        created: now,
        stages: BTreeSet::new(),
        wrapped,
        sealed,
    })
}

/// Decrypts a version's value.
pub(crate) fn unseal(
    keys: &Keyring,
    secret: &Secret,
    version_id: &str,
    version: &Version,
) -> Result<SecretValue, CipherError> {
    let raw = keys.decrypt(&version.wrapped, &context_of(&secret.arn, version_id))?;
    let raw: [u8; 32] = raw.try_into().map_err(|_| CipherError::InvalidCiphertext)?;
    let (&kind, rest) = version
        .sealed
        .split_first()
        .ok_or(CipherError::InvalidCiphertext)?;
    let (nonce, body) = rest
        .split_first_chunk::<12>()
        .ok_or(CipherError::InvalidCiphertext)?;
    let mut buffer = body.to_vec();
    let length = aead_key(&raw)
        .open_in_place(
            Nonce::assume_unique_for_key(*nonce),
            Aad::from([kind]),
            &mut buffer,
        )
        .map_err(|_| CipherError::InvalidCiphertext)?
        .len();
    buffer.truncate(length);
    match kind {
        b't' => String::from_utf8(buffer)
            .map(SecretValue::Text)
            .map_err(|_| CipherError::InvalidCiphertext),
        _ => Ok(SecretValue::Binary(buffer)),
    }
}

fn aead_key(raw: &[u8; 32]) -> LessSafeKey {
    LessSafeKey::new(UnboundKey::new(&AES_256_GCM, raw).expect("32 bytes make a key"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret() -> Secret {
        Secret {
            name: "s".into(),
            arn: "arn:s".into(),
            description: String::new(),
            kms_key: None,
            policy: None,
            tags: Tags::new(),
            created: Timestamp(0),
            changed: Timestamp(0),
            accessed: None,
            seed_mark: String::new(),
            versions: BTreeMap::new(),
        }
    }

    fn add(secret: &mut Secret, id: &str, stages: &[&str]) {
        let version = Version {
            created: Timestamp(0),
            stages: stages.iter().map(|s| (*s).to_owned()).collect(),
            wrapped: Vec::new(),
            sealed: Vec::new(),
        };
        secret.add_version(id, version, Timestamp(1));
    }

    fn labels(secret: &Secret) -> String {
        let each = secret.versions.iter().map(|(id, version)| {
            let stages: Vec<_> = version.stages.iter().map(String::as_str).collect();
            format!("{id}={}", stages.join("+"))
        });
        each.collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn labels_move_as_documented() {
        let mut s = secret();
        add(&mut s, "v1", &[CURRENT]);
        assert_eq!(labels(&s), "v1=AWSCURRENT");
        add(&mut s, "v2", &[CURRENT]);
        assert_eq!(labels(&s), "v1=AWSPREVIOUS v2=AWSCURRENT");
        add(&mut s, "v3", &["AWSPENDING"]);
        assert_eq!(labels(&s), "v1=AWSPREVIOUS v2=AWSCURRENT v3=AWSPENDING");
        s.move_stage(CURRENT, Some("v3"));
        assert_eq!(labels(&s), "v1= v2=AWSPREVIOUS v3=AWSCURRENT+AWSPENDING");
        s.move_stage(CURRENT, Some("v2"));
        assert_eq!(labels(&s), "v1= v2=AWSCURRENT v3=AWSPENDING+AWSPREVIOUS");
        add(&mut s, "v4", &[CURRENT]);
        assert_eq!(labels(&s), "v2=AWSPREVIOUS v3=AWSPENDING v4=AWSCURRENT");
    }

    #[test]
    fn a_version_is_chosen_by_id_stage_or_both() {
        let mut s = secret();
        add(&mut s, "v1", &[CURRENT]);
        add(&mut s, "v2", &[CURRENT]);
        let pick = |id, stage| {
            s.version(VersionChoice { id, stage })
                .map(|(id, _)| id.to_owned())
        };
        assert_eq!(pick(None, None).as_deref(), Some("v2"));
        assert_eq!(pick(None, Some(PREVIOUS)).as_deref(), Some("v1"));
        assert_eq!(pick(Some("v1"), None).as_deref(), Some("v1"));
        assert_eq!(pick(Some("v1"), Some(CURRENT)), None);
        assert_eq!(pick(None, Some("AWSPENDING")), None);
    }
}
