//! What is the value of each function?
//!
//! Each row: an expression and its value's canonical text. All rows of a test
//! are properties of one resource of a small stack.

use cfn::{Environment, Fragment, Kind, Stack, Symbol, Value};

const HEAD: &str = "\
Transform: AWS::LanguageExtensions
Parameters:
  Text: {Type: String, Default: hello}
  Given: {Type: String}
  Open: {Type: String}
  Count: {Type: Number, Default: '3'}
  Names: {Type: CommaDelimitedList, Default: 'a, b ,c'}
  Ports: {Type: List<Number>, Default: '80,443'}
  Empty: {Type: CommaDelimitedList, Default: ''}
  Image: {Type: 'AWS::SSM::Parameter::Value<AWS::EC2::Image::Id>', Default: /aws/service/ami}
  Subnets: {Type: 'List<AWS::EC2::Subnet::Id>'}
Mappings:
  Sizes:
    small: {cpu: 256, zones: [a, b]}
Conditions:
  'True': !Equals [!Ref Text, hello]
  'False': !Not [Condition: 'True']
  Unknown: !Equals [!Ref Open, x]
Resources:
  Vpc: {Type: AWS::EC2::VPC, Properties: {CidrBlock: !Sub '10.${Count}.0.0/16'}}
  Subnet: {Type: AWS::EC2::Subnet, Properties: {CidrBlock: !Select [1, !Cidr [!GetAtt Vpc.CidrBlock, 4, 8]]}}
";

fn stack_of(template: &str) -> Stack {
    let (parsed, faults) = cfn::parse("template.yaml", template);
    assert!(faults.iter().all(|fault| !fault.is_error()), "{faults:#?}");
    let environment = Environment {
        account_id: "012345678901".to_owned(),
        region: "ap-northeast-2".to_owned(),
        stack_name: "kt".to_owned(),
        parameters: [("Given".to_owned(), "value".to_owned())].into(),
    };
    let (stack, faults) = cfn::evaluate(&parsed, &environment);
    assert!(faults.iter().all(|fault| !fault.is_error()), "{faults:#?}");
    stack
}

/// Evaluates one expression as a property.
fn value(expression: &str) -> Option<Value> {
    let template =
        format!("{HEAD}  It:\n    Type: AWS::X::Y\n    Properties:\n      Here: {expression}\n");
    let mut stack = stack_of(&template);
    let resource = stack.resources.remove("It").expect("it is declared");
    resource.properties.get("Here").cloned()
}

fn check(rows: &[(&str, &str)]) {
    for (expression, expected) in rows {
        let found =
            value(expression).map_or_else(|| "(none)".to_owned(), |value| value.to_string());
        assert_eq!(found, *expected, "{expression}");
    }
}

#[test]
fn references() {
    check(&[
        ("!Ref Text", "hello"),
        ("{Ref: Given}", "value"),
        ("!Ref Open", "${Open}"),
        ("!Ref Count", "3"),
        ("!Ref Names", "[a, b, c]"),
        ("!Ref Ports", "[80, 443]"),
        ("!Ref Empty", "[]"),
        ("!Ref Image", "{{resolve:ssm:/aws/service/ami}}"),
        ("!Ref Vpc", "${Vpc}"),
        ("!GetAtt Vpc.CidrBlock", "${Vpc.CidrBlock}"),
        ("!GetAtt [Vpc, A.B]", "${Vpc.A.B}"),
        ("!Ref AWS::AccountId", "012345678901"),
        ("!Ref AWS::Region", "ap-northeast-2"),
        ("!Ref AWS::Partition", "aws"),
        ("!Ref AWS::URLSuffix", "amazonaws.com"),
        ("!Ref AWS::StackName", "kt"),
        ("!Ref AWS::StackId", "${AWS::StackId}"),
        ("!Ref AWS::NoValue", "(none)"),
        ("[a, !Ref AWS::NoValue, b]", "[a, b]"),
        ("{a: !Ref AWS::NoValue, b: 1}", "{b: 1}"),
        ("!ImportValue other", "${ImportValue other}"),
    ]);
}

