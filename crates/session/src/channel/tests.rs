use proptest::prelude::*;

use super::*;
use crate::simulation::{FAIR, Network, Weather};

fn channel(role: Role, config: &ChannelConfig) -> Channel {
    Channel::new(role, config.clone(), [role as u8; 16])
}

fn network(config: &ChannelConfig, weather: Weather, seed: u64) -> Network<Channel> {
    Network::new(
        channel(Role::Client, config),
        channel(Role::Agent, config),
        weather,
        seed,
    )
}

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

const NOW: Duration = Duration::from_secs(1);

fn connected(role: Role) -> Channel {
    let mut channel = channel(role, &ChannelConfig::default());
    channel.handle_connected();
    channel
}

fn read(frame: &Bytes) -> Message {
    match message::decode(frame) {
        Decoded::Message(message) => message,
        other => panic!("{other:?}"),
    }
}

fn payload(channel: &mut Channel) -> Option<Bytes> {
    channel.poll_payload(NOW).map(|(_, payload)| payload)
}

#[test]
fn a_message_is_acknowledged_by_its_number() {
    let (mut client, mut agent) = (connected(Role::Client), connected(Role::Agent));
    agent.send(PayloadType::Output, Bytes::from_static(b"hi"), NOW);
    let frame = agent.poll_transmit(NOW).unwrap();
    let sent = read(&frame);
    assert_eq!(
        (sent.flags, sent.sequence_number, sent.created_ms),
        (FLAG_SYN, 0, 1001)
    );
    client.handle_message(&frame, NOW);
    let acknowledgement = client.poll_transmit(NOW).unwrap();
    let message = read(&acknowledgement);
    assert_eq!(
        (&message.kind, message.flags, message.payload_type),
        (&MessageKind::Acknowledge, 3, 0)
    );
    insta::assert_snapshot!(
        String::from_utf8_lossy(&message.payload).replace(&sent.id.to_string(), "ID"),
        @r#"{"AcknowledgedMessageType":"output_stream_data","AcknowledgedMessageId":"ID","AcknowledgedMessageSequenceNumber":0,"IsSequentialMessage":true}"#
    );
    assert!(!agent.is_drained());
    agent.handle_message(&acknowledgement, NOW);
    assert!(agent.is_drained());
    assert_eq!(payload(&mut client).unwrap(), "hi");
    assert_eq!(payload(&mut client), None);
}

#[test]
fn a_duplicate_is_acknowledged_again_and_delivered_once() {
    let (mut client, mut agent) = (connected(Role::Client), connected(Role::Agent));
    client.send(PayloadType::Output, Bytes::from_static(b"x"), NOW);
    let frame = client.poll_transmit(NOW).unwrap();
    agent.handle_message(&frame, NOW);
    agent.handle_message(&frame, NOW);
    assert_eq!(std::iter::from_fn(|| agent.poll_transmit(NOW)).count(), 2);
    assert_eq!(payload(&mut agent).unwrap(), "x");
    assert_eq!(payload(&mut agent), None);
    assert_eq!(agent.stats().duplicates, 1);
}

/// Sequence numbers an end sends now.
fn numbers(end: &mut Channel, now: Duration) -> Vec<i64> {
    std::iter::from_fn(|| end.poll_transmit(now))
        .map(|frame| read(&frame).sequence_number)
        .collect()
}

#[test]
fn a_probe_tells_about_all_that_was_lost() {
    let (mut client, mut agent) = (connected(Role::Client), connected(Role::Agent));
    for _ in 0..4 {
        client.send(PayloadType::Output, Bytes::from_static(b"x"), NOW);
    }
    assert_eq!(numbers(&mut client, NOW), [0, 1, 2, 3]);
    assert_eq!(client.poll_timeout(), Some(NOW + ms(200)));
    assert_eq!(numbers(&mut client, NOW + ms(199)), [0; 0]);
    let probe = client.poll_transmit(NOW + ms(200)).unwrap();
    assert_eq!(client.poll_transmit(NOW + ms(200)), None, "one at a time");
    // and less often, while nothing is heard
    assert_eq!(client.poll_timeout(), Some(NOW + ms(600)));
    agent.handle_message(&probe, NOW + ms(250));
    let acknowledgement = agent.poll_transmit(NOW + ms(250)).unwrap();
    client.handle_message(&acknowledgement, NOW + ms(300));
    assert_eq!(numbers(&mut client, NOW + ms(300)), [1, 2, 3]);
}

