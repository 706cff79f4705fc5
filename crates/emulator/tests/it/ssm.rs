//! Sessions over real websockets: a person, an agent, and the service between them.

use std::time::Duration;

use bytes::Bytes;
use emulator::Sensitive;
use http::Request;
use serde_json::{Value, json};
use session::message::MessageKind;

use crate::support::*;

pub(crate) mod bed;
mod command;
mod policy;

use bed::{Bed, INSTANCE, OTHER, binary};

const REMOTE: &str = "AWS-StartPortForwardingSessionToRemoteHost";

fn to_database() -> Value {
    json!({ "Target": INSTANCE, "DocumentName": REMOTE, "Reason": "look",
            "Parameters": { "host": ["db.internal"], "portNumber": ["5432"] } })
}

#[tokio::test]
async fn frames_go_both_ways_and_the_agents_end_is_told_to_the_person() {
    let bed = Bed::start();
    let mut agent = bed.agent(INSTANCE).await;
    let started = bed.ok("StartSession", &to_database()).await;
    let id = started["SessionId"].as_str().unwrap().to_owned();
    assert!(id.starts_with("operator-") && id.len() == 9 + 26, "{id}");

    let (kind, shell) = agent.control.json().await;
    assert_eq!(kind, "interactive_shell");
    let content: Value = serde_json::from_str(shell["Content"].as_str().unwrap()).unwrap();
    assert_eq!(content["SessionId"], id.as_str());
    assert_eq!(
        content["SessionOwner"],
        "arn:aws:iam::111122223333:user/operator"
    );
    assert_eq!(
        content["DocumentContent"]["properties"],
        json!({ "host": "db.internal", "portNumber": "5432", "localPortNumber": "0",
                "type": "LocalPortForwarding" })
    );

    let mut client = bed.client(&started).await;
    let mut data = agent.join(&bed, &id).await;
    client.send(binary("input_stream_data", b"hello")).await;
    assert_eq!(
        data.message_of("input_stream_data").await.payload,
        b"hello"[..]
    );
    for text in ["one", "two"] {
        data.send(binary("output_stream_data", text.as_bytes()))
            .await;
    }
    for text in ["one", "two"] {
        let message = client.message_of("output_stream_data").await;
        assert_eq!(message.payload, text.as_bytes());
    }
    let described = bed
        .ok("DescribeSessions", &json!({ "State": "Active" }))
        .await;
    assert_eq!(described["Sessions"][0]["Status"], "Connected");

    agent
        .complete(&id, "Failed", "Connection to destination port failed")
        .await;
    let closed = client.closed().await;
    assert_eq!(closed["Output"], "Connection to destination port failed");
    let ended = bed
        .ok("DescribeSessions", &json!({ "State": "History" }))
        .await;
    assert_eq!(ended["Sessions"][0]["Status"], "Failed");
    assert_eq!(ended["Sessions"][0]["Reason"], "look");
    let resumed = bed.ok("ResumeSession", &json!({ "SessionId": id })).await;
    assert_eq!(resumed, json!({ "SessionId": id }), "over: no token");
}

#[tokio::test]
async fn neither_end_may_say_what_is_the_others_or_the_services() {
    let bed = Bed::start();
    let agent = bed.agent(INSTANCE).await;
    let started = bed.ok("StartSession", &to_database()).await;
    let id = started["SessionId"].as_str().unwrap().to_owned();
    let mut client = bed.client(&started).await;
    let mut data = agent.join(&bed, &id).await;
    for forged in [
        "channel_closed",
        "output_stream_data",
        "agent_session_state",
        "x",
    ] {
        client.send(binary(forged, b"forged")).await;
    }
    client.send(Bytes::from_static(b"short")).await;
    client.send(binary("acknowledge", b"fine")).await;
    loop {
        let message = data.message().await;
        match message.kind {
            MessageKind::StartPublication | MessageKind::PausePublication => {}
            MessageKind::Acknowledge => break,
            other => panic!("{other:?} got through"),
        }
    }
}

