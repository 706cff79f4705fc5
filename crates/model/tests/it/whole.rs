//! The project's own template: nothing is lost of it, ids are unique and
//! well-formed, and no damage to it makes the model panic.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, OnceLock};

use cfn::{Kind, Provenance, Stack, Symbol, Value};
use model::{Model, NotAnalysedSubject, lower};
use proptest::prelude::*;
use proptest::sample::Index;

use crate::support::{environment, not_analysed};

const TEMPLATE: &str = include_str!("../../../../infra/kickytime.yaml");
const LOCAL: &str = include_str!("../../../../infra/kickytime.local.json");

fn evaluate(text: &str) -> Stack {
    let parameters = cfn::parse_parameters(LOCAL).expect("a parameter file");
    let (template, _) = cfn::parse("kickytime.yaml", text);
    cfn::evaluate(&template, &environment(parameters)).0
}

fn stack() -> &'static Stack {
    static STACK: OnceLock<Stack> = OnceLock::new();
    STACK.get_or_init(|| evaluate(TEMPLATE))
}

fn whole(stack: &Stack) -> Model {
    lower(&Arc::new(stack.clone()))
}

#[test]
fn all_of_the_template_is_understood() {
    assert_eq!(not_analysed(&whole(stack())), Vec::<String>::new());
}

#[test]
fn ids_are_unique_and_the_same_in_every_run() {
    let (model, again) = (whole(stack()), whole(&evaluate(TEMPLATE)));
    assert_eq!(format!("{:?}", again.enis), format!("{:?}", model.enis));
    let mut seen: BTreeMap<String, String> = BTreeMap::new();
    for id in stack().resources.keys() {
        let symbol = Symbol::Ref(id.clone());
        let physical = model
            .resolve(&symbol)
            .unwrap_or_else(|| panic!("`{id}` has an id"));
        assert_eq!(again.resolve(&symbol).as_ref(), Some(&physical));
        let kind = &stack().resources[id].resource_type;
        // an attachment's id is its secret's; records of one name differ in type
        let shares = [
            "AWS::SecretsManager::SecretTargetAttachment",
            "AWS::Route53::RecordSet",
        ];
        if shares.contains(&kind.as_str()) {
            continue;
        }
        let other = seen.insert(format!("{kind} {physical}"), id.clone());
        assert_eq!(other, None, "`{id}` shares `{physical}`");
    }
    let mut interfaces = BTreeSet::new();
    for eni in model.enis.values() {
        assert!(
            interfaces.insert(&eni.interface_id),
            "{} is shared",
            eni.interface_id
        );
        assert_form(&eni.interface_id, "eni-");
        assert_form(&model.instance_id(eni), "i-");
        let subnet = &model.subnets[&eni.subnet];
        assert!(
            subnet.cidr.contains(&eni.address),
            "{} in {}",
            eni.address,
            subnet.cidr
        );
    }
    let addresses: BTreeSet<_> = model.enis.values().map(|eni| eni.address).collect();
    assert_eq!(addresses.len(), model.enis.len(), "no address twice");
    let rules = model
        .security_groups
        .values()
        .flat_map(|group| group.ingress.iter().chain(&group.egress));
    let rules: Vec<_> = rules.map(|rule| &rule.rule_id).collect();
    rules.iter().for_each(|rule| assert_form(rule, "sgr-"));
    assert_eq!(rules.iter().collect::<BTreeSet<_>>().len(), rules.len());
}

/// AWS's long form: a prefix and 17 hexadecimal digits.
fn assert_form(id: &str, prefix: &str) {
    let digits = id
        .strip_prefix(prefix)
        .unwrap_or_else(|| panic!("`{id}` starts with `{prefix}`"));
    let is_hex = |c: char| c.is_ascii_digit() || ('a'..='f').contains(&c);
    assert!(
        digits.len() == 17 && digits.chars().all(is_hex),
        "`{id}` is well-formed"
    );
}

#[test]
fn ids_have_the_form_of_their_type() {
    let model = whole(stack());
    for (id, resource) in &stack().resources {
        let physical = model.resolve(&Symbol::Ref(id.clone())).expect("an id");
        let prefix = match resource.resource_type.as_str() {
            "AWS::EC2::VPC" => "vpc-",
            "AWS::EC2::Subnet" => "subnet-",
            "AWS::EC2::SecurityGroup" => "sg-",
            "AWS::EC2::RouteTable" => "rtb-",
            "AWS::EC2::VPCEndpoint" => "vpce-",
            "AWS::EC2::NatGateway" => "nat-",
            "AWS::EC2::LaunchTemplate" => "lt-",
            _ => continue,
        };
        assert_form(&physical, prefix);
    }
    let arns = model.load_balancers.values().map(|balancer| &balancer.arn);
    for arn in arns
        .chain(model.secrets.values().map(|secret| &secret.arn))
        .chain(model.roles.values().map(|role| &role.arn))
    {
        assert!(
            arn.starts_with("arn:aws:") && arn.splitn(6, ':').count() == 6,
            "`{arn}`"
        );
    }
}

