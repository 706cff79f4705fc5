//! A pool against servers of known habits.

use std::sync::atomic::{AtomicUsize, Ordering};

use http::{Method, StatusCode, header};
use http_body_util::BodyExt;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::*;
use crate::serve::{collect, empty, full};

fn request(method: Method, body: Body) -> Request<Body> {
    Request::builder()
        .method(method)
        .uri("/")
        .header(header::HOST, "a")
        .body(body)
        .unwrap()
}

fn get() -> Request<Body> {
    request(Method::GET, empty())
}

async fn text(response: Response<Body>) -> String {
    String::from_utf8(
        collect(response.into_body(), 1 << 20)
            .await
            .unwrap()
            .to_vec(),
    )
    .unwrap()
}

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

/// A server that treats each connection as `talk` says, and how many there were.
async fn server<T, F>(talk: T) -> (Endpoint, Arc<AtomicUsize>)
where
    T: Fn(usize, TcpStream) -> F + Send + 'static,
    F: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = Endpoint::plain(listener.local_addr().unwrap());
    let count = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&count);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(talk(counted.fetch_add(1, Ordering::Relaxed), stream));
        }
    });
    (endpoint, count)
}

/// Reads one request head; false when the client has gone.
async fn head(stream: &mut TcpStream) -> bool {
    let mut seen = Vec::new();
    while !seen.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => seen.push(byte),
            Err(_) => return false,
        }
    }
    true
}

/// Answers every request of a connection.
async fn obliging(_: usize, mut stream: TcpStream) {
    while head(&mut stream).await {
        stream.write_all(OK.as_bytes()).await.unwrap();
    }
}

#[tokio::test]
async fn a_connection_comes_back_when_the_body_has_ended() {
    let (endpoint, connections) = server(obliging).await;
    let pool = Pool::new(PoolOptions::default(), None);
    let unread = pool.send(&endpoint, get()).await.unwrap();
    assert_eq!(pool.idle_connections(), 0, "the body is still to be read");
    assert_eq!(text(unread).await, "ok");
    assert_eq!(pool.idle_connections(), 1);
    for _ in 0..3 {
        assert_eq!(text(pool.send(&endpoint, get()).await.unwrap()).await, "ok");
    }
    assert_eq!(connections.load(Ordering::Relaxed), 1);
    drop(pool.send(&endpoint, get()).await.unwrap());
    assert_eq!(
        pool.idle_connections(),
        0,
        "a body nobody reads takes its connection with it"
    );
}

#[tokio::test]
async fn a_kept_connection_that_was_closed_costs_nothing() {
    // the first connection answers once and closes when the next request comes
    let (endpoint, connections) = server(async |number, mut stream: TcpStream| {
        if number > 0 {
            return obliging(number, stream).await;
        }
        head(&mut stream).await;
        stream.write_all(OK.as_bytes()).await.unwrap();
        head(&mut stream).await;
    })
    .await;
    let pool = Pool::new(PoolOptions::default(), None);
    assert_eq!(text(pool.send(&endpoint, get()).await.unwrap()).await, "ok");
    assert_eq!(text(pool.send(&endpoint, get()).await.unwrap()).await, "ok");
    assert_eq!(connections.load(Ordering::Relaxed), 2);
}

#[tokio::test]
async fn what_may_have_been_done_is_not_sent_twice() {
    let (endpoint, connections) = server(async |_, mut stream: TcpStream| {
        head(&mut stream).await;
        stream.write_all(OK.as_bytes()).await.unwrap();
        head(&mut stream).await;
    })
    .await;
    let pool = Pool::new(PoolOptions::default(), None);
    assert_eq!(text(pool.send(&endpoint, get()).await.unwrap()).await, "ok");
    let refused = pool
        .send(&endpoint, request(Method::POST, full("join")))
        .await;
    assert!(
        matches!(refused, Err(UpstreamError::Response { .. })),
        "{refused:?}"
    );
    assert_eq!(connections.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn a_fresh_connection_that_fails_is_not_tried_again() {
    let (endpoint, connections) = server(async |_, mut stream: TcpStream| {
        head(&mut stream).await;
    })
    .await;
    let failed = Pool::new(PoolOptions::default(), None)
        .send(&endpoint, get())
        .await;
    assert!(
        matches!(failed, Err(UpstreamError::Response { .. })),
        "{failed:?}"
    );
    assert_eq!(connections.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn silence_ends_an_exchange_before_and_within_the_body() {
    let options = PoolOptions {
        silence_timeout: Duration::from_millis(100),
        ..PoolOptions::default()
    };
    let (mute, _) = server(
        async |_, mut stream: TcpStream| {
            while head(&mut stream).await {}
        },
    )
    .await;
    let pool = Pool::new(options, None);
    let late = pool.send(&mute, get()).await;
    assert!(
        matches!(late, Err(UpstreamError::ResponseTimeout { .. })),
        "{late:?}"
    );
    let (stuck, _) = server(async |_, mut stream: TcpStream| {
        head(&mut stream).await;
        stream
            .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhal")
            .await
            .unwrap();
        head(&mut stream).await;
    })
    .await;
    let response = pool.send(&stuck, get()).await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    let broken = response.into_body().collect().await.unwrap_err();
    assert!(broken.to_string().contains("no data for 100ms"), "{broken}");
    assert_eq!(pool.idle_connections(), 0);
}

#[tokio::test]
async fn unused_connections_are_bounded_in_number_and_time() {
    let (endpoint, _) = server(obliging).await;
    let options = PoolOptions {
        max_idle_per_endpoint: 2,
        keep_alive: Duration::from_millis(500),
        ..PoolOptions::default()
    };
    let pool = Pool::new(options, None);
    let mut responses = Vec::new();
    for _ in 0..4 {
        responses.push(pool.send(&endpoint, get()).await.unwrap());
    }
    for response in responses {
        text(response).await;
    }
    assert_eq!(pool.idle_connections(), 2);
    // the newest is used again and again, and the other one grows old
    let aged = async {
        while pool.idle_connections() > 1 {
            assert_eq!(text(pool.send(&endpoint, get()).await.unwrap()).await, "ok");
        }
    };
    tokio::time::timeout(Duration::from_secs(10), aged)
        .await
        .unwrap();
}

#[tokio::test]
async fn a_source_address_is_kept_to() {
    let (seen, mut from) = tokio::sync::mpsc::unbounded_channel();
    let (endpoint, _) = server(move |number, stream: TcpStream| {
        seen.send(stream.peer_addr().unwrap().ip()).unwrap();
        obliging(number, stream)
    })
    .await;
    let source = IpAddr::from([127, 0, 0, 9]);
    let pool = Pool::new(
        PoolOptions {
            source: Some(source),
            ..PoolOptions::default()
        },
        None,
    );
    text(pool.send(&endpoint, get()).await.unwrap()).await;
    assert_eq!(from.recv().await, Some(source));
}