#[tokio::test]
async fn a_person_comes_back_with_a_new_token_and_nothing_is_lost() {
    let bed = Bed::start();
    let agent = bed.agent(INSTANCE).await;
    let started = bed.ok("StartSession", &to_database()).await;
    let id = started["SessionId"].as_str().unwrap().to_owned();
    let client = bed.client(&started).await;
    let mut data = agent.join(&bed, &id).await;
    data.message_of("start_publication").await;
    drop(client);
    data.message_of("pause_publication").await;
    data.send(binary("output_stream_data", b"kept")).await;

    let refused = bed.client_refused(&started).await;
    assert!(refused.contains("was used"), "{refused}");
    let resumed = bed.ok("ResumeSession", &json!({ "SessionId": id })).await;
    assert_ne!(resumed["TokenValue"], started["TokenValue"]);
    let mut client = bed.client(&resumed).await;
    assert_eq!(
        client.message_of("output_stream_data").await.payload,
        b"kept"[..]
    );
    data.message_of("start_publication").await;

    // as the service does every hour: both ends are told "Bye" and resume
    bed.account.emulator.close_data_channels();
    assert_eq!(client.close_reason().await, (1000, "Bye".to_owned()));
    assert_eq!(data.close_reason().await, (1000, "Bye".to_owned()));
    let resumed = bed.ok("ResumeSession", &json!({ "SessionId": id })).await;
    let mut client = bed.client(&resumed).await;
    let mut data = agent.open(&bed, &id).await;
    client.send(binary("input_stream_data", b"again")).await;
    assert_eq!(
        data.message_of("input_stream_data").await.payload,
        b"again"[..]
    );
}

#[tokio::test]
async fn terminating_tells_both_ends_and_the_control_channel() {
    let bed = Bed::start();
    let mut agent = bed.agent(INSTANCE).await;
    let started = bed.ok("StartSession", &to_database()).await;
    let id = started["SessionId"].as_str().unwrap().to_owned();
    let mut client = bed.client(&started).await;
    let mut data = agent.join(&bed, &id).await;
    bed.ok("TerminateSession", &json!({ "SessionId": id }))
        .await;
    assert_eq!(client.closed().await["SessionId"], id.as_str());
    assert_eq!(data.closed().await["SessionId"], id.as_str());
    agent.control.json_of("interactive_shell").await;
    assert_eq!(
        agent.control.json_of("channel_closed").await["SessionId"],
        id.as_str()
    );
    // a second time is no error, a session that never was is
    bed.ok("TerminateSession", &json!({ "SessionId": id }))
        .await;
    let (code, _) = bed
        .refused("TerminateSession", &json!({ "SessionId": "operator-x" }))
        .await;
    assert_eq!(code, "DoesNotExistException");
}

#[tokio::test]
async fn idle_sessions_end_and_long_ones_too() {
    let bed = Bed::start();
    let agent = bed.agent(INSTANCE).await;
    let started = bed.ok("StartSession", &to_database()).await;
    let id = started["SessionId"].as_str().unwrap().to_owned();
    let mut client = bed.client(&started).await;
    let mut data = agent.join(&bed, &id).await;
    data.message_of("start_publication").await;
    bed.account.clock.advance_seconds(19 * 60);
    client
        .send(binary("input_stream_data", b"still here"))
        .await;
    data.message_of("input_stream_data").await;
    bed.account.clock.advance_seconds(19 * 60);
    bed.report(INSTANCE).await;
    let active = bed
        .ok("DescribeSessions", &json!({ "State": "Active" }))
        .await;
    assert_eq!(
        active["Sessions"][0]["SessionId"],
        id.as_str(),
        "it was not idle"
    );
    bed.account.clock.advance_seconds(60);
    let closed = client.closed().await;
    assert_eq!(
        closed["Output"],
        "Your session timed out due to inactivity."
    );

    bed.report(INSTANCE).await;
    let shell = json!({ "Target": INSTANCE, "DocumentName": "kickytime-shell" });
    let started = bed.ok("StartSession", &shell).await;
    let id = started["SessionId"].as_str().unwrap().to_owned();
    let mut client = bed.client(&started).await;
    let mut data = agent.join(&bed, &id).await;
    data.message_of("start_publication").await;
    for _ in 0..6 {
        bed.account.clock.advance_seconds(10 * 60);
        data.send(binary("output_stream_data", b"busy")).await;
    }
    let closed = client.closed().await;
    assert!(
        closed["Output"]
            .as_str()
            .unwrap()
            .contains("maximum duration"),
        "{closed}"
    );
    let trail = bed.account.emulator.audit();
    let why = &trail
        .iter()
        .rfind(|e| e.action == "ssm:TerminateSession")
        .unwrap()
        .reason;
    assert_eq!(why, "it lasted 60 minutes, the most it may");
}

