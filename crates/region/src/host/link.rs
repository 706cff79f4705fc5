//! How are links, addresses, routes and rules put into the kernel?
//!
//! A [`RouteSocket`] belongs for good to the namespace of the thread that
//! opened it, and speaks rtnetlink synchronously: a batch of [`Request`]s
//! goes out in one system call and comes back as "all done" or as the first
//! request that failed, with the kernel's own words.

mod message;

use std::io;

use netlink_packet_core::{
    NLM_F_ACK, NLM_F_CREATE, NLM_F_EXCL, NLM_F_REQUEST, NetlinkHeader, NetlinkMessage,
};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_sys::{Socket, SocketAddr, protocols::NETLINK_ROUTE};

pub use message::{
    VethEnd, add_address, add_route, add_rule, add_veth, delete_link, forward_without_sysctl,
    set_up,
};

/// Requests in one system call. An error answer takes under a kilobyte of the
/// receive buffer, 208 KiB by default: this many always fit.
const BATCH: usize = 128;

/// `NLMSG_ERROR` of linux/netlink.h: an acknowledgement or an error.
const NLMSG_ERROR: u16 = 2;
/// `RTM_NEWLINK` of linux/rtnetlink.h.
const RTM_NEWLINK: u16 = 16;
/// `NLM_F_ACK_TLVS`: attributes follow the error.
const ACK_TLVS: u16 = 0x200;
/// `NLMSGERR_ATTR_MSG`: the kernel's words.
const ERROR_TEXT: u16 = 1;

/// One thing asked of the kernel, with words for when it refuses.
#[derive(Debug, Clone)]
pub struct Request {
    /// What it does, as in "cannot …".
    pub step: String,
    pub(crate) message: RouteNetlinkMessage,
    pub(crate) flags: u16,
}

impl Request {
    fn create(step: String, message: RouteNetlinkMessage) -> Self {
        Self {
            step,
            message,
            flags: NLM_F_CREATE | NLM_F_EXCL,
        }
    }

    fn change(step: String, message: RouteNetlinkMessage) -> Self {
        Self {
            step,
            message,
            flags: 0,
        }
    }
}

/// Why the kernel did not do as asked.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    /// No netlink socket to be had.
    #[error("cannot open a route socket")]
    Open(#[source] io::Error),
    /// Sending or receiving failed.
    #[error("cannot talk to the kernel about {step}")]
    Talk {
        /// The batch's first request.
        step: String,
        /// The system's answer.
        source: io::Error,
    },
    /// The kernel refused one request.
    #[error("cannot {step}{}", .words.as_ref().map(|w| format!(": {w}")).unwrap_or_default())]
    Refused {
        /// What was asked.
        step: String,
        /// The kernel's own words (extended acknowledgement), where it has any.
        words: Option<String>,
        /// The error number.
        source: io::Error,
    },
}

impl LinkError {
    /// What to do about it, where that is known.
    pub fn hint(&self) -> Option<&'static str> {
        let Self::Refused { source, step, .. } = self else {
            return None;
        };
        match source.raw_os_error()? {
            libc::EOPNOTSUPP if step.contains("veth") => Some(
                "the kernel has no veth driver loaded: run `sudo modprobe veth`, or install the \
                 kernel's full module package",
            ),
            libc::EPERM => Some("this needs CAP_NET_ADMIN in the namespace's user namespace"),
            libc::EEXIST => Some("two links or addresses of the region have the same name"),
            _ => None,
        }
    }
}

/// A synchronous route socket of one namespace.
pub struct RouteSocket {
    socket: Socket,
    sequence: u32,
}

impl RouteSocket {
    /// Opens one in the namespace of the calling thread.
    pub fn open() -> Result<Self, LinkError> {
        let mut socket = Socket::new(NETLINK_ROUTE).map_err(LinkError::Open)?;
        socket.bind_auto().map_err(LinkError::Open)?;
        socket
            .connect(&SocketAddr::new(0, 0))
            .map_err(LinkError::Open)?;
        // best effort: only the wording of errors depends on it
        let _words = socket
            .set_ext_ack(true)
            .and_then(|()| socket.set_cap_ack(true));
        Ok(Self {
            socket,
            sequence: 0,
        })
    }

    /// Does all of `requests` in their order.
    ///
    /// # Errors
    ///
    /// The first that the kernel refuses. Those before it, and those after it
    /// in the same batch, may have been done.
    pub fn execute(&mut self, requests: &[Request]) -> Result<(), LinkError> {
        requests
            .chunks(BATCH)
            .try_for_each(|batch| self.execute_batch(batch))
    }

    fn execute_batch(&mut self, batch: &[Request]) -> Result<(), LinkError> {
        let Some(first) = batch.first() else {
            return Ok(());
        };
        let talk = |source| LinkError::Talk {
            step: first.step.clone(),
            source,
        };
        let start = self.sequence.wrapping_add(1);
        let bytes = self.encode(batch);
        let last = self.sequence;
        let sent = self.socket.send(&bytes, 0).map_err(talk)?;
        if sent != bytes.len() {
            return Err(talk(io::Error::from(io::ErrorKind::WriteZero)));
        }
        let mut failure = None;
        loop {
            let (datagram, _sender) = self.socket.recv_from_full().map_err(talk)?;
            for answer in answers(&datagram) {
                if answer.code != 0 && failure.is_none() {
                    let index = answer.sequence.wrapping_sub(start) as usize;
                    failure = batch.get(index).map(|request| LinkError::Refused {
                        step: request.step.clone(),
                        words: answer.words,
                        source: io::Error::from_raw_os_error(-answer.code),
                    });
                }
                if answer.sequence == last {
                    return failure.map_or(Ok(()), Err);
                }
            }
        }
    }

