//! STS: who am I, and may I be someone else?

use bytes::Bytes;
use http::Response;
use iam::{PolicyDocument, PrincipalKind, ResourcePolicy};

use crate::call::{Ask, Call};
use crate::credentials::{self, SessionOf};
use crate::error::{ApiError, ApiResult};
use crate::route::Protocol;
use crate::wire::{self, element};

const NAMESPACE: &str = "https://sts.amazonaws.com/doc/2011-06-15/";
const SHORTEST_SESSION_SECONDS: i64 = 900;
/// A role assumed by a role's session ends after an hour ("Role chaining").
const CHAINED_SESSION_SECONDS: i64 = 3_600;

/// Runs an STS operation.
pub(crate) fn handle(
    call: &Call<'_>,
    operation: &str,
    parameters: &[(String, String)],
) -> ApiResult<Response<Bytes>> {
    let result = match operation {
        "GetCallerIdentity" => get_caller_identity(call)?,
        "AssumeRole" => assume_role(call, parameters)?,
        other => return Err(ApiError::unsupported("AWS Security Token Service", other)),
    };
    let mut xml = format!("<{operation}Response xmlns=\"{NAMESPACE}\"><{operation}Result>{result}");
    xml.push_str(&format!("</{operation}Result><ResponseMetadata>"));
    element(&mut xml, "RequestId", call.request_id);
    xml.push_str(&format!("</ResponseMetadata></{operation}Response>"));
    Ok(wire::xml(Protocol::Query, xml))
}

/// Needs no permission, and cannot be denied by an identity policy ("GetCallerIdentity").
fn get_caller_identity(call: &Call<'_>) -> ApiResult<String> {
    let principal = &call.caller.principal;
    let user_id = call
        .caller
        .user_id()
        .unwrap_or_else(|| principal.display_name().to_owned());
    let mut xml = String::new();
    element(
        &mut xml,
        "Arn",
        principal.arn().unwrap_or(principal.display_name()),
    );
    element(&mut xml, "UserId", &user_id);
    element(
        &mut xml,
        "Account",
        principal.account().unwrap_or(&call.emulator.seed.account),
    );
    Ok(xml)
}

fn assume_role(call: &Call<'_>, parameters: &[(String, String)]) -> ApiResult<String> {
    let find = |name: &str| {
        parameters
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    };
    let role_arn = find("RoleArn").ok_or_else(|| missing("RoleArn"))?;
    let session_name = find("RoleSessionName").ok_or_else(|| missing("RoleSessionName"))?;
    check_session_name(session_name)?;
    let role = call.emulator.directory.role(role_arn);
    let mut ask = Ask::new("sts:AssumeRole", role_arn).key("sts:RoleSessionName", session_name);
    if let Some(external_id) = find("ExternalId") {
        ask = ask.key("sts:ExternalId", external_id);
    }
    let Some(role) = role else {
        // AWS answers a role that is not there as it answers one that does not trust the caller.
        return Err(not_authorized(call, role_arn));
    };
    let ask = ask
        .tags(&role.tags)
        .policy(role.trust.as_ref().map(ResourcePolicy::of_role));
    call.authorize(&ask)
        .map_err(|_| not_authorized(call, role_arn))?;
    let lifetime = session_seconds(call, find("DurationSeconds"), role.max_session_seconds)?;
    let policy = find("Policy").map(session_policy).transpose()?;
    let who = SessionOf::Role {
        arn: role_arn.to_owned(),
        name: session_name.to_owned(),
        policy,
    };
    let made = credentials::issue(&call.emulator.keys, who, call.now, lifetime);
    let mut xml = String::from("<Credentials>");
    element(&mut xml, "AccessKeyId", &made.access_key_id);
    element(&mut xml, "SecretAccessKey", made.secret_access_key.expose());
    element(
        &mut xml,
        "SessionToken",
        made.session_token.as_ref().map_or("", |t| t.expose()),
    );
    element(
        &mut xml,
        "Expiration",
        &made.expiration.unwrap_or(call.now).iso8601(),
    );
    xml.push_str("</Credentials><AssumedRoleUser>");
    let resource = format!("assumed-role/{}/{session_name}", role.name);
    let seed = &call.emulator.seed;
    let arn = format!("arn:{}:sts::{}:{resource}", seed.partition, seed.account);
    element(
        &mut xml,
        "AssumedRoleId",
        &format!("{}:{session_name}", role.unique_id),
    );
    element(&mut xml, "Arn", &arn);
    xml.push_str("</AssumedRoleUser>");
    Ok(xml)
}

fn session_policy(text: &str) -> ApiResult<serde_json::Value> {
    let malformed =
        |why: String| ApiError::client("MalformedPolicyDocument", format!("Syntax error: {why}"));
    let value: serde_json::Value =
        serde_json::from_str(text).map_err(|error| malformed(error.to_string()))?;
    PolicyDocument::parse(&value).map_err(|faults| {
        malformed(faults.first().map_or_else(String::new, ToString::to_string))
    })?;
    Ok(value)
}

fn session_seconds(call: &Call<'_>, asked: Option<&str>, role_limit: i64) -> ApiResult<i64> {
    let invalid = |message: String| ApiError::client("ValidationError", message);
    let Some(text) = asked else {
        return Ok(3_600.min(role_limit.max(SHORTEST_SESSION_SECONDS)));
    };
    let seconds: i64 = text
        .parse()
        .map_err(|_| invalid(format!("`{text}` is not a number of seconds")))?;
    if seconds < SHORTEST_SESSION_SECONDS {
        return Err(invalid(format!(
            "1 validation error detected: Value '{seconds}' at 'durationSeconds' failed to satisfy \
             constraint: Member must have value greater than or equal to {SHORTEST_SESSION_SECONDS}"
        )));
    }
    let chained = matches!(
        call.caller.principal.kind,
        PrincipalKind::RoleSession { .. }
    );
    if chained && seconds > CHAINED_SESSION_SECONDS {
        return Err(invalid(
            "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by \
             role chaining"
                .to_owned(),
        ));
    }
    if seconds > role_limit {
        return Err(invalid(
            "The requested DurationSeconds exceeds the MaxSessionDuration set for this role."
                .to_owned(),
        ));
    }
    Ok(seconds)
}

/// 2 to 64 of `[\w+=,.@-]` ("AssumeRole", RoleSessionName).
fn check_session_name(name: &str) -> ApiResult<()> {
    let good = (2..=64).contains(&name.len())
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"_+=,.@-".contains(&b));
    if good {
        return Ok(());
    }
    let message = format!(
        "1 validation error detected: Value '{name}' at 'roleSessionName' failed to satisfy \
         constraint: Member must satisfy regular expression pattern: [\\w+=,.@-]*"
    );
    Err(ApiError::client("ValidationError", message))
}

fn not_authorized(call: &Call<'_>, role_arn: &str) -> ApiError {
    let message = format!(
        "User: {} is not authorized to perform: sts:AssumeRole on resource: {role_arn}",
        call.caller.principal.display_name()
    );
    ApiError::client("AccessDeniedException", message)
}

fn missing(name: &str) -> ApiError {
    let message = format!(
        "1 validation error detected: Value null at '{name}' failed to satisfy constraint: \
         Member must not be null"
    );
    ApiError::client("ValidationError", message)
}
