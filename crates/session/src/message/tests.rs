use proptest::prelude::*;

use super::*;

/// The published layout, as a whole message (`hello`, sequence number 7).
const VECTOR: &str = "\
    00000074696e7075745f73747265616d5f646174612020202020202020202020\
    20202020000000010000018bcfe5680000000000000000070000000000000000\
    8899aabbccddeeff00112233445566772cf24dba5fb0a30e26e83b2ac5b9e29e\
    1b161e5c1fa7425e73043362938b9824000000010000000568656c6c6f";

fn unhex(text: &str) -> Vec<u8> {
    (0..text.len() / 2)
        .map(|at| u8::from_str_radix(&text[2 * at..2 * at + 2], 16).unwrap())
        .collect()
}

fn vector() -> Message {
    Message {
        kind: MessageKind::InputStreamData,
        created_ms: 1_700_000_000_000,
        sequence_number: 7,
        flags: 0,
        id: MessageId(
            unhex("00112233445566778899aabbccddeeff")
                .try_into()
                .unwrap(),
        ),
        payload_type: PayloadType::Output.code(),
        payload: Bytes::from_static(b"hello"),
    }
}

#[test]
fn the_vector_reads_and_writes() {
    let frame = Bytes::from(unhex(VECTOR));
    assert_eq!(decode(&frame), Decoded::Message(vector()));
    assert_eq!(encode(&vector()), frame);
    assert_eq!(
        vector().id.to_string(),
        "00112233-4455-6677-8899-aabbccddeeff"
    );
}

/// The vector with bytes from `at` replaced.
fn spoiled(at: usize, bytes: &[u8]) -> Decoded {
    let mut frame = unhex(VECTOR);
    frame[at..at + bytes.len()].copy_from_slice(bytes);
    decode(&Bytes::from(frame))
}

#[test]
fn what_is_short_or_wrong_is_a_value() {
    let frame = Bytes::from(unhex(VECTOR));
    assert_eq!(decode(&Bytes::new()), Decoded::Incomplete { needed: 120 });
    assert_eq!(
        decode(&frame.slice(..119)),
        Decoded::Incomplete { needed: 120 }
    );
    assert_eq!(
        spoiled(0, &[0, 0, 1, 0]),
        Decoded::Incomplete { needed: 260 }
    );
    assert_eq!(
        spoiled(0, &[0xff; 4]),
        Decoded::Incomplete {
            needed: 0xffff_ffff + 4
        }
    );
    assert_eq!(
        spoiled(0, &[0, 0, 0, 12]),
        Decoded::Invalid(MessageFault::HeaderLength { length: 12 })
    );
    assert_eq!(spoiled(4, &[0; 32]), Decoded::Invalid(MessageFault::Kind));
    assert_eq!(spoiled(4, &[0xff]), Decoded::Invalid(MessageFault::Kind));
    assert_eq!(
        spoiled(36, &[0, 0, 0, 2]),
        Decoded::Invalid(MessageFault::SchemaVersion { version: 2 })
    );
    assert_eq!(
        spoiled(40, &[0; 8]),
        Decoded::Invalid(MessageFault::CreatedDate)
    );
    assert_eq!(spoiled(120, b"j"), Decoded::Invalid(MessageFault::Digest));
    // a digest is checked only when a payload is announced
    assert!(matches!(spoiled(116, &[0; 4]), Decoded::Message(_)));
}

#[test]
fn padding_may_be_blanks_or_nuls() {
    let mut kind = [0; 32];
    kind[..14].copy_from_slice(b"channel_closed");
    let Decoded::Message(message) = spoiled(4, &kind) else {
        panic!("reads")
    };
    assert_eq!(message.kind, MessageKind::ChannelClosed);
}

#[test]
fn a_longer_header_moves_the_payload() {
    let mut frame = unhex(VECTOR);
    frame.splice(116..116, [9; 8]);
    frame[3] = 124;
    assert_eq!(decode(&Bytes::from(frame)), Decoded::Message(vector()));
}

#[test]
fn codes_are_the_published_ones() {
    assert_eq!(PayloadType::Output.code(), 1);
    assert_eq!(PayloadType::HandshakeRequest.code(), 5);
    assert_eq!(PayloadType::Flag.code(), 10);
    assert_eq!(PayloadType::ExitCode.code(), 12);
    assert_eq!(PayloadType::of_code(13), None);
    assert_eq!(
        Flag::of_payload(&Flag::TerminateSession.payload()),
        Some(Flag::TerminateSession)
    );
    assert_eq!(&Flag::ConnectToPortError.payload()[..], [0, 0, 0, 3]);
}

#[test]
fn cut_and_flipped_frames_are_survived() {
    let whole = unhex(VECTOR);
    for length in 0..whole.len() {
        crate::fuzz::frame(&whole[..length]);
    }
    for at in 0..whole.len() {
        for bit in 0..8 {
            let mut frame = whole.clone();
            frame[at] ^= 1 << bit;
            crate::fuzz::frame(&frame);
        }
    }
    for filler in [0, 1, b' ', 0x7f, 0x80, 0xff] {
        crate::fuzz::frame(&[filler; 200]);
    }
}

proptest! {
    #[test]
    fn any_bytes_read_without_panic(frame in proptest::collection::vec(any::<u8>(), 0..300)) {
        crate::fuzz::frame(&frame);
    }

    #[test]
    fn what_is_written_reads_the_same(
        created_ms in 1_u64.., sequence_number: i64, flags: u64, id: [u8; 16], payload_type: u32,
        payload in proptest::collection::vec(any::<u8>(), 0..100),
        kind in "[a-z_]{1,32}",
    ) {
        let message = Message {
            kind: MessageKind::named(&kind), created_ms, sequence_number, flags,
            id: MessageId(id), payload_type, payload: payload.into(),
        };
        prop_assert_eq!(decode(&encode(&message)), Decoded::Message(message));
    }
}
