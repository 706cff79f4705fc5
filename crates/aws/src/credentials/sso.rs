//! Credentials of a person who signed in with `aws sso login`.
//!
//! That leaves a token in `~/.aws/sso/cache`, under the SHA-1 of the session's
//! name (or of the start URL, in the older form without sessions). The token is
//! renewed with its refresh token when it has one; the new one is kept here, the
//! file stays aws-cli's. (AWS SDKs and Tools Reference Guide, "IAM Identity Center".)

use std::path::PathBuf;

use aws_lc_rs::digest;
use bytes::Bytes;
use http::{HeaderValue, Method};
use serde_json::{Value as Json, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use tokio::sync::Mutex;

use super::{Credentials, CredentialsError, Reach};
use crate::client::encoded;
use crate::config::{Environment, Profile, Profiles};
use crate::signed::Ask;
use crate::transport::Patience;

const PORTAL: &str = "IAM Identity Center";
/// A token that ends sooner is renewed.
const MARGIN: time::Duration = time::Duration::minutes(2);

/// Who signed in where, for which account and role.
pub(crate) struct SignIn {
    profile: String,
    region: String,
    account: String,
    role: String,
    cache: PathBuf,
    /// A token that was renewed since.
    renewed: Mutex<Option<Token>>,
}

/// A sign-in's tokens; they do not print.
#[derive(Clone)]
struct Token {
    access: String,
    ends: OffsetDateTime,
    /// Client id, client secret and refresh token.
    refresh: Option<[String; 3]>,
}

impl SignIn {
    /// The sign-in a profile names.
    pub(super) fn of(
        environment: &Environment,
        profiles: &Profiles,
        profile: &Profile,
    ) -> Result<Option<Self>, CredentialsError> {
        let (Some(account), Some(role)) =
            (profile.get("sso_account_id"), profile.get("sso_role_name"))
        else {
            return Ok(None);
        };
        let incomplete = |lacks| CredentialsError::Incomplete {
            profile: profile.name.clone(),
            has: "sso_account_id",
            lacks,
        };
        // the newer form names a section, the older one has its settings itself
        let (settings, key) = match profile.get("sso_session") {
            Some(name) => {
                let missing = || CredentialsError::NoProfile {
                    name: format!("sso-session {name}"),
                };
                (profiles.sso_session(name).ok_or_else(missing)?, name)
            }
            None => {
                let url = profile.get("sso_start_url");
                (profile, url.ok_or_else(|| incomplete("sso_start_url"))?)
            }
        };
        let region = settings.get("sso_region");
        let region = region.ok_or_else(|| incomplete("sso_region"))?;
        let hash = digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, key.as_bytes());
        let name: String = hash
            .as_ref()
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        let cache = environment.home(&format!(".aws/sso/cache/{name}.json"));
        Ok(Some(Self {
            profile: profile.name.clone(),
            region: region.to_owned(),
            account: account.to_owned(),
            role: role.to_owned(),
            cache: cache.ok_or(CredentialsError::Setting {
                setting: "HOME",
                fault: "not set",
            })?,
            renewed: Mutex::default(),
        }))
    }

    fn expired(&self) -> CredentialsError {
        CredentialsError::SignIn {
            profile: self.profile.clone(),
        }
    }
}

pub(super) async fn credentials(
    reach: &Reach,
    sign_in: &SignIn,
) -> Result<Credentials, CredentialsError> {
    let token = token(reach, sign_in).await?;
    let endpoint = reach.endpoints.of_in("portal.sso", &sign_in.region);
    let ask = Ask {
        method: Method::GET,
        path_and_query: format!(
            "/federation/credentials?role_name={}&account_id={}",
            encoded(&sign_in.role),
            encoded(&sign_in.account)
        ),
        content_type: None,
        target: None,
        body: Bytes::new(),
    };
    let mut request = reach.request(&endpoint, &ask)?;
    let mut value = HeaderValue::from_str(&token.access).map_err(|_| sign_in.expired())?;
    value.set_sensitive(true);
    request
        .headers_mut()
        .insert("x-amz-sso_bearer_token", value);
    let answer = reach.ask(PORTAL, &endpoint, request, Patience::CALL).await;
    let answer = answer.map_err(|error| match error {
        CredentialsError::Refused(refusal) if refusal.status == 401 => sign_in.expired(),
        other => other,
    })?;
    read(&answer).ok_or(CredentialsError::Answer {
        source_name: PORTAL,
    })
}

