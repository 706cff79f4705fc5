//! The whole way of a request: browser, door, edge, load balancer, target.

use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use http::{Request, Response, StatusCode};
use hyper::body::Incoming;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::balancer::{AccessLogEntry, Node, Targets};
use super::edge::{Edge, EdgeListeners};
use crate::blueprint::balancer::{
    Action, Algorithm, Attributes, Condition, FixedResponse, HealthCheck, Listener,
    ListenerProtocol, LoadBalancer, Rule, TargetGroup, TargetGroupName, TargetId, TlsVersions,
    WeightedTargetGroup,
};
use crate::blueprint::distribution::{
    CacheBehavior, CachePolicy, Distribution, Origin, OriginId, OriginRequest, SecretText,
    ViewerDoor, ViewerProtocol,
};
use crate::blueprint::dns::{DnsView, RecordSet, Records, ZonedAddress};
use crate::dns::Resolver;
use crate::serve::{Body, Stopper, full, stop_pair};
use crate::tls::Authority;

const SITE: &str = "kickytime.example";
const ORIGIN: &str = "origin.kickytime.example";
/// Where the edge connects from: our stand-in for the origin-facing range.
const EDGE: [u8; 4] = [127, 0, 0, 33];

struct Chain {
    door: SocketAddr,
    balancer: SocketAddr,
    log: Arc<Mutex<Vec<AccessLogEntry>>>,
    authority: Arc<Authority>,
    _directory: tempfile::TempDir,
    _stopper: Stopper,
}

async fn bound() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

/// Everything from the door to `target`, which is reached under `/api/*`.
async fn chain<H, F>(target: H) -> Chain
where
    H: Fn(Request<Incoming>) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Response<Body>> + Send + 'static,
{
    let directory = tempfile::tempdir().unwrap();
    let authority = Arc::new(Authority::open(directory.path()).unwrap());
    let (stopper, stop) = stop_pair();

    let (socket, target_address) = bound().await;
    tokio::spawn(crate::serve::serve(
        socket,
        None,
        crate::serve::ServeOptions::default(),
        target,
        stop.clone(),
    ));

    let (socket, balancer_address) = bound().await;
    let balancer = balancer(balancer_address.port());
    let targets = Targets::new(&balancer);
    let id = TargetId {
        address: target_address.ip(),
        port: target_address.port(),
    };
    targets.register(&group(), id);
    let log = Arc::new(Mutex::new(Vec::new()));
    let entries = Arc::clone(&log);
    let sink = Arc::new(move |entry: &AccessLogEntry| entries.lock().unwrap().push(entry.clone()));
    let node = Node::new(Arc::new(balancer), targets, &authority, sink).unwrap();
    let node_stop = stop.clone();
    tokio::spawn(async move { node.run(vec![socket], node_stop).await });

    let (https, edge_address) = bound().await;
    let (http, _) = bound().await;
    let credentials = Arc::new(|| unreachable!("no origin here wants a signature"));
    let source = Some(IpAddr::from(EDGE));
    let distribution = distribution(balancer_address.port());
    let edge = Edge::new(distribution, &authority, resolver(), source, credentials).unwrap();
    let edge_stop = stop.clone();
    tokio::spawn(async move { edge.run(EdgeListeners { https, http }, edge_stop).await });

    let (socket, door) = bound().await;
    let config = ViewerDoor {
        site: SITE.into(),
        names: [(SITE.to_owned(), edge_address)].into(),
        rewritten_paths: [].into(),
    };
    tokio::spawn(super::viewer::run(
        config,
        socket,
        authority.client_config(),
        stop,
    ));
    Chain {
        door,
        balancer: balancer_address,
        log,
        authority,
        _directory: directory,
        _stopper: stopper,
    }
}

fn group() -> TargetGroupName {
    TargetGroupName("matches".into())
}

