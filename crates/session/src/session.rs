//! How does a session come about, and what may be said in it?
//!
//! A [`Channel`] with the handshake on top: the agent names the session's type
//! (and, if it is to be encrypted, the key), the client answers, the agent
//! declares the handshake complete. After that payloads pass, encrypted where
//! that was agreed.

use std::collections::BTreeMap;
use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::channel::{Channel, ChannelConfig, ChannelEvent, ChannelStats, Role};
use crate::encryption::{Cipher, DataKey};
use crate::handshake::{
    self, Accepted, AgentOffer, Extension, OFFICIAL_PAYLOAD_BYTES, SessionKind, Understood,
};
use crate::message::{Flag, MessageKind, PayloadType};
use crate::wire::{
    AgentSessionState, Base64, EncryptionChallenge, HandshakeComplete, HandshakeResponse,
};

/// How long an agent waits for the client's answer.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(15);

/// One end of a session.
#[derive(Debug)]
pub struct Session {
    channel: Channel,
    role: Role,
    phase: Phase,
    cipher: Option<Cipher>,
    salt: [u8; 4],
    opened: Option<Opened>,
    events: VecDeque<SessionEvent>,
}

#[derive(Debug)]
enum Phase {
    /// Client: the agent has yet to ask.
    AwaitRequest {
        client_version: String,
        extends: bool,
    },
    /// Client: the application fetches a data key.
    AwaitNewKey {
        client_version: String,
        understood: Box<Understood>,
    },
    /// Client: answered; a challenge may come, then the completion.
    AwaitComplete {
        understood: Box<Understood>,
    },
    /// Agent: not connected yet.
    Unasked {
        offer: Box<AgentOffer>,
        session_id: String,
    },
    /// Agent: asked.
    AwaitResponse {
        offer: Box<AgentOffer>,
        since: Duration,
    },
    /// Agent: the application decrypts the data key.
    AwaitKey {
        offer: Box<AgentOffer>,
        accepted: Accepted,
        since: Duration,
    },
    /// Agent: the client has to prove that it holds the key.
    AwaitProof {
        offer: Box<AgentOffer>,
        accepted: Accepted,
        challenge: Vec<u8>,
        since: Duration,
    },
    Open,
    /// The service has ended the session; what arrived before may still be taken.
    Closed,
    Ended,
}

/// What the handshake settled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opened {
    pub kind: SessionKind,
    pub properties: BTreeMap<String, String>,
    /// What the other end calls its version.
    pub peer_version: String,
    /// For the user; may be empty.
    pub customer_message: String,
    /// Set when both ends are ours.
    pub extension: Option<Extension>,
}

impl Opened {
    /// The largest payload to write.
    #[must_use]
    pub fn payload_bytes(&self) -> usize {
        self.extension
            .map_or(OFFICIAL_PAYLOAD_BYTES, |extension| extension.payload_bytes)
    }
}

/// What the session tells its owner, apart from payloads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SessionEvent {
    /// Client: call KMS `GenerateDataKey` (64 bytes) and then [`Session::provide_new_key`].
    NewKeyWanted {
        kms_key_id: String,
        challenge: Option<String>,
    },
    /// Agent: call KMS `Decrypt` and then [`Session::provide_key`].
    KeyWanted { ciphertext: Vec<u8> },
    /// The handshake is complete.
    Opened(Opened),
    /// The service ended the session; `output` is for the user.
    Closed { output: String },
    /// The connection lives, but nothing has been acknowledged for long: the other end
    /// is gone, or its program does not read. The session goes on if it is heard of.
    PeerSilent,
    /// The session cannot go on.
    Failed(SessionFault),
}

/// Why a session ended by itself.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SessionFault {
    #[error("the client did not answer the handshake within {} s", HANDSHAKE_TIMEOUT.as_secs())]
    HandshakeTimeout,
    #[error("the handshake failed: {0}")]
    Handshake(String),
    #[error("a payload does not decrypt under the session's key")]
    Undecipherable,
}

impl Session {
    /// The client's end. `seed` must be random. `extends`: use what only our agent offers.
    #[must_use]
    pub fn client(
        client_version: &str,
        extends: bool,
        config: ChannelConfig,
        seed: [u8; 16],
    ) -> Self {
        let phase = Phase::AwaitRequest {
            client_version: client_version.to_owned(),
            extends,
        };
        Self::new(Role::Client, phase, config, seed)
    }

