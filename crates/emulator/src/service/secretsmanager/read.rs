//! Reading: GetSecretValue, DescribeSecret, ListSecrets, ListSecretVersionIds.

use iam::{Named, ResourcePolicy};
use serde_json::{Map, Value, json};

use super::state::{self, CURRENT, Secret, SecretValue, Version, VersionChoice};
use super::{not_found, undecryptable, unresolved};
use crate::call::{Ask, Call};
use crate::clock::Timestamp;
use crate::emulator::{Emulator, ResolveError, json_member};
use crate::error::{ApiError, ApiResult};
use crate::identity::Caller;
use crate::seed::Sensitive;
use crate::service::input::{encode, flag, limit, optional, required};
use crate::service::kms;

const PAGE: usize = 100;

/// `GetSecretValue`: the permission on the secret, then the permission to decrypt with its key.
pub(super) fn get_secret_value(call: &Call<'_>, input: &Value) -> ApiResult<Value> {
    let choice = VersionChoice {
        id: optional(input, "VersionId")?,
        stage: optional(input, "VersionStage")?,
    };
    let secret = authorized(call, "secretsmanager:GetSecretValue", input, Some(choice))?;
    let (id, version) = secret.version(choice).ok_or_else(|| no_version(choice))?;
    let context = state::context_of(&secret.arn, id);
    let inner = call.through("secretsmanager");
    kms::authorize_for_service(
        &inner,
        secret.kms_key.as_deref(),
        &["kms:Decrypt"],
        &context,
    )?;
    let value =
        state::unseal(&call.emulator.keys, &secret, id, version).map_err(|_| undecryptable())?;
    note_access(call, &secret);
    let mut answer = json!({
        "ARN": secret.arn,
        "Name": secret.name,
        "VersionId": id,
        "VersionStages": version.stages,
        "CreatedDate": version.created.epoch_seconds(),
    });
    match value {
        SecretValue::Text(text) => answer["SecretString"] = Value::String(text),
        SecretValue::Binary(bytes) => answer["SecretBinary"] = Value::String(encode(&bytes)),
    }
    Ok(answer)
}

/// `DescribeSecret`: everything but the value.
pub(super) fn describe_secret(call: &Call<'_>, input: &Value) -> ApiResult<Value> {
    let secret = authorized(call, "secretsmanager:DescribeSecret", input, None)?;
    let mut answer = summary(call, &secret);
    answer.insert("VersionIdsToStages".to_owned(), stages_by_version(&secret));
    Ok(Value::Object(answer))
}

/// `ListSecrets`, by name, a page at a time; filters `name`, `description`, `tag-key`, `tag-value`
/// and `all` match prefixes as AWS's do.
pub(super) fn list_secrets(call: &Call<'_>, input: &Value) -> ApiResult<Value> {
    call.authorize(&Ask::new("secretsmanager:ListSecrets", "*"))?;
    let most = limit(input, "MaxResults", PAGE)?;
    let after = optional(input, "NextToken")?;
    let filters = filters(input)?;
    let secrets = call.emulator.secrets.lock();
    let mut found = secrets
        .values()
        .filter(|secret| after.is_none_or(|after| secret.name.as_str() > after))
        .filter(|secret| {
            filters
                .iter()
                .all(|(key, values)| matches(secret, key, values))
        });
    let mut list = Vec::new();
    let mut last = None;
    for secret in found.by_ref().take(most) {
        let mut entry = summary(call, secret);
        entry.insert(
            "SecretVersionsToStages".to_owned(),
            stages_by_version(secret),
        );
        list.push(Value::Object(entry));
        last = Some(secret.name.clone());
    }
    let mut answer = json!({ "SecretList": list });
    if found.next().is_some() {
        answer["NextToken"] = json!(last);
    }
    Ok(answer)
}

