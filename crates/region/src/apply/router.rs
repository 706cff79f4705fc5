//! What AWS answers inside every VPC: the resolver, instance metadata, task
//! credentials. One thread in the VPC's router serves them all.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use emulator::Emulator;
use time::OffsetDateTime;

use super::board::Board;
use super::fabric::{datagrams, listen};
use crate::blueprint::WorkloadKind;
use crate::dns::{self, Resolver};
use crate::metadata::instance::InstanceMetadata;
use crate::metadata::task::TaskMetadata;
use crate::metadata::{Issue, RoleCredentials, RoleSession};
use crate::plan::{INSTANCE_METADATA, LINK_LOCAL_RESOLVER, TASK_METADATA};
use crate::serve::Stop;

const DNS: u16 = 53;
const HTTP: u16 = 80;
/// As AWS issues them: six hours for an instance, the same for a task.
const SESSION: Duration = Duration::from_secs(6 * 3600);

/// The services of one VPC's router.
#[derive(Clone)]
pub struct Router {
    pub resolver: Arc<Resolver>,
    pub instances: Arc<InstanceMetadata>,
    pub tasks: Arc<TaskMetadata>,
}

impl Router {
    pub fn new(resolver: Arc<Resolver>, emulator: &Arc<Emulator>, board: &Arc<Board>) -> Self {
        Self {
            resolver,
            instances: InstanceMetadata::new(issue(emulator, board, "ec2.amazonaws.com")),
            tasks: TaskMetadata::new(issue(emulator, board, "ecs-tasks.amazonaws.com")),
        }
    }

    /// Serves until `stop`, on the runtime of a thread in the router.
    pub async fn run(self, addresses: Vec<Ipv4Addr>, board: Arc<Board>, stop: Stop) {
        if let Err(error) = self.try_run(addresses, stop).await {
            board.notice(format!("a VPC's own services are down: {error}"));
        }
    }

    async fn try_run(self, resolvers: Vec<Ipv4Addr>, stop: Stop) -> std::io::Result<()> {
        let mut tasks = tokio::task::JoinSet::new();
        for address in resolvers.into_iter().chain([LINK_LOCAL_RESOLVER]) {
            let udp = datagrams(address, DNS).await?;
            let tcp = listen(address, DNS).await?;
            tasks.spawn(dns::serve(
                Arc::clone(&self.resolver),
                udp,
                tcp,
                stop.clone(),
            ));
        }
        tasks.spawn(
            self.instances
                .run(listen(INSTANCE_METADATA, HTTP).await?, stop.clone()),
        );
        tasks.spawn(self.tasks.run(listen(TASK_METADATA, HTTP).await?, stop));
        while tasks.join_next().await.is_some() {}
        Ok(())
    }
}

/// Credentials of a role for whoever the metadata services recognised.
fn issue(emulator: &Arc<Emulator>, board: &Arc<Board>, service: &'static str) -> Issue {
    let (emulator, board) = (Arc::clone(emulator), Arc::clone(board));
    Arc::new(move |session: &RoleSession| {
        let (role, name) = (&session.role_arn, &session.session_name);
        let source = session.source_arn.as_deref();
        match emulator.role_session(service, source, role, name, SESSION) {
            Ok(credentials) => Some(RoleCredentials {
                access_key_id: credentials.access_key_id.clone(),
                secret_access_key: credentials.secret_access_key.expose().to_owned(),
                session_token: credentials.session_token.as_ref()?.expose().to_owned(),
                issued_at: OffsetDateTime::now_utc(),
                expires_at: credentials.expiration?.to_utc(),
            }),
            Err(error) => {
                board.notice(format!("no credentials for `{name}`: {error}"));
                None
            }
        }
    })
}

/// Makes a workload known to the services that give it credentials; returns
/// the variables it finds them by.
pub fn register(router: &Router, kind: &WorkloadKind) -> Vec<(String, String)> {
    match kind {
        WorkloadKind::Instance(facts) => {
            router.instances.insert(facts.clone());
            Vec::new()
        }
        WorkloadKind::Task(facts) => {
            let mut facts = facts.clone();
            facts.container.started_at = OffsetDateTime::now_utc();
            let endpoints = router.tasks.insert(facts);
            let metadata = (
                "ECS_CONTAINER_METADATA_URI_V4".to_owned(),
                endpoints.metadata_uri_v4,
            );
            let credentials = endpoints
                .credentials_relative_uri
                .map(|uri| ("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI".to_owned(), uri));
            std::iter::once(metadata).chain(credentials).collect()
        }
    }
}
