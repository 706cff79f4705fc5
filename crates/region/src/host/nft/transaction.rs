//! Messages that take effect together, or not at all.

use std::io;

use nix::sys::socket::{getsockopt, setsockopt, sockopt};

use crate::host::nfnetlink::{
    Header, INET, NLM_F_ACK, NLM_F_REQUEST, NLMSG_ERROR, NetfilterSocket, UNSPEC, Writer, messages,
};

use super::encode::{Item, SUBSYSTEM};
use super::{NftError, Place};

const BATCH_BEGIN: u16 = 16;
const BATCH_END: u16 = 17;
const NF_TABLES: u16 = 10;
/// Begin and end, each a header of 20 bytes.
const FRAME: usize = 40;
/// What the kernel takes off the send buffer before it compares.
const KERNEL_RESERVE: usize = 32;

#[derive(Debug)]
pub(super) struct Transaction {
    table: String,
    items: Vec<Item>,
    length: usize,
}

impl Transaction {
    pub(super) fn new(table: &str) -> Self {
        Self {
            table: table.to_owned(),
            items: Vec::new(),
            length: FRAME,
        }
    }

    pub(super) fn push(&mut self, item: Item) {
        self.length += item.len();
        self.items.push(item);
    }

    pub(super) fn extend(&mut self, items: impl IntoIterator<Item = Item>) {
        items.into_iter().for_each(|item| self.push(item));
    }

    /// Bytes of the one send it takes.
    pub(super) fn len(&self) -> usize {
        self.length
    }

    /// Sends all and reads the kernel's answers. Only the last message asks
    /// for an acknowledgement: thousands of them would overflow the receive
    /// buffer, and errors come without being asked for. The kernel has worked
    /// through the whole transaction, answers queued, when the send returns.
    pub(super) fn commit(self, socket: &mut NetfilterSocket) -> Result<(), NftError> {
        if self.items.is_empty() {
            return Ok(());
        }
        let bytes = self.encode();
        let sent = socket.send(&bytes);
        sent.map_err(|source| NftError::Send {
            table: self.table.clone(),
            source,
        })?;
        self.read_answers(socket)
    }

    /// Sequence 0 is the frame; item `n` has sequence `n + 1`.
    fn encode(&self) -> Vec<u8> {
        let mut writer = Writer::default();
        let frame = |kind| Header {
            kind,
            flags: NLM_F_REQUEST,
            sequence: 0,
            family: UNSPEC,
            resource: NF_TABLES,
        };
        writer.message(frame(BATCH_BEGIN), |_| {});
        for (sequence, item) in (1u32..).zip(&self.items) {
            let is_last = sequence as usize == self.items.len();
            let header = Header {
                kind: SUBSYSTEM | item.kind,
                flags: NLM_F_REQUEST | item.flags | if is_last { NLM_F_ACK } else { 0 },
                sequence,
                family: INET,
                resource: 0,
            };
            writer.message(header, |w| w.raw(&item.body));
        }
        writer.message(frame(BATCH_END), |_| {});
        writer.into_bytes()
    }

    fn read_answers(&self, socket: &mut NetfilterSocket) -> Result<(), NftError> {
        let mut is_confirmed = false;
        let mut first_error: Option<(u32, i32)> = None;
        loop {
            let datagram = match socket.receive_now() {
                Ok(Some(datagram)) => datagram,
                Ok(None) => break,
                // More errors than the buffer holds: those before it count.
                Err(error) if error.raw_os_error() == Some(libc::ENOBUFS) => continue,
                Err(source) => {
                    return Err(NftError::Send {
                        table: self.table.clone(),
                        source,
                    });
                }
            };
            for answer in messages(datagram).filter(|answer| answer.kind == NLMSG_ERROR) {
                match answer.errno() {
                    0 => is_confirmed |= answer.sequence as usize == self.items.len(),
                    errno => first_error = first_error.or(Some((answer.sequence, errno))),
                }
            }
        }
        match first_error {
            Some((sequence, errno)) => Err(NftError::Refused {
                table: self.table.clone(),
                place: self.place(sequence),
                source: io::Error::from_raw_os_error(errno),
            }),
            None if is_confirmed => Ok(()),
            None => Err(NftError::Unconfirmed {
                table: self.table.clone(),
            }),
        }
    }

    fn place(&self, sequence: u32) -> Place {
        let index = (sequence as usize).checked_sub(1);
        index
            .and_then(|index| self.items.get(index))
            .map_or(Place::Transaction, |item| item.place.clone())
    }
}

/// The largest transaction this socket sends, after asking the kernel for
/// room for `wanted` bytes: by right (which a user namespace does not give),
/// else as far as `net.core.wmem_max` lets it.
pub(super) fn send_limit(socket: &NetfilterSocket, wanted: usize) -> usize {
    let current = || {
        getsockopt(socket, sockopt::SndBuf)
            .unwrap_or(0)
            .saturating_sub(KERNEL_RESERVE)
    };
    if current() >= wanted {
        return current();
    }
    // The kernel doubles what it is asked for.
    let ask = wanted
        .saturating_add(KERNEL_RESERVE)
        .div_ceil(2)
        .min(64 << 20);
    if setsockopt(socket, sockopt::SndBufForce, &ask).is_err() {
        // Without the right, the kernel caps the size in silence.
        let _: nix::Result<()> = setsockopt(socket, sockopt::SndBuf, &ask);
    }
    current()
}
