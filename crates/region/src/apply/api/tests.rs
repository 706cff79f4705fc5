use emulator::{Seed, SystemClock};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::*;
use crate::serve::stop_pair;

const UPGRADE: &str = "connection: Upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n\
                       sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n";

/// The door on a free port.
async fn door() -> (
    std::net::SocketAddr,
    serve::Stopper,
    tokio::task::JoinHandle<()>,
) {
    let directory = tempfile::tempdir().unwrap();
    let seed = Seed::empty("000000000000", "ap-northeast-2");
    let api = Api {
        emulator: Arc::new(Emulator::open(seed, None, Arc::new(SystemClock)).unwrap()),
        authority: Arc::new(Authority::open(directory.path()).unwrap()),
        board: Board::new(Arc::new(|_| {})),
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stopper, stop) = stop_pair();
    let serving = tokio::spawn(api.serve_door(listener, stop));
    (address, stopper, serving)
}

/// Sends a request for a data channel and reads the head of the answer.
async fn ask(address: std::net::SocketAddr, headers: &str) -> (TcpStream, String) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!("GET /v1/data-channel/operator-x HTTP/1.1\r\n{headers}{UPGRADE}\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    (stream, String::from_utf8(head).unwrap())
}

#[tokio::test]
async fn websockets_pass_the_door_but_not_for_pages_nor_by_other_names() {
    let (address, _stopper, _serving) = door().await;
    let (mut stream, head) = ask(address, "host: localhost:4566\r\n").await;
    assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
    assert!(
        head.contains("sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo="),
        "{head}"
    );
    // a text frame that is no opening: closed with 1003
    stream.write_all(b"\x81\x82\0\0\0\0{}").await.unwrap();
    let mut frame = [0; 4];
    stream.read_exact(&mut frame).await.unwrap();
    assert_eq!((frame[0], &frame[2..]), (0x88, &1003_u16.to_be_bytes()[..]));

    let page = "host: localhost:4566\r\norigin: http://evil.example\r\n";
    let (_, head) = ask(address, page).await;
    assert!(head.starts_with("HTTP/1.1 403 "), "{head}");
    let rebound = "host: evil.example\r\n";
    let (_, head) = ask(address, rebound).await;
    assert!(head.starts_with("HTTP/1.1 421 "), "{head}");
}

#[tokio::test]
async fn a_stop_ends_channels_that_are_open() {
    let (address, stopper, serving) = door().await;
    let (mut stream, head) = ask(address, "host: 127.0.0.1:4566\r\n").await;
    assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
    stopper.stop();
    let ended = tokio::time::timeout(Duration::from_secs(5), serving);
    ended.await.unwrap().unwrap();
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).await.unwrap();
}