#[test]
fn text() {
    check(&[
        (
            "!Sub 'x-${Text}-${!Text}-${AWS::Region}'",
            "x-hello-${Text}-ap-northeast-2",
        ),
        ("!Sub ['${A}${Text}', {A: !Ref Count}]", "3hello"),
        ("!Sub ['${Text}', {Text: mine}]", "mine"),
        ("!Sub '${Names}'", "a,b,c"),
        ("!Sub '${Vpc}/${Vpc.Arn}'", "${Vpc}/${Vpc.Arn}"),
        ("!Sub '$Text $ {Text} $${Text}'", "$Text $ {Text} $hello"),
        ("!Join ['-', [a, !Ref Text, !Ref Count]]", "a-hello-3"),
        ("!Join ['', []]", ""),
        ("!Join [',', !Ref Names]", "a,b,c"),
        (
            "!Join [':', [arn, !Ref AWS::NoValue, !Ref Vpc]]",
            "arn:${Vpc}",
        ),
        ("!Join [',', !Ref Subnets]", "Fn::Join(,, ${Subnets})"),
        ("!Split [',', 'a,b,,c']", "[a, b, , c]"),
        (
            "!Split ['/', !Sub '${Vpc.Arn}/x']",
            "Fn::Split(/, ${Vpc.Arn}/x)",
        ),
        ("!Split [':', !GetAtt Vpc.Arn]", "Fn::Split(:, ${Vpc.Arn})"),
        (
            "!Select [5, !Split [':', !GetAtt Vpc.Arn]]",
            "Fn::Select(5, Fn::Split(:, ${Vpc.Arn}))",
        ),
        ("!Select ['1', !Ref Names]", "b"),
        ("!Select [!Ref Count, [a, b, c, d]]", "d"),
        ("{'Fn::Base64': !Sub 'run ${Text}'}", "run hello"),
        ("!Base64 {'Fn::Sub': 'run ${Text}'}", "run hello"),
        (
            "{'Fn::ToJsonString': {a: [1, true, 'x\"y', !Ref Vpc]}}",
            r#"{"a":[1,true,"x\"y","${Vpc}"]}"#,
        ),
        ("{'Fn::Length': !Ref Names}", "3"),
        ("{'Fn::Length': !Ref Subnets}", "Fn::Length(${Subnets})"),
    ]);
}

#[test]
fn maps_and_conditions() {
    check(&[
        ("!FindInMap [Sizes, small, cpu]", "256"),
        ("!FindInMap [Sizes, small, zones]", "[a, b]"),
        (
            "!FindInMap [Sizes, !Ref Text, cpu, DefaultValue: !Ref Given]",
            "value",
        ),
        (
            "!FindInMap [Sizes, !Ref Open, cpu]",
            "Fn::FindInMap(Sizes, ${Open}, cpu)",
        ),
        ("!If ['True', a, b]", "a"),
        ("!If ['False', a, !Ref Vpc]", "${Vpc}"),
        ("!If ['True', !Ref AWS::NoValue, b]", "(none)"),
        ("!If [Unknown, same, same]", "same"),
        ("!If [Unknown, a, b]", "Fn::If(Unknown, a, b)"),
        ("[!If ['False', a, !Ref AWS::NoValue], c]", "[c]"),
    ]);
}

#[test]
fn addresses_and_zones() {
    check(&[
        (
            "!Cidr [10.0.0.0/16, 3, 8]",
            "[10.0.0.0/24, 10.0.1.0/24, 10.0.2.0/24]",
        ),
        ("!Cidr [10.0.0.77/24, 2, 4]", "[10.0.0.0/28, 10.0.0.16/28]"),
        ("!Cidr [10.0.0.0/30, 1, 2]", "[10.0.0.0/30]"),
        (
            "!Cidr ['2001:db8::/56', 2, 64]",
            "[2001:db8::/64, 2001:db8:0:1::/64]",
        ),
        ("!Cidr ['::/0', 1, 64]", "[::/64]"),
        (
            "!Select [2, !Cidr [!GetAtt Vpc.CidrBlock, 4, 8]]",
            "10.3.2.0/24",
        ),
        (
            "!Select [1, !Cidr [!GetAtt Subnet.CidrBlock, 2, 4]]",
            "10.3.1.16/28",
        ),
        (
            "!Cidr [!ImportValue range, 4, 8]",
            "Fn::Cidr(${ImportValue range}, 4, 8)",
        ),
        ("!Select [3, !GetAZs '']", "${AvailabilityZone[3]}"),
        (
            "!Select [0, !GetAZs {Ref: 'AWS::Region'}]",
            "${AvailabilityZone[0]}",
        ),
        (
            "!Select [0, !GetAZs us-east-1]",
            "Fn::Select(0, Fn::GetAZs(us-east-1))",
        ),
        ("{'Fn::Length': !GetAZs ''}", "4"),
    ]);
}

#[test]
fn dynamic_references() {
    check(&[
        ("'{{resolve:ssm:/a/b:3}}'", "{{resolve:ssm:/a/b:3}}"),
        ("'x{{resolve:ssm:a}}y'", "x{{resolve:ssm:a}}y"),
        ("'{{resolve:ssm: a}}'", "{{resolve:ssm: a}}"),
        (
            "!Join ['', ['{{resolve:secretsmanager:', !Ref Vpc, ':SecretString:p}}']]",
            "{{resolve:secretsmanager:${Vpc}:SecretString:p}}",
        ),
    ]);
    let whole = value("'{{resolve:ssm:/a/b:3}}'").unwrap();
    assert_eq!(
        whole.kind,
        Kind::Symbol(Symbol::SsmParameter("/a/b:3".to_owned()))
    );
    let secret = "{{resolve:secretsmanager:db:SecretString:password::}}";
    let found = value(&format!("'{secret}'")).unwrap();
    assert_eq!(found.kind, Kind::Symbol(Symbol::Secret(secret.to_owned())));
    let spaced = value("'{{resolve:ssm: a}}'").unwrap();
    assert_eq!(spaced.kind, Kind::String("{{resolve:ssm: a}}".to_owned()));
    let among = value("'x{{resolve:ssm-secure:a:1}}'").unwrap();
    let symbol = Symbol::Secret("{{resolve:ssm-secure:a:1}}".to_owned());
    let parts = vec![Fragment::Literal("x".to_owned()), Fragment::Symbol(symbol)];
    assert_eq!(among.kind, Kind::Text(parts));
}

