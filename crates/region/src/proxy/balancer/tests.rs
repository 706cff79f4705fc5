//! A node on real sockets: 127.0.0.1 in front, 127.0.0.1 behind.

mod bed;

use std::time::{Duration, Instant};

use bed::{Bed, get, serve_target};
use http::header;
use http_body_util::BodyExt;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::*;
use crate::serve::full;

/// Answers with the request as it arrived: first line, then fields, sorted.
async fn echo(request: Request<Incoming>) -> Response<Body> {
    let mut lines: Vec<String> = request
        .headers()
        .iter()
        .map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()))
        .collect();
    lines.sort();
    let head = format!(
        "{} {} {:?}\n",
        request.method(),
        request.uri(),
        request.version()
    );
    let body = request
        .into_body()
        .collect()
        .await
        .map(|body| body.to_bytes())
        .unwrap_or_default();
    Response::new(full(
        head + &lines.join("\n") + "\n\n" + &String::from_utf8_lossy(&body),
    ))
}

#[tokio::test]
async fn a_target_sees_where_a_request_came_from() {
    let bed = Bed::start(serve_target(echo).await, |_| {}).await;
    let response = bed.plain("POST /api/matches?a=b HTTP/1.1\r\nhost: Kickytime.Example\r\ncookie: a=b\r\ncookie: c=d\r\nx-forwarded-for: 192.0.2.1\r\nx-amzn-trace-id: Root=1-1-1\r\nconnection: close, x-hop\r\nx-hop: 1\r\nkeep-alive: 5\r\nx_odd: 1\r\nte: trailers\r\ncontent-length: 4\r\n\r\nbody").await;
    assert!(response.starts_with("HTTP/1.1 200 OK\r\n"), "{response}");
    let (_, arrived) = response.split_once("\r\n\r\n").unwrap();
    let arrived = arrived.replace(&bed.port().to_string(), "PORT");
    let arrived = with_known_trace(&arrived);
    insta::assert_snapshot!(arrived, @r"
    POST /api/matches?a=b HTTP/1.1
    content-length: 4
    cookie: a=b; c=d
    host: Kickytime.Example:PORT
    x-amzn-trace-id: Self=1-*;Root=1-1-1
    x-forwarded-for: 192.0.2.1, 127.0.0.1
    x-forwarded-port: PORT
    x-forwarded-proto: http
    x_odd: 1

    body
    ");
}

/// `Self=1-…;` without its changing part.
fn with_known_trace(text: &str) -> String {
    let Some((before, rest)) = text.split_once("Self=1-") else {
        return text.to_owned();
    };
    let (_, after) = rest.split_once(';').unwrap();
    format!("{before}Self=1-*;{after}")
}

#[tokio::test]
async fn invalid_fields_are_dropped_when_asked_for() {
    let bed = Bed::start(serve_target(echo).await, |balancer| {
        balancer.attributes.drop_invalid_header_fields = true;
    })
    .await;
    let response = bed
        .plain(&get("/api/matches", "x_odd: 1\r\nx-even: 2\r\n"))
        .await;
    assert!(
        response.contains("x-even: 2") && !response.contains("x_odd"),
        "{response}"
    );
}

#[tokio::test]
async fn rules_answer_by_themselves() {
    let bed = Bed::start(serve_target(echo).await, |_| {}).await;
    let redirected = bed.plain(&get("/old/page?q=1", "")).await;
    assert!(
        redirected.starts_with("HTTP/1.1 301 Moved Permanently\r\n"),
        "{redirected}"
    );
    assert!(
        redirected.contains("location: https://kickytime.example:443/old/page?q=1\r\n"),
        "{redirected}"
    );
    let fixed = bed.plain(&get("/nowhere", "")).await;
    assert!(
        fixed.starts_with("HTTP/1.1 404 Not Found\r\n") && fixed.ends_with("no such place"),
        "{fixed}"
    );
    assert!(fixed.contains("server: awselb/2.0\r\n"), "{fixed}");
    assert!(
        bed.plain("GET /api/matches HTTP/1.1\r\nconnection: close\r\n\r\n")
            .await
            .starts_with("HTTP/1.1 400 ")
    );
    assert!(
        bed.plain(&get("/api/matches", "").replace("GET", "TRACE"))
            .await
            .starts_with("HTTP/1.1 405 ")
    );
    let many = format!("x-forwarded-for: {}\r\n", vec!["192.0.2.1"; 31].join(","));
    assert!(
        bed.plain(&get("/api/matches", &many))
            .await
            .starts_with("HTTP/1.1 463 ")
    );
    let log = bed.log();
    assert_eq!(
        log[0].redirect_url.as_deref(),
        Some("https://kickytime.example:443/old/page?q=1")
    );
    assert_eq!(
        (log[1].action, log[1].status, log[1].rule_priority),
        (Some("fixed-response"), 404, None)
    );
    assert_eq!(
        log.iter().map(|entry| entry.status).collect::<Vec<_>>(),
        [301, 404, 400, 405, 463]
    );
}

#[tokio::test]
async fn no_target_is_503_a_dead_one_502_a_silent_one_504() {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let silent_address = silent.local_addr().unwrap();
    let bed = Bed::start(silent_address, |balancer| {
        balancer.attributes.idle_timeout = Duration::from_millis(200);
    })
    .await;
    let begun = Instant::now();
    let late = bed.plain(&get("/api/matches", "")).await;
    assert!(
        late.starts_with("HTTP/1.1 504 Gateway Timeout\r\n"),
        "{late}"
    );
    assert!(
        late.contains("server: awselb/2.0") && late.contains("<h1>504 Gateway Time-out</h1>"),
        "{late}"
    );
    assert!(begun.elapsed() >= Duration::from_millis(200));

    drop(silent);
    let dead = bed.plain(&get("/api/matches", "")).await;
    assert!(dead.starts_with("HTTP/1.1 502 Bad Gateway\r\n"), "{dead}");

    bed.deregister(silent_address);
    let none = bed.plain(&get("/api/matches", "")).await;
    assert!(
        none.starts_with("HTTP/1.1 503 Service Unavailable\r\n"),
        "{none}"
    );
    assert!(
        none.contains("<h1>503 Service Temporarily Unavailable</h1>"),
        "{none}"
    );
    let statuses: Vec<_> = bed
        .log()
        .iter()
        .map(|entry| (entry.status, entry.target_status))
        .collect();
    assert_eq!(statuses, [(504, None), (502, None), (503, None)]);
}

#[tokio::test]
async fn what_is_not_http_is_502() {
    let rude = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = rude.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = rude.accept().await {
            let _sent = stream.write_all(b"220 smtp ready\r\n").await;
        }
    });
    let bed = Bed::start(address, |_| {}).await;
    assert!(
        bed.plain(&get("/api/matches", ""))
            .await
            .starts_with("HTTP/1.1 502 ")
    );
}

