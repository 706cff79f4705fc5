//! Buckets and objects, as state: an index in memory, one sealed file an object on disk.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use aws_lc_rs::digest;
use iam::PolicyDocument;
use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::emulator::OpenError;
use crate::random;
use crate::seed::{BucketSeed, Encryption};
use crate::service::kms::keyring::{Keyring, SERVICE_KEY};
use crate::store::Store;
use crate::vault::{self, VaultError};

/// All buckets of the account.
pub(crate) struct S3 {
    store: Arc<Store>,
    keys: Arc<Keyring>,
    buckets: BTreeMap<String, Bucket>,
}

/// A bucket.
pub(crate) struct Bucket {
    pub(super) name: String,
    pub(super) policy: Option<PolicyDocument>,
    /// The keyring's id of the customer's key, if SSE-KMS.
    pub(super) kms_key: Option<String>,
    pub(super) kms_key_arn: Option<String>,
    /// One encryption context for the whole bucket.
    pub(super) bucket_key: bool,
    objects: Mutex<BTreeMap<String, Meta>>,
}

/// What is known of an object besides its bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Meta {
    pub(super) key: String,
    pub(super) size: u64,
    /// Of the bytes, in hexadecimal, as long as an MD5. AWS gives an MD5 only where SSE-KMS is off.
    pub(super) etag: String,
    pub(super) modified_ms: i64,
    /// `content-type`, `cache-control`, …, `x-amz-meta-*`, lower case.
    pub(super) headers: BTreeMap<String, String>,
}

impl S3 {
    /// Reads the index of each seeded bucket.
    pub(crate) fn open(
        store: Arc<Store>,
        keys: Arc<Keyring>,
        seeds: &[BucketSeed],
    ) -> Result<Self, OpenError> {
        let mut buckets = BTreeMap::new();
        for seed in seeds {
            let (reference, bucket_key) = match &seed.encryption {
                Encryption::S3 => (None, false),
                Encryption::Kms { key, bucket_key } => (Some(key), *bucket_key),
            };
            let key = match reference {
                None => None,
                Some(reference) => Some(keys.find(reference).ok_or_else(|| OpenError::Key {
                    resource: seed.name.clone(),
                    key: reference.clone(),
                })?),
            };
            let objects = load(&store, &keys, &seed.name)?;
            let bucket = Bucket {
                name: seed.name.clone(),
                policy: seed.policy.clone(),
                kms_key: key.map(|key| key.id.clone()),
                kms_key_arn: key.map(|key| key.arn.clone()),
                bucket_key,
                objects: Mutex::new(objects),
            };
            buckets.insert(seed.name.clone(), bucket);
        }
        Ok(Self {
            store,
            keys,
            buckets,
        })
    }

    /// A bucket by name.
    pub(super) fn bucket(&self, name: &str) -> Option<&Bucket> {
        self.buckets.get(name)
    }

    /// Bucket names in order.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.buckets.keys().map(String::as_str)
    }

    /// Puts an object; what was there under its key goes.
    pub(super) fn put(
        &self,
        bucket: &Bucket,
        key: &str,
        headers: BTreeMap<String, String>,
        body: &[u8],
        now: Timestamp,
    ) -> Result<Meta, VaultError> {
        let digest = digest::digest(&digest::SHA256, body);
        let meta = Meta {
            key: key.to_owned(),
            size: body.len() as u64,
            etag: random::hex(&digest.as_ref()[..16]),
            modified_ms: now.0,
            headers,
        };
        let mut objects = bucket.lock();
        let key_id = bucket.kms_key.as_deref().unwrap_or(SERVICE_KEY);
        vault::write(
            &self.store,
            &self.keys,
            key_id,
            &path_of(bucket, key),
            &pack(&meta, body),
        )?;
        objects.insert(key.to_owned(), meta.clone());
        Ok(meta)
    }

    /// An object with its bytes.
    pub(super) fn get(
        &self,
        bucket: &Bucket,
        key: &str,
    ) -> Result<Option<(Meta, Vec<u8>)>, VaultError> {
        let path = path_of(bucket, key);
        let Some(bytes) = vault::read(&self.store, &self.keys, &path)? else {
            return Ok(None);
        };
        unpack(bytes)
            .map(Some)
            .ok_or_else(|| damaged(&self.store, &path))
    }

    /// Takes an object away; one that is not there is no error.
    pub(super) fn delete(&self, bucket: &Bucket, key: &str) -> Result<(), VaultError> {
        let mut objects = bucket.lock();
        self.store.remove(&path_of(bucket, key))?;
        objects.remove(key);
        Ok(())
    }

    /// See [`crate::Emulator::put_object`]; the same bytes again are not written again.
    pub(crate) fn put_plain(
        &self,
        bucket: &str,
        key: &str,
        content_type: &str,
        body: &[u8],
        now: Timestamp,
    ) -> Result<(), PutError> {
        let bucket = self.bucket(bucket).ok_or(PutError::NoBucket)?;
        let headers: BTreeMap<String, String> =
            [("content-type".to_owned(), content_type.to_owned())].into();
        let digest = digest::digest(&digest::SHA256, body);
        let etag = random::hex(&digest.as_ref()[..16]);
        let same = |meta: &Meta| meta.etag == etag && meta.headers == headers;
        if bucket.lock().get(key).is_some_and(same) {
            return Ok(());
        }
        self.put(bucket, key, headers, body, now)?;
        Ok(())
    }
}

/// Why an object was not put.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PutError {
    #[error("the bucket does not exist")]
    NoBucket,
    #[error(transparent)]
    Vault(#[from] VaultError),
}

impl Bucket {
    /// The index. A panic between two map operations leaves the map whole.
    pub(super) fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Meta>> {
        self.objects.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn load(store: &Store, keys: &Keyring, bucket: &str) -> Result<BTreeMap<String, Meta>, VaultError> {
    let mut objects = BTreeMap::new();
    for path in store.list(&directory(bucket))? {
        let Some(bytes) = vault::read(store, keys, &path)? else {
            continue;
        };
        let (meta, _) = unpack(bytes).ok_or_else(|| damaged(store, &path))?;
        objects.insert(meta.key.clone(), meta);
    }
    Ok(objects)
}

/// `length of meta ‖ meta as JSON ‖ bytes`.
fn pack(meta: &Meta, body: &[u8]) -> Vec<u8> {
    let json = serde_json::to_vec(meta).expect("strings and numbers make JSON");
    let mut out = Vec::with_capacity(8 + json.len() + body.len());
    out.extend_from_slice(&(json.len() as u64).to_be_bytes());
    out.extend_from_slice(&json);
    out.extend_from_slice(body);
    out
}

fn unpack(mut bytes: Vec<u8>) -> Option<(Meta, Vec<u8>)> {
    let (length, rest) = bytes.split_first_chunk::<8>()?;
    let length = usize::try_from(u64::from_be_bytes(*length)).ok()?;
    let meta = serde_json::from_slice(rest.get(..length)?).ok()?;
    let body = bytes.split_off(8 + length);
    Some((meta, body))
}

fn damaged(store: &Store, path: &str) -> VaultError {
    VaultError::Damaged {
        path: store.describe(path),
        reason: "it is not an object as written",
    }
}

fn path_of(bucket: &Bucket, key: &str) -> String {
    format!("{}/{}", directory(&bucket.name), vault::file_name(key))
}

fn directory(bucket: &str) -> String {
    format!("s3/{}", vault::file_name(bucket))
}
