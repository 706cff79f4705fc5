//! The region's APIs as one value: opened from a seed, asked through the gate, shared by threads.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use serde_json::Value;

use crate::answer::Answer;
use crate::audit::{Audit, AuditEvent};
use crate::call::{Ask, Call};
use crate::clock::{Clock, Timestamp};
use crate::credentials::{self, Credentials, SessionOf};
use crate::gate;
use crate::identity::{Caller, Directory};
use crate::seed::Seed;
use crate::service::cognito::{Cognito, Message, Place};
use crate::service::kms::MaterialError;
use crate::service::kms::keyring::Keyring;
use crate::service::logs::{AppendError, LogEvent, Logs};
use crate::service::s3::{PutError, S3};
use crate::service::secretsmanager::{self, PasswordError, SecretsManager};
use crate::service::ssm::{DocumentError, Ssm};
use crate::store::{Store, StoreError};
use crate::vault::VaultError;
use crate::via::Via;

/// The AWS APIs of one account in one region.
pub struct Emulator {
    pub(crate) seed: Seed,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) keys: Arc<Keyring>,
    pub(crate) directory: Directory,
    pub(crate) audit: Audit,
    pub(crate) secrets: SecretsManager,
    pub(crate) logs: Logs,
    pub(crate) cognito: Cognito,
    pub(crate) s3: S3,
    pub(crate) ssm: Ssm,
    /// When this run began: what the stack made is as old.
    pub(crate) opened: Timestamp,
}

/// Why the emulator does not open.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The state directory cannot be used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A key's material cannot be used.
    #[error(transparent)]
    Material(#[from] MaterialError),
    /// Sealed state does not open.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// A secret cannot be generated as described.
    #[error("secret `{name}` cannot be generated")]
    Password {
        /// The secret's name.
        name: String,
        /// What is wrong with the description.
        #[source]
        source: PasswordError,
    },
    /// An SSM document cannot be used.
    #[error("document `{name}` cannot be used")]
    Document {
        /// The document's name.
        name: String,
        /// What is wrong with it.
        #[source]
        source: DocumentError,
    },
    /// A resource is encrypted under a key the seed does not have.
    #[error("`{resource}` is encrypted under key `{key}`, which does not exist or is disabled")]
    Key {
        /// The resource.
        resource: String,
        /// The key it names.
        key: String,
    },
}

/// Why there are no credentials for a session.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum SessionError {
    /// No such role.
    #[error("role `{0}` does not exist")]
    NoRole(String),
    /// The role's trust policy does not admit the service that asks for the workload.
    #[error("role `{role}` does not trust `{service}`: {reason}")]
    NotTrusted {
        /// The role's ARN.
        role: String,
        /// The service principal.
        service: String,
        /// Which statement, or the lack of one.
        reason: String,
    },
}

/// Why the region's own events or objects were not kept.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// The seed has no such log group.
    #[error("log group `{0}` does not exist")]
    NoLogGroup(String),
    /// The seed has no such bucket.
    #[error("bucket `{0}` does not exist")]
    NoBucket(String),
    /// It could not be sealed and written.
    #[error(transparent)]
    Vault(#[from] VaultError),
}

/// Why a dynamic reference to a secret has no value.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum ResolveError {
    /// No such secret, or no such version of it.
    #[error("secret `{0}` does not exist, or has no such version")]
    NotFound(String),
    /// The value is not JSON, or has no such member.
    #[error("secret `{secret}` has no member `{key}`")]
    NoMember {
        /// The secret.
        secret: String,
        /// The member asked for.
        key: String,
    },
    /// The key that encrypts it cannot be used.
    #[error("secret `{0}` cannot be decrypted")]
    Undecryptable(String),
}

