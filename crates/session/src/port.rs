//! How do TCP connections travel through a session?
//!
//! A [`Session`] of type `Port`. Newer ends multiplex connections ([`Mux`]), older
//! ones carry one at a time, and a session without a `type` is a single stream
//! that ends the session. There is no negotiation: each end looks at the other's
//! version, and both come to the same conclusion.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;

use crate::channel::Role;
use crate::message::{Flag, PayloadType};
use crate::mux::{Mux, MuxConfig, MuxEvent, Read, StreamId, Written};
use crate::session::{Opened, Session, SessionEvent, SessionFault};
use crate::version::{
    AGENT_BEFORE_MUX, AGENT_WITH_KEEPALIVE, CLIENT_WITH_KEEPALIVE, CLIENT_WITH_MUX, Version,
};

mod basic;

use basic::Basic;

/// How connections travel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PortMode {
    /// Many at once, through smux.
    Mux,
    /// One at a time.
    Basic,
    /// One, whose end is the session's.
    Single,
}

/// Limits of a port session.
#[derive(Debug, Clone)]
pub struct PortConfig {
    /// How long after the last incoming data a finished connection stays open for
    /// the rest of the answer, where the other end has no half-close.
    pub linger: Duration,
    /// Received bytes, of all connections, that may wait to be read.
    pub receive_bytes: usize,
    /// Written bytes, of one connection, that may wait to be sent.
    pub send_bytes: usize,
}

impl Default for PortConfig {
    fn default() -> Self {
        let mux = MuxConfig::new(true, false);
        Self {
            linger: mux.linger,
            receive_bytes: mux.receive_bytes,
            send_bytes: mux.send_bytes,
        }
    }
}

/// What happens in a port session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PortEvent {
    /// The session stands. Client: connections may be accepted from now on.
    Opened {
        mode: PortMode,
        opened: Opened,
    },
    /// Agent: dial the destination for this connection; answer with
    /// [`PortSession::refuse`] if that fails. Data may be exchanged at once.
    Connect(StreamId),
    /// [`PortSession::read`] has something new to say.
    Readable(StreamId),
    /// A write that was not taken whole may be tried again.
    Writable(StreamId),
    /// Client, one connection at a time: [`PortSession::open`] may be tried again.
    Free,
    /// Client: the agent could not reach the destination for some connection.
    ConnectFailed,
    /// See [`SessionEvent::PeerSilent`].
    PeerSilent,
    /// The session is over by the wish of one of the ends; close it with the service.
    Terminated,
    /// The service ended the session; `output` is for the user.
    Closed {
        output: String,
    },
    Failed(PortFault),
}