#[test]
fn what_was_overtaken_is_lost() {
    let (mut client, mut agent) = (connected(Role::Client), connected(Role::Agent));
    for _ in 0..3 {
        client.send(PayloadType::Output, Bytes::from_static(b"x"), NOW);
    }
    let frames: Vec<_> = std::iter::from_fn(|| client.poll_transmit(NOW)).collect();
    agent.handle_message(&frames[2], NOW);
    client.handle_message(&agent.poll_transmit(NOW).unwrap(), NOW + ms(100));
    let at = client.poll_timeout().unwrap();
    assert!(at < NOW + ms(150), "sooner than a timeout: {at:?}");
    assert_eq!(numbers(&mut client, at), [0, 1]);
}

#[test]
fn a_new_connection_carries_on_in_order() {
    let mut client = connected(Role::Client);
    client.send(PayloadType::Output, Bytes::from_static(b"a"), NOW);
    assert!(client.poll_transmit(NOW).is_some());
    client.handle_disconnected();
    client.send(PayloadType::Output, Bytes::from_static(b"b"), NOW);
    assert_eq!(
        (client.poll_transmit(NOW), client.poll_timeout()),
        (None, None)
    );
    client.handle_connected();
    let numbers: Vec<_> = std::iter::from_fn(|| client.poll_transmit(NOW + ms(1)))
        .map(|frame| read(&frame).sequence_number)
        .collect();
    assert_eq!(numbers, [0, 1]);
    assert_eq!(client.stats().resent, 1);
}

#[test]
fn a_pause_holds_data_back_until_the_peer_is_heard_of() {
    let (mut client, mut agent) = (connected(Role::Client), connected(Role::Agent));
    let mut control = |agent: &mut Channel, kind| {
        client.send_unsequenced(kind, Bytes::from_static(b"{}"), NOW);
        agent.handle_message(&client.poll_transmit(NOW).unwrap(), NOW);
    };
    agent.send(PayloadType::Output, Bytes::from_static(b"x"), NOW);
    control(&mut agent, MessageKind::PausePublication);
    assert_eq!(
        (agent.poll_transmit(NOW), agent.poll_timeout()),
        (None, None)
    );
    control(&mut agent, MessageKind::StartPublication);
    assert!(agent.poll_transmit(NOW).is_some());
    control(&mut agent, MessageKind::PausePublication);
    client.send(PayloadType::Output, Bytes::from_static(b"y"), NOW);
    agent.handle_message(&client.poll_transmit(NOW).unwrap(), NOW);
    let kinds: Vec<_> = std::iter::from_fn(|| agent.poll_transmit(NOW))
        .map(|frame| read(&frame).kind)
        .collect();
    assert_eq!(
        kinds,
        [MessageKind::Acknowledge, MessageKind::OutputStreamData]
    );
}

#[test]
fn a_full_window_and_a_slow_reader_hold_the_sender() {
    let config = ChannelConfig {
        window_bytes: 1000,
        receive_bytes: 500,
        ..ChannelConfig::default()
    };
    let mut network = network(&config, FAIR, 1);
    let mut sent = 0;
    for _ in 0..100 {
        while network.client.can_send() {
            network
                .client
                .send(PayloadType::Output, Bytes::from(vec![0; 100]), network.now);
            sent += 1;
        }
        network.step();
    }
    assert!((6..=16).contains(&sent), "{sent} messages for nobody");
    let mut read = 0;
    while network.client.can_send() || !network.client.is_drained() {
        while network.agent.poll_payload(network.now).is_some() {
            read += 1;
        }
        if network.client.is_drained() {
            break;
        }
        network.step();
    }
    assert_eq!(read, sent);
}

/// A megabyte a second, as real sessions have: waiting in line must not pass for loss.
#[test]
fn a_narrow_line_does_not_drown_in_repetitions() {
    let mut network = network(&ChannelConfig::default(), FAIR, 1);
    network.line = Some(1000);
    let mut sent = 0;
    while sent < 16_000 || !network.client.is_drained() {
        while sent < 16_000 && network.client.can_send() {
            network
                .client
                .send(PayloadType::Output, Bytes::from(vec![0; 1024]), network.now);
            sent += 1;
        }
        network.step();
        while network.agent.poll_payload(network.now).is_some() {}
    }
    let stats = network.client.stats();
    assert!(
        stats.resent < stats.sent / 50,
        "{stats:?} in {:?}",
        network.now
    );
    assert!(network.now < Duration::from_secs(20), "{:?}", network.now);
}

