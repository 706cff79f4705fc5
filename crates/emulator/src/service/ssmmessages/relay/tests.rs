use super::*;

fn relay() -> Arc<Relay> {
    Arc::new(Relay::new(Timestamp(0)))
}

fn clock() -> Arc<dyn Clock> {
    Arc::new(crate::clock::SystemClock)
}

fn big() -> Bytes {
    Bytes::from(vec![7; FRAME_LIMIT])
}

#[tokio::test]
async fn frames_wait_for_an_end_that_comes_later_and_keep_their_order() {
    let relay = relay();
    for byte in 0..3_u8 {
        relay
            .push(Side::Agent, vec![byte].into(), &Notify::new())
            .await;
    }
    let agent = relay.attach(Side::Agent, clock());
    let mut frames = agent.frames().await;
    for byte in 0..3_u8 {
        assert_eq!(frames.recv().await.unwrap().bytes, [byte][..]);
    }
}

#[tokio::test]
async fn a_full_lane_drops_for_an_end_that_is_away_and_waits_for_one_that_is_slow() {
    let relay = relay();
    let fits = LANE_BYTES / FRAME_LIMIT;
    for _ in 0..fits + 3 {
        relay.push(Side::Client, big(), &Notify::new()).await;
    }
    let client = relay.attach(Side::Client, clock());
    let mut frames = client.frames().await;
    let waits = Notify::new();
    let pushing = relay.push(Side::Client, Bytes::from_static(b"last"), &waits);
    tokio::pin!(pushing);
    let early = tokio::time::timeout(Duration::from_millis(50), pushing.as_mut()).await;
    assert!(early.is_err(), "there was no room");
    drop(frames.recv().await.unwrap());
    pushing.await;
    for _ in 1..fits {
        assert_eq!(frames.recv().await.unwrap().bytes.len(), FRAME_LIMIT);
    }
    assert_eq!(frames.recv().await.unwrap().bytes, b"last"[..]);
}

#[tokio::test]
async fn a_sender_that_waits_is_let_go_when_the_slow_end_leaves() {
    let relay = relay();
    let client = relay.attach(Side::Client, clock());
    for _ in 0..LANE_BYTES / FRAME_LIMIT {
        relay.push(Side::Client, big(), &Notify::new()).await;
    }
    let waits = Notify::new();
    let pushing = relay.push(Side::Client, big(), &waits);
    tokio::pin!(pushing);
    let early = tokio::time::timeout(Duration::from_millis(50), pushing.as_mut()).await;
    assert!(early.is_err());
    drop(client);
    tokio::time::timeout(Duration::from_secs(5), pushing)
        .await
        .unwrap();
}

#[tokio::test]
async fn the_newest_socket_of_an_end_has_its_place() {
    let relay = relay();
    let old = relay.attach(Side::Client, clock());
    let new = relay.attach(Side::Client, clock());
    tokio::time::timeout(Duration::from_secs(5), old.replaced())
        .await
        .unwrap();
    drop(old);
    assert!(relay.is_attached(Side::Client), "the new one is there");
    drop(new);
    assert!(!relay.is_attached(Side::Client));
}

#[test]
fn the_first_word_of_the_end_stands() {
    let relay = relay();
    relay.close("timed out");
    relay.close("terminated");
    assert_eq!(relay.over().borrow().as_deref(), Some("timed out"));
}
