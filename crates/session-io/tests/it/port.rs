//! Connections through a forward, while the network behaves.

use std::time::Duration;

use session::PortMode;
use session_io::{ForwardError, ForwardEvent, Served};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::relay::locked;
use crate::world::{AgentKind, OFFICIAL, OURS, World, destination, echo, pattern, until, within};

/// Writes everything, half-closes, reads to the end.
async fn exchange(stream: &mut TcpStream, data: &[u8]) -> std::io::Result<Vec<u8>> {
    let (mut reader, mut writer) = stream.split();
    let mut back = Vec::new();
    let write = async {
        writer.write_all(data).await?;
        writer.shutdown().await
    };
    let (written, read) =
        within(async { tokio::join!(write, reader.read_to_end(&mut back)) }).await;
    written?;
    read?;
    Ok(back)
}

#[tokio::test]
async fn a_connection_goes_through_and_the_session_ends_in_order() {
    let mut world = World::new(OURS, destination(echo).await).await;
    let (session_id, mode) = world
        .event(|event| match event {
            ForwardEvent::Opened {
                session_id, mode, ..
            } => Some((session_id.clone(), *mode)),
            _ => None,
        })
        .await;
    assert_eq!(mode, PortMode::Mux);
    let mut stream = world.connect().await;
    let from = stream.local_addr().unwrap();
    let data = pattern(3 << 20, 1);
    assert!(exchange(&mut stream, &data).await.unwrap() == data);
    let accepted = world.event(|event| match event {
        ForwardEvent::Accepted { from } => Some(*from),
        _ => None,
    });
    assert_eq!(accepted.await, from);
    let agents = world.agents.clone();
    let terminated = world.terminated.clone();
    world.stop().await.unwrap();
    assert_eq!(*locked(&terminated), std::slice::from_ref(&session_id));
    let agent = locked(&agents).remove(&session_id).unwrap();
    assert_eq!(within(agent).await.unwrap().unwrap(), Served::Terminated);
}

#[tokio::test]
async fn official_agents_are_served_alike() {
    for (kind, expected) in [(OFFICIAL, PortMode::Mux), (BASIC, PortMode::Basic)] {
        let mut world = World::new(kind, destination(echo).await).await;
        let mode = world.event(|event| match event {
            ForwardEvent::Opened { mode, .. } => Some(*mode),
            _ => None,
        });
        assert_eq!(mode.await, expected);
        // in turn, and a second one already waiting
        let data = pattern(100_000, 2);
        let mut streams = [world.connect().await, world.connect().await];
        for stream in &mut streams {
            stream.write_all(&data).await.unwrap();
            let mut back = vec![0; data.len()];
            within(stream.read_exact(&mut back)).await.unwrap();
            assert!(back == data, "{expected:?}");
            stream.shutdown().await.unwrap();
        }
        drop(streams);
        world.stop().await.unwrap();
    }
}

/// As `AWS-StartSSHSession` has it: the connection is the session.
#[tokio::test]
async fn a_single_stream_ends_its_session_and_the_next_connection_starts_another() {
    let kind = AgentKind {
        is_single: true,
        ..OFFICIAL
    };
    let mut world = World::new(kind, destination(echo).await).await;
    for session in ["s-1", "s-2"] {
        let mut stream = world.connect().await;
        stream.write_all(b"hello").await.unwrap();
        let mut back = [0; 5];
        within(stream.read_exact(&mut back)).await.unwrap();
        drop(stream);
        let closed = world.event(|event| match event {
            ForwardEvent::Closed { session_id, .. } => Some(session_id.clone()),
            _ => None,
        });
        assert_eq!(closed.await, session);
    }
    world.stop().await.unwrap();
}

#[tokio::test]
async fn an_answer_comes_after_the_question_has_ended() {
    // counts to the end of input, and answers only then
    let counting = destination(|mut stream| async move {
        let mut data = Vec::new();
        stream.read_to_end(&mut data).await.unwrap();
        tokio::time::sleep(Duration::from_millis(50)).await;
        let answer = format!("{} bytes", data.len());
        stream.write_all(answer.as_bytes()).await.unwrap();
    })
    .await;
    let world = World::new(OURS, counting).await;
    let mut stream = world.connect().await;
    let answer = exchange(&mut stream, &[7; 1000]).await.unwrap();
    assert_eq!(answer, b"1000 bytes");
    world.stop().await.unwrap();
}

/// A real agent would close both directions at once: it is not told of the end while it may still
/// have an answer.
#[tokio::test]
async fn an_official_agents_answer_is_not_cut_off_by_the_end_of_the_question() {
    let late = destination(|mut stream| async move {
        let mut data = [0; 1000];
        stream.read_exact(&mut data).await.unwrap();
        tokio::time::sleep(Duration::from_millis(50)).await;
        stream.write_all(b"1000 bytes").await.unwrap();
    })
    .await;
    let world = World::new(OFFICIAL, late).await;
    let mut stream = world.connect().await;
    let answer = exchange(&mut stream, &[7; 1000]).await.unwrap();
    assert_eq!(answer, b"1000 bytes");
    world.stop().await.unwrap();
}

