//! How do a session's sockets come about? [`session_io`] asks for them, again
//! and again; this is where they are fetched with credentials that are fresh.

use std::time::Duration;

use session::wire::OpenDataChannelInput;
use session_io::{Dial, DialError, Socket, Start, Started};
use tokio::time::timeout;

use super::{SessionAccess, SessionRequest, resume_session, start_session, terminate_session};
use crate::client::Client;
use crate::error::CallError;
use crate::websocket::WebsocketError;

/// What this client says of itself. Agents choose their ways by it: it has to have
/// four parts, and to be one of those that sign the upgrade.
pub const CLIENT_VERSION: &str = "1.2.896.0";

/// How long somebody who leaves waits to have said so.
const FAREWELL: Duration = Duration::from_secs(3);
/// The service that relays between the ends of a session.
const SERVICE: &str = "ssmmessages";

/// Starts sessions of one kind with one target.
#[derive(Debug)]
pub struct SessionStarter {
    pub(super) client: Client,
    request: SessionRequest,
    client_id: String,
}

impl SessionStarter {
    #[must_use]
    pub fn new(client: Client, request: SessionRequest) -> Self {
        Self {
            client,
            request,
            client_id: uuid(),
        }
    }
}

impl Start for SessionStarter {
    type Dial = SessionDialer;

    async fn start(&mut self) -> Result<Started<SessionDialer>, DialError> {
        let started = start_session(&self.client, &self.request).await;
        let access = started.map_err(of_call)?;
        Ok(Started {
            session_id: access.session_id.clone(),
            dial: SessionDialer {
                client: self.client.clone(),
                client_id: self.client_id.clone(),
                session_id: access.session_id.clone(),
                unused: Some(access),
            },
        })
    }

    async fn terminate(&mut self, session_id: &str) {
        // it ends by itself when nobody is there
        let _ended = timeout(FAREWELL, terminate_session(&self.client, session_id)).await;
    }
}

/// Opens the data channel of one session.
#[derive(Debug)]
pub struct SessionDialer {
    client: Client,
    client_id: String,
    session_id: String,
    /// What `StartSession` gave, until it is used.
    unused: Option<SessionAccess>,
}

impl Dial for SessionDialer {
    async fn dial(&mut self) -> Result<Socket, DialError> {
        let access = match self.unused.take() {
            Some(access) => access,
            None => self.resume().await?,
        };
        let opened = self.client.websocket(SERVICE, &access.stream_url).await;
        let mut socket = opened.map_err(of_websocket)?;
        let input = OpenDataChannelInput {
            message_schema_version: "1.0".to_owned(),
            request_id: uuid(),
            token_value: access.token,
            client_id: self.client_id.clone(),
            client_version: Some(CLIENT_VERSION.to_owned()),
            client_instance_id: None,
        };
        let text = serde_json::to_string(&input).expect("plain fields are JSON");
        let sent = socket.send_text(text).await;
        sent.map_err(|error| DialError::Unavailable(Box::new(error)))?;
        Ok(socket)
    }
}

impl SessionDialer {
    async fn resume(&self) -> Result<SessionAccess, DialError> {
        match resume_session(&self.client, &self.session_id).await {
            Ok(Some(access)) => Ok(access),
            // an answer without a token is how the service says so
            Ok(None) => Err(DialError::Gone("it has timed out".to_owned())),
            Err(CallError::Refused(refusal)) if refusal.code == "DoesNotExistException" => {
                Err(DialError::Gone(refusal.message))
            }
            Err(error) => Err(of_call(error)),
        }
    }
}

fn of_call(error: CallError) -> DialError {
    if error.may_pass() {
        DialError::Unavailable(Box::new(error))
    } else {
        DialError::Refused(Box::new(error))
    }
}

fn of_websocket(error: WebsocketError) -> DialError {
    if error.may_pass() {
        DialError::Unavailable(Box::new(error))
    } else {
        DialError::Refused(Box::new(error))
    }
}

/// A random UUID (RFC 9562, version 4).
fn uuid() -> String {
    let mut bytes = [0; 16];
    aws_lc_rs::rand::fill(&mut bytes).expect("the operating system has random bytes");
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let parts = [0..8, 8..12, 12..16, 16..20, 20..32].map(|range| &hex[range]);
    parts.join("-")
}
