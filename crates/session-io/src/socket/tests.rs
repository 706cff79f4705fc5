use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use super::*;

fn request() -> http::Request<()> {
    http::Request::get("/v1/data-channel/s-1?role=publish_subscribe")
        .header("host", "ssmmessages.example")
        .header("x-amz-date", "20261122T000000Z")
        .body(())
        .unwrap()
}

/// Reads a request's head.
async fn head(stream: &mut DuplexStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    String::from_utf8(head).unwrap()
}

/// Answers a request with what `answer` makes of its key.
async fn upgrade_against(
    answer: impl FnOnce(&str) -> String,
) -> (Result<Socket, UpgradeError>, DuplexStream, String) {
    let (near, mut far) = duplex(1 << 20);
    let server = async {
        let head = head(&mut far).await;
        let key = head
            .lines()
            .find_map(|line| line.strip_prefix("sec-websocket-key: "))
            .unwrap();
        far.write_all(answer(key).as_bytes()).await.unwrap();
        (head, far)
    };
    let (socket, (head, far)) = tokio::join!(Socket::upgrade(near, request()), server);
    (socket, far, head)
}

fn accepted(key: &str) -> String {
    let accept = derive_accept_key(key.as_bytes());
    format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: WebSocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {accept}\r\n\r\n"
    )
}

async fn pair() -> (Socket, Socket) {
    let (near, far, _) = upgrade_against(accepted).await;
    (near.unwrap(), Socket::accepted(far, Vec::new()).await)
}

#[tokio::test]
async fn an_upgrade_keeps_path_query_and_signature() {
    let (socket, _far, head) = upgrade_against(accepted).await;
    socket.unwrap();
    assert!(head.starts_with("GET /v1/data-channel/s-1?role=publish_subscribe HTTP/1.1\r\nhost: ssmmessages.example\r\n"), "{head}");
    assert!(
        head.contains("\r\nx-amz-date: 20261122T000000Z\r\n"),
        "{head}"
    );
    assert_eq!(head.matches("host:").count(), 1, "{head}");
}

#[tokio::test]
async fn messages_go_both_ways_together_or_alone() {
    let (mut near, mut far) = pair().await;
    near.send_text("open".to_owned()).await.unwrap();
    near.feed(Bytes::from_static(b"a")).await.unwrap();
    near.feed(Bytes::from(vec![7; MESSAGE_LIMIT_BYTES]))
        .await
        .unwrap();
    let reader = async {
        let mut lengths = Vec::new();
        for _ in 0..3 {
            lengths.push(far.next().await.unwrap().unwrap().len());
        }
        far.send(Bytes::from_static(b"done")).await.unwrap();
        lengths
    };
    let (flushed, lengths) = tokio::join!(near.flush(), reader);
    flushed.unwrap();
    assert_eq!(lengths, [4, 1, MESSAGE_LIMIT_BYTES]);
    assert_eq!(near.next().await.unwrap().unwrap(), "done");
}

#[tokio::test]
async fn a_message_beyond_the_limit_is_not_taken() {
    let (mut near, mut far) = pair().await;
    let sent = near.send(Bytes::from(vec![7; MESSAGE_LIMIT_BYTES + 1]));
    let (_, received) = tokio::join!(
        tokio::time::timeout(Duration::from_secs(1), sent),
        far.next()
    );
    assert!(
        matches!(received, Err(SocketError::Broken(_))),
        "{received:?}"
    );
}

#[tokio::test]
async fn an_orderly_end_is_not_an_error_and_a_reason_is_told() {
    let (mut near, mut far) = pair().await;
    let (closed, end) = tokio::join!(far.close(), near.next());
    closed.unwrap();
    assert_eq!(end.unwrap(), None);

    let (mut near, mut far) = pair().await;
    let reason = CloseFrame {
        code: 1003.into(),
        reason: "no token".into(),
    };
    far.start_send(Message::Close(Some(reason))).unwrap();
    far.flush().await.unwrap();
    let end = near.next().await;
    let error = end.unwrap_err().to_string();
    assert_eq!(error, "the websocket was closed with 1003: no token");
}

#[tokio::test]
async fn a_broken_connection_is_an_error() {
    let (mut near, far) = pair().await;
    drop(far);
    assert!(matches!(near.next().await, Err(SocketError::Broken(_))));
}

#[tokio::test]
async fn a_refusal_says_why_even_when_the_body_comes_late() {
    let (near, mut far) = duplex(1 << 16);
    let server = async {
        head(&mut far).await;
        let answer = "HTTP/1.1 403 Forbidden\r\nContent-Length: 7\r\n\r\nnot";
        far.write_all(answer.as_bytes()).await.unwrap();
        tokio::task::yield_now().await;
        far.write_all(b" you").await.unwrap();
    };
    let (socket, ()) = tokio::join!(Socket::upgrade(near, request()), server);
    let Err(UpgradeError::Refused { status, body }) = socket else {
        panic!("{socket:?}");
    };
    assert_eq!((status.as_u16(), body.as_slice()), (403, &b"not you"[..]));
}

#[tokio::test]
async fn what_is_no_upgrade_is_none() {
    let wrong_key = |_: &str| accepted("wrong");
    let (socket, ..) = upgrade_against(wrong_key).await;
    assert!(
        matches!(socket, Err(UpgradeError::NotUpgraded)),
        "{socket:?}"
    );
    let (socket, ..) = upgrade_against(|_| "SSH-2.0-OpenSSH\r\n\r\n".to_owned()).await;
    assert!(
        matches!(socket, Err(UpgradeError::Malformed(_))),
        "{socket:?}"
    );
    let (near, far) = duplex(64);
    drop(far);
    let socket = Socket::upgrade(near, request()).await;
    assert!(matches!(socket, Err(UpgradeError::Io(_))), "{socket:?}");
}

/// Both ends ping; a peer that answers lives, one that does not is given up.
#[tokio::test(start_paused = true)]
async fn pings_are_answered_and_silence_ends_the_socket() {
    let (mut near, mut far) = pair().await;
    let begin = tokio::time::Instant::now();
    let answered = tokio::time::timeout(Duration::from_mins(5), async {
        tokio::join!(near.next(), far.next())
    });
    assert!(answered.await.is_err(), "both live");
    let end = near.next().await;
    assert!(matches!(end, Err(SocketError::Silent { .. })), "{end:?}");
    let after = begin.elapsed() - Duration::from_mins(5);
    assert!(after <= Duration::from_secs(36), "{after:?}");
}
