//! The program itself, as a task definition would run it: settings from the
//! environment, the password from Secrets Manager, TLS to everything.

use std::collections::HashMap;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::http::{HeaderMap, Request, Response, StatusCode};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use server::token::keys::KeySource;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use crate::cluster::cluster;
use crate::harness::{eventually, in_seconds};
use crate::people::{CLIENT_ID, KeySet, PoolKey, access_claims, id_claims};

const SECRET_ARN: &str =
    "arn:aws:secretsmanager:ap-northeast-2:111122223333:secret:kickytime/db-AbCdEf";

/// Secrets Manager, as much of it as one call needs, and the user pool's key
/// set over HTTPS.
struct Surroundings {
    secrets_port: u16,
    pool_port: u16,
    roots: PathBuf,
    password: Arc<Mutex<String>>,
    database: String,
    /// The service's user in the database; users are the whole server's.
    role: String,
    _directory: tempfile::TempDir,
}

impl Surroundings {
    async fn start(password: &str) -> Self {
        let database = cluster().empty_database().await;
        let password = Arc::new(Mutex::new(password.to_owned()));
        let secret = Arc::clone(&password);
        let role = format!("app_{database}");
        let (dbname, username) = (database.clone(), role.clone());
        let secrets_port = serve(None, move |target| {
            assert_eq!(target, "secretsmanager.GetSecretValue", "the one action the role allows");
            let text = json!({
                "engine": "postgres", "username": username, "password": *secret.lock().expect("unpoisoned"),
                "host": "localhost", "port": cluster().port, "dbname": dbname
            });
            json!({"ARN": SECRET_ARN, "Name": "kickytime/db", "VersionId": "v", "SecretString": text.to_string()})
        })
        .await;

        let keys = KeySet::with(std::slice::from_ref(PoolKey::usual()))
            .fetch()
            .await
            .expect("a key set");
        let keys: Value = serde_json::from_slice(&keys).expect("json");
        let key = rcgen::KeyPair::generate().expect("a key");
        let certificate = rcgen::CertificateParams::new(vec!["localhost".into()])
            .expect("a name")
            .self_signed(&key)
            .expect("signed");
        let pool_port = serve(Some(acceptor(&certificate, &key)), move |_| keys.clone()).await;
        let directory = tempfile::tempdir().expect("a directory");
        let roots = directory.path().join("roots.pem");
        std::fs::write(&roots, certificate.pem()).expect("written");
        Self {
            secrets_port,
            pool_port,
            roots,
            password,
            database,
            role,
            _directory: directory,
        }
    }

    fn issuer(&self) -> String {
        format!("https://localhost:{}/pool", self.pool_port)
    }

    fn command(&self, role: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_server"));
        command.arg(role).env_clear().envs([
            ("DB_SECRET_ARN", SECRET_ARN),
            ("AWS_REGION", "ap-northeast-2"),
            ("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE"),
            ("AWS_SECRET_ACCESS_KEY", "secret"),
            ("COGNITO_ISSUER", &self.issuer()),
            ("COGNITO_CLIENT_ID", CLIENT_ID),
            ("PORT", "0"),
            ("METRICS_PORT", "0"),
            (
                "AWS_ENDPOINT_URL_SECRETS_MANAGER",
                &format!("http://127.0.0.1:{}", self.secrets_port),
            ),
        ]);
        command
            .env("SSL_CERT_FILE", &self.roots)
            .env("PGSSLROOTCERT", &cluster().authority);
        command
    }

    /// A client for looking behind the service's back, after making its user.
    async fn sql_with_role(&self) -> tokio_postgres::Client {
        let sql = cluster().client(&self.database).await;
        let password = self.password.lock().expect("unpoisoned").clone();
        let create = format!(
            "CREATE ROLE {} SUPERUSER LOGIN PASSWORD '{password}'",
            self.role
        );
        sql.batch_execute(&create).await.expect("a role");
        sql
    }

    async fn migrate(&self) -> Output {
        let mut command = self.command("migrate");
        tokio::task::spawn_blocking(move || command.output().expect("the program starts"))
            .await
            .expect("no panic")
    }
}

fn acceptor(certificate: &rcgen::Certificate, key: &rcgen::KeyPair) -> TlsAcceptor {
    let key = rustls::pki_types::PrivateKeyDer::try_from(key.serialize_der()).expect("a key");
    let config = rustls::ServerConfig::builder_with_provider(Arc::new(
        rustls::crypto::aws_lc_rs::default_provider(),
    ))
    .with_safe_default_protocol_versions()
    .expect("versions")
    .with_no_client_auth()
    .with_single_cert(vec![certificate.der().clone()], key)
    .expect("a pair");
    TlsAcceptor::from(Arc::new(config))
}

