use proptest::prelude::*;

use super::*;
use crate::simulation::Dice;

const NOW: Duration = Duration::ZERO;

fn pair(half_close: bool) -> (Mux, Mux) {
    let mux = |opens| Mux::new(MuxConfig::new(opens, half_close), NOW);
    (mux(true), mux(false))
}

/// Carries everything one end has to send to the other.
fn carry(from: &mut Mux, to: &mut Mux, now: Duration) {
    while let Some(bytes) = from.poll_bytes(1024) {
        to.handle_bytes(bytes, now).unwrap();
    }
}

fn events(mux: &mut Mux) -> Vec<MuxEvent> {
    std::iter::from_fn(|| mux.poll_event()).collect()
}

/// Everything readable, and how it ended.
fn read_all(mux: &mut Mux, id: StreamId) -> (Vec<u8>, Read) {
    let mut data = Vec::new();
    loop {
        match mux.read(id) {
            Read::Data(bytes) => data.extend_from_slice(&bytes),
            other => return (data, other),
        }
    }
}

#[test]
fn frames_are_those_of_smux() {
    let (mut client, _) = pair(false);
    let id = client.open().unwrap();
    assert_eq!(client.write(id, b"hello"), Written::Taken(5));
    let bytes = client.poll_bytes(1024).unwrap();
    assert_eq!(
        bytes,
        b"\x01\x00\0\0\x03\0\0\0\x01\x02\x05\0\x03\0\0\0hello"[..]
    );
    assert_eq!(client.open(), Some(StreamId(5)), "ids are odd, from 3 on");
    client.reset(id);
    assert_eq!(
        client.poll_bytes(1024).unwrap(),
        b"\x01\x01\0\0\x03\0\0\0\x01\x00\0\0\x05\0\0\0"[..]
    );
    assert_eq!(client.poll_bytes(1024), None);
}

#[test]
fn bytes_that_are_not_smux_are_refused() {
    let (_, mut agent) = pair(false);
    let fault = agent.handle_bytes(Bytes::from_static(&[2, 0, 0, 0, 3, 0, 0, 0]), NOW);
    assert_eq!(fault, Err(MuxFault::Version { version: 2 }));
    let (_, mut agent) = pair(false);
    let fault = agent.handle_bytes(Bytes::from_static(&[1, 4, 0, 0, 3, 0, 0, 0]), NOW);
    assert_eq!(fault, Err(MuxFault::Command { command: 4 }));
}

#[test]
fn unknown_streams_and_repeated_openings_are_ignored() {
    let (mut client, mut agent) = pair(false);
    let bytes = b"\x01\x02\x01\0\x09\0\0\0x\x01\x01\0\0\x09\0\0\0\x01\x03\0\0\0\0\0\0";
    agent.handle_bytes(Bytes::from_static(bytes), NOW).unwrap();
    assert_eq!((events(&mut agent), agent.len()), (vec![], 0));
    client
        .handle_bytes(Bytes::from_static(b"\x01\x00\0\0\x02\0\0\0"), NOW)
        .unwrap();
    assert!(client.is_empty(), "agents open no streams");
    let opening = Bytes::from_static(b"\x01\x00\0\0\x03\0\0\0\x01\x00\0\0\x03\0\0\0");
    agent.handle_bytes(opening, NOW).unwrap();
    assert_eq!(events(&mut agent), [MuxEvent::Opened(StreamId(3))]);
}

#[test]
fn a_half_closed_stream_still_answers() {
    let (mut client, mut agent) = pair(true);
    let id = client.open().unwrap();
    client.write(id, b"question");
    client.finish(id, NOW);
    assert_eq!(client.write(id, b"more"), Written::Closed);
    carry(&mut client, &mut agent, NOW);
    assert_eq!(read_all(&mut agent, id), (b"question".to_vec(), Read::End));
    agent.write(id, b"answer");
    agent.finish(id, NOW);
    carry(&mut agent, &mut client, NOW);
    assert_eq!(read_all(&mut client, id), (b"answer".to_vec(), Read::End));
    assert!(
        client.is_empty() && agent.is_empty(),
        "nothing is kept of it"
    );
}

