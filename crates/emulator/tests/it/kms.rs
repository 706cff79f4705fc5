use serde_json::{Value, json};

use crate::support::*;

fn encrypt(account: &Account, context: &Value) -> Value {
    ok(account.json(
        &account.operator(),
        "TrentService.Encrypt",
        &json!({
            "KeyId": "alias/kickytime-key", "Plaintext": "aGVsbG8=", "EncryptionContext": context
        }),
    ))
}

#[test]
fn what_is_encrypted_decrypts_with_its_context_only() {
    let account = Account::new();
    let made = encrypt(&account, &json!({ "team": "red" }));
    assert_eq!(made["KeyId"], KEY_ARN);
    let decrypt = |context: Value| {
        account.json(
            &account.operator(),
            "TrentService.Decrypt",
            &json!({
                "CiphertextBlob": made["CiphertextBlob"], "EncryptionContext": context
            }),
        )
    };
    assert_eq!(
        ok(decrypt(json!({ "team": "red" })))["Plaintext"],
        "aGVsbG8="
    );
    for wrong in [
        json!({}),
        json!({ "team": "blue" }),
        json!({ "team": "red", "more": "" }),
    ] {
        assert_eq!(refused(decrypt(wrong)).0, "InvalidCiphertextException");
    }
}

#[test]
fn data_keys_unwrap_to_what_was_handed_out() {
    let account = Account::new();
    let who = account.operator();
    let made = ok(account.json(
        &who,
        "TrentService.GenerateDataKey",
        &json!({
            "KeyId": KEY_ID, "KeySpec": "AES_256"
        }),
    ));
    let opened = ok(account.json(
        &who,
        "TrentService.Decrypt",
        &json!({
            "CiphertextBlob": made["CiphertextBlob"], "KeyId": KEY_ARN
        }),
    ));
    assert_eq!(opened["Plaintext"], made["Plaintext"]);
    let blind = ok(account.json(
        &who,
        "TrentService.GenerateDataKeyWithoutPlaintext",
        &json!({
            "KeyId": KEY_ID, "NumberOfBytes": 16
        }),
    ));
    assert!(blind.get("Plaintext").is_none());
}

#[test]
fn the_key_policy_decides() {
    // No statement for the account: not even the administrator's own policy counts.
    let mut closed = seed();
    closed.keys[0].policy = document(&json!({ "Version": "2012-10-17", "Statement": [{
        "Effect": "Allow", "Principal": { "AWS": TASK_ROLE }, "Action": "kms:Encrypt",
        "Resource": "*", "Condition": { "StringEquals": { "kms:EncryptionContext:team": "red" } }
    }] }));
    let account = Account::with(closed);
    let input =
        json!({ "KeyId": KEY_ID, "Plaintext": "aGk=", "EncryptionContext": { "team": "red" } });
    let (code, message) =
        refused(account.json(&account.operator(), "TrentService.Encrypt", &input));
    assert_eq!(code, "AccessDeniedException");
    assert!(
        message.ends_with("because no resource-based policy allows the kms:Encrypt action"),
        "{message}"
    );
    ok(account.json(&account.task(), "TrentService.Encrypt", &input));
    let other =
        json!({ "KeyId": KEY_ID, "Plaintext": "aGk=", "EncryptionContext": { "team": "blue" } });
    assert_eq!(
        refused(account.json(&account.task(), "TrentService.Encrypt", &other)).0,
        "AccessDeniedException"
    );
}

#[test]
fn keys_and_aliases_are_described_and_the_services_own_key_is_not_there() {
    let account = Account::new();
    let who = account.operator();
    let described = ok(account.json(
        &who,
        "TrentService.DescribeKey",
        &json!({ "KeyId": "alias/kickytime-key" }),
    ));
    assert_eq!(described["KeyMetadata"]["KeyState"], "Enabled");
    let keys = ok(account.json(&who, "TrentService.ListKeys", &json!({})));
    assert_eq!(
        keys["Keys"],
        json!([{ "KeyId": KEY_ID, "KeyArn": KEY_ARN }])
    );
    let aliases = ok(account.json(&who, "TrentService.ListAliases", &json!({})));
    assert_eq!(aliases["Aliases"][0]["AliasName"], "alias/kickytime-key");
    let (code, message) = refused(account.json(
        &who,
        "TrentService.Encrypt",
        &json!({
            "KeyId": "aws-owned-service-key", "Plaintext": "aGk="
        }),
    ));
    assert_eq!(code, "NotFoundException");
    assert!(message.starts_with("Key 'arn:aws:kms:"), "{message}");
    // Nor does a session token, which is a ciphertext under it, open through the API.
    let token = account.task().session_token.unwrap();
    let blob = token.expose().replace('-', "+").replace('_', "/");
    let padding = "=".repeat((4 - blob.len() % 4) % 4);
    let input = json!({ "CiphertextBlob": format!("{blob}{padding}") });
    assert_eq!(
        refused(account.json(&who, "TrentService.Decrypt", &input)).0,
        "InvalidCiphertextException"
    );
}

#[test]
fn bad_input_is_refused_in_kms_words() {
    let account = Account::new();
    let who = account.operator();
    let code = |operation: &str, input: Value| {
        refused(account.json(&who, &format!("TrentService.{operation}"), &input)).0
    };
    assert_eq!(
        code(
            "Encrypt",
            json!({ "KeyId": "alias/none", "Plaintext": "aGk=" })
        ),
        "NotFoundException"
    );
    assert_eq!(
        code("Encrypt", json!({ "KeyId": KEY_ID })),
        "ValidationException"
    );
    assert_eq!(
        code("Encrypt", json!({ "KeyId": KEY_ID, "Plaintext": "" })),
        "ValidationException"
    );
    assert_eq!(
        code("Encrypt", json!({ "KeyId": 7, "Plaintext": "aGk=" })),
        "SerializationException"
    );
    assert_eq!(
        code(
            "Encrypt",
            json!({ "KeyId": KEY_ID, "Plaintext": "aGk=", "EncryptionContext": [] })
        ),
        "SerializationException"
    );
    assert_eq!(
        code("Decrypt", json!({ "CiphertextBlob": "AAAA" })),
        "InvalidCiphertextException"
    );
    assert_eq!(
        code("GenerateDataKey", json!({ "KeyId": KEY_ID })),
        "ValidationException"
    );
    assert_eq!(code("CreateKey", json!({})), "NotImplemented");
}
