use proptest::prelude::*;

use super::*;
use crate::message::{self, Decoded, Message};
use crate::simulation::{FAIR, Network, Weather};

const NOW: Duration = Duration::from_secs(1);

fn offer() -> AgentOffer {
    AgentOffer {
        agent_version: "3.3.3572.0".to_owned(),
        kind: SessionKind::Port,
        properties: BTreeMap::from([
            ("portNumber".to_owned(), "5432".to_owned()),
            ("type".to_owned(), "LocalPortForwarding".to_owned()),
        ]),
        kms_key_id: None,
        customer_message: "welcome".to_owned(),
        extension: None,
    }
}

fn client(extends: bool) -> Session {
    Session::client("1.2.764.0", extends, ChannelConfig::default(), [1; 16])
}

fn agent(offer: AgentOffer) -> Session {
    Session::agent("s-1", offer, ChannelConfig::default(), [2; 16])
}

/// Both ends, connected, with everything exchanged that goes without an application.
fn network(client: Session, offer: AgentOffer) -> Network<Session> {
    let mut network = Network::new(client, agent(offer), FAIR, 1);
    network.settle();
    network
}

fn events(session: &mut Session) -> Vec<SessionEvent> {
    std::iter::from_fn(|| session.poll_event()).collect()
}

/// The frames an end sends, as `kind type payload`.
fn said(session: &mut Session) -> String {
    let mut lines = Vec::new();
    while let Some(frame) = session.poll_transmit(NOW) {
        let Decoded::Message(Message {
            kind,
            payload_type,
            payload,
            ..
        }) = message::decode(&frame)
        else {
            panic!("not a message")
        };
        lines.push(format!(
            "{} {payload_type} {}",
            kind.name(),
            String::from_utf8_lossy(&payload)
        ));
    }
    lines.join("\n")
}

/// Puts a stream message of the other end before `session`.
fn hear(
    session: &mut Session,
    kind: MessageKind,
    number: i64,
    payload_type: PayloadType,
    payload: &str,
) {
    let frame = message::encode(&Message {
        kind,
        created_ms: 1,
        sequence_number: number,
        flags: 0,
        id: message::MessageId([7; 16]),
        payload_type: payload_type.code(),
        payload: Bytes::copy_from_slice(payload.as_bytes()),
    });
    session.handle_message(&frame, NOW);
}

