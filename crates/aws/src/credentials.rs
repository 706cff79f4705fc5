//! As whom are calls made?
//!
//! `plan` reads the settings and decides, in the order all AWS tools have,
//! where credentials come from: it is a [`Source`], and asks nobody. The
//! [`Provider`] fetches from it, keeps what it got, and fetches again before
//! that ends, so a session of hours outlives its first credentials.

mod assume;
mod container;
mod error;
mod plan;
mod process;
mod sso;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use iam::sigv4::{self, SecretKey, SessionToken};
use serde_json::Value as Json;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use tokio::sync::Mutex;

pub use error::CredentialsError;
pub(crate) use plan::plan;

use crate::config::{Endpoint, Endpoints, Environment};
use crate::imds::Imds;
use crate::signed;
use crate::transport::{Patience, Transport};

/// Credentials that end sooner are fetched anew.
const MARGIN: time::Duration = time::Duration::minutes(5);
/// After a fetch in vain while the old ones are still good, the next try.
const SPACING: Duration = Duration::from_secs(30);

/// Credentials and how long they are good. The secrets do not print.
#[derive(Debug, Clone)]
pub struct Credentials {
    pub signing: sigv4::Credentials,
    pub expires_at: Option<OffsetDateTime>,
}

impl Credentials {
    #[must_use]
    pub(crate) fn new(id: &str, secret: &str, token: Option<&str>) -> Self {
        Self {
            signing: sigv4::Credentials {
                access_key_id: id.to_owned(),
                secret_access_key: SecretKey::new(secret),
                session_token: token.map(SessionToken::new),
            },
            expires_at: None,
        }
    }

    /// Reads an object whose fields have these names: key, secret, token, end.
    pub(crate) fn from_json(object: &Json, names: [&str; 4]) -> Option<Self> {
        let [id, secret, token, end] = names.map(|name| object[name].as_str());
        let mut credentials = Self::new(id?, secret?, token.filter(|token| !token.is_empty()));
        if let Some(end) = end {
            credentials.expires_at = Some(OffsetDateTime::parse(end, &Rfc3339).ok()?);
        }
        Some(credentials)
    }

    fn is_good(&self, now: OffsetDateTime, margin: time::Duration) -> bool {
        self.expires_at.is_none_or(|end| end - now > margin)
    }
}

/// Where credentials come from.
pub(crate) enum Source {
    /// They stand in variables or a file.
    Static { credentials: Credentials },
    /// Another's credentials assume a role.
    AssumeRole { from: Box<Self>, role: Role },
    /// A token from a file assumes a role: GitHub's or Kubernetes'.
    WebIdentity { token_file: String, role: Role },
    /// A person's sign-in, which `aws sso login` has left behind.
    Sso(Box<sso::SignIn>),
    /// A program prints them.
    Process { command: String },
    /// The container service has them at an address.
    Container {
        endpoint: Endpoint,
        path: String,
        token: Option<container::Token>,
    },
    /// The instance metadata service has them.
    Metadata,
    /// Nothing says where from.
    Nowhere,
}

/// Which role to assume, and how.
#[derive(Debug, Clone)]
pub(crate) struct Role {
    pub(crate) arn: String,
    pub(crate) session_name: Option<String>,
    pub(crate) external_id: Option<String>,
    pub(crate) duration_s: Option<String>,
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Static { .. } => "Static",
            Self::AssumeRole { .. } => "AssumeRole",
            Self::WebIdentity { .. } => "WebIdentity",
            Self::Sso(_) => "Sso",
            Self::Process { .. } => "Process",
            Self::Container { .. } => "Container",
            Self::Metadata => "Metadata",
            Self::Nowhere => "Nowhere",
        })
    }
}

/// Fetches credentials, keeps them, and fetches them again in time.
#[derive(Debug)]
pub(crate) struct Provider {
    source: Source,
    reach: Reach,
    kept: Mutex<Kept>,
}

/// What fetching needs: the way out.
#[derive(Debug)]
struct Reach {
    environment: Environment,
    transport: Arc<Transport>,
    endpoints: Endpoints,
}

