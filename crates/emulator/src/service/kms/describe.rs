//! What keys are there: DescribeKey, ListKeys, ListAliases.

use serde_json::{Value, json};

use super::access::{authorize, find};
use crate::call::{Ask, Call};
use crate::error::ApiResult;
use crate::service::input::{optional, required};

/// `DescribeKey`.
pub(super) fn describe_key(call: &Call<'_>, input: &Value) -> ApiResult<Value> {
    let reference = required(input, "KeyId")?;
    let key = find(call, reference)?;
    authorize(call, key, "kms:DescribeKey", Some(reference), None)?;
    let state = if key.enabled { "Enabled" } else { "Disabled" };
    Ok(json!({
        "KeyMetadata": {
            "AWSAccountId": call.emulator.seed.account,
            "KeyId": key.id,
            "Arn": key.arn,
            "CreationDate": key.created.epoch_seconds(),
            "Enabled": key.enabled,
            "Description": key.description,
            "KeyUsage": "ENCRYPT_DECRYPT",
            "KeyState": state,
            "Origin": "AWS_KMS",
            "KeyManager": "CUSTOMER",
            "CustomerMasterKeySpec": "SYMMETRIC_DEFAULT",
            "KeySpec": "SYMMETRIC_DEFAULT",
            "EncryptionAlgorithms": ["SYMMETRIC_DEFAULT"],
            "MultiRegion": false,
        }
    }))
}

/// `ListKeys`; an account here has few, so one page holds them.
pub(super) fn list_keys(call: &Call<'_>) -> ApiResult<Value> {
    call.authorize(&Ask::new("kms:ListKeys", "*"))?;
    let keys = call.emulator.keys.customer_keys();
    let keys: Vec<_> = keys
        .map(|key| json!({ "KeyId": key.id, "KeyArn": key.arn }))
        .collect();
    Ok(json!({ "Keys": keys, "Truncated": false }))
}

/// `ListAliases`, of one key or of all.
pub(super) fn list_aliases(call: &Call<'_>, input: &Value) -> ApiResult<Value> {
    call.authorize(&Ask::new("kms:ListAliases", "*"))?;
    let only = match optional(input, "KeyId")? {
        Some(reference) => Some(find(call, reference)?.id.as_str()),
        None => None,
    };
    let aliases: Vec<_> = call
        .emulator
        .keys
        .aliases()
        .filter(|(_, id)| only.is_none_or(|only| only == *id))
        .map(|(alias, id)| {
            json!({
                "AliasName": alias,
                "AliasArn": call.emulator.arn("kms", alias),
                "TargetKeyId": id,
            })
        })
        .collect();
    Ok(json!({ "Aliases": aliases, "Truncated": false }))
}
