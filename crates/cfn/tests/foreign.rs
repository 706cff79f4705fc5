//! Are templates that lean on macros, modules and other regions spared faults
//! that only their expansion, or that region, could show?

use cfn::Environment;

fn faults(text: &str) -> String {
    let (template, mut found) = cfn::parse("template.yaml", text);
    let environment = Environment {
        account_id: "123456789012".to_owned(),
        region: "ap-northeast-2".to_owned(),
        stack_name: "test".to_owned(),
        parameters: Default::default(),
    };
    found.extend(cfn::evaluate(&template, &environment).1);
    let errors = found.iter().filter(|fault| fault.is_error());
    let line = |fault: &cfn::Diagnostic| {
        let hint = fault
            .hint
            .as_deref()
            .map(|hint| format!("\n  hint: {hint}"));
        let (place, code) = (fault.span.line, fault.code);
        format!(
            "{place} {code} {}{}",
            fault.message,
            hint.unwrap_or_default()
        )
    };
    errors.map(line).collect::<Vec<_>>().join("\n")
}

/// SAM takes its own attributes away, and puts an alias between an alarm and
/// the function that names it.
#[test]
fn what_sam_expands_is_no_fault() {
    let text = "\
Resources:
  Function:
    Type: AWS::Serverless::Function
    IgnoreGlobals: '*'
    Connectors: {C: {Properties: {Destination: {Id: Table}}}}
    Properties:
      DeploymentPreference: {Alarms: [!Ref Alarm]}
  Alarm:
    Type: AWS::CloudWatch::Alarm
    Properties:
      Dimensions: [{Name: FunctionName, Value: !Ref Function}]
";
    let with_sam = format!("{text}Transform: AWS::Serverless-2016-10-31\n");
    insta::assert_snapshot!(faults(&with_sam), @"");
    insta::assert_snapshot!(faults(text), @"
    4 unknown-attribute unknown attribute `IgnoreGlobals` of resource `Function`
      hint: properties belong below `Properties` of `Function`
    5 unknown-attribute unknown attribute `Connectors` of resource `Function`
      hint: properties belong below `Properties` of `Function`
    ");
}

#[test]
fn a_custom_resource_has_a_version() {
    let custom = "Resources:\n  C: {Type: Custom::Thing, Version: '1.0'}\n";
    insta::assert_snapshot!(faults(custom), @"");
    let other = "Resources:\n  C: {Type: AWS::SNS::Topic, Version: '1.0'}\n";
    insta::assert_snapshot!(faults(other), @"
    2 unknown-attribute unknown attribute `Version` of resource `C`
      hint: properties belong below `Properties` of `C`
    ");
}

#[test]
fn the_resources_of_a_module_are_called_by_its_name() {
    let text = "\
Resources:
  Web: {Type: Acme::S3::Bucket::MODULE}
Outputs:
  Arn: {Value: !GetAtt WebBucket.Arn}
  Name: {Value: !Ref WebBucket}
  Typo: {Value: !Ref WesBucket}
";
    insta::assert_snapshot!(faults(text), @"
    6 unknown-reference `WesBucket` is neither a parameter nor a resource
    ");
}

#[test]
fn a_macro_may_write_the_text_of_a_substitution() {
    let text = "\
Resources:
  T:
    Type: AWS::SNS::Topic
    Properties:
      DisplayName: {'Fn::Sub': {'Fn::Transform': {Name: Text}}}
      TopicName: {'Fn::Sub': [{'Fn::Transform': {Name: Text}}, {A: b}]}
";
    insta::assert_snapshot!(faults(text), @"");
}

#[test]
fn a_mapping_without_this_region_names_those_it_has() {
    let text = "\
Mappings:
  Images: {us-east-1: {Id: ami-1}, eu-west-1: {Id: ami-2}}
Resources:
  T:
    Type: AWS::SNS::Topic
    Properties: {DisplayName: !FindInMap [Images, !Ref AWS::Region, Id]}
";
    insta::assert_snapshot!(faults(text), @"
    6 unknown-mapping mapping `Images` has no key `ap-northeast-2`
      hint: evaluate it for a region the mapping has, with `--region`: eu-west-1, us-east-1
    ");
}