fn read(answer: &[u8]) -> Option<Credentials> {
    let answer: Json = serde_json::from_slice(answer).ok()?;
    let found = &answer["roleCredentials"];
    let names = ["accessKeyId", "secretAccessKey", "sessionToken", ""];
    let mut credentials = Credentials::from_json(found, names)?;
    // milliseconds, as nowhere else
    let end = found["expiration"].as_i64()? / 1000;
    credentials.expires_at = Some(OffsetDateTime::from_unix_timestamp(end).ok()?);
    Some(credentials)
}

/// A token that is good for a while: the file's, or a renewed one.
async fn token(reach: &Reach, sign_in: &SignIn) -> Result<Token, CredentialsError> {
    let now = OffsetDateTime::now_utc();
    let is_good = |token: &Token| token.ends - now > MARGIN;
    let mut renewed = sign_in.renewed.lock().await;
    if let Some(token) = renewed.as_ref().filter(|token| is_good(token)) {
        return Ok(token.clone());
    }
    // aws-cli may have renewed it, or the person signed in again
    let in_file = std::fs::read(&sign_in.cache).map_err(|_| sign_in.expired())?;
    let in_file = stored(&in_file).ok_or_else(|| sign_in.expired())?;
    if is_good(&in_file) {
        return Ok(in_file);
    }
    let latest = renewed.take().unwrap_or(in_file);
    let token = refresh(reach, sign_in, &latest, now).await?;
    Ok(renewed.insert(token).clone())
}

fn stored(text: &[u8]) -> Option<Token> {
    let text: Json = serde_json::from_slice(text).ok()?;
    let field = |name: &str| text[name].as_str().map(str::to_owned);
    let refresh = [
        field("clientId"),
        field("clientSecret"),
        field("refreshToken"),
    ];
    let [Some(id), Some(secret), Some(token)] = refresh else {
        return Some(Token {
            access: field("accessToken")?,
            ends: moment(&field("expiresAt")?)?,
            refresh: None,
        });
    };
    Some(Token {
        access: field("accessToken")?,
        ends: moment(&field("expiresAt")?)?,
        refresh: Some([id, secret, token]),
    })
}

/// aws-cli writes `2026-11-22T10:15:00Z`, and wrote `…UTC` before.
fn moment(text: &str) -> Option<OffsetDateTime> {
    OffsetDateTime::parse(&text.replace("UTC", "Z"), &Rfc3339).ok()
}

async fn refresh(
    reach: &Reach,
    sign_in: &SignIn,
    token: &Token,
    now: OffsetDateTime,
) -> Result<Token, CredentialsError> {
    let Some([id, secret, refresh]) = &token.refresh else {
        return Err(sign_in.expired());
    };
    let endpoint = reach.endpoints.of_in("oidc", &sign_in.region);
    let body = json!({
        "clientId": id,
        "clientSecret": secret,
        "grantType": "refresh_token",
        "refreshToken": refresh,
    });
    let ask = Ask {
        method: Method::POST,
        path_and_query: "/token".to_owned(),
        content_type: Some("application/json"),
        target: None,
        body: Bytes::from(body.to_string()),
    };
    let request = reach.request(&endpoint, &ask)?;
    let answer = reach.ask(PORTAL, &endpoint, request, Patience::CALL).await;
    let answer = answer.map_err(|error| match error {
        // whatever it says: the sign-in cannot be prolonged
        CredentialsError::Refused(refusal) if refusal.status.is_client_error() => sign_in.expired(),
        other => other,
    })?;
    let read = || {
        let answer: Json = serde_json::from_slice(&answer).ok()?;
        let lasts = time::Duration::seconds(answer["expiresIn"].as_i64()?);
        let next = answer["refreshToken"].as_str().unwrap_or(refresh);
        Some(Token {
            access: answer["accessToken"].as_str()?.to_owned(),
            ends: now.checked_add(lasts)?,
            refresh: Some([id.clone(), secret.clone(), next.to_owned()]),
        })
    };
    read().ok_or(CredentialsError::Answer {
        source_name: PORTAL,
    })
}
