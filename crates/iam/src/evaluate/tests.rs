use std::collections::BTreeMap;

use insta::assert_snapshot;
use serde_json::{Value, json};

use super::*;
use crate::{Context, Principal, Request};

mod against_reference;
mod reference;

const ROLE: &str = "arn:aws:iam::111122223333:role/app/UsersTaskRole";
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

const SESSION: &str = "arn:aws:sts::111122223333:assumed-role/UsersTaskRole/task";

fn allow(action: &str, resource: &str) -> Value {
    json!({"Effect": "Allow", "Action": action, "Resource": resource})
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "reads as `allow_to(json!(..), ..)`"
)]
fn allow_to(principal: Value, action: &str) -> Value {
    json!({"Effect": "Allow", "Principal": principal, "Action": action, "Resource": "*"})
}

fn read_secret(policies: &Policies<'_>) -> String {
    ask("secretsmanager:GetSecretValue", SECRET, policies)
}

#[test]
fn an_identity_policy_grants_in_its_own_account() {
    let identity = [policy(
        "ReadSecret",
        json!({
            "Sid": "Read", "Effect": "Allow", "Action": "secretsmanager:Get*", "Resource": SECRET,
        }),
    )];
    let policies = Policies {
        identity: &identity,
        ..Policies::default()
    };
    assert_snapshot!(ask("SecretsManager:getsecretvalue", SECRET, &policies), @"Allowed: allowed by identity-based policy: identity-based policy `ReadSecret` statement `Read`");
    assert_snapshot!(ask("secretsmanager:PutSecretValue", SECRET, &policies), @"ImplicitDeny: no identity-based policy allows the action");
    assert_snapshot!(ask("secretsmanager:GetSecretValue", KEY, &policies), @"ImplicitDeny: no identity-based policy allows the action; nearest: identity-based policy `ReadSecret` statement `Read` is about other resources");
    assert_snapshot!(read_secret(&Policies::default()), @"ImplicitDeny: no identity-based policy allows the action");
}

#[test]
fn a_deny_anywhere_ends_it() {
    let allowing = [policy("All", allow("*", "*"))];
    let denying = policy(
        "No",
        json!({
            "Sid": "NotFromOutside", "Effect": "Deny", "Principal": "*", "Action": "secretsmanager:*", "Resource": "*",
            "Condition": {"StringNotEquals": {"aws:SourceVpce": "vpce-1"}},
        }),
    );
    let plain = policy(
        "No",
        json!({"Effect": "Deny", "Action": "secretsmanager:*", "Resource": "*"}),
    );
    let level = [vec![policy("Full", allow("*", "*")), plain.clone()]];
    let base = Policies {
        identity: &allowing,
        ..Policies::default()
    };
    let session = [plain.clone()];
    assert_snapshot!(read_secret(&Policies { resource: Some(ResourcePolicy::of_resource(&denying)), ..base }), @"ExplicitDeny: explicit deny in resource-based policy `No` statement `NotFromOutside`");
    assert_snapshot!(read_secret(&Policies { endpoint: Some(&denying), ..base }), @"ExplicitDeny: explicit deny in VPC endpoint policy `No` statement `NotFromOutside`");
    assert_snapshot!(read_secret(&Policies { boundary: Some(&plain), ..base }), @"ExplicitDeny: explicit deny in permissions boundary `No` statement 0");
    assert_snapshot!(read_secret(&Policies { session: &session, ..base }), @"ExplicitDeny: explicit deny in session policy `No` statement 0");
    assert_snapshot!(read_secret(&Policies { service_control: &level, ..base }), @"ExplicitDeny: explicit deny in service control policy `No` statement 0");
    // a key policy need not allow for a deny in an identity policy to count
    let identity = [plain];
    assert_snapshot!(read_secret(&Policies { identity: &identity, ..base }), @"ExplicitDeny: explicit deny in identity-based policy `No` statement 0");
}

