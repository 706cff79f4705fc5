//! Which operation is asked for, and who answers it? One module a service.

use bytes::Bytes;
use http::Request;
use serde_json::Value;

use crate::answer::Outcome;
use crate::call::Call;
use crate::error::{ApiError, ApiResult};
use crate::gate::header;
use crate::route::{Protocol, Service};
use crate::service::query::Parameters;
use crate::wire;

pub(crate) mod cloudformation;
pub(crate) mod cognito;
pub(crate) mod ec2;
pub(crate) mod ec2messages;
pub(crate) mod input;
pub(crate) mod kms;
pub(crate) mod logs;
pub(crate) mod query;
pub(crate) mod rds;
pub(crate) mod s3;
pub(crate) mod secretsmanager;
pub(crate) mod ssm;
pub(crate) mod ssmmessages;
pub(crate) mod sts;

/// What is asked for, in the terms of the service's protocol.
pub(crate) enum Operation {
    /// A JSON service's operation with its input.
    Json { name: String, input: Value },
    /// A query service's operation with its parameters.
    Query {
        name: String,
        parameters: Vec<(String, String)>,
    },
    /// S3 and `ssmmessages` find their operation in method, path and query.
    Rest,
}

/// Reads the operation of a request.
pub(crate) fn operation(service: Service, request: &Request<Bytes>) -> ApiResult<Operation> {
    match service.protocol() {
        Protocol::RestXml | Protocol::Messages => Ok(Operation::Rest),
        Protocol::Query | Protocol::Ec2Query => query_operation(request),
        Protocol::Json => {
            let target = header(request.headers(), "x-amz-target");
            let name = target
                .strip_prefix(service.target())
                .and_then(|rest| rest.strip_prefix('.'))
                .filter(|name| !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric()))
                .ok_or_else(|| unknown_operation(service, target))?;
            let body = request.body();
            let input = if body.is_empty() {
                Value::Object(serde_json::Map::new())
            } else {
                serde_json::from_slice(body)
                    .map_err(|error| ApiError::serialization(error.to_string()))?
            };
            if !input.is_object() {
                return Err(ApiError::serialization("the input is not a JSON object"));
            }
            Ok(Operation::Json {
                name: name.to_owned(),
                input,
            })
        }
    }
}

fn query_operation(request: &Request<Bytes>) -> ApiResult<Operation> {
    let mut parameters = wire::form(request.uri().query().unwrap_or_default());
    let body = std::str::from_utf8(request.body())
        .map_err(|_| ApiError::client("MalformedQueryString", "The body is not UTF-8"))?;
    parameters.extend(wire::form(body));
    let name = parameters
        .iter()
        .find(|(name, _)| name == "Action")
        .map(|(_, v)| v.clone());
    let name = name.ok_or_else(|| {
        ApiError::client(
            "MissingAction",
            "The request is missing an action or a required parameter",
        )
    })?;
    Ok(Operation::Query { name, parameters })
}

/// The operation's name alone, for a service that is not there.
pub(crate) fn operation_name(request: &Request<Bytes>) -> Option<String> {
    let target = header(request.headers(), "x-amz-target");
    if let Some((_, name)) = target.split_once('.') {
        return Some(name.to_owned());
    }
    match query_operation(request) {
        Ok(Operation::Query { name, .. }) => Some(name),
        _ => None,
    }
}

/// Whether an operation is for callers without AWS credentials (users of a pool).
pub(crate) fn is_open(service: Service, operation: &Operation) -> bool {
    matches!((service, operation), (Service::CognitoIdp, Operation::Json { name, .. })
        if cognito::is_open(name))
}

/// Runs an operation.
pub(crate) fn dispatch(
    call: &Call<'_>,
    service: Service,
    operation: &Operation,
    bucket: Option<&str>,
    request: &Request<Bytes>,
    body: &Bytes,
) -> ApiResult<Outcome> {
    match operation {
        Operation::Rest if service == Service::SsmMessages => {
            ssmmessages::handle(call, request, body)
        }
        Operation::Rest => Ok(s3::handle(call, bucket, request, body)?.into()),
        Operation::Query { name, parameters } => {
            let shared = Parameters(parameters);
            let answer = match service {
                Service::Sts => sts::handle(call, name, parameters),
                Service::CloudFormation => cloudformation::handle(call, name, &shared),
                Service::Ec2 => ec2::handle(call, name, &shared),
                Service::Rds => rds::handle(call, name, &shared),
                _ => Err(ApiError::unsupported(service.title(), name)),
            }?;
            Ok(answer.into())
        }
        Operation::Json { name, input } if service == Service::Ec2Messages => {
            ec2messages::handle(call, name, input)
        }
        Operation::Json { name, input } => {
            let answer = match service {
                Service::SecretsManager => secretsmanager::handle(call, name, input),
                Service::Kms => kms::handle(call, name, input),
                Service::Logs => logs::handle(call, name, input),
                Service::CognitoIdp => cognito::handle(call, name, input),
                Service::Ssm => ssm::handle(call, name, input),
                _ => Err(ApiError::unsupported(service.title(), name)),
            }?;
            Ok(wire::json(&answer).into())
        }
    }
}

fn unknown_operation(service: Service, target: &str) -> ApiError {
    let message = format!("{} has no operation `{target}`", service.title());
    ApiError::client("UnknownOperationException", message)
}
