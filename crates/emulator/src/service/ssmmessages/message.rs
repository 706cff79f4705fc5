//! What the service itself says to the ends of a session and to agents.

use bytes::Bytes;
use session::message::{FLAG_SYN_FIN, Message, MessageId, MessageKind, encode};
use session::wire;

use crate::clock::Timestamp;
use crate::random;

/// Asks an agent to join a session.
pub(crate) fn interactive_shell(request: &wire::SessionRequest, now: Timestamp) -> Bytes {
    let content = serde_json::to_string(request).expect("a request is strings and JSON");
    let shell = wire::InteractiveShell {
        content,
        task_id: request.session_id.clone(),
        topic: "aws.ssm.interactive_shell".to_owned(),
        schema_version: 1,
    };
    json_message("interactive_shell", &shell, now)
}

/// Tells `destination` that its session is over.
pub(crate) fn channel_closed(
    session: &str,
    destination: &str,
    output: &str,
    now: Timestamp,
) -> Bytes {
    let closed = wire::ChannelClosed {
        message_id: random::uuid(),
        created_date: now.iso8601_ms(),
        destination_id: destination.to_owned(),
        session_id: session.to_owned(),
        message_type: "channel_closed".to_owned(),
        schema_version: 1,
        output: output.to_owned(),
    };
    json_message("channel_closed", &closed, now)
}

/// A message with JSON in it.
pub(super) fn json_message(kind: &str, payload: &impl serde::Serialize, now: Timestamp) -> Bytes {
    let payload = serde_json::to_vec(payload).expect("messages are strings and numbers");
    message(kind, payload.into(), now)
}

/// A message of the service's own. Its creation is never zero: both ends refuse that.
pub(super) fn message(kind: &str, payload: Bytes, now: Timestamp) -> Bytes {
    encode(&Message {
        kind: MessageKind::named(kind),
        created_ms: u64::try_from(now.0).unwrap_or_default().max(1),
        sequence_number: 0,
        flags: FLAG_SYN_FIN,
        id: MessageId::from_random(random::bytes()),
        payload_type: 0,
        payload,
    })
}
