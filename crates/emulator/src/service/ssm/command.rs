//! Run Command: SendCommand, CancelCommand; what became of commands is said by [`outcome`].

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::commands::{Command, Invocation, State};
use super::document::{Document, Values, fill};
use super::{document_arn, instance_arn, seeded};
use crate::call::{Ask, Call};
use crate::error::{ApiError, ApiResult};
use crate::random;
use crate::seed::{InstanceSeed, Tags};
use crate::service::input::{integer, optional, required, texts};

pub(super) mod outcome;

use outcome::shown;

/// `TimeoutSeconds`: how long a command waits to be taken.
const DELIVERY_S: i64 = 3_600;
const LEAST_DELIVERY_S: i64 = 30;
const MOST_DELIVERY_S: i64 = 2_592_000;
/// Instances one command may name.
const MOST_INSTANCES: usize = 50;
const COMMENT_CHARACTERS: usize = 100;

pub(super) fn send_command(call: &Call<'_>, input: &Value) -> ApiResult<Value> {
    let name = required(input, "DocumentName")?;
    let documents = &call.emulator.ssm.documents;
    let document = documents
        .get(name)
        .filter(|document| document.kind == "Command");
    let targets = targets(call, input)?;
    authorize(call, name, document, &targets)?;
    let document = document.ok_or_else(|| {
        ApiError::client(
            "InvalidDocument",
            format!("Document with name {name} does not exist."),
        )
    })?;
    refuse_outputs(input)?;
    let values = fill(document, input.get("Parameters"))
        .map_err(|error| ApiError::client("InvalidParameters", error.to_string()))?;
    registered(call, &targets)?;
    let delivery_s = integer(input, "TimeoutSeconds")?.unwrap_or(DELIVERY_S);
    if !(LEAST_DELIVERY_S..=MOST_DELIVERY_S).contains(&delivery_s) {
        let message = format!(
            "`TimeoutSeconds` is between {LEAST_DELIVERY_S} and {MOST_DELIVERY_S}, not {delivery_s}"
        );
        return Err(ApiError::client("ValidationException", message));
    }
    let comment = optional(input, "Comment")?.unwrap_or_default();
    if comment.chars().count() > COMMENT_CHARACTERS {
        let message = format!("`Comment` is longer than {COMMENT_CHARACTERS} characters");
        return Err(ApiError::client("ValidationException", message));
    }
    let id = random::uuid();
    let command = Command {
        payload: payload(&id, document, &values),
        id,
        document: document.name.clone(),
        comment: comment.to_owned(),
        requested: call.now,
        expires: call.now.plus_seconds(delivery_s),
        parameters: input.get("Parameters").cloned().unwrap_or(json!({})),
        targets: input.get("Targets").cloned().unwrap_or(json!([])),
        execution_s: execution_seconds(&values),
        invocations: targets
            .iter()
            .map(|instance| (instance.id.clone(), Invocation::default()))
            .collect(),
    };
    let shown = shown(&command);
    call.emulator.ssm.commands().insert(command);
    call.emulator.ssm.bell.0.notify_waiters();
    Ok(json!({ "Command": shown }))
}

/// The document as it stands, and the parameters' values: the agent puts the one into the other.
fn payload(id: &str, document: &Document, values: &Values) -> String {
    let payload = json!({
        "CommandId": id,
        "DocumentName": document.name,
        "DocumentContent": document.content,
        "Parameters": values,
        "OutputS3BucketName": "",
        "OutputS3KeyPrefix": "",
        "CloudWatchLogGroupName": "",
        "CloudWatchOutputEnabled": "false",
    });
    payload.to_string()
}

fn execution_seconds(values: &Values) -> i64 {
    let given = values.get("executionTimeout").and_then(Value::as_str);
    given
        .and_then(|text| text.parse().ok())
        .unwrap_or(DELIVERY_S)
}

