//! Flows the kernel accepted, from connection tracking.
//!
//! [`Connections`] hears of each connection that ends, with what it carried,
//! and can ask at any time what each living one has carried since the last
//! question. Both together give every byte once. The kernel counts because the
//! `vpc` table makes it; it notes times where `/proc/sys` can be written.

use std::io;

use nix::sys::socket::{setsockopt, sockopt};

use crate::flow_log::{Amount, Flow, Traffic};

use super::nfnetlink::{
    Attributes, Header, INET, Message, NLM_F_DUMP, NLM_F_REQUEST, NetfilterSocket, Writer, address,
    be16, be32, be64, messages, nested,
};

const SUBSYSTEM: u16 = 1 << 8;
const NEW: u16 = 0;
const DELETE: u16 = 2;
const GET_AND_ZERO: u16 = 3;

const GROUP_NEW: u32 = 1;
const GROUP_DESTROY: u32 = 3;

const RECEIVE_BUFFER: usize = 8 << 20;

/// A subscription to the connections of one network namespace.
#[derive(Debug)]
pub struct Connections {
    events: NetfilterSocket,
    questions: NetfilterSocket,
}

/// Which events to hear.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subscription {
    /// Only ends: enough for flow logs, and half the cost.
    Ends,
    BeginningsAndEnds,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConnectionEvent {
    /// Its first packet was accepted; amounts are still zero.
    New(Traffic),
    /// What it carried since it was last counted.
    Ended(Traffic),
}

/// What one read gave.
#[derive(Debug, Default)]
pub struct ConnectionEvents {
    pub events: Vec<ConnectionEvent>,
    /// The receive buffer overflowed since the last read.
    pub is_incomplete: bool,
}

#[derive(Debug, thiserror::Error)]
pub enum ConntrackError {
    #[error("cannot open a netfilter socket")]
    Open(#[source] io::Error),
    #[error("cannot subscribe to connection events")]
    Subscribe(#[source] io::Error),
    #[error("cannot read connections")]
    Read(#[source] io::Error),
    #[error("cannot turn on `{setting}`")]
    Accounting {
        setting: &'static str,
        source: io::Error,
    },
}

impl Connections {
    /// Subscribes in the calling thread's network namespace.
    ///
    /// # Errors
    /// [`ConntrackError::Subscribe`] without the right or without nf_conntrack_netlink.
    pub fn open(subscription: Subscription) -> Result<Self, ConntrackError> {
        let events = NetfilterSocket::open().map_err(ConntrackError::Open)?;
        let questions = NetfilterSocket::open().map_err(ConntrackError::Open)?;
        // Smaller only means more overflow, which is reported.
        let _: nix::Result<()> = setsockopt(&events, sockopt::RcvBuf, &RECEIVE_BUFFER);
        // Without it, times are those of the reader: less exact, not wrong.
        drop(std::fs::write(
            "/proc/sys/net/netfilter/nf_conntrack_timestamp",
            "1",
        ));
        let groups: &[u32] = match subscription {
            Subscription::Ends => &[GROUP_DESTROY],
            Subscription::BeginningsAndEnds => &[GROUP_NEW, GROUP_DESTROY],
        };
        for group in groups {
            events
                .socket()
                .add_membership(*group)
                .map_err(ConntrackError::Subscribe)?;
        }
        Ok(Self { events, questions })
    }

    /// The events that have come since the last call; does not wait. At most
    /// `limit` datagrams are read, so a flood cannot hold the reader.
    ///
    /// # Errors
    /// [`ConntrackError::Read`] when the socket fails.
    pub fn drain(&mut self, limit: usize) -> Result<ConnectionEvents, ConntrackError> {
        let mut drained = ConnectionEvents::default();
        for _ in 0..limit {
            match self.events.receive_now() {
                Ok(Some(datagram)) => drained.events.extend(messages(datagram).filter_map(event)),
                Ok(None) => break,
                Err(error) if error.raw_os_error() == Some(libc::ENOBUFS) => {
                    drained.is_incomplete = true;
                }
                Err(error) => return Err(ConntrackError::Read(error)),
            }
        }
        Ok(drained)
    }

    /// What each living connection has carried since the last call.
    ///
    /// # Errors
    /// [`ConntrackError::Read`] when the kernel does not answer.
    pub fn count(&mut self) -> Result<Vec<Traffic>, ConntrackError> {
        let mut writer = Writer::default();
        let header = Header {
            kind: SUBSYSTEM | GET_AND_ZERO,
            flags: NLM_F_REQUEST | NLM_F_DUMP,
            sequence: 1,
            family: INET,
            resource: 0,
        };
        writer.message(header, |_| {});
        let mut living = Vec::new();
        self.questions
            .dump(&writer.into_bytes(), |answer| {
                living.extend(traffic(answer));
            })
            .map_err(ConntrackError::Read)?;
        Ok(living)
    }
}

fn event(message: Message<'_>) -> Option<ConnectionEvent> {
    match message.kind {
        kind if kind == SUBSYSTEM | NEW => Some(ConnectionEvent::New(traffic(message)?)),
        kind if kind == SUBSYSTEM | DELETE => Some(ConnectionEvent::Ended(traffic(message)?)),
        _ => None,
    }
}

fn traffic(message: Message<'_>) -> Option<Traffic> {
    let mut flow = None;
    let (mut forward, mut reply) = (Amount::default(), Amount::default());
    let mut mark = 0;
    let (mut start_ms, mut end_ms) = (None, None);
    for (kind, value) in message.attributes() {
        match kind {
            1 => flow = tuple(nested(value)),
            8 => mark = be32(value)?,
            9 => forward = amount(nested(value)),
            10 => reply = amount(nested(value)),
            20 => {
                for (kind, value) in nested(value) {
                    let milliseconds = be64(value).map(|nanoseconds| nanoseconds / 1_000_000);
                    match kind {
                        1 => start_ms = milliseconds,
                        2 => end_ms = milliseconds,
                        _ => {}
                    }
                }
            }
            _ => {}
        }
    }
    Some(Traffic {
        flow: flow?,
        mark,
        forward,
        reply,
        start_ms,
        end_ms,
    })
}

/// The original direction's 5-tuple; `None` unless it is IPv4.
fn tuple(attributes: Attributes<'_>) -> Option<Flow> {
    let (mut source, mut destination) = (None, None);
    let (mut protocol, mut source_port, mut destination_port) = (0, 0, 0);
    for (kind, value) in attributes {
        for (part, value) in nested(value) {
            match (kind, part) {
                (1, 1) => source = address(value),
                (1, 2) => destination = address(value),
                (2, 1) => protocol = *value.first()?,
                (2, 2) => source_port = be16(value)?,
                (2, 3) => destination_port = be16(value)?,
                _ => {}
            }
        }
    }
    Some(Flow {
        source: source?,
        destination: destination?,
        protocol,
        source_port,
        destination_port,
    })
}

fn amount(attributes: Attributes<'_>) -> Amount {
    let mut amount = Amount::default();
    for (kind, value) in attributes {
        match kind {
            1 => amount.packets = be64(value).unwrap_or(0),
            2 => amount.bytes = be64(value).unwrap_or(0),
            _ => {}
        }
    }
    amount
}
