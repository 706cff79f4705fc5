//! One session, by its document.

use std::sync::Arc;

use serde_json::Value as Json;
use session::wire::SessionRequest;
use session::{AgentOffer, Extension, SessionKind};
use session_io::{ServeError, Served};
use tokio_util::sync::CancellationToken;

use crate::data::DataDialer;
use crate::{AGENT_VERSION, Agent, chain, port, shell};

/// Payloads between this agent and a client of ours; others get the official size.
const PAYLOAD_BYTES: usize = 128 << 10;

/// A session that is over.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) id: String,
    /// What is told of it: a word for the log, or why it failed, for the user.
    pub(crate) outcome: Result<String, String>,
}

/// Why a session fails.
#[derive(Debug)]
pub(crate) enum Failure {
    /// It is not even begun: a sentence for its user.
    Before(String),
    /// It broke off.
    During(ServeError),
}

/// Carries a session out to its end.
pub(crate) async fn run(
    agent: &Arc<Agent>,
    request: &SessionRequest,
    stop: CancellationToken,
) -> Result<String, String> {
    let kind = &request.document_content.session_type;
    let served = match SessionKind::named(kind) {
        Some(SessionKind::Port) => port::run(agent, request, stop).await,
        Some(kind) => shell::run(agent, request, kind, stop).await,
        None => Err(Failure::Before(format!(
            "Sessions of type `{kind}` are not supported."
        ))),
    };
    let served = match served {
        Ok(served) => served,
        Err(Failure::During(error)) => return Err(chain(&error)),
        Err(Failure::Before(reason)) => {
            let mut dialer = DataDialer::new(Arc::clone(agent), &request.session_id);
            dialer.wait_for_user().await;
            return Err(reason);
        }
    };
    Ok(match served {
        Served::Terminated => "was ended by its user".to_owned(),
        Served::Closed { .. } => "was ended by the service".to_owned(),
        Served::Stopped => "was ended".to_owned(),
        Served::Gone(reason) => format!("is over: {reason}"),
        Served::Exited { code } => format!("ended with exit code {code}"),
    })
}

/// What is announced to the client.
pub(crate) fn offer(kind: SessionKind, properties: &Json) -> AgentOffer {
    AgentOffer {
        agent_version: AGENT_VERSION.to_owned(),
        kind,
        properties: texts(properties),
        kms_key_id: None,
        customer_message: String::new(),
        extension: Some(Extension {
            payload_bytes: PAYLOAD_BYTES,
        }),
    }
}

fn texts(properties: &Json) -> std::collections::BTreeMap<String, String> {
    let pairs = properties.as_object().into_iter().flatten();
    pairs
        .map(|(name, value)| {
            let text = value.as_str().map(str::to_owned);
            (name.clone(), text.unwrap_or_else(|| value.to_string()))
        })
        .collect()
}
