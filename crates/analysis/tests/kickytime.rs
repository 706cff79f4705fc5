//! Our own template, proven.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot read its input has failed"
)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use analysis::check::check;
use analysis::reach::{Network, matrix};
use model::Model;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The template under its local parameters and `more`.
fn ours(more: &[(&str, &str)]) -> Model {
    let text = std::fs::read_to_string(root().join("infra/kickytime.yaml")).unwrap();
    let local = std::fs::read_to_string(root().join("infra/kickytime.local.json")).unwrap();
    let local: serde_json::Value = serde_json::from_str(&local).unwrap();
    let mut parameters: BTreeMap<String, String> = BTreeMap::new();
    for entry in local.as_array().unwrap() {
        let field = |name: &str| entry[name].as_str().unwrap().to_owned();
        parameters.insert(field("ParameterKey"), field("ParameterValue"));
    }
    parameters.extend(
        more.iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned())),
    );
    let (template, faults) = cfn::parse("infra/kickytime.yaml", &text);
    assert!(faults.is_empty(), "{faults:#?}");
    let environment = cfn::Environment {
        account_id: "000000000000".to_owned(),
        region: "ap-northeast-2".to_owned(),
        stack_name: "kickytime".to_owned(),
        parameters,
    };
    let (stack, faults) = cfn::evaluate(&template, &environment);
    assert!(faults.is_empty(), "{faults:#?}");
    model::lower(&Arc::new(stack))
}

#[test]
fn nothing_is_found_in_our_template_under_any_of_its_switches() {
    let switches: &[&[(&str, &str)]] = &[
        &[],
        &[("NatGateways", "0")],
        &[("NatGateways", "2")],
        &[("HttpRedirect", "false")],
        &[("MultiAz", "true")],
        &[("DeletionProtection", "false")],
        &[("AlarmEmail", "a@example.com")],
    ];
    for parameters in switches {
        let report = check(&ours(parameters));
        let found: Vec<_> = report
            .findings
            .iter()
            .filter(|finding| finding.rule != "suppression")
            .map(|finding| format!("{}: {}", finding.rule, finding.message))
            .collect();
        assert!(found.is_empty(), "{parameters:?}: {found:#?}");
    }
}

#[test]
fn the_whole_matrix() {
    let model = ours(&[]);
    let network = Network::new(&model);
    let cells = matrix(&network).cells;
    let lines: Vec<_> = cells
        .iter()
        .map(|cell| format!("{} -> {}: {}", cell.from, cell.to, cell.flows.traffic()))
        .collect();
    insta::assert_snapshot!(lines.join("\n"), @r"
    LoadBalancer -> MatchesAutoScalingGroup: tcp 8080
    LoadBalancer -> MigrateTaskDefinition: tcp 8080
    LoadBalancer -> UsersService: tcp 8080
    MatchesAutoScalingGroup -> Database: tcp 5432
    MatchesAutoScalingGroup -> Ec2MessagesEndpoint and 7 more: tcp 443
    MatchesAutoScalingGroup -> S3Endpoint: tcp 443
    MatchesAutoScalingGroup -> internet: tcp 443
    MigrateTaskDefinition -> Database: tcp 5432
    MigrateTaskDefinition -> Ec2MessagesEndpoint and 7 more: tcp 443
    MigrateTaskDefinition -> S3Endpoint: tcp 443
    MigrateTaskDefinition -> internet: tcp 443
    UsersService -> Database: tcp 5432
    UsersService -> Ec2MessagesEndpoint and 7 more: tcp 443
    UsersService -> S3Endpoint: tcp 443
    UsersService -> internet: tcp 443
    cloudfront -> LoadBalancer: tcp 80, 443
    internet -> LoadBalancer: tcp 80
    ");
}