#[test]
fn kinds_are_kept() {
    let kind = |expression| value(expression).map(|value| value.kind);
    assert_eq!(kind("443"), Some(Kind::Number("443".to_owned())));
    assert_eq!(kind("'443'"), Some(Kind::String("443".to_owned())));
    assert_eq!(kind("!Ref Count"), Some(Kind::Number("3".to_owned())));
    assert_eq!(kind("!Sub '${Count}'"), Some(Kind::String("3".to_owned())));
    assert_eq!(kind("yes"), Some(Kind::Bool(true)));
    assert_eq!(
        kind("2012-10-17"),
        Some(Kind::String("2012-10-17".to_owned()))
    );
    assert_eq!(
        kind("012345678901"),
        Some(Kind::String("012345678901".to_owned()))
    );
    assert_eq!(
        kind("!Ref Open"),
        Some(Kind::Symbol(Symbol::Parameter("Open".to_owned())))
    );
}

#[test]
fn a_value_points_at_the_place_that_uses_it() {
    let template = format!(
        "{HEAD}  It:\n    Type: AWS::X::Y\n    Properties:\n      Rules:\n        - {{Port: !Ref Ports}}\n        - {{Port: !If ['False', 1, 22]}}\n"
    );
    let stack = stack_of(&template);
    let rules = stack.resources["It"]
        .properties
        .get("Rules")
        .unwrap()
        .items();
    let text = |value: &Value| {
        let span = value.provenance.span;
        let place = &template[span.start..span.end];
        format!(
            "{} {} {place}",
            value.provenance.logical_id, value.provenance.path
        )
    };
    let ports = rules[0].get("Port").unwrap();
    assert_eq!(text(ports), "It Rules[0].Port !Ref Ports");
    assert_eq!(text(&ports.items()[1]), "It Rules[0].Port[1] !Ref Ports");
    assert_eq!(text(rules[1].get("Port").unwrap()), "It Rules[1].Port 22");
}

#[test]
fn loops_write_out_resources_and_properties() {
    let stack = stack_of(&format!("{HEAD}  \
  'Fn::ForEach::Queues':
    - Name
    - !Ref Names
    - 'Queue${{Name}}':
        Type: AWS::SQS::Queue
        DependsOn: Vpc
        Properties:
          QueueName: !Sub 'q-${{Name}}-${{Text}}'
          Same: !Ref Name
          'Fn::ForEach::Keys': [Key, [x.y, z], {{'Key&{{Key}}': '${{Key}}'}}]
Outputs:
  'Fn::ForEach::Out': [Name, !Ref Names, {{'Arn${{Name}}': {{Value: !GetAtt 'Queue${{Name}}.Arn'}}}}]
"));
    let queue = &stack.resources["Queueb"];
    assert_eq!(
        queue.properties.to_string(),
        "{QueueName: q-b-hello, Same: b, Keyxy: x.y, Keyz: z}"
    );
    assert_eq!(queue.depends_on, ["Vpc"]);
    assert_eq!(stack.outputs["Arnc"].value.to_string(), "${Queuec.Arn}");
    assert_eq!(
        stack
            .resources
            .keys()
            .filter(|name| name.starts_with("Queue"))
            .count(),
        3
    );
}

#[test]
fn what_is_missing_is_listed() {
    let stack = stack_of(HEAD);
    assert_eq!(stack.missing_parameters(), ["Open", "Subnets"]);
    assert_eq!(stack.conditions["True"], Some(true));
    assert_eq!(stack.conditions["False"], Some(false));
    assert_eq!(stack.conditions["Unknown"], None);
    assert_eq!(stack.resources["Subnet"].depends_on, ["Vpc"]);
}

#[test]
fn json_keeps_numbers_and_booleans() {
    let value =
        value("{a: 1, b: yes, c: '1', d: [!Ref Vpc, !Sub 'x${Vpc}'], e: 2012-10-17}").unwrap();
    let json = value
        .to_json(&|symbol| Some(format!("<{symbol}>")))
        .unwrap();
    insta::assert_snapshot!(json, @r#"{"a":1,"b":true,"c":"1","d":["<${Vpc}>","x<${Vpc}>"],"e":"2012-10-17"}"#);
    assert_eq!(value.to_json(&|_| None), None);
}