#[tokio::test]
async fn a_destination_that_refuses_costs_its_connection_only() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let nobody = listener.local_addr().unwrap();
    drop(listener);
    let mut world = World::new(OURS, nobody).await;
    for _ in 0..3 {
        let mut stream = world.connect().await;
        let mut byte = [0];
        let read = within(stream.read(&mut byte)).await;
        assert!(matches!(read, Ok(0) | Err(_)), "{read:?}");
        world
            .event(|event| matches!(event, ForwardEvent::DestinationRefused).then_some(()))
            .await;
    }
    world.stop().await.unwrap();
}

#[tokio::test]
async fn a_basic_session_whose_destination_refuses_says_so() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let nobody = listener.local_addr().unwrap();
    drop(listener);
    let world = World::new(BASIC, nobody).await;
    until("an agent", || !locked(&world.agents).is_empty()).await;
    let error = world.served("s-1").await.unwrap_err();
    assert_eq!(error.to_string(), "the destination port cannot be reached");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_reader_does_not_stall_the_others() {
    let flood = destination(|mut stream| async move {
        let mut first = [0];
        stream.read_exact(&mut first).await.ok();
        if first == *b"f" {
            let chunk = vec![7; 1 << 16];
            while stream.write_all(&chunk).await.is_ok() {}
        } else {
            echo(stream).await;
        }
    })
    .await;
    let world = World::new(OURS, flood).await;
    let mut slow = Vec::new();
    for _ in 0..10 {
        let mut stream = world.connect().await;
        stream.write_all(b"f").await.unwrap();
        slow.push(stream);
    }
    // each has begun, and is not read from here on
    for stream in &mut slow {
        let mut begun = [0; 1000];
        within(stream.read_exact(&mut begun)).await.unwrap();
    }
    for round in 0..20 {
        let mut stream = world.connect().await;
        stream.write_all(b"e").await.unwrap();
        let data = pattern(500_000, round);
        assert!(exchange(&mut stream, &data).await.unwrap() == data);
    }
    // and it is all still there
    let mut more = vec![0; 4 << 20];
    within(slow[3].read_exact(&mut more)).await.unwrap();
    assert!(more.iter().all(|byte| *byte == 7));
    drop(slow);
    world.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn thousands_of_short_connections_leave_nothing_behind() {
    let world = World::new(OURS, destination(echo).await).await;
    let mut warm = world.connect().await;
    exchange(&mut warm, b"warm").await.unwrap();
    drop(warm);
    let before = files();
    let port = world.port;
    let mut clients = tokio::task::JoinSet::new();
    for client in 0..16_u64 {
        clients.spawn(async move {
            for round in 0..200 {
                let mut stream = within(TcpStream::connect(port)).await.unwrap();
                let data = pattern(200, client * 1000 + round);
                assert!(exchange(&mut stream, &data).await.unwrap() == data);
            }
        });
    }
    while let Some(client) = clients.join_next().await {
        client.unwrap();
    }
    until("as many files as before", || files() <= before).await;
    world.stop().await.unwrap();
}

/// Open files of this process. Other tests may run in it, so only falling counts.
fn files() -> usize {
    std::fs::read_dir("/proc/self/fd").expect("Linux").count()
}

#[tokio::test]
async fn an_aborted_connection_is_aborted_at_the_other_end() {
    let (told, mut errors) = tokio::sync::mpsc::channel(1);
    let waiting = destination(move |mut stream| {
        let told = told.clone();
        async move {
            let mut data = Vec::new();
            let read = stream.read_to_end(&mut data).await;
            told.send(read).await.ok();
        }
    })
    .await;
    let world = World::new(OURS, waiting).await;
    let mut stream = world.connect().await;
    stream.write_all(b"half a question").await.unwrap();
    until("the agent's connection", || world.relay.connections() == 2).await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    stream.set_zero_linger().unwrap();
    drop(stream);
    let read = within(errors.recv()).await.unwrap();
    assert!(read.is_err(), "cut off, not ended: {read:?}");
    world.stop().await.unwrap();
}

#[tokio::test]
async fn an_agent_that_never_answers_is_an_error() {
    let kind = AgentKind {
        is_absent: true,
        ..OURS
    };
    let world = World::new(kind, destination(echo).await).await;
    let end = world.end().await;
    assert!(
        matches!(end, Err(ForwardError::AgentUnresponsive { seconds: 5 })),
        "{end:?}"
    );
}

/// Neither end of a basic session is told of the other's mind but by versions.
const BASIC: AgentKind = AgentKind {
    version: "3.0.196.0",
    client_version: "1.1.60.0",
    ..OFFICIAL
};
