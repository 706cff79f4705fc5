//! Loads the rulesets, and follows what they accept and reject into the flow
//! logs of the template.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{SystemTime, UNIX_EPOCH};

use emulator::{Emulator, LogEvent};
use model::{EniKind, LogicalId};

use super::board::Board;
use super::fabric::Fabric;
use super::workload::chain;
use crate::blueprint::Blueprint;
use crate::blueprint::ruleset::Table;
use crate::flow_log::{Action, Config, FlowLog, FlowRecord, LoggedInterface, RecordContent};
use crate::host::flow_collector::FlowCollector;
use crate::host::netns::Netns;
use crate::host::nft::Nft;
use crate::host::thread::ThreadError;
use crate::plan::ruleset::{PublicAddress, internet_gateway, nat_gateway, vpc};
use crate::plan::{INSTANCE_METADATA, LINK_LOCAL_RESOLVER, TASK_METADATA};

/// Records reach the log group this soon; AWS gathers for one or ten minutes.
const WINDOW_MS: u64 = 1_000;
const MAX_FLOWS: usize = 100_000;

/// Filters every namespace: routers by security groups and network ACLs, the
/// internet's side of the gateways, NAT gateways.
///
/// # Errors
///
/// The first table the kernel refuses.
pub fn filter(fabric: &Fabric, blueprint: &Blueprint) -> io::Result<()> {
    for (id, firewall) in &blueprint.firewalls {
        let (table, _) = vpc(firewall);
        load(fabric.router(id.as_str()), &table)?;
    }
    let links: Vec<_> = blueprint
        .network
        .vpcs
        .iter()
        .map(|vpc| vpc.uplink.to_string())
        .collect();
    load(
        fabric.internet(),
        &internet_gateway(&links, &public_addresses(blueprint)),
    )?;
    for interface in &blueprint.interfaces {
        if interface.kind == EniKind::NatGateway {
            let vpc = blueprint
                .network
                .vpcs
                .iter()
                .find(|vpc| vpc.id.0 == interface.vpc.as_str());
            let cidrs = vpc.map(|vpc| vpc.cidrs.as_slice()).unwrap_or_default();
            load(
                fabric.eni(&interface.id),
                &nat_gateway(cidrs, interface.address),
            )?;
        }
    }
    Ok(())
}

fn public_addresses(blueprint: &Blueprint) -> Vec<PublicAddress> {
    let interfaces = blueprint.interfaces.iter();
    let public = interfaces.filter_map(|interface| {
        let vpcs = &blueprint.network.vpcs;
        let vpc = vpcs.iter().find(|vpc| vpc.id.0 == interface.vpc.as_str())?;
        Some(PublicAddress {
            link: vpc.uplink.to_string(),
            private: interface.address,
            public: interface.public?,
        })
    });
    public.collect()
}

fn load(namespace: &Netns, table: &Table) -> io::Result<()> {
    namespace.run(|| {
        let replaced = Nft::open().and_then(|mut nft| nft.replace(table));
        replaced.map_err(|error| io::Error::other(chain(&error)))
    })
}

/// Starts a thread in each router that turns flows into records of its VPC's
/// flow logs.
///
/// # Errors
///
/// When there is no thread to be had.
pub fn follow(
    fabric: &mut Fabric,
    blueprint: &Blueprint,
    emulator: &Arc<Emulator>,
    board: &Arc<Board>,
) -> Result<(), ThreadError> {
    for (id, firewall) in &blueprint.firewalls {
        let logs: Vec<_> = blueprint
            .flow_logs
            .iter()
            .filter(|log| log.vpc == *id)
            .collect();
        if logs.is_empty() {
            continue;
        }
        let logs: Vec<_> = logs
            .iter()
            .map(|log| (log.log_group.clone(), log.accepted, log.rejected))
            .collect();
        let (_, reasons) = vpc(firewall);
        let interfaces = logged_interfaces(blueprint, id.as_str());
        let config = Config {
            account_id: blueprint.account.clone(),
            window_ms: WINDOW_MS,
            max_flows: MAX_FLOWS,
            interfaces,
            unlogged: unlogged(blueprint, id),
            reasons,
        };
        let (emulator, board) = (Arc::clone(emulator), Arc::clone(board));
        let named = blueprint.interfaces.iter();
        let names = named
            .map(|interface| (interface.address, interface.id.to_string()))
            .collect();
        let namespace = fabric.router(id.as_str()).clone();
        fabric.run(
            &namespace,
            &format!("flows {id}"),
            move |_, stop| async move {
                let stopping = Arc::new(AtomicBool::new(false));
                let flag = Arc::clone(&stopping);
                // the collector blocks: on a thread of this runtime, so in this namespace
                let work = tokio::task::spawn_blocking(move || {
                    let mut told = Rejections::new(Arc::clone(&board), names);
                    if let Err(error) = collect(config, &logs, &emulator, &flag, &mut told) {
                        board.notice(format!("flow logs are incomplete: {}", chain(&error)));
                    }
                });
                stop.cancelled().await;
                stopping.store(true, Ordering::Release);
                let _ended = work.await;
            },
        )?;
    }
    Ok(())
}

