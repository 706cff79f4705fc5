//! People with tokens, signed by a key that stands for the user pool's.

use std::future::Future;
use std::pin::Pin;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{SystemTime, UNIX_EPOCH};

use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use bytes::Bytes;
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};
use server::https::FetchError;
use server::settings::CognitoSettings;
use server::token::keys::KeySource;

pub(crate) const ISSUER: &str =
    "https://cognito-idp.ap-northeast-2.amazonaws.com/ap-northeast-2_test";
pub(crate) const CLIENT_ID: &str = "testclient";

pub(crate) fn cognito() -> CognitoSettings {
    CognitoSettings {
        issuer: ISSUER.into(),
        client_id: CLIENT_ID.into(),
    }
}

pub(crate) fn now_s() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .expect("after 1970")
        .as_secs()
}

/// A signing key of the pool.
#[derive(Clone)]
pub(crate) struct PoolKey {
    pub(crate) kid: &'static str,
    key: EncodingKey,
}

impl PoolKey {
    pub(crate) fn generate(kid: &'static str) -> Self {
        let pair = KeyPair::generate(KeySize::Rsa2048).expect("a key");
        let der: aws_lc_rs::encoding::Pkcs8V1Der<'_> = pair.as_der().expect("encoded");
        // jsonwebtoken wants the PKCS#1 key that stands behind PKCS#8's 26 bytes of framing
        let key = EncodingKey::from_rsa_der(&der.as_ref()[26..]);
        Self { kid, key }
    }

    /// The key most tests use; making one takes a while.
    pub(crate) fn usual() -> &'static Self {
        static KEY: OnceLock<PoolKey> = OnceLock::new();
        KEY.get_or_init(|| Self::generate("usual"))
    }

    pub(crate) fn sign(&self, claims: &Value) -> String {
        let header = Header {
            kid: Some(self.kid.into()),
            ..Header::new(Algorithm::RS256)
        };
        jsonwebtoken::encode(&header, claims, &self.key).expect("signed")
    }

    fn public(&self) -> Jwk {
        let mut jwk = Jwk::from_encoding_key(&self.key, Algorithm::RS256).expect("an RSA key");
        jwk.common.key_id = Some(self.kid.into());
        jwk
    }
}

/// A key set whose content, availability and readings a test controls.
#[derive(Clone, Default)]
pub(crate) struct KeySet {
    keys: Arc<Mutex<Option<Vec<PoolKey>>>>,
    pub(crate) reads: Arc<AtomicUsize>,
}

impl KeySet {
    pub(crate) fn with(keys: &[PoolKey]) -> Self {
        let set = Self::default();
        set.publish(Some(keys));
        set
    }

    /// `None`: the set cannot be fetched.
    pub(crate) fn publish(&self, keys: Option<&[PoolKey]>) {
        *self.keys.lock().expect("unpoisoned") = keys.map(<[_]>::to_vec);
    }
}

impl KeySource for KeySet {
    fn fetch(&self) -> Pin<Box<dyn Future<Output = Result<Bytes, FetchError>> + Send + '_>> {
        self.reads.fetch_add(1, Ordering::Relaxed);
        let keys = self.keys.lock().expect("unpoisoned").clone();
        Box::pin(async move {
            let keys = keys.ok_or(FetchError::Timeout)?;
            let keys: Vec<Jwk> = keys.iter().map(PoolKey::public).collect();
            Ok(serde_json::to_vec(&json!({"keys": keys}))
                .expect("json")
                .into())
        })
    }
}

/// Someone the user pool knows.
#[derive(Clone, Debug)]
pub(crate) struct Person {
    pub(crate) sub: String,
    pub(crate) access: String,
    pub(crate) id_token: String,
}

impl Person {
    pub(crate) fn new(name: &str, groups: &[&str]) -> Self {
        let key = PoolKey::usual();
        let sub = format!("sub-{name}");
        let email = format!("{name}@example.com");
        Self {
            access: key.sign(&access_claims(&sub)),
            id_token: key.sign(&id_claims(&sub, &email, groups)),
            sub,
        }
    }
}

pub(crate) fn access_claims(sub: &str) -> Value {
    json!({"sub": sub, "iss": ISSUER, "client_id": CLIENT_ID, "token_use": "access",
           "scope": "openid", "exp": now_s() + 3600, "iat": now_s()})
}

pub(crate) fn id_claims(sub: &str, email: &str, groups: &[&str]) -> Value {
    json!({"sub": sub, "iss": ISSUER, "aud": CLIENT_ID, "token_use": "id", "email": email,
           "email_verified": true, "cognito:groups": groups, "exp": now_s() + 3600, "iat": now_s()})
}