#[tokio::test]
async fn a_session_ends_when_its_agent_does_not_come_or_not_come_back() {
    let bed = Bed::start();
    let agent = bed.agent(INSTANCE).await;
    let started = bed.ok("StartSession", &to_database()).await;
    let mut client = bed.client(&started).await;
    // a ping's answer says that the token was taken
    client.answered().await;
    bed.account.clock.advance_seconds(61);
    assert_eq!(
        client.closed().await["Output"],
        "The instance's agent has not joined the session."
    );

    let started = bed.ok("StartSession", &to_database()).await;
    let id = started["SessionId"].as_str().unwrap().to_owned();
    let mut client = bed.client(&started).await;
    let mut data = agent.join(&bed, &id).await;
    data.message_of("start_publication").await;
    drop(data);
    client.message_of("pause_publication").await;
    bed.account.clock.advance_seconds(100);
    let mut data = agent.open(&bed, &id).await;
    client.message_of("start_publication").await;
    data.message_of("start_publication").await;
    drop(data);
    client.message_of("pause_publication").await;
    bed.account.clock.advance_seconds(121);
    assert_eq!(
        client.closed().await["Output"],
        "The instance's agent has not come back to the session."
    );
    bed.report(INSTANCE).await;
    let ended = bed
        .ok("DescribeSessions", &json!({ "State": "History" }))
        .await;
    assert_eq!(ended["Sessions"][0]["Status"], "Failed");
}

#[tokio::test]
async fn sessions_are_listed_newest_first_by_page_and_filter() {
    let bed = Bed::start();
    let _agent = bed.agent(INSTANCE).await;
    let mut ids = Vec::new();
    for _ in 0..3 {
        let started = bed.ok("StartSession", &to_database()).await;
        ids.insert(0, started["SessionId"].as_str().unwrap().to_owned());
        bed.account.clock.advance_seconds(1);
    }
    let listed = async |more: Value| {
        let mut input = json!({ "State": "Active" });
        input
            .as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        let answer = bed.ok("DescribeSessions", &input).await;
        let sessions = answer["Sessions"].as_array().unwrap().iter();
        let ids: Vec<_> = sessions
            .map(|session| session["SessionId"].as_str().unwrap().to_owned())
            .collect();
        (ids, answer["NextToken"].clone())
    };
    let (first, token) = listed(json!({ "MaxResults": 2 })).await;
    assert_eq!(first, ids[..2]);
    let (second, token) = listed(json!({ "MaxResults": 2, "NextToken": token })).await;
    assert_eq!((second.as_slice(), token), (&ids[2..], Value::Null));
    let by = async |key: &str, value: &str| {
        listed(json!({ "Filters": [{ "key": key, "value": value }] }))
            .await
            .0
    };
    assert_eq!(by("SessionId", &ids[1]).await, ids[1..2]);
    assert_eq!(by("Target", OTHER).await.len(), 0);
    assert_eq!(
        by("Owner", "arn:aws:iam::111122223333:user/operator")
            .await
            .len(),
        3
    );
    assert_eq!(by("Status", "Connected").await.len(), 0);
    // the first began with the clock, at ten
    assert_eq!(by("InvokedAfter", "2026-11-22T10:00:00Z").await, ids[..2]);
    let wrong = json!({ "State": "Active", "Filters": [{ "key": "Colour", "value": "red" }] });
    assert_eq!(
        bed.refused("DescribeSessions", &wrong).await.0,
        "InvalidFilterKey"
    );
    assert_eq!(
        bed.refused(
            "DescribeSessions",
            &json!({ "State": "Active", "NextToken": "x" })
        )
        .await
        .0,
        "InvalidNextToken"
    );
}

#[tokio::test]
async fn an_agent_that_is_started_anew_has_lost_its_sessions_sooner() {
    let bed = Bed::start();
    let agent = bed.agent(INSTANCE).await;
    let started = bed.ok("StartSession", &to_database()).await;
    let id = started["SessionId"].as_str().unwrap().to_owned();
    let mut client = bed.client(&started).await;
    let mut data = agent.join(&bed, &id).await;
    data.message_of("start_publication").await;
    drop((data, agent));
    client.message_of("pause_publication").await;
    bed.account.clock.advance_seconds(30);
    let _anew = bed.agent(INSTANCE).await;
    bed.account.clock.advance_seconds(46);
    assert_eq!(
        client.closed().await["Output"],
        "The instance's agent has not come back to the session."
    );
    let trail = bed.account.emulator.audit();
    let why = trail
        .iter()
        .rfind(|e| e.action == "ssm:TerminateSession")
        .unwrap();
    assert_eq!(
        why.reason,
        "the agent has not come back to it within 45 seconds"
    );
}

