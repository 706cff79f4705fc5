use bytes::Bytes;
use emulator::{Credentials, Sensitive};
use http::Request;
use serde_json::json;

use crate::support::*;

fn call(account: &Account, who: &Credentials, form: &str) -> (u16, String) {
    let request = Request::post("/")
        .header("host", "sts.ap-northeast-2.amazonaws.com")
        .header(
            "content-type",
            "application/x-www-form-urlencoded; charset=utf-8",
        )
        .body(Bytes::from(form.to_owned()))
        .unwrap();
    let response = account
        .emulator
        .handle(&account.signed(who, "sts", request), &direct());
    (
        response.status().as_u16(),
        String::from_utf8(response.body().to_vec()).unwrap(),
    )
}

fn between<'a>(xml: &'a str, name: &str) -> &'a str {
    xml.split(&format!("<{name}>"))
        .nth(1)
        .and_then(|rest| rest.split("</").next())
        .unwrap_or("")
}

const WHO: &str = "Action=GetCallerIdentity&Version=2011-06-15";

#[test]
fn each_caller_learns_who_it_is() {
    let account = Account::new();
    let (status, xml) = call(&account, &account.operator(), WHO);
    assert_eq!(status, 200, "{xml}");
    assert_eq!(
        between(&xml, "Arn"),
        "arn:aws:iam::111122223333:user/operator"
    );
    assert!(between(&xml, "UserId").starts_with("AIDA"));
    let (_, xml) = call(&account, &account.task(), WHO);
    assert_eq!(
        between(&xml, "Arn"),
        "arn:aws:sts::111122223333:assumed-role/UsersTaskRole/task-1"
    );
    assert!(between(&xml, "UserId").ends_with(":task-1"));
}

fn assume(account: &Account, who: &Credentials, more: &str) -> (u16, String) {
    let form = format!("Action=AssumeRole&RoleArn={TASK_ROLE}&RoleSessionName=me{more}");
    call(account, who, &form)
}

fn trusting_the_operator() -> Account {
    let mut seed = seed();
    seed.roles[0].trust = document(&json!({ "Version": "2012-10-17", "Statement": [{
        "Effect": "Allow", "Principal": { "AWS": format!("arn:aws:iam::{ACCOUNT}:user/operator") },
        "Action": "sts:AssumeRole"
    }] }));
    Account::with(seed)
}

fn credentials(xml: &str) -> Credentials {
    Credentials {
        access_key_id: between(xml, "AccessKeyId").into(),
        secret_access_key: Sensitive(between(xml, "SecretAccessKey").into()),
        session_token: Some(Sensitive(between(xml, "SessionToken").into())),
        expiration: None,
    }
}

#[test]
fn a_role_is_assumed_by_whom_it_trusts_and_no_one_else() {
    let account = Account::new();
    let (status, xml) = assume(&account, &account.operator(), "");
    assert_eq!((status, between(&xml, "Code")), (403, "AccessDenied"));

    let account = trusting_the_operator();
    let (status, xml) = assume(&account, &account.operator(), "");
    assert_eq!(status, 200, "{xml}");
    assert_eq!(between(&xml, "Expiration"), "2026-11-22T11:00:00Z");
    let session = credentials(&xml);
    ok(account.json(
        &session,
        "secretsmanager.GetSecretValue",
        &json!({ "SecretId": "kickytime/db" }),
    ));

    account.clock.advance_seconds(3_600);
    let (status, xml) = call(&account, &session, WHO);
    assert_eq!((status, between(&xml, "Code")), (403, "ExpiredToken"));
}

#[test]
fn a_session_policy_limits_the_session() {
    let account = trusting_the_operator();
    let policy = json!({ "Version": "2012-10-17", "Statement": [{
        "Effect": "Allow", "Action": "secretsmanager:DescribeSecret", "Resource": "*" }] });
    let encoded: String = policy
        .to_string()
        .bytes()
        .map(|b| format!("%{b:02X}"))
        .collect();
    let (_, xml) = assume(&account, &account.operator(), &format!("&Policy={encoded}"));
    let (code, message) = refused(account.json(
        &credentials(&xml),
        "secretsmanager.GetSecretValue",
        &json!({ "SecretId": "kickytime/db" }),
    ));
    assert_eq!(code, "AccessDeniedException");
    assert!(
        message.contains("because no session policy allows"),
        "{message}"
    );
}

#[test]
fn sessions_have_bounds() {
    let account = trusting_the_operator();
    for (more, code) in [
        ("&DurationSeconds=10", "ValidationError"),
        ("&DurationSeconds=7200", "ValidationError"),
        ("&Policy=%7B", "MalformedPolicyDocument"),
    ] {
        let (status, xml) = assume(&account, &account.operator(), more);
        assert_eq!((status, between(&xml, "Code")), (400, code), "{more}");
    }
}

#[test]
fn a_workload_gets_a_role_only_through_the_service_it_trusts() {
    let account = Account::new();
    let hour = std::time::Duration::from_secs(3_600);
    let error = account
        .emulator
        .role_session("ec2.amazonaws.com", None, TASK_ROLE, "i-1", hour)
        .unwrap_err();
    assert!(
        error
            .to_string()
            .contains("does not trust `ec2.amazonaws.com`"),
        "{error}"
    );
}

/// A session token is a ciphertext; so is what `kms:Encrypt` makes of a plaintext and a context of
/// the caller's choice, under another key.
#[test]
fn nobody_makes_a_session_token_by_encrypting() {
    use base64::Engine as _;
    use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};

    let account = Account::new();
    let session = json!({
        "who": { "Role": { "arn": TASK_ROLE, "name": "me", "policy": null } },
        "secret": "chosen", "issued_ms": 0, "expires_ms": i64::MAX,
    });
    let made = ok(account.json(
        &account.operator(),
        "TrentService.Encrypt",
        &json!({
            "KeyId": "alias/kickytime-key",
            "Plaintext": STANDARD.encode(session.to_string()),
            "EncryptionContext": { "kickytime:session": "ASIAFORGED" },
        }),
    ));
    let blob = STANDARD
        .decode(made["CiphertextBlob"].as_str().unwrap())
        .unwrap();
    let forged = Credentials {
        access_key_id: "ASIAFORGED".into(),
        secret_access_key: Sensitive("chosen".into()),
        session_token: Some(Sensitive(URL_SAFE_NO_PAD.encode(blob))),
        expiration: None,
    };
    let (status, xml) = call(&account, &forged, WHO);
    assert_eq!(status, 403, "{xml}");
    assert_eq!(between(&xml, "Code"), "InvalidClientTokenId");
}