fn collect(
    config: Config,
    logs: &[(String, bool, bool)],
    emulator: &Emulator,
    stop: &AtomicBool,
    rejections: &mut Rejections,
) -> Result<(), crate::host::flow_collector::CollectError> {
    let collector = FlowCollector::open()?;
    let log = Mutex::new(FlowLog::new(config, unix_ms()));
    collector.run(&log, stop, |record| {
        rejections.tell(&record);
        for (group, accepted, rejected) in logs {
            let wanted = match &record.content {
                RecordContent::Flow {
                    action: Action::Accept,
                    ..
                } => *accepted,
                RecordContent::Flow {
                    action: Action::Reject,
                    ..
                } => *rejected,
                RecordContent::Skipped => true,
            };
            if wanted {
                write(emulator, group, &record);
            }
        }
    })
}

/// Tells the person of refused flows, the first of each kind: whoever changed a
/// rule wants to see at once what it breaks.
struct Rejections {
    board: Arc<Board>,
    names: BTreeMap<Ipv4Addr, String>,
    told: BTreeSet<(Ipv4Addr, Ipv4Addr, u8, u16)>,
}

impl Rejections {
    /// A scan of all ports must not fill the screen.
    const MOST: usize = 50;

    fn new(board: Arc<Board>, names: BTreeMap<Ipv4Addr, String>) -> Self {
        Self {
            board,
            names,
            told: BTreeSet::new(),
        }
    }

    fn tell(&mut self, record: &FlowRecord) {
        let RecordContent::Flow {
            flow,
            action: Action::Reject,
            reason,
            ..
        } = &record.content
        else {
            return;
        };
        let kind = (
            flow.source,
            flow.destination,
            flow.protocol,
            flow.destination_port,
        );
        if self.told.len() < Self::MOST && self.told.insert(kind) {
            let name = |address: Ipv4Addr| {
                self.names
                    .get(&address)
                    .cloned()
                    .unwrap_or_else(|| address.to_string())
            };
            let (source, destination) = (name(flow.source), name(flow.destination));
            let port = flow.destination_port;
            self.board.notice(format!(
                "rejected: {source} to {destination}:{port}, {reason}"
            ));
        }
    }
}

/// (VPC User Guide, "Publish flow logs to CloudWatch Logs": a stream for each
/// interface, named after it and the traffic type)
fn write(emulator: &Emulator, group: &str, record: &FlowRecord) {
    let event = LogEvent {
        timestamp_ms: i64::try_from(record.end_unix_s.saturating_mul(1000)).unwrap_or(i64::MAX),
        message: record.with_reason(),
    };
    let stream = format!("{}-all", record.interface_id);
    // a log group that is gone takes no records: the audit trail says why
    let _written = emulator.append_log_events(group, &stream, &[event]);
}

fn logged_interfaces(blueprint: &Blueprint, vpc: &str) -> Vec<LoggedInterface> {
    let ids: BTreeMap<_, _> = blueprint
        .interfaces
        .iter()
        .map(|interface| (interface.id.0.as_str(), interface.interface_id.clone()))
        .collect();
    let vpc = blueprint
        .network
        .vpcs
        .iter()
        .find(|found| found.id.0 == vpc);
    let enis = vpc.map(|vpc| vpc.enis.as_slice()).unwrap_or_default();
    enis.iter()
        .filter_map(|eni| {
            Some(LoggedInterface {
                id: ids.get(eni.id.0.as_str())?.clone(),
                link: eni.link.to_string(),
                address: eni.address.addr(),
            })
        })
        .collect()
}

/// (VPC User Guide, "Flow log limitations")
fn unlogged(blueprint: &Blueprint, vpc: &LogicalId) -> BTreeSet<Ipv4Addr> {
    const TIME: Ipv4Addr = Ipv4Addr::new(169, 254, 169, 123);
    let services = [INSTANCE_METADATA, TASK_METADATA, LINK_LOCAL_RESOLVER, TIME];
    services
        .into_iter()
        .chain(blueprint.resolver(vpc))
        .collect()
}

fn unix_ms() -> u64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
