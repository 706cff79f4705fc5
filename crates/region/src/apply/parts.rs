//! The parts of a region, each started by the thread it runs on.

use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::oneshot;

use super::agent::{self, AgentPlace};
use super::api::Api;
use super::region::Region;
use super::router::Router;
use super::workload::{Placement, Runtime};
use super::{ApplyError, EntryPoint, api, client, database, fabric, flow, image, visit};
use crate::dns::Resolver;
use crate::proxy::balancer::Targets;

/// How long services wait for a task that is to run before them.
const TASK_PATIENCE: Duration = Duration::from_secs(20);

impl Region {
    pub(super) fn start_routers(&mut self) -> Result<(), ApplyError> {
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

    pub(super) fn api(&self) -> Api {
        Api {
            emulator: Arc::clone(&self.emulator),
            authority: Arc::clone(&self.authority),
            board: Arc::clone(&self.board),
        }
    }

    pub(super) fn start_apis(&mut self) -> Result<(), ApplyError> {
        let failed = || ApplyError::at("start the AWS services");
        let (board, names) = (Arc::clone(&self.board), self.blueprint.names.clone());
        let namespace = self.fabric().internet().clone();
        self.fabric()
            .run(&namespace, "names", move |stop, _| {
                visit::resolve(names, board, stop)
            })
            .map_err(failed())?;
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
    pub(super) fn endpoint_places(
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

    pub(super) fn start_balancers(&mut self) -> Result<(), ApplyError> {
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
    pub(super) fn upload_site(&mut self) -> Result<(), ApplyError> {
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

    pub(super) fn start_edge(&mut self) -> Result<(), ApplyError> {
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

    pub(super) fn start_doors(&mut self) -> Result<(), ApplyError> {
        let mut doors = std::mem::take(&mut self.doors).into_iter();
        let (aws_door, site_door) = (doors.next(), doors.next());
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

    pub(super) async fn start_databases(&mut self) -> Result<(), ApplyError> {
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

    pub(super) async fn runtime(&mut self) -> Result<Runtime, ApplyError> {
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

    pub(super) fn placement(&self, workload: &crate::blueprint::Workload) -> Option<Placement> {
        let fabric = self.fabric.as_ref()?;
        Some(Placement {
            namespace: fabric.eni(&workload.eni).clone(),
            router: self.routers.get(&workload.vpc)?.clone(),
            resolver_address: self.blueprint.resolver(&workload.vpc)?,
            balancers: self.targets.clone(),
            workload: workload.clone(),
        })
    }

    /// Tasks that a deployment runs first, one after another. What fails is
    /// told and does not keep the services from starting: a person who broke a
    /// rule wants to see what the services say.
    pub(super) async fn run_tasks_once(&mut self, runtime: &Runtime) -> Result<(), ApplyError> {
        for workload in self.blueprint.tasks_once.clone() {
            let Some(place) = self.placement(&workload) else {
                continue;
            };
            let (sender, exit) = oneshot::channel();
            let namespace = place.namespace.clone();
            let (runtime, stop) = (runtime.clone(), self.programs_stop.clone());
            let work = move || async move {
                // nobody listens any more when it took too long
                let _told = sender.send(runtime.once(place, stop).await);
            };
            self.fabric()
                .run_program(&namespace, &workload.name, work)
                .map_err(ApplyError::at(format!("run `{}`", workload.name)))?;
            let outcome = match tokio::time::timeout(TASK_PATIENCE, exit).await {
                Ok(Ok(Some(exit))) if exit.success() => continue,
                Ok(Ok(Some(exit))) => exit.to_string(),
                Ok(_) => "did not run".to_owned(),
                Err(_) => "is still running".to_owned(),
            };
            let log = workload
                .log
                .map(|log| format!("; its log is in `{}`", log.group));
            let log = log.unwrap_or_default();
            self.board
                .notice(format!("{} {outcome}{log}", workload.name));
        }
        Ok(())
    }

    pub(super) fn start_workloads(&mut self, runtime: &Runtime) -> Result<(), ApplyError> {
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

    /// The agent of every instance; none without a program for it.
    pub(super) fn start_agents(&mut self, runtime: &Runtime) -> Result<(), ApplyError> {
        let Some(program) = self.agent.clone() else {
            return Ok(());
        };
        for agent in self.blueprint.agents.clone() {
            let (Some(router), Some(resolver_address)) = (
                self.routers.get(&agent.vpc).cloned(),
                self.blueprint.resolver(&agent.vpc),
            ) else {
                continue;
            };
            let namespace = self.fabric().eni(&agent.eni).clone();
            let name = agent.name.clone();
            let place = AgentPlace {
                agent,
                namespace: namespace.clone(),
                router,
                resolver_address,
                program: program.clone(),
            };
            let (runtime, stop) = (runtime.clone(), self.programs_stop.clone());
            self.fabric()
                .run_program(&namespace, &name, move || agent::keep(runtime, place, stop))
                .map_err(ApplyError::at(format!("start `{name}`")))?;
        }
        Ok(())
    }
}

/// A listener of the host, served by the runtime of this thread.
fn accept_here(door: std::net::TcpListener) -> std::io::Result<TcpListener> {
    door.set_nonblocking(true)?;
    TcpListener::from_std(door)
}