#[test]
fn limits_limit_and_do_not_grant() {
    let identity = [policy(
        "ReadSecret",
        allow("secretsmanager:GetSecretValue", SECRET),
    )];
    let all = policy("All", allow("*", "*"));
    let other = policy("OnlyLogs", allow("logs:*", "*"));
    let base = Policies {
        identity: &identity,
        ..Policies::default()
    };
    assert_snapshot!(read_secret(&Policies { identity: &[], boundary: Some(&all), ..base }), @"ImplicitDeny: no identity-based policy allows the action");
    assert_snapshot!(read_secret(&Policies { boundary: Some(&all), endpoint: Some(&all), ..base }), @"Allowed: allowed by identity-based policy: VPC endpoint policy `All` statement 0, identity-based policy `ReadSecret` statement 0, permissions boundary `All` statement 0");
    let (session, levels) = ([other.clone()], [vec![all.clone()], vec![other.clone()]]);
    assert_snapshot!(read_secret(&Policies {
        boundary: Some(&other), session: &session, endpoint: Some(&other), service_control: &levels,
        resource_control: &levels, ..base
    }), @"ImplicitDeny: no resource control policy allows the action, no service control policy allows the action, no VPC endpoint policy allows the action, no permissions boundary allows the action, no session policy allows the action; nearest: resource control policy `All` statement 0 is about other principals");
    // one of several session policies suffices, every level of control policies must allow
    let session = [other, all.clone()];
    let levels = [vec![all], session.to_vec()];
    assert_snapshot!(read_secret(&Policies { session: &session, service_control: &levels, ..base }), @"Allowed: allowed by identity-based policy: service control policy `All` statement 0, service control policy `All` statement 0, identity-based policy `ReadSecret` statement 0, session policy `All` statement 0");
}

#[test]
fn service_control_spares_service_linked_roles() {
    let linked = Principal::role_session(
        "arn:aws:iam::111122223333:role/aws-service-role/autoscaling.amazonaws.com/AWSServiceRoleForAutoScaling", "s",
    ).unwrap();
    let identity = [policy("All", allow("*", "*"))];
    let levels = [vec![policy(
        "None",
        json!({"Effect": "Deny", "Action": "*", "Resource": "*"}),
    )]];
    let policies = Policies {
        identity: &identity,
        service_control: &levels,
        ..Policies::default()
    };
    assert_snapshot!(ask_as(&linked, "ec2:RunInstances", "*", &policies), @"Allowed: allowed by identity-based policy: identity-based policy `All` statement 0");
}

/// "Policy evaluation for requests within a single account": how far a resource policy's word
/// carries depends on how it names the caller.
#[test]
fn forms_of_principal_in_a_resource_policy() {
    let boundary = policy("OnlyLogs", allow("logs:*", "*"));
    let grant = |principal: Value, boundary: Option<&Named>| {
        let resource = policy(
            "SecretPolicy",
            allow_to(principal, "secretsmanager:GetSecretValue"),
        );
        let resource = Some(ResourcePolicy::of_resource(&resource));
        read_secret(&Policies {
            resource,
            boundary,
            ..Policies::default()
        })
    };
    assert_snapshot!(grant(json!({"AWS": SESSION}), Some(&boundary)), @"Allowed: allowed by resource-based policy: resource-based policy `SecretPolicy` statement 0");
    assert_snapshot!(grant(json!("*"), Some(&boundary)), @"Allowed: allowed by resource-based policy: resource-based policy `SecretPolicy` statement 0");
    assert_snapshot!(grant(json!({"AWS": ROLE}), None), @"Allowed: allowed by resource-based policy: resource-based policy `SecretPolicy` statement 0");
    assert_snapshot!(grant(json!({"AWS": ROLE}), Some(&boundary)), @"ImplicitDeny: no permissions boundary allows the action");
    assert_snapshot!(grant(json!({"AWS": "111122223333"}), None), @"ImplicitDeny: no identity-based policy allows the action");
    assert_snapshot!(grant(json!({"AWS": "arn:aws:iam::111122223333:role/Other"}), None), @"ImplicitDeny: no identity-based policy allows the action");
    assert_snapshot!(grant(json!({"Service": "ecs-tasks.amazonaws.com"}), None), @"ImplicitDeny: no identity-based policy allows the action");
}

#[test]
fn a_user_named_by_a_resource_policy_is_not_bounded() {
    let user = Principal::user("arn:aws:iam::111122223333:user/staff/kim").unwrap();
    let boundary = policy("OnlyLogs", allow("logs:*", "*"));
    let resource = policy(
        "P",
        allow_to(
            json!({"AWS": "arn:aws:iam::111122223333:user/staff/kim"}),
            "s3:*",
        ),
    );
    let policies = Policies {
        boundary: Some(&boundary),
        resource: Some(ResourcePolicy::of_resource(&resource)),
        ..Policies::default()
    };
    assert_snapshot!(ask_as(&user, "s3:GetObject", "arn:aws:s3:::b/k", &policies), @"Allowed: allowed by resource-based policy: resource-based policy `P` statement 0");
}

