//! StartSession, ResumeSession, TerminateSession.

use std::sync::Arc;

use iam::PrincipalKind;
use serde_json::{Value, json};
use session::wire::{SessionDocument, SessionRequest};

use super::document::{Document, PREFERENCES, Values, fill, substitute};
use super::sessions::{self, End, EndStatus, MOST_ACTIVE, Record, Session};
use super::token::{Holder, Tokens};
use super::{document_arn, finish, instance_arn, seeded, session_arn};
use crate::call::{Ask, Call};
use crate::error::{ApiError, ApiResult};
use crate::seed::Tags;
use crate::service::input::{optional, required};
use crate::service::ssmmessages::message;
use crate::service::ssmmessages::relay::Relay;

/// Longest `Target` and `Reason`.
const TARGET_CHARACTERS: usize = 400;
const REASON_CHARACTERS: usize = 256;

pub(super) fn start_session(call: &Call<'_>, input: &Value) -> ApiResult<Value> {
    let target = bounded("Target", required(input, "Target")?, TARGET_CHARACTERS)?;
    let reason = optional(input, "Reason")?
        .map(|reason| bounded("Reason", reason, REASON_CHARACTERS))
        .transpose()?;
    let name = optional(input, "DocumentName")?;
    let documents = &call.emulator.ssm.documents;
    let document = documents
        .get(name.unwrap_or(PREFERENCES))
        .filter(|document| document.kind == "Session");
    authorize_start(call, target, name, document)?;
    let document = document.ok_or_else(|| no_document(name.unwrap_or(PREFERENCES)))?;
    let values = fill(document, input.get("Parameters"))
        .map_err(|error| ApiError::client("BadRequest", error.to_string()))?;
    if seeded(call.emulator, target).is_none()
        || !call.emulator.ssm.fleet().is_connected(target, call.now)
    {
        return Err(not_connected(call, target));
    }
    let (owner_name, owner_arn) = owner(call)?;
    let id = sessions::new_id(&owner_name);
    let (idle_s, most_s) = documents.limits(document);
    let request = request(call, document, &values, &id, input);
    let mut session = Session {
        record: Record {
            id: id.clone(),
            target: target.to_owned(),
            document: document.name.clone(),
            owner_id: call.caller.user_id().unwrap_or_else(|| owner_name.clone()),
            owner_arn: owner_arn.clone(),
            reason: reason.map(str::to_owned),
            started: call.now,
            most_s,
            end: None,
        },
        tokens: Tokens::default(),
        relay: Arc::new(Relay::new(call.now)),
        request,
        idle_s,
        joined: false,
    };
    let token = session.tokens.issue(Holder::Client(owner_arn), call.now);
    let invitation = message::interactive_shell(&session.request, call.now);
    {
        let mut sessions = call.emulator.ssm.sessions();
        if sessions.count() >= MOST_ACTIVE {
            let message = format!("There are {MOST_ACTIVE} sessions, the most at once");
            return Err(ApiError::client("ThrottlingException", message));
        }
        sessions.insert(session);
    }
    if !call.emulator.ssm.fleet().send(target, invitation) {
        let end = End {
            at: call.now,
            status: EndStatus::Failed,
            output: String::new(),
            why: "the agent's control channel went away".to_owned(),
        };
        finish(call.emulator, &id, end);
        return Err(not_connected(call, target));
    }
    Ok(opened(call, &id, &token))
}

pub(super) fn resume_session(call: &Call<'_>, input: &Value) -> ApiResult<Value> {
    let id = required(input, "SessionId")?;
    authorize_session(call, "ssm:ResumeSession", id)?;
    let holder = Holder::Client(owner(call)?.1);
    let mut sessions = call.emulator.ssm.sessions();
    if let Some(session) = sessions.active_mut(id) {
        let token = session.tokens.issue(holder, call.now);
        return Ok(opened(call, id, &token));
    }
    match sessions.record(id) {
        // no token: the session has ended, and the plugin says so in its own words
        Some(_) => Ok(json!({ "SessionId": id })),
        None => Err(no_session(id)),
    }
}

pub(super) fn terminate_session(call: &Call<'_>, input: &Value) -> ApiResult<Value> {
    let id = required(input, "SessionId")?;
    authorize_session(call, "ssm:TerminateSession", id)?;
    let end = End {
        at: call.now,
        status: EndStatus::Terminated,
        output: String::new(),
        why: format!("{} terminated it", call.caller.principal.display_name()),
    };
    if !finish(call.emulator, id, end) && call.emulator.ssm.sessions().record(id).is_none() {
        return Err(no_session(id));
    }
    Ok(json!({ "SessionId": id }))
}

