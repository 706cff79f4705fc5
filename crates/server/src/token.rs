//! Whose request is it, by the token it carries?
//!
//! Cognito user pool tokens (developer guide, "Verifying JSON web tokens"):
//! RS256 by a key of the pool's set, issuer, expiry, and for an access token
//! `token_use` = `access` and our `client_id`, for an ID token `token_use` =
//! `id` and our `aud`. Whether the person may do a thing is not decided here.

pub mod keys;

use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::settings::CognitoSettings;
use keys::{KeyCache, KeyError, KeySource};

/// Clock difference forgiven at expiry.
const LEEWAY_S: u64 = 30;
/// Cognito's tokens are 1-2 KB; a proxy's header limit is 8-16 KB.
const LONGEST_TOKEN: usize = 8 * 1024;
/// The user pool group whose members start as administrators.
const ADMIN_GROUP: &str = "admin";

/// Why a token is not accepted.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    #[error("the token is malformed")]
    Malformed,
    #[error("the token has expired")]
    Expired,
    #[error("the token was not issued for this service")]
    Foreign,
    #[error("the token's signature does not match")]
    Forged,
    #[error("the token's signing key is not known")]
    UnknownKey,
    #[error("the key set cannot be had just now")]
    KeysUnavailable,
}

/// What a verified access token says.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct AccessClaims {
    pub sub: String,
    /// Expiry in seconds since 1970.
    pub exp: u64,
    token_use: String,
    client_id: String,
}

/// What a verified ID token says.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct IdClaims {
    pub sub: String,
    pub email: Option<String>,
    #[serde(default, deserialize_with = "flag")]
    pub email_verified: bool,
    pub nickname: Option<String>,
    pub preferred_username: Option<String>,
    pub name: Option<String>,
    pub picture: Option<String>,
    #[serde(rename = "cognito:groups", default)]
    pub groups: Vec<String>,
    token_use: String,
}

impl IdClaims {
    #[must_use]
    pub fn is_admin(&self) -> bool {
        self.groups.iter().any(|group| group == ADMIN_GROUP)
    }
}

/// Cognito writes a boolean; identity providers mapped into a pool may leave
/// the string `"true"`.
fn flag<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Flag {
        Bool(bool),
        Text(String),
    }
    Ok(match Flag::deserialize(deserializer)? {
        Flag::Bool(value) => value,
        Flag::Text(text) => text == "true",
    })
}

/// Verifies tokens of one user pool and app client.
pub struct Verifier {
    client_id: String,
    access: Validation,
    id: Validation,
    keys: KeyCache,
}

impl Verifier {
    pub fn new(settings: &CognitoSettings, source: impl KeySource + 'static) -> Self {
        let mut access = Validation::new(Algorithm::RS256);
        access.leeway = LEEWAY_S;
        access.validate_nbf = true;
        access.set_issuer(&[&settings.issuer]);
        access.set_required_spec_claims(&["exp", "iss", "sub"]);
        let mut id = access.clone();
        id.set_audience(&[&settings.client_id]);
        id.set_required_spec_claims(&["exp", "iss", "sub", "aud"]);
        // an access token names its client in `client_id`; `aud` appears only with resource binding
        access.validate_aud = false;
        Self {
            client_id: settings.client_id.clone(),
            access,
            id,
            keys: KeyCache::new(source),
        }
    }

    /// # Errors
    /// The token is not a good access token of this pool and client, or
    /// nothing can be said because the key set is away.
    pub async fn access(&self, token: &str) -> Result<AccessClaims, TokenError> {
        let claims: AccessClaims = self.verify(token, &self.access).await?;
        if claims.token_use == "access" && claims.client_id == self.client_id {
            Ok(claims)
        } else {
            Err(TokenError::Foreign)
        }
    }

    /// # Errors
    /// The token is not a good ID token of this pool and client, or nothing
    /// can be said because the key set is away.
    pub async fn id(&self, token: &str) -> Result<IdClaims, TokenError> {
        let claims: IdClaims = self.verify(token, &self.id).await?;
        if claims.token_use == "id" {
            Ok(claims)
        } else {
            Err(TokenError::Foreign)
        }
    }

    async fn verify<T: DeserializeOwned>(
        &self,
        token: &str,
        validation: &Validation,
    ) -> Result<T, TokenError> {
        if token.len() > LONGEST_TOKEN {
            return Err(TokenError::Malformed);
        }
        let header = jsonwebtoken::decode_header(token).map_err(|_| TokenError::Malformed)?;
        if header.alg != Algorithm::RS256 {
            return Err(TokenError::Forged);
        }
        let kid = header.kid.ok_or(TokenError::Malformed)?;
        let key = self.keys.find(&kid).await.map_err(|error| match error {
            KeyError::Unknown => TokenError::UnknownKey,
            KeyError::Unavailable => TokenError::KeysUnavailable,
        })?;
        decode(token, &key, validation)
    }
}

fn decode<T: DeserializeOwned>(
    token: &str,
    key: &DecodingKey,
    validation: &Validation,
) -> Result<T, TokenError> {
    jsonwebtoken::decode(token, key, validation)
        .map(|data| data.claims)
        .map_err(|error| match error.kind() {
            ErrorKind::ExpiredSignature => TokenError::Expired,
            ErrorKind::InvalidIssuer | ErrorKind::InvalidAudience => TokenError::Foreign,
            ErrorKind::InvalidSignature => TokenError::Forged,
            _ => TokenError::Malformed,
        })
}
