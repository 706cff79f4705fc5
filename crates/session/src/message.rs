//! The binary agent message: one websocket frame.
//!
//! A 116-byte header, big-endian, and a payload. Reading never fails on what the
//! other side may do: what is short or wrong is a value. The layout is that of the
//! public session-manager-plugin and amazon-ssm-agent (`clientmessage`,
//! `agentmessage`).

use std::fmt;

use aws_lc_rs::digest;
use bytes::{BufMut, Bytes, BytesMut};

/// The header up to, not including, the payload's length.
pub const HEADER_LENGTH: usize = 116;
/// Where the payload begins in a message as both official sides write it.
pub const PAYLOAD_OFFSET: usize = HEADER_LENGTH + 4;

/// `Flags` bit of the first message of a stream.
pub const FLAG_SYN: u64 = 1;
/// Flags of messages outside the stream: both bits, begin and end.
pub const FLAG_SYN_FIN: u64 = 3;

/// One message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    pub kind: MessageKind,
    /// Milliseconds since the Unix epoch; never zero on the wire.
    pub created_ms: u64,
    pub sequence_number: i64,
    pub flags: u64,
    pub id: MessageId,
    /// What the payload is; `0` outside streams. See [`PayloadType`].
    pub payload_type: u32,
    pub payload: Bytes,
}

/// What a message is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MessageKind {
    /// Client to agent.
    InputStreamData,
    /// Agent to client.
    OutputStreamData,
    Acknowledge,
    ChannelClosed,
    StartPublication,
    PausePublication,
    AgentSessionState,
    /// Control channel traffic, or something newer than this.
    Other(String),
}

/// A UUID. On the wire its two halves are swapped.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct MessageId(pub [u8; 16]);

/// What a stream payload is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PayloadType {
    /// Bytes of the session, either way.
    Output,
    Error,
    /// Terminal size.
    Size,
    Parameter,
    HandshakeRequest,
    HandshakeResponse,
    HandshakeComplete,
    EncChallengeRequest,
    EncChallengeResponse,
    /// A [`Flag`].
    Flag,
    StdErr,
    ExitCode,
}

/// A signal beside the data of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flag {
    /// The client's connection ended; the agent closes its own (basic port sessions).
    DisconnectToPort,
    /// The client ends the session.
    TerminateSession,
    /// One dial of the agent failed (multiplexed port sessions).
    ConnectToPortError,
}

/// The outcome of reading a frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decoded {
    Message(Message),
    /// The frame ends before the message does.
    Incomplete {
        needed: usize,
    },
    Invalid(MessageFault),
}

/// Why a frame is not a message to act on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MessageFault {
    #[error("the header length {length} is shorter than a header")]
    HeaderLength { length: u32 },
    #[error("the schema version is {version}, not 1")]
    SchemaVersion { version: u32 },
    #[error("the message type is empty or not text")]
    Kind,
    #[error("the creation date is missing")]
    CreatedDate,
    #[error("the payload digest does not match")]
    Digest,
}

/// Reads one frame.
///
/// The payload is everything after the header, as both official sides have it.
#[must_use]
pub fn decode(frame: &Bytes) -> Decoded {
    let Some(header_length) = u32_at(frame, 0) else {
        return Decoded::Incomplete {
            needed: PAYLOAD_OFFSET,
        };
    };
    let offset = usize::try_from(header_length)
        .unwrap_or(usize::MAX)
        .saturating_add(4);
    if offset < PAYLOAD_OFFSET {
        return Decoded::Invalid(MessageFault::HeaderLength {
            length: header_length,
        });
    }
    if frame.len() < offset {
        return Decoded::Incomplete { needed: offset };
    }
    match read(frame, offset) {
        Ok(message) => Decoded::Message(message),
        Err(fault) => Decoded::Invalid(fault),
    }
}

/// Reads a frame known to hold a header of `offset` bytes.
fn read(frame: &Bytes, offset: usize) -> Result<Message, MessageFault> {
    let kind = std::str::from_utf8(&frame[4..36]).map_err(|_| MessageFault::Kind)?;
    // padded with blanks by the official ends, with NULs by the service
    let kind = MessageKind::named(kind.trim_matches(['\0', ' ']));
    let message = Message {
        created_ms: u64_at(frame, 40),
        sequence_number: u64_at(frame, 48).cast_signed(),
        flags: u64_at(frame, 56),
        id: MessageId::from_wire(&frame[64..80]),
        payload_type: u32_at(frame, 112).unwrap_or(0),
        payload: frame.slice(offset..),
        kind,
    };
    if matches!(
        message.kind,
        MessageKind::StartPublication | MessageKind::PausePublication
    ) {
        return Ok(message);
    }
    let version = u32_at(frame, 36).unwrap_or(0);
    let stated_length = u32_at(frame, offset - 4).unwrap_or(0);
    if message.kind == MessageKind::Other(String::new()) {
        Err(MessageFault::Kind)
    } else if version != 1 {
        Err(MessageFault::SchemaVersion { version })
    } else if message.created_ms == 0 {
        Err(MessageFault::CreatedDate)
    } else if stated_length != 0 && sha256(&message.payload) != frame[80..112] {
        Err(MessageFault::Digest)
    } else {
        Ok(message)
    }
}

