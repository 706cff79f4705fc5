use std::sync::Arc;

use model::Model;

use super::*;
use crate::set::{AddressSet, FlowSet};

/// A VPC with so many services, each in a group of its own that the next may enter.
fn chain(services: usize) -> Model {
    let mut text = String::from(
        "Resources:\n  Vpc: { Type: AWS::EC2::VPC, Properties: { CidrBlock: 10.0.0.0/16 } }\n  \
         Net: { Type: AWS::EC2::Subnet, Properties: { VpcId: !Ref Vpc, CidrBlock: 10.0.0.0/20 } }\n",
    );
    for index in 0..services {
        let before = index.saturating_sub(1);
        text += &format!(
            "  G{index}: {{ Type: AWS::EC2::SecurityGroup, Properties: {{ GroupDescription: g, VpcId: !Ref Vpc, \
             SecurityGroupIngress: [{{ IpProtocol: tcp, FromPort: {port}, ToPort: {port}, SourceSecurityGroupId: !Ref G{before} }}] }} }}\n  \
             S{index}: {{ Type: AWS::ECS::Service, Properties: {{ DesiredCount: 2, NetworkConfiguration: {{ AwsvpcConfiguration: {{ \
             Subnets: [!Ref Net], SecurityGroups: [!Ref G{index}] }} }} }} }}\n",
            port = 1000 + index,
        );
    }
    lower(&text.replace(
        "SourceSecurityGroupId: !Ref G0 }] } }\n  S0",
        "CidrIp: 10.9.0.0/16 }] } }\n  S0",
    ))
}

fn lower(text: &str) -> Model {
    let (template, faults) = cfn::parse("test.yaml", text);
    assert!(faults.iter().all(|fault| !fault.is_error()), "{faults:#?}");
    let environment = cfn::Environment {
        account_id: "111122223333".to_owned(),
        region: "ap-northeast-2".to_owned(),
        stack_name: "test".to_owned(),
        parameters: std::collections::BTreeMap::new(),
    };
    let (stack, faults) = cfn::evaluate(&template, &environment);
    assert!(faults.iter().all(|fault| !fault.is_error()), "{faults:#?}");
    model::lower(&Arc::new(stack))
}

/// The matrix, which looks only at classes and candidates, says what asking
/// every pair of interfaces says.
#[test]
fn the_matrix_agrees_with_every_pair() {
    let model = chain(6);
    let network = Network::new(&model);
    let matrix = matrix(&network);
    let classes = Classes::new(&network);
    for from in model.enis.values() {
        for to in model.enis.values().filter(|to| to.id != from.id) {
            let pair = connect(&network, &End::Eni(from), &End::Eni(to), &TrafficSet::all());
            let name =
                |eni: &model::Eni| classes.classes[classes.index_of(&eni.id).unwrap()].name();
            let cell = matrix
                .cells
                .iter()
                .find(|cell| cell.from == name(from) && cell.to == name(to));
            let traffic = cell.map_or_else(TrafficSet::none, |cell| cell.flows.traffic());
            assert_eq!(traffic, pair.accepted.traffic(), "{} → {}", from.id, to.id);
        }
    }
    assert_eq!(classes.classes.len(), 6);
}

/// Hosts one may enter one after another are a way in for an intruder, not a
/// way for requests.
#[test]
fn a_chain_of_hosts_is_a_way_for_an_intruder_only() {
    let model = chain(4);
    let network = Network::new(&model);
    let from = place(&network, "S0").unwrap();
    let to = target(&network, "S3:1003").unwrap();
    let answer = ask(&network, &from, &to);
    assert_eq!(answer.outcome, Outcome::Blocked);
    let way: Vec<String> = answer
        .takeover
        .iter()
        .map(|step| step.to.to_string())
        .collect();
    assert_eq!(way, ["S1/1", "S2/1", "S3/1"]);
}

#[test]
fn a_verdict_by_interface_and_port() {
    let model = chain(3);
    let eni = |name: &str| EniId(name.to_owned());
    let ask = |from: &str, port| {
        verdict(
            &model,
            &Point::Eni(eni(from)),
            &eni("S1/1"),
            Protocol::Tcp,
            port,
        )
        .unwrap()
    };
    assert!(ask("S0/2", 1001).is_accepted());
    assert!(!ask("S0/2", 1002).is_accepted());
    assert!(!ask("S2/1", 1001).is_accepted());
    let outside = verdict(&model, &Point::Internet, &eni("S1/1"), Protocol::Tcp, 1001).unwrap();
    let codes: Vec<_> = outside
        .blockers
        .iter()
        .map(|blocker| blocker.code)
        .collect();
    assert!(
        codes.contains(&Code::IgwPrivateIpAssociationForIngress),
        "{codes:?}"
    );
    assert_eq!(
        verdict(&model, &Point::Internet, &eni("None"), Protocol::Ping, 0).map(|v| v.to),
        None
    );
}

/// Removing a rule never lets more through, and adding one never less.
#[test]
fn security_groups_only_ever_add() {
    let model = chain(3);
    let mut fewer = model.clone();
    for group in fewer.security_groups.values_mut() {
        group.ingress.pop();
    }
    let all = |model: &Model| {
        let network = Network::new(model);
        let cells = matrix(&network).cells;
        cells
            .iter()
            .fold(FlowSet::none(), |all, cell| all.union(&cell.flows))
    };
    let (many, few) = (all(&model), all(&fewer));
    assert!(many.covers(&few) && !few.covers(&many));
    assert!(!many.covers(&FlowSet::of(AddressSet::internet(), TrafficSet::all())));
}

#[test]
fn names_that_are_none_say_what_was_meant() {
    let model = chain(2);
    let network = Network::new(&model);
    let error = place(&network, "s11").unwrap_err();
    assert_eq!(error.hint().as_deref(), Some("did you mean `S1`?"));
    assert!(matches!(
        target(&network, "S1:web"),
        Err(PlaceError::Port { .. })
    ));
    assert!(matches!(
        target(&network, "S1:9-1"),
        Err(PlaceError::Port { .. })
    ));
    assert!(matches!(place(&network, "G1"), Ok(Place::Interfaces { enis, .. }) if enis.len() == 2));
}
