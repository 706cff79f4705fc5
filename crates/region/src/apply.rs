//! Makes this machine match a Blueprint, keeps it so until asked to stop, and
//! takes everything down in order.
//!
//! No choice is made here: what runs where is the plan's. This is the program
//! **W** of `host::launch`, inside its own namespaces.

pub mod api;
pub mod board;
pub mod client;
pub mod database;
pub mod fabric;
pub mod flow;
pub mod image;
pub mod log_delivery;
pub mod router;
pub mod secrets;
pub mod status;
pub mod workload;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use emulator::{Emulator, SystemClock};
use model::LogicalId;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::blueprint::Blueprint;
use crate::control;
use crate::dns::Resolver;
use crate::host::launch::{Inside, Privilege, RunningTask};
use crate::host::netns::NetworkError;
use crate::host::process::Spawner;
use crate::proxy::balancer::Targets;
use crate::state::{StateDirectory, StateError};
use crate::tls::Authority;
use api::Api;
use board::{Board, Listener};
use database::Databases;
use fabric::Fabric;
use router::Router;
use status::Operator;
use workload::{Placement, Runtime, chain};

/// What `apply` needs besides the blueprint.
pub struct Options {
    pub state: StateDirectory,
    /// The program of the image: a file, or the build that makes it.
    pub entry_point: EntryPoint,
    /// The site's static files.
    pub web: PathBuf,
    /// Do not make the database wait for the disk; for tests.
    pub fast_database: bool,
    /// Who can sign in, as `status` shows them: without a part in anything else.
    pub sign_ins: Vec<status::ShownSignIn>,
    pub listener: Listener,
}

/// Where the image's program comes from.
pub enum EntryPoint {
    File(PathBuf),
    /// `cargo build --message-format=json`, running on the host.
    Build,
}

/// Why a region did not come up.
#[derive(Debug, thiserror::Error)]
#[error("cannot {step}")]
pub struct ApplyError {
    step: String,
    source: Box<dyn std::error::Error + Send + Sync>,
}

impl ApplyError {
    fn at<E: Into<Box<dyn std::error::Error + Send + Sync>>>(
        step: impl Into<String>,
    ) -> impl FnOnce(E) -> Self {
        let step = step.into();
        move |source| Self {
            step,
            source: source.into(),
        }
    }
}

impl ApplyError {
    /// What to do about it, where a cause knows.
    pub fn hint(&self) -> Option<String> {
        let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(self.source.as_ref());
        while let Some(error) = cause {
            let hint = error
                .downcast_ref::<database::DatabaseError>()
                .and_then(database::DatabaseError::hint)
                .or_else(|| Some(error.downcast_ref::<NetworkError>()?.hint()?.to_owned()))
                .or_else(|| Some(error.downcast_ref::<StateError>()?.hint()?.to_owned()));
            if hint.is_some() {
                return hint;
            }
            cause = error.source();
        }
        None
    }
}

/// Runs the region until it is asked to stop.
///
/// # Errors
///
/// The first step that failed; everything begun by then has been taken down.
pub fn run(inside: Inside, blueprint: Blueprint, options: Options) -> Result<(), ApplyError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(ApplyError::at("start a runtime"))?;
    runtime.block_on(async {
        let board = Board::new(Arc::clone(&options.listener));
        let asked_to_stop = CancellationToken::new();
        // SIGTERM is the launcher's one word for every way to be asked
        let mut asked = signal(SignalKind::terminate()).map_err(ApplyError::at("hear signals"))?;
        let heard = asked_to_stop.clone();
        tokio::spawn(async move {
            asked.recv().await;
            heard.cancel();
        });
        let mut region = Region::open(inside, blueprint, options, board, asked_to_stop.clone())?;
        let started = tokio::select! {
            started = region.start() => started,
            () = asked_to_stop.cancelled() => Ok(()),
        };
        if started.is_ok() {
            asked_to_stop.cancelled().await;
        }
        region.board.stopping();
        region.down().await;
        started
    })
}

/// The running region.
struct Region {
    blueprint: Blueprint,
    board: Arc<Board>,
    asked_to_stop: CancellationToken,
    /// Ends programs, before the services they use.
    programs_stop: CancellationToken,
    /// Ends everything else.
    services_stop: CancellationToken,
    state: StateDirectory,
    emulator: Arc<Emulator>,
    authority: Arc<Authority>,
    fabric: Option<Fabric>,
    routers: BTreeMap<LogicalId, Router>,
    targets: Vec<Arc<Targets>>,
    databases: Databases,
    spawner: Spawner,
    privilege: Privilege,
    doors: Vec<std::net::TcpListener>,
    tasks: Vec<RunningTask>,
    entry_point: EntryPoint,
    web: PathBuf,
    fast_database: bool,
}

