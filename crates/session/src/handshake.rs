//! What the agent asks of the client, and what the client answers.
//!
//! Pure translation between [`AgentOffer`] and the JSON of the handshake; when
//! each message goes is [`crate::Session`]'s. An agent and a client that are both
//! ours recognise each other by one key that official ends ignore, and then use
//! larger payloads and half-closed connections.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::wire::{
    Base64, HandshakeRequest, HandshakeResponse, KmsEncryptionRequest, KmsEncryptionResponse,
    ProcessedAction, RequestedAction, SessionTypeRequest, action_status,
};

/// What a session carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SessionKind {
    Port,
    StandardStream,
    InteractiveCommands,
    NonInteractiveCommands,
}

/// What the agent announces.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AgentOffer {
    /// Four numbers; decides how an official client behaves.
    pub agent_version: String,
    pub kind: SessionKind,
    /// The document's properties with parameters filled in: `portNumber`, `host`, `type`.
    pub properties: BTreeMap<String, String>,
    /// The KMS key to encrypt under; shell sessions only.
    pub kms_key_id: Option<String>,
    /// Shown to the user when the session opens.
    pub customer_message: String,
    /// What we can do beyond the official agent; offered, never assumed.
    pub extension: Option<Extension>,
}

/// What two ends of ours agree on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Extension {
    /// The largest payload of a stream message, in bytes.
    pub payload_bytes: usize,
}

/// Payloads official ends write; larger ones are read, but nobody promises it.
pub(crate) const OFFICIAL_PAYLOAD_BYTES: usize = 1024;
const LARGEST_PAYLOAD_BYTES: usize = 1 << 20;
const EXTENSION_KEY: &str = "HalfCloseAndLargePayload";

const SESSION_TYPE: &str = "SessionType";
const KMS_ENCRYPTION: &str = "KMSEncryption";

impl SessionKind {
    /// The name in documents and handshakes.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Port => "Port",
            Self::StandardStream => "Standard_Stream",
            Self::InteractiveCommands => "InteractiveCommands",
            Self::NonInteractiveCommands => "NonInteractiveCommands",
        }
    }

    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        [
            Self::Port,
            Self::StandardStream,
            Self::InteractiveCommands,
            Self::NonInteractiveCommands,
        ]
        .into_iter()
        .find(|kind| kind.name() == name)
    }
}

impl Extension {
    fn to_json(self) -> Value {
        json!({EXTENSION_KEY: {"PayloadBytes": self.payload_bytes}})
    }

    fn of_json(value: &Value) -> Option<Self> {
        let bytes = value.get(EXTENSION_KEY)?.get("PayloadBytes")?.as_u64()?;
        let payload_bytes = usize::try_from(bytes).ok()?;
        let range = OFFICIAL_PAYLOAD_BYTES..=LARGEST_PAYLOAD_BYTES;
        range
            .contains(&payload_bytes)
            .then_some(Self { payload_bytes })
    }
}

/// The agent's first stream message.
pub(crate) fn request(offer: &AgentOffer) -> HandshakeRequest {
    let mut parameters = json!({
        "SessionType": offer.kind.name(),
        "Properties": offer.properties,
    });
    if let Some(extension) = offer.extension {
        parameters[EXTENSION_KEY] = extension.to_json()[EXTENSION_KEY].take();
    }
    let mut actions = vec![RequestedAction {
        action_type: SESSION_TYPE.to_owned(),
        action_parameters: parameters,
    }];
    if let Some(key) = &offer.kms_key_id {
        actions.push(RequestedAction {
            action_type: KMS_ENCRYPTION.to_owned(),
            action_parameters: json!({"KMSKeyId": key}),
        });
    }
    HandshakeRequest {
        agent_version: offer.agent_version.clone(),
        requested_client_actions: actions,
    }
}

/// A request as the client understands it.
#[derive(Debug, Clone)]
pub(crate) struct Understood {
    pub(crate) agent_version: String,
    pub(crate) session: Option<(SessionKind, BTreeMap<String, String>)>,
    pub(crate) extension: Option<Extension>,
    pub(crate) kms: Option<KmsEncryptionRequest>,
    actions: Vec<ProcessedAction>,
}

