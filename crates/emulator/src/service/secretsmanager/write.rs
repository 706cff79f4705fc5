//! Changing: PutSecretValue, UpdateSecretVersionStage; and GetRandomPassword.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::password;
use super::read::authorized;
use super::state::{self, CURRENT, Secret, SecretValue, Version};
use super::undecryptable;
use crate::call::{Ask, Call};
use crate::error::{ApiError, ApiResult};
use crate::random;
use crate::seed::GenerateSecretString;
use crate::service::input::{blob, flag, integer, optional, required, texts};
use crate::service::kms;

/// AWS's limit on a secret value.
const VALUE_LIMIT_BYTES: usize = 65_536;
const STAGES_LIMIT: usize = 20;

/// `PutSecretValue`: the same token and value again is the same version; another value under the
/// same token is refused.
pub(super) fn put_secret_value(call: &Call<'_>, input: &Value) -> ApiResult<Value> {
    let value = value_of(input)?;
    let stages = stages_of(input)?;
    let id = match optional(input, "ClientRequestToken")? {
        Some(token) if (32..=64).contains(&token.len()) => token.to_owned(),
        Some(_) => {
            return Err(invalid(
                "ClientRequestToken must be 32 to 64 characters long.",
            ));
        }
        None => random::uuid(),
    };
    let secret = authorized(call, "secretsmanager:PutSecretValue", input, None)?;
    let context = state::context_of(&secret.arn, &id);
    let inner = call.through("secretsmanager");
    let actions = ["kms:GenerateDataKey", "kms:Decrypt"];
    kms::authorize_for_service(&inner, secret.kms_key.as_deref(), &actions, &context)?;
    call.emulator.secrets.change(&secret.name, |secret| {
        put_version(call, secret, &id, &value, stages)
    })
}

fn put_version(
    call: &Call<'_>,
    secret: &mut Secret,
    id: &str,
    value: &SecretValue,
    stages: BTreeSet<String>,
) -> ApiResult<Value> {
    let keys = &call.emulator.keys;
    if let Some(existing) = secret.versions.get(id) {
        let before = state::unseal(keys, secret, id, existing).map_err(|_| undecryptable())?;
        if before != *value {
            let message = format!(
                "You can't use ClientRequestToken {id} because that value is already in use for a \
                 version of secret {}.",
                secret.arn
            );
            return Err(ApiError::client("ResourceExistsException", message));
        }
        for stage in stages {
            secret.move_stage(&stage, Some(id));
        }
    } else {
        let version =
            state::seal(keys, secret, id, value, call.now).map_err(|_| encryption_failure())?;
        secret.add_version(id, Version { stages, ..version }, call.now);
    }
    let stages = secret
        .versions
        .get(id)
        .map(|version| version.stages.clone());
    Ok(json!({
        "ARN": secret.arn,
        "Name": secret.name,
        "VersionId": id,
        "VersionStages": stages.unwrap_or_default(),
    }))
}

/// `UpdateSecretVersionStage`: moves a label from the version that has it.
pub(super) fn update_secret_version_stage(call: &Call<'_>, input: &Value) -> ApiResult<Value> {
    let stage = required(input, "VersionStage")?.to_owned();
    let to = optional(input, "MoveToVersionId")?.map(str::to_owned);
    let from = optional(input, "RemoveFromVersionId")?.map(str::to_owned);
    let secret = authorized(call, "secretsmanager:UpdateSecretVersionStage", input, None)?;
    call.emulator.secrets.change(&secret.name, |secret| {
        let holder = secret
            .versions
            .iter()
            .find(|(_, version)| version.stages.contains(&stage))
            .map(|(id, _)| id.clone());
        if to
            .as_ref()
            .is_some_and(|to| !secret.versions.contains_key(to))
        {
            return Err(super::not_found());
        }
        if holder.is_some() && holder != from && holder != to {
            return Err(invalid(&format!(
                "The parameter RemoveFromVersionId can't be empty or another version. Staging \
                 label {stage} is currently attached to version {}, so you must explicitly \
                 reference that version in RemoveFromVersionId.",
                holder.unwrap_or_default()
            )));
        }
        if to.is_none() && stage == CURRENT {
            return Err(invalid(
                "You can't remove the staging label AWSCURRENT, only move it.",
            ));
        }
        secret.move_stage(&stage, to.as_deref());
        secret.changed = call.now;
        Ok(json!({ "ARN": secret.arn, "Name": secret.name }))
    })
}

/// `GetRandomPassword`.
pub(super) fn get_random_password(call: &Call<'_>, input: &Value) -> ApiResult<Value> {
    call.authorize(&Ask::new("secretsmanager:GetRandomPassword", "*"))?;
    let length = integer(input, "PasswordLength")?.unwrap_or(32);
    let require = match input.get("RequireEachIncludedType") {
        None | Some(Value::Null) => true,
        Some(_) => flag(input, "RequireEachIncludedType")?,
    };
    let spec = GenerateSecretString {
        password_length: usize::try_from(length).unwrap_or(0),
        exclude_characters: optional(input, "ExcludeCharacters")?
            .unwrap_or_default()
            .to_owned(),
        exclude_lowercase: flag(input, "ExcludeLowercase")?,
        exclude_uppercase: flag(input, "ExcludeUppercase")?,
        exclude_numbers: flag(input, "ExcludeNumbers")?,
        exclude_punctuation: flag(input, "ExcludePunctuation")?,
        include_space: flag(input, "IncludeSpace")?,
        require_each_included_type: require,
        ..GenerateSecretString::default()
    };
    let made = password::password(&spec).map_err(|error| invalid(&error.to_string()))?;
    Ok(json!({ "RandomPassword": made }))
}

fn value_of(input: &Value) -> ApiResult<SecretValue> {
    let value = match (
        optional(input, "SecretString")?,
        blob(input, "SecretBinary")?,
    ) {
        (Some(text), None) => SecretValue::Text(text.to_owned()),
        (None, Some(bytes)) => SecretValue::Binary(bytes),
        (Some(_), Some(_)) => {
            return Err(invalid(
                "You can't specify both SecretString and SecretBinary.",
            ));
        }
        (None, None) => {
            return Err(invalid(
                "You must provide either SecretString or SecretBinary.",
            ));
        }
    };
    let length = match &value {
        SecretValue::Text(text) => text.len(),
        SecretValue::Binary(bytes) => bytes.len(),
    };
    if (1..=VALUE_LIMIT_BYTES).contains(&length) {
        Ok(value)
    } else {
        Err(invalid(&format!(
            "A secret value is 1 to {VALUE_LIMIT_BYTES} bytes long."
        )))
    }
}

fn stages_of(input: &Value) -> ApiResult<BTreeSet<String>> {
    let stages: BTreeSet<String> = texts(input, "VersionStages")?
        .into_iter()
        .map(str::to_owned)
        .collect();
    match stages.len() {
        0 => Ok([CURRENT.to_owned()].into()),
        1..=STAGES_LIMIT => Ok(stages),
        _ => Err(invalid("A version has at most 20 staging labels.")),
    }
}

fn invalid(message: &str) -> ApiError {
    ApiError::client("InvalidParameterException", message)
}

fn encryption_failure() -> ApiError {
    ApiError::client(
        "EncryptionFailure",
        "Secrets Manager can't encrypt the protected secret text using the provided KMS key.",
    )
}
