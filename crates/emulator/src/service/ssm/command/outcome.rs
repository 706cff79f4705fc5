//! What became of commands: GetCommandInvocation, ListCommands, ListCommandInvocations.

use serde_json::{Value, json};

use crate::call::{Ask, Call};
use crate::error::{ApiError, ApiResult};
use crate::service::input::{flag, optional, required};
use crate::service::ssm::commands::{Command, Invocation, Outcome, State};
use crate::service::ssm::describe::Page;
use crate::service::ssm::document::RUN_SHELL_SCRIPT;
use crate::service::ssm::{seeded, time};

/// Characters of an output in a list of invocations.
const LISTED_CHARACTERS: usize = 2_500;

pub(in crate::service::ssm) fn get_command_invocation(
    call: &Call<'_>,
    input: &Value,
) -> ApiResult<Value> {
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

pub(in crate::service::ssm) fn list_commands(call: &Call<'_>, input: &Value) -> ApiResult<Value> {
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

pub(in crate::service::ssm) fn list_command_invocations(
    call: &Call<'_>,
    input: &Value,
) -> ApiResult<Value> {
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

/// A command as SendCommand and ListCommands show it.
pub(super) fn shown(command: &Command) -> Value {
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