#[test]
fn across_accounts_both_must_allow() {
    let stranger = Principal::role_session("arn:aws:iam::999988887777:role/Reader", "s").unwrap();
    let identity = [policy("All", allow("*", "*"))];
    let everyone = policy("Everyone", allow_to(json!("*"), "secretsmanager:*"));
    let account = policy(
        "Account",
        allow_to(json!({"AWS": "999988887777"}), "secretsmanager:*"),
    );
    let boundary = policy("OnlyLogs", allow("logs:*", "*"));
    let ask = |policies: &Policies<'_>| {
        ask_as(&stranger, "secretsmanager:GetSecretValue", SECRET, policies)
    };
    let base = Policies::default();
    assert_snapshot!(ask(&Policies { identity: &identity, ..base }), @"ImplicitDeny: no resource-based policy allows the action");
    assert_snapshot!(ask(&Policies { resource: Some(ResourcePolicy::of_resource(&everyone)), ..base }), @"ImplicitDeny: no identity-based policy allows the action");
    let both = Policies {
        identity: &identity,
        resource: Some(ResourcePolicy::of_resource(&account)),
        ..base
    };
    assert_snapshot!(ask(&both), @"Allowed: allowed by both accounts: resource-based policy `Account` statement 0, identity-based policy `All` statement 0");
    assert_snapshot!(ask(&Policies { boundary: Some(&boundary), ..both }), @"ImplicitDeny: no permissions boundary allows the action");
    let root = Principal::root("999988887777");
    assert_snapshot!(ask_as(&root, "secretsmanager:GetSecretValue", SECRET, &both), @"Allowed: allowed by both accounts: resource-based policy `Account` statement 0, identity-based policy `All` statement 0");
}

#[test]
fn a_key_policy_must_consent() {
    let identity = [policy("UseKey", allow("kms:Decrypt", KEY))];
    let decrypt = |identity: &[Named], key: Option<&Named>| {
        let resource = key.map(ResourcePolicy::of_key);
        ask(
            "kms:Decrypt",
            KEY,
            &Policies {
                identity,
                resource,
                ..Policies::default()
            },
        )
    };
    let closed = policy(
        "key",
        allow_to(
            json!({"AWS": "arn:aws:iam::111122223333:role/Admin"}),
            "kms:*",
        ),
    );
    let enables_iam = policy(
        "key",
        allow_to(json!({"AWS": "arn:aws:iam::111122223333:root"}), "kms:*"),
    );
    let direct = policy("key", allow_to(json!({"AWS": ROLE}), "kms:Decrypt"));
    assert_snapshot!(decrypt(&identity, Some(&closed)), @"ImplicitDeny: no key policy allows the action; nearest: key policy `key` statement 0 is about other principals");
    assert_snapshot!(decrypt(&identity, Some(&enables_iam)), @"Allowed: allowed by identity-based policy: key policy `key` statement 0, identity-based policy `UseKey` statement 0");
    assert_snapshot!(decrypt(&[], Some(&enables_iam)), @"ImplicitDeny: no identity-based policy allows the action");
    assert_snapshot!(decrypt(&[], Some(&direct)), @"Allowed: allowed by key policy: key policy `key` statement 0");
    // even the root user needs the key policy
    let resource = Some(ResourcePolicy::of_key(&closed));
    let root = Principal::root("111122223333");
    assert_snapshot!(ask_as(&root, "kms:Decrypt", KEY, &Policies { resource, ..Policies::default() }), @"ImplicitDeny: no key policy allows the action; nearest: key policy `key` statement 0 is about other principals");
}

