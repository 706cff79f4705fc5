//! SSM agents: one process for each instance, beside what the instance is there for.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::board::Board;
use super::router::{Router, register};
use super::workload::{Runtime, chain, os_strings};
use crate::blueprint::{InstanceAgent, WorkloadKind};
use crate::host::netns::Netns;
use crate::host::process::{Bind, ChildCommand, TRUST_ENVIRONMENT, View};
use crate::supervise::{self, Event, Policy};

/// The program's name in a child's own place.
const PROGRAM: &str = "ssm-agent";
/// What makes it one.
const COMMAND: &str = "agent";

/// How the agent begins the lines that tell of a change.
const CONNECTED: &str = "connected";
const NOT_CONNECTED: &str = "not connected: ";
const LOG: &str = "log: ";

/// An agent's place in the running region.
pub struct AgentPlace {
    pub agent: InstanceAgent,
    pub namespace: Netns,
    pub router: Router,
    pub resolver_address: std::net::Ipv4Addr,
    /// The program, on the host.
    pub program: PathBuf,
}

/// Keeps an agent running until `stop`.
pub async fn keep(runtime: Runtime, place: AgentPlace, stop: CancellationToken) {
    let command = command(&runtime, &place);
    // the instance may have nothing else that runs
    let of_instance = WorkloadKind::Instance(place.agent.instance.clone());
    let _instances_have_no_variables = register(&place.router, &of_instance);
    let policy = Policy {
        // sessions end within it, or are killed
        grace: Duration::from_secs(6),
        ..Policy::default()
    };
    let mut told = Told {
        name: place.agent.name.clone(),
        board: Arc::clone(&runtime.board),
        was_in_trouble: false,
    };
    supervise::supervise(
        &runtime.spawner,
        &policy,
        &stop,
        || command.clone(),
        |event| told.observe(event),
    )
    .await;
}

fn command(runtime: &Runtime, place: &AgentPlace) -> ChildCommand {
    let program = Bind {
        source: place.program.clone(),
        name: PROGRAM.to_owned(),
        writable: false,
    };
    let trust = TRUST_ENVIRONMENT.map(|(name, value)| (name.to_owned(), value.to_owned()));
    ChildCommand {
        name: place.agent.name.clone(),
        program: program.target(),
        arguments: vec![COMMAND.into()],
        environment: os_strings(BTreeMap::from(trust)),
        directory: PathBuf::from("/"),
        namespace: place.namespace.clone(),
        view: View {
            resolver: Some(place.resolver_address),
            host_name: Some(place.agent.instance.local_hostname.clone()),
            hosts: Vec::new(),
            ca_bundle: runtime.ca_bundle.clone(),
            binds: vec![program],
            hidden: vec![runtime.hidden.clone()],
        },
    }
}

/// What the board is told of an agent.
struct Told {
    name: String,
    board: Arc<Board>,
    was_in_trouble: bool,
}

impl Told {
    fn observe(&mut self, event: Event) {
        let Self { name, board, .. } = self;
        match event {
            Event::Started { .. } => board.set(name, "starting"),
            Event::Output { error: false, line } => self.line(&line),
            Event::Output { error: true, line } => board.notice(format!("{name}: {line}")),
            Event::Exited { exit, ran } => {
                self.was_in_trouble = true;
                board.set(name, exit.to_string());
                board.notice(format!("{name} {exit} after {} s", ran.as_secs()));
            }
            Event::Failed { error } => {
                board.set(name, "cannot start");
                board.notice(format!("{name}: {}", chain(&error)));
            }
            Event::Restarting { pause } => {
                board.set(name, format!("restarting in {} ms", pause.as_millis()));
            }
            Event::Stopped { .. } => board.set(name, "stopped"),
        }
    }

    fn line(&mut self, line: &str) {
        let Self { name, board, .. } = self;
        if let Some(text) = line.strip_prefix(LOG) {
            return board.notice(format!("{name}: {text}"));
        }
        if line == CONNECTED {
            board.set(name, CONNECTED);
            if std::mem::take(&mut self.was_in_trouble) {
                board.notice(format!("{name} is connected again"));
            }
        } else if line.starts_with(NOT_CONNECTED) {
            self.was_in_trouble = true;
            board.set(name, line);
            board.notice(format!("{name} is {line}"));
        }
    }
}
