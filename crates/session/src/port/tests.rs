use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::channel::ChannelConfig;
use crate::handshake::{AgentOffer, Extension, SessionKind};
use crate::message::{self, Decoded, Message, MessageId, MessageKind};
use crate::simulation::{Dice, FAIR, Network, Weather};

fn offer(agent_version: &str, forwards: bool, extended: bool) -> AgentOffer {
    let mut properties = BTreeMap::from([("portNumber".to_owned(), "5432".to_owned())]);
    if forwards {
        properties.insert("type".to_owned(), "LocalPortForwarding".to_owned());
    }
    AgentOffer {
        agent_version: agent_version.to_owned(),
        kind: SessionKind::Port,
        properties,
        kms_key_id: None,
        customer_message: String::new(),
        extension: extended.then_some(Extension {
            payload_bytes: 8192,
        }),
    }
}

const MUX_AGENT: &str = "3.3.3572.0";
const BASIC_AGENT: &str = "3.0.196.0";

fn network(offer: AgentOffer, weather: Weather, seed: u64) -> Network<PortSession> {
    let config = ChannelConfig::default;
    // an old agent's client has to be old as well, or the two conclude differently
    let client_version = if offer.agent_version == BASIC_AGENT {
        "1.1.69.0"
    } else {
        "1.2.764.0"
    };
    let client = Session::client(client_version, true, config(), [1; 16]);
    let agent = Session::agent("s-1", offer, config(), [2; 16]);
    let port = |session| PortSession::new(session, PortConfig::default());
    Network::new(port(client), port(agent), weather, seed)
}

/// A network whose session stands.
fn open_network(offer: AgentOffer) -> Network<PortSession> {
    let mut network = network(offer, FAIR, 1);
    network.settle();
    assert!(matches!(
        network.client.poll_event(),
        Some(PortEvent::Opened { .. })
    ));
    assert!(matches!(
        network.agent.poll_event(),
        Some(PortEvent::Opened { .. })
    ));
    network
}

fn events(session: &mut PortSession) -> Vec<PortEvent> {
    std::iter::from_fn(|| session.poll_event()).collect()
}

/// One side of one connection, as a program would use it.
#[derive(Debug, Default)]
struct Side {
    to_write: Vec<u8>,
    written: usize,
    /// Writes nothing before it has read so much.
    waits_for: usize,
    received: Vec<u8>,
    finished: bool,
    /// How the reading ended.
    ended: Option<Read>,
}

impl Side {
    fn new(to_write: Vec<u8>) -> Self {
        Self {
            to_write,
            ..Self::default()
        }
    }

    /// Writes and reads a little.
    fn act(&mut self, session: &mut PortSession, id: StreamId, now: Duration, dice: &mut Dice) {
        if self.written < self.to_write.len() && self.received.len() >= self.waits_for {
            let length = usize::try_from(1 + dice.below(5000)).unwrap();
            let end = self.to_write.len().min(self.written + length);
            match session.write(id, &self.to_write[self.written..end]) {
                Written::Taken(taken) => self.written += taken,
                Written::Closed => self.written = self.to_write.len(),
            }
        }
        if self.written == self.to_write.len()
            && self.received.len() >= self.waits_for
            && !self.finished
        {
            session.finish(id, now);
            self.finished = true;
        }
        if self.ended.is_none() && dice.below(3) > 0 {
            match session.read(id, now) {
                Read::Data(data) => self.received.extend_from_slice(&data),
                Read::Pending => {}
                end => self.ended = Some(end),
            }
        }
    }
}

fn bytes(dice: &mut Dice, length: usize) -> Vec<u8> {
    (0..length)
        .map(|_| u8::try_from(dice.below(256)).unwrap())
        .collect()
}

fn length_of(dice: &mut Dice) -> usize {
    match dice.below(4) {
        0 => 0,
        1 => usize::try_from(dice.below(100)).unwrap(),
        _ => usize::try_from(dice.below(60_000)).unwrap(),
    }
}

