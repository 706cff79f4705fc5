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
    lower(&text, more)
}

fn lower(text: &str, more: &[(&str, &str)]) -> Model {
    let (template, environment) = source(text, more);
    let (stack, faults) = cfn::evaluate(&template, &environment);
    assert!(faults.is_empty(), "{faults:#?}");
    model::lower(&Arc::new(stack))
}

fn source(text: &str, more: &[(&str, &str)]) -> (cfn::Template, cfn::Environment) {
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
    let (template, faults) = cfn::parse("infra/kickytime.yaml", text);
    assert!(faults.is_empty(), "{faults:#?}");
    let environment = cfn::Environment {
        account_id: "000000000000".to_owned(),
        region: "ap-northeast-2".to_owned(),
        stack_name: "kickytime".to_owned(),
        parameters,
    };
    (template, environment)
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

/// What only changes sizes, subscriptions or sign-in pages is not varied.
#[test]
fn the_switches_are_those_that_could_change_an_answer() {
    let (template, environment) = source(
        &std::fs::read_to_string(root().join("infra/kickytime.yaml")).unwrap(),
        &[],
    );
    let variants = analysis::variants(&template, &environment);
    let names: Vec<_> = variants.names().into_iter().collect();
    let expected = [
        "DeletionProtection",
        "GitHubOidcProviderArn",
        "HttpRedirect",
        "NatGateways",
    ];
    assert_eq!(names, expected);
    assert_eq!((variants.combinations(), variants.pairs_left), (24, 0));
    assert!(variants.untried.is_empty(), "{:?}", variants.untried);
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

fn intent() -> analysis::intent::Intent {
    let text = std::fs::read_to_string(root().join("infra/intent.toml")).unwrap();
    analysis::intent::parse(&text).unwrap()
}

#[test]
fn every_intent_is_proven() {
    let model = ours(&[]);
    let facts = analysis::check::Facts::new(&model);
    let proofs = analysis::intent::prove(&facts, &intent());
    let failed: Vec<_> = proofs
        .iter()
        .filter_map(|proof| {
            let (line, claim) = (proof.statement.line, &proof.statement.claim);
            Some(format!("{line}: {claim}: {}", proof.failure.as_ref()?))
        })
        .collect();
    assert!(proofs.len() > 100, "only {} statements", proofs.len());
    assert!(failed.is_empty(), "{failed:#?}");
}

#[test]
fn nothing_in_our_template_is_unneeded() {
    let (base, without_nat) = (ours(&[]), ours(&[("NatGateways", "0")]));
    let removals = analysis::removal::removals(&[&base, &without_nat], &intent());
    let idle = removals.iter().filter(|one| one.breaks.is_none());
    let found: Vec<_> = idle
        .map(|one| format!("{}: {}", one.provenance.span.line, one.what))
        .collect();
    assert!(found.is_empty(), "{found:#?}");
    assert!(removals.len() > 80, "only {} were tried", removals.len());
}

/// What was added for nobody is found, in every sort of place.
#[test]
fn what_is_there_for_nobody_is_found() {
    let text = std::fs::read_to_string(root().join("infra/kickytime.yaml")).unwrap();
    let more = "
  IdleRule:
    Type: AWS::EC2::SecurityGroupIngress
    Properties: { GroupId: !Ref AppSecurityGroup, IpProtocol: tcp, FromPort: 22, ToPort: 22, SourceSecurityGroupId: !Ref AlbSecurityGroup }
  IdleRoute:
    Type: AWS::EC2::Route
    Properties: { RouteTableId: !Ref DataRouteTable, DestinationCidrBlock: 198.51.100.0/24, GatewayId: !Ref InternetGateway }
  IdlePolicy:
    Type: AWS::IAM::Policy
    Properties:
      PolicyName: idle
      Roles: [!Ref UsersTaskRole]
      PolicyDocument:
        Version: '2012-10-17'
        Statement: [{ Sid: Idle, Effect: Allow, Action: s3:ListAllMyBuckets, Resource: '*' }]

Outputs:";
    let text = text.replacen("\nOutputs:", more, 1);
    let models = [lower(&text, &[]), lower(&text, &[("NatGateways", "0")])];
    let found = analysis::removal::removals(&[&models[0], &models[1]], &intent());
    let found: Vec<_> = found.iter().filter(|one| one.breaks.is_none()).collect();
    let places: Vec<_> = found
        .iter()
        .map(|one| one.provenance.logical_id.as_ref())
        .collect();
    assert_eq!(
        places,
        ["IdleRule", "IdleRoute", "IdlePolicy"],
        "{found:#?}"
    );
}

/// The pictures in `docs` are of the template as it is; `UPDATE_DOCS=1` draws them anew.
#[test]
fn the_pictures_are_fresh() {
    let model = ours(&[]);
    let prices = analysis::cost::Prices::committed();
    let usage = analysis::cost::Usage {
        hours: prices.hours_per_month,
        service_gb: 20.0,
        viewer_gb: 10.0,
        log_gb: 5.0,
    };
    let bill = analysis::cost::cost(&model, &prices, &usage);
    let pictures = [
        (
            "architecture.svg",
            analysis::diagram::svg(&analysis::diagram::picture(&model)),
        ),
        ("endpoints-or-nat.svg", analysis::cost::svg(&bill, &prices)),
    ];
    for (name, drawn) in pictures {
        let path = root().join("docs").join(name);
        if std::env::var_os("UPDATE_DOCS").is_some() {
            std::fs::write(&path, &drawn).unwrap();
        }
        let found = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(
            found == drawn,
            "docs/{name} is stale: run with UPDATE_DOCS=1"
        );
    }
}

/// A template with a part or a property missing is answered about like any
/// other: the analysis reads what is there.
#[test]
fn no_gap_in_a_template_makes_it_panic() {
    let whole = ours(&[]);
    let answer = |stack: cfn::Stack| {
        let model = model::lower(&Arc::new(stack));
        let report = check(&model);
        let network = Network::new(&model);
        let cells = matrix(&network).cells.len();
        let drawn = analysis::diagram::svg(&analysis::diagram::picture(&model));
        assert!(drawn.ends_with("</svg>\n"));
        report.findings.len() + cells
    };
    let mut answers = std::collections::BTreeSet::new();
    for id in whole.stack.resources.keys() {
        let mut stack = (*whole.stack).clone();
        stack.resources.remove(id);
        answers.insert(answer(stack));
    }
    let properties = whole.stack.resources.iter().flat_map(|(id, resource)| {
        resource
            .properties
            .entries()
            .map(move |(name, _)| (id, name))
    });
    for (id, name) in properties.step_by(13) {
        let mut stack = (*whole.stack).clone();
        let resource = stack.resources.get_mut(id).unwrap();
        if let cfn::Kind::Map(map) = &mut resource.properties.kind {
            map.shift_remove(name);
        }
        answers.insert(answer(stack));
    }
    assert!(
        answers.len() > 10,
        "missing parts change nothing: {answers:?}"
    );
}
