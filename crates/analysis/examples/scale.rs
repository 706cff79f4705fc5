//! How long do the matrix of a large network and the check of a template take?
//!
//! `cargo run --release -p analysis --example scale [TEMPLATE PARAMETERS INTENT]`
//! prints time and peak memory for generated VPCs of 100, 1,000 and 10,000
//! interfaces, then for the template's whole check.
#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a benchmark prints, and has nobody to report to"
)]

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Instant;

use analysis::reach::{Network, matrix};
use model::{
    Eni, EniId, EniKind, LogicalId, Model, Peer, PortRange, SecurityGroup, SecurityGroupRule,
    Subnet, Traffic, Vpc,
};

fn main() {
    println!("interfaces  groups  classes   cells        ms   MiB peak");
    for (interfaces, groups) in [(100, 10), (1_000, 100), (10_000, 1_000)] {
        let model = network(interfaces, groups);
        let start = Instant::now();
        let found = matrix(&Network::new(&model));
        let ms = start.elapsed().as_secs_f64() * 1000.0;
        let (classes, cells) = (found.classes, found.cells.len());
        let mib = peak_mib();
        println!("{interfaces:10} {groups:7} {classes:8} {cells:7} {ms:9.1} {mib:10}");
    }
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [template, parameters, intent] = arguments.as_slice() {
        whole_check(template, parameters, intent);
    }
}

fn whole_check(template: &str, parameters: &str, intent: &str) {
    let read = |path: &str| std::fs::read_to_string(path).unwrap();
    let (text, intent) = (
        read(template),
        analysis::intent::parse(&read(intent)).unwrap(),
    );
    let parameters = cfn::parse_parameters(&read(parameters)).unwrap();
    let rounds = 10;
    let start = Instant::now();
    for _ in 0..rounds {
        let environment = cfn::Environment {
            account_id: "000000000000".to_owned(),
            region: "ap-northeast-2".to_owned(),
            stack_name: "kickytime".to_owned(),
            parameters: parameters.clone(),
        };
        let (parsed, _) = cfn::parse(template, &text);
        let (stack, _) = cfn::evaluate(&parsed, &environment);
        let model = model::lower(&Arc::new(stack));
        let variants = analysis::variants(&parsed, &environment);
        let report = analysis::check::check_whole(&model, &variants, Some(&intent));
        assert!(report.failed_proofs().next().is_none());
    }
    let ms = start.elapsed().as_secs_f64() * 1000.0 / f64::from(rounds);
    println!(
        "{template}: whole check {ms:.1} ms, {} MiB peak",
        peak_mib()
    );
}

/// Services of ten tasks, each in a group that the one before may enter; a
/// tenth of the groups also admit a subnet.
fn network(interfaces: u32, groups: u32) -> Model {
    let mut model = Model::default();
    let vpc = LogicalId::new("Vpc");
    model.vpcs.insert(
        vpc.clone(),
        Vpc {
            id: vpc.clone(),
            vpc_id: "vpc-0".to_owned(),
            cidrs: vec!["10.0.0.0/8".parse().unwrap()],
            cidr6: None,
            dns_support: true,
            dns_hostnames: true,
            provenance: cfn::Provenance::default(),
        },
    );
    for index in 0..4_u32 {
        let id = LogicalId::new(&format!("Subnet{index}"));
        let subnet = Subnet {
            subnet_id: id.to_string(),
            vpc: vpc.clone(),
            cidr: format!("10.{index}.0.0/16").parse().unwrap(),
            cidr6: None,
            assigns_ipv6: false,
            availability_zone: format!("zone-{index}"),
            map_public_ip_on_launch: false,
            provenance: cfn::Provenance::default(),
            id: id.clone(),
        };
        model.subnets.insert(id, subnet);
    }
    let group_id = |index: u32| LogicalId::new(&format!("Group{index}"));
    for index in 0..groups {
        let rule = |peer| SecurityGroupRule {
            rule_id: String::new(),
            traffic: Traffic::Tcp(PortRange {
                first: 8080,
                last: 8080,
            }),
            peer,
            description: None,
            provenance: cfn::Provenance::default(),
        };
        let mut ingress = vec![rule(Peer::SecurityGroup(group_id(
            (index + groups - 1) % groups,
        )))];
        if index % 10 == 0 {
            ingress.push(rule(Peer::Cidr("10.3.255.0/24".parse().unwrap())));
        }
        let group = SecurityGroup {
            id: group_id(index),
            group_id: format!("sg-{index}"),
            name: String::new(),
            vpc: Some(vpc.clone()),
            ingress,
            egress: vec![SecurityGroupRule {
                traffic: Traffic::All,
                ..rule(Peer::Cidr("0.0.0.0/0".parse().unwrap()))
            }],
            provenance: cfn::Provenance::default(),
        };
        model.security_groups.insert(group.id.clone(), group);
    }
    let mut enis = BTreeMap::new();
    for index in 0..interfaces {
        let group = index % groups;
        let id = EniId(format!("Service{group}/{index}"));
        let (subnet, host) = (index % 4, index / 4 + 4);
        let eni = Eni {
            interface_id: format!("eni-{index}"),
            owner: LogicalId::new(&format!("Service{group}")),
            kind: EniKind::Task,
            subnet: LogicalId::new(&format!("Subnet{subnet}")),
            address: Ipv4Addr::from((10 << 24) | (subnet << 16) | host),
            address6: None,
            public: false,
            security_groups: vec![group_id(group)],
            id: id.clone(),
        };
        enis.insert(id, eni);
    }
    model.enis = enis;
    model
}

/// The most memory this process has held (Linux).
fn peak_mib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    kib.unwrap_or_default() / 1024
}
