use std::sync::Arc;

use http::{HeaderMap, HeaderName, HeaderValue};
use serde_json::json;
use time::OffsetDateTime;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};

use super::*;
use crate::testing::{self, Asked, Server};
use crate::transport::TransportError;
use iam::sigv4::{Expected, HttpRequest, Presented, SecretKey};

fn client(url: &str) -> Client {
    Client::new(testing::config(&[
        ("AWS_ENDPOINT_URL", url),
        ("AWS_ACCESS_KEY_ID", "AKIA"),
        ("AWS_SECRET_ACCESS_KEY", "secret"),
        ("AWS_SESSION_TOKEN", "token"),
    ]))
}

/// Whether the region's own gate would take the signature.
fn is_signed(asked: &Asked, service: &str) -> bool {
    let mut headers = HeaderMap::new();
    for (name, value) in &asked.headers {
        let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
        headers.insert(name, HeaderValue::from_str(value).unwrap());
    }
    let (path, query) = asked.path.split_once('?').unwrap_or((&asked.path, ""));
    let request = HttpRequest {
        method: &asked.method,
        path,
        query,
        headers: &headers,
    };
    let presented = Presented::read(&request).unwrap();
    let expected = Expected {
        region: "ap-northeast-2",
        service,
        now: OffsetDateTime::now_utc(),
    };
    let body = Some(asked.body.as_bytes());
    let secret = SecretKey::new("secret");
    presented.verify(&request, &secret, body, &expected).is_ok()
}

#[tokio::test]
async fn calls_of_every_protocol_are_signed() {
    let server = Server::start(|_, _| (200, "{\"a\":1}".to_owned())).await;
    let client = client(&server.url());
    let body = json!({ "SecretId": "한글" });
    let answer = client.json("secretsmanager", "secretsmanager.GetSecretValue", &body);
    assert_eq!(answer.await.unwrap()["a"], 1);
    let parameters = [("StackName", "a b&c/ü")];
    client
        .query(
            "cloudformation",
            "2010-05-15",
            "DescribeStacks",
            &parameters,
        )
        .await
        .unwrap();
    let path = "/v1/control-channel/i-0?a=b%2Fc";
    let body = Some(Bytes::from_static(b"{}"));
    client
        .rest(Method::POST, "ssmmessages", path, body)
        .await
        .unwrap();

    let asked = server.asked();
    assert!(is_signed(&asked[0], "secretsmanager"));
    assert!(is_signed(&asked[1], "cloudformation"));
    assert!(is_signed(&asked[2], "ssmmessages"));
    assert!(!is_signed(&asked[0], "ssm"), "the test can tell");
    assert_eq!(asked[0].headers["x-amz-security-token"], "token");
    assert_eq!(
        asked[1].body,
        "Action=DescribeStacks&Version=2010-05-15&StackName=a%20b%26c%2F%C3%BC"
    );
    assert_eq!(asked[2].path, path);
}

#[tokio::test]
async fn throttling_and_faults_are_tried_again_and_denials_are_not() {
    let server = Server::start(|_, number| match number {
        0 => (400, "{\"__type\":\"ThrottlingException\"}".to_owned()),
        1 => (503, String::new()),
        2 => (200, "{}".to_owned()),
        _ => (400, "{\"__type\":\"AccessDeniedException\"}".to_owned()),
    })
    .await;
    let client = client(&server.url());
    client.json("ssm", "AmazonSSM.X", &json!({})).await.unwrap();
    assert_eq!(server.asked().len(), 3);
    let denied = client.json("ssm", "AmazonSSM.X", &json!({})).await;
    assert_eq!(denied.unwrap_err().code(), Some("AccessDeniedException"));
    assert_eq!(server.asked().len(), 4);
}

#[tokio::test]
async fn a_service_that_stays_in_trouble_is_given_up() {
    let server =
        Server::start(|_, _| (500, "{\"__type\":\"InternalServerError\"}".to_owned())).await;
    let failed = client(&server.url())
        .json("ssm", "AmazonSSM.X", &json!({}))
        .await;
    assert_eq!(failed.unwrap_err().code(), Some("InternalServerError"));
    assert_eq!(server.asked().len(), usize::try_from(MAX_ATTEMPTS).unwrap());
}

#[tokio::test]
async fn expired_credentials_are_fetched_anew_once() {
    let server = Server::start(|asked, number| {
        if asked.method == "GET" {
            let key = json!({ "AccessKeyId": format!("K{number}"), "SecretAccessKey": "s", "Token": "t" });
            return (200, key.to_string());
        }
        (400, "{\"__type\":\"ExpiredTokenException\"}".to_owned())
    })
    .await;
    let url = server.url();
    let full = format!("{url}/creds");
    let client = Client::new(testing::config(&[
        ("AWS_ENDPOINT_URL", &url),
        ("AWS_CONTAINER_CREDENTIALS_FULL_URI", &full),
        ("AWS_CONTAINER_AUTHORIZATION_TOKEN", "Bearer x"),
    ]));
    let error = client
        .json("ssm", "AmazonSSM.X", &json!({}))
        .await
        .unwrap_err();
    assert!(error.hint().unwrap().contains("aws sso login"));
    let asked = server.asked();
    let methods: Vec<_> = asked.iter().map(|asked| asked.method.as_str()).collect();
    assert_eq!(methods, ["GET", "POST", "GET", "POST"]);
    assert_eq!(asked[0].headers["authorization"], "Bearer x");
    assert!(asked[3].headers["authorization"].contains("Credential=K2/"));
}

