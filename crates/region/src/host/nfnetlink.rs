//! The byte layout that nf_tables, nfnetlink_log and conntrack share.
//!
//! Netlink headers and lengths are in host order, netfilter's integers in
//! network order. Writing goes to a [`Writer`]; reading is by iterators that
//! end at the first malformed length, never panic, never read past the end.

use std::io;
use std::net::Ipv4Addr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};

use netlink_sys::Socket;
use netlink_sys::protocols::NETLINK_NETFILTER;

pub(crate) const NLM_F_REQUEST: u16 = 0x001;
pub(crate) const NLM_F_ACK: u16 = 0x004;
pub(crate) const NLM_F_DUMP: u16 = 0x300;
pub(crate) const NLM_F_CREATE: u16 = 0x400;
pub(crate) const NLM_F_APPEND: u16 = 0x800;

pub(crate) const NLMSG_ERROR: u16 = 2;
pub(crate) const NLMSG_DONE: u16 = 3;

const NESTED: u16 = 0x8000;
const TYPE_MASK: u16 = 0x3fff;
const MESSAGE_HEADER: usize = 16;
const NFGENMSG: usize = 4;

/// `AF_INET`, and `AF_UNSPEC` for messages that belong to no family.
pub(crate) const INET: u8 = 2;
pub(crate) const UNSPEC: u8 = 0;

/// Netlink messages in the making.
#[derive(Debug, Default)]
pub(crate) struct Writer {
    bytes: Vec<u8>,
}

/// What stands in a message's two headers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Header {
    /// Subsystem in the high byte, message in the low one.
    pub(crate) kind: u16,
    pub(crate) flags: u16,
    pub(crate) sequence: u32,
    pub(crate) family: u8,
    pub(crate) resource: u16,
}

impl Writer {
    pub(crate) fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    /// Bytes that are already a message body or whole attributes.
    pub(crate) fn raw(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    pub(crate) fn message(&mut self, header: Header, body: impl FnOnce(&mut Self)) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(&[0; 4]);
        self.bytes.extend_from_slice(&header.kind.to_ne_bytes());
        self.bytes.extend_from_slice(&header.flags.to_ne_bytes());
        self.bytes.extend_from_slice(&header.sequence.to_ne_bytes());
        self.bytes.extend_from_slice(&[0; 4]);
        self.bytes.extend_from_slice(&[header.family, 0]);
        self.bytes.extend_from_slice(&header.resource.to_be_bytes());
        body(self);
        let length = u32::try_from(self.bytes.len() - start).expect("a message is below 4 GiB");
        self.bytes[start..start + 4].copy_from_slice(&length.to_ne_bytes());
    }

    pub(crate) fn attribute(&mut self, kind: u16, value: &[u8]) {
        self.with_length(kind, |w| w.bytes.extend_from_slice(value));
    }

    /// A string with its terminating zero.
    pub(crate) fn text(&mut self, kind: u16, value: &str) {
        self.with_length(kind, |w| {
            w.bytes.extend_from_slice(value.as_bytes());
            w.bytes.push(0);
        });
    }

    pub(crate) fn u32(&mut self, kind: u16, value: u32) {
        self.attribute(kind, &value.to_be_bytes());
    }

    pub(crate) fn nest(&mut self, kind: u16, body: impl FnOnce(&mut Self)) {
        self.with_length(kind | NESTED, body);
    }

    fn with_length(&mut self, kind: u16, body: impl FnOnce(&mut Self)) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(&[0; 2]);
        self.bytes.extend_from_slice(&kind.to_ne_bytes());
        body(self);
        let length = u16::try_from(self.bytes.len() - start)
            .expect("callers bound names, comments and element chunks below 64 KiB");
        self.bytes[start..start + 2].copy_from_slice(&length.to_ne_bytes());
        self.bytes
            .resize(start + usize::from(length).next_multiple_of(4), 0);
    }
}

/// One received message.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Message<'a> {
    pub(crate) kind: u16,
    pub(crate) sequence: u32,
    /// All after the netlink header.
    pub(crate) payload: &'a [u8],
}

impl<'a> Message<'a> {
    /// The attributes of a netfilter message.
    pub(crate) fn attributes(&self) -> Attributes<'a> {
        Attributes {
            rest: self.payload.get(NFGENMSG..).unwrap_or_default(),
        }
    }

    /// For `NLMSG_ERROR` and `NLMSG_DONE`: the errno, 0 for an acknowledgement.
    pub(crate) fn errno(&self) -> i32 {
        match self.payload.first_chunk::<4>() {
            Some(bytes) => i32::from_ne_bytes(*bytes).saturating_neg(),
            None => 0,
        }
    }
}

/// The messages of one datagram.
pub(crate) fn messages(datagram: &[u8]) -> impl Iterator<Item = Message<'_>> {
    let mut rest = datagram;
    std::iter::from_fn(move || {
        let length = u32::from_ne_bytes(*rest.first_chunk()?) as usize;
        if length < MESSAGE_HEADER || length > rest.len() {
            return None;
        }
        let (message, _) = rest.split_at(length);
        rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some(Message {
            kind: u16::from_ne_bytes([message[4], message[5]]),
            sequence: u32::from_ne_bytes([message[8], message[9], message[10], message[11]]),
            payload: &message[MESSAGE_HEADER..],
        })
    })
}

/// Attributes as (type, value), nesting and byte-order flags taken off.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Attributes<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Attributes<'a> {
    type Item = (u16, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let header = *self.rest.first_chunk::<4>()?;
        let length = usize::from(u16::from_ne_bytes([header[0], header[1]]));
        let kind = u16::from_ne_bytes([header[2], header[3]]) & TYPE_MASK;
        let value = self.rest.get(4..length)?;
        self.rest = self
            .rest
            .get(length.next_multiple_of(4)..)
            .unwrap_or_default();
        Some((kind, value))
    }
}

