//! The Parameter Store, read only: GetParameter, GetParameters.

use serde_json::{Value, json};

use super::time;
use crate::call::{Ask, Call};
use crate::error::{ApiError, ApiResult};
use crate::seed::{ParameterSeed, Tags};
use crate::service::input::{required, texts};

/// Names in one GetParameters.
const MOST_NAMES: usize = 10;
/// Parameters are as the template says: they have one version.
const VERSION: &str = "1";

pub(super) fn get_parameter(call: &Call<'_>, input: &Value) -> ApiResult<Value> {
    let name = required(input, "Name")?;
    let found = allowed(call, "ssm:GetParameter", name)?;
    let parameter = found.ok_or_else(|| ApiError::client("ParameterNotFound", ""))?;
    Ok(json!({ "Parameter": shown(call, parameter) }))
}

pub(super) fn get_parameters(call: &Call<'_>, input: &Value) -> ApiResult<Value> {
    let names = texts(input, "Names")?;
    if names.is_empty() || names.len() > MOST_NAMES {
        let message = format!("`Names` has between 1 and {MOST_NAMES} names");
        return Err(ApiError::client("ValidationException", message));
    }
    let (mut parameters, mut invalid) = (Vec::new(), Vec::new());
    for name in names {
        match allowed(call, "ssm:GetParameters", name)? {
            Some(parameter) => parameters.push(shown(call, parameter)),
            None => invalid.push(name),
        }
    }
    Ok(json!({ "Parameters": parameters, "InvalidParameters": invalid }))
}

/// The parameter of a name, an ARN, or either with `:1`, if the caller may read it.
fn allowed<'a>(
    call: &Call<'a>,
    action: &str,
    reference: &str,
) -> ApiResult<Option<&'a ParameterSeed>> {
    let name = match reference.split_once(":parameter") {
        // the name's own slash, where it has one, is the ARN's
        Some((arn, name)) if arn.starts_with("arn:") => name,
        _ => reference,
    };
    let (name, version) = match name.rsplit_once(':') {
        Some((name, version)) => (name, version),
        None => (name, VERSION),
    };
    let plain = name.trim_start_matches('/');
    let mut parameters = call.emulator.seed.parameters.iter();
    let found = parameters.find(|p| p.name.trim_start_matches('/') == plain);
    let arn = call.emulator.arn("ssm", &format!("parameter/{plain}"));
    let no_tags = Tags::new();
    let tags = found.map_or(&no_tags, |parameter| &parameter.tags);
    let ask = Ask::new(action, &arn).tags(tags);
    call.authorize(&ask.tags_as("ssm:resourceTag", tags))?;
    if found.is_some() && version != VERSION {
        let message = format!("Systems Manager could not find version {version} of {name}.");
        return Err(ApiError::client("ParameterVersionNotFound", message));
    }
    Ok(found)
}

fn shown(call: &Call<'_>, parameter: &ParameterSeed) -> Value {
    let plain = parameter.name.trim_start_matches('/');
    json!({
        "Name": parameter.name,
        "Type": parameter.kind,
        "Value": parameter.value,
        "Version": 1,
        "LastModifiedDate": time(call.emulator.opened),
        "ARN": call.emulator.arn("ssm", &format!("parameter/{plain}")),
        "DataType": "text",
    })
}