/// Answers every request with what `answer` makes of its `X-Amz-Target`.
async fn serve(
    tls: Option<TlsAcceptor>,
    answer: impl Fn(&str) -> Value + Send + Sync + 'static,
) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback");
    let port = listener.local_addr().expect("bound").port();
    let answer = Arc::new(answer);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (tls, answer) = (tls.clone(), Arc::clone(&answer));
            tokio::spawn(async move {
                let service = service_fn(move |request: Request<Incoming>| {
                    let target = request
                        .headers()
                        .get("x-amz-target")
                        .and_then(|t| t.to_str().ok())
                        .unwrap_or("");
                    let body = Full::new(Bytes::from(answer(target).to_string()));
                    async move { Ok::<_, std::convert::Infallible>(Response::new(body)) }
                });
                let builder = http1::Builder::new();
                match tls {
                    Some(tls) => {
                        let stream = tls.accept(stream).await.expect("a handshake");
                        builder
                            .serve_connection(TokioIo::new(stream), service)
                            .await
                            .ok();
                    }
                    None => {
                        builder
                            .serve_connection(TokioIo::new(stream), service)
                            .await
                            .ok();
                    }
                }
            });
        }
    });
    port
}

/// A role that runs until it is dropped.
struct Running {
    child: Child,
    port: u16,
    metrics_port: u16,
    log: Arc<Mutex<String>>,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

impl Running {
    async fn start(surroundings: &Surroundings, role: &str) -> Self {
        Self::start_with(&mut surroundings.command(role)).await
    }

    async fn start_with(command: &mut Command) -> Self {
        let mut child = command
            .stdout(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let output = child.stdout.take().expect("piped");
        let log = Arc::new(Mutex::new(String::new()));
        let lines = Arc::clone(&log);
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                let mut log = lines.lock().expect("unpoisoned");
                log.push_str(&line);
                log.push('\n');
            }
        });
        let mut running = Self {
            child,
            port: 0,
            metrics_port: 0,
            log,
        };
        eventually("listening", async || {
            let log = running.log.lock().expect("unpoisoned").clone();
            let ready = log.lines().find(|line| line.contains("\"listening\""));
            let Some(ready) = ready else { return false };
            let ready: Value = serde_json::from_str(ready).expect("a line is a JSON object");
            let port =
                |name: &str| u16::try_from(ready[name].as_u64().expect("a port")).expect("a port");
            running.port = port("http.port");
            running.metrics_port = port("metrics.port");
            true
        })
        .await;
        running
    }

    async fn get(&self, path: &str, headers: &[(&str, &str)]) -> (StatusCode, Value) {
        self.call("GET", path, headers, None).await
    }

    async fn call(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<Value>,
    ) -> (StatusCode, Value) {
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let body = match body {
            Some(body) => {
                request = request.header("content-type", "application/json");
                Body::from(body.to_string())
            }
            None => Body::empty(),
        };
        let (status, _, body) = exchange(self.port, request.body(body).expect("a request"))
            .await
            .expect("an answer");
        (status, serde_json::from_slice(&body).unwrap_or(Value::Null))
    }

    async fn health(&self) -> Option<StatusCode> {
        let request = Request::get("/health")
            .body(Body::empty())
            .expect("a request");
        exchange(self.port, request)
            .await
            .map(|(status, _, _)| status)
    }
}

