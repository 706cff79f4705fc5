//! The running region: opened, started in the order of need, taken down in the
//! reverse.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use emulator::{Emulator, SystemClock};
use model::LogicalId;
use tokio_util::sync::CancellationToken;

use super::board::Board;
use super::database::Databases;
use super::fabric::Fabric;
use super::router::Router;
use super::status::Operator;
use super::workload::chain;
use super::{ApplyError, EntryPoint, Options, flow, secrets, status, visit};
use crate::blueprint::Blueprint;
use crate::control;
use crate::host::launch::{Inside, Privilege, RunningTask};
use crate::host::process::Spawner;
use crate::proxy::balancer::Targets;
use crate::state::StateDirectory;
use crate::tls::Authority;

/// The running region.
pub(super) struct Region {
    pub(super) blueprint: Blueprint,
    pub(super) board: Arc<Board>,
    pub(super) asked_to_stop: CancellationToken,
    /// Ends programs, before the services they use.
    pub(super) programs_stop: CancellationToken,
    /// Ends everything else.
    pub(super) services_stop: CancellationToken,
    pub(super) state: StateDirectory,
    pub(super) emulator: Arc<Emulator>,
    pub(super) authority: Arc<Authority>,
    pub(super) fabric: Option<Fabric>,
    pub(super) routers: BTreeMap<LogicalId, Router>,
    pub(super) targets: Vec<Arc<Targets>>,
    pub(super) databases: Databases,
    pub(super) spawner: Spawner,
    pub(super) privilege: Privilege,
    pub(super) doors: Vec<std::net::TcpListener>,
    pub(super) tasks: Vec<RunningTask>,
    pub(super) entry_point: EntryPoint,
    pub(super) web: PathBuf,
    pub(super) agent: Option<PathBuf>,
    pub(super) fast_database: bool,
}

impl Region {
    pub(super) fn open(
        inside: Inside,
        mut blueprint: Blueprint,
        options: Options,
        board: Arc<Board>,
        asked_to_stop: CancellationToken,
    ) -> Result<Self, ApplyError> {
        let since = Instant::now();
        let state = options.state;
        state
            .belong_to(&format!("{} in {}", blueprint.stack_name, blueprint.region))
            .map_err(ApplyError::at("use the state"))?;
        let directory = |name| {
            state
                .subdirectory(name)
                .map_err(ApplyError::at("use the state"))
        };
        let authority = Authority::open(&directory("authority")?)
            .map_err(ApplyError::at("open the certificate authority"))?;
        let emulator = Emulator::open(
            blueprint.seed.clone(),
            Some(&directory("aws")?),
            Arc::new(SystemClock),
        )
        .map_err(ApplyError::at("open the AWS services"))?;
        secrets::resolve(&mut blueprint, &emulator)
            .map_err(ApplyError::at("resolve the template's secrets"))?;
        let spawner = Spawner::start(inside.privilege, inside.allowed)
            .map_err(ApplyError::at("start the spawner"))?;
        board.done("state", since);
        let since = Instant::now();
        let services_stop = CancellationToken::new();
        let fabric = Fabric::build(&blueprint, &services_stop)
            .map_err(ApplyError::at("build the network"))?;
        flow::filter(&fabric, &blueprint).map_err(ApplyError::at("load the rulesets"))?;
        board.done("network", since);
        let emulator = Arc::new(emulator);
        let operator = Operator {
            board: Arc::clone(&board),
            emulator: Arc::clone(&emulator),
            interfaces: blueprint.interfaces.clone(),
            agents: blueprint.agents.clone(),
            region: blueprint.region.clone(),
            stack_name: blueprint.stack_name.clone(),
            site: blueprint.site.is_some().then(|| door(&inside, SITE_DOOR)),
            aws: door(&inside, AWS_DOOR),
            visit: visit::place(fabric.visitor(), &directory("visit")?, &authority)
                .map_err(ApplyError::at("prepare for visitors"))?,
            sign_ins: if blueprint.seed.user_pools.is_empty() {
                Vec::new()
            } else {
                options.sign_ins
            },
            stop: asked_to_stop.clone(),
        };
        control::serve(state.path(), Arc::new(operator))
            .map_err(ApplyError::at("open the control socket"))?;
        Ok(Self {
            blueprint,
            board,
            asked_to_stop,
            programs_stop: CancellationToken::new(),
            services_stop,
            state,
            emulator,
            authority: Arc::new(authority),
            fabric: Some(fabric),
            routers: BTreeMap::new(),
            targets: Vec::new(),
            databases: Databases::default(),
            spawner,
            privilege: inside.privilege,
            doors: inside.doors,
            tasks: inside.tasks,
            entry_point: options.entry_point,
            web: options.web,
            agent: options.agent,
            fast_database: options.fast_database,
        })
    }

