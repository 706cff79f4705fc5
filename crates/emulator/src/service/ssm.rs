//! AWS Systems Manager: sessions, commands, managed instances, documents, parameters.
//!
//! The API side. Frames between a session's two ends are [`super::ssmmessages`]' business.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::Value;
use tokio::sync::Semaphore;

use crate::call::Call;
use crate::clock::Timestamp;
use crate::emulator::{Emulator, OpenError};
use crate::error::{ApiError, ApiResult};
use crate::identity::Caller;
use crate::seed::{InstanceSeed, Seed};
use crate::service::kms::keyring::Keyring;
use crate::service::ssmmessages::message;
use crate::store::Store;

mod command;
pub(crate) mod commands;
mod describe;
mod disk;
pub(crate) mod document;
mod documents;
pub(crate) mod fleet;
mod instance;
mod parameter;
pub(crate) mod sessions;
mod start;
pub(crate) mod token;

pub use document::DocumentError;
pub(crate) use instance::{authorize_agent, is_agent_of};
pub(crate) use start::authorize_session;

use commands::{Bell, Commands};
use document::Documents;
use fleet::Fleet;
use sessions::{End, Session, Sessions};

/// Websockets that may be open without having shown a token.
const MOST_STRANGERS: usize = 256;

/// Everything Systems Manager remembers.
pub(crate) struct Ssm {
    pub(crate) documents: Documents,
    fleet: Mutex<Fleet>,
    sessions: Mutex<Sessions>,
    commands: Mutex<Commands>,
    pub(crate) bell: Bell,
    /// Room for websockets that have not said who they are.
    pub(crate) strangers: Semaphore,
}

impl Ssm {
    pub(crate) fn open(
        store: Arc<Store>,
        keys: Arc<Keyring>,
        seed: &Seed,
        now: Timestamp,
    ) -> Result<Self, OpenError> {
        let documents = Documents::open(&seed.documents)
            .map_err(|(name, source)| OpenError::Document { name, source })?;
        Ok(Self {
            documents,
            fleet: Mutex::default(),
            sessions: Mutex::new(Sessions::open(store, keys, now)?),
            commands: Mutex::default(),
            bell: Bell::default(),
            strangers: Semaphore::new(MOST_STRANGERS),
        })
    }

    pub(crate) fn fleet(&self) -> MutexGuard<'_, Fleet> {
        locked(&self.fleet)
    }

    pub(crate) fn sessions(&self) -> MutexGuard<'_, Sessions> {
        locked(&self.sessions)
    }

    pub(crate) fn commands(&self) -> MutexGuard<'_, Commands> {
        locked(&self.commands)
    }

    pub(crate) fn close_data_channels(&self) {
        for session in self.sessions().all_active() {
            session.relay.say_bye();
        }
    }
}

/// Runs a Systems Manager operation.
pub(crate) fn handle(call: &Call<'_>, operation: &str, input: &Value) -> ApiResult<Value> {
    sweep(call.emulator);
    match operation {
        "StartSession" => start::start_session(call, input),
        "ResumeSession" => start::resume_session(call, input),
        "TerminateSession" => start::terminate_session(call, input),
        "DescribeSessions" => describe::describe_sessions(call, input),
        "GetConnectionStatus" => describe::get_connection_status(call, input),
        "DescribeInstanceInformation" => instance::describe_instance_information(call, input),
        "UpdateInstanceInformation" => instance::update_instance_information(call, input),
        "SendCommand" => command::send_command(call, input),
        "GetCommandInvocation" => command::outcome::get_command_invocation(call, input),
        "ListCommands" => command::outcome::list_commands(call, input),
        "ListCommandInvocations" => command::outcome::list_command_invocations(call, input),
        "CancelCommand" => command::cancel_command(call, input),
        "GetParameter" => parameter::get_parameter(call, input),
        "GetParameters" => parameter::get_parameters(call, input),
        "ListDocuments" => documents::list_documents(call, input),
        "DescribeDocument" => documents::describe_document(call, input),
        "GetDocument" => documents::get_document(call, input),
        other => Err(ApiError::unsupported("AWS Systems Manager", other)),
    }
}

/// Ends what time has ended.
pub(crate) fn sweep(emulator: &Emulator) {
    let now = emulator.clock.now();
    emulator.ssm.commands().expire(now);
    let timed_out: Vec<_> = {
        // in this order wherever both are held
        let (fleet, sessions) = (emulator.ssm.fleet(), emulator.ssm.sessions());
        let ended = |session: &Session| {
            let control = fleet.control_since(&session.record.target);
            Some((session.record.id.clone(), session.timed_out(now, control)?))
        };
        sessions.all_active().filter_map(ended).collect()
    };
    for (id, end) in timed_out {
        end_session(emulator, &id, end);
    }
}

/// Ends one session if time has ended it.
pub(crate) fn expire(emulator: &Emulator, id: &str) {
    let now = emulator.clock.now();
    let end = {
        let (fleet, sessions) = (emulator.ssm.fleet(), emulator.ssm.sessions());
        sessions.active(id).and_then(|session| {
            let control = fleet.control_since(&session.record.target);
            session.timed_out(now, control)
        })
    };
    if let Some(end) = end {
        end_session(emulator, id, end);
    }
}

/// Ends a session that nobody asked the API to end, and says so in the trail.
pub(crate) fn end_session(emulator: &Emulator, id: &str, end: End) {
    let why = end.why.clone();
    if finish(emulator, id, end) {
        let arn = session_arn(emulator, id);
        let caller = Caller::service("ssm.amazonaws.com", None);
        emulator
            .as_service(&caller)
            .record_internal("ssm:TerminateSession", &arn, &why);
    }
}

/// Ends a session and tells its ends and the agent; whether it was going on.
fn finish(emulator: &Emulator, id: &str, end: End) -> bool {
    let (now, output) = (end.at, end.output.clone());
    let Some(record) = emulator.ssm.sessions().end(id, end) else {
        return false;
    };
    let closed = message::channel_closed(&record.id, &record.target, &output, now);
    // an agent without a control channel hears of it on the data channel, or finds out
    emulator.ssm.fleet().send(&record.target, closed);
    true
}

pub(crate) fn session_arn(emulator: &Emulator, id: &str) -> String {
    emulator.arn("ssm", &format!("session/{id}"))
}

fn instance_arn(emulator: &Emulator, id: &str) -> String {
    emulator.arn("ec2", &format!("instance/{id}"))
}

/// AWS's own documents have no account in their ARN.
fn document_arn(emulator: &Emulator, document: &document::Document) -> String {
    let seed = &emulator.seed;
    let account = if document.is_amazons {
        ""
    } else {
        &seed.account
    };
    let (partition, region) = (&seed.partition, &seed.region);
    let name = &document.name;
    format!("arn:{partition}:ssm:{region}:{account}:document/{name}")
}

pub(crate) fn seeded<'a>(emulator: &'a Emulator, id: &str) -> Option<&'a InstanceSeed> {
    emulator.seed.instances.iter().find(|i| i.id == id)
}

/// Times of this API are seconds with milliseconds.
fn time(at: Timestamp) -> Value {
    at.epoch_seconds()
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
