//! Are templates of the shapes other tools write read as they mean?

use cfn::{Diagnostic, Environment, Kind, Stack, Symbol};

fn evaluate(name: &str, text: &str) -> (Stack, Vec<Diagnostic>) {
    let (template, mut faults) = cfn::parse(name, text);
    let environment = Environment {
        account_id: "123456789012".to_owned(),
        region: "ap-northeast-2".to_owned(),
        stack_name: "fixture".to_owned(),
        parameters: [].into(),
    };
    let (stack, more) = cfn::evaluate(&template, &environment);
    faults.extend(more);
    (stack, faults)
}

#[test]
fn what_cdk_writes() {
    let (stack, faults) = evaluate("cdk.json", include_str!("fixtures/cdk.json"));
    assert_eq!(faults, []);
    assert_eq!(stack.conditions["CDKMetadataAvailable"], Some(true));
    assert_eq!(
        stack.resources["Db"].depends_on,
        ["Secret", "TaskRole30FC0FBB"]
    );
    let password = stack.resources["Db"].properties.get("MasterUserPassword");
    let reference = "{{resolve:secretsmanager:${Secret}:SecretString:password::}}".to_owned();
    assert_eq!(
        password.map(|value| &value.kind),
        Some(&Kind::Symbol(Symbol::Secret(reference)))
    );
    let policies = stack.resources["TaskRole30FC0FBB"]
        .properties
        .get("ManagedPolicyArns");
    let policies = policies.map(ToString::to_string);
    assert_eq!(
        policies.as_deref(),
        Some("[arn:aws:iam::aws:policy/ReadOnlyAccess]")
    );
    let path = stack.resources["Vpc8378EB38"].metadata.as_ref();
    let path = path.and_then(|metadata| metadata.get("aws:cdk:path")?.as_text());
    assert_eq!(path, Some("App/Vpc/Resource"));
}

#[test]
fn what_sam_expands_is_not_analysed_but_no_fault() {
    let (stack, faults) = evaluate("sam.yaml", include_str!("fixtures/sam.yaml"));
    let said: Vec<&str> = faults.iter().map(|fault| fault.message.as_str()).collect();
    assert_eq!(
        said,
        [
            "section `Globals`",
            "transform `AWS::Serverless-2016-10-31` is not analysed"
        ]
    );
    assert!(
        faults
            .iter()
            .all(|fault| fault.code == "not-analysed" && !fault.is_error())
    );
    assert_eq!(stack.resources["Hello"].depends_on, ["Table"]);
    assert_eq!(
        stack.resources["Table"].deletion_policy.as_deref(),
        Some("Retain")
    );
    let url = stack.outputs["Url"].value.to_string();
    assert_eq!(
        url,
        "https://${ServerlessRestApi}.execute-api.ap-northeast-2.amazonaws.com/Prod/hello/"
    );
}
