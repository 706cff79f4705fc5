//! Session Manager's messages: the tokens of agents, and the websockets of both ends.
//!
//! A websocket is asked for like anything else and weighed at the gate; [`Channel::run`] then
//! speaks it over the connection, on whichever thread and runtime the connection lives.

use std::fmt;
use std::future::Future;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{CONNECTION, ORIGIN, UPGRADE};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use crate::answer::Outcome;
use crate::call::Call;
use crate::emulator::Emulator;
use crate::error::{ApiError, ApiResult};
use crate::gate::header;
use crate::identity::Caller;
use crate::route::Service;
use crate::service::input::required;
use crate::service::ssm::token::Holder;
use crate::service::ssm::{authorize_agent, authorize_session, session_arn, sweep};
use crate::via::Via;
use crate::wire::{element, with_type};

mod control;
mod data;
pub(crate) mod message;
pub(crate) mod relay;
mod socket;

const XML: HeaderValue = HeaderValue::from_static("text/xml");

/// What a path is about.
enum Place<'a> {
    /// `/v1/control-channel/INSTANCE`
    Control(&'a str),
    /// `/v1/data-channel/SESSION`
    Data(&'a str),
}

fn place(path: &str) -> Option<Place<'_>> {
    let (kind, id) = path.strip_prefix("/v1/")?.split_once('/')?;
    let is_id = (1..=128).contains(&id.len()) && !id.contains('/');
    match kind {
        "control-channel" if is_id => Some(Place::Control(id)),
        "data-channel" if is_id => Some(Place::Data(id)),
        _ => None,
    }
}

/// Plugins before 1.2.764 do not sign the websocket of a session: its token says enough.
pub(crate) fn needs_no_signature<B>(service: Service, request: &Request<B>) -> bool {
    service == Service::SsmMessages
        && matches!(place(request.uri().path()), Some(Place::Data(_)))
        && asks_for_websocket(request)
}

/// Runs an operation, or opens a channel.
pub(crate) fn handle(
    call: &Call<'_>,
    request: &Request<Bytes>,
    body: &Bytes,
) -> ApiResult<Outcome> {
    sweep(call.emulator);
    match (request.method(), place(request.uri().path())) {
        (&Method::POST, Some(Place::Control(instance))) => {
            Ok(create_control_channel(call, instance, body)?.into())
        }
        (&Method::POST, Some(Place::Data(session))) => {
            Ok(create_data_channel(call, session, body)?.into())
        }
        (&Method::GET, Some(place)) if asks_for_websocket(request) => open(call, &place, request),
        (method, _) => {
            let operation = format!("{method} {}", request.uri().path());
            Err(ApiError::unsupported(
                Service::SsmMessages.title(),
                &operation,
            ))
        }
    }
}

fn create_control_channel(
    call: &Call<'_>,
    instance: &str,
    body: &Bytes,
) -> ApiResult<Response<Bytes>> {
    authorize_agent(call, "ssmmessages:CreateControlChannel", instance, None)?;
    checked(body)?;
    let mut fleet = call.emulator.ssm.fleet();
    let token = fleet.agent(instance).tokens.issue(Holder::Agent, call.now);
    Ok(created("CreateControlChannelResponse", &token))
}

fn create_data_channel(call: &Call<'_>, session: &str, body: &Bytes) -> ApiResult<Response<Bytes>> {
    const ACTION: &str = "ssmmessages:CreateDataChannel";
    let target = call
        .emulator
        .ssm
        .sessions()
        .record(session)
        .map(|record| record.target.clone());
    // nobody is the agent of a session that is not there
    authorize_agent(call, ACTION, target.as_deref().unwrap_or_default(), None)?;
    checked(body)?;
    let mut sessions = call.emulator.ssm.sessions();
    let Some(session) = sessions.active_mut(session) else {
        // these words end the agent's attempts
        let message = "Session is already terminated";
        return Err(ApiError::client("SessionTerminatedException", message));
    };
    let token = session.tokens.issue(Holder::Agent, call.now);
    Ok(created("CreateDataChannelResponse", &token))
}

/// Both requests have `MessageSchemaVersion` and `RequestId`.
fn checked(body: &Bytes) -> ApiResult<()> {
    let input: serde_json::Value =
        serde_json::from_slice(body).map_err(|error| ApiError::serialization(error.to_string()))?;
    required(&input, "RequestId")?;
    match required(&input, "MessageSchemaVersion")? {
        "1.0" => Ok(()),
        other => {
            let message = format!("message schema version `{other}` is not 1.0");
            Err(ApiError::client("ValidationException", message))
        }
    }
}

