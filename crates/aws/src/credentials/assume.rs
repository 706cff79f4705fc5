//! Credentials of a role, from STS.

use bytes::Bytes;
use http::Method;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::{Credentials, CredentialsError, Reach, Role};
use crate::client::form;
use crate::signed::{self, Ask};
use crate::transport::Patience;
use crate::xml;

const VERSION: &str = "2011-06-15";
/// A web identity's token; GitHub's have some 2 KiB.
const MAX_TOKEN: u64 = 64 * 1024;

/// `AssumeRole`, with another's credentials.
pub(super) async fn role(
    reach: &Reach,
    base: &Credentials,
    role: &Role,
) -> Result<Credentials, CredentialsError> {
    call(reach, Some(base), "AssumeRole", role, None).await
}

/// `AssumeRoleWithWebIdentity`, with the token in a file, read anew each time: it changes.
pub(super) async fn with_web_identity(
    reach: &Reach,
    file: &str,
    role: &Role,
) -> Result<Credentials, CredentialsError> {
    let failed = |source| CredentialsError::Read {
        path: file.into(),
        source,
    };
    let size = std::fs::metadata(file).map_err(failed)?.len();
    if size > MAX_TOKEN {
        return Err(failed(std::io::ErrorKind::FileTooLarge.into()));
    }
    let token = std::fs::read_to_string(file).map_err(failed)?;
    let action = "AssumeRoleWithWebIdentity";
    call(reach, None, action, role, Some(token.trim())).await
}

async fn call(
    reach: &Reach,
    base: Option<&Credentials>,
    action: &'static str,
    role: &Role,
    token: Option<&str>,
) -> Result<Credentials, CredentialsError> {
    let now = OffsetDateTime::now_utc();
    let made_up = format!("kickytime-{}", now.unix_timestamp());
    let name = role.session_name.as_deref().unwrap_or(&made_up);
    let mut parameters = vec![
        ("Action", action),
        ("Version", VERSION),
        ("RoleArn", &role.arn),
        ("RoleSessionName", name),
    ];
    let optional = [
        ("ExternalId", role.external_id.as_deref()),
        ("DurationSeconds", role.duration_s.as_deref()),
        ("WebIdentityToken", token),
    ];
    for (name, value) in optional {
        parameters.extend(value.map(|value| (name, value)));
    }
    let endpoint = reach.endpoints.of("sts");
    let ask = Ask {
        method: Method::POST,
        path_and_query: "/".to_owned(),
        content_type: Some("application/x-www-form-urlencoded; charset=utf-8"),
        target: None,
        body: Bytes::from(form(&parameters)),
    };
    let mut request = reach.request(&endpoint, &ask)?;
    if let Some(base) = base {
        signed::sign(&mut request, base, reach.endpoints.region(), "sts", now);
    }
    let answer = reach
        .ask(action, &endpoint, request, Patience::CALL)
        .await?;
    read(&String::from_utf8_lossy(&answer)).ok_or(CredentialsError::Answer {
        source_name: action,
    })
}

pub(super) fn read(text: &str) -> Option<Credentials> {
    let document = xml::parse(text)?;
    let found = xml::find(&document, "Credentials")?;
    let field = |name| xml::text(found, name);
    let mut credentials = Credentials::new(
        &field("AccessKeyId")?,
        &field("SecretAccessKey")?,
        Some(&field("SessionToken")?),
    );
    let end = OffsetDateTime::parse(&field("Expiration")?, &Rfc3339).ok()?;
    credentials.expires_at = Some(end);
    Some(credentials)
}
