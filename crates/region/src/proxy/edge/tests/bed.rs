//! An edge with an API origin and perhaps a bucket, and a viewer.

use std::net::SocketAddr;

use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::ServerName;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::*;
use crate::blueprint::balancer::TlsVersions;
use crate::blueprint::distribution::{
    CachePolicy, Origin as OriginConfig, OriginId, OriginSigning, SecretText,
};
use crate::blueprint::dns::{DnsView, RecordSet, Records, ZonedAddress};
use crate::serve::{Stopper, stop_pair};

const API_NAME: &str = "origin.kickytime.example";
const WEB_NAME: &str = "web.s3.ap-northeast-2.amazonaws.com";

/// A TLS server with a certificate of an authority shared by the test's edge.
pub(super) struct Origin {
    address: SocketAddr,
    start: Option<Box<dyn FnOnce(Arc<Authority>, Stop) + Send>>,
}

impl Origin {
    pub(super) fn at(address: SocketAddr) -> Self {
        Self {
            address,
            start: None,
        }
    }
}

async fn serve_as<H, F>(name: &'static str, handler: H) -> Origin
where
    H: Fn(Request<Incoming>) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Response<Body>> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let start = move |authority: Arc<Authority>, stop: Stop| {
        let names = [name.to_owned()];
        let tls = server_config(&authority, &names, TlsVersions::OneTwoAndThree, false).unwrap();
        tokio::spawn(serve::serve(
            listener,
            Some(tls),
            ServeOptions::default(),
            handler,
            stop,
        ));
    };
    Origin {
        address,
        start: Some(Box::new(start)),
    }
}

pub(super) async fn origin<H, F>(handler: H) -> Origin
where
    H: Fn(Request<Incoming>) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Response<Body>> + Send + 'static,
{
    serve_as(API_NAME, handler).await
}

pub(super) async fn s3_origin<H, F>(handler: H) -> Origin
where
    H: Fn(Request<Incoming>) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Response<Body>> + Send + 'static,
{
    serve_as(WEB_NAME, handler).await
}

pub(super) fn api() -> OriginId {
    OriginId("api".into())
}

fn web() -> OriginId {
    OriginId("web".into())
}

pub(super) fn distribution() -> Distribution {
    let behavior = |pattern: &str, origin, methods: &[&str]| CacheBehavior {
        path_pattern: pattern.into(),
        origin,
        viewer_protocol: ViewerProtocol::RedirectToHttps,
        allowed_methods: methods.iter().map(|&method| method.to_owned()).collect(),
        cache: CachePolicy::OPTIMIZED,
        origin_request: OriginRequest::KeyOnly,
        response_headers: Vec::new(),
        viewer_request: None,
    };
    let api_behavior = CacheBehavior {
        viewer_protocol: ViewerProtocol::HttpsOnly,
        cache: CachePolicy::DISABLED,
        origin_request: OriginRequest::AllViewerExceptHost,
        ..behavior(
            "/api/*",
            api(),
            &["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"],
        )
    };
    let origin = |name: &str, path: &str| OriginConfig {
        domain_name: name.into(),
        port: 443,
        path: path.into(),
        custom_headers: Vec::new(),
        connect_timeout: Duration::from_secs(5),
        read_timeout: Duration::from_secs(30),
        keep_alive: Duration::from_secs(5),
        signing: None,
    };
    let secret = vec![("X-Origin-Secret".to_owned(), SecretText("s3cret".into()))];
    let signing = OriginSigning {
        region: "ap-northeast-2".into(),
        service: "s3".into(),
    };
    Distribution {
        domain_name: "d111111abcdef8.cloudfront.net".into(),
        aliases: vec!["kickytime.example".into()],
        versions: TlsVersions::OneTwoAndThree,
        http2: true,
        origins: [
            (
                api(),
                OriginConfig {
                    custom_headers: secret,
                    ..origin(API_NAME, "")
                },
            ),
            (
                web(),
                OriginConfig {
                    signing: Some(signing),
                    ..origin(WEB_NAME, "/web")
                },
            ),
        ]
        .into(),
        behaviors: vec![api_behavior],
        default_behavior: behavior("*", web(), &["GET", "HEAD"]),
        default_root_object: None,
        error_responses: [].into(),
        point_of_presence: "ICN57-P1".into(),
    }
}

