use bytes::Bytes;
use emulator::{Sensitive, Via, VpcEndpointVia};
use http::Request;
use serde_json::json;

use crate::support::*;

const GET: &str = "secretsmanager.GetSecretValue";

#[test]
fn a_wrong_secret_key_is_refused() {
    let account = Account::new();
    let mut who = account.operator();
    who.secret_access_key = Sensitive("wrong".into());
    let (code, _) = refused(account.json(&who, GET, &json!({ "SecretId": "kickytime/db" })));
    assert_eq!(code, "InvalidSignatureException");
    who.access_key_id = "AKIANOBODY".into();
    let (code, message) = refused(account.json(&who, GET, &json!({ "SecretId": "kickytime/db" })));
    assert_eq!(code, "UnrecognizedClientException");
    assert_eq!(
        message,
        "The security token included in the request is invalid."
    );
}

#[test]
fn a_body_changed_on_the_way_is_refused() {
    let account = Account::new();
    let mut request = account.json_request(
        &account.operator(),
        GET,
        &json!({ "SecretId": "kickytime/db" }),
    );
    *request.body_mut() = Bytes::from(json!({ "SecretId": "kickytime/other" }).to_string());
    let (code, _) = refused(parts(&account.emulator.handle(&request, &direct())));
    assert_eq!(code, "InvalidSignatureException");
}

#[test]
fn an_old_request_and_an_unsigned_one_are_refused() {
    let account = Account::new();
    let request = account.json_request(
        &account.operator(),
        GET,
        &json!({ "SecretId": "kickytime/db" }),
    );
    account.clock.advance_seconds(301);
    let (code, message) = refused(parts(&account.emulator.handle(&request, &direct())));
    assert_eq!(code, "InvalidSignatureException");
    assert!(message.starts_with("Signature expired"), "{message}");
    let unsigned = Request::post("/")
        .header("host", "kms.ap-northeast-2.amazonaws.com")
        .header("x-amz-target", "TrentService.ListKeys")
        .body(Bytes::new())
        .unwrap();
    let (code, _) = refused(parts(&account.emulator.handle(&unsigned, &direct())));
    assert_eq!(code, "MissingAuthenticationTokenException");
}

#[test]
fn one_sessions_token_does_not_go_with_another_key() {
    let account = Account::new();
    let (mut mixed, other) = (account.task(), account.task());
    mixed.session_token = other.session_token;
    let (code, _) = refused(account.json(&mixed, GET, &json!({ "SecretId": "kickytime/db" })));
    assert_eq!(code, "UnrecognizedClientException");
}

#[test]
fn what_is_not_there_is_refused_by_name() {
    let account = Account::new();
    let who = account.operator();
    let (code, message) = refused(account.json(&who, "secretsmanager.RotateSecret", &json!({})));
    assert_eq!(code, "NotImplemented");
    assert_eq!(
        message,
        "the local region does not implement `RotateSecret` of `AWS Secrets Manager`"
    );
    let request = Request::post("/")
        .header("host", "localhost:4566")
        .header("x-amz-target", "DynamoDB_20120810.GetItem")
        .body(Bytes::new())
        .unwrap();
    let (_, message) = refused(parts(&account.emulator.handle(&request, &direct())));
    assert!(
        message.contains("`GetItem` of `DynamoDB_20120810`"),
        "{message}"
    );
}

#[test]
fn nonsense_is_answered_not_feared() {
    let account = Account::new();
    let who = account.operator();
    for body in [
        "",
        "[]",
        "{",
        "\"x\"",
        "{\"SecretId\":{}}",
        "{\"SecretId\":null}",
    ] {
        let request = Request::post("/")
            .header("host", "secretsmanager.ap-northeast-2.amazonaws.com")
            .header("x-amz-target", GET)
            .body(Bytes::from(body))
            .unwrap();
        let request = account.signed(&who, "secretsmanager", request);
        let response = account.emulator.handle(&request, &direct());
        assert_eq!(response.status().as_u16(), 400, "{body}");
        assert!(response.headers().contains_key("x-amzn-requestid"));
    }
}

fn through_endpoint(policy: Option<iam::PolicyDocument>) -> Via {
    Via {
        endpoint: Some(VpcEndpointVia {
            id: "vpce-0a1".into(),
            vpc_id: "vpc-0b2".into(),
            service: "secretsmanager".into(),
            policy,
        }),
        ..direct()
    }
}

