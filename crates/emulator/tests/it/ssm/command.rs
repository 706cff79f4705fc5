//! Run Command, as an agent that polls sees it.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::bed::{Bed, INSTANCE, OTHER};
use crate::support::*;

async fn agent(bed: &Bed, operation: &str, input: &Value) -> (u16, Value) {
    let who = bed.agent_credentials(INSTANCE);
    bed.json(&who, &format!("ec2messages.{operation}"), input)
        .await
}

fn poll() -> Value {
    json!({ "Destination": INSTANCE, "MessagesRequestId": "r-1", "VisibilityTimeoutInSeconds": 10 })
}

fn script(lines: &[&str]) -> Value {
    json!({ "DocumentName": "AWS-RunShellScript", "InstanceIds": [INSTANCE], "Comment": "look",
            "TimeoutSeconds": 60, "Parameters": { "commands": lines, "executionTimeout": ["100"] } })
}

async fn state(bed: &Bed, command: &str) -> Value {
    let asked = json!({ "CommandId": command, "InstanceId": INSTANCE });
    bed.ok("GetCommandInvocation", &asked).await
}

#[tokio::test]
async fn a_script_goes_to_the_agent_that_waits_and_its_outcome_comes_back() {
    let bed = Bed::start();
    bed.report(INSTANCE).await;
    let input = poll();
    let waiting = agent(&bed, "GetMessages", &input);
    let sending = async {
        // the poll is there first, so that sending is what ends it
        let asked = |bed: &Bed| {
            let trail = bed.account.emulator.audit();
            trail
                .iter()
                .any(|event| event.action == "ec2messages:GetMessages")
        };
        super::eventually(async || asked(&bed)).await;
        let sent = bed.ok("SendCommand", &script(&["echo hello", "id"])).await;
        (sent, Instant::now())
    };
    let (polled, (sent, at)) = tokio::join!(waiting, sending);
    assert!(
        at.elapsed() < Duration::from_secs(1),
        "the poll ended with the message"
    );
    let id = sent["Command"]["CommandId"].as_str().unwrap().to_owned();
    assert_eq!(sent["Command"]["Status"], "Pending");
    assert_eq!(sent["Command"]["TargetCount"], 1);
    let polled = ok(polled);
    assert_eq!(polled["MessagesRequestId"], "r-1");
    let message = &polled["Messages"][0];
    assert_eq!(message["Topic"], "aws.ssm.sendCommand.ap-northeast-2");
    let payload: Value = serde_json::from_str(message["Payload"].as_str().unwrap()).unwrap();
    assert_eq!(payload["CommandId"], id.as_str());
    assert_eq!(
        payload["Parameters"],
        json!({ "commands": ["echo hello", "id"], "executionTimeout": "100", "workingDirectory": "" })
    );
    assert_eq!(
        payload["DocumentContent"]["mainSteps"][0]["action"],
        "aws:runShellScript"
    );
    assert_eq!(state(&bed, &id).await["ResponseCode"], -1);

    let this = json!({ "MessageId": message["MessageId"] });
    ok(agent(&bed, "AcknowledgeMessage", &this).await);
    assert_eq!(state(&bed, &id).await["Status"], "InProgress");
    let reply = json!({ "documentStatus": "Failed", "documentTraceOutput": "", "runtimeStatus": {
        "aws:runShellScript": { "status": "Failed", "code": 3, "name": "aws:runShellScript",
            "output": "both", "standardOutput": "hello\n", "standardError": "no\n",
            "startDateTime": "2026-11-22T10:00:00.5Z", "endDateTime": "2026-11-22T10:00:02Z" } } });
    let answer =
        json!({ "MessageId": message["MessageId"], "ReplyId": "x", "Payload": reply.to_string() });
    ok(agent(&bed, "SendReply", &answer).await);
    ok(agent(&bed, "DeleteMessage", &this).await);
    let done = state(&bed, &id).await;
    assert_eq!(done["Status"], "Failed");
    assert_eq!(done["ResponseCode"], 3);
    assert_eq!(done["StandardOutputContent"], "hello\n");
    assert_eq!(done["StandardErrorContent"], "no\n");
    assert_eq!(done["ExecutionElapsedTime"], "PT1.500S");
    let listed = bed
        .ok(
            "ListCommandInvocations",
            &json!({ "CommandId": id, "Details": true }),
        )
        .await;
    let plugin = &listed["CommandInvocations"][0]["CommandPlugins"][0];
    assert_eq!(plugin["Output"], "hello\n\n----------ERROR-------\nno\n");
    let commands = bed.ok("ListCommands", &json!({})).await;
    assert_eq!(commands["Commands"][0]["ErrorCount"], 1);
}

