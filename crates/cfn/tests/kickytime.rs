//! Does the project's own template mean what it should?

use cfn::{Environment, Kind, Stack, Symbol, Value};

const TEMPLATE: &str = include_str!("../../../infra/kickytime.yaml");
const LOCAL: &str = include_str!("../../../infra/kickytime.local.json");

fn stack() -> Stack {
    let (template, faults) = cfn::parse("infra/kickytime.yaml", TEMPLATE);
    assert_eq!(faults, []);
    let environment = Environment {
        account_id: "000000000000".to_owned(),
        region: "ap-northeast-2".to_owned(),
        stack_name: "kickytime".to_owned(),
        parameters: cfn::parse_parameters(LOCAL).expect("a parameter file"),
    };
    let (stack, faults) = cfn::evaluate(&template, &environment);
    assert_eq!(faults, []);
    stack
}

#[test]
fn the_template_has_no_fault_with_its_local_values() {
    let stack = stack();
    assert_eq!(stack.missing_parameters(), Vec::<&str>::new());
    assert_eq!(
        stack.parameters["DomainName"].as_text(),
        Some("kickytime.test")
    );
    assert_eq!(stack.conditions["HasNat"], Some(true));
    let opaque = stack
        .resources
        .values()
        .flat_map(|resource| opaque(&resource.properties));
    assert_eq!(opaque.collect::<Vec<_>>(), Vec::<String>::new());
}

/// Values nobody could work with: functions left as they are.
fn opaque(value: &Value) -> Vec<String> {
    match &value.kind {
        Kind::Symbol(Symbol::Function(text)) => vec![text.clone()],
        Kind::List(items) => items.iter().flat_map(opaque).collect(),
        Kind::Map(map) => map.values().flat_map(opaque).collect(),
        _ => Vec::new(),
    }
}

#[test]
fn values_know_their_line() {
    let stack = stack();
    let rule = &stack.resources["AppEgressToDatabase"];
    let port = rule.properties.get("FromPort").unwrap();
    let place = &port.provenance;
    assert_eq!(&*place.logical_id, "AppEgressToDatabase");
    assert_eq!(&*place.path, "FromPort");
    assert_eq!(&TEMPLATE[place.span.start..place.span.end], "5432");
    let line = TEMPLATE.lines().nth(place.span.line - 1).unwrap();
    assert_eq!(line.trim(), "FromPort: 5432");
    assert_eq!(line.find("5432"), Some(place.span.column - 1));
    let tag = &stack.resources["Vpc"]
        .properties
        .get("Tags")
        .unwrap()
        .items()[0];
    assert_eq!(&*tag.get("Value").unwrap().provenance.path, "Tags[0].Value");
}

#[test]
fn policies_become_json() {
    let stack = stack();
    let role = &stack.resources["DeployRole"].properties;
    let resolve = |symbol: &Symbol| Some(symbol.to_string());
    let trust = role
        .get("AssumeRolePolicyDocument")
        .unwrap()
        .to_json(&resolve)
        .unwrap();
    assert_eq!(trust["Version"], "2012-10-17");
    assert_eq!(
        trust["Statement"][0]["Action"],
        "sts:AssumeRoleWithWebIdentity"
    );
    assert_eq!(
        trust["Statement"][0]["Principal"]["Federated"],
        "${GitHubOidcProvider}"
    );
}