#[test]
fn without_half_close_an_answer_is_waited_for() {
    let (mut client, mut agent) = pair(false);
    let id = client.open().unwrap();
    client.write(id, b"question");
    client.finish(id, NOW);
    carry(&mut client, &mut agent, NOW);
    assert_eq!(
        read_all(&mut agent, id),
        (b"question".to_vec(), Read::Pending),
        "no FIN yet"
    );
    // every piece of the answer prolongs the wait
    let seconds = Duration::from_secs;
    agent.write(id, b"ans");
    carry(&mut agent, &mut client, seconds(4));
    assert_eq!(client.poll_timeout(), Some(seconds(9)));
    agent.write(id, b"wer");
    agent.finish(id, seconds(5));
    carry(&mut agent, &mut client, seconds(5));
    assert_eq!(read_all(&mut client, id), (b"answer".to_vec(), Read::End));
    carry(&mut client, &mut agent, seconds(5));
    assert_eq!(read_all(&mut agent, id), (vec![], Read::End));
    assert!(client.is_empty() && agent.is_empty());
}

#[test]
fn a_wait_for_an_answer_ends() {
    let (mut client, mut agent) = pair(false);
    let id = client.open().unwrap();
    client.finish(id, NOW);
    carry(&mut client, &mut agent, NOW);
    let later = client.poll_timeout().unwrap();
    events(&mut client);
    client.handle_timeout(later);
    carry(&mut client, &mut agent, later);
    assert_eq!(events(&mut client), [MuxEvent::Readable(id)]);
    assert_eq!(client.read(id), Read::End);
    assert_eq!(agent.read(id), Read::End);
    // the agent answers FIN with FIN, and writes for nobody
    assert_eq!(agent.write(id, b"late"), Written::Closed);
    carry(&mut agent, &mut client, later);
    assert!(client.is_empty() && agent.is_empty());
}

#[test]
fn a_reset_is_told_from_an_end() {
    let (mut client, mut agent) = pair(true);
    let id = client.open().unwrap();
    client.write(id, b"x");
    carry(&mut client, &mut agent, NOW);
    agent.reset(id);
    carry(&mut agent, &mut client, NOW);
    assert_eq!(client.write(id, b"y"), Written::Closed);
    assert_eq!(client.read(id), Read::Reset);
    assert!(client.is_empty() && agent.is_empty());
}

#[test]
fn a_writer_is_told_when_there_is_room_again() {
    let (mut client, mut agent) = pair(true);
    let id = client.open().unwrap();
    let limit = client.config.send_bytes;
    assert_eq!(client.write(id, &vec![0; limit + 1]), Written::Taken(limit));
    assert_eq!(client.write(id, b"x"), Written::Taken(0));
    assert_eq!(events(&mut client), []);
    carry(&mut client, &mut agent, NOW);
    assert_eq!(events(&mut client), [MuxEvent::Writable(id)]);
}

#[test]
fn a_budget_bounds_what_is_not_read() {
    let (mut client, mut agent) = pair(false);
    let id = client.open().unwrap();
    for _ in 0..1000 {
        client.write(id, &[0; 256 << 10]);
        while agent.has_room()
            && let Some(bytes) = client.poll_bytes(32_768)
        {
            agent.handle_bytes(bytes, NOW).unwrap();
        }
    }
    assert!(!agent.has_room());
    let (data, _) = read_all(&mut agent, id);
    assert!(data.len() < (64 << 20) + 32_768 && agent.has_room());
}

/// Between two ends of ours, whoever does not read holds up their own stream only.
#[test]
fn a_window_bounds_what_is_not_read_of_a_stream() {
    let (mut client, mut agent) = pair(true);
    let (idle, busy) = (client.open().unwrap(), client.open().unwrap());
    let (mut written, mut read) = ([0, 0], 0);
    for _ in 0..100 {
        for (id, written) in [idle, busy].into_iter().zip(&mut written) {
            if let Written::Taken(taken) = client.write(id, &[0; 64 << 10]) {
                *written += taken;
            }
        }
        carry(&mut client, &mut agent, NOW);
        read += read_all(&mut agent, busy).0.len();
        carry(&mut agent, &mut client, NOW);
    }
    assert_eq!((written[1], read), (100 * (64 << 10), 100 * (64 << 10)));
    // under way, and waiting to be sent
    assert_eq!(written[0], FIRST_WINDOW as usize + client.config.send_bytes);
    // its turn comes when it is read, with a larger window
    let mut late = 0;
    while late < written[0] {
        late += read_all(&mut agent, idle).0.len();
        carry(&mut agent, &mut client, NOW);
        carry(&mut client, &mut agent, NOW);
    }
    assert!(events(&mut client).contains(&MuxEvent::Writable(idle)));
    for _ in 0..100 {
        client.write(idle, &[0; 64 << 10]);
        carry(&mut client, &mut agent, NOW);
    }
    assert_eq!(agent.unread, client.config.window_bytes as usize);
}

