//! What the running region answers on its control socket.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use emulator::{Emulator, Sensitive};
use serde_json::{Value as Json, json};
use tokio_util::sync::CancellationToken;

use super::board::Board;
use crate::blueprint::{Blueprint, Interface};
use crate::control::{Controlled, Request};
use crate::plan::OPERATOR;
use crate::proxy::balancer::{Health, Targets};

/// How long services may take to become healthy before the region counts as
/// up without them.
const HEALTHY_WITHIN: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(10);

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
    pub region: String,
    pub stack_name: String,
    pub site: Option<String>,
    pub aws: String,
    pub sign_ins: Vec<ShownSignIn>,
    pub stop: CancellationToken,
}

impl Controlled for Operator {
    fn answer(&self, request: Request) -> Json {
        match request {
            Request::Status => self.status(),
            Request::Environment => self.environment(),
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
            "components": self.interfaces.iter().map(|i| self.component(i)).collect::<Vec<_>>(),
            "notices": self.board.notices(),
        })
    }

    fn component(&self, interface: &Interface) -> Json {
        json!({
            "name": interface.id.0,
            "kind": format!("{:?}", interface.kind),
            "interface": interface.interface_id,
            "address": interface.address.to_string(),
            "public": interface.public.map(|address| address.to_string()),
            "subnet": interface.subnet.as_str(),
            "securityGroups": interface.security_groups.join(" "),
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

/// Waits until every registered target is healthy, or long enough.
pub async fn healthy(targets: &[Arc<Targets>], blueprint: &Blueprint, stop: &CancellationToken) {
    let expected: usize = blueprint
        .workloads
        .iter()
        .map(|workload| workload.targets.len())
        .sum();
    let all_healthy = || {
        let groups = targets.iter().zip(&blueprint.balancers);
        let states: Vec<Health> = groups
            .flat_map(|(targets, balancer)| {
                let names = balancer.config.target_groups.keys();
                names
                    .flat_map(|name| targets.health(name))
                    .map(|(_, health)| health)
            })
            .collect();
        states.len() >= expected && states.iter().all(|health| *health == Health::Healthy)
    };
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