/// `ListSecretVersionIds`.
pub(super) fn list_secret_version_ids(call: &Call<'_>, input: &Value) -> ApiResult<Value> {
    let secret = authorized(call, "secretsmanager:ListSecretVersionIds", input, None)?;
    let deprecated_too = flag(input, "IncludeDeprecated")?;
    let versions: Vec<_> = secret
        .versions
        .iter()
        .filter(|(_, version)| deprecated_too || !version.stages.is_empty())
        .map(|(id, version)| {
            json!({
                "VersionId": id,
                "VersionStages": version.stages,
                "CreatedDate": version.created.epoch_seconds(),
                "KmsKeyIds": [secret.kms_key.as_deref().unwrap_or("DefaultEncryptionKey")],
            })
        })
        .collect();
    Ok(json!({ "ARN": secret.arn, "Name": secret.name, "Versions": versions }))
}

/// The secret an input names, if the caller may do `action` to it. Whether it exists is told only
/// to those who may ask.
pub(super) fn authorized(
    call: &Call<'_>,
    action: &str,
    input: &Value,
    choice: Option<VersionChoice<'_>>,
) -> ApiResult<Secret> {
    let id = required(input, "SecretId")?;
    let found = call.emulator.secrets.find(id);
    let guessed;
    let (arn, tags) = match &found {
        Some(secret) => (secret.arn.as_str(), Some(&secret.tags)),
        None if id.starts_with("arn:") => (id, None),
        None => {
            guessed = call.emulator.arn("secretsmanager", &format!("secret:{id}"));
            (guessed.as_str(), None)
        }
    };
    let policy = found.as_ref().and_then(|secret| {
        let policy = secret.policy.clone()?;
        Some(Named::new(secret.name.clone(), policy))
    });
    let mut ask = Ask::new(action, arn)
        .policy(policy.as_ref().map(ResourcePolicy::of_resource))
        .key("secretsmanager:SecretId", id);
    if let Some(tags) = tags {
        ask = ask.tags(tags);
        for (key, value) in tags {
            ask = ask.key(format!("secretsmanager:ResourceTag/{key}"), value);
        }
    }
    if let Some(choice) = choice {
        ask = ask.key(
            "secretsmanager:VersionStage",
            choice.stage.unwrap_or(CURRENT),
        );
        if let Some(id) = choice.id {
            ask = ask.key("secretsmanager:VersionId", id);
        }
    }
    call.authorize(&ask)?;
    found.ok_or_else(not_found)
}

/// See [`Emulator::resolve_secret`].
pub(crate) fn resolve(
    emulator: &Emulator,
    id: &str,
    json_key: Option<&str>,
    stage: Option<&str>,
) -> Result<Sensitive, ResolveError> {
    let secret = emulator.secrets.find(id).ok_or_else(|| unresolved(id))?;
    let choice = VersionChoice { id: None, stage };
    let (version_id, version) = secret.version(choice).ok_or_else(|| unresolved(id))?;
    record_resolution(emulator, &secret);
    let value = state::unseal(&emulator.keys, &secret, version_id, version)
        .map_err(|_| ResolveError::Undecryptable(id.to_owned()))?;
    let SecretValue::Text(text) = value else {
        return Err(unresolved(id));
    };
    match json_key {
        None => Ok(Sensitive(text)),
        Some(key) => json_member(&text, key)
            .map(Sensitive)
            .ok_or_else(|| ResolveError::NoMember {
                secret: id.to_owned(),
                key: key.to_owned(),
            }),
    }
}

/// CloudFormation resolves references with the deployer's rights, which the region has by nature;
/// the trail shows it all the same.
fn record_resolution(emulator: &Emulator, secret: &Secret) {
    let caller = Caller::service("cloudformation.amazonaws.com", None);
    emulator.as_service(&caller).record_internal(
        "secretsmanager:GetSecretValue",
        &secret.arn,
        "the region resolves a dynamic reference of its template",
    );
}

