//! JSON Web Tokens shaped as Cognito's, signed RS256 (RFC 7515, RFC 7519; "Understanding user pool
//! JSON web tokens").

use std::fmt;

use aws_lc_rs::digest;
use aws_lc_rs::encoding::{AsDer as _, Pkcs8V1Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair, KeySize, PublicKeyComponents};
use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_SHA256};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

/// A pool's signing key.
pub(super) struct SigningKey {
    pair: KeyPair,
    kid: String,
    modulus: Vec<u8>,
    exponent: Vec<u8>,
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey")
            .field("kid", &self.kid)
            .finish_non_exhaustive()
    }
}

impl SigningKey {
    /// A new key of 2,048 bits, as PKCS #8 to keep.
    pub(super) fn generate() -> Vec<u8> {
        let pair = KeyPair::generate(KeySize::Rsa2048).expect("the generator does not fail");
        let der: Pkcs8V1Der<'_> = pair.as_der().expect("a key just made has an encoding");
        der.as_ref().to_vec()
    }

    /// The key from its PKCS #8; `None` if that is not an RSA key.
    pub(super) fn from_pkcs8(der: &[u8]) -> Option<Self> {
        let pair = KeyPair::from_pkcs8(der).ok()?;
        let (modulus, exponent) = split_public_key(pair.public_key().as_ref())?;
        let digest = digest::digest(&digest::SHA256, pair.public_key().as_ref());
        let kid = base64::engine::general_purpose::STANDARD.encode(digest.as_ref());
        Some(Self {
            pair,
            kid,
            modulus,
            exponent,
        })
    }

    /// The public half as a JSON Web Key (RFC 7517).
    pub(super) fn jwk(&self) -> Value {
        json!({
            "alg": "RS256",
            "e": URL_SAFE_NO_PAD.encode(&self.exponent),
            "kid": self.kid,
            "kty": "RSA",
            "n": URL_SAFE_NO_PAD.encode(&self.modulus),
            "use": "sig",
        })
    }

    /// Signs claims.
    pub(super) fn sign(&self, claims: &Value) -> String {
        let header = json!({ "kid": self.kid, "alg": "RS256" });
        let mut token = URL_SAFE_NO_PAD.encode(header.to_string());
        token.push('.');
        token.push_str(&URL_SAFE_NO_PAD.encode(claims.to_string()));
        let mut signature = vec![0; self.pair.public_modulus_len()];
        self.pair
            .sign(
                &RSA_PKCS1_SHA256,
                &SystemRandom::new(),
                token.as_bytes(),
                &mut signature,
            )
            .expect("a 2,048 bit key signs any message");
        token.push('.');
        token.push_str(&URL_SAFE_NO_PAD.encode(signature));
        token
    }

    /// The claims of a token this key signed; what they mean is the caller's to check.
    pub(super) fn verify(&self, token: &str) -> Option<Value> {
        let (signed, signature) = token.rsplit_once('.')?;
        let signature = URL_SAFE_NO_PAD.decode(signature).ok()?;
        let public = PublicKeyComponents {
            n: &self.modulus,
            e: &self.exponent,
        };
        public
            .verify(&RSA_PKCS1_2048_8192_SHA256, signed.as_bytes(), &signature)
            .ok()?;
        let (header, claims) = signed.split_once('.')?;
        let header: Value = decode(header)?;
        (header["alg"] == "RS256" && header["kid"] == self.kid).then(|| decode(claims))?
    }
}

/// `at_hash`: the left half of the access token's digest (OpenID Connect Core §3.1.3.6).
pub(super) fn at_hash(access_token: &str) -> String {
    let digest = digest::digest(&digest::SHA256, access_token.as_bytes());
    URL_SAFE_NO_PAD.encode(&digest.as_ref()[..16])
}

fn decode(part: &str) -> Option<Value> {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).ok()?).ok()
}

/// Modulus and exponent of `SEQUENCE { INTEGER n, INTEGER e }` (RFC 8017 §A.1.1).
fn split_public_key(der: &[u8]) -> Option<(Vec<u8>, Vec<u8>)> {
    let (sequence, rest) = take_der(der, 0x30)?;
    let (modulus, after) = take_der(sequence, 0x02)?;
    let (exponent, end) = take_der(after, 0x02)?;
    let unsigned = |bytes: &[u8]| bytes.strip_prefix(&[0]).unwrap_or(bytes).to_vec();
    (rest.is_empty() && end.is_empty()).then(|| (unsigned(modulus), unsigned(exponent)))
}

/// The content of one DER element of the given tag, and what follows it.
fn take_der(bytes: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (&found, rest) = bytes.split_first()?;
    let (&first, rest) = rest.split_first()?;
    let (length, rest) = if first < 0x80 {
        (usize::from(first), rest)
    } else {
        let (digits, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
        (
            digits.iter().try_fold(0_usize, |n, d| {
                n.checked_mul(256)?.checked_add(usize::from(*d))
            })?,
            rest,
        )
    };
    (found == tag).then(|| rest.split_at_checked(length))?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_tokens_of_this_key_are_read_and_only_unchanged() {
        let key = SigningKey::from_pkcs8(&SigningKey::generate()).unwrap();
        let other = SigningKey::from_pkcs8(&SigningKey::generate()).unwrap();
        let token = key.sign(&json!({ "sub": "a" }));
        assert_eq!(key.verify(&token).unwrap()["sub"], "a");
        assert!(other.verify(&token).is_none());
        let forged = URL_SAFE_NO_PAD.encode(json!({ "sub": "b" }).to_string());
        let parts: Vec<&str> = token.split('.').collect();
        assert!(
            key.verify(&format!("{}.{forged}.{}", parts[0], parts[2]))
                .is_none()
        );
        let none = URL_SAFE_NO_PAD.encode(r#"{"alg":"none"}"#);
        assert!(key.verify(&format!("{none}.{forged}.")).is_none());
        for noise in ["", ".", "..", "a.b.c"] {
            assert!(key.verify(noise).is_none());
        }
    }

    #[test]
    fn the_public_key_has_the_usual_exponent() {
        let key = SigningKey::from_pkcs8(&SigningKey::generate()).unwrap();
        assert_eq!(key.jwk()["e"], "AQAB");
        assert_eq!(key.modulus.len(), 256);
        assert!(!format!("{key:?}").contains("modulus"));
    }
}
