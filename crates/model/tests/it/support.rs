//! From a template's text to its model.

use std::collections::BTreeMap;
use std::sync::Arc;

use cfn::Environment;
use model::{Model, lower};

pub(crate) fn environment(parameters: BTreeMap<String, String>) -> Environment {
    Environment {
        account_id: "123456789012".to_owned(),
        region: "ap-northeast-2".to_owned(),
        stack_name: "club".to_owned(),
        parameters,
    }
}

/// The model of a template's `Resources`, which must be free of faults.
pub(crate) fn model(resources: &str) -> Model {
    let text = format!("Resources:\n{resources}");
    let (template, faults) = cfn::parse("test.yaml", &text);
    assert_eq!(faults, [], "{text}");
    let (stack, faults) = cfn::evaluate(&template, &environment(BTreeMap::new()));
    assert_eq!(faults, [], "{text}");
    lower(&Arc::new(stack))
}

/// What was not analysed, each with its line and its words. The first line of
/// the resources is line 2.
pub(crate) fn not_analysed(model: &Model) -> Vec<String> {
    let entries = model.not_analysed.iter();
    entries
        .map(|entry| format!("{}: {}", entry.provenance.span.line, entry.subject))
        .collect()
}

/// A VPC with a subnet in each of two zones, to build on.
pub(crate) const VPC: &str = "
  Vpc:
    Type: AWS::EC2::VPC
    Properties: { CidrBlock: 10.0.0.0/16 }
  SubnetA:
    Type: AWS::EC2::Subnet
    Properties: { VpcId: !Ref Vpc, CidrBlock: 10.0.1.0/24, AvailabilityZone: ap-northeast-2a }
  SubnetB:
    Type: AWS::EC2::Subnet
    Properties: { VpcId: !Ref Vpc, CidrBlock: 10.0.2.0/28, AvailabilityZone: ap-northeast-2b }
";

/// [`VPC`] with more resources, all of it understood.
pub(crate) fn in_vpc(resources: &str) -> Model {
    let model = model(&format!("{VPC}{resources}"));
    assert_eq!(not_analysed(&model), Vec::<String>::new());
    model
}