#[test]
fn the_agent_says_what_the_official_one_says() {
    let mut agent = agent(offer());
    agent.handle_connected(NOW);
    insta::assert_snapshot!(said(&mut agent), @r#"
    agent_session_state 0 {"SchemaVersion":1,"SessionState":"Connected","SessionId":"s-1"}
    output_stream_data 5 {"AgentVersion":"3.3.3572.0","RequestedClientActions":[{"ActionType":"SessionType","ActionParameters":{"Properties":{"portNumber":"5432","type":"LocalPortForwarding"},"SessionType":"Port"}}]}
    "#);
    let response = r#"{"ClientVersion":"1.2.677.0","ProcessedClientActions":[{"ActionType":"SessionType","ActionStatus":1,"ActionResult":null,"Error":""}],"Errors":null}"#;
    hear(
        &mut agent,
        MessageKind::InputStreamData,
        0,
        PayloadType::HandshakeResponse,
        response,
    );
    insta::assert_snapshot!(said(&mut agent), @r#"
    acknowledge 0 {"AcknowledgedMessageType":"input_stream_data","AcknowledgedMessageId":"07070707-0707-0707-0707-070707070707","AcknowledgedMessageSequenceNumber":0,"IsSequentialMessage":true}
    output_stream_data 7 {"HandshakeTimeToComplete":0,"CustomerMessage":"welcome"}
    "#);
    let opened = events(&mut agent);
    assert!(
        matches!(&opened[..], [SessionEvent::Opened(opened)] if opened.peer_version == "1.2.677.0")
    );
}

#[test]
fn the_client_answers_as_the_official_one_does() {
    let mut client = client(true);
    client.handle_connected(NOW);
    assert_eq!(said(&mut client), "", "the client does not speak first");
    let request = r#"{"AgentVersion":"3.1.1080.0","RequestedClientActions":[
        {"ActionType":"SessionType","ActionParameters":{"SessionType":"Port","Properties":{"portNumber":"80","localPortNumber":0}}},
        {"ActionType":"Dance","ActionParameters":{}}]}"#;
    hear(
        &mut client,
        MessageKind::OutputStreamData,
        0,
        PayloadType::HandshakeRequest,
        request,
    );
    insta::assert_snapshot!(said(&mut client), @r#"
    acknowledge 0 {"AcknowledgedMessageType":"output_stream_data","AcknowledgedMessageId":"07070707-0707-0707-0707-070707070707","AcknowledgedMessageSequenceNumber":0,"IsSequentialMessage":true}
    input_stream_data 6 {"ClientVersion":"1.2.764.0","ProcessedClientActions":[{"ActionType":"SessionType","ActionStatus":1,"ActionResult":null,"Error":""},{"ActionType":"Dance","ActionStatus":3,"ActionResult":null,"Error":"unsupported action `Dance`"}],"Errors":null}
    "#);
    let complete = r#"{"HandshakeTimeToComplete":1000,"CustomerMessage":"hello"}"#;
    hear(
        &mut client,
        MessageKind::OutputStreamData,
        1,
        PayloadType::HandshakeComplete,
        complete,
    );
    insta::assert_snapshot!(format!("{:#?}", events(&mut client)), @r#"
    [
        Opened(
            Opened {
                kind: Port,
                properties: {
                    "localPortNumber": "0",
                    "portNumber": "80",
                },
                peer_version: "3.1.1080.0",
                customer_message: "hello",
                extension: None,
            },
        ),
    ]
    "#);
}

#[test]
fn ends_of_ours_find_each_other_and_strangers_do_not_notice() {
    let extended = AgentOffer {
        extension: Some(Extension {
            payload_bytes: 32_768,
        }),
        ..offer()
    };
    let sizes = |extends: bool, offer: AgentOffer| {
        let network = network(client(extends), offer);
        [&network.client, &network.agent].map(|end| end.opened().unwrap().payload_bytes())
    };
    assert_eq!(sizes(true, extended.clone()), [32_768, 32_768]);
    assert_eq!(sizes(false, extended), [1024, 1024]);
    assert_eq!(sizes(true, offer()), [1024, 1024]);
}

#[test]
fn a_client_may_not_ask_for_more_than_was_offered() {
    let offer = AgentOffer {
        extension: Some(Extension {
            payload_bytes: 2048,
        }),
        ..offer()
    };
    let agreed = |bytes: usize| {
        let mut agent = agent(offer.clone());
        agent.handle_connected(NOW);
        let response = format!(
            r#"{{"ClientVersion":"1.2.764.0","ProcessedClientActions":[{{"ActionType":"SessionType","ActionStatus":1,"ActionResult":{{"HalfCloseAndLargePayload":{{"PayloadBytes":{bytes}}}}}}}]}}"#
        );
        hear(
            &mut agent,
            MessageKind::InputStreamData,
            0,
            PayloadType::HandshakeResponse,
            &response,
        );
        agent.opened().unwrap().payload_bytes()
    };
    assert_eq!(
        [agreed(1024), agreed(2048), agreed(4096), agreed(1)],
        [1024, 2048, 1024, 1024]
    );
}

#[test]
fn nothing_is_said_before_the_session_is_open() {
    let mut client = client(true);
    client.handle_connected(NOW);
    client.send(PayloadType::Output, Bytes::from_static(b"early"), NOW);
    client.terminate(NOW);
    assert_eq!(said(&mut client), "");
}

#[test]
fn a_client_that_refuses_ends_the_session() {
    let mut agent = agent(offer());
    agent.handle_connected(NOW);
    let response = r#"{"ClientVersion":"1.0.0.0","ProcessedClientActions":[{"ActionType":"SessionType","ActionStatus":2,"ActionResult":null,"Error":"no such thing"}]}"#;
    hear(
        &mut agent,
        MessageKind::InputStreamData,
        0,
        PayloadType::HandshakeResponse,
        response,
    );
    let [SessionEvent::Failed(fault)] = &events(&mut agent)[..] else {
        panic!("fails")
    };
    insta::assert_snapshot!(fault, @"the handshake failed: the client refused `SessionType`: no such thing");
}

#[test]
fn an_agent_does_not_wait_for_ever() {
    let mut agent = agent(offer());
    agent.handle_connected(NOW);
    while agent.poll_transmit(NOW).is_some() {}
    agent.handle_timeout(NOW + HANDSHAKE_TIMEOUT - Duration::from_millis(1));
    assert_eq!(events(&mut agent), []);
    agent.handle_timeout(NOW + HANDSHAKE_TIMEOUT);
    assert_eq!(
        events(&mut agent),
        [SessionEvent::Failed(SessionFault::HandshakeTimeout)]
    );
}

#[test]
fn payloads_before_the_handshake_is_complete_are_passed_over() {
    let mut agent = agent(offer());
    agent.handle_connected(NOW);
    hear(
        &mut agent,
        MessageKind::InputStreamData,
        0,
        PayloadType::Output,
        "early",
    );
    assert_eq!(agent.poll_payload(NOW), None);
    let response = r#"{"ClientVersion":"1.2.764.0","ProcessedClientActions":[{"ActionType":"SessionType","ActionStatus":1}]}"#;
    hear(
        &mut agent,
        MessageKind::InputStreamData,
        1,
        PayloadType::HandshakeResponse,
        response,
    );
    hear(
        &mut agent,
        MessageKind::InputStreamData,
        2,
        PayloadType::Output,
        "in time",
    );
    assert_eq!(
        agent.poll_payload(NOW),
        Some((PayloadType::Output, Bytes::from_static(b"in time")))
    );
}

/// Runs the key exchange of an encrypted shell session; `agent_key` is what KMS decrypts for the agent.
fn encrypted(agent_key: [u8; 64]) -> Network<Session> {
    let key_arn = "arn:aws:kms:ap-northeast-2:111122223333:key/1";
    let offer = AgentOffer {
        kind: SessionKind::StandardStream,
        kms_key_id: Some(key_arn.to_owned()),
        ..offer()
    };
    let mut network = network(client(true), offer);
    let wanted = SessionEvent::NewKeyWanted {
        kms_key_id: key_arn.to_owned(),
        challenge: None,
    };
    assert_eq!(events(&mut network.client), [wanted]);
    let now = network.now;
    network
        .client
        .provide_new_key(Ok((&DataKey::new([5; 64]), b"sealed by kms")), now);
    network.settle();
    let wanted = SessionEvent::KeyWanted {
        ciphertext: b"sealed by kms".to_vec(),
    };
    assert_eq!(events(&mut network.agent), [wanted]);
    let now = network.now;
    network
        .agent
        .provide_key(&DataKey::new(agent_key), [3; 64], now);
    network.settle();
    network
}

#[test]
fn an_encrypted_session_proves_the_key_and_hides_what_passes() {
    let mut network = encrypted([5; 64]);
    assert!(matches!(
        &events(&mut network.client)[..],
        [SessionEvent::Opened(_)]
    ));
    assert!(matches!(
        &events(&mut network.agent)[..],
        [SessionEvent::Opened(_)]
    ));
    let now = network.now;
    network
        .client
        .send(PayloadType::Output, Bytes::from_static(b"ls -l"), now);
    let frame = network.client.poll_transmit(now).unwrap();
    assert!(
        !frame.windows(5).any(|window| window == b"ls -l"),
        "in the clear"
    );
    network.agent.handle_message(&frame, now);
    let heard = network.agent.poll_payload(now);
    assert_eq!(
        heard,
        Some((PayloadType::Output, Bytes::from_static(b"ls -l")))
    );
    network
        .client
        .send(PayloadType::Size, Bytes::from_static(b"{}"), now);
    let frame = network.client.poll_transmit(now).unwrap();
    assert!(frame.ends_with(b"{}"), "sizes are not encrypted");
}

#[test]
fn the_wrong_key_ends_the_session() {
    let mut network = encrypted([6; 64]);
    assert_eq!(
        events(&mut network.client),
        [SessionEvent::Failed(SessionFault::Undecipherable)]
    );
}

#[test]
fn no_key_ends_the_session_with_the_reason() {
    let offer = AgentOffer {
        kms_key_id: Some("k".to_owned()),
        ..offer()
    };
    let mut network = network(client(true), offer);
    let now = network.now;
    network
        .client
        .provide_new_key(Err("access denied".to_owned()), now);
    network.settle();
    let [SessionEvent::Failed(fault)] = &events(&mut network.agent)[..] else {
        panic!("fails")
    };
    insta::assert_snapshot!(fault, @"the handshake failed: the client refused `KMSEncryption`: access denied");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn the_handshake_survives_any_network(
        seed: u64, loss in 0_u64..30, duplication in 0_u64..50, jitter_ms in 1_u64..300, cuts in 0_u64..200,
    ) {
        let weather = Weather { loss, duplication, jitter_ms, cuts };
        let mut network = Network::new(client(true), agent(offer()), weather, seed);
        while network.client.opened().is_none() {
            prop_assert!(network.step());
            // the agent gives up after 15 s, as it must
            if network.agent.poll_event() == Some(SessionEvent::Failed(SessionFault::HandshakeTimeout)) {
                prop_assert!(network.now >= HANDSHAKE_TIMEOUT);
                return Ok(());
            }
        }
        prop_assert_eq!(&network.client.opened().unwrap().properties, &offer().properties);
    }

    #[test]
    fn any_handshake_json_is_survived(request in "\\PC{0,60}", number in 5_u32..10) {
        let mut client = client(true);
        client.handle_connected(NOW);
        let payload_type = PayloadType::of_code(number).unwrap();
        if !request.is_empty() {
            hear(&mut client, MessageKind::OutputStreamData, 0, payload_type, &request);
        }
        let half = r#"{"AgentVersion":"1","RequestedClientActions":[{"ActionType":"SessionType"}]}"#;
        hear(&mut client, MessageKind::OutputStreamData, 1, PayloadType::HandshakeRequest, half);
    }
}