#[test]
fn a_key_may_be_used_only_via_a_service() {
    let key = policy(
        "key",
        json!({
            "Sid": "SecretsManager", "Effect": "Allow", "Principal": {"AWS": "*"}, "Action": ["kms:Decrypt"], "Resource": "*",
            "Condition": {"StringEquals": {
                "kms:CallerAccount": "111122223333", "kms:ViaService": "secretsmanager.ap-northeast-2.amazonaws.com",
            }},
        }),
    );
    let policies = Policies {
        resource: Some(ResourcePolicy::of_key(&key)),
        ..Policies::default()
    };
    let principal = Principal::role_session(ROLE, "task").unwrap();
    let decrypt = |context: &Context| {
        let request = Request {
            principal: &principal,
            action: "kms:Decrypt",
            resource: KEY,
            resource_account: None,
            context,
        };
        evaluate(&request, &policies).to_string()
    };
    let direct = Context::new().with("kms:CallerAccount", "111122223333");
    assert_snapshot!(decrypt(&direct), @"no key policy allows the action, no identity-based policy allows the action; nearest: key policy `key` statement `SecretsManager` wants StringEquals `kms:ViaService` `secretsmanager.ap-northeast-2.amazonaws.com`, which is absent");
    assert_snapshot!(decrypt(&direct.clone().with("kms:ViaService", "s3.ap-northeast-2.amazonaws.com")), @"no key policy allows the action, no identity-based policy allows the action; nearest: key policy `key` statement `SecretsManager` wants StringEquals `kms:ViaService` `secretsmanager.ap-northeast-2.amazonaws.com`, which is `s3.ap-northeast-2.amazonaws.com`");
    assert_snapshot!(decrypt(&direct.with("kms:ViaService", "secretsmanager.ap-northeast-2.amazonaws.com")), @"allowed by key policy: key policy `key` statement `SecretsManager`");
}

#[test]
fn grants_open_a_key_for_their_operations_and_context() {
    let key = policy(
        "key",
        allow_to(
            json!({"AWS": "arn:aws:iam::111122223333:role/Admin"}),
            "kms:*",
        ),
    );
    let pairs = BTreeMap::from([("app".to_owned(), "kickytime".to_owned())]);
    let grant = |grantee: &str, constraint| Grant {
        id: "g-1".to_owned(),
        key_arn: KEY.to_owned(),
        grantee: grantee.to_owned(),
        operations: vec!["Decrypt".to_owned()],
        constraint,
    };
    let principal = Principal::role_session(ROLE, "task").unwrap();
    let allowed = |grant: Grant, action: &str, context: &Context| {
        let grants = [grant];
        let policies = Policies {
            resource: Some(ResourcePolicy::of_key(&key)),
            grants: &grants,
            ..Policies::default()
        };
        let request = Request {
            principal: &principal,
            action,
            resource: KEY,
            resource_account: None,
            context,
        };
        evaluate(&request, &policies).is_allowed()
    };
    let (none, exact) = (Context::new(), |more: &[&str]| {
        let mut context = Context::new().with("kms:EncryptionContext:app", "kickytime");
        context.set_all(
            "kms:EncryptionContextKeys",
            ["app"].iter().chain(more).copied(),
        );
        context
    });
    assert!(allowed(grant(ROLE, None), "kms:Decrypt", &none));
    assert!(allowed(
        grant("arn:aws:iam::111122223333:root", None),
        "kms:Decrypt",
        &none
    ));
    assert!(!allowed(grant(ROLE, None), "kms:Encrypt", &none));
    assert!(!allowed(
        grant("arn:aws:iam::111122223333:role/Admin", None),
        "kms:Decrypt",
        &none
    ));
    let subset = || Some(GrantConstraint::EncryptionContextSubset(pairs.clone()));
    let equals = || Some(GrantConstraint::EncryptionContextEquals(pairs.clone()));
    assert!(!allowed(grant(ROLE, subset()), "kms:Decrypt", &none));
    assert!(allowed(
        grant(ROLE, subset()),
        "kms:Decrypt",
        &exact(&["more"])
    ));
    assert!(allowed(grant(ROLE, equals()), "kms:Decrypt", &exact(&[])));
    assert!(!allowed(
        grant(ROLE, equals()),
        "kms:Decrypt",
        &exact(&["more"])
    ));
}