    /// Everything in the order of need: what AWS answers, then the database,
    /// then the programs that use both.
    pub(super) async fn start(&mut self) -> Result<(), ApplyError> {
        let since = Instant::now();
        self.start_routers()?;
        self.start_apis()?;
        self.start_balancers()?;
        self.upload_site()?;
        self.start_edge()?;
        self.start_doors()?;
        self.board.done("AWS services, load balancer, edge", since);

        let since = Instant::now();
        self.start_databases().await?;
        self.board.done("database", since);

        if self.blueprint.runs_programs() {
            self.start_programs().await?;
        }
        if !self.asked_to_stop.is_cancelled() {
            self.board.ready();
        }
        Ok(())
    }

    pub(super) fn fabric(&mut self) -> &mut Fabric {
        self.fabric
            .as_mut()
            .expect("the network is there until the end")
    }

    /// Programs, when the image they come from is there.
    async fn start_programs(&mut self) -> Result<(), ApplyError> {
        let since = Instant::now();
        let runtime = self.runtime().await?;
        self.board.done("image", since);

        let since = Instant::now();
        self.run_tasks_once(&runtime).await?;
        self.board.done("tasks before the services", since);

        let since = Instant::now();
        self.start_workloads(&runtime)?;
        self.follow();
        status::healthy(&self.targets, &self.blueprint, &self.asked_to_stop).await;
        let unhealthy = status::unhealthy(&self.targets, &self.blueprint.workloads);
        if !unhealthy.is_empty() && !self.asked_to_stop.is_cancelled() {
            self.board
                .notice(format!("not healthy: {}", unhealthy.join(", ")));
        }
        self.board.done("services", since);
        // nobody waits for them: what is there for its users comes first
        self.start_agents(&runtime)
    }

    /// What the board tells while everything runs.
    pub(super) fn follow(&self) {
        let (board, stop) = (Arc::clone(&self.board), self.services_stop.clone());
        let (targets, workloads) = (self.targets.clone(), self.blueprint.workloads.clone());
        tokio::spawn(status::follow_health(
            targets,
            workloads,
            Arc::clone(&board),
            stop.clone(),
        ));
        tokio::spawn(status::follow_mail(Arc::clone(&self.emulator), board, stop));
    }

    /// Programs first, then what they use: the database, then the services.
    pub(super) async fn down(mut self) {
        self.programs_stop.cancel();
        let mut faults = Vec::new();
        if let Some(fabric) = &mut self.fabric {
            faults.extend(fabric.join_programs().await);
        }
        self.databases.stop().await;
        self.services_stop.cancel();
        if let Some(fabric) = self.fabric.take() {
            faults.extend(fabric.join().await);
        }
        for fault in faults {
            self.board.notice(chain(&fault));
        }
        for notice in self.emulator.notices() {
            self.board.notice(notice);
        }
    }
}

/// The doors in the order the launcher opened them; the site's only if there
/// is a site.
const AWS_DOOR: usize = 0;
const SITE_DOOR: usize = 1;

/// The address of a door on the host.
fn door(inside: &Inside, index: usize) -> String {
    let port = inside
        .doors
        .get(index)
        .and_then(|door| door.local_addr().ok());
    format!(
        "http://localhost:{}",
        port.map_or(0, |address| address.port())
    )
}
