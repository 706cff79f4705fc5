//! Run Command: SendCommand, GetCommandInvocation, ListCommands, ListCommandInvocations, CancelCommand.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::commands::{Command, Invocation, Outcome, State};
use super::describe::Page;
use super::document::{Document, RUN_SHELL_SCRIPT, Values, fill};
use super::{document_arn, instance_arn, seeded, time};
use crate::call::{Ask, Call};
use crate::error::{ApiError, ApiResult};
use crate::random;
use crate::seed::{InstanceSeed, Tags};
use crate::service::input::{flag, integer, optional, required, texts};

/// `TimeoutSeconds`: how long a command waits to be taken.
const DELIVERY_S: i64 = 3_600;
const LEAST_DELIVERY_S: i64 = 30;
const MOST_DELIVERY_S: i64 = 2_592_000;
/// Instances one command may name.
const MOST_INSTANCES: usize = 50;
/// Characters of an output in a list of invocations.
const LISTED_CHARACTERS: usize = 2_500;
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

pub(super) fn get_command_invocation(call: &Call<'_>, input: &Value) -> ApiResult<Value> {
    call.authorize(&Ask::new("ssm:GetCommandInvocation", "*"))?;
    let (id, instance) = (
        required(input, "CommandId")?,
        required(input, "InstanceId")?,
    );
    let commands = call.emulator.ssm.commands();
    let none = || ApiError::client("InvocationDoesNotExist", "");
    let command = commands.get(id).ok_or_else(none)?;
    let invocation = command.invocations.get(instance).ok_or_else(none)?;
    let outcome = &invocation.outcome;
    Ok(json!({
        "CommandId": command.id,
        "InstanceId": instance,
        "Comment": command.comment,
        "DocumentName": command.document,
        "DocumentVersion": "$DEFAULT",
        "PluginName": plugin(command, outcome),
        "ResponseCode": code(invocation),
        "ExecutionStartDateTime": outcome.started,
        "ExecutionElapsedTime": elapsed(outcome),
        "ExecutionEndDateTime": outcome.ended,
        "Status": invocation.state.status(),
        "StatusDetails": invocation.state.details(),
        "StandardOutputContent": outcome.output,
        "StandardOutputUrl": "",
        "StandardErrorContent": outcome.errors,
        "StandardErrorUrl": "",
        "CloudWatchOutputConfig": {
            "CloudWatchLogGroupName": "", "CloudWatchOutputEnabled": false,
        },
    }))
}

pub(super) fn list_commands(call: &Call<'_>, input: &Value) -> ApiResult<Value> {
    call.authorize(&Ask::new("ssm:ListCommands", "*"))?;
    refuse_filters(input, "ListCommands")?;
    let (id, instance) = (
        optional(input, "CommandId")?,
        optional(input, "InstanceId")?,
    );
    let page = Page::read(input)?;
    let commands = call.emulator.ssm.commands();
    let found = commands
        .all()
        .filter(|command| is_meant(command, id, instance));
    Ok(page.cut("Commands", found.map(shown).collect()))
}

