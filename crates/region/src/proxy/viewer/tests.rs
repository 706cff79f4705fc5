//! A door on real sockets, with TLS servers behind it.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::*;
use crate::blueprint::balancer::TlsVersions;
use crate::serve::{Stopper, stop_pair};
use crate::tls::{Authority, server_config};

const SITE: &str = "kickytime.example";
const COGNITO: &str = "kt.auth.ap-northeast-2.amazoncognito.com";

struct Bed {
    door: SocketAddr,
    _directory: tempfile::TempDir,
    _stopper: Stopper,
}

/// A door in front of one server that has both names.
async fn bed<H, F>(handler: H) -> Bed
where
    H: Fn(Request<Incoming>) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Response<Body>> + Send + 'static,
{
    let directory = tempfile::tempdir().unwrap();
    let authority = Arc::new(Authority::open(directory.path()).unwrap());
    let (stopper, stop) = stop_pair();
    let names = [SITE.to_owned(), COGNITO.to_owned()];
    let tls = server_config(&authority, &names, TlsVersions::OneTwoAndThree, true).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(serve::serve(
        listener,
        Some(tls),
        ServeOptions::default(),
        handler,
        stop.clone(),
    ));
    let nobody = TcpListener::bind("127.0.0.1:0")
        .await
        .unwrap()
        .local_addr()
        .unwrap();
    let names = [
        (SITE, address),
        (COGNITO, address),
        ("down.example", nobody),
    ];
    let config = ViewerDoor {
        site: SITE.into(),
        names: names
            .map(|(name, address)| (name.to_owned(), address))
            .into(),
        rewritten_paths: ["/config.json".to_owned()].into(),
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let door = listener.local_addr().unwrap();
    tokio::spawn(run(config, listener, authority.client_config(), stop));
    Bed {
        door,
        _directory: directory,
        _stopper: stopper,
    }
}

impl Bed {
    /// A GET for `host`, which stands with the door's own port.
    async fn get(&self, host: &str, path: &str, fields: &str) -> String {
        let port = self.door.port();
        let fields = fields.replace("PORT", &port.to_string());
        let request = format!(
            "GET {path} HTTP/1.1\r\nhost: {host}:{port}\r\nconnection: close\r\n{fields}\r\n"
        );
        let mut stream = TcpStream::connect(self.door).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer.replace(&format!(":{port}"), ":PORT")
    }
}

/// `host origin referer`, and how the request came.
async fn echo(request: Request<Incoming>) -> Response<Body> {
    let field = |name| {
        request
            .headers()
            .get(name)
            .map_or("-", |value| value.to_str().unwrap())
    };
    let peer = request.extensions().get::<Arc<serve::Peer>>().unwrap();
    let sni = peer
        .tls
        .as_ref()
        .and_then(|tls| tls.server_name.clone())
        .unwrap_or_default();
    Response::new(full(format!(
        "{sni} {} {} {}",
        field("host"),
        field("origin"),
        field("referer")
    )))
}

#[tokio::test]
async fn a_server_sees_its_public_name_and_no_door() {
    let bed = bed(echo).await;
    let fields = "origin: http://localhost:PORT\r\nreferer: http://localhost:PORT/matches?a=b\r\n";
    let answer = bed.get("localhost", "/", fields).await;
    assert!(answer.ends_with("\r\n\r\nkickytime.example kickytime.example https://kickytime.example https://kickytime.example/matches?a=b"), "{answer}");
    let twin = bed
        .get(
            &format!("{COGNITO}.localhost"),
            "/",
            &fields.replace("localhost", &format!("{COGNITO}.localhost")),
        )
        .await;
    assert!(
        twin.ends_with(&format!(
            "\r\n\r\n{COGNITO} {COGNITO} https://{COGNITO} https://{COGNITO}/matches?a=b"
        )),
        "{twin}"
    );
}

#[tokio::test]
async fn names_not_on_the_list_are_refused() {
    let bed = bed(echo).await;
    for host in [
        "evil.example",
        "kickytime.example",
        "unlisted.localhost",
        "169.254.169.254",
    ] {
        let answer = bed.get(host, "/", "").await;
        assert!(
            answer.starts_with("HTTP/1.1 421 Misdirected Request\r\n"),
            "{host}: {answer}"
        );
        assert!(answer.contains(&format!("`{host}:PORT`")), "{answer}");
    }
    let nobody = bed.get("down.example.localhost", "/", "").await;
    assert!(
        nobody.starts_with("HTTP/1.1 502 Bad Gateway\r\n"),
        "{nobody}"
    );
}

#[tokio::test]
async fn what_comes_back_keeps_the_browser_on_the_door() {
    let bed = bed(async |request: Request<Incoming>| {
        let mut response = Response::new(full(format!("{{\"auth\":\"https://{COGNITO}/login\"}}")));
        if request.uri().path() == "/moved" {
            *response.status_mut() = StatusCode::FOUND;
        }
        let headers = response.headers_mut();
        let mut put = |name: &'static str, value: &str| {
            headers.append(name, value.parse().unwrap());
        };
        put(
            "location",
            &format!("https://{COGNITO}/login?redirect_uri=x"),
        );
        put("strict-transport-security", "max-age=63072000");
        put("alt-svc", "h3=\":443\"");
        put(
            "content-security-policy",
            &format!("connect-src 'self' https://{COGNITO}; upgrade-insecure-requests"),
        );
        put("set-cookie", "a=b; Secure; HttpOnly");
        put("set-cookie", "c=d; Path=/");
        put("etag", "\"1\"");
        response
    })
    .await;
    let answer = bed.get("localhost", "/moved", "").await;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let head: Vec<&str> = head
        .lines()
        .filter(|line| !line.starts_with("date: "))
        .collect();
    insta::assert_snapshot!(head.join("\n"), @r#"
    HTTP/1.1 302 Found
    etag: "1"
    content-length: 65
    location: http://kt.auth.ap-northeast-2.amazoncognito.com.localhost:PORT/login?redirect_uri=x
    content-security-policy: connect-src 'self' http://kt.auth.ap-northeast-2.amazoncognito.com.localhost:PORT
    set-cookie: a=b; HttpOnly
    set-cookie: c=d; Path=/
    connection: close
    "#);
    assert!(
        body.contains(&format!("https://{COGNITO}/login")),
        "bodies are left alone: {body}"
    );
    let config = bed.get("localhost", "/config.json", "").await;
    assert!(
        config.ends_with(&format!(
            "{{\"auth\":\"http://{COGNITO}.localhost:PORT/login\"}}"
        )),
        "{config}"
    );
    assert!(!config.contains("etag"), "{config}");
}
