//! What the unmodified aws-cli makes of Systems Manager.

use std::time::Duration;

use serde_json::{Value, json};

use super::Cli;
use crate::ssm::bed::{INSTANCE, INSTANCE_ROLE, seed_with_instances};
use crate::support::*;

/// The instance's agent, as far as API calls go; aws-cli signs with it here too.
fn as_agent(cli: &Cli) -> emulator::Credentials {
    let hour = Duration::from_secs(3_600);
    let session =
        cli.emulator
            .role_session("ec2.amazonaws.com", None, INSTANCE_ROLE, INSTANCE, hour);
    session.unwrap()
}

fn report(cli: &Cli) {
    let agent = as_agent(cli);
    let request = http::Request::post("/")
        .header("host", format!("ssm.{REGION}.amazonaws.com"))
        .header("x-amz-target", "AmazonSSM.UpdateInstanceInformation")
        .body(
            json!({ "InstanceId": INSTANCE, "AgentName": "amazon-ssm-agent",
                    "AgentVersion": "3.3.3572.0", "PlatformType": "Linux" })
            .to_string()
            .into(),
        )
        .unwrap();
    let request = signed_at(&emulator::SystemClock, &agent, "ssm", request);
    ok(parts(&cli.emulator.handle(&request, &direct())));
}

#[test]
fn parameters_and_documents_are_read() {
    let Some(cli) = Cli::with(seed_with_instances()) else {
        return;
    };
    let answer = cli.json(&["ssm", "get-parameter", "--name", "/kickytime/image-tag"]);
    assert_eq!(answer["Parameter"]["Value"], "v1");
    let arn = answer["Parameter"]["ARN"].as_str().unwrap();
    assert_eq!(
        arn,
        "arn:aws:ssm:ap-northeast-2:111122223333:parameter/kickytime/image-tag"
    );
    assert_eq!(cli.json(&["ssm", "get-parameter", "--name", arn]), answer);
    let names = [
        "ssm",
        "get-parameters",
        "--names",
        "/kickytime/image-tag",
        "/none",
    ];
    let answer = cli.json(&names);
    assert_eq!(answer["Parameters"][0]["Type"], "String");
    assert_eq!(answer["InvalidParameters"], json!(["/none"]));
    let refused = cli.refused(&["ssm", "get-parameter", "--name", "/none"]);
    assert!(refused.contains("(ParameterNotFound)"), "{refused}");

    let listed = cli.json(&[
        "ssm",
        "list-documents",
        "--filters",
        "Key=Owner,Values=Amazon",
    ]);
    let names = |listed: &Value| -> Vec<String> {
        let list = listed["DocumentIdentifiers"].as_array().unwrap();
        list.iter()
            .map(|d| d["Name"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(
        names(&listed),
        [
            "AWS-RunShellScript",
            "AWS-StartPortForwardingSession",
            "AWS-StartPortForwardingSessionToRemoteHost",
            "AWS-StartSSHSession"
        ]
    );
    let listed = cli.json(&[
        "ssm",
        "list-documents",
        "--filters",
        "Key=Owner,Values=Self",
    ]);
    assert_eq!(
        names(&listed),
        ["SSM-SessionManagerRunShell", "kickytime-shell"]
    );
    let remote = "AWS-StartPortForwardingSessionToRemoteHost";
    let described = cli.json(&["ssm", "describe-document", "--name", remote]);
    let parameters = described["Document"]["Parameters"].as_array().unwrap();
    assert_eq!(parameters.len(), 3);
    assert_eq!(parameters[2]["DefaultValue"], "80");
    let document = cli.json(&["ssm", "get-document", "--name", "kickytime-shell"]);
    let content: Value = serde_json::from_str(document["Content"].as_str().unwrap()).unwrap();
    assert_eq!(content["sessionType"], "Standard_Stream");
    let refused = cli.refused(&["ssm", "put-parameter", "--name", "a", "--value", "b"]);
    assert!(
        refused.contains("`PutParameter` of `AWS Systems Manager`"),
        "{refused}"
    );
}

#[test]
fn instances_commands_and_sessions_are_asked_for() {
    let Some(cli) = Cli::with(seed_with_instances()) else {
        return;
    };
    let none = cli.json(&["ssm", "describe-instance-information"]);
    assert_eq!(none["InstanceInformationList"], json!([]));
    report(&cli);
    let filter = "Key=tag:Project,Values=Kickytime";
    let one = cli.json(&["ssm", "describe-instance-information", "--filters", filter]);
    assert_eq!(one["InstanceInformationList"][0]["PingStatus"], "Online");
    assert_eq!(
        one["InstanceInformationList"][0]["ComputerName"],
        "ip-10-0-10-5.ap-northeast-2.compute.internal"
    );
    let status = cli.json(&["ssm", "get-connection-status", "--target", INSTANCE]);
    assert_eq!(status["Status"], "notconnected");
    let refused = cli.refused(&["ssm", "start-session", "--target", INSTANCE]);
    assert!(
        refused.contains("(TargetNotConnected)") && refused.contains("is not connected."),
        "{refused}"
    );
    let sessions = cli.json(&["ssm", "describe-sessions", "--state", "Active"]);
    assert_eq!(sessions["Sessions"], json!([]));

    let sent = cli.json(&[
        "ssm",
        "send-command",
        "--document-name",
        "AWS-RunShellScript",
        "--instance-ids",
        INSTANCE,
        "--parameters",
        r#"{"commands":["id"]}"#,
    ]);
    let id = sent["Command"]["CommandId"].as_str().unwrap();
    let this = ["--command-id", id, "--instance-id", INSTANCE];
    let invocation = cli.json(&[&["ssm", "get-command-invocation"][..], &this].concat());
    assert_eq!(invocation["Status"], "Pending");
    cli.ok(&["ssm", "cancel-command", "--command-id", id]);
    let listed = cli.json(&["ssm", "list-command-invocations", "--command-id", id]);
    assert_eq!(listed["CommandInvocations"][0]["Status"], "Cancelled");
}