#[tokio::test]
async fn http2_over_tls_in_front_http1_behind() {
    let bed = Bed::start(serve_target(echo).await, |_| {}).await;
    let (status, body) = bed.http2("/api/matches", "kickytime.example").await;
    assert_eq!(status, 200);
    assert!(body.starts_with("GET /api/matches HTTP/1.1\n"), "{body}");
    assert!(body.contains("host: kickytime.example:"), "{body}");
    assert!(body.contains("x-forwarded-proto: https"), "{body}");
    let entry = bed.log().remove(0);
    assert_eq!((entry.kind, entry.tls_protocol), ("h2", Some("TLSv1.3")));
    assert_eq!(entry.domain_name.as_deref(), Some("kickytime.example"));
    assert_eq!(entry.sent_bytes, body.len() as u64);
}

#[tokio::test]
async fn events_flow_as_they_come() {
    let (sender, receiver) = tokio::sync::mpsc::unbounded_channel::<&'static str>();
    let receiver = Arc::new(tokio::sync::Mutex::new(receiver));
    let target = serve_target(move |request: Request<Incoming>| {
        let events = bed::Events::body(Arc::clone(&receiver));
        let health_check = request.uri().path() == "/health";
        async move { Response::new(if health_check { full("fine") } else { events }) }
    })
    .await;
    let bed = Bed::start(target, |_| {}).await;
    let mut stream = TcpStream::connect(bed.address()).await.unwrap();
    stream
        .write_all(get("/api/matches/events", "").as_bytes())
        .await
        .unwrap();
    let mut seen = String::new();
    for event in ["data: one\n\n", "data: two\n\n"] {
        sender.send(event).unwrap();
        let arrived = tokio::time::timeout(Duration::from_secs(2), async {
            while !seen.contains(event) {
                let mut piece = [0; 1024];
                let read = stream.read(&mut piece).await.unwrap();
                seen.push_str(std::str::from_utf8(&piece[..read]).unwrap());
            }
        });
        arrived.await.expect("an event must not wait for the next");
    }
}

