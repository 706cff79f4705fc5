//! What is planned for the real template, part by part, and what becomes of it
//! with other parameters.

mod draft;
mod faults;
mod operator;
mod text;

use insta::assert_snapshot;
use model::LogicalId;

use super::ruleset::{internet_gateway, nat_gateway, vpc};
use crate::blueprint::Blueprint;
use crate::blueprint::network::lower::lower;
use draft::Draft;

fn ruleset(blueprint: &Blueprint) -> String {
    let firewall = &blueprint.firewalls[&LogicalId::new("Vpc")];
    vpc(firewall).0.to_string()
}

#[test]
fn network() {
    assert_snapshot!(lower(&Draft::template().planned().network));
}

#[test]
fn vpc_ruleset() {
    assert_snapshot!(ruleset(&Draft::template().planned()));
}

#[test]
fn names_of_the_internet() {
    assert_snapshot!(text::names(&Draft::template().planned().names));
}

#[test]
fn what_the_describe_calls_tell() {
    assert_snapshot!(text::described(&Draft::template().planned()));
}

/// Only what differs from the internet's view.
#[test]
fn names_in_the_vpc() {
    let blueprint = Draft::template().planned();
    let mut view = blueprint.vpc_names[&LogicalId::new("Vpc")].clone();
    view.records
        .retain(|name, set| blueprint.names.records.get(name) != Some(set));
    assert_snapshot!(text::names(&view), @r"
    *.dkr.ecr.ap-northeast-2.amazonaws.com = 10.0.10.6 (ap-northeast-2a), 10.0.11.6 (ap-northeast-2c)
    api.ecr.ap-northeast-2.amazonaws.com = 10.0.10.5 (ap-northeast-2a), 10.0.11.5 (ap-northeast-2c)
    ec2messages.ap-northeast-2.amazonaws.com = 10.0.10.4 (ap-northeast-2a), 10.0.11.4 (ap-northeast-2c)
    kms.ap-northeast-2.amazonaws.com = 10.0.10.7 (ap-northeast-2a), 10.0.11.7 (ap-northeast-2c)
    logs.ap-northeast-2.amazonaws.com = 10.0.10.8 (ap-northeast-2a), 10.0.11.8 (ap-northeast-2c)
    secretsmanager.ap-northeast-2.amazonaws.com = 10.0.10.11 (ap-northeast-2a), 10.0.11.10 (ap-northeast-2c)
    ssm.ap-northeast-2.amazonaws.com = 10.0.10.12 (ap-northeast-2a), 10.0.11.11 (ap-northeast-2c)
    ssmmessages.ap-northeast-2.amazonaws.com = 10.0.10.13 (ap-northeast-2a), 10.0.11.12 (ap-northeast-2c)
    askers in 10.0.10.0/24 are in ap-northeast-2a
    askers in 10.0.11.0/24 are in ap-northeast-2c
    askers in 10.0.20.0/24 are in ap-northeast-2a
    askers in 10.0.21.0/24 are in ap-northeast-2c
    askers in 10.0.0.0/24 are in ap-northeast-2a
    askers in 10.0.1.0/24 are in ap-northeast-2c
    ");
}

#[test]
fn balancer() {
    assert_snapshot!(text::balancers(&Draft::template().planned()));
}

#[test]
fn distribution() {
    let blueprint = Draft::template().planned();
    assert_eq!(blueprint.distributions.len(), 1);
    insta::assert_debug_snapshot!(blueprint.distributions[0].config);
}

#[test]
fn endpoints() {
    assert_snapshot!(text::endpoints(&Draft::template().planned()), @r"
    ec2messages (1 statements) at [Ec2MessagesEndpoint/AppSubnetA, Ec2MessagesEndpoint/AppSubnetB]: ec2messages.ap-northeast-2.amazonaws.com
    ecr.api (2 statements) at [EcrApiEndpoint/AppSubnetA, EcrApiEndpoint/AppSubnetB]: api.ecr.ap-northeast-2.amazonaws.com
    ecr.dkr (1 statements) at [EcrDkrEndpoint/AppSubnetA, EcrDkrEndpoint/AppSubnetB]: *.dkr.ecr.ap-northeast-2.amazonaws.com
    kms (1 statements) at [KmsEndpoint/AppSubnetA, KmsEndpoint/AppSubnetB]: kms.ap-northeast-2.amazonaws.com
    logs (3 statements) at [LogsEndpoint/AppSubnetA, LogsEndpoint/AppSubnetB]: logs.ap-northeast-2.amazonaws.com
    s3 (1 statements) at gateway [192.0.2.129]: *.s3.ap-northeast-2.amazonaws.com s3.ap-northeast-2.amazonaws.com *.s3.amazonaws.com s3.amazonaws.com
    secretsmanager (1 statements) at [SecretsManagerEndpoint/AppSubnetA, SecretsManagerEndpoint/AppSubnetB]: secretsmanager.ap-northeast-2.amazonaws.com
    ssm (2 statements) at [SsmEndpoint/AppSubnetA, SsmEndpoint/AppSubnetB]: ssm.ap-northeast-2.amazonaws.com
    ssmmessages (1 statements) at [SsmMessagesEndpoint/AppSubnetA, SsmMessagesEndpoint/AppSubnetB]: ssmmessages.ap-northeast-2.amazonaws.com
    ");
}

#[test]
fn workloads() {
    assert_snapshot!(text::workloads(&Draft::template().planned()));
}

#[test]
fn flow_logs() {
    insta::assert_debug_snapshot!(Draft::template().planned().flow_logs, @r#"
    [
        FlowLog {
            id: VpcFlowLog,
            vpc: Vpc,
            log_group: "/kickytime/vpc-flow",
            accepted: true,
            rejected: true,
        },
    ]
    "#);
}

/// Whoever prints a blueprint, for whatever reason, prints no secret.
#[test]
fn secrets_are_never_in_it() {
    let blueprint = Draft::template().planned();
    let text = format!("{blueprint:?}");
    assert!(text.contains("admin@kickytime.test"), "people are in it");
    assert!(!text.contains(draft::PASSWORD));
    // the database's password and the origin's header are references until they are resolved
    for (name, value) in &blueprint.distributions[0].config.origins
        [&crate::blueprint::distribution::OriginId("api".into())]
        .custom_headers
    {
        assert!(value.0.starts_with("{{resolve:secretsmanager:"), "{name}");
    }
    for workload in blueprint.workloads.iter().chain(&blueprint.tasks_once) {
        for (name, value) in &workload.environment {
            assert!(!value.contains("{{resolve:"), "{}: {name}", workload.name);
        }
    }
}

#[test]
fn the_same_every_time() {
    let once = format!("{:?}", Draft::template().planned());
    assert_eq!(once, format!("{:?}", Draft::template().planned()));
}

/// The lines that one text has and the other has not.
fn difference(old: &str, new: &str) -> String {
    let lacks = |text: &str, line: &str| !text.lines().any(|other| other == line);
    let gone = old.lines().filter(|line| lacks(new, line));
    let come = new.lines().filter(|line| lacks(old, line));
    gone.map(|line| format!("- {}\n", line.trim_start()))
        .chain(come.map(|line| format!("+ {}\n", line.trim_start())))
        .collect()
}

fn routes(blueprint: &Blueprint) -> String {
    let text = lower(&blueprint.network).to_string();
    let lines = text.lines();
    lines
        .filter(|line| line.contains("table 2"))
        .map(|line| format!("{line}\n"))
        .collect()
}

#[test]
fn without_nat_gateways_nothing_leads_out() {
    let usual = Draft::template().planned();
    let planned = Draft::template().with("NatGateways", "0").planned();
    assert_snapshot!(difference(&routes(&usual), &routes(&planned)), @r"
    - route 203.0.113.12/32 dev vpc0 table 254
    - route 0.0.0.0/0 via 10.0.0.5 dev e16 onlink table 201
    - route 0.0.0.0/0 via 10.0.0.5 dev e16 onlink table 202
    ");
    assert_eq!(planned.public.len(), 2, "the load balancer's");
    assert!(!ruleset(&planned).contains("th dport 443 counter ct mark"));
    assert!(ruleset(&usual).contains("th dport 443 counter ct mark"));
}

#[test]
fn each_zone_has_its_nat_gateway() {
    let usual = Draft::template().planned();
    let planned = Draft::template().with("NatGateways", "2").planned();
    assert_eq!(planned.public.len(), 4);
    let gateways = planned
        .interfaces
        .iter()
        .filter(|interface| interface.kind == model::EniKind::NatGateway);
    for gateway in gateways {
        let cidrs = &planned.network.vpcs[0].cidrs;
        let table = nat_gateway(cidrs, gateway.address).to_string();
        assert!(table.contains(&format!("snat to {}", gateway.address)));
    }
    assert_snapshot!(difference(&routes(&usual), &routes(&planned)), @r"
    - route 0.0.0.0/0 via 10.0.0.5 dev e16 onlink table 202
    + route 203.0.113.13/32 dev vpc0 table 254
    + route 0.0.0.0/0 via 10.0.1.5 dev e17 onlink table 202
    ");
}

#[test]
fn without_the_redirect_nobody_listens_on_80() {
    let usual = Draft::template().planned();
    let planned = Draft::template().with("HttpRedirect", "false").planned();
    let ports = |blueprint: &Blueprint| -> Vec<u16> {
        let listeners = &blueprint.balancers[0].config.listeners;
        listeners.iter().map(|listener| listener.port).collect()
    };
    assert_eq!(ports(&usual), [80, 443]);
    assert_eq!(ports(&planned), [443]);
    let change = difference(&ruleset(&usual), &ruleset(&planned));
    assert!(
        change.contains("- meta l4proto tcp th dport 80 counter"),
        "{change}"
    );
    assert!(!ruleset(&planned).contains("dport 80 "), "{change}");
}

#[test]
fn public_addresses_are_the_balancers_and_the_nat_gateways() {
    let blueprint = Draft::template().planned();
    let public: Vec<_> = blueprint
        .interfaces
        .iter()
        .filter_map(|interface| Some((interface, interface.public?)))
        .map(|(interface, public)| super::ruleset::PublicAddress {
            link: "vpc0".into(),
            private: interface.address,
            public,
        })
        .collect();
    assert_snapshot!(internet_gateway(&["vpc0".into()], &public), @r#"
    table ip igw {
    	map pub {
    		type ifname . ipv4_addr : ipv4_addr
    		elements = { "vpc0" . 10.0.0.4 : 203.0.113.10,
    			     "vpc0" . 10.0.1.4 : 203.0.113.11,
    			     "vpc0" . 10.0.0.5 : 203.0.113.12 }
    	}
    	map priv {
    		type ifname . ipv4_addr : ipv4_addr
    		elements = { "vpc0" . 203.0.113.10 : 10.0.0.4,
    			     "vpc0" . 203.0.113.11 : 10.0.1.4,
    			     "vpc0" . 203.0.113.12 : 10.0.0.5 }
    	}
    	chain c_pre {
    		type filter hook prerouting priority -300; policy accept;
    		ip saddr set iifname . ip saddr map @pub accept
    		iifname "vpc0" counter drop comment "no public address"
    	}
    	chain c_post {
    		type filter hook postrouting priority 300; policy accept;
    		ip daddr set oifname . ip daddr map @priv accept
    		oifname "vpc0" counter drop comment "no public address"
    	}
    }
    "#);
}