fn created(name: &str, token: &str) -> Response<Bytes> {
    let mut xml = format!("<{name}>");
    element(&mut xml, "TokenValue", token);
    element(&mut xml, "MessageSchemaVersion", "1.0");
    xml.push_str(&format!("</{name}>"));
    with_type(StatusCode::CREATED, XML, xml.into())
}

fn asks_for_websocket<B>(request: &Request<B>) -> bool {
    header(request.headers(), "upgrade").eq_ignore_ascii_case("websocket")
}

/// Checks the upgrade and weighs it; who may use which token is seen when the token comes.
fn open(call: &Call<'_>, place: &Place<'_>, request: &Request<Bytes>) -> ApiResult<Outcome> {
    let headers = request.headers();
    if headers.contains_key(ORIGIN) {
        // browsers let any page open a websocket to this machine, and always say whose page it is
        let message = "Channels are not opened for web pages";
        return Err(ApiError::new(
            StatusCode::FORBIDDEN,
            "ForbiddenException",
            message,
        ));
    }
    let is_upgrade = header(headers, "connection")
        .split(',')
        .any(|token| token.trim().eq_ignore_ascii_case("upgrade"));
    let key = header(headers, "sec-websocket-key");
    if !is_upgrade || key.is_empty() || header(headers, "sec-websocket-version") != "13" {
        let message = "The upgrade is not one of a websocket of version 13";
        return Err(ApiError::client("BadRequestException", message));
    }
    let kind = match place {
        Place::Control(instance) => {
            authorize_agent(call, "ssmmessages:OpenControlChannel", instance, None)?;
            Kind::Control {
                instance: (*instance).to_owned(),
            }
        }
        Place::Data(session) => {
            if call.caller.identity.is_some() {
                authorize_session(call, OPEN_DATA_CHANNEL, session)?;
            }
            Kind::Data {
                session: (*session).to_owned(),
            }
        }
    };
    Ok(Outcome::Open(Box::new(Opening {
        accept: derive_accept_key(key.as_bytes()),
        kind,
        caller: call.caller.clone(),
        via: call.via.clone(),
        user_agent: call.user_agent.to_owned(),
        request_id: call.request_id.to_owned(),
    })))
}

const OPEN_DATA_CHANNEL: &str = "ssmmessages:OpenDataChannel";

/// A channel that was asked for and may be opened.
pub(crate) struct Opening {
    accept: String,
    kind: Kind,
    caller: Caller,
    via: Via,
    user_agent: String,
    request_id: String,
}

#[derive(Clone, Debug)]
enum Kind {
    Control { instance: String },
    Data { session: String },
}

impl Opening {
    /// `101 Switching Protocols`.
    pub(crate) fn response(&self) -> Response<Bytes> {
        let mut response = Response::new(Bytes::new());
        *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        let headers = response.headers_mut();
        headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
        headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
        let accept = HeaderValue::from_str(&self.accept).expect("base64 is a header's text");
        headers.insert("sec-websocket-accept", accept);
        response
    }

    pub(crate) fn channel(self, emulator: Arc<Emulator>) -> Channel {
        Channel {
            opening: self,
            emulator,
        }
    }

    /// The request again, for what is decided when its token comes.
    fn call<'a>(&'a self, emulator: &'a Emulator) -> Call<'a> {
        Call {
            emulator,
            caller: &self.caller,
            via: &self.via,
            request_id: &self.request_id,
            user_agent: &self.user_agent,
            now: emulator.clock.now(),
            host: "",
            through: None,
        }
    }
}

/// One end's websocket, to be run over its connection.
pub struct Channel {
    opening: Opening,
    emulator: Arc<Emulator>,
}

impl fmt::Debug for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Channel").field(&self.opening.kind).finish()
    }
}

impl Channel {
    /// Speaks the channel over `stream` until either end or `stop` ends it. Dropping the future
    /// cuts the connection; a session survives that, its ends resume.
    pub async fn run<S>(self, stream: S, stop: impl Future<Output = ()>)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send,
    {
        let socket = socket::over(stream).await;
        let Self { opening, emulator } = &self;
        let running = async {
            match &opening.kind {
                Kind::Control { instance } => {
                    control::run(emulator, opening, instance, socket).await;
                }
                Kind::Data { session } => data::run(emulator, opening, session, socket).await,
            }
        };
        tokio::select! {
            () = running => {}
            () = stop => {}
        }
    }
}

/// Records who opened a data channel by its token alone, or why nobody did.
fn record_opening(call: &Call<'_>, session: &str, refusal: Option<&ApiError>) {
    let arn = session_arn(call.emulator, session);
    match refusal {
        Some(refusal) => call.record_refusal(OPEN_DATA_CHANNEL, &arn, refusal),
        // a signed one has its record already
        None if call.caller.identity.is_some() => {}
        None => call.record_internal(OPEN_DATA_CHANNEL, &arn, "it showed the session's token"),
    }
}