#[tokio::test]
async fn a_stream_ends_when_its_targets_deregistration_delay_is_over() {
    let (sender, receiver) = tokio::sync::mpsc::unbounded_channel::<&'static str>();
    let receiver = Arc::new(tokio::sync::Mutex::new(receiver));
    let target = serve_target(move |request: Request<Incoming>| {
        let events = bed::Events::body(Arc::clone(&receiver));
        let health_check = request.uri().path() == "/health";
        async move { Response::new(if health_check { full("fine") } else { events }) }
    })
    .await;
    let bed = Bed::start(target, |balancer| {
        for group in balancer.target_groups.values_mut() {
            group.deregistration_delay = Duration::from_millis(200);
        }
    })
    .await;
    sender.send("data: first\n\n").unwrap();
    let begun = Instant::now();
    let request = get("/api/matches/events", "");
    let reading = bed.plain(&request);
    let leaving = async {
        bed.until(|bed| bed.in_flight(target) == 1).await;
        bed.deregister(target);
    };
    let (answer, ()) = tokio::join!(reading, leaving);
    assert!(
        answer.contains("data: first") && !answer.ends_with("0\r\n\r\n"),
        "{answer}"
    );
    assert!(begun.elapsed() >= Duration::from_millis(200));
    bed.until(|bed| bed.in_flight(target) == 0).await;
}

#[tokio::test]
async fn a_client_that_leaves_is_logged_as_460() {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let bed = Bed::start(silent.local_addr().unwrap(), |_| {}).await;
    let mut stream = TcpStream::connect(bed.address()).await.unwrap();
    stream
        .write_all(get("/api/matches", "").as_bytes())
        .await
        .unwrap();
    // the health check and the request both end here; wait for the request
    let _first = silent.accept().await.unwrap();
    let _second = silent.accept().await.unwrap();
    drop(stream);
    bed.until(|bed| !bed.log().is_empty()).await;
    assert_eq!(bed.log()[0].status, 460);
}

#[tokio::test]
async fn targets_become_healthy_and_unhealthy() {
    let ill = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let there = Arc::clone(&ill);
    let address = serve_target(move |request: Request<Incoming>| {
        let ill = there.load(Ordering::Relaxed);
        async move {
            let agent = request
                .headers()
                .get(header::USER_AGENT)
                .map(|agent| agent.to_str().unwrap());
            assert_eq!(
                (request.uri().path(), agent),
                ("/health", Some("ELB-HealthChecker/2.0"))
            );
            let mut response = Response::new(full("health"));
            if ill {
                *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
            }
            response
        }
    })
    .await;
    let bed = Bed::start(address, |_| {}).await;
    bed.until(|bed| bed.health() == [Health::Healthy]).await;
    ill.store(true, Ordering::Relaxed);
    bed.until(|bed| bed.health() == [Health::Unhealthy(Reason::ResponseCodeMismatch)])
        .await;
    ill.store(false, Ordering::Relaxed);
    bed.until(|bed| bed.health() == [Health::Healthy]).await;
}

#[tokio::test]
async fn a_websocket_is_passed_through() {
    let target = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = target.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = target.accept().await {
            tokio::spawn(async move {
                let mut head = [0; 4096];
                let read = stream.read(&mut head).await.unwrap();
                let head = String::from_utf8_lossy(&head[..read]).to_ascii_lowercase();
                if head.contains("upgrade: websocket") && head.contains("connection: upgrade") {
                    stream.write_all(b"HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\nhello").await.unwrap();
                    let mut said = [0; 4];
                    stream.read_exact(&mut said).await.unwrap();
                    stream.write_all(&said).await.unwrap();
                }
            });
        }
    });
    let bed = Bed::start(address, |_| {}).await;
    let ask = "GET /api/matches/live HTTP/1.1\r\nhost: kickytime.example\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\r\nping";
    let answer = bed.plain(ask).await;
    assert!(
        answer.starts_with("HTTP/1.1 101 Switching Protocols\r\n"),
        "{answer}"
    );
    assert!(answer.ends_with("\r\n\r\nhelloping"), "{answer}");
}

#[tokio::test]
async fn weights_are_shares() {
    let first = serve_target(async |_| Response::new(full("first"))).await;
    let second = serve_target(async |_| Response::new(full("second"))).await;
    let other = TargetGroupName("other".into());
    let there = other.clone();
    let bed = Bed::start(first, move |balancer| {
        let group = balancer.target_groups.values().next().unwrap().clone();
        balancer.target_groups.insert(there.clone(), group);
        let shares = [(bed::group(), 3), (there, 1)];
        let shares = shares.map(|(group, weight)| WeightedTargetGroup { group, weight });
        balancer.listeners[0].default_action = Action::Forward(shares.into());
    })
    .await;
    bed.register(&other, second);
    let mut firsts = 0;
    for _ in 0..8 {
        firsts += usize::from(bed.plain(&get("/shared", "")).await.ends_with("first"));
    }
    assert_eq!(firsts, 6);
}

