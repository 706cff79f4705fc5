//! A terminal session: keys one way, a screen the other.
//!
//! `Standard_Stream`, `InteractiveCommands` and `NonInteractiveCommands` alike.

use std::time::Duration;

use bytes::Bytes;

use crate::message::{Flag, PayloadType};
use crate::session::{Opened, Session, SessionEvent, SessionFault};
use crate::wire::TerminalSize;

/// One end of a shell session.
#[derive(Debug)]
pub struct ShellSession {
    session: Session,
}

/// What happens in a shell session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ShellEvent {
    Opened(Opened),
    /// Bytes of the terminal: keys for the agent, output for the client.
    Data(Bytes),
    /// Client: what the command wrote to standard error, where the agent tells it apart.
    ErrorData(Bytes),
    /// Agent: the client's terminal has this size now.
    Resized(TerminalSize),
    /// Client: the command ended.
    Exited {
        code: i32,
    },
    /// Agent: the client ends the session.
    Terminated,
    /// See [`SessionEvent`].
    NewKeyWanted {
        kms_key_id: String,
        challenge: Option<String>,
    },
    /// See [`SessionEvent`].
    KeyWanted {
        ciphertext: Vec<u8>,
    },
    Closed {
        output: String,
    },
    /// See [`SessionEvent`].
    PeerSilent,
    Failed(SessionFault),
}

impl ShellSession {
    #[must_use]
    pub fn new(session: Session) -> Self {
        Self { session }
    }

    /// The session below: connections, frames, timeouts and keys go there directly.
    pub fn session(&mut self) -> &mut Session {
        &mut self.session
    }

    /// Sends terminal bytes; returns how many were taken. Offer the rest again after
    /// the next incoming frame.
    pub fn write(&mut self, data: &[u8], now: Duration) -> usize {
        self.send_data(PayloadType::Output, data, now)
    }

    /// Agent: as [`ShellSession::write`], for standard error.
    pub fn write_error(&mut self, data: &[u8], now: Duration) -> usize {
        self.send_data(PayloadType::StdErr, data, now)
    }

    fn send_data(&mut self, payload_type: PayloadType, data: &[u8], now: Duration) -> usize {
        let Some(limit) = self.session.opened().map(Opened::payload_bytes) else {
            return 0;
        };
        let mut taken = 0;
        for piece in data.chunks(limit) {
            if !self.session.can_send() {
                break;
            }
            self.session
                .send(payload_type, Bytes::copy_from_slice(piece), now);
            taken += piece.len();
        }
        taken
    }

    /// Client: tells the agent the size of the terminal; worth doing at the start and
    /// whenever it changes.
    pub fn resize(&mut self, size: TerminalSize, now: Duration) {
        let payload = serde_json::to_vec(&size).expect("two numbers are JSON");
        self.session.send(PayloadType::Size, payload.into(), now);
    }

    /// Agent: the command ended.
    pub fn exit(&mut self, code: i32, now: Duration) {
        self.session.send(
            PayloadType::ExitCode,
            code.to_string().into_bytes().into(),
            now,
        );
    }

    /// Client: ends the session.
    pub fn terminate(&mut self, now: Duration) {
        self.session.terminate(now);
    }

    /// What happened next. Taking events acknowledges what they carry.
    pub fn poll_event(&mut self, now: Duration) -> Option<ShellEvent> {
        if let Some(event) = self.session.poll_event() {
            return Some(match event {
                SessionEvent::Opened(opened) => ShellEvent::Opened(opened),
                SessionEvent::NewKeyWanted {
                    kms_key_id,
                    challenge,
                } => ShellEvent::NewKeyWanted {
                    kms_key_id,
                    challenge,
                },
                SessionEvent::KeyWanted { ciphertext } => ShellEvent::KeyWanted { ciphertext },
                SessionEvent::PeerSilent => ShellEvent::PeerSilent,
                SessionEvent::Closed { output } => ShellEvent::Closed { output },
                SessionEvent::Failed(fault) => ShellEvent::Failed(fault),
            });
        }
        loop {
            let (payload_type, payload) = self.session.poll_payload(now)?;
            let event = match payload_type {
                PayloadType::Output => Some(ShellEvent::Data(payload)),
                PayloadType::StdErr => Some(ShellEvent::ErrorData(payload)),
                PayloadType::Size => serde_json::from_slice(&payload)
                    .ok()
                    .map(ShellEvent::Resized),
                PayloadType::ExitCode => {
                    let text = std::str::from_utf8(&payload).ok();
                    let code = text.and_then(|text| text.trim().parse().ok());
                    code.map(|code| ShellEvent::Exited { code })
                }
                PayloadType::Flag if Flag::of_payload(&payload) == Some(Flag::TerminateSession) => {
                    Some(ShellEvent::Terminated)
                }
                _ => None,
            };
            if event.is_some() {
                return event;
            }
        }
    }
}

#[cfg(test)]
mod tests;
