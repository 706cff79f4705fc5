//! Programs behind interfaces: started, told who they are, registered as
//! targets while they run, their output delivered to their log group.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use emulator::Emulator;
use rustls::ClientConfig;
use tokio_util::sync::CancellationToken;

use super::board::Board;
use super::client::{Client, ClientOptions};
use super::log_delivery::{LogQueue, deliver};
use super::router::{Router, register};
use crate::blueprint::balancer::{TargetGroupName, TargetId};
use crate::blueprint::{Workload, WorkloadKind};
use crate::dns::Resolver;
use crate::host::netns::Netns;
use crate::host::process::{Bind, ChildCommand, Exit, Spawner, TRUST_ENVIRONMENT, View};
use crate::proxy::balancer::Targets;
use crate::supervise::{self, Event, Policy};

/// The name of the image's entry point in a child's own place.
const ENTRY_POINT: &str = "server";

/// What every program of the region is started with.
#[derive(Clone)]
pub struct Runtime {
    pub emulator: Arc<Emulator>,
    pub board: Arc<Board>,
    pub spawner: Spawner,
    pub trust: Arc<ClientConfig>,
    /// The authorities to trust, as PEM.
    pub ca_bundle: String,
    /// The image's entry point, on the host.
    pub entry_point: PathBuf,
    /// The state directory, with keys no program may see.
    pub hidden: PathBuf,
    pub region: String,
}

/// A program's place in the running region.
#[derive(Clone)]
pub struct Placement {
    pub workload: Workload,
    pub namespace: Netns,
    pub router: Router,
    pub resolver_address: std::net::Ipv4Addr,
    /// The targets of every load balancer it may be registered with.
    pub balancers: Vec<Arc<Targets>>,
}

impl Runtime {
    /// Keeps the program running until `stop`. Call it on a thread of its
    /// interface's namespace.
    pub async fn keep(self, place: Placement, stop: CancellationToken) {
        let (queue, delivery) = self.deliver_logs(&place);
        let name = place.workload.name.clone();
        let command = self.command(&place);
        let policy = policy(&place.workload);
        supervise::supervise(
            &self.spawner,
            &policy,
            &stop,
            || command.clone(),
            |event| {
                match &event {
                    Event::Started { .. } => place.register(true),
                    Event::Exited { .. } | Event::Stopped { .. } => place.register(false),
                    _ => {}
                }
                self.observe(&name, &queue, event);
            },
        )
        .await;
        delivery.finish().await;
    }

    /// Runs the program to its end.
    pub async fn once(self, place: Placement, stop: CancellationToken) -> Option<Exit> {
        let (queue, delivery) = self.deliver_logs(&place);
        let name = place.workload.name.clone();
        let command = self.command(&place);
        let policy = policy(&place.workload);
        let exit = supervise::run_once(&self.spawner, &policy, &stop, &command, |event| {
            self.observe(&name, &queue, event);
        })
        .await;
        let state = exit.map_or_else(|| "did not run".to_owned(), |exit| exit.to_string());
        self.board.set(&name, state);
        delivery.finish().await;
        exit
    }

    fn observe(&self, name: &str, queue: &LogQueue, event: Event) {
        match event {
            Event::Started { pid } => self.board.set(name, format!("running, process {pid}")),
            Event::Output { line, .. } => queue.push(line),
            Event::Exited { exit, ran } => {
                let after = ran.as_secs();
                self.board.set(name, exit.to_string());
                self.board.notice(format!("{name} {exit} after {after} s"));
            }
            Event::Failed { error } => {
                self.board.set(name, "cannot start");
                self.board.notice(format!("{name}: {}", chain(&error)));
            }
            Event::Restarting { pause } => {
                self.board
                    .set(name, format!("restarting in {} ms", pause.as_millis()));
            }
            Event::Stopped { .. } => self.board.set(name, "stopped"),
        }
    }

