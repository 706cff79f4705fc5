//! What an ECS task is told: its credentials and its own description.
//!
//! Amazon ECS developer guide, "Amazon ECS task IAM role" and "Task metadata
//! endpoint version 4". A task gets to its credentials by an unguessable path
//! (`AWS_CONTAINER_CREDENTIALS_RELATIVE_URI`) **and** only from its own address.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, PoisonError, RwLock};

use aws_lc_rs::{constant_time, rand};
use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use serde_json::{Value, json};
use time::OffsetDateTime;
use tokio::net::TcpListener;

use super::{Issue, RoleSession, Vault, respond, timestamp};
use crate::serve::{self, Peer, ServeOptions, Stop};

const MAX_BODY_BYTES: usize = 1024;

/// One task, as plain data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskFacts {
    /// The address of its interface; how it is recognised.
    pub address: Ipv4Addr,
    /// `arn:aws:ecs:REGION:ACCOUNT:task/CLUSTER/ID`.
    pub task_arn: String,
    /// The cluster's ARN.
    pub cluster_arn: String,
    /// The service's name, if it belongs to one.
    pub service: Option<String>,
    /// The task definition's family.
    pub family: String,
    /// The task definition's revision.
    pub revision: String,
    /// `ap-northeast-2a`.
    pub availability_zone: String,
    /// `TaskRoleArn`.
    pub role_arn: Option<String>,
    /// In vCPU, for example 0.5.
    pub cpu: String,
    /// In MiB.
    pub memory_mib: u32,
    /// The container.
    pub container: ContainerFacts,
}

/// The container of a task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContainerFacts {
    /// Its name in the task definition.
    pub name: String,
    /// The image.
    pub image: String,
    /// The image's digest, `sha256:…`.
    pub image_id: String,
    /// Log driver and its options.
    pub log: Option<(String, BTreeMap<String, String>)>,
    /// When it was started.
    pub started_at: OffsetDateTime,
}

/// The environment variables a task finds its endpoints by.
#[derive(Clone, PartialEq, Eq)]
pub struct TaskEndpoints {
    /// `AWS_CONTAINER_CREDENTIALS_RELATIVE_URI`; absent without a task role.
    pub credentials_relative_uri: Option<String>,
    /// `ECS_CONTAINER_METADATA_URI_V4`.
    pub metadata_uri_v4: String,
}

impl std::fmt::Debug for TaskEndpoints {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("TaskEndpoints")
            .finish_non_exhaustive()
    }
}

/// The service of one VPC: every task by its address.
pub struct TaskMetadata {
    tasks: RwLock<BTreeMap<IpAddr, Arc<Registered>>>,
    vault: Vault,
}

struct Registered {
    facts: TaskFacts,
    /// The unguessable end of its paths.
    id: String,
}

impl std::fmt::Debug for TaskMetadata {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("TaskMetadata")
            .finish_non_exhaustive()
    }
}

impl TaskMetadata {
    /// A service without tasks.
    pub fn new(issue: Issue) -> Arc<Self> {
        Arc::new(Self {
            tasks: RwLock::default(),
            vault: Vault::new(issue),
        })
    }

    /// Adds a task and says what to put into its environment.
    pub fn insert(&self, facts: TaskFacts) -> TaskEndpoints {
        let id = random_id();
        let endpoints = TaskEndpoints {
            credentials_relative_uri: facts
                .role_arn
                .as_ref()
                .map(|_| format!("/v2/credentials/{id}")),
            metadata_uri_v4: format!("http://169.254.170.2/v4/{id}"),
        };
        let mut tasks = self.tasks.write().unwrap_or_else(PoisonError::into_inner);
        tasks.insert(
            IpAddr::V4(facts.address),
            Arc::new(Registered { facts, id }),
        );
        endpoints
    }

