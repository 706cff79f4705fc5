//! The JSON inside messages and beside them, key for key.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

/// The first text frame of a data channel.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct OpenDataChannelInput {
    /// `1.0`
    pub message_schema_version: String,
    /// A UUID.
    pub request_id: String,
    /// Good for one connection. Not shown by `Debug`.
    pub token_value: String,
    /// A UUID, the same for every connection of one process.
    pub client_id: String,
    /// What a client says of itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_version: Option<String>,
    /// What an agent says instead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_instance_id: Option<String>,
}

impl std::fmt::Debug for OpenDataChannelInput {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OpenDataChannelInput")
            .field("request_id", &self.request_id)
            .field("client_id", &self.client_id)
            .field("client_version", &self.client_version)
            .field("client_instance_id", &self.client_instance_id)
            .finish_non_exhaustive()
    }
}

/// The payload of `acknowledge`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Acknowledge {
    pub acknowledged_message_type: String,
    pub acknowledged_message_id: String,
    pub acknowledged_message_sequence_number: i64,
    pub is_sequential_message: bool,
}

/// The payload of `channel_closed`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct ChannelClosed {
    #[serde(default)]
    pub message_id: String,
    #[serde(default)]
    pub created_date: String,
    #[serde(default)]
    pub destination_id: String,
    #[serde(default)]
    pub session_id: String,
    #[serde(default)]
    pub message_type: String,
    #[serde(default)]
    pub schema_version: i32,
    /// What the user is told.
    #[serde(default)]
    pub output: String,
}

/// The payload of `agent_session_state`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct AgentSessionState {
    pub schema_version: i32,
    /// `Connected` or `Terminating`.
    pub session_state: String,
    pub session_id: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct HandshakeRequest {
    pub agent_version: String,
    pub requested_client_actions: Vec<RequestedAction>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct RequestedAction {
    /// `SessionType` or `KMSEncryption`.
    pub action_type: String,
    #[serde(default)]
    pub action_parameters: serde_json::Value,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct SessionTypeRequest {
    pub session_type: String,
    /// Document properties; values that are not strings are kept as their JSON.
    #[serde(default)]
    pub properties: Option<BTreeMap<String, serde_json::Value>>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct KmsEncryptionRequest {
    #[serde(rename = "KMSKeyId")]
    pub kms_key_id: String,
    /// Base64; newer agents put it into the encryption context.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub challenge: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct KmsEncryptionResponse {
    #[serde(rename = "KMSCipherTextKey")]
    pub kms_cipher_text_key: Base64,
    #[serde(rename = "KMSCipherTextHash", default)]
    pub kms_cipher_text_hash: Option<Base64>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct HandshakeResponse {
    pub client_version: String,
    #[serde(default, deserialize_with = "null_is_empty")]
    pub processed_client_actions: Vec<ProcessedAction>,
    #[serde(default)]
    pub errors: Option<Vec<String>>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct ProcessedAction {
    pub action_type: String,
    /// One of [`action_status`].
    pub action_status: u32,
    #[serde(default)]
    pub action_result: serde_json::Value,
    #[serde(default)]
    pub error: String,
}

/// Numbers of `ActionStatus`.
pub mod action_status {
    pub const SUCCESS: u32 = 1;
    pub const FAILED: u32 = 2;
    pub const UNSUPPORTED: u32 = 3;
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct HandshakeComplete {
    /// Nanoseconds.
    pub handshake_time_to_complete: u64,
    #[serde(default)]
    pub customer_message: String,
}

/// Both challenge messages of an encrypted session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct EncryptionChallenge {
    pub challenge: Base64,
}

/// The payload of a terminal size message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct TerminalSize {
    pub cols: u32,
    pub rows: u32,
}

/// The first text frame of an agent's control channel.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct OpenControlChannelInput {
    #[serde(default)]
    pub cookie: Option<String>,
    /// `1.0`
    pub message_schema_version: String,
    pub request_id: String,
    /// Not shown by `Debug`.
    pub token_value: String,
    #[serde(default)]
    pub agent_version: String,
    #[serde(default)]
    pub platform_type: String,
}

impl std::fmt::Debug for OpenControlChannelInput {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OpenControlChannelInput")
            .field("request_id", &self.request_id)
            .field("agent_version", &self.agent_version)
            .finish_non_exhaustive()
    }
}

/// The payload of `interactive_shell`: the service asks an agent to join a session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct InteractiveShell {
    /// A [`SessionRequest`], as text.
    pub content: String,
    /// The session's id.
    pub task_id: String,
    pub topic: String,
    pub schema_version: i32,
}

/// What an agent is asked to do.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct SessionRequest {
    pub document_name: String,
    pub document_content: SessionDocument,
    pub session_id: String,
    #[serde(default)]
    pub parameters: serde_json::Value,
    #[serde(default)]
    pub run_as_user: String,
    #[serde(default)]
    pub session_owner: String,
}