/// Why a port session ended by itself.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PortFault {
    #[error(transparent)]
    Session(#[from] SessionFault),
    #[error(transparent)]
    Mux(#[from] crate::mux::MuxFault),
    #[error("the session is of type `{}`, not `Port`", .0.name())]
    WrongKind(crate::handshake::SessionKind),
    #[error("the destination port cannot be reached")]
    Unreachable,
}

/// One end of a port session.
///
/// Both ends, without a network between them:
///
/// ```
/// use session::{
///     AgentOffer, ChannelConfig, PortConfig, PortEvent, PortSession, Read, Session, SessionKind,
/// };
/// use std::{collections::BTreeMap, time::Duration};
///
/// let now = Duration::ZERO;
/// let offer = AgentOffer {
///     agent_version: "3.3.3572.0".to_owned(),
///     kind: SessionKind::Port,
///     properties: BTreeMap::from([("type".to_owned(), "LocalPortForwarding".to_owned())]),
///     kms_key_id: None,
///     customer_message: String::new(),
///     extension: None,
/// };
/// // the last arguments are random in earnest
/// let client = Session::client("1.2.764.0", true, ChannelConfig::default(), [1; 16]);
/// let agent = Session::agent("s-1", offer, ChannelConfig::default(), [2; 16]);
/// let mut client = PortSession::new(client, PortConfig::default());
/// let mut agent = PortSession::new(agent, PortConfig::default());
///
/// fn carry(from: &mut PortSession, to: &mut PortSession, now: Duration) {
///     while let Some(frame) = from.poll_transmit(now) {
///         to.handle_message(&frame, now);
///     }
/// }
///
/// client.handle_connected(now);
/// agent.handle_connected(now);
/// carry(&mut agent, &mut client, now);
/// carry(&mut client, &mut agent, now);
/// carry(&mut agent, &mut client, now);
/// assert!(matches!(client.poll_event(), Some(PortEvent::Opened { .. })));
///
/// let connection = client.open().expect("the session is open");
/// client.write(connection, b"SELECT 1");
/// carry(&mut client, &mut agent, now);
/// assert_eq!(agent.read(connection, now), Read::Data("SELECT 1".into()));
/// ```
#[derive(Debug)]
pub struct PortSession {
    session: Session,
    config: PortConfig,
    link: Link,
    events: VecDeque<PortEvent>,
}

#[derive(Debug)]
enum Link {
    Shaking,
    Mux(Box<Mux>),
    Basic(Basic),
    Over,
}

impl PortSession {
    #[must_use]
    pub fn new(session: Session, config: PortConfig) -> Self {
        Self {
            session,
            config,
            link: Link::Shaking,
            events: VecDeque::new(),
        }
    }

    /// The session below.
    #[must_use]
    pub fn session(&self) -> &Session {
        &self.session
    }

    /// Whether everything written has arrived at the other end.
    #[must_use]
    pub fn is_drained(&self) -> bool {
        self.session.is_drained()
    }

    /// Client: a connection was accepted. `None` when there cannot be one now.
    pub fn open(&mut self) -> Option<StreamId> {
        match &mut self.link {
            Link::Mux(mux) => mux.open(),
            Link::Basic(basic) => basic.open(self.session.is_drained()),
            Link::Shaking | Link::Over => None,
        }
    }

    /// Offers bytes read from the local side of a connection.
    pub fn write(&mut self, id: StreamId, data: &[u8]) -> Written {
        match &mut self.link {
            Link::Mux(mux) => mux.write(id, data),
            Link::Basic(basic) => basic.write(id, data, self.config.send_bytes),
            Link::Shaking | Link::Over => Written::Closed,
        }
    }

    /// Takes bytes for the local side of a connection.
    pub fn read(&mut self, id: StreamId, now: Duration) -> Read {
        let read = match &mut self.link {
            Link::Mux(mux) => mux.read(id),
            Link::Basic(basic) => basic.read(id),
            Link::Shaking | Link::Over => Read::Reset,
        };
        // room for what waits in the channel
        self.take_in(now);
        read
    }

    /// The local side has sent everything.
    pub fn finish(&mut self, id: StreamId, now: Duration) {
        match &mut self.link {
            Link::Mux(mux) => mux.finish(id, now),
            Link::Basic(basic) => basic.finish(id, now, self.config.linger),
            Link::Shaking | Link::Over => {}
        }
    }

    /// The local side is gone.
    pub fn reset(&mut self, id: StreamId) {
        match &mut self.link {
            Link::Mux(mux) => mux.reset(id),
            Link::Basic(basic) => basic.reset(id),
            Link::Shaking | Link::Over => {}
        }
    }

    /// Agent: the destination of a connection cannot be reached.
    pub fn refuse(&mut self, id: StreamId, now: Duration) {
        match &mut self.link {
            Link::Mux(mux) => {
                self.session
                    .send(PayloadType::Flag, Flag::ConnectToPortError.payload(), now);
                mux.reset(id);
            }
            Link::Basic(_) => self.fail(PortFault::Unreachable),
            Link::Shaking | Link::Over => {}
        }
    }

    /// Client: asks the agent to end the session.
    pub fn terminate(&mut self, now: Duration) {
        self.session.terminate(now);
    }

    /// A connection to the service stands and its opening text frame is on its way.
    pub fn handle_connected(&mut self, now: Duration) {
        self.session.handle_connected(now);
    }

    pub fn handle_disconnected(&mut self) {
        self.session.handle_disconnected();
    }

    /// A binary frame came in.
    pub fn handle_message(&mut self, frame: &Bytes, now: Duration) {
        self.session.handle_message(frame, now);
        self.take_events(now);
        self.take_in(now);
    }

    /// Time has passed.
    pub fn handle_timeout(&mut self, now: Duration) {
        self.session.handle_timeout(now);
        self.take_events(now);
        match &mut self.link {
            Link::Mux(mux) => mux.handle_timeout(now),
            Link::Basic(basic) => basic.handle_timeout(now),
            Link::Shaking | Link::Over => {}
        }
    }

    /// The next binary frame to write.
    pub fn poll_transmit(&mut self, now: Duration) -> Option<Bytes> {
        self.give_out(now);
        self.session.poll_transmit(now)
    }

    pub fn poll_event(&mut self) -> Option<PortEvent> {
        if let Link::Mux(mux) = &mut self.link {
            while let Some(event) = mux.poll_event() {
                self.events.push_back(match event {
                    MuxEvent::Opened(id) => PortEvent::Connect(id),
                    MuxEvent::Readable(id) => PortEvent::Readable(id),
                    MuxEvent::Writable(id) => PortEvent::Writable(id),
                });
            }
        }
        if let Link::Basic(basic) = &mut self.link {
            self.events
                .extend(basic.take_events(self.session.is_drained()));
        }
        self.events.pop_front()
    }

    #[must_use]
    pub fn poll_timeout(&self) -> Option<Duration> {
        let link = match &self.link {
            Link::Mux(mux) => mux.poll_timeout(),
            Link::Basic(basic) => basic.poll_timeout(),
            Link::Shaking | Link::Over => None,
        };
        self.session.poll_timeout().into_iter().chain(link).min()
    }

    fn take_events(&mut self, now: Duration) {
        while let Some(event) = self.session.poll_event() {
            match event {
                SessionEvent::Opened(opened) => self.open_link(opened, now),
                SessionEvent::NewKeyWanted { .. } => {
                    let refusal = "port sessions are not encrypted a second time".to_owned();
                    self.session.provide_new_key(Err(refusal), now);
                }
                SessionEvent::KeyWanted { .. } => {}
                SessionEvent::PeerSilent => self.events.push_back(PortEvent::PeerSilent),
                SessionEvent::Closed { output } => {
                    self.link = Link::Over;
                    self.events.push_back(PortEvent::Closed { output });
                }
                SessionEvent::Failed(fault) => self.fail(fault.into()),
            }
        }
    }

    fn open_link(&mut self, opened: Opened, now: Duration) {
        if opened.kind != crate::handshake::SessionKind::Port {
            self.fail(PortFault::WrongKind(opened.kind));
            return;
        }
        let role = self.session.role();
        let mode = mode(role, &opened);
        self.link = match mode {
            PortMode::Mux => {
                let half_close = opened.extension.is_some();
                let defaults = MuxConfig::new(role == Role::Client, half_close);
                let linger = if role == Role::Client {
                    self.config.linger
                } else {
                    defaults.linger
                };
                Link::Mux(Box::new(Mux::new(
                    MuxConfig {
                        linger,
                        receive_bytes: self.config.receive_bytes,
                        send_bytes: self.config.send_bytes,
                        keepalive: keepalive(role, &opened),
                        ..defaults
                    },
                    now,
                )))
            }
            PortMode::Basic | PortMode::Single => {
                Link::Basic(Basic::new(role, mode == PortMode::Single))
            }
        };
        self.events.push_back(PortEvent::Opened { mode, opened });
    }

    /// Hands received payloads on, as long as there is room for them.
    fn take_in(&mut self, now: Duration) {
        loop {
            let has_room = match &self.link {
                Link::Mux(mux) => mux.has_room(),
                Link::Basic(basic) => basic.has_room(self.config.receive_bytes),
                Link::Shaking | Link::Over => false,
            };
            if !has_room {
                return;
            }
            let Some((payload_type, payload)) = self.session.poll_payload(now) else {
                return self.take_events(now);
            };
            match payload_type {
                PayloadType::Flag => self.take_flag(Flag::of_payload(&payload)),
                PayloadType::Output => self.take_data(payload, now),
                _ => {}
            }
        }
    }

    fn take_data(&mut self, data: Bytes, now: Duration) {
        let outcome = match &mut self.link {
            Link::Mux(mux) => mux.handle_bytes(data, now),
            Link::Basic(basic) => {
                basic.handle_data(data, now, self.config.linger);
                Ok(())
            }
            Link::Shaking | Link::Over => Ok(()),
        };
        if let Err(fault) = outcome {
            self.fail(fault.into());
        }
    }

    fn take_flag(&mut self, flag: Option<Flag>) {
        match (flag, self.session.role()) {
            (Some(Flag::TerminateSession), Role::Agent) => {
                self.link = Link::Over;
                self.events.push_back(PortEvent::Terminated);
            }
            (Some(Flag::DisconnectToPort), Role::Agent) => {
                if let Link::Basic(basic) = &mut self.link {
                    basic.handle_disconnect();
                }
            }
            (Some(Flag::ConnectToPortError), Role::Client) => {
                self.events.push_back(PortEvent::ConnectFailed);
            }
            _ => {}
        }
    }

    /// Turns what connections have written into stream messages, as far as the window goes.
    fn give_out(&mut self, now: Duration) {
        let Some(limit) = self.session.opened().map(Opened::payload_bytes) else {
            return;
        };
        while self.session.can_send() {
            let next = match &mut self.link {
                Link::Mux(mux) => mux
                    .poll_bytes(limit)
                    .map(|bytes| (PayloadType::Output, bytes)),
                Link::Basic(basic) => basic.poll_payload(limit),
                Link::Shaking | Link::Over => None,
            };
            let Some((payload_type, payload)) = next else {
                return;
            };
            self.session.send(payload_type, payload, now);
        }
    }

    fn fail(&mut self, fault: PortFault) {
        self.link = Link::Over;
        self.events.push_back(PortEvent::Failed(fault));
    }
}

/// What each end concludes from the other's version.
fn mode(role: Role, opened: &Opened) -> PortMode {
    let version = Version::parse(&opened.peer_version);
    let multiplexes = match role {
        Role::Client => version > Some(AGENT_BEFORE_MUX),
        Role::Agent => version >= Some(CLIENT_WITH_MUX),
    };
    match opened.properties.get("type").map(String::as_str) {
        Some("LocalPortForwarding") if multiplexes => PortMode::Mux,
        Some("LocalPortForwarding") => PortMode::Basic,
        _ => PortMode::Single,
    }
}

/// Old ends drop a mux that is silent for 30 seconds.
fn keepalive(role: Role, opened: &Opened) -> Option<Duration> {
    let version = Version::parse(&opened.peer_version);
    let needs_it = match role {
        Role::Client => version <= Some(AGENT_WITH_KEEPALIVE),
        Role::Agent => version <= Some(CLIENT_WITH_KEEPALIVE),
    };
    needs_it.then_some(Duration::from_secs(10))
}

#[cfg(test)]
mod tests;
