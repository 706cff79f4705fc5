//! Is every fault named, at its place, all at once?

use cfn::{Diagnostic, Environment};

/// Faults of a template, a line each: place, kind, message, hint.
fn faults(text: &str) -> String {
    faults_with(text, &[])
}

fn faults_with(text: &str, parameters: &[(&str, &str)]) -> String {
    let (template, mut found) = cfn::parse("template.yaml", text);
    let (_, more) = cfn::evaluate(&template, &environment(parameters));
    found.extend(more);
    for fault in &found {
        assert!(
            text.get(fault.span.start..fault.span.end).is_some(),
            "{fault:?}"
        );
    }
    let lines: Vec<String> = found.iter().map(|fault| line(fault, text)).collect();
    lines.join("\n")
}

fn environment(parameters: &[(&str, &str)]) -> Environment {
    let pairs = parameters.iter();
    Environment {
        account_id: "123456789012".to_owned(),
        region: "ap-northeast-2".to_owned(),
        stack_name: "test".to_owned(),
        parameters: pairs
            .map(|(name, value)| ((*name).into(), (*value).into()))
            .collect(),
    }
}

fn line(fault: &Diagnostic, text: &str) -> String {
    let span = fault.span;
    let level = if fault.is_error() { "error" } else { "warning" };
    let quoted: String = text[span.start..span.end].chars().take(30).collect();
    let mut line = format!(
        "{}:{} {level}[{}] {} «{}»",
        span.line,
        span.column,
        fault.code,
        fault.message,
        quoted.replace('\n', "⏎").replace(char::is_control, "·")
    );
    for (place, why) in &fault.related {
        line.push_str(&format!("\n  {}:{} {why}", place.line, place.column));
    }
    if let Some(hint) = &fault.hint {
        line.push_str(&format!("\n  hint: {hint}"));
    }
    line
}