    /// The agent's end; it asks as soon as it is connected. `seed` must be random.
    #[must_use]
    pub fn agent(
        session_id: &str,
        offer: AgentOffer,
        config: ChannelConfig,
        seed: [u8; 16],
    ) -> Self {
        let phase = Phase::Unasked {
            offer: Box::new(offer),
            session_id: session_id.to_owned(),
        };
        Self::new(Role::Agent, phase, config, seed)
    }

    fn new(role: Role, phase: Phase, config: ChannelConfig, seed: [u8; 16]) -> Self {
        let [a, b, c, d, ..] = seed;
        Self {
            channel: Channel::new(role, config, seed),
            role,
            phase,
            cipher: None,
            salt: [a, b, c, d],
            opened: None,
            events: VecDeque::new(),
        }
    }

    #[must_use]
    pub fn role(&self) -> Role {
        self.role
    }

    /// What was agreed, once it was.
    #[must_use]
    pub fn opened(&self) -> Option<&Opened> {
        self.opened.as_ref()
    }

    #[must_use]
    pub fn stats(&self) -> ChannelStats {
        self.channel.stats()
    }

    /// Whether a data payload may be sent now.
    #[must_use]
    pub fn can_send(&self) -> bool {
        matches!(self.phase, Phase::Open) && self.channel.can_send()
    }

    /// Whether everything sent has arrived.
    #[must_use]
    pub fn is_drained(&self) -> bool {
        self.channel.is_drained()
    }

    /// Sends a payload, encrypted if the session is. Nothing before the session is
    /// open, nothing empty: such payloads are dropped.
    pub fn send(&mut self, payload_type: PayloadType, payload: Bytes, now: Duration) {
        if !matches!(self.phase, Phase::Open) || payload.is_empty() {
            return;
        }
        let payload = match &mut self.cipher {
            Some(cipher) if is_encrypted(payload_type) => cipher.seal(&payload),
            _ => payload,
        };
        self.channel.send(payload_type, payload, now);
    }

    /// Client: asks the agent to end the session.
    pub fn terminate(&mut self, now: Duration) {
        self.send(PayloadType::Flag, Flag::TerminateSession.payload(), now);
    }

    /// Client: the data key that [`SessionEvent::NewKeyWanted`] asked for, or why there is none.
    pub fn provide_new_key(&mut self, key: Result<(&DataKey, &[u8]), String>, now: Duration) {
        let phase = std::mem::replace(&mut self.phase, Phase::Ended);
        let Phase::AwaitNewKey {
            client_version,
            understood,
        } = phase
        else {
            self.phase = phase;
            return;
        };
        let ciphertext = match key {
            Ok((key, ciphertext)) => {
                self.cipher = Some(Cipher::new(Role::Client, key, self.salt));
                Ok(ciphertext)
            }
            Err(error) => Err(error),
        };
        let response = understood.response(&client_version, Some(ciphertext));
        self.say(PayloadType::HandshakeResponse, &response, now);
        self.phase = Phase::AwaitComplete { understood };
    }

    /// Agent: the key that [`SessionEvent::KeyWanted`] asked for, and 64 random bytes the
    /// client has to send back encrypted.
    pub fn provide_key(&mut self, key: &DataKey, challenge: [u8; 64], now: Duration) {
        let phase = std::mem::replace(&mut self.phase, Phase::Ended);
        let Phase::AwaitKey {
            offer,
            accepted,
            since,
        } = phase
        else {
            self.phase = phase;
            return;
        };
        let mut cipher = Cipher::new(Role::Agent, key, self.salt);
        let sealed = EncryptionChallenge {
            challenge: Base64(cipher.seal(&challenge).to_vec()),
        };
        self.cipher = Some(cipher);
        self.say(PayloadType::EncChallengeRequest, &sealed, now);
        let challenge = challenge.to_vec();
        self.phase = Phase::AwaitProof {
            offer,
            accepted,
            challenge,
            since,
        };
    }

    /// A connection stands and its opening text frame is on its way.
    pub fn handle_connected(&mut self, now: Duration) {
        self.channel.handle_connected();
        let phase = std::mem::replace(&mut self.phase, Phase::Ended);
        let Phase::Unasked { offer, session_id } = phase else {
            self.phase = phase;
            return;
        };
        let state = AgentSessionState {
            schema_version: 1,
            session_state: "Connected".to_owned(),
            session_id,
        };
        self.channel
            .send_unsequenced(MessageKind::AgentSessionState, json(&state), now);
        self.say(
            PayloadType::HandshakeRequest,
            &handshake::request(&offer),
            now,
        );
        self.phase = Phase::AwaitResponse { offer, since: now };
    }

    pub fn handle_disconnected(&mut self) {
        self.channel.handle_disconnected();
    }