impl Region {
    fn open(
        inside: Inside,
        mut blueprint: Blueprint,
        options: Options,
        board: Arc<Board>,
        asked_to_stop: CancellationToken,
    ) -> Result<Self, ApplyError> {
        let since = Instant::now();
        let state = options.state;
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
        let spawner =
            Spawner::start(inside.privilege).map_err(ApplyError::at("start the spawner"))?;
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
            region: blueprint.region.clone(),
            stack_name: blueprint.stack_name.clone(),
            site: blueprint.site.is_some().then(|| door(&inside, 0)),
            aws: door(&inside, 1),
            sign_ins: options.sign_ins,
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
            fast_database: options.fast_database,
        })
    }

    /// Everything in the order of need; the database starts while the rest is
    /// set up, and programs when it and their image are there.
    async fn start(&mut self) -> Result<(), ApplyError> {
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
        self.board.done("services", since);
        if !self.asked_to_stop.is_cancelled() {
            self.board.ready();
        }
        Ok(())
    }

    fn fabric(&mut self) -> &mut Fabric {
        self.fabric
            .as_mut()
            .expect("the network is there until the end")
    }

    fn start_routers(&mut self) -> Result<(), ApplyError> {
        let names = self.blueprint.vpc_names.clone();
        for (vpc, view) in names {
            let router = Router::new(Resolver::new(view), &self.emulator, &self.board);
            let addresses = self.blueprint.resolver(&vpc).into_iter().collect();
            self.routers.insert(vpc.clone(), router.clone());
            let board = Arc::clone(&self.board);
            let namespace = self.fabric().router(vpc.as_str()).clone();
            self.fabric()
                .run(&namespace, &format!("router {vpc}"), move |stop, _| {
                    router.run(addresses, board, stop)
                })
                .map_err(ApplyError::at("start the VPC's services"))?;
        }
        flow::follow(
            self.fabric.as_mut().expect("still there"),
            &self.blueprint,
            &self.emulator,
            &self.board,
        )
        .map_err(ApplyError::at("follow flows"))
    }

    fn api(&self) -> Api {
        Api {
            emulator: Arc::clone(&self.emulator),
            authority: Arc::clone(&self.authority),
            board: Arc::clone(&self.board),
        }
    }

    fn start_apis(&mut self) -> Result<(), ApplyError> {
        let failed = || ApplyError::at("start the AWS services");
        for (address, names) in self.blueprint.public_services() {
            let api = self.api();
            let namespace = self.fabric().internet().clone();
            self.fabric()
                .run(&namespace, "aws", move |stop, _| {
                    api.serve_tls(address, names, None, format!("AWS at {address}"), stop)
                })
                .map_err(failed())?;
        }
        for endpoint in self.blueprint.endpoints.clone() {
            for (namespace, address, label) in self.endpoint_places(&endpoint) {
                let (api, names) = (self.api(), endpoint.names.clone());
                let through = api::through(&endpoint);
                self.fabric()
                    .run(&namespace, &label.clone(), move |stop, _| {
                        api.serve_tls(address, names, Some(through), label, stop)
                    })
                    .map_err(failed())?;
            }
        }
        Ok(())
    }

    /// Namespace, address and label of every place an endpoint answers at.
    fn endpoint_places(
        &self,
        endpoint: &crate::blueprint::Endpoint,
    ) -> Vec<(crate::host::netns::Netns, std::net::Ipv4Addr, String)> {
        let fabric = self
            .fabric
            .as_ref()
            .expect("the network is there until the end");
        if let Some(gateway) = &endpoint.gateway {
            let namespace = fabric.gateway_endpoint(gateway).clone();
            let addresses = self.blueprint.gateway_addresses(gateway);
            let label = endpoint.id.to_string();
            return addresses
                .map(|a| (namespace.clone(), a, label.clone()))
                .collect();
        }
        let places = endpoint.interfaces.iter().filter_map(|id| {
            let address = self.blueprint.interface(id)?.address;
            Some((fabric.eni(id).clone(), address, id.to_string()))
        });
        places.collect()
    }

    fn start_balancers(&mut self) -> Result<(), ApplyError> {
        for balancer in self.blueprint.balancers.clone() {
            let config = Arc::new(balancer.config);
            let targets = Targets::new(&config);
            self.targets.push(Arc::clone(&targets));
            for id in &balancer.nodes {
                let Some(interface) = self.blueprint.interface(id) else {
                    continue;
                };
                let address = interface.address;
                let node = crate::proxy::balancer::Node::new(
                    Arc::clone(&config),
                    Arc::clone(&targets),
                    &self.authority,
                    Arc::new(|_| {}),
                )
                .map_err(ApplyError::at(format!(
                    "certify the load balancer `{}`",
                    balancer.id
                )))?;
                let (board, label, ports) =
                    (Arc::clone(&self.board), id.to_string(), Arc::clone(&config));
                let namespace = self.fabric().eni(id).clone();
                self.fabric()
                    .run(&namespace, &id.to_string(), move |stop, _| async move {
                        let mut sockets = Vec::new();
                        for listener in &ports.listeners {
                            match fabric::listen(address, listener.port).await {
                                Ok(socket) => sockets.push(socket),
                                Err(error) => return board.set(&label, error.to_string()),
                            }
                        }
                        board.set(&label, "active");
                        node.run(sockets, stop).await;
                    })
                    .map_err(ApplyError::at("start the load balancer"))?;
            }
        }
        Ok(())
    }

    /// What a deployment copies into the web bucket, with the pages' settings.
    fn upload_site(&mut self) -> Result<(), ApplyError> {
        let Some(site) = &self.blueprint.site else {
            return Ok(());
        };
        let Some(bucket) = &site.bucket else {
            return Ok(());
        };
        let config = serde_json::to_vec_pretty(&site.config).unwrap_or_default();
        image::upload(&self.emulator, bucket, &self.web, &config).map_err(ApplyError::at(format!(
            "copy `{}` into the web bucket",
            self.web.display()
        )))
    }

    fn start_edge(&mut self) -> Result<(), ApplyError> {
        let resolver = Resolver::new(self.blueprint.names.clone());
        for distribution in self.blueprint.distributions.clone() {
            let arn = distribution.arn.clone();
            let emulator = Arc::clone(&self.emulator);
            let credentials = Arc::new(move || {
                client::signing(&emulator.service_session("cloudfront.amazonaws.com", &arn))
            });
            let edge = crate::proxy::edge::Edge::new(
                distribution.config,
                &self.authority,
                Arc::clone(&resolver),
                Some(std::net::IpAddr::V4(
                    crate::plan::addresses::EDGE_ORIGIN_FACING,
                )),
                credentials,
            )
            .map_err(ApplyError::at("certify the distribution"))?;
            let board = Arc::clone(&self.board);
            let label = distribution.id.to_string();
            let namespace = self.fabric().internet().clone();
            self.fabric()
                .run(&namespace, "edge", move |stop, _| async move {
                    match fabric::edge_listeners().await {
                        Ok(listeners) => {
                            board.set(&label, "deployed");
                            edge.run(listeners, stop).await;
                        }
                        Err(error) => board.set(&label, error.to_string()),
                    }
                })
                .map_err(ApplyError::at("start the edge"))?;
        }
        Ok(())
    }

    fn start_doors(&mut self) -> Result<(), ApplyError> {
        let mut doors = std::mem::take(&mut self.doors).into_iter();
        let (site_door, aws_door) = (doors.next(), doors.next());
        let failed = || ApplyError::at("open the doors");
        let trust = self.authority.client_config();
        let internet = self.fabric().internet().clone();
        if let (Some(site), Some(door)) = (self.blueprint.viewer_door(), site_door) {
            let board = Arc::clone(&self.board);
            self.fabric()
                .run(&internet, "site door", move |stop, _| async move {
                    match accept_here(door) {
                        Ok(listener) => {
                            crate::proxy::viewer::run(site, listener, trust, stop).await;
                        }
                        Err(error) => board.notice(format!("the site's door is shut: {error}")),
                    }
                })
                .map_err(failed())?;
        }
        if let Some(door) = aws_door {
            let (api, board) = (self.api(), Arc::clone(&self.board));
            self.fabric()
                .run(&internet, "aws door", move |stop, _| async move {
                    match accept_here(door) {
                        Ok(listener) => api.serve_door(listener, stop).await,
                        Err(error) => board.notice(format!("the AWS API door is shut: {error}")),
                    }
                })
                .map_err(failed())?;
        }
        Ok(())
    }

    async fn start_databases(&mut self) -> Result<(), ApplyError> {
        let fabric = self
            .fabric
            .as_ref()
            .expect("the network is there until the end");
        let means = database::Means {
            state: &self.state,
            authority: &self.authority,
            emulator: &self.emulator,
            spawner: &self.spawner,
            privilege: self.privilege,
            board: &self.board,
        };
        for database in &self.blueprint.databases {
            let place = database::Place {
                database: database.clone(),
                namespace: fabric.eni(&database.eni).clone(),
                fast: self.fast_database,
            };
            let started = self.databases.start(place, &means).await;
            let step = format!("start the database `{}`", database.id);
            started.map_err(ApplyError::at(step))?;
        }
        Ok(())
    }

    async fn runtime(&mut self) -> Result<Runtime, ApplyError> {
        let entry_point = match &self.entry_point {
            EntryPoint::File(path) => path.clone(),
            EntryPoint::Build => {
                let task = self.tasks.pop();
                image::built(task)
                    .await
                    .map_err(ApplyError::at("build the image"))?
            }
        };
        let bundle = self.authority.bundle_path();
        let ca_bundle = std::fs::read_to_string(&bundle)
            .map_err(ApplyError::at(format!("read `{}`", bundle.display())))?;
        Ok(Runtime {
            emulator: Arc::clone(&self.emulator),
            board: Arc::clone(&self.board),
            spawner: self.spawner.clone(),
            trust: self.authority.client_config(),
            ca_bundle,
            entry_point,
            hidden: self.state.path().to_owned(),
            region: self.blueprint.region.clone(),
        })
    }

    fn placement(&self, workload: &crate::blueprint::Workload) -> Option<Placement> {
        let fabric = self.fabric.as_ref()?;
        Some(Placement {
            namespace: fabric.eni(&workload.eni).clone(),
            router: self.routers.get(&workload.vpc)?.clone(),
            resolver_address: self.blueprint.resolver(&workload.vpc)?,
            balancers: self.targets.clone(),
            workload: workload.clone(),
        })
    }

    async fn run_tasks_once(&mut self, runtime: &Runtime) -> Result<(), ApplyError> {
        for workload in self.blueprint.tasks_once.clone() {
            let Some(place) = self.placement(&workload) else {
                continue;
            };
            let namespace = place.namespace.clone();
            let runtime = runtime.clone();
            let thread = crate::host::thread::NamespaceThread::spawn(
                &namespace,
                workload.name.clone(),
                &self.programs_stop,
                move |stop| runtime.once(place, stop),
            )
            .map_err(ApplyError::at(format!("run `{}`", workload.name)))?;
            let exit = thread.join().await;
            let exit = exit.map_err(ApplyError::at(format!("run `{}`", workload.name)))?;
            if !exit.is_some_and(crate::host::process::Exit::success)
                && !self.asked_to_stop.is_cancelled()
            {
                let log = workload
                    .log
                    .map(|log| format!("its log is in `{}`", log.group));
                let reason = match exit {
                    Some(exit) => format!("it {exit}; {}", log.unwrap_or_default()),
                    None => "it could not be started".to_owned(),
                };
                return Err(ApplyError::at(format!("run `{}`", workload.name))(reason));
            }
        }
        Ok(())
    }

    fn start_workloads(&mut self, runtime: &Runtime) -> Result<(), ApplyError> {
        for workload in self.blueprint.workloads.clone() {
            let Some(place) = self.placement(&workload) else {
                continue;
            };
            let namespace = place.namespace.clone();
            let (runtime, stop) = (runtime.clone(), self.programs_stop.clone());
            self.fabric()
                .run_program(&namespace, &workload.name, move || {
                    runtime.keep(place, stop)
                })
                .map_err(ApplyError::at(format!("start `{}`", workload.name)))?;
        }
        Ok(())
    }

    /// What the board tells while everything runs.
    fn follow(&self) {
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
    async fn down(mut self) {
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

/// A listener of the host, served by the runtime of this thread.
fn accept_here(door: std::net::TcpListener) -> std::io::Result<TcpListener> {
    door.set_nonblocking(true)?;
    TcpListener::from_std(door)
}