#[test]
fn a_trust_policy_admits_by_name_or_through_the_account() {
    let role = "arn:aws:iam::111122223333:role/DeployRole";
    let identity = [policy("Assume", allow("sts:AssumeRole", role))];
    let assume = |principal: &Principal, trusted: Value, identity: &[Named]| {
        let trust = policy(
            "Trust",
            json!({"Effect": "Allow", "Principal": trusted, "Action": "sts:AssumeRole"}),
        );
        ask_as(
            principal,
            "sts:AssumeRole",
            role,
            &Policies {
                identity,
                resource: Some(ResourcePolicy::of_role(&trust)),
                ..Policies::default()
            },
        )
    };
    let caller = Principal::role_session(ROLE, "task").unwrap();
    assert_snapshot!(assume(&caller, json!({"AWS": ROLE}), &[]), @"Allowed: allowed by role trust policy: role trust policy `Trust` statement 0");
    assert_snapshot!(assume(&caller, json!({"AWS": "arn:aws:iam::111122223333:root"}), &[]), @"ImplicitDeny: no identity-based policy allows the action");
    assert_snapshot!(assume(&caller, json!({"AWS": "arn:aws:iam::111122223333:root"}), &identity), @"Allowed: allowed by identity-based policy: role trust policy `Trust` statement 0, identity-based policy `Assume` statement 0");
    assert_snapshot!(assume(&caller, json!({"Service": "ec2.amazonaws.com"}), &identity), @"ImplicitDeny: no role trust policy allows the action; nearest: role trust policy `Trust` statement 0 is about other principals");
    assert_snapshot!(assume(&Principal::service("ec2.amazonaws.com"), json!({"Service": "ec2.amazonaws.com"}), &[]), @"Allowed: allowed by role trust policy: role trust policy `Trust` statement 0");
    assert_snapshot!(assume(&Principal::service("ecs-tasks.amazonaws.com"), json!({"Service": "ec2.amazonaws.com"}), &[]), @"ImplicitDeny: no role trust policy allows the action; nearest: role trust policy `Trust` statement 0 is about other principals");
    let stranger = Principal::role_session("arn:aws:iam::999988887777:role/Reader", "s").unwrap();
    assert_snapshot!(assume(&stranger, json!({"AWS": "999988887777"}), &identity), @"Allowed: allowed by both accounts: role trust policy `Trust` statement 0, identity-based policy `Assume` statement 0");
    assert_snapshot!(assume(&stranger, json!({"AWS": "999988887777"}), &[]), @"ImplicitDeny: no identity-based policy allows the action");
}

#[test]
fn a_workflow_token_must_be_meant_for_us_and_come_from_our_branch() {
    let provider = "arn:aws:iam::111122223333:oidc-provider/token.actions.githubusercontent.com";
    let trust = policy(
        "Trust",
        json!({
            "Effect": "Allow", "Principal": {"Federated": provider}, "Action": "sts:AssumeRoleWithWebIdentity",
            "Condition": {
                "StringEquals": {"token.actions.githubusercontent.com:aud": "sts.amazonaws.com"},
                "StringLike": {"token.actions.githubusercontent.com:sub": "repo:org/kickytime:ref:refs/heads/main"},
            },
        }),
    );
    let policies = Policies {
        resource: Some(ResourcePolicy::of_role(&trust)),
        ..Policies::default()
    };
    let principal = Principal::federated(provider);
    let assume = |subject: &str| {
        let context = Context::new()
            .with(
                "token.actions.githubusercontent.com:aud",
                "sts.amazonaws.com",
            )
            .with("token.actions.githubusercontent.com:sub", subject);
        let request = Request {
            principal: &principal,
            action: "sts:AssumeRoleWithWebIdentity",
            resource: "arn:aws:iam::111122223333:role/DeployRole",
            resource_account: Some("111122223333"),
            context: &context,
        };
        evaluate(&request, &policies).to_string()
    };
    assert_snapshot!(assume("repo:org/kickytime:ref:refs/heads/main"), @"allowed by role trust policy: role trust policy `Trust` statement 0");
    assert_snapshot!(assume("repo:fork/kickytime:ref:refs/heads/main"), @"no role trust policy allows the action; nearest: role trust policy `Trust` statement 0 wants StringLike `token.actions.githubusercontent.com:sub` `repo:org/kickytime:ref:refs/heads/main`, which is `repo:fork/kickytime:ref:refs/heads/main`");
}

