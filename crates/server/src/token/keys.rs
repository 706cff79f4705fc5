//! Which keys sign the user pool's tokens?
//!
//! The pool's key set, kept for an hour and then renewed beside the requests
//! that use it. An unknown key id makes one fetch, but not more often than
//! every few seconds whatever tokens arrive. While the set cannot be fetched,
//! the keys already known stay good.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, RwLock};
use std::time::Duration;

use bytes::Bytes;
use http::Uri;
use jsonwebtoken::DecodingKey;
use jsonwebtoken::jwk::{AlgorithmParameters, JwkSet, KeyAlgorithm, PublicKeyUse};
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::https::{self, FetchError};
use crate::telemetry;

/// Age at which a set is renewed in the background.
const FRESH: Duration = Duration::from_secs(3600);
/// Fetches caused by unknown key ids are at least this far apart.
const PAUSE: Duration = Duration::from_secs(10);
/// The same while no set was ever fetched: every request waits for it.
const PAUSE_EMPTY: Duration = Duration::from_secs(1);
const LARGEST_SET: usize = 64 * 1024;
const MOST_KEYS: usize = 32;

pub(crate) type Fetch<'a> = Pin<Box<dyn Future<Output = Result<Bytes, FetchError>> + Send + 'a>>;

/// Where the JSON of the key set (RFC 7517) comes from.
pub trait KeySource: Send + Sync {
    /// Reads the set as it is now.
    fn fetch(&self) -> Fetch<'_>;
}

/// The key set at its well-known place below the issuer.
pub struct Published {
    tls: Arc<rustls::ClientConfig>,
    uri: Uri,
}

impl Published {
    /// # Errors
    /// The issuer does not make a URL.
    pub fn new(
        tls: Arc<rustls::ClientConfig>,
        issuer: &str,
    ) -> Result<Self, http::uri::InvalidUri> {
        Ok(Self {
            tls,
            uri: format!("{issuer}/.well-known/jwks.json").parse()?,
        })
    }
}

impl KeySource for Published {
    fn fetch(&self) -> Fetch<'_> {
        Box::pin(https::get(&self.tls, &self.uri, LARGEST_SET))
    }
}

/// Why there is no key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyError {
    /// The set is known and the key is not in it.
    Unknown,
    /// The set could not be fetched.
    Unavailable,
}

/// The keys in use.
pub struct KeyCache {
    shared: Arc<Shared>,
}

struct Shared {
    source: Box<dyn KeySource>,
    keys: RwLock<Keys>,
    /// Held while fetching, so that there is one fetch at a time.
    last_attempt: Mutex<Option<Instant>>,
}

#[derive(Default)]
struct Keys {
    by_id: BTreeMap<String, Arc<DecodingKey>>,
    fetched_at: Option<Instant>,
}

impl KeyCache {
    pub fn new(source: impl KeySource + 'static) -> Self {
        let shared = Shared {
            source: Box::new(source),
            keys: RwLock::default(),
            last_attempt: Mutex::default(),
        };
        Self {
            shared: Arc::new(shared),
        }
    }

    /// The key of that id, fetching the set if need be.
    ///
    /// # Errors
    /// The set has no such key, or there is no set.
    pub async fn find(&self, kid: &str) -> Result<Arc<DecodingKey>, KeyError> {
        let (key, fresh) = self.shared.known(kid);
        match key {
            Some(key) if fresh => Ok(key),
            Some(key) => {
                let shared = Arc::clone(&self.shared);
                tokio::spawn(async move { shared.renew(None).await });
                Ok(key)
            }
            None => {
                let renewed = self.shared.renew(Some(kid)).await;
                self.shared.known(kid).0.ok_or(if renewed {
                    KeyError::Unknown
                } else {
                    KeyError::Unavailable
                })
            }
        }
    }
}

impl Shared {
    fn known(&self, kid: &str) -> (Option<Arc<DecodingKey>>, bool) {
        let keys = self.keys.read().expect("no panic while the lock is held");
        let fresh = keys.fetched_at.is_some_and(|at| at.elapsed() < FRESH);
        (keys.by_id.get(kid).cloned(), fresh)
    }

    fn is_empty(&self) -> bool {
        self.keys
            .read()
            .expect("no panic while the lock is held")
            .fetched_at
            .is_none()
    }

    /// Fetches the set unless that was tried just now, or `wanted` has
    /// arrived while waiting. `false`: there is no answer to rely on.
    async fn renew(&self, wanted: Option<&str>) -> bool {
        let mut last_attempt = self.last_attempt.lock().await;
        let empty = self.is_empty();
        if wanted.is_some_and(|kid| self.known(kid).0.is_some()) {
            return true;
        }
        let pause = if empty { PAUSE_EMPTY } else { PAUSE };
        if last_attempt.is_some_and(|at| at.elapsed() < pause) {
            return !empty;
        }
        *last_attempt = Some(Instant::now());
        match self.source.fetch().await {
            Ok(body) => self.take(&body),
            Err(error) => {
                tracing::warn!(error = %telemetry::chain(&error), "cannot fetch the user pool's key set");
                false
            }
        }
    }

    fn take(&self, body: &[u8]) -> bool {
        let Some(by_id) = parse(body) else {
            tracing::warn!("the user pool's key set is not one");
            return false;
        };
        tracing::info!(keys = by_id.len(), "fetched the user pool's key set");
        *self.keys.write().expect("no panic while the lock is held") = Keys {
            by_id,
            fetched_at: Some(Instant::now()),
        };
        true
    }
}

/// The RS256 signing keys of a set; `None` if it is not a set or has none.
fn parse(body: &[u8]) -> Option<BTreeMap<String, Arc<DecodingKey>>> {
    let set: JwkSet = serde_json::from_slice(body).ok()?;
    let keys: BTreeMap<_, _> = set
        .keys
        .iter()
        .filter(|key| matches!(key.algorithm, AlgorithmParameters::RSA(_)))
        .filter(|key| {
            matches!(
                key.common.public_key_use,
                None | Some(PublicKeyUse::Signature)
            )
        })
        .filter(|key| matches!(key.common.key_algorithm, None | Some(KeyAlgorithm::RS256)))
        .filter_map(|key| {
            Some((
                key.common.key_id.clone()?,
                Arc::new(DecodingKey::from_jwk(key).ok()?),
            ))
        })
        .take(MOST_KEYS)
        .collect();
    (!keys.is_empty()).then_some(keys)
}