/// Secrets Manager keeps the day of the last access, so at most one write a day.
fn note_access(call: &Call<'_>, secret: &Secret) {
    const DAY_MS: i64 = 24 * 3_600 * 1_000;
    let today = Timestamp(call.now.0 - call.now.0.rem_euclid(DAY_MS));
    if secret.accessed == Some(today) {
        return;
    }
    let noted = call.emulator.secrets.change(&secret.name, |secret| {
        secret.accessed = Some(today);
        Ok(())
    });
    // A read that was allowed is not refused because its date could not be written down.
    drop(noted);
}

fn summary(call: &Call<'_>, secret: &Secret) -> Map<String, Value> {
    let tags: Vec<_> = secret
        .tags
        .iter()
        .map(|(key, value)| json!({ "Key": key, "Value": value }))
        .collect();
    let mut out = Map::new();
    let mut put = |name: &str, value: Value| out.insert(name.to_owned(), value);
    put("ARN", json!(secret.arn));
    put("Name", json!(secret.name));
    if !secret.description.is_empty() {
        put("Description", json!(secret.description));
    }
    if let Some(key) = secret
        .kms_key
        .as_deref()
        .and_then(|id| call.emulator.keys.find(id))
    {
        put("KmsKeyId", json!(key.arn));
    }
    put("LastChangedDate", secret.changed.epoch_seconds());
    if let Some(accessed) = secret.accessed {
        put("LastAccessedDate", accessed.epoch_seconds());
    }
    put("CreatedDate", secret.created.epoch_seconds());
    put("Tags", json!(tags));
    out
}

fn stages_by_version(secret: &Secret) -> Value {
    let stages = secret
        .versions
        .iter()
        .filter(|(_, version)| !version.stages.is_empty());
    stages
        .map(|(id, Version { stages, .. })| (id.clone(), json!(stages)))
        .collect::<Map<_, _>>()
        .into()
}

fn filters(input: &Value) -> ApiResult<Vec<(String, Vec<String>)>> {
    let invalid = || ApiError::client("InvalidParameterException", "Invalid filter.");
    let Some(list) = input.get("Filters").filter(|list| !list.is_null()) else {
        return Ok(Vec::new());
    };
    let list = list.as_array().ok_or_else(invalid)?;
    let read = |filter: &Value| {
        let key = filter.get("Key")?.as_str()?;
        let known = ["name", "description", "tag-key", "tag-value", "all"].contains(&key);
        let values = filter.get("Values")?.as_array()?;
        let values: Option<Vec<_>> = values
            .iter()
            .map(|value| value.as_str().map(str::to_owned))
            .collect();
        known.then_some((key.to_owned(), values?))
    };
    list.iter()
        .map(|filter| read(filter).ok_or_else(invalid))
        .collect()
}

fn matches(secret: &Secret, key: &str, values: &[String]) -> bool {
    values.iter().any(|value| {
        let (value, wanted) = match value.strip_prefix('!') {
            Some(rest) => (rest, false),
            None => (value.as_str(), true),
        };
        let name = secret.name.starts_with(value);
        let description = secret
            .description
            .to_lowercase()
            .starts_with(&value.to_lowercase());
        let tag_key = secret.tags.keys().any(|tag| tag.starts_with(value));
        let tag_value = secret.tags.values().any(|tag| tag.starts_with(value));
        let found = match key {
            "name" => name,
            "description" => description,
            "tag-key" => tag_key,
            "tag-value" => tag_value,
            _ => name || description || tag_key || tag_value,
        };
        found == wanted
    })
}

fn no_version(choice: VersionChoice<'_>) -> ApiError {
    let which = match (choice.id, choice.stage) {
        (Some(id), _) => format!("VersionId: {id}"),
        (None, stage) => format!("staging label: {}", stage.unwrap_or(CURRENT)),
    };
    ApiError::client(
        "ResourceNotFoundException",
        format!("Secrets Manager can't find the specified secret value for {which}"),
    )
}