#[test]
fn not_action_and_not_resource() {
    let granting = |statement: Value, action: &str, resource: &str| {
        let identity = [policy("P", statement)];
        ask(
            action,
            resource,
            &Policies {
                identity: &identity,
                ..Policies::default()
            },
        )
        .starts_with("Allowed")
    };
    let but_iam = json!({"Effect": "Allow", "NotAction": "iam:*", "Resource": "*"});
    assert!(granting(
        but_iam.clone(),
        "s3:GetObject",
        "arn:aws:s3:::b/k"
    ));
    assert!(!granting(but_iam, "IAM:PassRole", "*"));
    let but_key = json!({"Effect": "Allow", "Action": "kms:*", "NotResource": KEY});
    assert!(granting(
        but_key.clone(),
        "kms:Decrypt",
        "arn:aws:kms:ap-northeast-2:111122223333:key/9"
    ));
    assert!(!granting(but_key, "kms:Decrypt", KEY));
    // a resource that a variable cannot resolve is no resource
    assert!(!granting(
        allow("s3:*", "arn:aws:s3:::${aws:PrincipalTag/bucket}"),
        "s3:GetObject",
        "arn:aws:s3:::"
    ));
    let but_own = json!({"Effect": "Allow", "Action": "s3:*", "NotResource": "arn:aws:s3:::${aws:PrincipalTag/bucket}"});
    assert!(!granting(but_own, "s3:GetObject", "arn:aws:s3:::b"));
}

#[test]
fn a_denying_not_principal_spares_only_who_is_listed_in_every_form() {
    let denied = |listed: Value| {
        let resource = policy(
            "P",
            json!([
                {"Effect": "Deny", "NotPrincipal": {"AWS": listed}, "Action": "*", "Resource": "*"},
                allow_to(json!("*"), "*"),
            ]),
        );
        let policies = Policies {
            resource: Some(ResourcePolicy::of_resource(&resource)),
            ..Policies::default()
        };
        read_secret(&policies).starts_with("ExplicitDeny")
    };
    assert!(denied(json!([ROLE])));
    assert!(denied(json!([ROLE, "111122223333"])));
    assert!(denied(json!([SESSION, ROLE, "999988887777"])));
    assert!(!denied(json!([SESSION, ROLE, "111122223333"])));
    assert!(!denied(json!("*")));
}

#[test]
fn anonymous_callers_have_resource_policies_only() {
    let public = policy("Public", allow_to(json!("*"), "s3:GetObject"));
    let ours = policy(
        "Ours",
        allow_to(json!({"AWS": "111122223333"}), "s3:GetObject"),
    );
    let get = |resource: &Named| {
        let policies = Policies {
            resource: Some(ResourcePolicy::of_resource(resource)),
            ..Policies::default()
        };
        ask_as(
            &Principal::anonymous(),
            "s3:GetObject",
            "arn:aws:s3:::web/index.html",
            &policies,
        )
    };
    assert_snapshot!(get(&public), @"Allowed: allowed by resource-based policy: resource-based policy `Public` statement 0");
    assert_snapshot!(get(&ours), @"ImplicitDeny: no resource-based policy allows the action; nearest: resource-based policy `Ours` statement 0 is about other principals");
}

#[test]
fn an_endpoint_policy_filters_by_principal_too() {
    let identity = [policy("All", allow("*", "*"))];
    let endpoint = policy(
        "Vpce",
        json!({
            "Effect": "Allow", "Principal": "*", "Action": "secretsmanager:GetSecretValue", "Resource": "*",
            "Condition": {"StringEquals": {"aws:PrincipalAccount": "111122223333"}},
        }),
    );
    let policies = Policies {
        identity: &identity,
        endpoint: Some(&endpoint),
        ..Policies::default()
    };
    assert_snapshot!(read_secret(&policies), @"Allowed: allowed by identity-based policy: VPC endpoint policy `Vpce` statement 0, identity-based policy `All` statement 0");
    assert_snapshot!(ask("secretsmanager:PutSecretValue", SECRET, &policies), @"ImplicitDeny: no VPC endpoint policy allows the action");
    let stranger = Principal::root("999988887777");
    assert_snapshot!(ask_as(&stranger, "secretsmanager:GetSecretValue", SECRET, &policies), @"ImplicitDeny: no VPC endpoint policy allows the action, no resource-based policy allows the action; nearest: VPC endpoint policy `Vpce` statement 0 wants StringEquals `aws:PrincipalAccount` `111122223333`, which is `999988887777`");
}
