use serde_json::{Value, json};

use crate::support::*;

const GET: &str = "secretsmanager.GetSecretValue";
const PUT: &str = "secretsmanager.PutSecretValue";

fn secret(answer: &Value) -> Value {
    serde_json::from_str(answer["SecretString"].as_str().unwrap()).unwrap()
}

#[test]
fn a_task_reads_its_generated_and_attached_secret() {
    let account = Account::new();
    let answer = ok(account.json(&account.task(), GET, &json!({ "SecretId": "kickytime/db" })));
    assert_eq!(answer["ARN"], SECRET_ARN);
    assert_eq!(answer["VersionStages"], json!(["AWSCURRENT"]));
    let value = secret(&answer);
    assert_eq!(value["username"], "kickytime");
    assert_eq!(value["password"].as_str().unwrap().len(), 32);
    assert_eq!(
        (&value["host"], &value["port"]),
        (&json!("kickytime.rds.example"), &json!(5432))
    );
    assert_eq!(value["dbInstanceIdentifier"], "kickytime-db");
}

#[test]
fn a_secret_goes_by_name_arn_and_arn_without_suffix() {
    let account = Account::new();
    let who = account.operator();
    for id in [
        "kickytime/db",
        SECRET_ARN,
        SECRET_ARN.strip_suffix("-AbCdEf").unwrap(),
    ] {
        ok(account.json(&who, GET, &json!({ "SecretId": id })));
    }
    let (code, message) = refused(account.json(&who, GET, &json!({ "SecretId": "kickytime" })));
    assert_eq!(code, "ResourceNotFoundException");
    assert_eq!(message, "Secrets Manager can't find the specified secret.");
}

#[test]
fn reading_needs_the_secret_and_its_key() {
    let account = Account::new();
    let task = account.task();
    let (code, message) = refused(account.json(
        &task,
        PUT,
        &json!({
            "SecretId": "kickytime/db", "SecretString": "x"
        }),
    ));
    assert_eq!(code, "AccessDeniedException");
    assert_eq!(
        message,
        "User: arn:aws:sts::111122223333:assumed-role/UsersTaskRole/task-1 is not authorized to \
         perform: secretsmanager:PutSecretValue on resource: \
         arn:aws:secretsmanager:ap-northeast-2:111122223333:secret:kickytime/db-AbCdEf because no \
         identity-based policy allows the secretsmanager:PutSecretValue action"
    );

    let mut without_decrypt = seed();
    without_decrypt.roles[0].policies = vec![policy(
        "OnlyTheSecret",
        &json!([{ "Effect": "Allow", "Action": "secretsmanager:*", "Resource": "*" }]),
    )];
    let account = Account::with(without_decrypt);
    let (code, message) =
        refused(account.json(&account.task(), GET, &json!({ "SecretId": "kickytime/db" })));
    assert_eq!(code, "AccessDeniedException");
    assert!(
        message.contains("kms:Decrypt on resource: arn:aws:kms"),
        "{message}"
    );
}

#[test]
fn the_grant_via_secrets_manager_is_no_grant_to_decrypt_directly() {
    let account = Account::new();
    let made = ok(account.json(
        &account.operator(),
        "TrentService.Encrypt",
        &json!({
            "KeyId": "alias/kickytime-key", "Plaintext": "aGk="
        }),
    ));
    let input = json!({ "CiphertextBlob": made["CiphertextBlob"] });
    let (code, _) = refused(account.json(&account.task(), "TrentService.Decrypt", &input));
    assert_eq!(code, "AccessDeniedException");
}