    /// A binary frame came in.
    pub fn handle_message(&mut self, frame: &Bytes, now: Duration) {
        self.channel.handle_message(frame, now);
        while !matches!(self.phase, Phase::Open | Phase::Closed | Phase::Ended)
            && let Some((payload_type, payload)) = self.channel.poll_payload(now)
        {
            self.shake_hands(PayloadType::of_code(payload_type), &payload, now);
        }
    }

    /// Time has passed.
    pub fn handle_timeout(&mut self, now: Duration) {
        self.channel.handle_timeout(now);
        if self
            .handshake_deadline()
            .is_some_and(|deadline| deadline <= now)
        {
            self.fail(SessionFault::HandshakeTimeout);
        }
    }

    /// The next payload of the open session, or of one that the service has closed since.
    pub fn poll_payload(&mut self, now: Duration) -> Option<(PayloadType, Bytes)> {
        while matches!(self.phase, Phase::Open | Phase::Closed) {
            let (code, payload) = self.channel.poll_payload(now)?;
            // a type from the future is acknowledged and passed over
            let Some(payload_type) = PayloadType::of_code(code) else {
                continue;
            };
            let Some(cipher) = self.cipher.as_ref().filter(|_| is_encrypted(payload_type)) else {
                return Some((payload_type, payload));
            };
            match cipher.open(&payload) {
                Ok(plain) => return Some((payload_type, plain)),
                Err(_) => self.fail(SessionFault::Undecipherable),
            }
        }
        None
    }

    /// The next binary frame to write.
    pub fn poll_transmit(&mut self, now: Duration) -> Option<Bytes> {
        self.channel.poll_transmit(now)
    }

    pub fn poll_event(&mut self) -> Option<SessionEvent> {
        while let Some(event) = self.channel.poll_event() {
            match event {
                ChannelEvent::Closed { output } => {
                    self.phase = match self.phase {
                        Phase::Open => Phase::Closed,
                        _ => Phase::Ended,
                    };
                    self.events.push_back(SessionEvent::Closed { output });
                }
                ChannelEvent::PeerSilent => self.events.push_back(SessionEvent::PeerSilent),
            }
        }
        self.events.pop_front()
    }

    #[must_use]
    pub fn poll_timeout(&self) -> Option<Duration> {
        self.channel
            .poll_timeout()
            .into_iter()
            .chain(self.handshake_deadline())
            .min()
    }

    fn handshake_deadline(&self) -> Option<Duration> {
        match &self.phase {
            Phase::AwaitResponse { since, .. }
            | Phase::AwaitKey { since, .. }
            | Phase::AwaitProof { since, .. } => Some(*since + HANDSHAKE_TIMEOUT),
            _ => None,
        }
    }

    /// Takes one step; what does not belong at this point is passed over, as the
    /// official agent does.
    fn shake_hands(&mut self, payload_type: Option<PayloadType>, payload: &[u8], now: Duration) {
        let phase = std::mem::replace(&mut self.phase, Phase::Ended);
        match (phase, payload_type) {
            (
                Phase::AwaitRequest {
                    client_version,
                    extends,
                },
                Some(PayloadType::HandshakeRequest),
            ) => {
                if let Some(request) = self.read(payload) {
                    self.answer(client_version, handshake::understand(request, extends), now);
                }
            }
            (Phase::AwaitComplete { understood }, Some(PayloadType::EncChallengeRequest)) => {
                self.prove(understood, payload, now);
            }
            (Phase::AwaitComplete { understood }, Some(PayloadType::HandshakeComplete)) => {
                if let Some(complete) = self.read::<HandshakeComplete>(payload) {
                    self.open_as_client(*understood, complete.customer_message);
                }
            }
            (Phase::AwaitResponse { offer, since }, Some(PayloadType::HandshakeResponse)) => {
                if let Some(response) = self.read(payload) {
                    self.weigh(offer, &response, since, now);
                }
            }
            (
                Phase::AwaitProof {
                    offer,
                    accepted,
                    challenge,
                    since,
                },
                Some(PayloadType::EncChallengeResponse),
            ) => {
                if self.is_proven(payload, &challenge) {
                    self.complete(*offer, accepted, since, now);
                }
            }
            (phase, _) => self.phase = phase,
        }
    }

    /// Client: answers at once, or after a key has been fetched.
    fn answer(&mut self, client_version: String, understood: Understood, now: Duration) {
        let understood = Box::new(understood);
        if let Some(kms) = &understood.kms {
            self.events.push_back(SessionEvent::NewKeyWanted {
                kms_key_id: kms.kms_key_id.clone(),
                challenge: kms.challenge.clone(),
            });
            self.phase = Phase::AwaitNewKey {
                client_version,
                understood,
            };
        } else {
            let response = understood.response(&client_version, None);
            self.say(PayloadType::HandshakeResponse, &response, now);
            self.phase = Phase::AwaitComplete { understood };
        }
    }