/// A response as the viewer got it.
pub(super) struct Got {
    pub(super) status: u16,
    headers: http::HeaderMap,
    body: bytes::Bytes,
}

impl Got {
    pub(super) fn text(&self) -> String {
        String::from_utf8(self.body.to_vec()).unwrap()
    }

    pub(super) fn field(&self, name: &str) -> String {
        self.headers
            .get(name)
            .map_or_else(String::new, |value| value.to_str().unwrap().to_owned())
    }
}

pub(super) struct Bed {
    https: SocketAddr,
    http: SocketAddr,
    authority: Arc<Authority>,
    _directory: tempfile::TempDir,
    _stopper: Stopper,
}

impl Bed {
    pub(super) async fn start(
        mut distribution: Distribution,
        api_origin: Origin,
        web_origin: Option<Origin>,
    ) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let authority = Arc::new(Authority::open(directory.path()).unwrap());
        let (stopper, stop) = stop_pair();
        for (id, origin) in [(api(), Some(api_origin)), (web(), web_origin)] {
            let Some(origin) = origin else { continue };
            distribution.origins.get_mut(&id).unwrap().port = origin.address.port();
            if let Some(start) = origin.start {
                start(Arc::clone(&authority), stop.clone());
            }
        }
        let resolver = Resolver::new(view());
        let credentials: OriginCredentials = Arc::new(|| iam::sigv4::Credentials {
            access_key_id: "AKIAEDGE".into(),
            secret_access_key: iam::sigv4::SecretKey::new("edge"),
            session_token: None,
        });
        let edge = Edge::new(
            distribution,
            &authority,
            resolver,
            Some(IpAddr::from([127, 0, 0, 2])),
            credentials,
        )
        .unwrap();
        let listeners = EdgeListeners {
            https: TcpListener::bind("127.0.0.1:0").await.unwrap(),
            http: TcpListener::bind("127.0.0.1:0").await.unwrap(),
        };
        let (https, http) = (
            listeners.https.local_addr().unwrap(),
            listeners.http.local_addr().unwrap(),
        );
        tokio::spawn(async move { edge.run(listeners, stop).await });
        Self {
            https,
            http,
            authority,
            _directory: directory,
            _stopper: stopper,
        }
    }

    pub(super) async fn get(&self, path: &str) -> Got {
        self.get_with(path, &[]).await
    }

    pub(super) async fn get_with(&self, path: &str, fields: &[(&str, &str)]) -> Got {
        self.request("GET", path, fields).await
    }

    /// One request over TLS and HTTP/2. A `host` among the fields is the authority.
    pub(super) async fn request(&self, method: &str, path: &str, fields: &[(&str, &str)]) -> Got {
        let mut config = (*self.authority.client_config()).clone();
        config.alpn_protocols = vec![b"h2".to_vec()];
        let stream = TcpStream::connect(self.https).await.unwrap();
        let name = ServerName::try_from("kickytime.example").unwrap();
        let stream = TlsConnector::from(Arc::new(config))
            .connect(name, stream)
            .await
            .unwrap();
        let (mut sender, connection) =
            hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
                .await
                .unwrap();
        tokio::spawn(connection);
        let host = fields
            .iter()
            .find(|(name, _)| *name == "host")
            .map_or("kickytime.example", |(_, host)| host);
        let fields = fields.iter().filter(|(name, _)| *name != "host");
        let builder = Request::builder()
            .method(method)
            .uri(format!("https://{host}{path}"));
        let builder = fields.fold(builder, |builder, (name, value)| {
            builder.header(*name, *value)
        });
        let response = sender
            .send_request(builder.body(empty()).unwrap())
            .await
            .unwrap();
        let (parts, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        Got {
            status: parts.status.as_u16(),
            headers: parts.headers,
            body,
        }
    }

    /// Bytes to port 80.
    pub(super) async fn plain(&self, request: &str) -> String {
        let mut stream = TcpStream::connect(self.http).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }
}

fn view() -> DnsView {
    let here = || RecordSet {
        ttl_s: 60,
        records: Records::Addresses(vec![ZonedAddress {
            address: IpAddr::from([127, 0, 0, 1]),
            zone: None,
        }]),
    };
    let records = [API_NAME, WEB_NAME, "other.example"].map(|name| (name.to_owned(), here()));
    DnsView {
        records: records.into(),
        ..DnsView::default()
    }
}
