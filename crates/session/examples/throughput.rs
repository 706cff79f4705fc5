//! How many bytes a second two ends of ours carry, without any IO between them.
//!
//! `cargo run --release -p session --example throughput`
#![expect(clippy::print_stdout, reason = "this is what an example is for")]
#![expect(clippy::disallowed_methods, reason = "measuring takes a clock")]

use std::collections::BTreeMap;
use std::time::Instant;

use session::{
    AgentOffer, ChannelConfig, Extension, PortConfig, PortEvent, PortSession, Read, Session,
    SessionKind, Written,
};

const TOTAL: usize = 256 << 20;

fn main() {
    for (name, payload_bytes, streams) in [
        ("32 KiB payloads", 32_768, 1),
        ("32 KiB payloads", 32_768, 50),
        ("official 1 KiB", 1024, 1),
    ] {
        let megabytes_per_second = run(payload_bytes, streams);
        println!("{name}, {streams} connections: {megabytes_per_second:.0} MB/s");
    }
}

/// Sends from client to agent as fast as both machines go.
fn run(payload_bytes: usize, streams: usize) -> f64 {
    let offer = AgentOffer {
        agent_version: "3.3.3572.0".to_owned(),
        kind: SessionKind::Port,
        properties: BTreeMap::from([("type".to_owned(), "LocalPortForwarding".to_owned())]),
        kms_key_id: None,
        customer_message: String::new(),
        extension: Some(Extension { payload_bytes }),
    };
    let client = Session::client("1.2.764.0", true, ChannelConfig::default(), [1; 16]);
    let agent = Session::agent("s", offer, ChannelConfig::default(), [2; 16]);
    let mut client = PortSession::new(client, PortConfig::default());
    let mut agent = PortSession::new(agent, PortConfig::default());
    let start = Instant::now();
    client.handle_connected(start.elapsed());
    agent.handle_connected(start.elapsed());
    while client.session().opened().is_none() {
        exchange(&mut client, &mut agent, start);
    }
    let ids: Vec<_> = (0..streams).filter_map(|_| client.open()).collect();
    let data = vec![7; 65_536];
    let (mut received, start) = (0, Instant::now());
    while received < TOTAL {
        for id in &ids {
            while let Written::Taken(taken) = client.write(*id, &data)
                && taken == data.len()
            {}
        }
        exchange(&mut client, &mut agent, start);
        while let Some(event) = agent.poll_event() {
            let PortEvent::Readable(id) = event else {
                continue;
            };
            while let Read::Data(data) = agent.read(id, start.elapsed()) {
                received += data.len();
            }
        }
    }
    // one number for people, not for accounting
    TOTAL as f64 / 1e6 / start.elapsed().as_secs_f64()
}

/// Carries what both have to send, in turns of some frames.
fn exchange(client: &mut PortSession, agent: &mut PortSession, start: Instant) {
    for _ in 0..64 {
        let Some(frame) = client.poll_transmit(start.elapsed()) else {
            break;
        };
        agent.handle_message(&frame, start.elapsed());
    }
    while let Some(frame) = agent.poll_transmit(start.elapsed()) {
        client.handle_message(&frame, start.elapsed());
    }
}
