//! Packets the ruleset rejected, from nfnetlink_log.
//!
//! The ruleset's last word on a rejected packet is `log group`, after it wrote
//! its reason into the packet's mark. [`Rejections`] is bound to one group in
//! the network namespace its opener stood in; it must be opened before the
//! first packet is to be seen, since the kernel keeps nothing for nobody.

use std::collections::BTreeMap;
use std::io;
use std::net::Ipv4Addr;
use std::time::Duration;

use nix::sys::socket::{setsockopt, sockopt};
use nix::sys::time::TimeVal;

use crate::flow_log::{Flow, Rejection};

use super::nfnetlink::{
    Header, Message, NLM_F_ACK, NLM_F_REQUEST, NetfilterSocket, UNSPEC, Writer, be32, messages,
};

const SUBSYSTEM: u16 = 4 << 8;
const PACKET: u16 = 0;
const CONFIGURE: u16 = 1;

/// Enough for the IPv4 header with options and the first eight bytes after it.
const SNAPSHOT_BYTES: u32 = 68;
/// Packets the kernel gathers before it wakes us ...
const GATHER_PACKETS: u32 = 64;
/// ... and hundredths of a second it gathers at most.
const GATHER_CENTISECONDS: u32 = 10;
/// Room for a burst while the reader is busy.
const RECEIVE_BUFFER: usize = 8 << 20;

/// A subscription to rejected packets.
#[derive(Debug)]
pub struct Rejections {
    socket: NetfilterSocket,
    interfaces: BTreeMap<u32, String>,
}

/// What one read gave.
#[derive(Debug, Default)]
pub struct RejectionBatch {
    pub rejections: Vec<Rejection>,
    /// The receive buffer overflowed since the last read.
    pub is_incomplete: bool,
}