/// Writes one frame.
#[must_use]
pub fn encode(message: &Message) -> Bytes {
    let mut frame = BytesMut::with_capacity(PAYLOAD_OFFSET + message.payload.len());
    frame.put_u32(116);
    let mut kind = [b' '; 32];
    let name = message.kind.name().as_bytes();
    let length = name.len().min(kind.len());
    kind[..length].copy_from_slice(&name[..length]);
    frame.put_slice(&kind);
    frame.put_u32(1);
    frame.put_u64(message.created_ms);
    frame.put_i64(message.sequence_number);
    frame.put_u64(message.flags);
    frame.put_slice(&message.id.to_wire());
    frame.put_slice(&sha256(&message.payload));
    frame.put_u32(message.payload_type);
    // websocket frames of 4 GiB do not occur: a longer payload is cut by nobody
    frame.put_u32(u32::try_from(message.payload.len()).unwrap_or(u32::MAX));
    frame.put_slice(&message.payload);
    frame.freeze()
}

impl MessageKind {
    /// The type of this name, without padding.
    #[must_use]
    pub fn named(name: &str) -> Self {
        match name {
            "input_stream_data" => Self::InputStreamData,
            "output_stream_data" => Self::OutputStreamData,
            "acknowledge" => Self::Acknowledge,
            "channel_closed" => Self::ChannelClosed,
            "start_publication" => Self::StartPublication,
            "pause_publication" => Self::PausePublication,
            "agent_session_state" => Self::AgentSessionState,
            other => Self::Other(other.to_owned()),
        }
    }

    /// The name on the wire, without padding.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::InputStreamData => "input_stream_data",
            Self::OutputStreamData => "output_stream_data",
            Self::Acknowledge => "acknowledge",
            Self::ChannelClosed => "channel_closed",
            Self::StartPublication => "start_publication",
            Self::PausePublication => "pause_publication",
            Self::AgentSessionState => "agent_session_state",
            Self::Other(name) => name,
        }
    }
}

impl MessageId {
    /// A version 4 UUID of the given random bytes.
    #[must_use]
    pub fn from_random(mut bytes: [u8; 16]) -> Self {
        bytes[6] = bytes[6] & 0x0f | 0x40;
        bytes[8] = bytes[8] & 0x3f | 0x80;
        Self(bytes)
    }

    fn from_wire(wire: &[u8]) -> Self {
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&wire[8..]);
        bytes[8..].copy_from_slice(&wire[..8]);
        Self(bytes)
    }

    fn to_wire(self) -> [u8; 16] {
        let mut wire = [0; 16];
        wire[..8].copy_from_slice(&self.0[8..]);
        wire[8..].copy_from_slice(&self.0[..8]);
        wire
    }
}

/// The usual hyphenated form.
impl fmt::Display for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, byte) in self.0.iter().enumerate() {
            let hyphen = if [4, 6, 8, 10].contains(&index) {
                "-"
            } else {
                ""
            };
            write!(f, "{hyphen}{byte:02x}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl PayloadType {
    const ALL: [Self; 12] = [
        Self::Output,
        Self::Error,
        Self::Size,
        Self::Parameter,
        Self::HandshakeRequest,
        Self::HandshakeResponse,
        Self::HandshakeComplete,
        Self::EncChallengeRequest,
        Self::EncChallengeResponse,
        Self::Flag,
        Self::StdErr,
        Self::ExitCode,
    ];

    /// The number on the wire: 1 to 12.
    #[must_use]
    pub fn code(self) -> u32 {
        self as u32 + 1
    }

    #[must_use]
    pub fn of_code(code: u32) -> Option<Self> {
        Self::ALL.into_iter().find(|known| known.code() == code)
    }
}

impl Flag {
    /// The payload of a flag message: four bytes.
    #[must_use]
    pub fn payload(self) -> Bytes {
        let code: u32 = match self {
            Self::DisconnectToPort => 1,
            Self::TerminateSession => 2,
            Self::ConnectToPortError => 3,
        };
        Bytes::copy_from_slice(&code.to_be_bytes())
    }

    #[must_use]
    pub fn of_payload(payload: &[u8]) -> Option<Self> {
        match u32_at(payload, 0)? {
            1 => Some(Self::DisconnectToPort),
            2 => Some(Self::TerminateSession),
            3 => Some(Self::ConnectToPortError),
            _ => None,
        }
    }
}

fn sha256(bytes: &[u8]) -> [u8; 32] {
    let mut sum = [0; 32];
    sum.copy_from_slice(digest::digest(&digest::SHA256, bytes).as_ref());
    sum
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    let bytes = bytes.get(at..at + 4)?;
    Some(u32::from_be_bytes(bytes.try_into().ok()?))
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    let bytes = bytes
        .get(at..at + 8)
        .and_then(|bytes| bytes.try_into().ok());
    bytes.map_or(0, u64::from_be_bytes)
}

#[cfg(test)]
mod tests;