/// What a target gets when bytes that servers read differently are sent on one connection.
async fn smuggled(mode: DesyncMitigation, request: &str) -> (String, usize) {
    let requests = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let there = Arc::clone(&requests);
    let target = serve_target(move |request: Request<Incoming>| {
        there.fetch_add(
            usize::from(request.uri().path() != "/health"),
            Ordering::Relaxed,
        );
        echo(request)
    })
    .await;
    let bed = Bed::start(target, |balancer| {
        balancer.attributes.desync_mitigation = mode;
        balancer.attributes.idle_timeout = Duration::from_millis(500);
    })
    .await;
    let mut stream = TcpStream::connect(bed.address()).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    let _reset = stream.read_to_end(&mut answer).await;
    (
        String::from_utf8(answer).unwrap(),
        requests.load(Ordering::Relaxed),
    )
}

#[tokio::test]
async fn no_second_request_is_smuggled_to_a_target() {
    let head = "POST /api/matches HTTP/1.1\r\nhost: a\r\n";
    let hidden = "0\r\n\r\nGET /api/matches/hidden HTTP/1.1\r\nx: y";
    let both = format!(
        "{head}content-length: {}\r\ntransfer-encoding: chunked\r\n\r\n{hidden}",
        hidden.len()
    );
    let (answer, requests) = smuggled(DesyncMitigation::Defensive, &both).await;
    assert_eq!(
        requests, 1,
        "the length is taken out, the rest is no request: {answer}"
    );
    assert!(
        !answer.contains("content-length: 49\n") && !answer.contains("/hidden"),
        "{answer}"
    );
    for framing in [
        "content-length: 3\r\ncontent-length: 4",
        "content-length: +3",
        "content-length : 3",
        "transfer-encoding: xchunked",
        "transfer-encoding : chunked",
        "transfer-encoding: chunked, identity",
    ] {
        let (answer, requests) = smuggled(
            DesyncMitigation::Monitor,
            &format!("{head}{framing}\r\n\r\nabcd"),
        )
        .await;
        assert!(
            answer.starts_with("HTTP/1.1 400 ") && requests == 0,
            "{framing}: {answer}"
        );
    }
}

#[tokio::test]
async fn ambiguous_requests_end_their_connection_or_are_refused() {
    let twice = "GET /api/matches HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\n\r\nabc".repeat(2);
    let seen = async |mode| {
        let (answer, requests) = smuggled(mode, &twice).await;
        (
            answer.matches("HTTP/1.1 200 ").count(),
            answer.matches("HTTP/1.1 400 ").count(),
            requests,
        )
    };
    assert_eq!(seen(DesyncMitigation::Monitor).await, (2, 0, 2));
    assert_eq!(seen(DesyncMitigation::Defensive).await, (1, 0, 1));
    let (ok, refused, requests) = seen(DesyncMitigation::Strictest).await;
    assert!(
        ok == 0 && refused >= 1 && requests == 0,
        "{ok} {refused} {requests}"
    );
}

#[tokio::test]
async fn a_client_silent_in_its_body_gets_408_not_504() {
    let bed = Bed::start(serve_target(echo).await, |balancer| {
        balancer.attributes.idle_timeout = Duration::from_millis(200);
    })
    .await;
    let half = "POST /api/matches HTTP/1.1\r\nhost: a\r\ncontent-length: 10\r\n\r\nhalf";
    let answer = bed.plain(half).await;
    assert!(
        answer.starts_with("HTTP/1.1 408 Request Timeout\r\n"),
        "{answer}"
    );
}

#[tokio::test]
async fn answers_without_bodies_keep_their_length_fields() {
    let target = serve_target(async |request: Request<Incoming>| {
        let mut response = Response::new(serve::empty());
        if request.headers().contains_key("if-none-match") {
            *response.status_mut() = StatusCode::NOT_MODIFIED;
        }
        response.headers_mut().insert("content-length", 7.into());
        response
    })
    .await;
    let bed = Bed::start(target, |_| {}).await;
    let head = bed
        .plain(&get("/api/matches", "").replace("GET", "HEAD"))
        .await;
    assert!(
        head.starts_with("HTTP/1.1 200 ") && head.contains("content-length: 7\r\n"),
        "{head}"
    );
    let known = bed
        .plain(&get("/api/matches", "if-none-match: x\r\n"))
        .await;
    assert!(
        known.starts_with("HTTP/1.1 304 ") && known.ends_with("\r\n\r\n"),
        "{known}"
    );
}