#[test]
fn streams_take_turns() {
    let (mut client, mut agent) = pair(true);
    let (busy, quick) = (client.open().unwrap(), client.open().unwrap());
    client.write(busy, &[0; 100_000]);
    client.write(quick, b"now");
    let mut payloads = 0;
    while agent.read(quick) != Read::Data(Bytes::from_static(b"now")) {
        agent
            .handle_bytes(client.poll_bytes(1024).unwrap(), NOW)
            .unwrap();
        payloads += 1;
    }
    assert!(payloads <= 2, "it waited for {payloads} payloads");
}

#[test]
fn keepalive_is_a_frame_without_a_stream() {
    let config = MuxConfig {
        keepalive: Some(Duration::from_secs(10)),
        ..MuxConfig::new(true, false)
    };
    let mut client = Mux::new(config, NOW);
    let at = client.poll_timeout().unwrap();
    assert_eq!(
        (at, client.poll_bytes(1024)),
        (Duration::from_secs(10), None)
    );
    client.handle_timeout(at);
    assert_eq!(
        client.poll_bytes(1024).unwrap(),
        b"\x01\x03\0\0\0\0\0\0"[..]
    );
    assert_eq!(client.poll_timeout(), Some(Duration::from_secs(20)));
}

#[test]
fn an_accepting_end_keeps_quiet_until_it_has_heard_something() {
    let keepalive = Some(Duration::from_secs(10));
    let mut agent = Mux::new(
        MuxConfig {
            keepalive,
            ..MuxConfig::new(false, false)
        },
        NOW,
    );
    agent.handle_timeout(Duration::from_secs(10));
    assert_eq!(agent.poll_bytes(1024), None);
    agent
        .handle_bytes(Bytes::from_static(b"\x01\x00\0\0\x03\0\0\0"), NOW)
        .unwrap();
    agent.handle_timeout(Duration::from_secs(20));
    assert!(agent.poll_bytes(1024).is_some());
}

#[test]
fn streams_beyond_the_limit_are_closed_at_once() {
    let (mut client, mut agent) = pair(false);
    let ids: Vec<_> = std::iter::from_fn(|| client.open()).take(1025).collect();
    carry(&mut client, &mut agent, NOW);
    assert_eq!(agent.len(), 1024);
    carry(&mut agent, &mut client, NOW);
    assert_eq!(client.read(ids[1024]), Read::End);
    assert_eq!(client.read(ids[1023]), Read::Pending);
}

proptest! {
    /// Pieces of any size, cut anywhere, carry every stream's bytes whole.
    #[test]
    fn bytes_survive_any_cutting(seed: u64, limit in 128_usize..2000, lengths in proptest::collection::vec(0_usize..5000, 1..6)) {
        let mut dice = Dice::new(seed);
        let (mut client, mut agent) = pair(true);
        let data: Vec<Vec<u8>> =
            lengths.iter().map(|length| (0..*length).map(|_| u8::try_from(dice.below(256)).unwrap()).collect()).collect();
        let ids: Vec<StreamId> = data.iter().map(|_| client.open().unwrap()).collect();
        for (id, data) in ids.iter().zip(&data) {
            client.write(*id, data);
            client.finish(*id, NOW);
        }
        let mut stream = Vec::new();
        while let Some(bytes) = client.poll_bytes(limit) {
            prop_assert!(bytes.len() <= limit && !bytes.is_empty());
            stream.extend_from_slice(&bytes);
        }
        let mut rest = Bytes::from(stream);
        while !rest.is_empty() {
            let length = usize::try_from(1 + dice.below(40)).unwrap().min(rest.len());
            agent.handle_bytes(rest.split_to(length), NOW).unwrap();
        }
        for (id, data) in ids.into_iter().zip(data) {
            prop_assert_eq!(read_all(&mut agent, id), (data, Read::End));
        }
    }

    #[test]
    fn any_bytes_are_survived(bytes in proptest::collection::vec(0_u8..6, 0..200), half_close: bool) {
        let (_, mut agent) = pair(half_close);
        let _ = agent.handle_bytes(bytes.into(), NOW).is_ok();
        while agent.poll_bytes(128).is_some() {}
    }
}
