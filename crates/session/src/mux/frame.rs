//! The eight bytes before everything in smux, and how to find them in a stream.

use bytes::{Buf as _, BufMut, Bytes, BytesMut};

use super::{MuxFault, StreamId};

/// Version, command, length (u16) and stream id (u32), little-endian.
pub(super) const HEADER_LENGTH: usize = 8;
/// How much has been read and how much may be under way (u32 each), little-endian.
pub(super) const UPDATE_LENGTH: usize = 8;
const VERSION: u8 = 1;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Command {
    Syn,
    Fin,
    Push,
    Nop,
    /// Of smux's version 2, between two ends of ours.
    Update,
}

/// What the decoder finds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Item {
    /// A frame without data.
    Frame { command: Command, id: StreamId },
    /// Some data of a stream, not necessarily all of its frame.
    Data { id: StreamId, data: Bytes },
    /// How much of a stream its reader has read, and may have under way.
    Update {
        id: StreamId,
        read: u32,
        window: u32,
    },
}

pub(super) fn put_header(bytes: &mut BytesMut, command: Command, id: StreamId, length: u16) {
    bytes.put_u8(VERSION);
    bytes.put_u8(match command {
        Command::Syn => 0,
        Command::Fin => 1,
        Command::Push => 2,
        Command::Nop => 3,
        Command::Update => 4,
    });
    bytes.put_u16_le(length);
    bytes.put_u32_le(id.0);
}

pub(super) fn put_update(bytes: &mut BytesMut, id: StreamId, read: u32, window: u32) {
    put_header(bytes, Command::Update, id, 8);
    bytes.put_u32_le(read);
    bytes.put_u32_le(window);
}

/// Cuts a byte stream into items; frames may begin and end anywhere in its pieces.
#[derive(Debug)]
pub(super) struct Decoder {
    header: [u8; HEADER_LENGTH],
    have: usize,
    /// The frame whose data is passing, and how much of it is to come.
    passing: Option<(Command, StreamId, usize)>,
    /// Whether the other end is ours, and may send updates.
    takes_updates: bool,
    update: BytesMut,
}

impl Decoder {
    pub(super) fn new(takes_updates: bool) -> Self {
        Self {
            header: [0; HEADER_LENGTH],
            have: 0,
            passing: None,
            takes_updates,
            update: BytesMut::new(),
        }
    }

    /// The next item of `bytes`, which shrinks; `None` when it is used up.
    pub(super) fn next(&mut self, bytes: &mut Bytes) -> Result<Option<Item>, MuxFault> {
        loop {
            if bytes.is_empty() {
                return Ok(None);
            }
            if let Some((command, id, left)) = &mut self.passing {
                let data = bytes.split_to(bytes.len().min(*left));
                *left -= data.len();
                let (command, id, is_over) = (*command, *id, *left == 0);
                if is_over {
                    self.passing = None;
                }
                match command {
                    Command::Push => return Ok(Some(Item::Data { id, data })),
                    Command::Update => {
                        let wanted = UPDATE_LENGTH.saturating_sub(self.update.len());
                        self.update.put(data.slice(..wanted.min(data.len())));
                    }
                    // data of other frames means nothing
                    Command::Syn | Command::Fin | Command::Nop => {}
                }
                if is_over && self.update.len() == UPDATE_LENGTH {
                    let (read, window) = (self.update.get_u32_le(), self.update.get_u32_le());
                    return Ok(Some(Item::Update { id, read, window }));
                }
                if is_over {
                    self.update.clear();
                }
                continue;
            }
            let wanted = HEADER_LENGTH - self.have;
            let piece = bytes.split_to(bytes.len().min(wanted));
            self.header[self.have..self.have + piece.len()].copy_from_slice(&piece);
            self.have += piece.len();
            if self.have == HEADER_LENGTH {
                self.have = 0;
                if let Some(item) = self.begin()? {
                    return Ok(Some(item));
                }
            }
        }
    }

    /// Acts on a complete header.
    fn begin(&mut self) -> Result<Option<Item>, MuxFault> {
        let [version, command, low, high, id @ ..] = self.header;
        if version != VERSION {
            return Err(MuxFault::Version { version });
        }
        let command = match command {
            0 => Command::Syn,
            1 => Command::Fin,
            2 => Command::Push,
            3 => Command::Nop,
            4 if self.takes_updates => Command::Update,
            command => return Err(MuxFault::Command { command }),
        };
        let id = StreamId(u32::from_le_bytes(id));
        let length = usize::from(u16::from_le_bytes([low, high]));
        if length > 0 {
            self.passing = Some((command, id, length));
        }
        let is_whole = !matches!(command, Command::Push | Command::Update);
        Ok(is_whole.then_some(Item::Frame { command, id }))
    }
}
