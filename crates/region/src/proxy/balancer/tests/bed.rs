//! A load balancer node with one target, and clients for it.

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::Frame;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::ServerName;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio_rustls::TlsConnector;

use super::*;
use crate::blueprint::balancer::{
    Algorithm, Attributes, Condition, FixedResponse, HealthCheck, Listener, Redirect, Rule,
    TargetGroup, TargetId, TlsVersions,
};
use crate::serve::{BodyError, Stopper, stop_pair};

pub(super) struct Bed {
    addresses: Vec<SocketAddr>,
    targets: Arc<Targets>,
    authority: Arc<Authority>,
    log: Arc<Mutex<Vec<AccessLogEntry>>>,
    _directory: tempfile::TempDir,
    _stopper: Stopper,
}

pub(super) fn group() -> TargetGroupName {
    TargetGroupName("matches".into())
}

/// A target on a free port, until the test ends.
pub(super) async fn serve_target<H, F>(handler: H) -> SocketAddr
where
    H: Fn(Request<Incoming>) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Response<Body>> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        // kept here: dropping it would stop the server
        let (_stopper, stop) = stop_pair();
        serve::serve(listener, None, ServeOptions::default(), handler, stop).await;
    });
    address
}

/// A request that ends its connection, with more fields if wanted.
pub(super) fn get(path: &str, fields: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nhost: kickytime.example\r\nconnection: close\r\n{fields}\r\n")
}

impl Bed {
    /// Listeners: plain and HTTPS, with the same rules.
    pub(super) async fn start(target: SocketAddr, change: impl FnOnce(&mut LoadBalancer)) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let authority = Arc::new(Authority::open(directory.path()).unwrap());
        let mut balancer = balancer();
        change(&mut balancer);
        let mut sockets = Vec::new();
        for listener in &mut balancer.listeners {
            let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
            listener.port = socket.local_addr().unwrap().port();
            sockets.push(socket);
        }
        let addresses = sockets
            .iter()
            .map(|socket| socket.local_addr().unwrap())
            .collect();
        let targets = Targets::new(&balancer);
        targets.register(&group(), id(target));
        let log = Arc::new(Mutex::new(Vec::new()));
        let entries = Arc::clone(&log);
        let sink: AccessLog = Arc::new(move |entry| entries.lock().unwrap().push(entry.clone()));
        let node = Node::new(Arc::new(balancer), Arc::clone(&targets), &authority, sink).unwrap();
        let (stopper, stop) = stop_pair();
        tokio::spawn(async move { node.run(sockets, stop).await });
        Self {
            addresses,
            targets,
            authority,
            log,
            _directory: directory,
            _stopper: stopper,
        }
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.addresses[0]
    }

    pub(super) fn port(&self) -> u16 {
        self.addresses[0].port()
    }

    pub(super) fn log(&self) -> Vec<AccessLogEntry> {
        self.log
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    pub(super) fn health(&self) -> Vec<Health> {
        self.targets
            .health(&group())
            .into_iter()
            .map(|(_, health)| health)
            .collect()
    }

    pub(super) fn register(&self, group: &TargetGroupName, target: SocketAddr) {
        self.targets.register(group, id(target));
    }

    pub(super) fn deregister(&self, target: SocketAddr) {
        self.targets.deregister(&group(), &id(target));
    }

    pub(super) fn in_flight(&self, target: SocketAddr) -> usize {
        self.targets.in_flight(&group(), &id(target))
    }

    /// Sends bytes to the plain listener and reads to the end.
    pub(super) async fn plain(&self, request: &str) -> String {
        let mut stream = TcpStream::connect(self.address()).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.unwrap();
        String::from_utf8(answer).unwrap()
    }

    /// A GET over TLS and HTTP/2.
    pub(super) async fn http2(&self, path: &str, host: &str) -> (u16, String) {
        let mut config = (*self.authority.client_config()).clone();
        config.alpn_protocols = vec![b"h2".to_vec()];
        let stream = TcpStream::connect(self.addresses[1]).await.unwrap();
        let name = ServerName::try_from(host.to_owned()).unwrap();
        let stream = TlsConnector::from(Arc::new(config))
            .connect(name, stream)
            .await
            .unwrap();
        let (mut sender, connection) =
            hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
                .await
                .unwrap();
        tokio::spawn(connection);
        let request = Request::get(format!("https://{host}{path}"))
            .body(serve::empty())
            .unwrap();
        let response = sender.send_request(request).await.unwrap();
        let status = response.status().as_u16();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        (status, String::from_utf8(body.to_vec()).unwrap())
    }

    pub(super) async fn until(&self, holds: impl Fn(&Self) -> bool) {
        let waiting = async {
            while !holds(self) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(10), waiting)
            .await
            .expect("the condition must come true");
    }
}

fn id(address: SocketAddr) -> TargetId {
    TargetId {
        address: address.ip(),
        port: address.port(),
    }
}

fn balancer() -> LoadBalancer {
    let forward = Action::Forward(vec![WeightedTargetGroup {
        group: group(),
        weight: 1,
    }]);
    let https = Action::Redirect(Redirect {
        protocol: "HTTPS".into(),
        host: "#{host}".into(),
        port: "443".into(),
        path: "/#{path}".into(),
        query: "#{query}".into(),
        status: StatusCode::MOVED_PERMANENTLY,
    });
    let path = |pattern: &str| vec![Condition::PathPattern(vec![pattern.to_owned()])];
    let listener = |protocol| Listener {
        port: 0,
        protocol,
        rules: vec![
            Rule {
                priority: 10,
                conditions: path("/api/matches*"),
                action: forward.clone(),
            },
            Rule {
                priority: 20,
                conditions: path("/old/*"),
                action: https.clone(),
            },
        ],
        default_action: Action::FixedResponse(FixedResponse {
            status: StatusCode::NOT_FOUND,
            content_type: Some("text/plain".into()),
            body: "no such place".into(),
        }),
    };
    let secure = ListenerProtocol::Https {
        versions: TlsVersions::OneTwoAndThree,
        certificate_names: vec!["kickytime.example".into()],
    };
    LoadBalancer {
        arn_suffix: "app/kickytime/0123456789abcdef".into(),
        listeners: vec![listener(ListenerProtocol::Http), listener(secure)],
        target_groups: [(group(), target_group())].into(),
        attributes: Attributes::default(),
    }
}

fn target_group() -> TargetGroup {
    TargetGroup {
        arn: "arn:aws:elasticloadbalancing:ap-northeast-2:000000000000:targetgroup/matches/1"
            .into(),
        port: 8080,
        algorithm: Algorithm::RoundRobin,
        deregistration_delay: Duration::from_secs(30),
        health_check: HealthCheck {
            path: "/health".into(),
            interval: Duration::from_millis(30),
            timeout: Duration::from_secs(2),
            healthy_threshold: 2,
            unhealthy_threshold: 2,
            ..HealthCheck::default()
        },
    }
}

/// A body that sends what comes through a channel.
pub(super) struct Events(Arc<tokio::sync::Mutex<UnboundedReceiver<&'static str>>>);

impl Events {
    pub(super) fn body(receiver: Arc<tokio::sync::Mutex<UnboundedReceiver<&'static str>>>) -> Body {
        Self(receiver).boxed_unsync()
    }
}

impl hyper::body::Body for Events {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let Ok(mut receiver) = self.0.try_lock() else {
            return Poll::Pending;
        };
        receiver
            .poll_recv(context)
            .map(|event| event.map(|event| Ok(Frame::data(Bytes::from_static(event.as_bytes())))))
    }
}