/// Official clients do not acknowledge twice: a lost acknowledgement stays lost.
#[test]
fn a_lost_acknowledgement_that_is_never_repeated_does_no_lasting_harm() {
    let config = ChannelConfig {
        window_messages: 8,
        ..ChannelConfig::default()
    };
    let mut client = channel(Role::Client, &config);
    client.handle_connected();
    let mut official = connected(Role::Agent);
    let mut now = NOW;
    let (mut sent, mut acknowledged, mut received) = (0, std::collections::BTreeSet::new(), 0);
    while now < Duration::from_mins(10) {
        if sent < 2000 && client.can_send() {
            client.send(PayloadType::Output, Bytes::from_static(b"x"), now);
            sent += 1;
        }
        while let Some(frame) = client.poll_transmit(now) {
            official.handle_message(&frame, now);
        }
        while let Some(frame) = official.poll_transmit(now) {
            let number = serde_json::from_slice::<wire::Acknowledge>(&read(&frame).payload)
                .unwrap()
                .acknowledged_message_sequence_number;
            // every hundredth is lost
            if acknowledged.insert(number) && number % 100 != 0 {
                client.handle_message(&frame, now + ms(1));
            }
        }
        while official.poll_payload(now).is_some() {
            received += 1;
        }
        now += ms(20);
        client.handle_timeout(now);
        assert_eq!(client.poll_event(), None);
        assert!(sent == 2000 || now < Duration::from_secs(60), "{sent} sent");
    }
    assert_eq!(received, 2000);
    assert!(client.is_drained());
    // 20 messages, eight times and then every five seconds for ten minutes
    assert!(
        client.stats().resent < 20 * (30 + 120),
        "{:?}",
        client.stats()
    );
}

#[test]
fn silence_of_the_peer_is_noticed_once() {
    let mut client = connected(Role::Client);
    client.send(PayloadType::Output, Bytes::from_static(b"x"), NOW);
    let mut now = NOW;
    let mut events = Vec::new();
    while now < NOW + Duration::from_mins(20) {
        while client.poll_transmit(now).is_some() {}
        client.handle_timeout(now);
        events.extend(client.poll_event());
        now = client.poll_timeout().unwrap();
    }
    assert_eq!(events, [ChannelEvent::PeerSilent]);
    assert!(
        client.stats().resent < 300,
        "it backs off: {:?}",
        client.stats()
    );
}

#[test]
fn closing_tells_the_user_why() {
    let mut client = connected(Role::Client);
    let mut service = connected(Role::Agent);
    let closed = br#"{"MessageType":"channel_closed","SessionId":"s-1","Output":"timed out","SchemaVersion":1}"#;
    service.send_unsequenced(MessageKind::ChannelClosed, Bytes::from_static(closed), NOW);
    client.handle_message(&service.poll_transmit(NOW).unwrap(), NOW);
    assert_eq!(
        client.poll_event(),
        Some(ChannelEvent::Closed {
            output: "timed out".to_owned()
        })
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Loss, reordering, duplication, broken connections: bytes arrive once and in order.
    #[test]
    fn payloads_arrive_once_and_in_order(
        seed: u64, loss in 0_u64..40, duplication in 0_u64..40, jitter_ms in 1_u64..400, cuts in 0_u64..100,
        messages in 1_u32..120, small_window: bool,
    ) {
        let mut config = ChannelConfig::default();
        if small_window {
            config = ChannelConfig { window_messages: 4, receive_bytes: 16, reorder_messages: 3, ..config };
        }
        let mut network = network(&config, Weather { loss, duplication, jitter_ms, cuts }, seed);
        let mut sent = [0, 0];
        let mut received: [Vec<u32>; 2] = [Vec::new(), Vec::new()];
        for steps in 0.. {
            let now = network.now;
            for (index, end) in [&mut network.client, &mut network.agent].into_iter().enumerate() {
                while sent[index] < messages && end.can_send() {
                    end.send(PayloadType::Output, Bytes::copy_from_slice(&sent[index].to_be_bytes()), now);
                    sent[index] += 1;
                }
                while let Some((_, payload)) = end.poll_payload(now) {
                    received[index].push(u32::from_be_bytes(payload.as_ref().try_into().unwrap()));
                }
            }
            let whole = received.iter().all(|received| received.len() == messages as usize);
            if whole && network.client.is_drained() && network.agent.is_drained() {
                break;
            }
            prop_assert!(network.step() && steps < 1_000_000, "stuck: {:?}", received);
        }
        for received in received {
            prop_assert_eq!(received, (0..messages).collect::<Vec<_>>());
        }
        prop_assert!(network.now < Duration::from_mins(30), "it took {:?}", network.now);
    }

    /// Whatever the network hands over, nothing panics, and the channel still works.
    #[test]
    fn noise_is_survived(frames in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..200), 0..20)) {
        let mut client = connected(Role::Client);
        for frame in frames {
            client.handle_message(&Bytes::from(frame), NOW);
        }
        let mut agent = connected(Role::Agent);
        agent.send(PayloadType::Output, Bytes::from_static(b"x"), NOW);
        client.handle_message(&agent.poll_transmit(NOW).unwrap(), NOW);
        prop_assert_eq!(payload(&mut client).unwrap(), "x");
    }
}