    /// The task is gone, and with it its paths.
    pub fn remove(&self, address: IpAddr) {
        self.tasks
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&address);
    }

    /// Serves until `stop` on a listener for 169.254.170.2:80.
    pub async fn run(self: Arc<Self>, listener: TcpListener, stop: Stop) {
        let handler = serve::whole_body(MAX_BODY_BYTES, move |request: Request<Bytes>| {
            let service = Arc::clone(&self);
            async move {
                let peer = request
                    .extensions()
                    .get::<Arc<Peer>>()
                    .map(|peer| peer.address);
                let unknown = SocketAddr::from(([0, 0, 0, 0], 0));
                service.answer(
                    &request,
                    peer.unwrap_or(unknown).ip(),
                    OffsetDateTime::now_utc(),
                )
            }
        });
        serve::serve(listener, None, ServeOptions::default(), handler, stop).await;
    }

    /// The answer to one request from `source` at `now`.
    pub fn answer(
        &self,
        request: &Request<Bytes>,
        source: IpAddr,
        now: OffsetDateTime,
    ) -> Response<Bytes> {
        if request.method() != Method::GET {
            return failed(
                StatusCode::METHOD_NOT_ALLOWED,
                "InvalidMethod",
                "only GET is allowed",
            );
        }
        let task = self
            .tasks
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .get(&source)
            .cloned();
        let Some(task) = task else {
            return unknown_id();
        };
        let path = request.uri().path();
        if let Some(id) = path.strip_prefix("/v2/credentials/") {
            return match &task.facts.role_arn {
                Some(role_arn) if is(&task.id, id) => self.credentials(&task, role_arn, now),
                _ => unknown_id(),
            };
        }
        let Some(rest) = path.strip_prefix("/v4/") else {
            return failed(StatusCode::NOT_FOUND, "NotFound", "no such path");
        };
        let (id, what) = rest.split_once('/').unwrap_or((rest, ""));
        match what {
            _ if !is(&task.id, id) => unknown_id(),
            "" => json_response(&container(&task.facts)),
            "task" => json_response(&describe(&task.facts)),
            _ => failed(StatusCode::NOT_FOUND, "NotFound", "no such path"),
        }
    }

    fn credentials(
        &self,
        task: &Registered,
        role_arn: &str,
        now: OffsetDateTime,
    ) -> Response<Bytes> {
        let session = RoleSession {
            role_arn: role_arn.to_owned(),
            session_name: task
                .facts
                .task_arn
                .rsplit('/')
                .next()
                .unwrap_or_default()
                .to_owned(),
            source_arn: Some(task.facts.task_arn.clone()),
        };
        let Some(credentials) = self.vault.credentials(&session, now) else {
            let message = "the task's role cannot be assumed";
            return failed(StatusCode::FORBIDDEN, "AccessDenied", message);
        };
        json_response(&json!({
            "RoleArn": role_arn,
            "AccessKeyId": credentials.access_key_id,
            "SecretAccessKey": credentials.secret_access_key,
            "Token": credentials.session_token,
            "Expiration": timestamp(credentials.expires_at),
        }))
    }
}

fn is(id: &str, presented: &str) -> bool {
    constant_time::verify_slices_are_equal(id.as_bytes(), presented.as_bytes()).is_ok()
}

/// 128 random bits in the form of a UUID.
fn random_id() -> String {
    let mut random = [0; 16];
    rand::fill(&mut random).expect("the system's random source does not fail");
    let hex: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
    format!(
        "{}-{}-{}-{}-{}",
        &hex[..8],
        &hex[8..12],
        &hex[12..16],
        &hex[16..20],
        &hex[20..]
    )
}

fn describe(facts: &TaskFacts) -> Value {
    let mut described = json!({
        "Cluster": facts.cluster_arn,
        "TaskARN": facts.task_arn,
        "Family": facts.family,
        "Revision": facts.revision,
        "DesiredStatus": "RUNNING",
        "KnownStatus": "RUNNING",
        "Limits": { "CPU": facts.cpu.parse::<f64>().unwrap_or_default(), "Memory": facts.memory_mib },
        "PullStartedAt": timestamp(facts.container.started_at),
        "PullStoppedAt": timestamp(facts.container.started_at),
        "AvailabilityZone": facts.availability_zone,
        "LaunchType": "FARGATE",
        "Containers": [container(facts)],
    });
    if let Some(service) = &facts.service {
        described["ServiceName"] = json!(service);
    }
    described
}

fn container(facts: &TaskFacts) -> Value {
    let task_id = facts.task_arn.rsplit('/').next().unwrap_or_default();
    let mut described = json!({
        "DockerId": format!("{task_id}-0"),
        "Name": facts.container.name,
        "DockerName": facts.container.name,
        "Image": facts.container.image,
        "ImageID": facts.container.image_id,
        "Labels": {
            "com.amazonaws.ecs.cluster": facts.cluster_arn,
            "com.amazonaws.ecs.container-name": facts.container.name,
            "com.amazonaws.ecs.task-arn": facts.task_arn,
            "com.amazonaws.ecs.task-definition-family": facts.family,
            "com.amazonaws.ecs.task-definition-version": facts.revision,
        },
        "DesiredStatus": "RUNNING",
        "KnownStatus": "RUNNING",
        "CreatedAt": timestamp(facts.container.started_at),
        "StartedAt": timestamp(facts.container.started_at),
        "Type": "NORMAL",
        "Networks": [{ "NetworkMode": "awsvpc", "IPv4Addresses": [facts.address] }],
    });
    if let Some((driver, options)) = &facts.container.log {
        described["LogDriver"] = json!(driver);
        described["LogOptions"] = json!(options);
    }
    described
}

fn json_response(value: &Value) -> Response<Bytes> {
    respond(StatusCode::OK, "application/json", value.to_string())
}

fn unknown_id() -> Response<Bytes> {
    failed(
        StatusCode::BAD_REQUEST,
        "InvalidIdInRequest",
        "CredentialsV2Request: ID not found",
    )
}

fn failed(status: StatusCode, code: &str, message: &str) -> Response<Bytes> {
    let body = json!({ "code": code, "message": message, "HTTPErrorCode": status.as_u16() });
    respond(status, "application/json", body.to_string())
}