/// One request on a connection of its own; `None` if there is no answer.
async fn exchange(port: u16, mut request: Request<Body>) -> Option<(StatusCode, HeaderMap, Bytes)> {
    request
        .headers_mut()
        .insert("host", "localhost".parse().expect("a value"));
    let stream = TcpStream::connect(("127.0.0.1", port)).await.ok()?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .ok()?;
    tokio::spawn(connection);
    let response = sender.send_request(request).await.ok()?;
    let (parts, body) = response.into_parts();
    Some((
        parts.status,
        parts.headers,
        body.collect().await.ok()?.to_bytes(),
    ))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn signs_in_opens_joins_survives_a_new_password_and_drains() {
    let surroundings = Surroundings::start("first password").await;
    let admin = surroundings.sql_with_role().await;
    for _ in 0..2 {
        let migrated = surroundings.migrate().await;
        assert!(
            migrated.status.success(),
            "{}",
            String::from_utf8_lossy(&migrated.stderr)
        );
    }
    let users = Running::start(&surroundings, "users").await;
    let mut matches = Running::start(&surroundings, "matches").await;
    assert_eq!(users.health().await, Some(StatusCode::OK));
    assert_eq!(matches.health().await, Some(StatusCode::OK));

    let mine = |mut claims: Value| {
        claims["iss"] = json!(surroundings.issuer());
        PoolKey::usual().sign(&claims)
    };
    let bearer = format!("Bearer {}", mine(access_claims("sub-1")));
    let id_token = mine(id_claims("sub-1", "someone@example.com", &["admin"]));
    let auth = [
        ("authorization", bearer.as_str()),
        ("x-id-token", id_token.as_str()),
    ];
    let (status, user) = users
        .call("POST", "/api/users/signin-up", &auth, None)
        .await;
    assert_eq!(
        (status.as_u16(), &user["role"]),
        (201, &json!("ADMIN")),
        "{user}"
    );
    let description =
        json!({"location": "풋살장", "matchDateTime": in_seconds(3600), "maxPlayers": 2});
    let (status, created) = matches
        .call("POST", "/api/matches", &auth, Some(description))
        .await;
    assert_eq!(status, 201, "{created}");
    let path = format!("/api/matches/{}/participants", created["id"]);
    assert_eq!(matches.call("POST", &path, &auth, None).await.0, 201);

    // rotation: the database knows the new password first, then the secret does
    let role = &surroundings.role;
    admin
        .batch_execute(&format!("ALTER ROLE {role} PASSWORD 'second password'"))
        .await
        .expect("rotated");
    *surroundings.password.lock().expect("unpoisoned") = "second password".to_owned();
    admin
        .batch_execute(&format!(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '{role}'"
        ))
        .await
        .expect("cut off");
    eventually("healthy with the new password", async || {
        matches.health().await == Some(StatusCode::OK)
    })
    .await;
    let (_, list) = matches.get("/api/matches", &auth).await;
    assert_eq!(list[0]["currentPlayers"], 1);

    let metrics = Request::get("/metrics")
        .body(Body::empty())
        .expect("a request");
    let (_, _, metrics) = exchange(matches.metrics_port, metrics)
        .await
        .expect("metrics");
    let metrics = String::from_utf8_lossy(&metrics).into_owned();
    let counted = r#"http_request_duration_seconds_count{method="POST",route="/api/matches/{id}/participants",status="201"} 1"#;
    assert!(metrics.contains(counted), "{metrics}");
    assert_eq!(
        matches.get("/metrics", &auth).await.0,
        404,
        "metrics have a port of their own"
    );

    drains(&mut matches, &bearer).await;
    for running in [&users, &matches] {
        says_nothing_private(
            &running.log.lock().expect("unpoisoned"),
            &[&bearer[7..], &id_token],
        );
    }
}

/// A terminated service says so to the load balancer, ends its streams, and
/// then ends well.
async fn drains(matches: &mut Running, bearer: &str) {
    let port = matches.port;
    let request = Request::get("/api/matches/events")
        .header("authorization", bearer)
        .body(Body::empty());
    let stream = tokio::spawn(async move { exchange(port, request.expect("a request")).await });
    let pid = matches.child.id().to_string();
    eventually("the stream is open", async || {
        let metrics = Request::get("/metrics")
            .body(Body::empty())
            .expect("a request");
        let (_, _, text) = exchange(matches.metrics_port, metrics)
            .await
            .expect("metrics");
        String::from_utf8_lossy(&text).contains("event_streams_open 1")
    })
    .await;
    assert!(
        Command::new("kill")
            .args(["-TERM", &pid])
            .status()
            .expect("`kill` runs")
            .success()
    );
    let mut seen_draining = false;
    let start = Instant::now();
    let status = loop {
        seen_draining |= matches.health().await == Some(StatusCode::SERVICE_UNAVAILABLE);
        if let Some(status) = matches.child.try_wait().expect("ours") {
            break status;
        }
        assert!(start.elapsed() < Duration::from_secs(15), "still running");
        tokio::time::sleep(Duration::from_millis(10)).await;
    };
    assert!(status.success(), "{status}");
    assert!(seen_draining, "the load balancer was told");
    stream
        .await
        .expect("no panic")
        .expect("the stream ended properly");
}

fn says_nothing_private(log: &str, tokens: &[&str]) {
    for line in log.lines() {
        let line: HashMap<String, Value> =
            serde_json::from_str(line).expect("a line is a JSON object");
        assert!(line.contains_key("message"), "{line:?}");
    }
    for private in [
        "password\"",
        "first password",
        "second password",
        "someone@example.com",
        "sub-1",
    ] {
        assert!(!log.contains(private), "`{private}` in the log");
    }
    assert!(
        !tokens.iter().any(|token| log.contains(token)),
        "a token in the log"
    );
}

/// What a player's page does: asks again with the same key until it has an answer.
async fn join_until_answered(
    port: Arc<Mutex<u16>>,
    path: String,
    bearer: String,
    key: String,
) -> Value {
    loop {
        let request = Request::post(&path)
            .header("authorization", &bearer)
            .header("idempotency-key", &key)
            .body(Body::empty())
            .expect("a request");
        let port = *port.lock().expect("unpoisoned");
        match exchange(port, request).await {
            Some((status, _, body)) if status != 503 => {
                let body: Value = serde_json::from_slice(&body).expect("json");
                assert_eq!(status, 201, "{body}");
                return body;
            }
            _ => tokio::time::sleep(Duration::from_millis(20)).await,
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_loses_or_doubles_a_seat_when_the_service_is_killed() {
    let surroundings = Surroundings::start("password").await;
    let sql = surroundings.sql_with_role().await;
    assert!(surroundings.migrate().await.status.success());
    sql.batch_execute(
        "INSERT INTO users (cognito_sub, email, email_verified, nickname)
             SELECT 'sub-' || n, n || '@example.com', true, 'p' FROM generate_series(1, 22) n;
         INSERT INTO matches (location, starts_at, max_players)
             SELECT 'here', now() + interval '1 hour', 22 FROM generate_series(1, 20)",
    )
    .await
    .expect("inserted");
    let mut matches = Running::start(&surroundings, "matches").await;
    let port = Arc::new(Mutex::new(matches.port));
    let mut players = tokio::task::JoinSet::new();
    for player in 1..=22 {
        let mut claims = access_claims(&format!("sub-{player}"));
        claims["iss"] = json!(surroundings.issuer());
        let bearer = format!("Bearer {}", PoolKey::usual().sign(&claims));
        let port = Arc::clone(&port);
        players.spawn(async move {
            for id in 1..=20 {
                let path = format!("/api/matches/{id}/participants");
                let key = format!("{player}-{id}");
                join_until_answered(Arc::clone(&port), path, bearer.clone(), key).await;
            }
        });
    }
    let joined = async || -> i64 {
        sql.query_one("SELECT count(*) FROM participants", &[])
            .await
            .expect("counted")
            .get(0)
    };
    for at_least in [60, 180, 300] {
        eventually("joins go on", async || joined().await >= at_least).await;
        matches.child.kill().expect("ours");
        matches = Running::start(&surroundings, "matches").await;
        *port.lock().expect("unpoisoned") = matches.port;
    }
    while let Some(player) = players.join_next().await {
        player.expect("every join is answered in the end");
    }
    assert_eq!(joined().await, 22 * 20);
    let drifted = "SELECT count(*) FROM matches WHERE joined <> 22";
    assert_eq!(
        sql.query_one(drifted, &[])
            .await
            .expect("counted")
            .get::<_, i64>(0),
        0
    );
}

#[tokio::test]
async fn settings_that_are_missing_or_wrong_are_named_with_status_2() {
    let run = |arguments: &[&str], environment: &[(&str, &str)]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_server"));
        let output = command
            .args(arguments)
            .env_clear()
            .envs(environment.iter().copied())
            .output();
        let output = output.expect("the program starts");
        (
            output.status.code(),
            String::from_utf8_lossy(&output.stderr).into_owned(),
        )
    };
    let (code, said) = run(&["users"], &[]);
    assert_eq!(code, Some(2));
    for name in [
        "DB_SECRET_ARN",
        "AWS_REGION",
        "COGNITO_ISSUER",
        "COGNITO_CLIENT_ID",
    ] {
        assert!(said.contains(&format!("`{name}` is not set")), "{said}");
    }
    let (code, said) = run(&["conquer"], &[]);
    assert_eq!(code, Some(2));
    assert!(said.starts_with("usage:"), "{said}");
    let wrong = [
        ("DB_SECRET_ARN", SECRET_ARN),
        ("AWS_REGION", "ap-northeast-2"),
        ("PGSSLROOTCERT", "/no/such/file"),
    ];
    let (code, said) = run(&["migrate"], &wrong);
    assert_eq!(code, Some(2));
    assert!(said.contains("`/no/such/file`"), "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_with_another_certificate_is_not_spoken_to() {
    let surroundings = Surroundings::start("any").await;
    let mut command = surroundings.command("matches");
    // trusts the pool's root only
    let running = Running::start_with(command.env_remove("PGSSLROOTCERT")).await;
    let (status, body) = running.get("/health", &[]).await;
    assert_eq!(
        (status.as_u16(), &body["reason"]),
        (503, &json!("database"))
    );
    // the log is read by a thread of its own, which may lag behind the answer
    let end = std::time::Instant::now() + std::time::Duration::from_secs(10);
    loop {
        let said = running.log.lock().expect("unpoisoned").clone();
        if said.contains("invalid peer certificate") {
            break;
        }
        assert!(std::time::Instant::now() < end, "{said}");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}
