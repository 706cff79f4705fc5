use super::*;
use crate::channel::ChannelConfig;
use crate::handshake::{AgentOffer, SessionKind};
use crate::simulation::{FAIR, Network};

fn open_network() -> Network<Session> {
    let offer = AgentOffer {
        agent_version: "3.3.3572.0".to_owned(),
        kind: SessionKind::StandardStream,
        properties: std::collections::BTreeMap::new(),
        kms_key_id: None,
        customer_message: String::new(),
        extension: None,
    };
    let client = Session::client("1.2.764.0", true, ChannelConfig::default(), [1; 16]);
    let agent = Session::agent("s-1", offer, ChannelConfig::default(), [2; 16]);
    let mut network = Network::new(client, agent, FAIR, 1);
    network.settle();
    network
}

/// Lets both ends act on a settled session and answers what each then hears.
fn exchange(
    act: impl FnOnce(&mut ShellSession, &mut ShellSession, Duration),
) -> [Vec<ShellEvent>; 2] {
    let network = open_network();
    let now = network.now;
    let (mut client, mut agent) = (
        ShellSession::new(network.client),
        ShellSession::new(network.agent),
    );
    act(&mut client, &mut agent, now);
    while let Some(frame) = client.session().poll_transmit(now) {
        agent.session().handle_message(&frame, now);
    }
    while let Some(frame) = agent.session().poll_transmit(now) {
        client.session().handle_message(&frame, now);
    }
    [&mut client, &mut agent].map(|end| {
        let events = std::iter::from_fn(|| end.poll_event(now));
        events
            .filter(|event| !matches!(event, ShellEvent::Opened(_)))
            .collect()
    })
}

#[test]
fn a_terminal_works_both_ways() {
    let [to_client, to_agent] = exchange(|client, agent, now| {
        client.resize(
            TerminalSize {
                cols: 120,
                rows: 40,
            },
            now,
        );
        assert_eq!(client.write(b"ls\n", now), 3);
        client.terminate(now);
        assert_eq!(agent.write(b"a b\r\n", now), 5);
        agent.write_error(b"oh", now);
        agent.exit(3, now);
    });
    assert_eq!(
        to_agent,
        [
            ShellEvent::Resized(TerminalSize {
                cols: 120,
                rows: 40
            }),
            ShellEvent::Data(Bytes::from_static(b"ls\n")),
            ShellEvent::Terminated,
        ]
    );
    assert_eq!(
        to_client,
        [
            ShellEvent::Data(Bytes::from_static(b"a b\r\n")),
            ShellEvent::ErrorData(Bytes::from_static(b"oh")),
            ShellEvent::Exited { code: 3 },
        ]
    );
}

/// The official client replaces a lone line feed by a carriage return; ours does not.
#[test]
fn a_lone_line_feed_stays_one() {
    let [_, to_agent] = exchange(|client, _, now| {
        client.write(b"\n", now);
    });
    assert_eq!(to_agent, [ShellEvent::Data(Bytes::from_static(b"\n"))]);
}

#[test]
fn long_output_goes_in_pieces_official_ends_accept() {
    let [to_client, _] = exchange(|_, agent, now| {
        assert_eq!(agent.write(&[b'x'; 3000], now), 3000);
        assert_eq!(agent.write(b"", now), 0);
    });
    let sizes: Vec<_> = to_client
        .iter()
        .map(|event| match event {
            ShellEvent::Data(data) => data.len(),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(sizes, [1024, 1024, 952]);
}