#[tokio::test]
async fn what_is_not_taken_or_not_doable_ends_as_such() {
    let bed = Bed::start();
    bed.report(INSTANCE).await;
    let sent = async |lines: &[&str]| {
        let sent = bed.ok("SendCommand", &script(lines)).await;
        sent["Command"]["CommandId"].as_str().unwrap().to_owned()
    };
    // handed out and never acknowledged: it comes again
    let first = sent(&["true"]).await;
    let once = ok(agent(&bed, "GetMessages", &poll()).await);
    bed.account.clock.advance_seconds(11);
    let twice = ok(agent(&bed, "GetMessages", &poll()).await);
    assert_eq!(
        once["Messages"][0]["MessageId"],
        twice["Messages"][0]["MessageId"]
    );
    bed.account.clock.advance_seconds(50);
    let late = state(&bed, &first).await;
    assert_eq!(
        (&late["Status"], &late["StatusDetails"]),
        (&json!("TimedOut"), &json!("DeliveryTimedOut"))
    );
    let this = json!({ "MessageId": twice["Messages"][0]["MessageId"] });
    let (code, _) = refused(agent(&bed, "AcknowledgeMessage", &this).await);
    assert_eq!(code, "InvalidMessageIdException");

    let second = sent(&["true"]).await;
    bed.ok("CancelCommand", &json!({ "CommandId": second }))
        .await;
    assert_eq!(state(&bed, &second).await["Status"], "Cancelled");

    let third = sent(&["true"]).await;
    let message = ok(agent(&bed, "GetMessages", &poll()).await)["Messages"][0]["MessageId"].clone();
    let failed = json!({ "MessageId": message, "FailureType": "NoHandlerExists" });
    ok(agent(&bed, "FailMessage", &failed).await);
    let failed = state(&bed, &third).await;
    assert_eq!(failed["Status"], "Failed");
    assert_eq!(failed["StandardErrorContent"], "NoHandlerExists");
}

#[tokio::test]
async fn an_agent_has_its_own_messages_only() {
    let bed = Bed::start();
    bed.report(INSTANCE).await;
    let sent = bed.ok("SendCommand", &script(&["true"])).await;
    let id = sent["Command"]["CommandId"].as_str().unwrap();
    let other = bed.agent_credentials(OTHER);
    let (code, _) = refused(bed.json(&other, "ec2messages.GetMessages", &poll()).await);
    assert_eq!(code, "AccessDeniedException");
    let this = json!({ "MessageId": format!("aws.ssm.{id}.{INSTANCE}"), "Payload": "{}" });
    for operation in [
        "AcknowledgeMessage",
        "SendReply",
        "DeleteMessage",
        "FailMessage",
    ] {
        let operation = format!("ec2messages.{operation}");
        let (code, _) = refused(bed.json(&other, &operation, &this).await);
        assert_eq!(code, "AccessDeniedException", "{operation}");
    }
    let endpoint = json!({ "Destination": INSTANCE, "Protocol": "messaging" });
    let endpoint = ok(agent(&bed, "GetEndpoint", &endpoint).await);
    assert_eq!(
        endpoint["Endpoint"]["Endpoint"],
        "ec2messages.ap-northeast-2.amazonaws.com"
    );
}

#[tokio::test]
async fn targets_are_managed_instances_the_caller_may_command() {
    let mut seed = super::bed::seed_with_instances();
    let commands = |resource: String, condition: Value| {
        json!({ "Effect": "Allow", "Action": "ssm:SendCommand", "Resource": resource,
                "Condition": condition })
    };
    seed.users.push(emulator::UserSeed {
        name: "person".into(),
        arn: format!("arn:aws:iam::{ACCOUNT}:user/person"),
        policies: vec![policy(
            "Commands",
            &json!([
                commands(
                    format!("arn:aws:ec2:{REGION}:{ACCOUNT}:instance/*"),
                    json!({ "StringEquals": { "ssm:resourceTag/Project": "Kickytime" } })
                ),
                commands(
                    format!("arn:aws:ssm:{REGION}::document/AWS-RunShellScript"),
                    json!({})
                ),
            ]),
        )],
        boundary: None,
        tags: emulator::Tags::new(),
    });
    let bed = Bed::with(seed);
    let person = bed.account.emulator.user_credentials("person").unwrap();
    let to = |targets: Value| {
        let mut input = script(&["true"]);
        input.as_object_mut().unwrap().remove("InstanceIds");
        input["Targets"] = targets;
        input
    };
    let (code, message) = bed.refused("SendCommand", &script(&["true"])).await;
    assert_eq!(code, "InvalidInstanceId");
    assert!(
        message.contains(&format!("[[{INSTANCE}]] not in a valid state")),
        "{message}"
    );
    bed.report(INSTANCE).await;
    bed.report(OTHER).await;
    let project = json!([{ "Key": "tag:Project", "Values": ["Kickytime"] }]);
    let sent = ok(bed.json(&person, "SendCommand", &to(project)).await);
    assert_eq!(sent["Command"]["InstanceIds"], json!([INSTANCE]));
    let all = json!([{ "Key": "tag-key", "Values": ["Project"] }]);
    let (code, message) = refused(bed.json(&person, "SendCommand", &to(all)).await);
    assert_eq!(code, "AccessDeniedException");
    assert!(message.contains(&format!("instance/{OTHER}")), "{message}");
    for (change, value, expected) in [
        (
            "DocumentName",
            json!("AWS-RunPatchBaseline"),
            "InvalidDocument",
        ),
        ("Parameters", json!({}), "InvalidParameters"),
        ("TimeoutSeconds", json!(5), "ValidationException"),
        ("OutputS3BucketName", json!("b"), "NotImplemented"),
    ] {
        let mut input = script(&["true"]);
        input[change] = value;
        let (code, message) = bed.refused("SendCommand", &input).await;
        assert_eq!(code, expected, "{message}");
    }
}
