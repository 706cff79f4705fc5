//! CloudFormation: what the stack consists of and says of itself. It is made by the region's plan, so
//! that it is always complete.

use bytes::Bytes;
use http::Response;

use super::query::{Parameters, Xml};
use crate::call::{Ask, Call};
use crate::error::{ApiError, ApiResult};
use crate::seed::{StackResourceSeed, StackSeed};

const NAMESPACE: &str = "http://cloudformation.amazonaws.com/doc/2010-05-15/";
const STATUS: &str = "CREATE_COMPLETE";
/// Stacks or resources in one answer.
const PAGE: usize = 100;

/// Runs a CloudFormation operation.
pub(crate) fn handle(
    call: &Call<'_>,
    operation: &str,
    parameters: &Parameters<'_>,
) -> ApiResult<Response<Bytes>> {
    let xml = match operation {
        "DescribeStacks" => describe_stacks(call, parameters)?,
        "DescribeStackResources" => describe_stack_resources(call, parameters)?,
        "ListStackResources" => list_stack_resources(call, parameters)?,
        other => return Err(ApiError::unsupported("AWS CloudFormation", other)),
    };
    Ok(xml.answer(operation, NAMESPACE, call.request_id))
}

fn describe_stacks(call: &Call<'_>, parameters: &Parameters<'_>) -> ApiResult<Xml> {
    const ACTION: &str = "cloudformation:DescribeStacks";
    let stacks = match parameters.get("StackName") {
        Some(name) => vec![stack(call, ACTION, name)?],
        None => {
            call.authorize(&Ask::new(ACTION, "*"))?;
            call.emulator.seed.stacks.iter().collect()
        }
    };
    let created = call.emulator.opened.iso8601_ms();
    let mut xml = Xml::default();
    xml.list("Stacks", "member", stacks, |xml, stack| {
        xml.text("StackName", &stack.name)
            .text("StackId", &stack.id)
            .maybe("Description", stack.description.as_deref())
            .text("CreationTime", &created)
            .text("StackStatus", STATUS)
            .text("DisableRollback", "false")
            .list("Outputs", "member", &stack.outputs, |xml, output| {
                xml.text("OutputKey", &output.key)
                    .text("OutputValue", &output.value)
                    .maybe("Description", output.description.as_deref())
                    .maybe("ExportName", output.export.as_deref());
            })
            .list("Tags", "member", &stack.tags, |xml, (key, value)| {
                xml.text("Key", key).text("Value", value);
            });
    });
    Ok(xml)
}

fn describe_stack_resources(call: &Call<'_>, parameters: &Parameters<'_>) -> ApiResult<Xml> {
    const ACTION: &str = "cloudformation:DescribeStackResources";
    let physical = parameters.get("PhysicalResourceId");
    let stack = match (parameters.get("StackName"), physical) {
        (Some(name), _) => stack(call, ACTION, name)?,
        (None, Some(id)) => stack_of(call, ACTION, id)?,
        (None, None) => return Err(invalid("StackName or PhysicalResourceId is needed")),
    };
    let logical = parameters.get("LogicalResourceId");
    let wanted = |resource: &&StackResourceSeed| {
        logical.is_none_or(|id| resource.logical_id == id)
            && physical.is_none_or(|id| resource.physical_id == id)
    };
    let resources: Vec<_> = stack.resources.iter().filter(wanted).collect();
    if let (Some(id), true) = (logical, resources.is_empty()) {
        let message = format!("Resource {id} does not exist for stack {}", stack.name);
        return Err(invalid(&message));
    }
    let created = call.emulator.opened.iso8601_ms();
    let mut xml = Xml::default();
    xml.list("StackResources", "member", resources, |xml, resource| {
        xml.text("StackName", &stack.name)
            .text("StackId", &stack.id)
            .text("LogicalResourceId", &resource.logical_id)
            .text("PhysicalResourceId", &resource.physical_id)
            .text("ResourceType", &resource.kind)
            .text("Timestamp", &created)
            .text("ResourceStatus", STATUS);
    });
    Ok(xml)
}

fn list_stack_resources(call: &Call<'_>, parameters: &Parameters<'_>) -> ApiResult<Xml> {
    let name = parameters.required("StackName")?;
    let stack = stack(call, "cloudformation:ListStackResources", name)?;
    let all = stack.resources.iter().collect();
    let (page, next) = parameters.page(all, "", "NextToken", 1..=PAGE)?;
    let created = call.emulator.opened.iso8601_ms();
    let mut xml = Xml::default();
    xml.list("StackResourceSummaries", "member", page, |xml, resource| {
        xml.text("LogicalResourceId", &resource.logical_id)
            .text("PhysicalResourceId", &resource.physical_id)
            .text("ResourceType", &resource.kind)
            .text("LastUpdatedTimestamp", &created)
            .text("ResourceStatus", STATUS);
    });
    xml.maybe("NextToken", next.as_deref());
    Ok(xml)
}

/// A stack by name or ARN, if the caller may do `action` to it.
fn stack<'a>(call: &Call<'a>, action: &str, reference: &str) -> ApiResult<&'a StackSeed> {
    let mut stacks = call.emulator.seed.stacks.iter();
    let found = stacks.find(|stack| stack.name == reference || stack.id == reference);
    let unknown = call
        .emulator
        .arn("cloudformation", &format!("stack/{reference}/*"));
    let mut ask = Ask::new(action, found.map_or(&unknown, |stack| &stack.id));
    if let Some(stack) = found {
        ask = ask.tags(&stack.tags);
    }
    call.authorize(&ask)?;
    found.ok_or_else(|| invalid(&format!("Stack with id {reference} does not exist")))
}

/// The stack a resource belongs to.
fn stack_of<'a>(call: &Call<'a>, action: &str, physical_id: &str) -> ApiResult<&'a StackSeed> {
    let has = |stack: &&StackSeed| {
        let mut resources = stack.resources.iter();
        resources.any(|resource| resource.physical_id == physical_id)
    };
    match call.emulator.seed.stacks.iter().find(has) {
        Some(found) => stack(call, action, &found.name),
        None => {
            call.authorize(&Ask::new(action, "*"))?;
            Err(invalid(&format!("Stack for {physical_id} does not exist")))
        }
    }
}

fn invalid(message: &str) -> ApiError {
    ApiError::client("ValidationError", message)
}