#[test]
fn versions_and_labels_follow_each_put() {
    let account = Account::new();
    let who = account.operator();
    let first = ok(account.json(&who, GET, &json!({ "SecretId": "kickytime/db" })));
    let token = "0123456789abcdef0123456789abcdef";
    let put = |value: &str| {
        account.json(
            &who,
            PUT,
            &json!({
                "SecretId": "kickytime/db", "SecretString": value, "ClientRequestToken": token
            }),
        )
    };
    assert_eq!(ok(put("new"))["VersionId"], token);
    assert_eq!(
        ok(put("new"))["VersionId"],
        token,
        "the same again is the same version"
    );
    assert_eq!(refused(put("other")).0, "ResourceExistsException");
    let get = |input: Value| ok(account.json(&who, GET, &input));
    assert_eq!(
        get(json!({ "SecretId": "kickytime/db" }))["SecretString"],
        "new"
    );
    let previous = get(json!({ "SecretId": "kickytime/db", "VersionStage": "AWSPREVIOUS" }));
    assert_eq!(previous["VersionId"], first["VersionId"]);
    assert_eq!(secret(&previous), secret(&first));
    let (code, message) = refused(account.json(
        &who,
        GET,
        &json!({
            "SecretId": "kickytime/db", "VersionStage": "AWSPENDING"
        }),
    ));
    assert_eq!(code, "ResourceNotFoundException");
    assert!(
        message.ends_with("for staging label: AWSPENDING"),
        "{message}"
    );
    let described = ok(account.json(
        &who,
        "secretsmanager.DescribeSecret",
        &json!({
            "SecretId": "kickytime/db"
        }),
    ));
    assert_eq!(
        described["VersionIdsToStages"][token],
        json!(["AWSCURRENT"])
    );
    assert_eq!(described["KmsKeyId"], KEY_ARN);
    assert_eq!(
        described["Tags"],
        json!([{ "Key": "Project", "Value": "Kickytime" }])
    );
}

#[test]
fn lists_are_filtered() {
    let account = Account::new();
    let list = |filters: Value| {
        let answer = ok(account.json(
            &account.operator(),
            "secretsmanager.ListSecrets",
            &json!({
                "Filters": filters
            }),
        ));
        answer["SecretList"].as_array().unwrap().len()
    };
    assert_eq!(list(json!([])), 1);
    assert_eq!(list(json!([{ "Key": "name", "Values": ["kicky"] }])), 1);
    assert_eq!(list(json!([{ "Key": "name", "Values": ["!kicky"] }])), 0);
    assert_eq!(list(json!([{ "Key": "tag-key", "Values": ["Other"] }])), 0);
}

#[test]
fn concurrent_puts_lose_nothing() {
    let account = Account::new();
    let who = account.operator();
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let (account, who) = (&account, &who);
            scope.spawn(move || {
                for turn in 0..10 {
                    let value = format!("{thread}-{turn}");
                    ok(account.json(
                        who,
                        PUT,
                        &json!({ "SecretId": "kickytime/db", "SecretString": value }),
                    ));
                    ok(account.json(who, GET, &json!({ "SecretId": "kickytime/db" })));
                }
            });
        }
    });
    let described = ok(account.json(
        &who,
        "secretsmanager.DescribeSecret",
        &json!({
            "SecretId": "kickytime/db"
        }),
    ));
    let stages: Vec<_> = described["VersionIdsToStages"]
        .as_object()
        .unwrap()
        .values()
        .collect();
    assert_eq!(stages.len(), 2, "one current, one previous: {stages:?}");
}

#[test]
fn a_dynamic_reference_resolves_and_is_recorded() {
    let account = Account::new();
    let resolve = |key| account.emulator.resolve_secret("kickytime/db", key, None);
    assert_eq!(resolve(Some("username")).unwrap().expose(), "kickytime");
    assert_eq!(resolve(Some("port")).unwrap().expose(), "5432");
    assert_eq!(
        resolve(Some("nothing")).unwrap_err().to_string(),
        "secret `kickytime/db` has no member `nothing`"
    );
    let last = account.emulator.audit().pop().unwrap();
    assert_eq!(last.principal, "cloudformation.amazonaws.com");
}