impl Emulator {
    /// Opens the region's state in `directory`, making what the seed says and is not there yet.
    /// Without a directory, state lives in memory and ends with the value.
    ///
    /// # Errors
    /// When the directory cannot be used, or a file in it is damaged; the error names the file.
    pub fn open(
        seed: Seed,
        directory: Option<&Path>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, OpenError> {
        let now = clock.now();
        let store = Arc::new(match directory {
            Some(path) => Store::directory(path)?,
            None => Store::memory(),
        });
        let key_prefix = format!(
            "arn:{}:kms:{}:{}:key/",
            seed.partition, seed.region, seed.account
        );
        let keys = Arc::new(Keyring::open(&store, &seed.keys, &key_prefix, now)?);
        let directory = Directory::open(&store, &keys, &seed)?;
        let audit = Audit::open(store.clone(), keys.clone())?;
        let secrets = SecretsManager::open(store.clone(), keys.clone(), &seed.secrets, now)?;
        let logs = Logs::open(store.clone(), keys.clone(), &seed.log_groups, now)?;
        let place = Place {
            region: &seed.region,
            dns_suffix: seed.dns_suffix(),
        };
        let cognito = Cognito::open(&store, &keys, &seed.user_pools, &place, now)?;
        let s3 = S3::open(store.clone(), keys.clone(), &seed.buckets)?;
        let ssm = Ssm::open(store, keys.clone(), &seed, now)?;
        Ok(Self {
            seed,
            clock,
            keys,
            directory,
            audit,
            secrets,
            logs,
            cognito,
            s3,
            ssm,
            opened: now,
        })
    }

    /// Answers a request that came by `via`.
    ///
    /// Most answers take microseconds. Checking a password is slow on purpose (some 0.2 s), and writes
    /// wait for the disk: a caller that serves others meanwhile calls from a blocking thread.
    ///
    /// A long poll is answered with what is there, and a websocket refused: a server that can do
    /// better asks [`Emulator::ask`].
    pub fn handle(&self, request: &Request<Bytes>, via: &Via) -> Response<Bytes> {
        gate::handle_at_once(self, request, via)
    }

    /// Answers a request that came by `via`, with all three kinds of answer. What is said of
    /// [`Emulator::handle`] holds until it returns; what it returns waits without a thread.
    pub fn ask(self: &Arc<Self>, request: &Request<Bytes>, via: &Via) -> Answer {
        gate::handle(self, request, via)
    }

    /// Closes every data channel with code 1000, as the service does to each about once an hour.
    /// Sessions go on: both ends resume.
    pub fn close_data_channels(&self) {
        self.ssm.close_data_channels();
    }

    /// Credentials of a role for a workload, as the instance metadata service and the ECS
    /// credential endpoint hand them out. `service` (`ec2.amazonaws.com`,
    /// `ecs-tasks.amazonaws.com`) must be trusted by the role; trust policies see `source_arn`,
    /// the task or instance it asks for, as `aws:SourceArn`.
    ///
    /// # Errors
    /// When the role does not exist or its trust policy does not admit the service.
    pub fn role_session(
        &self,
        service: &str,
        source_arn: Option<&str>,
        role_arn: &str,
        session_name: &str,
        lifetime: Duration,
    ) -> Result<Credentials, SessionError> {
        let role = self
            .directory
            .role(role_arn)
            .ok_or_else(|| SessionError::NoRole(role_arn.to_owned()))?;
        let caller = Caller::service(service, source_arn);
        let ask = Ask::new("sts:AssumeRole", role_arn)
            .tags(&role.tags)
            .policy(role.trust.as_ref().map(iam::ResourcePolicy::of_role));
        self.as_service(&caller)
            .authorize(&ask)
            .map_err(|error| SessionError::NotTrusted {
                role: role_arn.to_owned(),
                service: service.to_owned(),
                reason: error.message,
            })?;
        let who = SessionOf::Role {
            arn: role_arn.to_owned(),
            name: session_name.to_owned(),
            policy: None,
        };
        let seconds = i64::try_from(lifetime.as_secs()).unwrap_or(role.max_session_seconds);
        let seconds = seconds.clamp(1, 12 * 3_600);
        Ok(credentials::issue(
            &self.keys,
            who,
            self.clock.now(),
            seconds,
        ))
    }

    /// Credentials of an AWS service acting for one of its resources, such as CloudFront reading an
    /// origin for a distribution. Good for an hour.
    pub fn service_session(&self, service: &str, source_arn: &str) -> Credentials {
        let who = SessionOf::Service {
            name: service.to_owned(),
            source_arn: source_arn.to_owned(),
        };
        credentials::issue(&self.keys, who, self.clock.now(), 3_600)
    }

    /// The access key of a user, made when the user was first seen.
    pub fn user_credentials(&self, name: &str) -> Option<Credentials> {
        self.directory.user_credentials(name)
    }

    /// What a dynamic reference to a secret stands for: the whole text, or one member of its JSON.
    /// Recorded as CloudFormation's doing.
    ///
    /// # Errors
    /// When there is no such secret, version or member, or its key is disabled.
    pub fn resolve_secret(
        &self,
        secret: &str,
        json_key: Option<&str>,
        stage: Option<&str>,
    ) -> Result<crate::seed::Sensitive, ResolveError> {
        secretsmanager::resolve(self, secret, json_key, stage)
    }

    /// Adds events that the region itself produces (flow logs, load balancer logs) to a stream,
    /// making the stream if needed.
    ///
    /// # Errors
    /// When there is no such group, or it cannot be written.
    pub fn append_log_events(
        &self,
        group: &str,
        stream: &str,
        events: &[LogEvent],
    ) -> Result<(), WriteError> {
        self.logs
            .append(group, stream, events, self.clock.now())
            .map_err(|error| match error {
                AppendError::NoGroup | AppendError::NoStream => {
                    WriteError::NoLogGroup(group.to_owned())
                }
                AppendError::Vault(error) => WriteError::Vault(error),
            })
    }

    /// Puts an object into a bucket without a request, such as the first upload of the web pages.
    /// The same bytes again are not written again.
    ///
    /// # Errors
    /// When there is no such bucket, or it cannot be written.
    pub fn put_object(
        &self,
        bucket: &str,
        key: &str,
        content_type: &str,
        body: &[u8],
    ) -> Result<(), WriteError> {
        let now = self.clock.now();
        self.s3
            .put_plain(bucket, key, content_type, body, now)
            .map_err(|error| match error {
                PutError::NoBucket => WriteError::NoBucket(bucket.to_owned()),
                PutError::Vault(error) => WriteError::Vault(error),
            })
    }

    /// The newest audit records, oldest first.
    pub fn audit(&self) -> Vec<AuditEvent> {
        self.audit.recent()
    }

    /// Mail that a real region would have sent (confirmation codes), since the last call.
    pub fn take_messages(&self) -> Vec<Message> {
        self.cognito.take_messages()
    }

    /// What went wrong behind the scenes, for a person to read: torn log files that were cut, an
    /// audit trail that could not be written.
    pub fn notices(&self) -> Vec<String> {
        let audit = self
            .audit
            .failure()
            .map(|why| format!("audit trail not written: {why}"));
        let sessions = self.ssm.sessions();
        let sessions = sessions
            .failure()
            .map(|why| format!("history of sessions not written: {why}"));
        let notices = self.logs.notices().into_iter();
        notices.chain(audit).chain(sessions).collect()
    }

    /// A call by an AWS service inside the region.
    pub(crate) fn as_service<'a>(&'a self, caller: &'a Caller) -> Call<'a> {
        const LOCAL: Via = Via {
            source_ip: std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST),
            secure: true,
            endpoint: None,
        };
        static VIA: Via = LOCAL;
        Call {
            emulator: self,
            caller,
            via: &VIA,
            request_id: "internal",
            user_agent: "",
            now: self.clock.now(),
            host: "",
            through: None,
        }
    }

    /// An ARN of this account and region.
    pub(crate) fn arn(&self, service: &str, resource: &str) -> String {
        let seed = &self.seed;
        format!(
            "arn:{}:{service}:{}:{}:{resource}",
            seed.partition, seed.region, seed.account
        )
    }
}

/// A member of a JSON text.
pub(crate) fn json_member(text: &str, key: &str) -> Option<String> {
    let value: Value = serde_json::from_str(text).ok()?;
    match value.get(key)? {
        Value::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    }
}
