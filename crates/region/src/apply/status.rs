//! What the running region answers on its control socket.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use emulator::{Emulator, Sensitive};
use serde_json::{Value as Json, json};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::board::Board;
use crate::blueprint::{Blueprint, InstanceAgent, Interface, Workload};
use crate::control::{Controlled, Request};
use crate::host::visit::VisitorPlace;
use crate::plan::OPERATOR;
use crate::proxy::balancer::{Health, Targets};

/// How long services may take to become healthy before the region counts as
/// up without them.
const HEALTHY_WITHIN: Duration = Duration::from_secs(20);
const POLL: Duration = Duration::from_millis(10);
const MAIL_INTERVAL: Duration = Duration::from_millis(500);

/// Somebody who can sign in, for people to read.
#[derive(Clone, Debug)]
pub struct ShownSignIn {
    pub email: String,
    pub password: Sensitive,
    /// `admin` or `player`.
    pub role: String,
}

/// Answers for the running region.
pub struct Operator {
    pub board: Arc<Board>,
    pub emulator: Arc<Emulator>,
    pub interfaces: Vec<Interface>,
    pub agents: Vec<InstanceAgent>,
    pub region: String,
    pub stack_name: String,
    pub site: Option<String>,
    pub aws: String,
    pub sign_ins: Vec<ShownSignIn>,
    pub visit: VisitorPlace,
    pub stop: CancellationToken,
}

impl Controlled for Operator {
    fn answer(&self, request: Request) -> Json {
        match request {
            Request::Status => self.status(),
            Request::Environment => self.environment(),
            Request::Visit => json!({
                "place": self.visit,
                "environment": self.environment(),
            }),
            Request::Stop => {
                self.stop.cancel();
                json!({ "stopping": true })
            }
        }
    }
}

impl Operator {
    /// The region as data; its form is versioned.
    fn status(&self) -> Json {
        let sign_ins = self.sign_ins.iter().map(|person| {
            json!({
                "email": person.email,
                "password": person.password.expose(),
                "role": person.role,
            })
        });
        json!({
            "version": 1,
            "stack": self.stack_name,
            "region": self.region,
            "site": self.site,
            "aws": self.aws,
            "ready": self.board.is_ready(),
            "uptimeSeconds": self.board.uptime().as_secs(),
            "signIns": sign_ins.collect::<Vec<_>>(),
            "components": self.components(),
            "notices": self.board.notices(),
        })
    }

    /// What stands behind interfaces, an instance followed by its agent.
    fn components(&self) -> Vec<Json> {
        let mut components = Vec::new();
        for interface in &self.interfaces {
            let component = self.component(interface);
            let mut agents = self.agents.iter().filter(|agent| agent.eni == interface.id);
            let agent = agents.next().map(|agent| {
                let mut beside = component.clone();
                beside["name"] = json!(agent.name);
                beside["kind"] = json!("Agent");
                beside["state"] = json!(self.board.state(&agent.name));
                beside
            });
            components.push(component);
            components.extend(agent);
        }
        components
    }

    fn component(&self, interface: &Interface) -> Json {
        json!({
            "name": interface.id.0,
            "kind": format!("{:?}", interface.kind),
            "interface": interface.interface_id,
            "address": interface.address.to_string(),
            "public": interface.public.map(|address| address.to_string()),
            "subnet": interface.subnet.as_str(),
            "securityGroups": interface.security_groups,
            "state": self.board.state(&interface.id.0),
        })
    }

    /// The variables by which AWS tools find the region, the account's own user's.
    fn environment(&self) -> Json {
        let credentials = self.emulator.user_credentials(OPERATOR);
        let mut variables: BTreeMap<&str, String> = BTreeMap::from([
            ("AWS_DEFAULT_REGION", self.region.clone()),
            ("AWS_ENDPOINT_URL", self.aws.clone()),
            ("AWS_REGION", self.region.clone()),
        ]);
        if let Some(credentials) = credentials {
            variables.insert("AWS_ACCESS_KEY_ID", credentials.access_key_id.clone());
            let secret = credentials.secret_access_key.expose().to_owned();
            variables.insert("AWS_SECRET_ACCESS_KEY", secret);
        }
        json!(variables)
    }
}

/// Keeps the board's word on each target's health, until `stop`.
pub async fn follow_health(
    targets: Vec<Arc<Targets>>,
    workloads: Vec<Workload>,
    board: Arc<Board>,
    stop: CancellationToken,
) {
    let mut followers = JoinSet::new();
    for targets in targets {
        let (workloads, board) = (workloads.clone(), Arc::clone(&board));
        followers.spawn(async move {
            let mut changes = targets.subscribe();
            loop {
                for workload in &workloads {
                    note_health(&targets, workload, &board);
                }
                if changes.changed().await.is_err() {
                    return;
                }
            }
        });
    }
    stop.cancelled().await;
}

fn note_health(targets: &Targets, workload: &Workload, board: &Board) {
    for (group, port) in &workload.targets {
        let known = targets.health(group);
        let of_workload = known.iter().find(|(target, _)| {
            target.address == IpAddr::V4(workload.address) && target.port == *port
        });
        let health = of_workload.map_or("not registered", |(_, health)| health.state());
        board.set_health(&workload.name, health);
    }
}

/// Tells the person of mail that nobody delivers here: confirmation codes.
pub async fn follow_mail(emulator: Arc<Emulator>, board: Arc<Board>, stop: CancellationToken) {
    loop {
        for message in emulator.take_messages() {
            let (to, subject, body) = (message.to, message.subject, message.body);
            board.notice(format!("mail to {to}: {subject}: {}", body.trim()));
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(MAIL_INTERVAL) => {}
        }
    }
}

/// Waits until every registered target is healthy, or long enough.
pub async fn healthy(targets: &[Arc<Targets>], blueprint: &Blueprint, stop: &CancellationToken) {
    let all_healthy = || unhealthy(targets, &blueprint.workloads).is_empty();
    let wait = async {
        while !all_healthy() {
            tokio::time::sleep(POLL).await;
        }
    };
    tokio::select! {
        () = wait => {}
        () = stop.cancelled() => {}
        () = tokio::time::sleep(HEALTHY_WITHIN) => {}
    }
}

/// Programs that a load balancer does not think healthy, by name.
pub fn unhealthy(targets: &[Arc<Targets>], workloads: &[Workload]) -> Vec<String> {
    let is_healthy = |workload: &&Workload| {
        workload.targets.iter().all(|(group, port)| {
            let address = IpAddr::V4(workload.address);
            let known = targets.iter().flat_map(|targets| targets.health(group));
            let mut of_workload =
                known.filter(|(target, _)| target.address == address && target.port == *port);
            of_workload.any(|(_, health)| health == Health::Healthy)
        })
    };
    workloads
        .iter()
        .filter(|workload| !is_healthy(workload))
        .map(|workload| workload.name.clone())
        .collect()
}