/// The attributes inside a nest.
pub(crate) fn nested(value: &[u8]) -> Attributes<'_> {
    Attributes { rest: value }
}

pub(crate) fn be16(value: &[u8]) -> Option<u16> {
    value.first_chunk().map(|bytes| u16::from_be_bytes(*bytes))
}

pub(crate) fn be32(value: &[u8]) -> Option<u32> {
    value.first_chunk().map(|bytes| u32::from_be_bytes(*bytes))
}

pub(crate) fn be64(value: &[u8]) -> Option<u64> {
    value.first_chunk().map(|bytes| u64::from_be_bytes(*bytes))
}

pub(crate) fn address(value: &[u8]) -> Option<Ipv4Addr> {
    be32(value).map(Ipv4Addr::from)
}

pub(crate) fn text(value: &[u8]) -> Option<&str> {
    std::str::from_utf8(value.strip_suffix(b"\0").unwrap_or(value)).ok()
}

/// The largest datagram the kernel makes for a dump or an event.
const RECEIVE_BUFFER: usize = 64 * 1024;

/// A netfilter socket of the network namespace its opener stood in.
#[derive(Debug)]
pub(crate) struct NetfilterSocket {
    socket: Socket,
    buffer: Vec<u8>,
}

impl NetfilterSocket {
    pub(crate) fn open() -> io::Result<Self> {
        let mut socket = Socket::new(NETLINK_NETFILTER)?;
        socket.bind_auto()?;
        socket.set_cap_ack(true)?;
        Ok(Self {
            socket,
            buffer: Vec::with_capacity(RECEIVE_BUFFER),
        })
    }

    pub(crate) fn socket(&self) -> &Socket {
        &self.socket
    }

    pub(crate) fn send(&self, bytes: &[u8]) -> io::Result<()> {
        let sent = self.socket.send(bytes, 0)?;
        if sent == bytes.len() {
            Ok(())
        } else {
            Err(io::ErrorKind::WriteZero.into())
        }
    }

    /// Waits for one datagram.
    pub(crate) fn receive(&mut self) -> io::Result<&[u8]> {
        self.receive_with(0)
    }

    /// One datagram, if there is one.
    pub(crate) fn receive_now(&mut self) -> io::Result<Option<&[u8]>> {
        match self.receive_with(libc::MSG_DONTWAIT) {
            Ok(datagram) => Ok(Some(datagram)),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn receive_with(&mut self, flags: libc::c_int) -> io::Result<&[u8]> {
        loop {
            self.buffer.clear();
            match self.socket.recv(&mut self.buffer, flags) {
                Ok(_) => return Ok(&self.buffer),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Sends one request and waits for its acknowledgement.
    pub(crate) fn request(&mut self, message: &[u8]) -> io::Result<()> {
        self.send(message)?;
        loop {
            let datagram = self.receive()?;
            for answer in messages(datagram) {
                if answer.kind == NLMSG_ERROR {
                    return match answer.errno() {
                        0 => Ok(()),
                        errno => Err(io::Error::from_raw_os_error(errno)),
                    };
                }
            }
        }
    }

    /// Sends a dump request and gives each message of its answer to `each`.
    pub(crate) fn dump(
        &mut self,
        message: &[u8],
        mut each: impl FnMut(Message<'_>),
    ) -> io::Result<()> {
        self.send(message)?;
        loop {
            let datagram = self.receive()?;
            for answer in messages(datagram) {
                match answer.kind {
                    NLMSG_DONE | NLMSG_ERROR => {
                        return match answer.errno() {
                            0 => Ok(()),
                            errno => Err(io::Error::from_raw_os_error(errno)),
                        };
                    }
                    _ => each(answer),
                }
            }
        }
    }
}

impl AsFd for NetfilterSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl AsRawFd for NetfilterSocket {
    fn as_raw_fd(&self) -> RawFd {
        self.socket.as_raw_fd()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let mut writer = Writer::default();
        let header = Header {
            kind: 0x0a06,
            flags: NLM_F_REQUEST,
            sequence: 7,
            family: INET,
            resource: 5,
        };
        writer.message(header, |w| {
            w.text(1, "vpc");
            w.nest(4, |w| w.u32(2, 0x0102_0304));
        });
        writer.message(
            Header {
                sequence: 8,
                ..header
            },
            |w| w.attribute(9, &[1, 2, 3, 4, 5]),
        );
        let bytes = writer.into_bytes();
        let read: Vec<_> = messages(&bytes)
            .map(|message| {
                (
                    message.kind,
                    message.sequence,
                    message.attributes().collect(),
                )
            })
            .collect();
        let first: Vec<(u16, &[u8])> = vec![(1, b"vpc\0"), (4, &[8, 0, 2, 0, 1, 2, 3, 4])];
        let second: Vec<(u16, &[u8])> = vec![(9, &[1, 2, 3, 4, 5])];
        assert_eq!(read, [(0x0a06, 7, first), (0x0a06, 8, second)]);
        assert_eq!(
            nested(&[8, 0, 2, 0, 1, 2, 3, 4])
                .next()
                .and_then(|a| be32(a.1)),
            Some(0x0102_0304)
        );
    }

    proptest! {
        /// Reading ends, and stays inside, whatever the bytes.
        #[test]
        fn any_bytes_are_read_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            for message in messages(&bytes) {
                let _errno = message.errno();
                for (_, value) in message.attributes() {
                    prop_assert!(nested(value).count() <= value.len() / 4 + 1);
                }
            }
            prop_assert!(nested(&bytes).count() <= bytes.len() / 4 + 1);
        }
    }
}