#[derive(Debug, Default)]
struct Kept {
    credentials: Option<Credentials>,
    tried_at: Option<tokio::time::Instant>,
}

impl Provider {
    pub(crate) fn new(
        source: Source,
        environment: Environment,
        transport: Arc<Transport>,
        endpoints: Endpoints,
    ) -> Self {
        Self {
            source,
            reach: Reach {
                environment,
                transport,
                endpoints,
            },
            kept: Mutex::default(),
        }
    }

    /// Credentials that are good for some minutes yet. Callers at the same time
    /// wait for one fetch.
    pub(crate) async fn credentials(&self) -> Result<Credentials, CredentialsError> {
        let mut kept = self.kept.lock().await;
        let now = OffsetDateTime::now_utc();
        if let Some(credentials) = &kept.credentials {
            let tried_just_now = kept.tried_at.is_some_and(|at| at.elapsed() < SPACING);
            let is_usable = credentials.is_good(now, time::Duration::ZERO);
            if credentials.is_good(now, MARGIN) || (is_usable && tried_just_now) {
                return Ok(credentials.clone());
            }
        }
        kept.tried_at = Some(tokio::time::Instant::now());
        match fetch(&self.source, &self.reach).await {
            Ok(credentials) => {
                kept.credentials = Some(credentials.clone());
                Ok(credentials)
            }
            Err(error) => match &kept.credentials {
                // the old ones are good for a little: the source may be back by then
                Some(old) if old.is_good(now, time::Duration::ZERO) => Ok(old.clone()),
                _ => Err(error),
            },
        }
    }

    /// Forgets what is kept: a service has said that it ended.
    pub(crate) async fn renew(&self) {
        *self.kept.lock().await = Kept::default();
    }
}

/// Asks a source. It is recursive where one source stands on another.
async fn fetch(source: &Source, reach: &Reach) -> Result<Credentials, CredentialsError> {
    match source {
        Source::Static { credentials } => Ok(credentials.clone()),
        Source::AssumeRole { from, role } => {
            let base = Box::pin(fetch(from, reach)).await?;
            assume::role(reach, &base, role).await
        }
        Source::WebIdentity { token_file, role } => {
            assume::with_web_identity(reach, token_file, role).await
        }
        Source::Sso(sign_in) => sso::credentials(reach, sign_in).await,
        Source::Process { command } => process::credentials(command).await,
        Source::Container {
            endpoint,
            path,
            token,
        } => container::credentials(reach, endpoint, path, token.as_ref()).await,
        Source::Metadata => {
            let metadata = Imds::at(&reach.environment, Arc::clone(&reach.transport))?;
            Ok(metadata.credentials().await?)
        }
        Source::Nowhere => Err(CredentialsError::None),
    }
}

impl Reach {
    /// Asks a place that wants no signature; answers the body of a 2xx.
    async fn ask(
        &self,
        source: &'static str,
        endpoint: &Endpoint,
        request: http::Request<bytes::Bytes>,
        patience: Patience,
    ) -> Result<bytes::Bytes, CredentialsError> {
        let sent = self.transport.send(endpoint, request, patience).await;
        let response = sent.map_err(|cause| CredentialsError::NoAnswer {
            source_name: source,
            cause,
        })?;
        let status = response.status();
        if status.is_success() {
            return Ok(response.into_body());
        }
        let named = response.headers().get("x-amzn-errortype");
        let named = named.and_then(|value| value.to_str().ok());
        let refusal = crate::Refusal::read(source, status, named, response.body());
        Err(refusal.into())
    }

    /// A request below an endpoint.
    fn request(
        &self,
        endpoint: &Endpoint,
        ask: &signed::Ask,
    ) -> Result<http::Request<bytes::Bytes>, CredentialsError> {
        signed::request(endpoint, ask).ok_or(CredentialsError::Setting {
            setting: "a path",
            fault: "no path of a URL",
        })
    }
}

#[cfg(test)]
mod tests;
