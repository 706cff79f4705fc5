//! How many decisions a CPU second brings, on policies like those of the template.
//!
//! `cargo run --release -p iam --example decisions`
#![expect(clippy::print_stdout, reason = "this is what an example is for")]
#![expect(clippy::disallowed_methods, reason = "measuring takes a clock")]

use std::hint::black_box;
use std::time::Instant;

use iam::{Context, Named, Policies, PolicyDocument, Principal, Request, ResourcePolicy, evaluate};
use serde_json::{Value, json};

const SECRET: &str =
    "arn:aws:secretsmanager:ap-northeast-2:111122223333:secret:kickytime/db-a1B2c3";
const STREAM: &str =
    "arn:aws:logs:ap-northeast-2:111122223333:log-group:/kickytime/users:log-stream:users/users/1";
const ROUNDS: u32 = 200_000;

fn main() {
    let identity = [
        policy(
            "ReadSecret",
            &json!([
                {"Effect": "Allow", "Action": ["secretsmanager:GetSecretValue", "secretsmanager:DescribeSecret"],
                 "Resource": "arn:aws:secretsmanager:ap-northeast-2:111122223333:secret:kickytime/db-??????"},
                {"Effect": "Allow", "Action": "kms:Decrypt", "Resource": "arn:aws:kms:ap-northeast-2:111122223333:key/*",
                 "Condition": {"StringEquals": {"kms:ViaService": "secretsmanager.ap-northeast-2.amazonaws.com"}}},
            ]),
        ),
        policy(
            "WriteLogs",
            &json!([
                {"Effect": "Allow", "Action": ["logs:CreateLogStream", "logs:PutLogEvents"],
                 "Resource": "arn:aws:logs:ap-northeast-2:111122223333:log-group:/kickytime/users:*"},
                {"Effect": "Allow", "Action": "ecr:GetAuthorizationToken", "Resource": "*"},
                {"Effect": "Deny", "Action": "*", "Resource": "*",
                 "Condition": {"Bool": {"aws:SecureTransport": "false"}}},
            ]),
        ),
    ];
    let endpoint = policy(
        "Endpoint",
        &json!([
            {"Effect": "Allow", "Principal": "*", "Action": ["secretsmanager:Get*", "logs:*"], "Resource": "*",
             "Condition": {"StringEquals": {"aws:PrincipalAccount": "111122223333"}}},
        ]),
    );
    let resource = policy(
        "SecretPolicy",
        &json!([
            {"Effect": "Deny", "Principal": "*", "Action": "secretsmanager:*", "Resource": "*",
             "Condition": {"StringNotEqualsIfExists": {"aws:SourceVpce": ["vpce-0a", "vpce-0b"]}}},
        ]),
    );
    let policies = Policies {
        identity: &identity,
        endpoint: Some(&endpoint),
        resource: Some(ResourcePolicy::of_resource(&resource)),
        ..Policies::default()
    };
    let role = "arn:aws:iam::111122223333:role/UsersTaskRole";
    let principal = Principal::role_session(role, "task").expect("is a role ARN");
    let context = Context::new()
        .with("aws:SecureTransport", "true")
        .with("aws:SourceVpce", "vpce-0a");
    for (name, action, resource) in [
        ("allowed", "secretsmanager:GetSecretValue", SECRET),
        ("allowed", "logs:PutLogEvents", STREAM),
        ("denied", "secretsmanager:PutSecretValue", SECRET),
    ] {
        let request = Request {
            principal: &principal,
            action,
            resource,
            resource_account: Some("111122223333"),
            context: &context,
        };
        let start = Instant::now();
        for _ in 0..ROUNDS {
            black_box(evaluate(black_box(&request), &policies));
        }
        let per_second = f64::from(ROUNDS) / start.elapsed().as_secs_f64();
        println!("{name} {action}: {per_second:.0} decisions/s");
    }
}

fn policy(name: &str, statements: &Value) -> Named {
    let document = json!({"Version": "2012-10-17", "Statement": statements});
    Named::new(
        name,
        PolicyDocument::parse(&document).expect("is well formed"),
    )
}