#[tokio::test]
async fn an_instance_is_there_while_its_agent_reports_and_holds_its_channel() {
    let bed = Bed::start();
    let status = async || {
        let answer = bed
            .ok("GetConnectionStatus", &json!({ "Target": INSTANCE }))
            .await;
        answer["Status"].as_str().unwrap().to_owned()
    };
    assert_eq!(status().await, "notconnected");
    let (code, message) = bed.refused("StartSession", &to_database()).await;
    assert_eq!(code, "TargetNotConnected");
    assert_eq!(message, format!("{INSTANCE} is not connected."));
    let refusal = bed.account.emulator.audit().pop().unwrap();
    assert!(!refusal.allowed);
    assert_eq!(refusal.action, "ssm:StartSession");

    let agent = bed.agent(INSTANCE).await;
    assert_eq!(status().await, "connected");
    let listed = async |filters: Value| {
        let answer = bed
            .ok(
                "DescribeInstanceInformation",
                &json!({ "Filters": filters }),
            )
            .await;
        let list = answer["InstanceInformationList"]
            .as_array()
            .unwrap()
            .clone();
        list.iter()
            .map(|i| {
                format!(
                    "{} {}",
                    i["InstanceId"].as_str().unwrap(),
                    i["PingStatus"].as_str().unwrap()
                )
            })
            .collect::<Vec<_>>()
    };
    assert_eq!(listed(json!([])).await, [format!("{INSTANCE} Online")]);
    let by = |key: &str, value: &str| json!([{ "Key": key, "Values": [value] }]);
    assert_eq!(listed(by("tag:Project", "Kickytime")).await.len(), 1);
    assert_eq!(listed(by("tag:Project", "Other")).await.len(), 0);
    assert_eq!(listed(by("tag-key", "Project")).await.len(), 1);
    assert_eq!(listed(by("InstanceIds", OTHER)).await.len(), 0);
    assert_eq!(listed(by("PingStatus", "ConnectionLost")).await.len(), 0);
    bed.account.clock.advance_seconds(80);
    assert_eq!(
        listed(json!([])).await,
        [format!("{INSTANCE} ConnectionLost")]
    );
    assert_eq!(status().await, "notconnected", "nothing heard of it");
    bed.report(INSTANCE).await;
    assert_eq!(status().await, "connected");
    drop(agent);
    eventually(async || status().await == "notconnected").await;
}

#[tokio::test]
async fn a_token_is_good_once_for_a_minute_and_for_whom_it_was_given() {
    let bed = Bed::start();
    let agent = bed.agent(INSTANCE).await;
    let started = bed.ok("StartSession", &to_database()).await;
    let id = started["SessionId"].as_str().unwrap().to_owned();
    let mut data = agent.join(&bed, &id).await;
    data.message_of("pause_publication").await;
    bed.account.clock.advance_seconds(61);
    assert!(bed.client_refused(&started).await.contains("not valid"));
    let mut wrong = started.clone();
    wrong["TokenValue"] = json!("made-up");
    assert!(bed.client_refused(&wrong).await.contains("not valid"));

    // an agent's token is nothing to a person, signed or not
    bed.report(INSTANCE).await;
    let mut stolen = started.clone();
    stolen["TokenValue"] = json!(agent.data_token(&bed, &id).await);
    assert!(bed.client_refused(&stolen).await.contains("an agent's"));
    // a person's token is nothing to another person who signs
    let resumed = bed.ok("ResumeSession", &json!({ "SessionId": id })).await;
    let mut socket = bed
        .signed_socket(&bed.account.task_like("someone"), &id)
        .await
        .unwrap();
    socket
        .open_data(resumed["TokenValue"].as_str().unwrap())
        .await;
    let (code, reason) = socket.close_reason().await;
    assert_eq!(code, 1003);
    assert!(reason.contains("someone else's"), "{reason}");
}

