//! What fuzz targets call, and what replays their finds: one plain function each.
//!
//! A function panics when the code under it is at fault, and only then.

use std::time::Duration;

use bytes::Bytes;

use crate::channel::{Channel, ChannelConfig, Role};
use crate::message::{self, Decoded, PayloadType};
use crate::mux::{Mux, MuxConfig, Read, StreamId};

/// Reading a frame never panics; what reads, writes, and reads the same.
pub fn frame(bytes: &[u8]) {
    let Decoded::Message(message) = message::decode(&Bytes::copy_from_slice(bytes)) else {
        return;
    };
    let is_writable = message.kind.name().len() <= 32 && message.created_ms != 0;
    if is_writable && !message.payload.is_empty() {
        assert_eq!(
            message::decode(&message::encode(&message)),
            Decoded::Message(message)
        );
    }
}

/// A channel survives any frames and still carries what comes after them.
pub fn channel(bytes: &[u8]) {
    let now = Duration::from_secs(1);
    let end = |role| {
        let mut end = Channel::new(role, ChannelConfig::default(), [7; 16]);
        end.handle_connected();
        end
    };
    let (mut client, mut agent) = (end(Role::Client), end(Role::Agent));
    // frames as a length in two bytes and so many bytes
    let mut rest = bytes;
    while let Some((length, after)) = rest.split_first_chunk::<2>() {
        let length = usize::from(u16::from_be_bytes(*length)).min(after.len());
        let (frame, after) = after.split_at(length);
        client.handle_message(&Bytes::copy_from_slice(frame), now);
        rest = after;
    }
    while client.poll_transmit(now).is_some() {}
    while client.poll_payload(now).is_some() {}
    client.send(PayloadType::Output, Bytes::from_static(b"x"), now);
    while let Some(frame) = client.poll_transmit(now) {
        agent.handle_message(&frame, now);
    }
    assert!(agent.poll_payload(now).is_some(), "the channel is stuck");
}

/// A mux survives any bytes; the budget of what waits to be read is kept.
pub fn smux(bytes: &[u8]) {
    let now = Duration::ZERO;
    for half_close in [false, true] {
        let mut agent = Mux::new(MuxConfig::new(false, half_close), now);
        // the first byte says how finely the rest is cut
        let Some((first, rest)) = bytes.split_first() else {
            return;
        };
        for piece in rest.chunks(1 + usize::from(*first)) {
            if agent
                .handle_bytes(Bytes::copy_from_slice(piece), now)
                .is_err()
            {
                return;
            }
        }
        let mut unread = 0;
        for id in 0..=u32::from(*first) {
            while let Read::Data(data) = agent.read(StreamId(id)) {
                unread += data.len();
            }
            agent.finish(StreamId(id), now);
        }
        assert!(unread <= bytes.len(), "bytes out of nothing");
        while agent.poll_bytes(128).is_some() {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Lines of `TARGET HEX`; a fuzzer's finds are appended.
    const CORPUS: &str = include_str!("../corpus/finds.txt");

    #[test]
    fn the_corpus_replays() {
        let mut replayed = 0;
        for line in CORPUS
            .lines()
            .filter(|line| !line.is_empty() && !line.starts_with('#'))
        {
            let (target, hex) = line.split_once(' ').unwrap_or((line, ""));
            let bytes: Vec<u8> = (0..hex.len() / 2)
                .map(|at| u8::from_str_radix(&hex[2 * at..2 * at + 2], 16).unwrap())
                .collect();
            match target {
                "frame" => frame(&bytes),
                "channel" => channel(&bytes),
                "smux" => smux(&bytes),
                other => panic!("no target `{other}`"),
            }
            replayed += 1;
        }
        assert!(replayed >= 10, "{replayed}");
    }
}