/// A server that answers one request a connection and then closes it.
#[tokio::test]
async fn a_kept_connection_that_was_closed_is_not_an_error() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let server = tokio::spawn(async move {
        for _ in 0..3 {
            let (stream, _) = listener.accept().await.unwrap();
            let mut stream: BufReader<Box<dyn Stream>> = BufReader::new(Box::new(stream));
            testing::read(&mut stream).await.unwrap();
            testing::write(&mut stream, 200, "{}").await;
        }
    });
    let client = client(&url);
    for _ in 0..3 {
        client.json("ssm", "AmazonSSM.X", &json!({})).await.unwrap();
    }
    server.await.unwrap();
}

/// A TLS server for `localhost`, and the file with its authority.
async fn tls_server(directory: &std::path::Path) -> (u16, String) {
    let key = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let bundle = directory.join("ca.pem");
    std::fs::write(&bundle, key.cert.pem()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let private = rustls::pki_types::PrivateKeyDer::try_from(key.signing_key.serialize_der());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![key.cert.der().clone()], private.unwrap())
        .unwrap();
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                if let Ok(stream) = acceptor.accept(stream).await {
                    let mut stream: BufReader<Box<dyn Stream>> = BufReader::new(Box::new(stream));
                    while testing::read(&mut stream).await.is_some() {
                        testing::write(&mut stream, 200, "{\"tls\":true}").await;
                    }
                }
            });
        }
    });
    (port, bundle.to_str().unwrap().to_owned())
}

#[tokio::test]
async fn certificates_are_verified_chain_and_name() {
    let directory = tempfile::tempdir().unwrap();
    let (port, bundle) = tls_server(directory.path()).await;
    let ask = |host: &str, bundle: &str| {
        let url = format!("https://{host}:{port}");
        let client = Client::new(testing::config(&[
            ("AWS_ENDPOINT_URL", &url),
            ("AWS_CA_BUNDLE", bundle),
            ("AWS_ACCESS_KEY_ID", "AKIA"),
            ("AWS_SECRET_ACCESS_KEY", "secret"),
        ]));
        async move { client.json("ssm", "AmazonSSM.X", &json!({})).await }
    };
    assert_eq!(ask("localhost", &bundle).await.unwrap()["tls"], true);
    let is_tls_fault = |outcome: Result<Json, CallError>| {
        let error = outcome.unwrap_err();
        matches!(
            error,
            CallError::Transport {
                source: TransportError::Tls { .. },
                ..
            }
        )
    };
    assert!(
        is_tls_fault(ask("127.0.0.1", &bundle).await),
        "another name"
    );
    let another = directory.path().join("other.pem");
    let key = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    std::fs::write(&another, key.cert.pem()).unwrap();
    assert!(
        is_tls_fault(ask("localhost", another.to_str().unwrap()).await),
        "another authority"
    );
}

/// The proxy resolves the name: nothing else could find `api.example`.
#[tokio::test]
async fn tls_goes_through_the_proxy_and_stays_verified() {
    let directory = tempfile::tempdir().unwrap();
    let (port, bundle) = tls_server(directory.path()).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let proxy = format!("http://me:p%40w@{}", listener.local_addr().unwrap());
    let seen = tokio::spawn(async move {
        let (mut inner, _) = listener.accept().await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(inner.read_u8().await.unwrap());
        }
        inner.write_all(b"HTTP/1.1 200 Go\r\n\r\n").await.unwrap();
        let mut outer = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        let _ended = tokio::io::copy_bidirectional(&mut inner, &mut outer).await;
        String::from_utf8(head).unwrap()
    });
    let client = Client::new(testing::config(&[
        ("AWS_ENDPOINT_URL", "https://api.example:8443"),
        ("AWS_CA_BUNDLE", &bundle),
        ("HTTPS_PROXY", &proxy),
        ("AWS_ACCESS_KEY_ID", "AKIA"),
        ("AWS_SECRET_ACCESS_KEY", "secret"),
    ]));
    let error = client
        .json("ssm", "AmazonSSM.X", &json!({}))
        .await
        .unwrap_err();
    // the certificate is localhost's: that the proxy led there does not make it api.example's
    assert!(matches!(
        error,
        CallError::Transport {
            source: TransportError::Tls { .. },
            ..
        }
    ));
    let head = seen.await.unwrap();
    assert!(
        head.starts_with("CONNECT api.example:8443 HTTP/1.1\r\n"),
        "{head}"
    );
    assert!(
        head.contains("Proxy-Authorization: Basic bWU6cEB3\r\n"),
        "{head}"
    );
}

#[tokio::test]
async fn a_channel_without_tls_is_refused_where_calls_go_with_it() {
    let client = client("https://localhost:1");
    let error = client.websocket("ssmmessages", "ws://127.0.0.1:9/x").await;
    let error = error.unwrap_err().to_string();
    assert!(error.contains("without TLS"), "{error}");
}