/// Runs connections through a network until all have ended; panics when they do not.
fn run(
    network: &mut Network<PortSession>,
    mut client_sides: Vec<Side>,
    mut agent_sides: Vec<Side>,
) -> (Vec<Side>, Vec<Side>) {
    let mut ids: Vec<StreamId> = Vec::new();
    let mut accepted: Vec<StreamId> = Vec::new();
    let mut dice = Dice::new(7);
    for _ in 0..2_000_000 {
        let now = network.now;
        while let Some(event) = network.client.poll_event() {
            match event {
                PortEvent::Opened { .. } => {
                    ids.extend(client_sides.iter().map(|_| network.client.open().unwrap()));
                }
                PortEvent::Readable(_) | PortEvent::Writable(_) => {}
                event => panic!("{event:?}"),
            }
        }
        while let Some(event) = network.agent.poll_event() {
            match event {
                PortEvent::Connect(id) => accepted.push(id),
                PortEvent::Opened { .. } | PortEvent::Readable(_) | PortEvent::Writable(_) => {}
                event => panic!("{event:?}"),
            }
        }
        for (side, id) in client_sides.iter_mut().zip(&ids) {
            side.act(&mut network.client, *id, now, &mut dice);
        }
        for (side, id) in agent_sides.iter_mut().zip(ids.iter()) {
            if accepted.contains(id) {
                side.act(&mut network.agent, *id, now, &mut dice);
            }
        }
        let over = |sides: &[Side]| {
            sides
                .iter()
                .all(|side| side.ended.is_some() && side.finished)
        };
        if over(&client_sides) && over(&agent_sides) {
            return (client_sides, agent_sides);
        }
        network.tick(Duration::from_millis(10));
    }
    panic!("it takes for ever: {:?}", network.now);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    /// Between ends of ours: every byte once and in order on every connection, whoever
    /// finishes first, whatever the network does.
    #[test]
    fn connections_survive_any_network(
        seed: u64, count in 1_usize..6, loss in 0_u64..20, duplication in 0_u64..20,
        jitter_ms in 1_u64..200, cuts in 0_u64..60,
    ) {
        let mut dice = Dice::new(seed);
        let mut sides = || -> Vec<Side> {
            (0..count).map(|_| { let length = length_of(&mut dice); Side::new(bytes(&mut dice, length)) }).collect()
        };
        let (client_sides, agent_sides) = (sides(), sides());
        let mut network = network(offer(MUX_AGENT, true, true), Weather { loss, duplication, jitter_ms, cuts }, seed);
        let (client_sides, agent_sides) = run(&mut network, client_sides, agent_sides);
        for (client, agent) in client_sides.iter().zip(&agent_sides) {
            prop_assert!(client.received == agent.to_write, "{} of {}", client.received.len(), agent.to_write.len());
            prop_assert!(agent.received == client.to_write, "{} of {}", agent.received.len(), client.to_write.len());
            prop_assert_eq!((&client.ended, &agent.ended), (&Some(Read::End), &Some(Read::End)));
        }
    }

    /// Towards official ends, that have no half-close: question and answer survive.
    #[test]
    fn answers_survive_without_half_close(
        seed: u64, count in 1_usize..5, loss in 0_u64..10, jitter_ms in 1_u64..100, cuts in 0_u64..30,
    ) {
        let mut dice = Dice::new(seed);
        let mut side = |waits_for| {
            let length = 1 + length_of(&mut dice);
            Side { waits_for, ..Side::new(bytes(&mut dice, length)) }
        };
        let client_sides: Vec<Side> = (0..count).map(|_| side(0)).collect();
        let agent_sides: Vec<Side> = client_sides.iter().map(|client| side(client.to_write.len())).collect();
        let weather = Weather { loss, duplication: 10, jitter_ms, cuts };
        let mut network = network(offer(MUX_AGENT, true, false), weather, seed);
        // the answer must come while the client still waits for it
        network.client.config.linger = Duration::from_mins(10);
        let (client_sides, agent_sides) = run(&mut network, client_sides, agent_sides);
        for (client, agent) in client_sides.iter().zip(&agent_sides) {
            prop_assert!(client.received == agent.to_write);
            prop_assert!(agent.received == client.to_write);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    /// One connection after another: each gets its own bytes, whole, and nobody else's.
    #[test]
    fn basic_connections_survive_any_network(
        seed: u64, count in 1_usize..4, loss in 0_u64..20, duplication in 0_u64..20,
        jitter_ms in 1_u64..100, cuts in 0_u64..60,
    ) {
        let mut dice = Dice::new(seed);
        let weather = Weather { loss, duplication, jitter_ms, cuts };
        let mut network = network(offer(BASIC_AGENT, true, false), weather, seed);
        for _ in 0..count {
            let length = 1 + length_of(&mut dice);
            let question = bytes(&mut dice, length);
            let length = 1 + length_of(&mut dice);
            let answer = bytes(&mut dice, length);
            let id = loop {
                events(&mut network.client);
                if let Some(id) = network.client.open() {
                    break id;
                }
                network.tick(Duration::from_millis(10));
            };
            let mut here = Side::new(question);
            let mut there = Side { waits_for: here.to_write.len(), ..Side::new(answer) };
            let mut dialled = None;
            // neither side finishes: nothing tells a client that an agent's side has ended
            (here.finished, there.finished) = (true, true);
            while here.received.len() < there.to_write.len() {
                for event in events(&mut network.agent) {
                    if let PortEvent::Connect(id) = event {
                        dialled = Some(id);
                    }
                }
                here.act(&mut network.client, id, network.now, &mut dice);
                if let Some(id) = dialled {
                    there.act(&mut network.agent, id, network.now, &mut dice);
                }
                network.tick(Duration::from_millis(10));
                prop_assert!(network.now < Duration::from_hours(2), "stuck");
            }
            prop_assert!(here.received == there.to_write && there.received == here.to_write);
            network.client.reset(id);
        }
    }
}

/// What can be read now.
fn read_now(session: &mut PortSession, id: StreamId, now: Duration) -> (Vec<u8>, Read) {
    let mut data = Vec::new();
    loop {
        match session.read(id, now) {
            Read::Data(bytes) => data.extend_from_slice(&bytes),
            other => return (data, other),
        }
    }
}

#[test]
fn versions_decide_the_mode_alike_on_both_ends() {
    let modes = |offer: AgentOffer| {
        let mut network = network(offer, FAIR, 1);
        network.settle();
        [&mut network.client, &mut network.agent].map(|end| match end.poll_event() {
            Some(PortEvent::Opened { mode, .. }) => mode,
            other => panic!("{other:?}"),
        })
    };
    assert_eq!(modes(offer(MUX_AGENT, true, false)), [PortMode::Mux; 2]);
    assert_eq!(modes(offer(BASIC_AGENT, true, false)), [PortMode::Basic; 2]);
    assert_eq!(modes(offer(MUX_AGENT, false, false)), [PortMode::Single; 2]);
}

#[test]
fn an_agent_says_nothing_before_the_client_does() {
    let mut network = open_network(offer(MUX_AGENT, true, false));
    network.settle();
    assert_eq!(network.agent.poll_transmit(network.now), None);
    assert!(network.agent.is_drained());
}

#[test]
fn a_destination_that_cannot_be_reached_is_told_and_costs_one_connection() {
    let mut network = open_network(offer(MUX_AGENT, true, false));
    let (first, second) = (
        network.client.open().unwrap(),
        network.client.open().unwrap(),
    );
    network.settle();
    assert_eq!(
        events(&mut network.agent),
        [PortEvent::Connect(first), PortEvent::Connect(second)]
    );
    network.agent.refuse(first, network.now);
    network.settle();
    assert_eq!(
        events(&mut network.client),
        [PortEvent::ConnectFailed, PortEvent::Readable(first)]
    );
    assert_eq!(network.client.read(first, network.now), Read::End);
    assert_eq!(network.client.read(second, network.now), Read::Pending);
}

#[test]
fn stalled_connections_do_not_stall_the_others() {
    let mut network = open_network(offer(MUX_AGENT, true, true));
    let stalled: Vec<_> = std::iter::repeat_with(|| network.client.open().unwrap())
        .take(30)
        .collect();
    let mut sent = 0;
    for id in stalled {
        for _ in 0..10 {
            if let Written::Taken(taken) = network.client.write(id, &[0; 200_000]) {
                sent += taken;
            }
            network.settle();
        }
    }
    assert!(sent > 10 << 20, "{sent}");
    let lively = network.client.open().unwrap();
    network.client.write(lively, b"hello");
    network.settle();
    assert_eq!(
        read_now(&mut network.agent, lively, network.now).0,
        b"hello"
    );
}

#[test]
fn a_reader_that_never_reads_stops_the_writer() {
    let mut network = open_network(offer(MUX_AGENT, true, true));
    let id = network.client.open().unwrap();
    let mut sent = 0;
    for _ in 0..2000 {
        match network.client.write(id, &[0; 100_000]) {
            Written::Taken(0) if !network.client.session.can_send() => break,
            Written::Taken(taken) => sent += taken,
            Written::Closed => panic!("closed"),
        }
        network.step();
    }
    assert!(sent < 48 << 20, "{sent} bytes for nobody");
    let mut received = 0;
    while received < sent {
        let (data, end) = read_now(&mut network.agent, id, network.now);
        assert_eq!(end, Read::Pending);
        received += data.len();
        network.step();
    }
    assert_eq!(received, sent);
}

#[test]
fn basic_sessions_carry_one_connection_after_another() {
    let mut network = open_network(offer(BASIC_AGENT, true, false));
    let dialled = |network: &mut Network<PortSession>| match &events(&mut network.agent)[..] {
        [PortEvent::Connect(id), ..] => *id,
        other => panic!("{other:?}"),
    };
    // the agent dials at once, and its destination may speak first
    let there = dialled(&mut network);
    network.agent.write(there, b"220 ready");
    network.settle();
    let here = network.client.open().unwrap();
    assert_eq!(network.client.open(), None, "one at a time");
    network.client.write(here, b"helo");
    network.settle();
    assert_eq!(
        read_now(&mut network.client, here, network.now).0,
        b"220 ready"
    );
    assert_eq!(
        read_now(&mut network.agent, there, network.now),
        (b"helo".to_vec(), Read::Pending)
    );

    network.client.reset(here);
    assert_eq!(
        network.client.open(),
        None,
        "the agent has yet to hear of it"
    );
    network.client.give_out(network.now);
    assert_eq!(
        network.client.open(),
        None,
        "it is told, and has not confirmed"
    );
    // what is on its way to a connection that has ended is for nobody
    network.agent.write(there, b"too late");
    network.settle();
    assert_eq!(events(&mut network.client).last(), Some(&PortEvent::Free));
    assert_eq!(
        read_now(&mut network.agent, there, network.now),
        (vec![], Read::End)
    );

    events(&mut network.agent);
    let here = network.client.open().unwrap();
    network.client.write(here, b"again");
    network.settle();
    let there = dialled(&mut network);
    assert_eq!(read_now(&mut network.agent, there, network.now).0, b"again");
    assert_eq!(
        read_now(&mut network.client, here, network.now),
        (vec![], Read::Pending)
    );
}

#[test]
fn a_basic_agent_dials_again_after_its_destination_ended() {
    let mut network = open_network(offer(BASIC_AGENT, true, false));
    let here = network.client.open().unwrap();
    let [PortEvent::Connect(there)] = events(&mut network.agent)[..] else {
        panic!("dials")
    };
    network.agent.write(there, b"bye");
    network.agent.finish(there, network.now);
    network.settle();
    assert_eq!(
        read_now(&mut network.client, here, network.now),
        (b"bye".to_vec(), Read::Pending)
    );
    events(&mut network.agent);
    network.client.write(here, b"still there?");
    network.settle();
    let [PortEvent::Connect(again), PortEvent::Readable(_)] = events(&mut network.agent)[..] else {
        panic!("dials again")
    };
    assert_ne!(again, there);
    assert_eq!(
        read_now(&mut network.agent, again, network.now).0,
        b"still there?"
    );
}

#[test]
fn a_single_stream_ends_its_session() {
    let mut network = open_network(offer(MUX_AGENT, false, false));
    let here = network.client.open().unwrap();
    let [PortEvent::Connect(there)] = events(&mut network.agent)[..] else {
        panic!("dials")
    };
    network.client.write(here, b"SSH-2.0-client");
    network.agent.write(there, b"SSH-2.0-server");
    network.settle();
    assert_eq!(
        read_now(&mut network.agent, there, network.now).0,
        b"SSH-2.0-client"
    );
    assert_eq!(
        read_now(&mut network.client, here, network.now).0,
        b"SSH-2.0-server"
    );
    network.client.reset(here);
    network.settle();
    assert_eq!(
        events(&mut network.client).last(),
        Some(&PortEvent::Terminated)
    );
    assert_eq!(
        events(&mut network.agent).last(),
        Some(&PortEvent::Terminated)
    );
}

#[test]
fn the_client_ends_the_session_and_knows_that_it_arrived() {
    let mut network = open_network(offer(MUX_AGENT, true, false));
    network.client.terminate(network.now);
    assert!(!network.client.is_drained());
    network.settle();
    assert!(network.client.is_drained());
    assert_eq!(events(&mut network.agent), [PortEvent::Terminated]);
}

#[test]
fn a_shell_session_is_no_port_session() {
    let offer = AgentOffer {
        kind: SessionKind::StandardStream,
        ..offer(MUX_AGENT, false, false)
    };
    let mut network = network(offer, FAIR, 1);
    network.settle();
    let fault = PortFault::WrongKind(SessionKind::StandardStream);
    assert_eq!(events(&mut network.client), [PortEvent::Failed(fault)]);
}

#[test]
fn bytes_that_are_no_smux_end_the_session() {
    let mut network = open_network(offer(MUX_AGENT, true, false));
    let now = network.now;
    network.client.session.send(
        PayloadType::Output,
        Bytes::from_static(b"GET / HTTP/1.1"),
        now,
    );
    network.settle();
    assert!(matches!(
        events(&mut network.agent)[..],
        [PortEvent::Failed(PortFault::Mux(_))]
    ));
}

/// Speaks for an official end: frames as its sources build them, acknowledgements included.
struct Official {
    kind: MessageKind,
    number: i64,
    /// What our end has sent: payload type and payload, in order.
    heard: Vec<(u32, Bytes)>,
}

impl Official {
    fn new(kind: MessageKind) -> Self {
        Self {
            kind,
            number: 0,
            heard: Vec::new(),
        }
    }

    fn says(&mut self, to: &mut PortSession, payload_type: u32, payload: &[u8], now: Duration) {
        let frame = message::encode(&Message {
            kind: self.kind.clone(),
            created_ms: 1_700_000_000_000,
            sequence_number: self.number,
            flags: 0,
            id: MessageId::from_random([u8::try_from(self.number).unwrap(); 16]),
            payload_type,
            payload: Bytes::copy_from_slice(payload),
        });
        self.number += 1;
        to.handle_message(&frame, now);
    }

    /// Takes everything our end sends and acknowledges it.
    fn hears(&mut self, from: &mut PortSession, now: Duration) {
        while let Some(frame) = from.poll_transmit(now) {
            let Decoded::Message(message) = message::decode(&frame) else {
                panic!("no message")
            };
            if !matches!(
                message.kind,
                MessageKind::InputStreamData | MessageKind::OutputStreamData
            ) {
                continue;
            }
            let acknowledgement = format!(
                r#"{{"AcknowledgedMessageType":"{}","AcknowledgedMessageId":"{}","AcknowledgedMessageSequenceNumber":{},"IsSequentialMessage":true}}"#,
                message.kind.name(),
                message.id,
                message.sequence_number,
            );
            from.handle_message(
                &message::encode(&Message {
                    kind: MessageKind::Acknowledge,
                    created_ms: 1_700_000_000_000,
                    sequence_number: 0,
                    flags: 3,
                    id: MessageId::from_random([9; 16]),
                    payload_type: 0,
                    payload: acknowledgement.into_bytes().into(),
                }),
                now,
            );
            self.heard.push((message.payload_type, message.payload));
        }
    }

    /// The smux bytes heard since the last time.
    fn bytes(&mut self) -> Vec<u8> {
        let heard = std::mem::take(&mut self.heard);
        heard
            .into_iter()
            .filter(|(kind, _)| *kind == 1)
            .flat_map(|(_, payload)| payload.to_vec())
            .collect()
    }
}

/// A conversation of the official plugin with our agent: one connection, asked and answered.
#[test]
fn the_official_plugin_is_served() {
    let now = Duration::from_secs(1);
    let agent = Session::agent(
        "s-1",
        offer(MUX_AGENT, true, true),
        ChannelConfig::default(),
        [2; 16],
    );
    let mut agent = PortSession::new(agent, PortConfig::default());
    agent.handle_connected(now);
    let mut plugin = Official::new(MessageKind::InputStreamData);
    plugin.hears(&mut agent, now);
    assert_eq!(plugin.heard.remove(0).0, 5);
    let response = br#"{"ClientVersion":"1.2.677.0","ProcessedClientActions":[{"ActionType":"SessionType","ActionStatus":1,"ActionResult":null,"Error":""}],"Errors":null}"#;
    plugin.says(&mut agent, 6, response, now);
    plugin.hears(&mut agent, now);
    assert_eq!(
        plugin
            .heard
            .iter()
            .map(|(kind, _)| *kind)
            .collect::<Vec<_>>(),
        [7]
    );
    plugin.heard.clear();

    // an opening of its own, then a frame torn over two messages
    plugin.says(&mut agent, 1, b"\x01\x00\0\0\x03\0\0\0", now);
    plugin.says(&mut agent, 1, b"\x01\x02\x08\0\x03\0\0\0SELE", now);
    plugin.says(&mut agent, 1, b"CT 1", now);
    let id = StreamId(3);
    assert_eq!(
        read_now(&mut agent, id, now),
        (b"SELECT 1".to_vec(), Read::Pending)
    );
    assert_eq!(agent.write(id, &[b'r'; 1500]), Written::Taken(1500));
    plugin.hears(&mut agent, now);
    assert!(
        plugin
            .heard
            .iter()
            .all(|(_, payload)| payload.len() <= 1024),
        "as official agents send"
    );
    let bytes = plugin.bytes();
    assert_eq!(bytes.iter().filter(|byte| **byte == b'r').count(), 1500);
    assert_eq!(
        bytes[..8],
        *b"\x01\x02\xf8\x03\x03\0\0\0",
        "a push of 1016 bytes"
    );

    // FIN closes both directions, and is answered by one
    plugin.says(&mut agent, 1, b"\x01\x01\0\0\x03\0\0\0", now);
    assert_eq!(agent.write(id, b"late"), Written::Closed);
    assert_eq!(read_now(&mut agent, id, now).1, Read::End);
    plugin.hears(&mut agent, now);
    assert_eq!(plugin.bytes(), b"\x01\x01\0\0\x03\0\0\0");
    plugin.says(&mut agent, 10, &[0, 0, 0, 2], now);
    assert_eq!(events(&mut agent).last(), Some(&PortEvent::Terminated));
}

/// A conversation of our client with the official agent, which has no half-close.
#[test]
fn the_official_agent_is_used() {
    let now = Duration::from_secs(1);
    let client = Session::client("1.2.764.0", true, ChannelConfig::default(), [1; 16]);
    let mut client = PortSession::new(client, PortConfig::default());
    client.handle_connected(now);
    let mut agent = Official::new(MessageKind::OutputStreamData);
    let request = br#"{"AgentVersion":"3.3.3572.0","RequestedClientActions":[{"ActionType":"SessionType","ActionParameters":{"SessionType":"Port","Properties":{"host":"db","localPortNumber":"55432","portNumber":"5432","type":"LocalPortForwarding"}}}]}"#;
    agent.says(&mut client, 5, request, now);
    assert_eq!(
        client.open(),
        None,
        "no data before the handshake is complete"
    );
    agent.says(
        &mut client,
        7,
        br#"{"HandshakeTimeToComplete":1,"CustomerMessage":""}"#,
        now,
    );
    let id = client.open().unwrap();
    client.write(id, b"\n");
    client.finish(id, now);
    agent.hears(&mut client, now);
    // the line feed is what was written, and no FIN cuts the answer off
    assert_eq!(
        agent.bytes(),
        b"\x01\x00\0\0\x03\0\0\0\x01\x02\x01\0\x03\0\0\0\n"
    );
    agent.says(
        &mut client,
        1,
        b"\x01\x02\x02\0\x03\0\0\0ok\x01\x01\0\0\x03\0\0\0",
        now,
    );
    assert_eq!(read_now(&mut client, id, now), (b"ok".to_vec(), Read::End));
    agent.hears(&mut client, now);
    assert_eq!(agent.bytes(), b"\x01\x01\0\0\x03\0\0\0");
}