/// Takes `/api/*` only with the origin's secret.
fn balancer(port: u16) -> LoadBalancer {
    let forward = Action::Forward(vec![WeightedTargetGroup {
        group: group(),
        weight: 1,
    }]);
    let secret = Condition::HttpHeader {
        name: "X-Origin-Secret".into(),
        values: vec![SecretText("s3cret".into())],
    };
    let target_group = TargetGroup {
        arn: "arn".into(),
        port: 8080,
        algorithm: Algorithm::RoundRobin,
        deregistration_delay: Duration::from_secs(30),
        health_check: HealthCheck::default(),
    };
    let protocol = ListenerProtocol::Https {
        versions: TlsVersions::OneTwoAndThree,
        certificate_names: vec![ORIGIN.into()],
    };
    let refuse = FixedResponse {
        status: StatusCode::FORBIDDEN,
        content_type: None,
        body: "no secret".into(),
    };
    let listener = Listener {
        port,
        protocol,
        rules: vec![Rule {
            priority: 1,
            conditions: vec![Condition::PathPattern(vec!["/api/*".into()]), secret],
            action: forward,
        }],
        default_action: Action::FixedResponse(refuse),
    };
    LoadBalancer {
        arn_suffix: "app/kickytime/1".into(),
        listeners: vec![listener],
        target_groups: [(group(), target_group)].into(),
        attributes: Attributes::default(),
    }
}

fn distribution(port: u16) -> Distribution {
    let api = OriginId("api".into());
    let origin = Origin {
        domain_name: ORIGIN.into(),
        port,
        path: String::new(),
        custom_headers: vec![("X-Origin-Secret".into(), SecretText("s3cret".into()))],
        connect_timeout: Duration::from_secs(5),
        read_timeout: Duration::from_secs(30),
        keep_alive: Duration::from_secs(5),
        signing: None,
    };
    let methods = ["GET", "HEAD", "POST", "DELETE"];
    Distribution {
        domain_name: "d111111abcdef8.cloudfront.net".into(),
        aliases: vec![SITE.into()],
        versions: TlsVersions::OneTwoAndThree,
        http2: true,
        origins: [(api.clone(), origin)].into(),
        behaviors: Vec::new(),
        default_behavior: CacheBehavior {
            path_pattern: "*".into(),
            origin: api,
            viewer_protocol: ViewerProtocol::HttpsOnly,
            allowed_methods: methods.map(str::to_owned).into(),
            cache: CachePolicy::DISABLED,
            origin_request: OriginRequest::AllViewerExceptHost,
            response_headers: Vec::new(),
            viewer_request: None,
        },
        default_root_object: None,
        error_responses: [].into(),
        point_of_presence: "ICN57-P1".into(),
    }
}

fn resolver() -> Arc<Resolver> {
    let here = ZonedAddress {
        address: IpAddr::from([127, 0, 0, 1]),
        zone: None,
    };
    let set = RecordSet {
        ttl_s: 60,
        records: Records::Addresses(vec![here]),
    };
    Resolver::new(DnsView {
        records: [(ORIGIN.to_owned(), set)].into(),
        ..DnsView::default()
    })
}

fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nhost: localhost:8000\r\nconnection: close\r\n\r\n")
}

impl Chain {
    async fn ask(&self, request: &str) -> String {
        let mut stream = TcpStream::connect(self.door).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }
}

