//! What the template's `OperatorPolicy` lets its user do, and nothing else.

use serde_json::{Value, json};

use super::bed::{Bed, INSTANCE, OTHER, seed_with_instances};
use crate::support::*;
use emulator::*;

const REMOTE: &str = "AWS-StartPortForwardingSessionToRemoteHost";

/// As in `infra/kickytime.yaml`, with its names resolved.
fn operator_policy() -> Value {
    let ssm = format!("arn:aws:ssm:{REGION}:{ACCOUNT}");
    json!([
        { "Sid": "SessionsWithInstancesOfTheProject", "Effect": "Allow", "Action": "ssm:StartSession",
          "Resource": format!("arn:aws:ec2:{REGION}:{ACCOUNT}:instance/*"),
          "Condition": {
              "StringEquals": { "ssm:resourceTag/Project": "Kickytime" },
              "BoolIfExists": { "ssm:SessionDocumentAccessCheck": "true" } } },
        { "Sid": "OnlyTheseKindsOfSession", "Effect": "Allow", "Action": "ssm:StartSession",
          "Resource": [format!("{ssm}:document/kickytime-shell"),
                       format!("arn:aws:ssm:{REGION}::document/{REMOTE}")] },
        { "Sid": "OnlyTheirOwnSessions", "Effect": "Allow",
          "Action": ["ssm:ResumeSession", "ssm:TerminateSession", "ssmmessages:OpenDataChannel"],
          "Resource": [format!("{ssm}:session/${{aws:username}}-*"),
                       format!("{ssm}:session/${{aws:userid}}-*")] },
        { "Sid": "FindTargets", "Effect": "Allow",
          "Action": ["ec2:DescribeInstances", "ssm:DescribeInstanceInformation"], "Resource": "*" },
    ])
}

fn seed() -> Seed {
    let mut seed = seed_with_instances();
    for name in ["person", "another"] {
        seed.users.push(UserSeed {
            name: name.into(),
            arn: format!("arn:aws:iam::{ACCOUNT}:user/{name}"),
            policies: vec![policy("OperatorPolicy", &operator_policy())],
            boundary: None,
            tags: Tags::new(),
        });
    }
    seed
}

struct Case {
    bed: Bed,
    who: Credentials,
}

impl Case {
    async fn allowed(&self, name: &str, input: Value) -> Value {
        ok(self.bed.json(&self.who, name, &input).await)
    }

    async fn denied(&self, name: &str, input: Value) -> String {
        let (code, message) = refused(self.bed.json(&self.who, name, &input).await);
        assert_eq!(code, "AccessDeniedException", "{message}");
        message
    }
}

#[tokio::test]
async fn sessions_with_the_projects_instances_and_these_documents_only() {
    let bed = Bed::with(seed());
    let _agents = (bed.agent(INSTANCE).await, bed.agent(OTHER).await);
    let who = bed.account.emulator.user_credentials("person").unwrap();
    let case = Case { bed, who };
    let to = |target: &str, document: &str| {
        json!({ "Target": target, "DocumentName": document,
                "Parameters": if document == REMOTE { json!({ "host": ["h"] }) } else { json!({}) } })
    };
    case.allowed("StartSession", to(INSTANCE, REMOTE)).await;
    case.allowed("StartSession", to(INSTANCE, "kickytime-shell"))
        .await;
    // another project's instance; an instance that does not exist
    let message = case.denied("StartSession", to(OTHER, REMOTE)).await;
    assert!(message.contains(&format!("instance/{OTHER}")), "{message}");
    case.denied("StartSession", to("i-0ccccccccccccccc3", REMOTE))
        .await;
    // other documents, the default one, one that does not exist
    for document in [
        "AWS-StartPortForwardingSession",
        "AWS-StartSSHSession",
        "AWS-Nothing",
    ] {
        let message = case.denied("StartSession", to(INSTANCE, document)).await;
        assert!(
            message.contains(&format!("document/{document}")),
            "{message}"
        );
    }
    let message = case
        .denied("StartSession", json!({ "Target": INSTANCE }))
        .await;
    assert!(
        message.contains("document/SSM-SessionManagerRunShell"),
        "{message}"
    );
    // what it may see
    case.allowed("DescribeInstanceInformation", json!({})).await;
    case.denied("DescribeSessions", json!({ "State": "Active" }))
        .await;
    case.denied("GetConnectionStatus", json!({ "Target": INSTANCE }))
        .await;
}