#[test]
fn text_that_is_no_template() {
    insta::assert_snapshot!(faults(""), @"
    1:1 error[empty-template] the template is empty «»
      hint: a template needs at least `Resources:` with one resource
    ");
    insta::assert_snapshot!(faults("# only a comment\n"), @"
    1:1 error[empty-template] the template is empty «»
      hint: a template needs at least `Resources:` with one resource
    ");
    insta::assert_snapshot!(faults("just some words"), @"
    1:1 error[not-a-template] a template is a map of sections, not text «»
      hint: the file should begin with a section such as `Resources:`
    ");
    insta::assert_snapshot!(faults("- a\n- b\n"), @"
    1:1 error[not-a-template] a template is a map of sections, not a list «»
      hint: the file should begin with a section such as `Resources:`
    ");
    insta::assert_snapshot!(faults("Resources:\n  A: [1, 2\n  B: }\n"), @"
    3:4 error[syntax] not valid YAML: illegal placement of ':' indicator «:»
      2:6 this `[` is still open
    ");
    insta::assert_snapshot!(faults("Resources:\n\tA:\n"), @"
    2:2 error[syntax] not valid YAML: tabs disallowed within this context (block indentation) «A»
      hint: indent with spaces: YAML forbids tabs there
    ");
    insta::assert_snapshot!(faults("\u{0}\u{1}\u{2}ELF\u{7f}"), @"
    1:1 error[syntax] not valid YAML: found unprintable character «·»
      hint: the file holds bytes that are no text: is it a template?
    ");
    insta::assert_snapshot!(faults("Description: it's: fine\nResources: {}\n"), @"
    1:18 error[syntax] not valid YAML: mapping values are not allowed in this context «:»
      hint: quote text that holds `: `, or check the indentation of this line
    ");
    insta::assert_snapshot!(faults("Description: \"never closed\nResources: {}\n"), @r#"
    1:14 error[syntax] not valid YAML: invalid indentation in quoted scalar «"»
      hint: a closing quotation mark is missing
    "#);
}

#[test]
fn yaml_that_cloudformation_refuses() {
    insta::assert_snapshot!(faults("\
Resources:
  A: &anchor
    Type: AWS::S3::Bucket
  B: *anchor
  C:
    <<: {Type: AWS::S3::Bucket}
    Type: AWS::S3::Bucket
    Type: AWS::SNS::Topic
    Properties:
      X: !Subb text
      Y:
      Z: [a, ~]
      W: 0123
      ? [complex, key]
      : value
  D:
    Type: AWS::S3::Bucket
    Properties:
      Fn::Sob: a
      Fn::Join: [',', [a]]
---
Second: document
"), @r#"
    2:6 error[anchor] a YAML anchor (`&name`) «&anchor⏎    »
      hint: CloudFormation knows no anchors: write the value out
    4:6 error[alias] alias `*anchor` «*anchor»
      hint: CloudFormation knows no YAML aliases: write the value out
    6:5 error[merge-key] merge key `<<` «<<»
      hint: CloudFormation knows no YAML merge keys: write the entries out
    8:5 error[duplicate-key] key `Type` stands here twice «Type»
      7:5 first here
      hint: remove one of the two, or give it another name
    10:10 error[unknown-tag] unknown tag `!Subb` «!Subb»
      hint: did you mean `!Sub`?
    11:7 error[null-value] `Y` has no value «Y»
      hint: give it a value or remove it; to leave a property out use `!Ref AWS::NoValue`
    12:14 error[null-value] an empty list item «~»
      hint: give it a value or remove it; to leave a property out use `!Ref AWS::NoValue`
    13:10 warning[octal-number] `0123` is an octal number to YAML 1.1 «0123»
      hint: write "0123" to keep it as it is
    14:9 error[faulty-key] a key must be text, not a list «[complex, key]»
    19:7 error[unknown-function] unknown function `Fn::Sob` «Fn::Sob»
      hint: did you mean `Fn::Sub`?
    20:7 error[function-among-keys] `Fn::Join` stands among other keys «Fn::Join»
      hint: a function must be the only key of its map
    21:1 error[second-document] a second YAML document begins here «---»
      hint: a template is one document: remove the `---`
    "#);
}

#[test]
fn two_short_tags_in_a_row() {
    insta::assert_snapshot!(faults("\
Resources:
  A:
    Type: AWS::EC2::Instance
    Properties:
      UserData: !Base64 !Sub |
        text
"), @"
    5:17 error[two-short-tags] two short tags in a row: `!Base64 !Sub` «!Base64 !Sub»
      hint: write the outer one in full: `Fn::Base64: !Sub …`
    ");
}

#[test]
fn sections_and_declarations() {
    insta::assert_snapshot!(faults("\
AWSTemplateFormatVersion: 2012-10-17
Description: [a]
Paramters: {}
Parameters: [a]
Bucket:
  Type: AWS::S3::Bucket
Resources:
  No-Dash: {Type: AWS::S3::Bucket}
  NoType: {Properties: {}}
  LowerType: {type: AWS::S3::Bucket}
  Text: hello
  Extra: {Type: AWS::S3::Bucket, BucketName: x, Propertis: {}}
  Wrong: {Type: [a], Properties: text, DependsOn: {a: b}, DeletionPolicy: Keep}
  Bad: {Type: Bucket}
Outputs:
  O: {Description: x}
"), @"
    1:27 error[format-version] unknown template format version «2012-10-17»
      hint: the only one is `2010-09-09`
    2:14 error[wrong-type] `Description` must be text, not a list «[a]»
    3:1 error[unknown-section] unknown section `Paramters` «Paramters»
      hint: did you mean `Parameters`?
    4:13 error[wrong-type] section `Parameters` must be a map of names, not a list «[a]»
    5:1 error[unknown-section] unknown section `Bucket` «Bucket»
      hint: this looks like a resource: indent it below `Resources:`
    8:3 error[faulty-name] `No-Dash` is no name for an entry of `Resources` «No-Dash»
      hint: names are 1 to 255 letters and digits
    9:3 error[missing-type] resource `NoType` has no `Type` «NoType»
    10:3 error[missing-type] resource `LowerType` has no `Type` «LowerType»
      hint: write `Type` instead of `type`
    10:15 error[unknown-attribute] unknown attribute `type` of resource `LowerType` «type»
      hint: did you mean `Type`?
    11:9 error[wrong-type] `Text` in `Resources` must be a map, not text «hello»
    12:34 error[unknown-attribute] unknown attribute `BucketName` of resource `Extra` «BucketName»
      hint: properties belong below `Properties` of `Extra`
    12:49 error[unknown-attribute] unknown attribute `Propertis` of resource `Extra` «Propertis»
      hint: did you mean `Properties`?
    13:17 error[wrong-type] `Type` of resource `Wrong` must be text, not a list «[a]»
    13:34 error[wrong-type] `Properties` of `Wrong` must be a map, not text «text»
    16:3 error[missing-value] output `O` has no `Value` «O»
    13:51 error[wrong-type] `DependsOn` takes logical ids, not a map «{a: b}»
    13:75 error[wrong-type] `Keep` is no `DeletionPolicy` «Keep»
      hint: one of Delete, Retain, RetainExceptOnCreate, Snapshot
    14:15 error[resource-type] `Bucket` is no resource type «Bucket»
      hint: types look like `AWS::EC2::VPC` or `Custom::Name`
    ");
    insta::assert_snapshot!(faults("Description: nothing else\n"), @"
    1:1 error[no-resources] the template has no section `Resources` «»
      hint: declare at least one resource
    ");
}

#[test]
fn names_that_refer_to_nothing() {
    insta::assert_snapshot!(faults("\
Parameters:
  Size: {Type: String, Default: a}
Conditions:
  Large: !Equals [!Ref Siez, b]
  Circle: !Not [!Condition Around]
  Around: !Or [!Condition Circle, Condition: Larg]
  Late: !Equals [!Ref Bucket, !GetAtt Bucket.Arn]
  Odd: yes
Resources:
  Bucket:
    Type: AWS::S3::Bucket
    Condition: Lrage
    DependsOn: [Buckte, Topic]
    Properties:
      A: !Ref Bukcet
      B: !GetAtt Topci.Arn
      C: !GetAtt Size.Arn
      D: !GetAtt Topic
      E: !Sub \"가-${Bukcet}-${Topic.Arn}-${!Literal}-${AWS::Regoin}\"
      F: !Sub |
        first ${Topic}
          second ${Nothing.Here}
        ${not closed
      G: !If [Larg, a, b]
      H: !Ref Large
      I: !Sub ['${A} ${B}', {A: 1}]
  Topic:
    Type: AWS::SNS::Topic
"), @"
    4:24 error[unknown-reference] `Siez` is neither a parameter nor a resource «Siez»
      hint: did you mean `Size`?
    6:3 error[condition-cycle] conditions in a circle: `Around` → `Circle` → `Around` «Around»
      5:3 also in the circle
    6:46 error[unknown-condition] there is no condition `Larg` «Larg»
      hint: did you mean `Large`?
    7:23 error[misplaced-reference] `Bucket` is a resource, which is not known here «Bucket»
      hint: conditions and rules know parameters and pseudo parameters only
    7:31 error[misplaced-function] `Fn::GetAtt` cannot be used in a condition «!GetAtt»
      hint: conditions know parameters, mappings and other conditions only
    8:8 error[not-a-condition] a condition is expected here, not a boolean «yes»
      hint: use `Fn::Equals`, `Fn::And`, `Fn::Or`, `Fn::Not` or `Condition`
    12:16 error[unknown-condition] there is no condition `Lrage` «Lrage»
      hint: did you mean `Large`?
    13:17 error[unknown-reference] `DependsOn` names `Buckte`, which is no resource here «Buckte»
      hint: did you mean `Bucket`?
    15:15 error[unknown-reference] `Bukcet` is neither a parameter nor a resource «Bukcet»
      hint: did you mean `Bucket`?
    16:18 error[unknown-reference] `Topci` is no resource of this template «Topci.Arn»
      hint: did you mean `Topic`?
    17:18 error[unknown-reference] `Size` is a parameter, not a resource «Size.Arn»
      hint: use `!Ref Size`
    18:18 error[function-argument] `Fn::GetAtt` takes a resource and an attribute «Topic»
      hint: write `!GetAtt Resource.Attribute`
    19:18 error[unknown-reference] `Bukcet` is neither a parameter nor a resource «${Bukcet}»
      hint: did you mean `Bucket`?
    19:53 error[unknown-reference] `AWS::Regoin` is neither a parameter nor a resource «${AWS::Regoin}»
      hint: did you mean `AWS::Region`?
    22:18 error[unknown-reference] `Nothing` is no resource of this template «${Nothing.Here}»
    23:9 error[sub-syntax] `${not closed` opens a variable and never closes it «${not closed»
      hint: close it with `}`, or write `${!` for the characters themselves
    24:15 error[unknown-condition] there is no condition `Larg` «Larg»
      hint: did you mean `Large`?
    25:15 error[unknown-reference] `Large` is neither a parameter nor a resource «Large»
      hint: it is a condition: use it in `Fn::If`
    26:22 error[unknown-reference] `B` is neither a parameter nor a resource «${B}»
    ");
}

#[test]
fn functions_with_wrong_arguments() {
    insta::assert_snapshot!(faults("\
Parameters:
  P: {Type: String, Default: a}
Mappings:
  M: {Top: {Second: value}, Bad: {X: !Ref P}}
Resources:
  R:
    Type: AWS::SNS::Topic
    Properties:
      A: !Join [',']
      B: !Join [!Ref P, [a]]
      C: !Select [a, [b]]
      D: !Select [2, [a, b]]
      E: !Split ['', text]
      F: !If [a, b]
      G: !If [!Equals [a, b], c, d]
      H: !Equals [a, b]
      I: !FindInMap [N, Top, Second]
      J: !FindInMap [M, Tpo, Second]
      K: !FindInMap [M, Top, Secnd]
      L: !FindInMap [M, Top, Nope, DefaultValue: x]
      M: !Cidr [10.0.0.0/24, 4, 8]
      N: !Cidr [nonsense, 1, 8]
      O: !Cidr [10.0.0.0/16, 300, 8]
      P: !Sub [a, b, c]
      Q: !Sub {a: b}
      R: {'Fn::Length': [a]}
      S: {'Fn::Contains': [[a], b]}
      T: !Join [',', text]
      U: '{{resolve:vault:x}}'
"), @"
    4:38 error[misplaced-function] `Ref` is not evaluated here «!Ref»
      hint: parameters and mappings hold plain data
    9:10 error[function-argument] `Fn::Join` takes a list of 2 items, not 1 «!Join [',']»
    10:17 error[function-argument] the delimiter of `Fn::Join` must be plain text, not a function «!Ref P»
    11:19 error[select-index] `a` is no index: `Fn::Select` counts from 0 «a»
    12:19 error[select-index] `Fn::Select` asks for item 2 of a list of 2 «2»
      hint: the first item is 0
    13:18 error[split-delimiter] `Fn::Split` needs a delimiter «''»
    14:10 error[function-argument] `Fn::If` takes a list of 3 items, not 2 «!If [a, b]»
    15:15 error[function-argument] `Fn::If` takes the name of a condition, not a function «!Equals [a, b]»
      hint: declare it in `Conditions` and name it here
    16:10 error[misplaced-function] `Fn::Equals` cannot be used for a value «!Equals»
      hint: declare it in `Conditions` and use `Fn::If` with its name
    17:22 error[unknown-mapping] there is no mapping `N` «N»
      hint: did you mean `M`?
    18:25 error[unknown-mapping] mapping `M` has no key `Tpo` «Tpo»
      hint: did you mean `Top`?
    19:30 error[unknown-mapping] mapping `M` has no key `Secnd` «Secnd»
      hint: did you mean `Second`?
    20:36 error[function-argument] `DefaultValue` is a language extension «DefaultValue: x»
      hint: add `Transform: AWS::LanguageExtensions` to the template
    21:10 error[cidr] `10.0.0.0/24` has no room for 4 blocks of /24 «!Cidr [10.0.0.0/24, 4, 8]»
    22:10 error[cidr] `nonsense` is no address range «!Cidr [nonsense, 1, 8]»
    23:10 error[cidr] `Fn::Cidr` gives 1 to 256 blocks, not `300` «!Cidr [10.0.0.0/16, 300, 8]»
    24:10 error[function-argument] `Fn::Sub` takes a text, or a list of a text and a map «!Sub [a, b, c]»
    25:10 error[function-argument] the text of `Fn::Sub` must be plain text, not a map «!Sub {a: b}»
    26:11 error[misplaced-function] `Fn::Length` is a language extension «'Fn::Length'»
      hint: add `Transform: AWS::LanguageExtensions` to the template
    27:11 error[misplaced-function] `Fn::Contains` can be used in `Rules` only «'Fn::Contains'»
      hint: use condition functions and parameters instead
    28:22 error[function-argument] the second item of `Fn::Join` must be a list, not text «text»
    29:10 error[dynamic-reference] dynamic reference to unknown service `vault` «'{{resolve:vault:x}}'»
    ");
}

#[test]
fn resources_that_need_each_other() {
    insta::assert_snapshot!(faults("\
Resources:
  A: {Type: AWS::SNS::Topic, Properties: {X: !Ref B}}
  B: {Type: AWS::SNS::Topic, Properties: {X: !GetAtt C.Arn}}
  C:
    Type: AWS::SNS::Topic
    DependsOn: A
  Self:
    Type: AWS::SNS::Topic
    Properties:
      X: !Sub '${Self}'
"), @"
    2:46 error[dependency-cycle] resources depend on each other: `A` → `B` → `C` → `A` «!Ref B»
      3:46 `B` needs `C` here
      6:16 `C` needs `A` here
      hint: break the circle, for example with a stand-alone rule or attachment resource
    10:10 error[dependency-cycle] resources depend on each other: `Self` → `Self` «!Sub '${Self}'»
      hint: break the circle, for example with a stand-alone rule or attachment resource
    ");
}

#[test]
fn a_resource_that_does_not_exist_may_not_be_needed() {
    let text = "\
Parameters:
  On: {Type: String, Default: 'no'}
Conditions:
  IsOn: !Equals [!Ref On, 'yes']
Resources:
  Maybe: {Type: AWS::SNS::Topic, Condition: IsOn}
  Always:
    Type: AWS::SNS::Topic
    DependsOn: Maybe
    Properties:
      X: !Ref Maybe
      Y: !If [IsOn, !Ref Maybe, !Ref AWS::NoValue]
Outputs:
  O: {Value: !GetAtt Maybe.Arn}
  P: {Value: !GetAtt Maybe.Arn, Condition: IsOn}
";
    insta::assert_snapshot!(faults(text), @"
    11:10 error[absent-resource] `Maybe` does not exist here: its condition `IsOn` is false «!Ref Maybe»
      6:3 declared here, under the condition
      hint: refer to it inside `!If [IsOn, …, !Ref AWS::NoValue]`
    14:14 error[absent-resource] `Maybe` does not exist here: its condition `IsOn` is false «!GetAtt Maybe.Arn»
      6:3 declared here, under the condition
      hint: refer to it inside `!If [IsOn, …, !Ref AWS::NoValue]`
    ");
    insta::assert_snapshot!(faults_with(text, &[("On", "yes")]), @"");
}

#[test]
fn parameter_values_that_break_their_demands() {
    let text = "\
Parameters:
  Kind: {Type: String, AllowedValues: [small, large], Default: smal}
  Count: {Type: Number, MinValue: 1, MaxValue: 3}
  Name: {Type: String, MinLength: 2, MaxLength: 4, AllowedPattern: '[a-z]*', ConstraintDescription: two to four letters}
  Java: {Type: String, AllowedPattern: '(?!x).*', Default: y}
  Zones: {Type: List<Number>, Default: '1, x'}
  Odd: {Type: Strng, Default: [a]}
  Nets: {Type: CommaDelimitedList, AllowedPattern: '10\\..*', Default: '10.1, 11.1'}
Resources:
  T: {Type: AWS::SNS::Topic}
";
    let parameters = [("Count", "7"), ("Name", "A"), ("Nmae", "x")];
    insta::assert_snapshot!(faults_with(text, &parameters), @r#"
    1:1 error[unknown-parameter] the template has no parameter `Nmae`, yet a value is given «»
      hint: did you mean `Name`?
    2:64 error[parameter-value] parameter `Kind`: `smal` is not among the allowed values «smal»
      hint: did you mean `small`?
    3:3 error[parameter-value] parameter `Count`: `7` is more than 3 «Count»
    4:3 error[parameter-value] parameter `Name`: `A` does not match `[a-z]*` «Name»
      hint: two to four letters
    4:3 error[parameter-value] parameter `Name`: `A` is shorter than 2 characters «Name»
      hint: two to four letters
    5:40 warning[pattern-not-checked] pattern `(?!x).*` is not checked «'(?!x).*'»
      hint: look-around and back-references of Java patterns are beyond us
    6:40 error[parameter-value] parameter `Zones`: `x` is no number «'1, x'»
    7:15 error[parameter-type] unknown parameter type `Strng` «Strng»
      hint: did you mean `String`?
    7:31 error[wrong-type] `Default` of parameter `Odd` must be text, not a list «[a]»
      hint: a list is written as one text with commas
    8:71 error[parameter-value] parameter `Nets`: `11.1` does not match `10\..*` «'10.1, 11.1'»
    "#);
}

#[test]
fn rules_are_asserted() {
    let text = "\
Parameters:
  Env: {Type: String, Default: prod}
  Size: {Type: String, Default: small}
  Version: {Type: AWS::SSM::Parameter::Value<String>, Default: /v}
Rules:
  ProdIsLarge:
    RuleCondition: !Equals [!Ref Env, prod]
    Assertions:
      - Assert: {'Fn::Contains': [[large, huge], !Ref Size]}
        AssertDescription: production needs a large size
  NotOld:
    Assertions:
      - Assert: {'Fn::Not': [{'Fn::Contains': [['1', '2'], !Ref Version]}]}
Resources:
  T: {Type: AWS::SNS::Topic}
";
    insta::assert_snapshot!(faults(text), @"
    9:17 error[rule-assertion] the parameters break rule `ProdIsLarge` «{'Fn::Contains': [[large, huge»
      hint: production needs a large size
    ");
    insta::assert_snapshot!(faults_with(text, &[("Size", "huge")]), @"");
}

#[test]
fn what_is_not_analysed_is_said() {
    insta::assert_snapshot!(faults("\
Transform: AWS::Serverless-2016-10-31
Globals: {Function: {Timeout: 3}}
Resources:
  F:
    Type: AWS::Serverless::Function
    Properties:
      Role: !GetAtt FRole.Arn
      X: {'Fn::Transform': {Name: AWS::Include, Parameters: {Location: s3://x}}}
"), @"
    2:1 warning[not-analysed] section `Globals` «Globals»
      hint: its content is left out of everything that follows
    1:12 warning[not-analysed] transform `AWS::Serverless-2016-10-31` is not analysed «AWS::Serverless-2016-10-31»
      hint: what the macro would add or change is not seen
    8:10 warning[not-analysed] `Fn::Transform` is not analysed «{'Fn::Transform': {Name: AWS::»
      hint: what the macro would write here is not seen
    ");
}

#[test]
fn syntax_errors_in_several_sections_are_all_named() {
    insta::assert_snapshot!(faults("\
Parameters:
  A: {Type: String
Conditions:
  C: !Equals [a: b: c]
Resources:
  T:
    Type: AWS::SNS::Topic
    Type: AWS::SNS::Topic
   X: wrong indentation
Outputs:
  O: {Value: 'never closed}
"), @"
    3:11 error[syntax] not valid YAML: while parsing a flow mapping, did not find expected ',' or '}' «:»
      2:6 this `{` is still open
    8:5 error[duplicate-key] key `Type` stands here twice «Type»
      7:5 first here
      hint: remove one of the two, or give it another name
    9:4 error[syntax] not valid YAML: while parsing a block mapping, did not find expected key «X»
      hint: check the indentation: this line fits none of the levels above it
    11:14 error[syntax] not valid YAML: while scanning a quoted scalar, found unexpected end of stream «'»
      11:6 this `{` is still open
    ");
}

#[test]
fn json_is_read_as_json() {
    let text = r#"{
  "Parameters": {"P": {"Type": "String", "Default": "\ud83d\ude00\u00e9\/"}},
  "Resources": {
    "T": {"Type": "AWS::SNS::Topic", "Properties": {"Name": {"Ref": "Q"}, "N": [1, -2.5, true]}},
    "T": {"Type": "AWS::SNS::Topic"}
  }
}"#;
    insta::assert_snapshot!(faults(text), @r#"
    5:5 error[duplicate-key] key `T` stands here twice «"T"»
      4:5 first here
      hint: remove one of the two, or give it another name
    4:69 error[unknown-reference] `Q` is neither a parameter nor a resource «"Q"»
      hint: did you mean `P`?
    "#);
    insta::assert_snapshot!(faults("{\"Resources\": {\"A\": tru}}"), @"1:21 error[wrong-type] `A` in `Resources` must be a map, not text «tru»");
    insta::assert_snapshot!(faults("{\"Resources\": {\"A\": [1, 2}}"), @"1:26 error[syntax] not valid JSON: expected `,` or `]` «}»");
    insta::assert_snapshot!(faults("{\"Resources\": {\"A\": 1,}}"), @"1:21 error[wrong-type] `A` in `Resources` must be a map, not a number «1»");
    insta::assert_snapshot!(faults("{\"Resources\": {\"A"), @r#"1:16 error[syntax] not valid JSON: this text's closing quotation mark is missing «"»"#);
    insta::assert_snapshot!(faults("{\"Resources\": {}} x"), @"1:19 error[syntax] not valid JSON: the template ended before this «x»");
    insta::assert_snapshot!(faults("{\"Resources\": {\"A\": \"\\q\"}}"), @r#"1:24 error[syntax] not valid JSON: unknown escape sequence «"»"#);
    insta::assert_snapshot!(faults("{Resources: {A: {Type: 'AWS::SNS::Topic'}}}"), @"");
}

#[test]
fn the_limits_of_the_service_are_kept() {
    let mut text = "Resources:\n".to_owned();
    for number in 0..501 {
        text.push_str(&format!("  T{number}: {{Type: 'AWS::SNS::Topic'}}\n"));
    }
    insta::assert_snapshot!(faults(&text), @"502:3 error[template-limit] 501 resources; CloudFormation takes at most 500 «T500»");
    let deep = format!("Resources: {}", "[".repeat(120) + &"]".repeat(120));
    insta::assert_snapshot!(faults(&deep), @"
    1:12 error[wrong-type] section `Resources` must be a map of names, not a list «[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[»
    1:111 error[too-deep] nested more than 100 levels deep «[»
    ");
    let deeper = format!("Resources: {}", "[".repeat(100_000));
    insta::assert_snapshot!(faults(&deeper), @"
    1:267 error[syntax] not valid YAML: recursion limit exceeded «[»
      1:12 this `[` is still open
    ");
    let deepest = format!("{{\"Resources\": {}", "[".repeat(100_000));
    insta::assert_snapshot!(faults(&deepest), @"1:100015 error[syntax] not valid JSON: expected a value; text needs double quotes «»");
}

#[test]
fn a_hidden_value_is_never_repeated() {
    let text = "\
Parameters:
  Password: {Type: String, NoEcho: true, MinLength: 12, AllowedPattern: '[a-z]+', AllowedValues: [hunter22]}
Resources:
  T: {Type: AWS::SNS::Topic}
";
    let said = faults_with(text, &[("Password", "hunter2")]);
    assert!(said.contains("error[parameter-value]"), "{said}");
    assert!(!said.contains("hunter2"), "{said}");
}