/// Types of which nothing is read: they take no part in what is modelled.
fn is_passive(model: &Model, id: &str) -> bool {
    model.passive.contains_key(id)
}

#[test]
fn an_unknown_property_of_any_resource_is_named_once() {
    let model = whole(stack());
    for (id, resource) in &stack().resources {
        if is_passive(&model, id) {
            continue;
        }
        let mut changed = stack().clone();
        let properties = &mut changed
            .resources
            .get_mut(id)
            .expect("it is there")
            .properties;
        let mut unknown = properties.clone();
        unknown.kind = Kind::String("x".to_owned());
        match &mut properties.kind {
            Kind::Map(map) => drop(map.insert("Unheard".to_owned(), unknown)),
            other => *other = Kind::Map([("Unheard".to_owned(), unknown)].into_iter().collect()),
        }
        let found: Vec<_> = whole(&changed)
            .not_analysed
            .into_iter()
            .map(|entry| entry.subject)
            .collect();
        let expected = NotAnalysedSubject::Property {
            resource_type: resource.resource_type.clone(),
            property: "Unheard".to_owned(),
        };
        assert_eq!(found, [expected], "`{id}`");
    }
}

#[test]
fn a_reference_out_of_the_template_is_named() {
    let text = TEMPLATE.replacen(
        "SourceSecurityGroupId: !Ref AppSecurityGroup",
        "SourceSecurityGroupId: sg-elsewhere",
        1,
    );
    assert_ne!(text, TEMPLATE, "the template has such a rule");
    let said = not_analysed(&whole(&evaluate(&text)));
    assert_eq!(said.len(), 1, "{said:?}");
    assert!(
        said[0].contains("refers to a security group outside the template"),
        "{said:?}"
    );
}

/// The number of values in a tree.
fn count(value: &Value) -> usize {
    1 + match &value.kind {
        Kind::List(items) => items.iter().map(count).sum(),
        Kind::Map(map) => map.values().map(count).sum(),
        _ => 0,
    }
}

/// The n-th value of a tree, parents first.
fn nth<'a>(value: &'a mut Value, n: &mut usize) -> Option<&'a mut Value> {
    if *n == 0 {
        return Some(value);
    }
    *n -= 1;
    match &mut value.kind {
        Kind::List(items) => items.iter_mut().find_map(|item| nth(item, n)),
        Kind::Map(map) => map.values_mut().find_map(|item| nth(item, n)),
        _ => None,
    }
}

/// What may stand where something else was expected.
fn anything() -> impl Strategy<Value = Kind> {
    let text = |text: &str| Kind::String(text.to_owned());
    let value = |kind| Value {
        kind,
        provenance: Provenance::default(),
    };
    prop_oneof![
        Just(Kind::Null),
        any::<bool>().prop_map(Kind::Bool),
        any::<i64>().prop_map(|number| Kind::Number(number.to_string())),
        Just(Kind::Number("1e400".to_owned())),
        "\\PC{0,12}".prop_map(Kind::String),
        Just(text("255.255.255.255/32")),
        Just(text("0.0.0.0/0")),
        Just(text("::/0")),
        Just(Kind::List(Vec::new())),
        Just(Kind::List(vec![value(Kind::Null), value(text("x"))])),
        Just(Kind::Map(
            [("Key".to_owned(), value(Kind::Null))]
                .into_iter()
                .collect()
        )),
        Just(Kind::Symbol(Symbol::Parameter("P".to_owned()))),
        prop::sample::select(stack().resources.keys().cloned().collect::<Vec<_>>())
            .prop_map(|id| Kind::Symbol(Symbol::Ref(id))),
        prop::sample::select(stack().resources.keys().cloned().collect::<Vec<_>>())
            .prop_map(|id| Kind::Symbol(Symbol::GetAtt(id, "Arn".to_owned()))),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    /// Several values anywhere are replaced: references come to point at each
    /// other, lists become words. The model is built all the same.
    #[test]
    fn no_damage_makes_it_panic(changes in prop::collection::vec((any::<Index>(), any::<Index>(), anything()), 1..6)) {
        let mut damaged = stack().clone();
        for (which, place, kind) in changes {
            let resource = which.index(damaged.resources.len());
            let (_, resource) = damaged.resources.iter_mut().nth(resource).expect("within");
            let mut place = place.index(count(&resource.properties));
            nth(&mut resource.properties, &mut place).expect("within").kind = kind;
        }
        let model = whole(&damaged);
        for id in damaged.resources.keys() {
            drop(model.resolve(&Symbol::Ref(id.clone())));
            drop(model.resolve(&Symbol::GetAtt(id.clone(), "Arn".to_owned())));
        }
    }
}