pub(super) fn list_command_invocations(call: &Call<'_>, input: &Value) -> ApiResult<Value> {
    call.authorize(&Ask::new("ssm:ListCommandInvocations", "*"))?;
    refuse_filters(input, "ListCommandInvocations")?;
    let (id, instance) = (
        optional(input, "CommandId")?,
        optional(input, "InstanceId")?,
    );
    let details = flag(input, "Details")?;
    let page = Page::read(input)?;
    let commands = call.emulator.ssm.commands();
    let mut found = Vec::new();
    for command in commands
        .all()
        .filter(|command| is_meant(command, id, instance))
    {
        for (name, invocation) in &command.invocations {
            if instance.is_none_or(|instance| instance == name) {
                found.push(listed(call, command, name, invocation, details));
            }
        }
    }
    Ok(page.cut("CommandInvocations", found))
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

fn refuse_filters(input: &Value, operation: &str) -> ApiResult<()> {
    match input.get("Filters") {
        Some(Value::Array(filters)) if !filters.is_empty() => {
            let what = format!("{operation} with Filters");
            Err(ApiError::unsupported("AWS Systems Manager", &what))
        }
        _ => Ok(()),
    }
}

fn is_meant(command: &Command, id: Option<&str>, instance: Option<&str>) -> bool {
    id.is_none_or(|id| command.id == id)
        && instance.is_none_or(|instance| command.invocations.contains_key(instance))
}

fn shown(command: &Command) -> Value {
    let count = |is: &dyn Fn(State) -> bool| {
        let states = command.invocations.values().map(|i| i.state);
        states.filter(|state| is(*state)).count()
    };
    let state = command.state();
    json!({
        "CommandId": command.id,
        "DocumentName": command.document,
        "DocumentVersion": "$DEFAULT",
        "Comment": command.comment,
        "ExpiresAfter": time(command.expires),
        "Parameters": command.parameters,
        "InstanceIds": command.invocations.keys().collect::<Vec<_>>(),
        "Targets": command.targets,
        "RequestedDateTime": time(command.requested),
        "Status": state.status(),
        "StatusDetails": state.details(),
        "OutputS3BucketName": "",
        "OutputS3KeyPrefix": "",
        "MaxConcurrency": "50",
        "MaxErrors": "0",
        "TargetCount": command.invocations.len(),
        "CompletedCount": count(&State::is_final),
        "ErrorCount": count(&|state| state == State::Failed),
        "DeliveryTimedOutCount": count(&|state| state == State::DeliveryTimedOut),
        "TimeoutSeconds": (command.expires.0 - command.requested.0) / 1_000,
    })
}

fn listed(
    call: &Call<'_>,
    command: &Command,
    instance: &str,
    invocation: &Invocation,
    details: bool,
) -> Value {
    let outcome = &invocation.outcome;
    let (status, status_details) = (invocation.state.status(), invocation.state.details());
    let plugins = if details && !outcome.step.is_empty() {
        let both = match outcome.errors.as_str() {
            "" => outcome.output.clone(),
            errors => format!("{}\n----------ERROR-------\n{errors}", outcome.output),
        };
        let both: String = both.chars().take(LISTED_CHARACTERS).collect();
        json!([{
            "Name": plugin(command, outcome),
            "Status": status,
            "StatusDetails": status_details,
            "ResponseCode": code(invocation),
            "Output": both,
        }])
    } else {
        json!([])
    };
    let name = seeded(call.emulator, instance).map_or("", |seed| &seed.private_dns_name);
    json!({
        "CommandId": command.id,
        "InstanceId": instance,
        "InstanceName": name,
        "Comment": command.comment,
        "DocumentName": command.document,
        "DocumentVersion": "$DEFAULT",
        "RequestedDateTime": time(command.requested),
        "Status": status,
        "StatusDetails": status_details,
        "CommandPlugins": plugins,
    })
}

fn plugin<'a>(command: &Command, outcome: &'a Outcome) -> &'a str {
    match outcome.step.as_str() {
        "" if command.document == RUN_SHELL_SCRIPT => "aws:runShellScript",
        step => step,
    }
}

/// `-1` until there is one.
fn code(invocation: &Invocation) -> i64 {
    invocation.outcome.code.unwrap_or(-1)
}

/// `PT1.5S`; empty while it runs.
fn elapsed(outcome: &Outcome) -> String {
    use time::OffsetDateTime;
    use time::format_description::well_known::Rfc3339;
    let at = |text: &str| OffsetDateTime::parse(text, &Rfc3339).ok();
    match (at(&outcome.started), at(&outcome.ended)) {
        (Some(started), Some(ended)) => {
            let took = (ended - started).whole_milliseconds().max(0);
            format!("PT{}.{:03}S", took / 1_000, took % 1_000)
        }
        _ => String::new(),
    }
}

fn not_valid(call: &Call<'_>, id: &str) -> ApiError {
    let account = &call.emulator.seed.account;
    let message = format!("Instances [[{id}]] not in a valid state for account {account}");
    ApiError::client("InvalidInstanceId", message)
}