#[tokio::test]
async fn their_own_sessions_and_nobody_elses() {
    let bed = Bed::with(seed());
    let _agent = bed.agent(INSTANCE).await;
    let user = |name: &str| bed.account.emulator.user_credentials(name).unwrap();
    let (person, another) = (user("person"), user("another"));
    let start = json!({ "Target": INSTANCE, "DocumentName": "kickytime-shell" });
    let started = ok(bed.json(&person, "StartSession", &start).await);
    let id = started["SessionId"].as_str().unwrap().to_owned();
    assert!(id.starts_with("person-"), "{id}");
    let this = json!({ "SessionId": id });

    for operation in ["ResumeSession", "TerminateSession"] {
        let (code, _) = refused(bed.json(&another, operation, &this).await);
        assert_eq!(code, "AccessDeniedException", "{operation}");
    }
    assert_eq!(bed.signed_socket(&another, &id).await.err(), Some(403));
    let mut socket = bed.signed_socket(&person, &id).await.unwrap();
    socket
        .open_data(started["TokenValue"].as_str().unwrap())
        .await;
    super::eventually(async || {
        let trail = bed.account.emulator.audit();
        trail
            .iter()
            .any(|e| e.action == "ssmmessages:OpenDataChannel" && e.allowed)
    })
    .await;
    ok(bed.json(&person, "ResumeSession", &this).await);
    ok(bed.json(&person, "TerminateSession", &this).await);
    // a role's session is another user, with a name of its own in the id
    let decisions: Vec<_> = bed
        .account
        .emulator
        .audit()
        .iter()
        .filter(|event| event.action == "ssm:TerminateSession")
        .map(|event| event.allowed)
        .collect();
    assert_eq!(decisions, [false, true]);
}

/// A policy that does not ask for the check lets the default document be used without permission
/// for it, and still asks for one that is named.
#[tokio::test]
async fn without_the_condition_the_default_document_needs_no_permission() {
    let mut seed = seed();
    seed.users[1].policies = vec![policy(
        "Instances",
        &json!([{ "Effect": "Allow", "Action": "ssm:StartSession",
                  "Resource": format!("arn:aws:ec2:{REGION}:{ACCOUNT}:instance/*"),
                  "Condition": { "StringEquals": { "aws:ResourceTag/Project": "Kickytime" } } }]),
    )];
    let bed = Bed::with(seed);
    let _agent = bed.agent(INSTANCE).await;
    let who = bed.account.emulator.user_credentials("person").unwrap();
    let case = Case { bed, who };
    case.allowed("StartSession", json!({ "Target": INSTANCE }))
        .await;
    let named = json!({ "Target": INSTANCE, "DocumentName": "SSM-SessionManagerRunShell" });
    case.denied("StartSession", named).await;
}

/// `aws:userid` of a role's session holds a colon; a session's other name does too.
#[tokio::test]
async fn sessions_of_roles_are_their_owners_too() {
    let mut seed = seed();
    seed.roles[0].policies = vec![policy("OperatorPolicy", &operator_policy())];
    let bed = Bed::with(seed);
    let _agent = bed.agent(INSTANCE).await;
    let (one, two) = (bed.account.task_like("kim"), bed.account.task_like("lee"));
    let start = json!({ "Target": INSTANCE, "DocumentName": "kickytime-shell" });
    let started = ok(bed.json(&one, "StartSession", &start).await);
    let id = started["SessionId"].as_str().unwrap();
    assert!(id.starts_with("kim-"), "{id}");
    let this = json!({ "SessionId": id });
    let (code, _) = refused(bed.json(&two, "TerminateSession", &this).await);
    assert_eq!(code, "AccessDeniedException");
    ok(bed.json(&one, "TerminateSession", &this).await);
}
