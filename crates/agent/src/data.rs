//! The agent's end of a session's data channel, opened again and again.

use std::sync::Arc;
use std::time::Duration;

use aws::{CallError, WebsocketError};
use bytes::Bytes;
use http::Method;
use serde_json::json;
use session::message::{Decoded, MessageKind, decode};
use session::wire::OpenDataChannelInput;
use session_io::{Dial, DialError, Socket};

use crate::{Agent, uuid};

pub(crate) const SERVICE: &str = "ssmmessages";
/// How long the user of a session that fails is waited for.
const USER_WAIT: Duration = Duration::from_secs(10);

/// Opens the data channel of one session.
#[derive(Debug)]
pub(crate) struct DataDialer {
    agent: Arc<Agent>,
    session_id: String,
    client_id: String,
}

impl DataDialer {
    pub(crate) fn new(agent: Arc<Agent>, session_id: &str) -> Self {
        Self {
            agent,
            session_id: session_id.to_owned(),
            client_id: uuid(),
        }
    }

    /// Waits until the session's user is there, for a while: who is not cannot be
    /// told why the session fails.
    pub(crate) async fn wait_for_user(&mut self) {
        let there = async {
            let mut socket = self.dial().await.ok()?;
            loop {
                let frame = socket.next().await.ok()??;
                if let Decoded::Message(message) = decode(&frame)
                    && message.kind == MessageKind::StartPublication
                {
                    return Some(());
                }
            }
        };
        let _there = tokio::time::timeout(USER_WAIT, there).await;
    }

    async fn token(&self) -> Result<String, DialError> {
        let path = format!("/v1/data-channel/{}", self.session_id);
        token(&self.agent, &path, Some(&self.client_id))
            .await
            .map_err(|error| match error {
                CallError::Refused(refusal)
                    if refusal.message.contains("Session is already terminated") =>
                {
                    DialError::Gone(refusal.message)
                }
                error if error.may_pass() => DialError::Unavailable(Box::new(error)),
                error => DialError::Refused(Box::new(error)),
            })
    }
}

impl Dial for DataDialer {
    async fn dial(&mut self) -> Result<Socket, DialError> {
        let token = self.token().await?;
        let path = format!(
            "/v1/data-channel/{}?role=publish_subscribe",
            self.session_id
        );
        let mut socket = websocket(&self.agent, &path).await.map_err(of_websocket)?;
        let input = OpenDataChannelInput {
            message_schema_version: "1.0".to_owned(),
            request_id: uuid(),
            token_value: token,
            client_id: self.client_id.clone(),
            client_version: None,
            client_instance_id: Some(self.agent.identity.instance_id.clone()),
        };
        let text = serde_json::to_string(&input).expect("plain fields are JSON");
        let sent = socket.send_text(text).await;
        sent.map_err(|error| DialError::Unavailable(Box::new(error)))?;
        Ok(socket)
    }
}

fn of_websocket(error: WebsocketError) -> DialError {
    if error.may_pass() {
        DialError::Unavailable(Box::new(error))
    } else {
        DialError::Refused(Box::new(error))
    }
}

/// Asks for the token of a channel. It is not shown by errors.
pub(crate) async fn token(
    agent: &Agent,
    path: &str,
    client_id: Option<&str>,
) -> Result<String, CallError> {
    let mut body = json!({ "MessageSchemaVersion": "1.0", "RequestId": uuid() });
    if let Some(client_id) = client_id {
        body["ClientId"] = json!(client_id);
    }
    let body = Bytes::from(body.to_string());
    let asked = agent.client.rest(Method::POST, SERVICE, path, Some(body));
    let (_, answer) = asked.await?;
    token_of(&answer).ok_or_else(|| CallError::Answer {
        operation: format!("POST {path}"),
        reason: "it has no token",
    })
}

/// `<…Response><TokenValue>…</TokenValue>…`
fn token_of(answer: &[u8]) -> Option<String> {
    let document = roxmltree::Document::parse(std::str::from_utf8(answer).ok()?).ok()?;
    let mut all = document.descendants();
    let node = all.find(|node| node.has_tag_name("TokenValue"));
    node?.text().map(str::to_owned)
}

/// Opens a websocket of the messages service.
pub(crate) async fn websocket(agent: &Agent, path: &str) -> Result<Socket, WebsocketError> {
    let endpoint = agent.client.endpoint(SERVICE);
    let scheme = if endpoint.is_tls { "wss" } else { "ws" };
    let url = format!("{scheme}://{}{}{path}", endpoint.authority, endpoint.path);
    agent.client.websocket(SERVICE, &url).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_read_from_xml() {
        let text = b"<CreateDataChannelResponse><TokenValue>a&amp;b</TokenValue>\
                     <MessageSchemaVersion>1.0</MessageSchemaVersion></CreateDataChannelResponse>";
        assert_eq!(token_of(text).as_deref(), Some("a&b"));
        assert_eq!(token_of(b"<x/>"), None);
        assert_eq!(token_of(b"{}"), None);
    }
}
