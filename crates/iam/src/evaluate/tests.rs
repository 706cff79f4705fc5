use insta::assert_snapshot;
use serde_json::{Value, json};

use super::*;
use crate::{Context, Principal, Request};

pub(super) const ROLE: &str = "arn:aws:iam::111122223333:role/app/UsersTaskRole";
const SECRET: &str =
    "arn:aws:secretsmanager:ap-northeast-2:111122223333:secret:kickytime/db-a1B2c3";
const KEY: &str = "arn:aws:kms:ap-northeast-2:111122223333:key/1234";

#[expect(
    clippy::needless_pass_by_value,
    reason = "reads as `policy(.., json!(..))`"
)]
fn policy(name: &str, statements: Value) -> Named {
    let document = json!({"Version": "2012-10-17", "Statement": statements});
    Named::new(name, PolicyDocument::parse(&document).unwrap())
}

fn ask(action: &str, resource: &str, policies: &Policies<'_>) -> String {
    ask_as(
        &Principal::role_session(ROLE, "task").unwrap(),
        action,
        resource,
        policies,
    )
}

fn ask_as(principal: &Principal, action: &str, resource: &str, policies: &Policies<'_>) -> String {
    let context = Context::new();
    let request = Request {
        principal,
        action,
        resource,
        resource_account: Some("111122223333"),
        context: &context,
    };
    let evaluation = evaluate(&request, policies);
    format!("{:?}: {evaluation}", evaluation.decision)
}

#[test]
fn identity_policy_grants_in_its_own_account() {
    let identity = [policy(
        "ReadSecret",
        json!({"Sid": "Read", "Effect": "Allow", "Action": "secretsmanager:Get*", "Resource": SECRET}),
    )];
    let policies = Policies {
        identity: &identity,
        ..Policies::default()
    };
    assert_snapshot!(ask("SecretsManager:GetSecretValue", SECRET, &policies), @"Allowed: allowed by identity-based policy: identity-based policy `ReadSecret` statement `Read`");
    assert_snapshot!(ask("secretsmanager:PutSecretValue", SECRET, &policies), @"ImplicitDeny: no identity-based policy allows the action");
    assert_snapshot!(ask("secretsmanager:GetSecretValue", KEY, &policies), @"ImplicitDeny: no identity-based policy allows the action; nearest: identity-based policy `ReadSecret` statement `Read` is about other resources");
}