/// Reads a request and prepares the answers to its actions.
///
/// The answer to `KMSEncryption` is left open; see [`Understood::response`].
pub(crate) fn understand(request: HandshakeRequest, extends: bool) -> Understood {
    let mut understood = Understood {
        agent_version: request.agent_version,
        session: None,
        extension: None,
        kms: None,
        actions: Vec::new(),
    };
    for action in request.requested_client_actions {
        let outcome = match action.action_type.as_str() {
            SESSION_TYPE => understood.take_session_type(action.action_parameters, extends),
            KMS_ENCRYPTION => match serde_json::from_value(action.action_parameters) {
                Ok(kms) => {
                    understood.kms = Some(kms);
                    Ok(Value::Null)
                }
                Err(_) => Err((
                    action_status::FAILED,
                    "cannot read the key to use".to_owned(),
                )),
            },
            other => Err((
                action_status::UNSUPPORTED,
                format!("unsupported action `{other}`"),
            )),
        };
        let (action_status, action_result, error) = match outcome {
            Ok(result) => (action_status::SUCCESS, result, String::new()),
            Err((status, error)) => (status, Value::Null, error),
        };
        let action_type = action.action_type;
        understood.actions.push(ProcessedAction {
            action_type,
            action_status,
            action_result,
            error,
        });
    }
    understood
}

impl Understood {
    fn take_session_type(
        &mut self,
        parameters: Value,
        extends: bool,
    ) -> Result<Value, (u32, String)> {
        let extension = Extension::of_json(&parameters).filter(|_| extends);
        let failed = |error: String| (action_status::FAILED, error);
        let request: SessionTypeRequest =
            serde_json::from_value(parameters).map_err(|_| failed("cannot read it".to_owned()))?;
        let kind = SessionKind::named(&request.session_type)
            .ok_or_else(|| failed(format!("unknown session type `{}`", request.session_type)))?;
        let text = |value: Value| match value {
            Value::String(text) => text,
            other => other.to_string(),
        };
        let properties = request.properties.unwrap_or_default();
        let properties = properties
            .into_iter()
            .map(|(name, value)| (name, text(value)))
            .collect();
        self.session = Some((kind, properties));
        self.extension = extension;
        Ok(extension.map_or(Value::Null, Extension::to_json))
    }

    /// The answer, with the data key's ciphertext or the reason there is none.
    pub(crate) fn response(
        &self,
        client_version: &str,
        key: Option<Result<&[u8], String>>,
    ) -> HandshakeResponse {
        let mut actions = self.actions.clone();
        let asked = actions.iter_mut().find(|action| {
            action.action_type == KMS_ENCRYPTION && action.action_status == action_status::SUCCESS
        });
        if let (Some(action), Some(key)) = (asked, key) {
            match key {
                Ok(ciphertext) => {
                    let response = KmsEncryptionResponse {
                        kms_cipher_text_key: Base64(ciphertext.to_vec()),
                        kms_cipher_text_hash: None,
                    };
                    action.action_result =
                        serde_json::to_value(response).expect("base64 text is JSON");
                }
                Err(error) => {
                    action.action_status = action_status::FAILED;
                    action.error = error;
                }
            }
        }
        HandshakeResponse {
            client_version: client_version.to_owned(),
            processed_client_actions: actions,
            errors: None,
        }
    }
}

/// A response as the agent understands it.
#[derive(Debug, Clone)]
pub(crate) struct Accepted {
    pub(crate) client_version: String,
    pub(crate) extension: Option<Extension>,
    /// The data key, as KMS encrypted it.
    pub(crate) key: Option<Vec<u8>>,
}

/// Checks that every action the agent asked for was done.
///
/// # Errors
/// A sentence for the user about the first action that was not.
pub(crate) fn accept(offer: &AgentOffer, response: &HandshakeResponse) -> Result<Accepted, String> {
    let result_of = |action_type: &str| {
        let action = response
            .processed_client_actions
            .iter()
            .find(|action| action.action_type == action_type)
            .ok_or_else(|| format!("the client did not answer `{action_type}`"))?;
        if action.action_status == action_status::SUCCESS {
            Ok(&action.action_result)
        } else {
            Err(format!(
                "the client refused `{action_type}`: {}",
                action.error
            ))
        }
    };
    let session = result_of(SESSION_TYPE)?;
    let key = match &offer.kms_key_id {
        None => None,
        Some(_) => {
            let result = result_of(KMS_ENCRYPTION)?.clone();
            let response: KmsEncryptionResponse = serde_json::from_value(result)
                .map_err(|_| "the client sent no data key".to_owned())?;
            Some(response.kms_cipher_text_key.0)
        }
    };
    let agreed = Extension::of_json(session);
    Ok(Accepted {
        client_version: response.client_version.clone(),
        extension: offer.extension.and(agreed).filter(|agreed| {
            // a client may ask for less than offered, not for more
            offer
                .extension
                .is_some_and(|offered| agreed.payload_bytes <= offered.payload_bytes)
        }),
        key,
    })
}
