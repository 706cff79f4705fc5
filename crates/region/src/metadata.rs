//! Instance metadata (IMDSv2) and the ECS credential and task metadata endpoints.
//!
//! Each VPC router has one listener for 169.254.169.254:80 ([`instance`]) and one
//! for 169.254.170.2:80 ([`task`]). Who is asking is known by the source address,
//! which the router does not let anybody forge. Both hand out short-lived
//! credentials that a closure issues; they are kept and issued anew before they
//! end.

pub mod instance;
pub mod task;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderValue};
use http::{Response, StatusCode};
use time::macros::format_description;
use time::{Duration, OffsetDateTime};

/// Credentials are issued anew when less than this is left of them. AWS makes
/// new ones available at least five minutes before the old ones end; SDKs begin
/// to ask for them up to fifteen minutes before.
const REFRESH_BEFORE: Duration = Duration::minutes(20);

/// Temporary credentials of a role. The secrets are not in the `Debug` output.
#[derive(Clone)]
pub struct RoleCredentials {
    /// `ASIA…`.
    pub access_key_id: String,
    /// The secret access key.
    pub secret_access_key: String,
    /// The session token.
    pub session_token: String,
    /// When they were issued.
    pub issued_at: OffsetDateTime,
    /// When they end.
    pub expires_at: OffsetDateTime,
}

impl fmt::Debug for RoleCredentials {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("RoleCredentials")
            .field("access_key_id", &self.access_key_id)
            .field("expires_at", &self.expires_at)
            .finish_non_exhaustive()
    }
}

/// Who credentials are for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct RoleSession {
    /// The role.
    pub role_arn: String,
    /// The session's name: the instance id, or the task id.
    pub session_name: String,
    /// What trust policies see as `aws:SourceArn`: the task.
    pub source_arn: Option<String>,
}

/// Issues credentials: the region's STS. `None` when the role may not be
/// assumed for this session.
pub type Issue = Arc<dyn Fn(&RoleSession) -> Option<RoleCredentials> + Send + Sync>;

/// Issued credentials, kept while they are good.
pub(crate) struct Vault {
    issue: Issue,
    kept: Mutex<BTreeMap<RoleSession, RoleCredentials>>,
}

impl Vault {
    fn new(issue: Issue) -> Self {
        Self {
            issue,
            kept: Mutex::default(),
        }
    }

    fn credentials(&self, session: &RoleSession, now: OffsetDateTime) -> Option<RoleCredentials> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.retain(|_, credentials| now < credentials.expires_at);
        match kept.get(session) {
            Some(good) if now < good.expires_at - refresh_before(good) => Some(good.clone()),
            _ => {
                let fresh = (self.issue)(session)?;
                kept.insert(session.clone(), fresh.clone());
                Some(fresh)
            }
        }
    }
}

/// Very short-lived credentials are kept for half of their life at least.
fn refresh_before(credentials: &RoleCredentials) -> Duration {
    REFRESH_BEFORE.min((credentials.expires_at - credentials.issued_at) / 2)
}

fn timestamp(at: OffsetDateTime) -> String {
    let format = format_description!("[year]-[month]-[day]T[hour]:[minute]:[second]Z");
    at.to_offset(time::UtcOffset::UTC)
        .format(format)
        .unwrap_or_default()
}

fn respond(status: StatusCode, kind: &'static str, body: impl Into<Bytes>) -> Response<Bytes> {
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}

#[cfg(test)]
mod tests;