/// The instances of `InstanceIds`, or those that every one of `Targets` finds.
fn targets<'a>(call: &Call<'a>, input: &Value) -> ApiResult<Vec<&'a InstanceSeed>> {
    let ids = texts(input, "InstanceIds")?;
    if ids.len() > MOST_INSTANCES {
        let message = format!("a command names at most {MOST_INSTANCES} instances");
        return Err(ApiError::client("ValidationException", message));
    }
    if !ids.is_empty() {
        let mut found = BTreeMap::new();
        for id in ids {
            let instance = seeded(call.emulator, id).ok_or_else(|| not_valid(call, id));
            found.insert(id, instance?);
        }
        return Ok(found.into_values().collect());
    }
    let given = match input.get("Targets") {
        Some(Value::Array(given)) if !given.is_empty() => given,
        _ => {
            let message = "a command needs `InstanceIds` or `Targets`";
            return Err(ApiError::client("InvalidTarget", message));
        }
    };
    let mut found: Vec<_> = call.emulator.seed.instances.iter().collect();
    for target in given {
        let (key, values) = (required(target, "Key")?, texts(target, "Values")?);
        let is = |text: &str| values.contains(&text);
        let tag = key.strip_prefix("tag:");
        if !matches!(key, "InstanceIds" | "tag-key") && tag.is_none() {
            let message =
                format!("the target key `{key}` is not one of InstanceIds, tag:KEY, tag-key");
            return Err(ApiError::client("InvalidTarget", message));
        }
        found.retain(|instance| match (key, tag) {
            (_, Some(tag)) => instance.tags.get(tag).is_some_and(|value| is(value)),
            ("tag-key", _) => instance.tags.keys().any(|key| is(key)),
            _ => is(&instance.id),
        });
    }
    // those without an agent are no targets
    let fleet = call.emulator.ssm.fleet();
    found.retain(|instance| fleet.information(&instance.id).is_some());
    Ok(found)
}

/// Permission for the document, and for every instance.
fn authorize(
    call: &Call<'_>,
    name: &str,
    document: Option<&Document>,
    targets: &[&InstanceSeed],
) -> ApiResult<()> {
    const ACTION: &str = "ssm:SendCommand";
    let no_tags = Tags::new();
    let arn = match document {
        Some(document) => document_arn(call.emulator, document),
        None => call.emulator.arn("ssm", &format!("document/{name}")),
    };
    let tags = document.map_or(&no_tags, |document| &document.tags);
    let ask = Ask::new(ACTION, &arn);
    call.authorize(&ask.tags(tags).tags_as("ssm:resourceTag", tags))?;
    for instance in targets {
        let arn = instance_arn(call.emulator, &instance.id);
        let ask = Ask::new(ACTION, &arn).tags(&instance.tags);
        call.authorize(&ask.tags_as("ssm:resourceTag", &instance.tags))?;
    }
    Ok(())
}

fn registered(call: &Call<'_>, targets: &[&InstanceSeed]) -> ApiResult<()> {
    let fleet = call.emulator.ssm.fleet();
    let missing = targets
        .iter()
        .find(|instance| fleet.information(&instance.id).is_none());
    missing.map_or(Ok(()), |instance| Err(not_valid(call, &instance.id)))
}

/// Outputs beyond what GetCommandInvocation gives are not kept here.
fn refuse_outputs(input: &Value) -> ApiResult<()> {
    let to_logs = input.pointer("/CloudWatchOutputConfig/CloudWatchOutputEnabled");
    let wanted = [
        (
            "OutputS3BucketName",
            optional(input, "OutputS3BucketName")?.is_some(),
        ),
        (
            "CloudWatchOutputConfig",
            to_logs == Some(&Value::Bool(true)),
        ),
        (
            "NotificationConfig",
            input.get("NotificationConfig").is_some(),
        ),
        (
            "AlarmConfiguration",
            input.get("AlarmConfiguration").is_some(),
        ),
    ];
    match wanted.iter().find(|(_, is_wanted)| *is_wanted) {
        Some((name, _)) => Err(ApiError::unsupported(
            "AWS Systems Manager",
            &format!("SendCommand with {name}"),
        )),
        None => Ok(()),
    }
}

pub(super) fn cancel_command(call: &Call<'_>, input: &Value) -> ApiResult<Value> {
    call.authorize(&Ask::new("ssm:CancelCommand", "*"))?;
    let (id, instances) = (required(input, "CommandId")?, texts(input, "InstanceIds")?);
    let is_meant = |instance: &str| instances.is_empty() || instances.contains(&instance);
    let mut commands = call.emulator.ssm.commands();
    let Some(command) = commands.get(id) else {
        return Err(ApiError::client(
            "InvalidCommandId",
            "The command does not exist",
        ));
    };
    let mut running = command.invocations.iter();
    if running.any(|(name, i)| is_meant(name) && i.state == State::InProgress) {
        let what = "CancelCommand of a script that is running";
        return Err(ApiError::unsupported("AWS Systems Manager", what));
    }
    commands.cancel(id, is_meant);
    Ok(json!({}))
}

fn not_valid(call: &Call<'_>, id: &str) -> ApiError {
    let account = &call.emulator.seed.account;
    let message = format!("Instances [[{id}]] not in a valid state for account {account}");
    ApiError::client("InvalidInstanceId", message)
}