/// A session document, of schema version 1.0.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SessionDocument {
    pub schema_version: String,
    #[serde(default)]
    pub description: String,
    pub session_type: String,
    #[serde(default)]
    pub inputs: serde_json::Value,
    #[serde(default)]
    pub parameters: serde_json::Value,
    #[serde(default)]
    pub properties: serde_json::Value,
}

/// The payload of `agent_task_complete`: how a session ended at the agent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct AgentTaskComplete {
    pub schema_version: i32,
    pub task_id: String,
    /// `agent_task_complete`
    pub topic: String,
    /// `Success`, `Failed`, …
    pub final_task_status: String,
    #[serde(default)]
    pub is_routing_failure: bool,
    #[serde(default)]
    pub aws_account_id: String,
    #[serde(default)]
    pub instance_id: String,
    /// Shown to the user through `channel_closed`.
    #[serde(default)]
    pub output: String,
    #[serde(default)]
    pub s3_bucket: String,
    #[serde(default)]
    pub s3_url_suffix: String,
    #[serde(default)]
    pub cwl_group: String,
    #[serde(default)]
    pub cwl_stream: String,
    #[serde(default)]
    pub retry_number: i32,
}

/// The payload of `agent_task_acknowledge`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct AgentTaskAcknowledge {
    pub schema_version: i32,
    pub message_id: String,
    pub task_id: String,
    pub topic: String,
}

/// Bytes that JSON carries as base64.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Base64(pub Vec<u8>);

impl From<Base64> for String {
    fn from(bytes: Base64) -> Self {
        STANDARD.encode(bytes.0)
    }
}

impl TryFrom<String> for Base64 {
    type Error = base64::DecodeError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        STANDARD.decode(text).map(Self)
    }
}

/// Go writes an empty list as `null`.
fn null_is_empty<'de, D: serde::Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<Vec<T>, D::Error> {
    Option::deserialize(deserializer).map(Option::unwrap_or_default)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_do_not_show() {
        let text = r#"{"MessageSchemaVersion":"1.0","RequestId":"r","TokenValue":"gold","ClientId":"c","ClientVersion":"1.2.677.0"}"#;
        let input: OpenDataChannelInput = serde_json::from_str(text).unwrap();
        assert!(!format!("{input:?}").contains("gold"));
        assert_eq!(serde_json::to_string(&input).unwrap(), text, "key for key");
        let text = r#"{"Cookie":null,"MessageSchemaVersion":"1.0","RequestId":"r","TokenValue":"gold","AgentVersion":"3.3.3572.0","PlatformType":"linux"}"#;
        let input: OpenControlChannelInput = serde_json::from_str(text).unwrap();
        assert!(!format!("{input:?}").contains("gold"));
        assert_eq!(serde_json::to_string(&input).unwrap(), text, "key for key");
    }

    #[test]
    fn a_task_ends_in_the_words_of_the_agent() {
        let text = r#"{"SchemaVersion":1,"TaskId":"s-1","Topic":"agent_task_complete","FinalTaskStatus":"Success","IsRoutingFailure":false,"AwsAccountId":"","InstanceId":"i-1","Output":"","S3Bucket":"","S3UrlSuffix":"","CwlGroup":"","CwlStream":"","RetryNumber":0}"#;
        let complete: AgentTaskComplete = serde_json::from_str(text).unwrap();
        assert_eq!(serde_json::to_string(&complete).unwrap(), text);
    }

    #[test]
    fn base64_is_text_in_json_and_bytes_here() {
        let challenge = EncryptionChallenge {
            challenge: Base64(vec![0, 255]),
        };
        let text = serde_json::to_string(&challenge).unwrap();
        assert_eq!(text, r#"{"Challenge":"AP8="}"#);
        assert_eq!(
            serde_json::from_str::<EncryptionChallenge>(&text).unwrap(),
            challenge
        );
        assert!(serde_json::from_str::<EncryptionChallenge>(r#"{"Challenge":"!"}"#).is_err());
    }
}