/// The instance must be allowed, and the document: always where one is named, and where none is
/// unless the policies allow the instance without looking at documents
/// (`ssm:SessionDocumentAccessCheck`, "Enforce a session document permission check").
fn authorize_start(
    call: &Call<'_>,
    target: &str,
    name: Option<&str>,
    document: Option<&Document>,
) -> ApiResult<()> {
    const ACTION: &str = "ssm:StartSession";
    let no_tags = Tags::new();
    let tags = seeded(call.emulator, target).map_or(&no_tags, |instance| &instance.tags);
    let instance_arn = instance_arn(call.emulator, target);
    let instance = |checks_document: bool| {
        Ask::new(ACTION, &instance_arn)
            .tags(tags)
            .tags_as("ssm:resourceTag", tags)
            .key(
                "ssm:SessionDocumentAccessCheck",
                checks_document.to_string(),
            )
    };
    if name.is_none() && call.would_allow(&instance(false)) {
        return call.authorize(&instance(false));
    }
    call.authorize(&instance(true))?;
    let unknown = document.is_none().then(|| {
        let name = name.unwrap_or(PREFERENCES);
        call.emulator.arn("ssm", &format!("document/{name}"))
    });
    let document_arn = match document {
        Some(document) => document_arn(call.emulator, document),
        None => unknown.unwrap_or_default(),
    };
    let tags = document.map_or(&no_tags, |document| &document.tags);
    call.authorize(
        &Ask::new(ACTION, &document_arn)
            .tags(tags)
            .tags_as("ssm:resourceTag", tags),
    )
}

/// A session goes by two names: with its owner's name, as in its id, and with the owner's
/// `aws:userid`, as AWS's sample policies have it.
pub(crate) fn authorize_session(call: &Call<'_>, action: &str, id: &str) -> ApiResult<()> {
    let by_id = session_arn(call.emulator, id);
    let by_user_id = call
        .emulator
        .ssm
        .sessions()
        .record(id)
        .map(|record| session_arn(call.emulator, &record.id_by_user_id()));
    let mut asks = vec![Ask::new(action, &by_id)];
    asks.extend(by_user_id.as_deref().map(|arn| Ask::new(action, arn)));
    call.authorize_one_of(&asks)
}

/// Name and ARN of who calls, as sessions are called after them.
fn owner(call: &Call<'_>) -> ApiResult<(String, String)> {
    let principal = &call.caller.principal;
    let name = match &principal.kind {
        PrincipalKind::User { name, .. } => name.clone(),
        PrincipalKind::RoleSession { session_name, .. } => session_name.clone(),
        PrincipalKind::Root { .. } => "root".to_owned(),
        PrincipalKind::Anonymous
        | PrincipalKind::Service { .. }
        | PrincipalKind::Federated { .. } => {
            let message = "only users and sessions of roles open sessions";
            return Err(ApiError::client("AccessDeniedException", message));
        }
    };
    let arn = principal.arn().unwrap_or_default().to_owned();
    Ok((name, arn))
}

/// What the agent is asked for: the document with every value in its place.
fn request(
    call: &Call<'_>,
    document: &Document,
    values: &Values,
    id: &str,
    input: &Value,
) -> SessionRequest {
    let part = |name: &str| {
        let part = document.content.get(name);
        part.map_or(Value::Null, |part| substitute(part, values))
    };
    let run_as = document
        .content
        .pointer("/inputs/runAsDefaultUser")
        .and_then(Value::as_str)
        .unwrap_or_default();
    SessionRequest {
        document_name: document.name.clone(),
        document_content: SessionDocument {
            schema_version: document.text("schemaVersion").to_owned(),
            description: document.text("description").to_owned(),
            session_type: document.text("sessionType").to_owned(),
            inputs: part("inputs"),
            parameters: document
                .content
                .get("parameters")
                .cloned()
                .unwrap_or_default(),
            properties: part("properties"),
        },
        session_id: id.to_owned(),
        parameters: input.get("Parameters").cloned().unwrap_or(json!({})),
        run_as_user: run_as.to_owned(),
        session_owner: call.caller.principal.arn().unwrap_or_default().to_owned(),
    }
}

fn opened(call: &Call<'_>, id: &str, token: &str) -> Value {
    json!({ "SessionId": id, "TokenValue": token, "StreamUrl": stream_url(call, id) })
}

/// Who came by an AWS name is sent to one; who came by a door of this machine, to that door.
fn stream_url(call: &Call<'_>, id: &str) -> String {
    let seed = &call.emulator.seed;
    let suffix = seed.dns_suffix();
    let path = format!("/v1/data-channel/{id}?role=publish_subscribe");
    let host = call
        .host
        .rsplit_once(':')
        .map_or(call.host, |(host, _)| host);
    if call.via.endpoint.is_some() || host.trim_end_matches('.').ends_with(suffix) {
        format!("wss://ssmmessages.{}.{suffix}{path}", seed.region)
    } else {
        format!("ws://{}{path}", call.host)
    }
}

fn bounded<'a>(name: &str, text: &'a str, most: usize) -> ApiResult<&'a str> {
    let length = text.chars().count();
    if (1..=most).contains(&length) {
        return Ok(text);
    }
    let message = format!("`{name}` has between 1 and {most} characters, not {length}");
    Err(ApiError::client("ValidationException", message))
}

fn no_document(name: &str) -> ApiError {
    let message = format!("Document with name {name} does not exist.");
    ApiError::client("InvalidDocument", message)
}

fn no_session(id: &str) -> ApiError {
    let message = format!("Session {id} does not exist.");
    ApiError::client("DoesNotExistException", message)
}

fn not_connected(call: &Call<'_>, target: &str) -> ApiError {
    let error = ApiError::client("TargetNotConnected", format!("{target} is not connected."));
    let arn = instance_arn(call.emulator, target);
    call.record_refusal("ssm:StartSession", &arn, &error);
    error
}