    fn command(&self, place: &Placement) -> ChildCommand {
        let workload = &place.workload;
        let mut environment = workload.environment.clone();
        environment.extend(register(&place.router, &workload.kind));
        if matches!(workload.kind, WorkloadKind::Task(_)) {
            // (ECS Developer Guide, "Task metadata available": set in every container)
            environment.insert("AWS_DEFAULT_REGION".to_owned(), self.region.clone());
            environment.insert("AWS_EXECUTION_ENV".to_owned(), "AWS_ECS_FARGATE".to_owned());
        }
        for (name, value) in TRUST_ENVIRONMENT {
            environment
                .entry(name.to_owned())
                .or_insert_with(|| value.to_owned());
        }
        let entry_point = Bind {
            source: self.entry_point.clone(),
            name: ENTRY_POINT.to_owned(),
            writable: false,
        };
        ChildCommand {
            name: workload.name.clone(),
            program: entry_point.target(),
            arguments: workload.command.iter().map(OsString::from).collect(),
            environment: os_strings(environment),
            directory: PathBuf::from("/"),
            namespace: place.namespace.clone(),
            view: View {
                resolver: Some(place.resolver_address),
                host_name: Some(self.host_name(workload.address)),
                hosts: Vec::new(),
                ca_bundle: self.ca_bundle.clone(),
                binds: vec![entry_point],
                hidden: vec![self.hidden.clone()],
            },
        }
    }

    /// (EC2 User Guide, "EC2 instance hostnames and domains")
    pub(super) fn host_name(&self, address: std::net::Ipv4Addr) -> String {
        let dashed = address.to_string().replace('.', "-");
        format!("ip-{dashed}.{}.compute.internal", self.region)
    }

    /// A queue for the program's lines, and the task that delivers them.
    fn deliver_logs(&self, place: &Placement) -> (Arc<LogQueue>, Delivery) {
        let queue = Arc::new(LogQueue::default());
        let stop = CancellationToken::new();
        let workload = &place.workload;
        let role = workload
            .log
            .as_ref()
            .and_then(|log| Some((log.clone(), log.role.clone()?)));
        let task = role.map(|(stream, role)| {
            let client = Client::new(ClientOptions {
                emulator: Arc::clone(&self.emulator),
                resolver: self.resolver(place),
                trust: Arc::clone(&self.trust),
                source: IpAddr::V4(workload.address),
                region: self.region.clone(),
                role: (workload.kind.service_principal().to_owned(), role),
                source_arn: workload.kind.source_arn().map(str::to_owned),
                session_name: workload.kind.session_name().to_owned(),
            });
            let (board, name) = (Arc::clone(&self.board), workload.name.clone());
            let on_trouble = move |error: Option<&super::client::CallError>| match error {
                Some(error) => board.notice(format!("{name}: logs wait: {}", chain(error))),
                None => board.notice(format!("{name}: logs are delivered again")),
            };
            tokio::spawn(deliver(
                Arc::clone(&queue),
                stream,
                client,
                stop.clone(),
                on_trouble,
            ))
        });
        (queue, Delivery { stop, task })
    }

    fn resolver(&self, place: &Placement) -> Arc<Resolver> {
        Arc::clone(&place.router.resolver)
    }
}

impl Placement {
    fn register(&self, is_up: bool) {
        for (group, port) in &self.workload.targets {
            let target = TargetId {
                address: IpAddr::V4(self.workload.address),
                port: *port,
            };
            for targets in &self.balancers {
                change(targets, group, target.clone(), is_up);
            }
        }
    }
}

fn change(targets: &Targets, group: &TargetGroupName, target: TargetId, is_up: bool) {
    if is_up {
        targets.register(group, target);
    } else {
        targets.deregister(group, &target);
    }
}

/// A log delivery under way.
struct Delivery {
    stop: CancellationToken,
    task: Option<tokio::task::JoinHandle<()>>,
}

impl Delivery {
    /// The last lines get this long.
    const LAST: Duration = Duration::from_secs(2);

    async fn finish(self) {
        self.stop.cancel();
        if let Some(task) = self.task {
            // what is not delivered by then is lost, as with a container that ends
            let _delivered = tokio::time::timeout(Self::LAST, task).await;
        }
    }
}

fn policy(workload: &Workload) -> Policy {
    let grace = Duration::from_secs(u64::from(workload.stop_timeout_s));
    Policy {
        grace,
        ..Policy::default()
    }
}

pub(super) fn os_strings(map: BTreeMap<String, String>) -> BTreeMap<OsString, OsString> {
    map.into_iter()
        .map(|(key, value)| (key.into(), value.into()))
        .collect()
}

/// An error with its causes in one line.
pub(super) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}