    /// True when the link at `index` passes packets. That is not so at once
    /// when the other end comes up: the kernel's link watcher attaches the
    /// transmit queue some time later, and what is sent before is lost.
    pub fn running(&mut self, index: u32) -> Result<bool, LinkError> {
        let request = message::get_link(index);
        let talk = |source| LinkError::Talk {
            step: request.step.clone(),
            source,
        };
        let bytes = self.encode(std::slice::from_ref(&request));
        self.socket.send(&bytes, 0).map_err(talk)?;
        let mut flags = None;
        loop {
            let (datagram, _sender) = self.socket.recv_from_full().map_err(talk)?;
            if half(&datagram, 4) == Some(RTM_NEWLINK) {
                // the header, then family, type and index of ifinfomsg
                flags = word(&datagram, 24);
            }
            if let Some(answer) = answers(&datagram).first() {
                if answer.code != 0 {
                    return Err(talk(io::Error::from_raw_os_error(-answer.code)));
                }
                return Ok(
                    flags.is_some_and(|flags| flags & libc::IFF_RUNNING.cast_unsigned() != 0)
                );
            }
        }
    }

    /// Only the last message asks for an acknowledgement; an error is
    /// answered whether asked for or not.
    fn encode(&mut self, batch: &[Request]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for (index, request) in batch.iter().enumerate() {
            self.sequence = self.sequence.wrapping_add(1);
            let mut header = NetlinkHeader::default();
            header.flags = NLM_F_REQUEST | request.flags;
            header.sequence_number = self.sequence;
            if index + 1 == batch.len() {
                header.flags |= NLM_F_ACK;
            }
            let mut message = NetlinkMessage::new(header, request.message.clone().into());
            message.finalize();
            let start = bytes.len();
            bytes.resize(start + message.buffer_len().next_multiple_of(4), 0);
            message.serialize(&mut bytes[start..]);
        }
        bytes
    }
}

/// One `NLMSG_ERROR`.
struct Answer {
    sequence: u32,
    /// 0, or a negative error number.
    code: i32,
    words: Option<String>,
}

/// The acknowledgements and errors in a datagram; anything else is skipped.
fn answers(mut datagram: &[u8]) -> Vec<Answer> {
    let mut answers = Vec::new();
    while let Some(length) = word(datagram, 0).map(|length| length as usize) {
        let Some(message) = datagram.get(..length).filter(|_| length >= 16) else {
            break;
        };
        let kind = half(message, 4);
        if kind == Some(NLMSG_ERROR)
            && let (Some(sequence), Some(code)) = (word(message, 8), word(message, 16))
        {
            // after the code comes the request's header alone (capped)
            let tlvs = half(message, 6).is_some_and(|flags| flags & ACK_TLVS != 0);
            let words = if tlvs {
                message.get(36..).and_then(error_text)
            } else {
                None
            };
            answers.push(Answer {
                sequence,
                code: code.cast_signed(),
                words,
            });
        }
        datagram = datagram
            .get(length.next_multiple_of(4)..)
            .unwrap_or_default();
    }
    answers
}

fn error_text(mut attributes: &[u8]) -> Option<String> {
    loop {
        let length = usize::from(half(attributes, 0)?);
        let value = attributes.get(4..length)?;
        if half(attributes, 2)? == ERROR_TEXT {
            let text = value.split(|byte| *byte == 0).next()?;
            return Some(String::from_utf8_lossy(text).into_owned());
        }
        attributes = attributes.get(length.next_multiple_of(4)..)?;
    }
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    bytes
        .get(at..at + 4)?
        .try_into()
        .ok()
        .map(u32::from_ne_bytes)
}

fn half(bytes: &[u8], at: usize) -> Option<u16> {
    bytes
        .get(at..at + 2)?
        .try_into()
        .ok()
        .map(u16::from_ne_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error_message(sequence: u32, code: i32, words: &str) -> Vec<u8> {
        let mut bytes = vec![0; 36];
        bytes[4..6].copy_from_slice(&NLMSG_ERROR.to_ne_bytes());
        bytes[6..8].copy_from_slice(&ACK_TLVS.to_ne_bytes());
        bytes[8..12].copy_from_slice(&sequence.to_ne_bytes());
        bytes[16..20].copy_from_slice(&code.to_ne_bytes());
        if !words.is_empty() {
            let length = u16::try_from(4 + words.len() + 1).unwrap();
            bytes.extend(length.to_ne_bytes());
            bytes.extend(ERROR_TEXT.to_ne_bytes());
            bytes.extend(words.bytes().chain([0]));
            bytes.resize(bytes.len().next_multiple_of(4), 0);
        }
        let length = u32::try_from(bytes.len()).unwrap();
        bytes[..4].copy_from_slice(&length.to_ne_bytes());
        bytes
    }

    #[test]
    fn several_answers_in_one_datagram() {
        let mut datagram = error_message(7, -17, "File exists, says the kernel");
        datagram.extend(error_message(9, 0, ""));
        let answers = answers(&datagram);
        assert_eq!(answers.len(), 2);
        assert_eq!((answers[0].sequence, answers[0].code), (7, -17));
        assert_eq!(
            answers[0].words.as_deref(),
            Some("File exists, says the kernel")
        );
        assert_eq!((answers[1].sequence, answers[1].code), (9, 0));
    }

    #[test]
    fn a_broken_datagram_is_no_panic() {
        let whole = error_message(1, -1, "words");
        for end in 0..whole.len() {
            drop(answers(&whole[..end]));
        }
        let mut lying = whole;
        lying[..4].copy_from_slice(&3_u32.to_ne_bytes());
        assert!(answers(&lying).is_empty());
    }
}
