//! Connections through a forward, while the network does not behave.

use std::time::Duration;

use session_io::{ForwardEvent, Lost, Served};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::relay::Side;
use crate::relay::locked;
use crate::world::{OFFICIAL, OURS, World, destination, echo, pattern, until, within};

/// Sends so much there and back, and compares.
async fn transfer(stream: &mut TcpStream, bytes: usize, seed: u64) {
    let data = pattern(bytes, seed);
    let (mut reader, mut writer) = stream.split();
    let write = async {
        writer.write_all(&data).await.expect("a connection");
        writer.shutdown().await.expect("a connection");
    };
    let read = async {
        let mut back = Vec::with_capacity(bytes);
        reader.read_to_end(&mut back).await.expect("a connection");
        back
    };
    let ((), back) = within(async { tokio::join!(write, read) }).await;
    assert_eq!(back.len(), data.len());
    assert!(back == data, "bytes were changed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_long_transfer_goes_through_repeated_cuts() {
    let world = World::new(OURS, destination(echo).await).await;
    let mut stream = world.connect().await;
    let relay = world.relay.clone();
    let cutter = tokio::spawn(async move {
        for round in 0_u64.. {
            tokio::time::sleep(Duration::from_millis(60 + 17 * (round % 5))).await;
            let side = if round % 2 == 0 {
                Side::Client
            } else {
                Side::Agent
            };
            relay.cut("s-1", side);
        }
    });
    transfer(&mut stream, 64 << 20, 1).await;
    cutter.abort();
    assert!(world.relay.connections() > 4, "it was cut");
    world.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lost_and_late_messages_are_made_up_for() {
    let world = World::new(OURS, destination(echo).await).await;
    let mut stream = world.connect().await;
    world.relay.set_loss(10);
    world.relay.set_delay(Duration::from_millis(2));
    transfer(&mut stream, 16 << 20, 2).await;
    world.relay.set_loss(0);
    world.stop().await.unwrap();
}

/// In messages of a kilobyte, without what only ours can do.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_official_agents_session_goes_through_cuts_and_loss_too() {
    let world = World::new(OFFICIAL, destination(echo).await).await;
    let mut stream = world.connect().await;
    stream.write_all(b"x").await.unwrap();
    let mut byte = [0];
    within(stream.read_exact(&mut byte)).await.unwrap();
    world.relay.set_loss(10);
    let relay = world.relay.clone();
    let cutter = tokio::spawn(async move {
        for side in [Side::Client, Side::Agent].into_iter().cycle() {
            tokio::time::sleep(Duration::from_millis(150)).await;
            relay.cut("s-1", side);
        }
    });
    let data = pattern(4 << 20, 6);
    let (mut reader, mut writer) = stream.split();
    let mut back = vec![0; data.len()];
    let (written, read) =
        within(async { tokio::join!(writer.write_all(&data), reader.read_exact(&mut back)) }).await;
    cutter.abort();
    written.unwrap();
    read.unwrap();
    assert!(back == data, "bytes were changed");
    world.relay.set_loss(0);
    world.stop().await.unwrap();
}

/// Nothing moves, no connection breaks: as when a machine sleeps or a cable is pulled.
#[tokio::test]
async fn a_silent_network_is_noticed_and_outlived() {
    let mut world = World::new(OURS, destination(echo).await).await;
    let mut stream = world.connect().await;
    stream.write_all(b"before").await.unwrap();
    let mut back = [0; 6];
    within(stream.read_exact(&mut back)).await.unwrap();
    world.relay.set_frozen(true);
    world.relay.set_down(true);
    stream.write_all(b"during").await.unwrap();
    let silent = world.event(|event| match event {
        ForwardEvent::Reconnecting { lost, .. } => Some(matches!(lost, Lost::Socket(_))),
        _ => None,
    });
    assert!(silent.await);
    // thirty seconds, on this test's scale
    tokio::time::sleep(Duration::from_millis(900)).await;
    world.relay.set_down(false);
    world.relay.set_frozen(false);
    within(stream.read_exact(&mut back)).await.unwrap();
    assert_eq!(&back, b"during");
    world
        .event(|event| matches!(event, ForwardEvent::Resumed { .. }).then_some(()))
        .await;
    world.stop().await.unwrap();
}

#[tokio::test]
async fn a_session_that_is_gone_is_replaced_and_the_port_stays() {
    let mut world = World::new(OURS, destination(echo).await).await;
    let mut open = world.connect().await;
    open.write_all(b"x").await.unwrap();
    let mut byte = [0];
    within(open.read_exact(&mut byte)).await.unwrap();
    world.relay.forget("s-1");
    let gone = world.event(|event| match event {
        ForwardEvent::Replacing { session_id, reason } => {
            Some((session_id.clone(), reason.clone()))
        }
        _ => None,
    });
    assert_eq!(gone.await, ("s-1".to_owned(), "no such session".to_owned()));
    let cut_off = within(open.read(&mut byte)).await;
    assert!(cut_off.is_err(), "reset, not ended: {cut_off:?}");
    let mut next = world.connect().await;
    transfer(&mut next, 100_000, 3).await;
    assert_eq!(
        world.served("s-1").await.unwrap(),
        Served::Gone("no such session".to_owned())
    );
    world.stop().await.unwrap();
}

#[tokio::test]
async fn a_session_the_service_ends_starts_again_on_demand() {
    let mut world = World::new(OURS, destination(echo).await).await;
    let mut stream = world.connect().await;
    transfer(&mut stream, 1000, 4).await;
    world.relay.close("s-1", "idle for 20 minutes").await;
    let closed = world.event(|event| match event {
        ForwardEvent::Closed { output, .. } => Some(output.clone()),
        _ => None,
    });
    assert_eq!(closed.await, "idle for 20 minutes");
    let sessions = locked(&world.agents).len();
    assert_eq!(sessions, 1, "nobody wants another yet");
    let mut stream = world.connect().await;
    transfer(&mut stream, 1000, 5).await;
    world.stop().await.unwrap();
}

#[tokio::test]
async fn a_killed_client_costs_the_agent_nothing_for_good() {
    let world = World::new(OURS, destination(echo).await).await;
    let mut stream = world.connect().await;
    stream.write_all(b"x").await.unwrap();
    let mut byte = [0];
    within(stream.read_exact(&mut byte)).await.unwrap();
    world.kill_client();
    let cut_off = within(stream.read(&mut byte)).await;
    assert!(cut_off.is_err(), "reset, not ended: {cut_off:?}");
    // the service notices in its own time
    world.relay.close("s-1", "").await;
    let served = world.served("s-1").await.unwrap();
    assert_eq!(
        served,
        Served::Closed {
            output: String::new()
        }
    );
}

#[tokio::test]
async fn a_killed_agent_resets_connections_when_the_service_says_so() {
    let world = World::new(OURS, destination(echo).await).await;
    let mut stream = world.connect().await;
    stream.write_all(b"x").await.unwrap();
    let mut byte = [0];
    within(stream.read_exact(&mut byte)).await.unwrap();
    locked(&world.agents)["s-1"].abort();
    until("the agent is gone", || {
        locked(&world.agents)["s-1"].is_finished()
    })
    .await;
    world.relay.close("s-1", "the agent has gone").await;
    let cut_off = within(stream.read(&mut byte)).await;
    assert!(cut_off.is_err(), "reset, not ended: {cut_off:?}");
    world.stop().await.unwrap();
}

#[tokio::test]
async fn stopping_leaves_no_task_behind() {
    let runtime = tokio::runtime::Handle::current();
    let echoing = destination(echo).await;
    let before = runtime.metrics().num_alive_tasks();
    let world = World::new(OURS, echoing).await;
    let mut streams = Vec::new();
    for _ in 0..20 {
        let mut stream = world.connect().await;
        stream.write_all(b"x").await.unwrap();
        let mut byte = [0];
        within(stream.read_exact(&mut byte)).await.unwrap();
        streams.push(stream);
    }
    let relay = world.relay.clone();
    let agents = world.agents.clone();
    world.stop().await.unwrap();
    for mut stream in streams {
        let mut byte = [0];
        assert!(within(stream.read(&mut byte)).await.is_err());
    }
    let agent = locked(&agents).remove("s-1").unwrap();
    assert_eq!(within(agent).await.unwrap().unwrap(), Served::Terminated);
    relay.stop();
    until("as many tasks as before", || {
        runtime.metrics().num_alive_tasks() <= before
    })
    .await;
}

/// A task that wakes itself would be busy all the time, and nobody would see it fail.
#[tokio::test]
async fn an_idle_session_does_nothing() {
    let mut world = World::new(OURS, destination(echo).await).await;
    let mut stream = world.connect().await;
    stream.write_all(b"x").await.unwrap();
    let mut byte = [0];
    within(stream.read_exact(&mut byte)).await.unwrap();
    world
        .event(|event| matches!(event, ForwardEvent::Accepted { .. }).then_some(()))
        .await;
    let busy = tokio::runtime::Handle::current().metrics();
    let before = busy.worker_total_busy_duration(0);
    tokio::time::sleep(Duration::from_millis(500)).await;
    let after = busy.worker_total_busy_duration(0);
    assert!(
        after - before < Duration::from_millis(200),
        "{:?}",
        after - before
    );
    world.stop().await.unwrap();
}
