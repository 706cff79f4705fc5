//! Which instances are managed: what agents report, and what people are told of them.

use iam::PrincipalKind;
use serde_json::{Value, json};

use super::describe::Page;
use super::fleet::Information;
use super::{instance_arn, seeded, time};
use crate::call::{Ask, Call};
use crate::error::{ApiError, ApiResult};
use crate::seed::InstanceSeed;
use crate::service::input::{optional, required, texts};

/// Longest text an agent may say of itself.
const MOST_CHARACTERS: usize = 255;

pub(super) fn update_instance_information(call: &Call<'_>, input: &Value) -> ApiResult<Value> {
    let id = required(input, "InstanceId")?;
    authorize_agent(call, "ssm:UpdateInstanceInformation", id, Some(id))?;
    let said = |name: &str, default: &str| -> ApiResult<String> {
        let text = optional(input, name)?.unwrap_or(default);
        if text.chars().count() > MOST_CHARACTERS {
            let message = format!("`{name}` is longer than {MOST_CHARACTERS} characters");
            return Err(ApiError::client("ValidationException", message));
        }
        Ok(text.to_owned())
    };
    let mut fleet = call.emulator.ssm.fleet();
    let registered = fleet.information(id).map_or(call.now, |i| i.registered);
    let information = Information {
        agent_version: said("AgentVersion", "")?,
        platform_type: said("PlatformType", "Linux")?,
        platform_name: said("PlatformName", "")?,
        platform_version: said("PlatformVersion", "")?,
        ip_address: said("IPAddress", "")?,
        computer_name: said("ComputerName", "")?,
        registered,
        seen: call.now,
    };
    fleet.agent(id).information = Some(information);
    Ok(json!({}))
}

/// May the caller do this, and is it the agent of `instance`? An agent acts for the instance its
/// credentials were made for, and for no other. `of` names the instance whose ARN policies see; without
/// one the action has no resource.
pub(crate) fn authorize_agent(
    call: &Call<'_>,
    action: &str,
    instance: &str,
    of: Option<&str>,
) -> ApiResult<()> {
    let arn = of.map(|id| instance_arn(call.emulator, id));
    let resource = arn.as_deref().unwrap_or("*");
    let tags = seeded(call.emulator, instance).map(|seed| &seed.tags);
    let mut ask = Ask::new(action, resource);
    if let (Some(tags), true) = (tags, of.is_some()) {
        ask = ask.tags(tags).tags_as("ssm:resourceTag", tags);
    }
    call.authorize(&ask)?;
    if is_agent_of(call, instance) {
        return Ok(());
    }
    let message = format!(
        "User: {} is not authorized to perform: {action} for {instance}: only its own agent is",
        call.caller.principal.display_name()
    );
    let refusal = ApiError::client("AccessDeniedException", message);
    call.record_refusal(action, resource, &refusal);
    Err(refusal)
}

/// Whether the caller signs as the instance: with its role, in a session called after it.
pub(crate) fn is_agent_of(call: &Call<'_>, instance: &str) -> bool {
    let PrincipalKind::RoleSession {
        role_arn,
        session_name,
        ..
    } = &call.caller.principal.kind
    else {
        return false;
    };
    let role = seeded(call.emulator, instance).and_then(|seed| seed.role_arn.as_ref());
    session_name == instance && role == Some(role_arn)
}

pub(super) fn describe_instance_information(call: &Call<'_>, input: &Value) -> ApiResult<Value> {
    call.authorize(&Ask::new("ssm:DescribeInstanceInformation", "*"))?;
    let filters = filters(input)?;
    let page = Page::read(input)?;
    let fleet = call.emulator.ssm.fleet();
    let mut found = Vec::new();
    for seed in &call.emulator.seed.instances {
        let Some(information) = fleet.information(&seed.id) else {
            continue;
        };
        let ping = information.ping_status(call.now);
        if filters.iter().all(|f| f.admits(seed, information, ping)) {
            found.push(shown(seed, information, ping));
        }
    }
    Ok(page.cut("InstanceInformationList", found))
}

fn shown(seed: &InstanceSeed, information: &Information, ping: &str) -> Value {
    let name = match information.computer_name.as_str() {
        "" => &seed.private_dns_name,
        said => said,
    };
    json!({
        "InstanceId": seed.id,
        "PingStatus": ping,
        "LastPingDateTime": time(information.seen),
        "AgentVersion": information.agent_version,
        "IsLatestVersion": true,
        "PlatformType": information.platform_type,
        "PlatformName": information.platform_name,
        "PlatformVersion": information.platform_version,
        "ResourceType": "EC2Instance",
        "IPAddress": match information.ip_address.as_str() {
            "" => seed.private_ip.to_string(),
            said => said.to_owned(),
        },
        "ComputerName": name,
        "SourceId": seed.id,
        "SourceType": "AWS::EC2::Instance",
    })
}

/// One filter: a key and the values of which one must hold.
struct Filter<'a> {
    key: Key<'a>,
    values: Vec<&'a str>,
}

enum Key<'a> {
    InstanceIds,
    PingStatus,
    AgentVersion,
    PlatformTypes,
    ResourceType,
    AnyTag,
    Tag(&'a str),
}

impl Filter<'_> {
    fn admits(&self, seed: &InstanceSeed, information: &Information, ping: &str) -> bool {
        let is = |text: &str| self.values.contains(&text);
        match self.key {
            Key::InstanceIds => is(&seed.id),
            Key::PingStatus => is(ping),
            Key::AgentVersion => is(&information.agent_version),
            Key::PlatformTypes => is(&information.platform_type),
            Key::ResourceType => is("EC2Instance"),
            Key::AnyTag => self.values.iter().any(|key| seed.tags.contains_key(*key)),
            Key::Tag(key) => seed.tags.get(key).is_some_and(|value| is(value)),
        }
    }
}

/// Both spellings: `Filters` with `Key` and `Values`, and the older list with `key` and `valueSet`.
fn filters(input: &Value) -> ApiResult<Vec<Filter<'_>>> {
    let mut filters = Vec::new();
    let spellings = [
        ("Filters", "Key", "Values"),
        ("InstanceInformationFilterList", "key", "valueSet"),
    ];
    for (list, key, values) in spellings {
        let given = match input.get(list) {
            None | Some(Value::Null) => continue,
            Some(Value::Array(given)) => given,
            Some(_) => return Err(ApiError::serialization(format!("`{list}` is not a list"))),
        };
        for filter in given {
            let values = texts(filter, values)?;
            if values.is_empty() {
                let message = "a filter without values admits nothing";
                return Err(ApiError::client(
                    "InvalidInstanceInformationFilterValue",
                    message,
                ));
            }
            let key = key_named(required(filter, key)?)?;
            filters.push(Filter { key, values });
        }
    }
    Ok(filters)
}

fn key_named(name: &str) -> ApiResult<Key<'_>> {
    Ok(match name {
        "InstanceIds" => Key::InstanceIds,
        "PingStatus" => Key::PingStatus,
        "AgentVersion" => Key::AgentVersion,
        "PlatformTypes" => Key::PlatformTypes,
        "ResourceType" => Key::ResourceType,
        "tag-key" => Key::AnyTag,
        _ => match name.strip_prefix("tag:") {
            Some(tag) => Key::Tag(tag),
            None => {
                let message = format!("The specified filter key `{name}` is not valid.");
                return Err(ApiError::client("InvalidFilterKey", message));
            }
        },
    })
}