#[tokio::test]
async fn an_agent_speaks_for_its_own_instance_only() {
    let bed = Bed::start();
    let who = bed.agent_credentials(OTHER);
    let body = json!({ "MessageSchemaVersion": "1.0", "RequestId": "r" });
    let path = format!("/v1/control-channel/{INSTANCE}");
    let (status, text) = bed.rest(&who, &path, &body).await;
    assert_eq!(status, 403);
    assert!(text.contains("<AccessDeniedException>"), "{text}");
    assert!(text.contains("only its own agent is"), "{text}");
    let report = json!({ "InstanceId": INSTANCE, "AgentVersion": "9.9.9.9" });
    let (code, _) = refused(bed.json(&who, "UpdateInstanceInformation", &report).await);
    assert_eq!(code, "AccessDeniedException");
    // nor does the administrator
    let (code, _) = bed.refused("UpdateInstanceInformation", &report).await;
    assert_eq!(code, "AccessDeniedException");
    let path = format!("/v1/control-channel/{INSTANCE}?role=subscribe&stream=input");
    assert_eq!(bed.upgrade(&who, &path, &[]).await.err(), Some(403));
    let (status, text) = bed.rest(&who, "/v1/data-channel/operator-1", &body).await;
    assert_eq!(status, 403, "{text}");
}

#[tokio::test]
async fn web_pages_and_strangers_open_no_channel() {
    let bed = Bed::start();
    let _agent = bed.agent(INSTANCE).await;
    let started = bed.ok("StartSession", &to_database()).await;
    let id = started["SessionId"].as_str().unwrap();
    let path = format!("/v1/data-channel/{id}?role=publish_subscribe");
    let page = [("origin", "http://evil.example")];
    assert_eq!(bed.upgrade_unsigned(&path, &page).await.err(), Some(403));
    let mut forged = bed.operator();
    forged.secret_access_key = Sensitive("wrong".into());
    assert_eq!(bed.upgrade(&forged, &path, &[]).await.err(), Some(400));
    let control = format!("/v1/control-channel/{INSTANCE}?role=subscribe&stream=input");
    assert_eq!(bed.upgrade_unsigned(&control, &[]).await.err(), Some(400));
    // none of which used the token
    bed.client(&started).await;
}

#[tokio::test]
async fn a_request_by_an_aws_name_is_sent_to_one() {
    let bed = Bed::start();
    let _agent = bed.agent(INSTANCE).await;
    let started = ok(bed
        .account
        .json(&bed.operator(), "AmazonSSM.StartSession", &to_database()));
    assert_eq!(
        started["StreamUrl"].as_str().unwrap(),
        format!(
            "wss://ssmmessages.ap-northeast-2.amazonaws.com/v1/data-channel/{}?role=publish_subscribe",
            started["SessionId"].as_str().unwrap()
        )
    );
    // and a server that cannot pass a websocket says so
    let request = Request::get("/v1/data-channel/x")
        .header("host", "ssmmessages.ap-northeast-2.amazonaws.com")
        .header("connection", "Upgrade")
        .header("upgrade", "websocket")
        .header("sec-websocket-version", "13")
        .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==")
        .body(Bytes::new())
        .unwrap();
    let response = bed.account.emulator.handle(&request, &direct());
    assert_eq!(response.status().as_u16(), 426);
}

#[tokio::test]
async fn what_a_session_may_not_be_is_refused_by_name() {
    let bed = Bed::start();
    let _agent = bed.agent(INSTANCE).await;
    let mut input = to_database();
    input["Parameters"]["portNumber"] = json!(["0"]);
    let (code, message) = bed.refused("StartSession", &input).await;
    assert_eq!(code, "BadRequest");
    assert!(message.contains("`portNumber` with value `0`"), "{message}");
    let no_document = json!({ "Target": INSTANCE, "DocumentName": "AWS-Nothing" });
    let (code, message) = bed.refused("StartSession", &no_document).await;
    assert_eq!(code, "InvalidDocument");
    assert_eq!(message, "Document with name AWS-Nothing does not exist.");
    let command = json!({ "Target": INSTANCE, "DocumentName": "AWS-RunShellScript" });
    assert_eq!(
        bed.refused("StartSession", &command).await.0,
        "InvalidDocument"
    );
    let (code, _) = bed.refused("StartAutomationExecution", &json!({})).await;
    assert_eq!(code, "NotImplemented");
}

/// Waits for a condition, with a deadline.
pub(crate) async fn eventually(condition: impl AsyncFn() -> bool) {
    let waiting = async {
        while !condition().await {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), waiting)
        .await
        .expect("it came true in time");
}