#[derive(Debug, thiserror::Error)]
pub enum NflogError {
    #[error("cannot open a netfilter socket")]
    Open(#[source] io::Error),
    #[error("cannot subscribe to nfnetlink_log group {group} ({step})")]
    Subscribe {
        group: u16,
        step: &'static str,
        source: io::Error,
    },
    #[error("cannot read rejected packets")]
    Read(#[source] io::Error),
}

impl Rejections {
    /// Subscribes to `group`; reads wait for at most `patience`.
    ///
    /// # Errors
    /// [`NflogError::Subscribe`] with `EBUSY` where another process of this
    /// namespace holds the group, `EOPNOTSUPP` or `ENOENT` without nfnetlink_log.
    pub fn open(group: u16, patience: Duration) -> Result<Self, NflogError> {
        let mut socket = NetfilterSocket::open().map_err(NflogError::Open)?;
        // Smaller only means more overflow, which is reported.
        let _: nix::Result<()> = setsockopt(&socket, sockopt::RcvBuf, &RECEIVE_BUFFER);
        let timeout = TimeVal::new(
            i64::try_from(patience.as_secs()).unwrap_or(i64::MAX),
            i64::from(patience.subsec_micros()),
        );
        setsockopt(&socket, sockopt::ReceiveTimeout, &timeout)
            .map_err(|errno| NflogError::Open(errno.into()))?;
        let mut configure = |step, body: &dyn Fn(&mut Writer)| {
            let sent = socket.request(&configuration(group, body));
            sent.map_err(|source| NflogError::Subscribe {
                group,
                step,
                source,
            })
        };
        configure("bind", &|w| w.attribute(1, &[1]))?;
        configure("copy mode", &|w| {
            let [a, b, c, d] = SNAPSHOT_BYTES.to_be_bytes();
            w.attribute(2, &[a, b, c, d, 2, 0]); // NFULNL_COPY_PACKET
        })?;
        configure("gathering", &|w| {
            w.u32(4, GATHER_CENTISECONDS);
            w.u32(5, GATHER_PACKETS);
        })?;
        Ok(Self {
            socket,
            interfaces: BTreeMap::new(),
        })
    }

    /// Waits for packets, at most as long as `open` was told; empty then.
    /// `unix_ms` gives the time they are stamped with.
    ///
    /// # Errors
    /// [`NflogError::Read`] when the socket fails.
    pub fn wait(&mut self, unix_ms: impl FnOnce() -> u64) -> Result<RejectionBatch, NflogError> {
        let datagram = match self.socket.receive() {
            Ok(datagram) => datagram,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                return Ok(Default::default());
            }
            Err(error) if error.raw_os_error() == Some(libc::ENOBUFS) => {
                return Ok(RejectionBatch {
                    rejections: Vec::new(),
                    is_incomplete: true,
                });
            }
            Err(error) => return Err(NflogError::Read(error)),
        };
        let unix_ms = unix_ms();
        let interfaces = &mut self.interfaces;
        let packets = messages(datagram).filter(|message| message.kind == SUBSYSTEM | PACKET);
        let rejections = packets
            .filter_map(|message| {
                rejection(message, unix_ms, |index| interface_name(interfaces, index))
            })
            .collect();
        Ok(RejectionBatch {
            rejections,
            is_incomplete: false,
        })
    }
}

fn configuration(group: u16, body: impl FnOnce(&mut Writer)) -> Vec<u8> {
    let mut writer = Writer::default();
    let header = Header {
        kind: SUBSYSTEM | CONFIGURE,
        flags: NLM_F_REQUEST | NLM_F_ACK,
        sequence: 1,
        family: UNSPEC,
        resource: group,
    };
    writer.message(header, body);
    writer.into_bytes()
}

/// Indexes are not reused within a namespace's life, so names are asked once.
fn interface_name(known: &mut BTreeMap<u32, String>, index: u32) -> Option<String> {
    if let Some(name) = known.get(&index) {
        return Some(name.clone());
    }
    let name = nix::net::if_::if_indextoname(index)
        .ok()?
        .into_string()
        .ok()?;
    known.insert(index, name.clone());
    Some(name)
}

fn rejection(
    message: Message<'_>,
    unix_ms: u64,
    mut interface: impl FnMut(u32) -> Option<String>,
) -> Option<Rejection> {
    let mut reason = 0;
    let (mut in_link, mut out_link, mut packet) = (None, None, None);
    for (kind, value) in message.attributes() {
        match kind {
            2 => reason = be32(value)?,
            4 => in_link = interface(be32(value)?),
            5 => out_link = interface(be32(value)?),
            9 => packet = Some(value),
            _ => {}
        }
    }
    let (flow, bytes) = parse_packet(packet?)?;
    Some(Rejection {
        reason,
        flow,
        in_link,
        out_link,
        bytes,
        unix_ms,
    })
}

/// The 5-tuple and total length of an IPv4 packet (RFC 791). For ICMP the
/// ports are 0, as in VPC flow logs.
fn parse_packet(packet: &[u8]) -> Option<(Flow, u32)> {
    let header = packet.first_chunk::<20>()?;
    if header[0] >> 4 != 4 {
        return None;
    }
    let header_bytes = usize::from(header[0] & 0x0f) * 4;
    let protocol = header[9];
    let ports = match protocol {
        6 | 17 | 132 => packet
            .get(header_bytes..)
            .and_then(<[u8]>::first_chunk::<4>),
        _ => None,
    };
    let [a, b, c, d] = ports.copied().unwrap_or_default();
    let flow = Flow {
        source: Ipv4Addr::new(header[12], header[13], header[14], header[15]),
        destination: Ipv4Addr::new(header[16], header[17], header[18], header[19]),
        protocol,
        source_port: u16::from_be_bytes([a, b]),
        destination_port: u16::from_be_bytes([c, d]),
    };
    Some((flow, u32::from(u16::from_be_bytes([header[2], header[3]]))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_packet_is_read_as_far_as_it_goes() {
        let mut packet = vec![
            0x46, 0, 0, 60, 0, 0, 0, 0, 64, 6, 0, 0, 10, 0, 1, 10, 10, 0, 3, 10,
        ];
        packet.extend([1, 1, 1, 1]); // options
        packet.extend([0xc0, 0, 0x15, 0x38, 0, 0, 0, 0]);
        let (flow, bytes) = parse_packet(&packet).unwrap();
        assert_eq!(flow.to_string(), "tcp 10.0.1.10:49152 > 10.0.3.10:5432");
        assert_eq!(bytes, 60);
        assert_eq!(parse_packet(&packet[..24]).unwrap().0.destination_port, 0);
        for length in 0..20 {
            assert_eq!(parse_packet(&packet[..length]), None);
        }
        packet[0] = 0x65;
        assert_eq!(parse_packet(&packet), None);
    }
}
