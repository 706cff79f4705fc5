//! Is what `check --format sarif` writes SARIF, by its published schema?

use std::io::Write as _;
use std::process::{Command, Stdio};

use serde_json::Value;

const SCHEMA: &str = include_str!("../data/sarif-schema-2.1.0.json");
const TEMPLATE: &str = include_str!("../../../../infra/kickytime.yaml");

/// `check --format sarif` of a template, from a file of this name or, for `-`,
/// from standard input: its exit status, and what it wrote, which is valid.
fn sarif(name: &str, template: &str) -> (Option<i32>, Value) {
    let directory = tempfile::tempdir().expect("a directory");
    if name != "-" {
        std::fs::write(directory.path().join(name), template).expect("writable");
    }
    let mut child = Command::new(env!("CARGO_BIN_EXE_kickytime"))
        .args(["check", "--format", "sarif", name])
        .current_dir(directory.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("kickytime starts");
    let mut input = child.stdin.take().expect("piped");
    if name == "-" {
        input.write_all(template.as_bytes()).expect("it reads");
    }
    drop(input);
    let output = child.wait_with_output().expect("it ends");
    let log: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_valid(&log);
    (output.status.code(), log)
}

fn assert_valid(log: &Value) {
    let mut schemas = boon::Schemas::new();
    let mut compiler = boon::Compiler::new();
    // a URI that is none is what viewers stumble over
    compiler.enable_format_assertions();
    let schema = serde_json::from_str(SCHEMA).expect("JSON");
    let name = "sarif-schema-2.1.0.json";
    compiler.add_resource(name, schema).expect("a schema");
    let index = compiler.compile(name, &mut schemas).expect("a schema");
    if let Err(fault) = schemas.validate(log, index) {
        panic!("{fault:#}\n{log:#}");
    }
}

fn results(log: &Value) -> &Vec<Value> {
    log["runs"][0]["results"].as_array().expect("results")
}

/// The file each result is in.
fn places(log: &Value) -> Vec<&str> {
    let place = |result| -> &Value { &Value::get(result, "locations").expect("a place")[0] };
    let uri = |result| {
        let artifact = &place(result)["physicalLocation"]["artifactLocation"];
        artifact["uri"].as_str().expect("a file")
    };
    results(log).iter().map(uri).collect()
}

fn rules(log: &Value) -> Vec<&str> {
    let results = results(log).iter();
    results
        .filter_map(|result| result["ruleId"].as_str())
        .collect()
}

#[test]
fn our_own_template() {
    let (code, log) = sarif("kickytime.yaml", TEMPLATE);
    // what the template itself explains would be an open alert
    assert_eq!(code, Some(0));
    assert!(results(&log).is_empty(), "{:#?}", results(&log));
    assert_eq!(
        log["runs"][0]["invocations"][0]["executionSuccessful"],
        true
    );
}

#[test]
fn a_template_with_findings() {
    let open = TEMPLATE.replacen("PubliclyAccessible: false", "PubliclyAccessible: true", 1);
    assert_ne!(open, TEMPLATE);
    let (code, log) = sarif("kickytime.yaml", &open);
    assert_eq!(code, Some(1));
    assert!(
        rules(&log).contains(&"database-exposure"),
        "{:?}",
        rules(&log)
    );
    assert!(places(&log).iter().all(|uri| *uri == "kickytime.yaml"));
}

#[test]
fn a_template_with_errors() {
    let broken = "Resources:\n  Topic:\n    Type: AWS::SNS::Topic\n    Properties: { TopicName: !Ref Nobody }\n";
    let (code, log) = sarif("broken.yaml", broken);
    assert_eq!(code, Some(2));
    assert_eq!(rules(&log), ["unknown-reference"]);
    assert_eq!(
        log["runs"][0]["invocations"][0]["executionSuccessful"],
        false
    );
}

#[test]
fn text_that_is_no_template() {
    let (code, log) = sarif("broken.json", "{\"Resources\": ");
    assert_eq!(code, Some(2));
    assert_eq!(rules(&log), ["syntax"]);
}

#[test]
fn standard_input_and_names_that_are_no_uri() {
    let open = "Resources:\n  Bucket: { Type: AWS::S3::Bucket }\n  Policy:\n    Type: AWS::S3::BucketPolicy\n    Properties: { Bucket: !Ref Bucket, PolicyDocument: { Version: '2012-10-17', Statement: [{ Effect: Allow, Principal: '*', Action: s3:GetObject, Resource: '*' }] } }\n";
    let (code, log) = sarif("-", open);
    assert_eq!(code, Some(1));
    assert!(rules(&log).contains(&"public-resource"));
    let (_, log) = sarif("a b#c%ü.yaml", open);
    assert!(
        places(&log).contains(&"a%20b%23c%25%C3%BC.yaml"),
        "{:?}",
        places(&log)
    );
}

/// What was not analysed is told, as a notification: it is no fault of the template.
#[test]
fn what_is_not_analysed_is_named() {
    let text = "Resources:\n  Queue: { Type: AWS::SQS::Queue }\n";
    let (code, log) = sarif("queue.yaml", text);
    assert_eq!(code, Some(0));
    let told = &log["runs"][0]["invocations"][0]["toolExecutionNotifications"];
    assert_eq!(
        told[0]["message"]["text"],
        "not analysed: resource type `AWS::SQS::Queue` (Queue)"
    );
    assert_eq!(
        told[0]["locations"][0]["physicalLocation"]["region"]["startLine"],
        2
    );
}