    /// Client: decrypts the agent's challenge and encrypts it back.
    fn prove(&mut self, understood: Box<Understood>, payload: &[u8], now: Duration) {
        let Some(asked) = self.read::<EncryptionChallenge>(payload) else {
            return;
        };
        let proof = self.cipher.as_mut().and_then(|cipher| {
            let plain = cipher.open(&asked.challenge.0).ok()?;
            Some(EncryptionChallenge {
                challenge: Base64(cipher.seal(&plain).to_vec()),
            })
        });
        match proof {
            Some(proof) => {
                self.say(PayloadType::EncChallengeResponse, &proof, now);
                self.phase = Phase::AwaitComplete { understood };
            }
            None => self.fail(SessionFault::Undecipherable),
        }
    }

    fn open_as_client(&mut self, understood: Understood, customer_message: String) {
        let Some((kind, properties)) = understood.session else {
            self.fail(SessionFault::Handshake(
                "the agent named no session type".to_owned(),
            ));
            return;
        };
        self.open(Opened {
            kind,
            properties,
            peer_version: understood.agent_version,
            customer_message,
            extension: understood.extension,
        });
    }

    /// Agent: everything done, or a key to decrypt first.
    fn weigh(
        &mut self,
        offer: Box<AgentOffer>,
        response: &HandshakeResponse,
        since: Duration,
        now: Duration,
    ) {
        match handshake::accept(&offer, response) {
            Err(error) => self.fail(SessionFault::Handshake(error)),
            Ok(accepted) => match &accepted.key {
                None => self.complete(*offer, accepted, since, now),
                Some(ciphertext) => {
                    let ciphertext = ciphertext.clone();
                    self.events
                        .push_back(SessionEvent::KeyWanted { ciphertext });
                    self.phase = Phase::AwaitKey {
                        offer,
                        accepted,
                        since,
                    };
                }
            },
        }
    }

    fn is_proven(&mut self, payload: &[u8], challenge: &[u8]) -> bool {
        let Some(proof) = self.read::<EncryptionChallenge>(payload) else {
            return false;
        };
        let opened = self
            .cipher
            .as_ref()
            .and_then(|cipher| cipher.open(&proof.challenge.0).ok());
        let is_proven = opened.is_some_and(|opened| opened == challenge);
        if !is_proven {
            self.fail(SessionFault::Undecipherable);
        }
        is_proven
    }

    fn complete(&mut self, offer: AgentOffer, accepted: Accepted, since: Duration, now: Duration) {
        let elapsed = u64::try_from(now.saturating_sub(since).as_nanos()).unwrap_or(u64::MAX);
        let complete = HandshakeComplete {
            handshake_time_to_complete: elapsed,
            customer_message: offer.customer_message.clone(),
        };
        self.say(PayloadType::HandshakeComplete, &complete, now);
        self.open(Opened {
            kind: offer.kind,
            properties: offer.properties,
            peer_version: accepted.client_version,
            customer_message: offer.customer_message,
            extension: accepted.extension,
        });
    }

    fn open(&mut self, opened: Opened) {
        self.phase = Phase::Open;
        self.opened = Some(opened.clone());
        self.events.push_back(SessionEvent::Opened(opened));
    }

    fn fail(&mut self, fault: SessionFault) {
        self.phase = Phase::Ended;
        self.events.push_back(SessionEvent::Failed(fault));
    }

    /// Reads the JSON of a handshake message; what cannot be read ends the session.
    fn read<T: DeserializeOwned>(&mut self, payload: &[u8]) -> Option<T> {
        match serde_json::from_slice(payload) {
            Ok(read) => Some(read),
            Err(error) => {
                self.fail(SessionFault::Handshake(error.to_string()));
                None
            }
        }
    }

    /// Sends a handshake message.
    fn say<T: Serialize>(&mut self, payload_type: PayloadType, message: &T, now: Duration) {
        self.channel.send(payload_type, json(message), now);
    }
}

fn json<T: Serialize>(message: &T) -> Bytes {
    serde_json::to_vec(message)
        .expect("maps with string keys are JSON")
        .into()
}

/// Only what users type and see is encrypted.
fn is_encrypted(payload_type: PayloadType) -> bool {
    matches!(
        payload_type,
        PayloadType::Output | PayloadType::StdErr | PayloadType::ExitCode
    )
}

#[cfg(test)]
mod tests;