#[test]
fn an_endpoint_policy_filters_and_its_id_is_known_to_conditions() {
    let account = Account::new();
    let input = json!({ "SecretId": "kickytime/db" });
    let task = account.task();
    ok(account.json_via(&task, GET, &input, &through_endpoint(None)));
    let other = document(&json!({ "Version": "2012-10-17", "Statement": [{
        "Effect": "Allow", "Principal": "*", "Action": "secretsmanager:DescribeSecret",
        "Resource": "*" }] }));
    let (code, message) =
        refused(account.json_via(&task, GET, &input, &through_endpoint(Some(other))));
    assert_eq!(code, "AccessDeniedException");
    assert!(
        message.ends_with(
            "because no VPC endpoint policy allows the secretsmanager:GetSecretValue action"
        ),
        "{message}"
    );

    // The secret's own policy: only through this endpoint.
    let mut only_here = seed();
    only_here.secrets[0].policy = Some(document(&json!({ "Version": "2012-10-17", "Statement": [{
        "Effect": "Deny", "Principal": "*", "Action": "secretsmanager:GetSecretValue",
        "Resource": "*", "Condition": { "StringNotEquals": { "aws:SourceVpce": "vpce-0a1" } } }] })));
    let account = Account::with(only_here);
    let task = account.task();
    ok(account.json_via(&task, GET, &input, &through_endpoint(None)));
    let (code, message) = refused(account.json(&task, GET, &input));
    assert_eq!(code, "AccessDeniedException");
    assert!(
        message.ends_with("with an explicit deny in a resource-based policy"),
        "{message}"
    );
}

#[test]
fn an_endpoint_leads_to_its_own_service_whatever_the_host_says() {
    let account = Account::new();
    let task = account.task();
    let mut via = through_endpoint(None);
    let input = json!({ "SecretId": "kickytime/db" });
    ok(account.json_via(&task, GET, &input, &via));
    for other in ["logs", "ecr.api", "s3", ""] {
        via.endpoint.as_mut().unwrap().service = other.into();
        let (code, message) = refused(account.json_via(&task, GET, &input, &via));
        assert_eq!(code, "UnknownOperationException", "{other}");
        assert!(
            message.contains(&format!("leads to `{other}`")),
            "{message}"
        );
    }
}

#[test]
fn every_decision_is_in_the_trail_with_its_reason() {
    let account = Account::new();
    let task = account.task();
    let via = through_endpoint(None);
    ok(account.json_via(&task, GET, &json!({ "SecretId": "kickytime/db" }), &via));
    refused(account.json(&task, "TrentService.ListKeys", &json!({})));
    let trail: Vec<String> = account
        .emulator
        .audit()
        .iter()
        .map(|event| {
            let verdict = if event.allowed { "yes" } else { "no" };
            let endpoint = event.vpc_endpoint.as_deref().unwrap_or("-");
            format!(
                "{} {verdict} {endpoint} {}: {}",
                event.action, event.source_ip, event.reason
            )
        })
        .collect();
    insta::assert_snapshot!(trail.join("\n"), @"
    sts:AssumeRole yes - 127.0.0.1: allowed by role trust policy: role trust policy `UsersTaskRole` statement 0
    secretsmanager:GetSecretValue yes vpce-0a1 203.0.113.9: allowed by identity-based policy: identity-based policy `UsersTaskRolePolicy` statement `ReadDbSecret`
    kms:Decrypt yes - secretsmanager.amazonaws.com: allowed by identity-based policy: key policy `0f8fad5b-d9cb-469f-a165-70867728950e` statement `Account`, identity-based policy `UsersTaskRolePolicy` statement `DecryptViaSecretsManager`
    kms:ListKeys no - 203.0.113.9: no identity-based policy allows the action
    ");
    let record = &account.emulator.audit()[2].record;
    assert_eq!(
        record["userIdentity"]["invokedBy"],
        "secretsmanager.amazonaws.com"
    );
    assert_eq!(record["userIdentity"]["type"], "AssumedRole");
    assert_eq!(record["eventTime"], "2026-11-22T10:00:00Z");
    let text = serde_json::to_string(
        &account
            .emulator
            .audit()
            .iter()
            .map(|e| &e.record)
            .collect::<Vec<_>>(),
    )
    .unwrap();
    assert!(!text.contains(task.secret_access_key.expose()));
}