#[tokio::test]
async fn a_request_passes_every_hop_and_each_leaves_its_mark() {
    let chain = chain(async |request: Request<Incoming>| {
        let field = |name| {
            request
                .headers()
                .get(name)
                .map_or("-", |value| value.to_str().unwrap())
                .to_owned()
        };
        let marks = [
            "host",
            "x-forwarded-for",
            "x-forwarded-proto",
            "x-origin-secret",
        ]
        .map(field);
        let traced = field("x-amzn-trace-id").starts_with("Root=1-")
            && field("via").ends_with("(CloudFront)");
        let body = http_body_util::BodyExt::collect(request.into_body())
            .await
            .unwrap()
            .to_bytes();
        Response::new(full(format!("{} {traced} {}", marks.join(" "), body.len())))
    })
    .await;
    let body = "x".repeat(300_000);
    let post = format!(
        "POST /api/matches HTTP/1.1\r\nhost: localhost:8000\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    let answer = chain.ask(&post).await;
    assert!(
        answer.starts_with("HTTP/1.1 200 OK\r\n")
            && answer.contains("x-cache: Miss from cloudfront\r\n"),
        "{answer}"
    );
    let port = chain.balancer.port();
    let marks = format!("{ORIGIN}:{port} 127.0.0.1, 127.0.0.33 https s3cret true 300000");
    assert!(answer.ends_with(&marks), "{answer}");
    let entry = chain.log.lock().unwrap()[0].clone();
    assert_eq!(
        (entry.status, entry.received_bytes, entry.client.ip()),
        (200, 300_000, IpAddr::from(EDGE))
    );
}

#[tokio::test]
async fn the_load_balancer_refuses_who_comes_past_the_edge() {
    let chain = chain(async |_| Response::new(full("reached"))).await;
    let stream = TcpStream::connect(chain.balancer).await.unwrap();
    let name = rustls::pki_types::ServerName::try_from(ORIGIN).unwrap();
    let connector = tokio_rustls::TlsConnector::from(chain.authority.client_config());
    let mut stream = connector.connect(name, stream).await.unwrap();
    stream
        .write_all(get("/api/matches").as_bytes())
        .await
        .unwrap();
    let mut answer = Vec::new();
    let _unclean = stream.read_to_end(&mut answer).await;
    let answer = String::from_utf8(answer).unwrap();
    assert!(
        answer.starts_with("HTTP/1.1 403 Forbidden\r\n") && answer.ends_with("no secret"),
        "{answer}"
    );
    assert!(chain.ask(&get("/api/matches")).await.ends_with("reached"));
}

#[tokio::test]
async fn an_event_crosses_every_hop_at_once() {
    let (sender, receiver) = tokio::sync::mpsc::unbounded_channel::<Instant>();
    let receiver = Arc::new(tokio::sync::Mutex::new(Some(receiver)));
    let chain = chain(move |request: Request<Incoming>| {
        let receiver = Arc::clone(&receiver);
        async move {
            if request.uri().path() != "/api/events" {
                return Response::new(full("fine"));
            }
            let receiver = receiver.lock().await.take().unwrap();
            Response::new(http_body_util::BodyExt::boxed_unsync(Ticks(receiver)))
        }
    })
    .await;
    let mut stream = TcpStream::connect(chain.door).await.unwrap();
    stream
        .write_all(get("/api/events").as_bytes())
        .await
        .unwrap();
    let mut waits = Vec::new();
    for _ in 0..20 {
        sender.send(Instant::now()).unwrap();
        let begun = Instant::now();
        let mut seen = String::new();
        // the first piece comes with the head
        while !seen.contains("tick") {
            let mut piece = [0; 4096];
            let read = tokio::time::timeout(Duration::from_secs(5), stream.read(&mut piece)).await;
            seen.push_str(
                std::str::from_utf8(&piece[..read.expect("an event waits for nothing").unwrap()])
                    .unwrap(),
            );
        }
        waits.push(begun.elapsed());
    }
    waits.sort();
    // four hops on a busy machine; a buffer on the way would hold it for ever
    let median = waits[waits.len() / 2];
    assert!(median < Duration::from_millis(250), "{waits:?}");
}

/// A body of one line for each moment that comes through the channel.
struct Ticks(tokio::sync::mpsc::UnboundedReceiver<Instant>);

impl hyper::body::Body for Ticks {
    type Data = bytes::Bytes;
    type Error = crate::serve::BodyError;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        context: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<hyper::body::Frame<bytes::Bytes>, crate::serve::BodyError>>>
    {
        let frame = |_| {
            Ok(hyper::body::Frame::data(bytes::Bytes::from_static(
                b"data: tick\n\n",
            )))
        };
        self.0.poll_recv(context).map(|tick| tick.map(frame))
    }
}

#[tokio::test]
async fn a_target_that_dies_is_502_at_the_door_with_the_load_balancers_page() {
    let chain = chain(async |_| -> Response<Body> {
        Response::new(http_body_util::BodyExt::boxed_unsync(Broken))
    })
    .await;
    let answer = chain.ask(&get("/api/matches")).await;
    assert!(
        answer.starts_with("HTTP/1.1 502 Bad Gateway\r\n"),
        "{answer}"
    );
    assert!(
        answer.contains("server: awselb/2.0\r\n")
            && answer.contains("x-cache: Error from cloudfront\r\n"),
        "{answer}"
    );
}

/// A body that breaks off before anything of it, or the head, has gone out.
struct Broken;

impl hyper::body::Body for Broken {
    type Data = bytes::Bytes;
    type Error = crate::serve::BodyError;

    fn poll_frame(
        self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<hyper::body::Frame<bytes::Bytes>, crate::serve::BodyError>>>
    {
        std::task::Poll::Ready(Some(Err("gone".into())))
    }
}
