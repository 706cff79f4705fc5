//! May this caller use this key? The key policy decides, and the identity policy where the key
//! policy lets it ("Key policies in AWS KMS").

use std::collections::BTreeMap;

use iam::{Named, ResourcePolicy};
use serde_json::Value;

use super::keyring::{CipherError, EncryptionContext, Key};
use crate::call::{Ask, Call};
use crate::error::{ApiError, ApiResult};

/// AWS's limit on the pairs of an encryption context, as JSON text.
const CONTEXT_LIMIT_BYTES: usize = 8_192;

/// Finds a key, or says that there is none as KMS does.
pub(super) fn find<'a>(call: &Call<'a>, reference: &str) -> ApiResult<&'a Key> {
    call.emulator
        .keys
        .find(reference)
        .filter(|key| key.policy.is_some())
        .ok_or_else(|| {
            let named = if reference.starts_with("alias/") {
                format!(
                    "Alias {} is not found.",
                    call.emulator.arn("kms", reference)
                )
            } else if reference.starts_with("arn:") {
                format!("Key '{reference}' does not exist")
            } else {
                format!(
                    "Key '{}' does not exist",
                    call.emulator.arn("kms", &format!("key/{reference}"))
                )
            };
            ApiError::client("NotFoundException", named)
        })
}

/// Asks for `action` on a key; `reference` is how the request named it.
pub(super) fn authorize(
    call: &Call<'_>,
    key: &Key,
    action: &str,
    reference: Option<&str>,
    context: Option<&EncryptionContext>,
) -> ApiResult<()> {
    let policy = key
        .policy
        .clone()
        .map(|policy| Named::new(key.id.clone(), policy));
    let seed = &call.emulator.seed;
    let mut ask = Ask::new(action, &key.arn)
        .tags(&key.tags)
        .policy(policy.as_ref().map(ResourcePolicy::of_key))
        .key("kms:CallerAccount", &seed.account)
        .key("kms:KeySpec", "SYMMETRIC_DEFAULT")
        .key("kms:KeyUsage", "ENCRYPT_DECRYPT")
        .key("kms:KeyOrigin", "AWS_KMS");
    let aliases: Vec<String> = call
        .emulator
        .keys
        .aliases_of(&key.id)
        .map(str::to_owned)
        .collect();
    ask.keys.push(("kms:ResourceAliases".to_owned(), aliases));
    if let Some(alias) = reference.and_then(alias_of) {
        ask = ask.key("kms:RequestAlias", alias);
    }
    if let Some(context) = context {
        ask = ask.key("kms:EncryptionAlgorithm", "SYMMETRIC_DEFAULT");
        let names = context.keys().cloned().collect();
        ask.keys
            .push(("kms:EncryptionContextKeys".to_owned(), names));
        for (name, value) in context {
            ask = ask.key(format!("kms:EncryptionContext:{name}"), value);
        }
    }
    call.authorize(&ask)
}

/// Asks for the use of a key by a service on the caller's behalf; `None` is a key of the service's
/// own, which whoever may use the service may use.
pub(crate) fn authorize_for_service(
    call: &Call<'_>,
    key_id: Option<&str>,
    actions: &[&str],
    context: &EncryptionContext,
) -> ApiResult<()> {
    let Some(id) = key_id else { return Ok(()) };
    let key = find(call, id)?;
    actions
        .iter()
        .try_for_each(|action| authorize(call, key, action, None, Some(context)))
}

/// `EncryptionContext` of an input.
pub(super) fn context_of(input: &Value) -> ApiResult<EncryptionContext> {
    let Some(value) = input
        .get("EncryptionContext")
        .filter(|value| !value.is_null())
    else {
        return Ok(BTreeMap::new());
    };
    let not_a_map =
        || ApiError::serialization("`EncryptionContext` is not a map of strings to strings");
    let pairs = value.as_object().ok_or_else(not_a_map)?;
    if value.to_string().len() > CONTEXT_LIMIT_BYTES {
        let message = format!("EncryptionContext is larger than {CONTEXT_LIMIT_BYTES} bytes");
        return Err(ApiError::client("ValidationException", message));
    }
    pairs
        .iter()
        .map(|(key, value)| {
            value
                .as_str()
                .map(|text| (key.clone(), text.to_owned()))
                .ok_or_else(not_a_map)
        })
        .collect()
}

/// A failure of the key store in KMS's words.
pub(super) fn cipher_error(error: &CipherError) -> ApiError {
    match error {
        CipherError::InvalidCiphertext => {
            ApiError::client("InvalidCiphertextException", String::new())
        }
        CipherError::Disabled(arn) => {
            ApiError::client("DisabledException", format!("{arn} is disabled."))
        }
        CipherError::NotFound(id) => {
            ApiError::client("NotFoundException", format!("Key '{id}' does not exist"))
        }
    }
}

fn alias_of(reference: &str) -> Option<&str> {
    match reference.strip_prefix("arn:") {
        Some(_) => reference
            .splitn(6, ':')
            .nth(5)
            .filter(|rest| rest.starts_with("alias/")),
        None => Some(reference).filter(|name| name.starts_with("alias/")),
    }
}
