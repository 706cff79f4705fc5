use std::time::Instant;

use bytes::Bytes;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::Notify;

use super::*;

/// A server on a free port; dropping the stopper ends it.
async fn server<H, F>(
    options: ServeOptions,
    handler: H,
) -> (SocketAddr, Stopper, tokio::task::JoinHandle<()>)
where
    H: Fn(Request<Incoming>) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Response<Body>> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stopper, stop) = stop_pair();
    let serving = tokio::spawn(serve(listener, None, options, handler, stop));
    (address, stopper, serving)
}

/// Sends `request` as it is and reads to the end of the connection.
async fn raw(address: SocketAddr, request: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    let _reset = stream.read_to_end(&mut answer).await;
    String::from_utf8(answer).unwrap()
}

const GET: &str = "GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";

#[tokio::test]
async fn a_request_carries_its_peer() {
    let handler = async |request: Request<Incoming>| {
        let peer = request.extensions().get::<Arc<Peer>>().unwrap();
        Response::new(full(format!("{} {:?}", peer.address.ip(), peer.tls)))
    };
    let (address, _stopper, _) = server(ServeOptions::default(), handler).await;
    assert!(raw(address, GET).await.ends_with("127.0.0.1 None"));
}

#[tokio::test]
async fn a_panic_answers_500_and_the_next_request_is_served() {
    let handler = async |request: Request<Incoming>| {
        assert_ne!(request.uri().path(), "/panic", "as the test wants it");
        Response::new(full("fine"))
    };
    let (address, _stopper, _) = server(ServeOptions::default(), handler).await;
    let both = "GET /panic HTTP/1.1\r\nhost: a\r\n\r\n".to_owned() + GET;
    let answer = raw(address, &both).await;
    assert!(answer.starts_with("HTTP/1.1 500 "), "{answer}");
    assert!(
        answer.ends_with("fine"),
        "the same connection goes on: {answer}"
    );
}

#[tokio::test]
async fn a_slow_client_is_cut_off() {
    let options = ServeOptions {
        idle_timeout: Duration::from_millis(100),
        ..ServeOptions::default()
    };
    let (address, _stopper, _) = server(options, async |_| Response::new(empty())).await;
    let begun = Instant::now();
    let answer = raw(address, "GET / HTTP/1.1\r\nhost:").await;
    assert!(!answer.contains("200"), "{answer}");
    assert!(
        begun.elapsed() < Duration::from_secs(5),
        "{:?}",
        begun.elapsed()
    );
}

#[tokio::test]
async fn a_stop_lets_requests_in_flight_finish_and_takes_no_new_ones() {
    let (arrived, go_on) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (arrived_there, go_on_there) = (Arc::clone(&arrived), Arc::clone(&go_on));
    let handler = move |_: Request<Incoming>| {
        let (arrived, go_on) = (Arc::clone(&arrived_there), Arc::clone(&go_on_there));
        async move {
            arrived.notify_one();
            go_on.notified().await;
            Response::new(full("finished"))
        }
    };
    let (address, stopper, serving) = server(ServeOptions::default(), handler).await;
    let asking =
        tokio::spawn(async move { raw(address, "GET / HTTP/1.1\r\nhost: a\r\n\r\n").await });
    arrived.notified().await;
    stopper.stop();
    // the listener goes as soon as the stop is heard
    tokio::time::timeout(Duration::from_secs(5), async {
        while TcpStream::connect(address).await.is_ok() {
            tokio::task::yield_now().await;
        }
    })
    .await
    .unwrap();
    assert!(!serving.is_finished());
    go_on.notify_one();
    assert!(asking.await.unwrap().ends_with("finished"));
    serving.await.unwrap();
}

#[tokio::test]
async fn a_stop_does_not_wait_for_ever() {
    let options = ServeOptions {
        drain_timeout: Duration::from_millis(50),
        ..ServeOptions::default()
    };
    let arrived = Arc::new(Notify::new());
    let there = Arc::clone(&arrived);
    let handler = move |_: Request<Incoming>| {
        there.notify_one();
        std::future::pending::<Response<Body>>()
    };
    let (address, stopper, serving) = server(options, handler).await;
    let asking = tokio::spawn(async move { raw(address, GET).await });
    arrived.notified().await;
    stopper.stop();
    tokio::time::timeout(Duration::from_secs(5), serving)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(asking.await.unwrap(), "");
}

#[tokio::test]
async fn connections_beyond_the_limit_wait() {
    let options = ServeOptions {
        max_connections: 1,
        ..ServeOptions::default()
    };
    let (address, _stopper, _) = server(options, async |_| Response::new(full("served"))).await;
    let mut first = TcpStream::connect(address).await.unwrap();
    first
        .write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n")
        .await
        .unwrap();
    let mut head = [0; 15];
    first.read_exact(&mut head).await.unwrap();
    let waiting = raw(address, GET);
    tokio::pin!(waiting);
    let early = tokio::time::timeout(Duration::from_millis(100), waiting.as_mut()).await;
    assert!(early.is_err(), "served beside the first: {early:?}");
    drop(first);
    assert!(waiting.await.ends_with("served"));
}

#[tokio::test]
async fn whole_bodies_are_bounded() {
    let handler = whole_body(4, async |request: Request<Bytes>| {
        Response::new(request.into_body())
    });
    let (address, _stopper, _) = server(ServeOptions::default(), handler).await;
    let post = |body: &str| {
        format!(
            "POST / HTTP/1.1\r\nhost: a\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        )
    };
    assert!(raw(address, &post("four")).await.ends_with("\r\n\r\nfour"));
    assert!(
        raw(address, &post("five5"))
            .await
            .starts_with("HTTP/1.1 413 ")
    );
    let chunked = "POST / HTTP/1.1\r\nhost: a\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n3\r\ndef\r\n0\r\n\r\n";
    assert!(
        raw(address, chunked).await.starts_with("HTTP/1.1 413 "),
        "no length to go by"
    );
}
