//! The unmodified aws-cli against the emulator over a socket.

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Output, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use emulator::{Clock, Credentials, Emulator, LogEvent, Seed, SystemClock, Timestamp};
use serde_json::Value;

mod describe;
mod ssm;

use crate::s3::seed_with_buckets;
use crate::server::Server;
use crate::support::*;

/// aws-cli signs with the real time.
pub(crate) struct Cli {
    pub(crate) emulator: Arc<Emulator>,
    pub(crate) server: Server,
    pub(crate) who: Credentials,
    home: tempfile::TempDir,
}

impl Cli {
    /// `None`, and the test is skipped, only if there is no aws-cli and `KICKYTIME_TEST_TOOLS` is
    /// `optional`.
    fn start() -> Option<Self> {
        Self::with(seed_with_buckets())
    }

    pub(crate) fn with(seed: Seed) -> Option<Self> {
        if Command::new("aws").arg("--version").output().is_err() {
            let optional = std::env::var("KICKYTIME_TEST_TOOLS").is_ok_and(|v| v == "optional");
            assert!(optional, "aws-cli is missing: `./setup test` installs it");
            return None;
        }
        let emulator = Arc::new(Emulator::open(seed, None, Arc::new(SystemClock)).unwrap());
        let server = Server::start(emulator.clone());
        let who = emulator.user_credentials("operator").unwrap();
        Some(Self {
            emulator,
            server,
            who,
            home: tempfile::tempdir().unwrap(),
        })
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("aws");
        command
            .args(arguments)
            .env(
                "AWS_ENDPOINT_URL",
                format!("http://{}", self.server.address),
            )
            .env("AWS_ACCESS_KEY_ID", &self.who.access_key_id)
            .env("AWS_SECRET_ACCESS_KEY", self.who.secret_access_key.expose())
            .env("AWS_DEFAULT_REGION", REGION)
            .env("AWS_PAGER", "")
            .env("AWS_MAX_ATTEMPTS", "1")
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .env("HOME", self.home.path())
            .env_remove("AWS_SESSION_TOKEN")
            .env_remove("AWS_PROFILE")
            .env_remove("http_proxy")
            .env_remove("HTTP_PROXY");
        command
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    pub(crate) fn ok(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "aws {arguments:?}: {stderr}");
        String::from_utf8(output.stdout).unwrap()
    }

    pub(crate) fn json(&self, arguments: &[&str]) -> Value {
        serde_json::from_str(&self.ok(arguments)).unwrap()
    }

    pub(crate) fn refused(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert!(
            !output.status.success(),
            "aws {arguments:?} was not refused"
        );
        String::from_utf8(output.stderr).unwrap()
    }
}

#[test]
fn who_am_i_and_a_wrong_secret_key() {
    let Some(mut cli) = Cli::start() else { return };
    let answer = cli.json(&["sts", "get-caller-identity"]);
    assert_eq!(answer["Arn"], "arn:aws:iam::111122223333:user/operator");
    assert_eq!(answer["Account"], ACCOUNT);
    cli.who.secret_access_key = "wrong".into();
    let stderr = cli.refused(&["sts", "get-caller-identity"]);
    assert!(stderr.contains("(SignatureDoesNotMatch)"), "{stderr}");
    let stderr = cli.refused(&["kms", "list-keys"]);
    assert!(stderr.contains("(InvalidSignatureException)"), "{stderr}");
}

#[test]
fn secrets_are_read_listed_and_put() {
    let Some(cli) = Cli::start() else { return };
    let get = |more: &[&str]| {
        let base = [
            "secretsmanager",
            "get-secret-value",
            "--secret-id",
            "kickytime/db",
        ];
        cli.json(&[&base, more].concat())
    };
    let value = get(&[]);
    assert!(
        value["SecretString"]
            .as_str()
            .unwrap()
            .contains("\"port\":5432")
    );
    cli.ok(&[
        "secretsmanager",
        "put-secret-value",
        "--secret-id",
        "kickytime/db",
        "--secret-string",
        "새 값",
    ]);
    assert_eq!(get(&[])["SecretString"], "새 값");
    assert_eq!(
        get(&["--version-stage", "AWSPREVIOUS"])["SecretString"],
        value["SecretString"]
    );
    let list = cli.json(&["secretsmanager", "list-secrets"]);
    assert_eq!(list["SecretList"][0]["Name"], "kickytime/db");
    cli.ok(&[
        "secretsmanager",
        "describe-secret",
        "--secret-id",
        SECRET_ARN,
    ]);
    let stderr = cli.refused(&[
        "secretsmanager",
        "rotate-secret",
        "--secret-id",
        "kickytime/db",
    ]);
    assert!(
        stderr.contains("does not implement `RotateSecret`"),
        "{stderr}"
    );
}

#[test]
fn bytes_are_encrypted_and_decrypted() {
    let Some(cli) = Cli::start() else { return };
    let plain = cli.home.path().join("plain");
    std::fs::write(&plain, "공을 차자").unwrap();
    let made = cli.json(&[
        "kms",
        "encrypt",
        "--key-id",
        "alias/kickytime-key",
        "--plaintext",
        &format!("fileb://{}", plain.display()),
        "--encryption-context",
        "team=red",
    ]);
    let sealed = cli.home.path().join("sealed");
    let blob = base64_decode(made["CiphertextBlob"].as_str().unwrap());
    std::fs::write(&sealed, blob).unwrap();
    let decrypt = |context: &'static str| {
        let blob = format!("fileb://{}", sealed.display());
        [
            "kms",
            "decrypt",
            "--ciphertext-blob",
            &blob,
            "--encryption-context",
            context,
        ]
        .map(str::to_owned)
    };
    let arguments = decrypt("team=red");
    let opened = cli.json(&arguments.each_ref().map(String::as_str));
    assert_eq!(
        base64_decode(opened["Plaintext"].as_str().unwrap()),
        "공을 차자".as_bytes()
    );
    let arguments = decrypt("team=blue");
    let stderr = cli.refused(&arguments.each_ref().map(String::as_str));
    assert!(stderr.contains("(InvalidCiphertextException)"), "{stderr}");
}

fn base64_decode(text: &str) -> Vec<u8> {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD
        .decode(text)
        .unwrap()
}

#[test]
fn logs_are_filtered_as_tail_does() {
    let Some(cli) = Cli::start() else { return };
    let Timestamp(now) = SystemClock.now();
    for n in 0..5 {
        let event = LogEvent {
            timestamp_ms: now + n,
            message: format!("line {n}"),
        };
        cli.emulator
            .append_log_events("/kickytime/users", "task-1", &[event])
            .unwrap();
    }
    let since = (now + 2).to_string();
    let answer = cli.json(&[
        "logs",
        "filter-log-events",
        "--log-group-name",
        "/kickytime/users",
        "--interleaved",
        "--start-time",
        &since,
        "--page-size",
        "2",
    ]);
    let events = answer["events"].as_array().unwrap();
    let lines: Vec<&str> = events
        .iter()
        .map(|e| e["message"].as_str().unwrap())
        .collect();
    assert_eq!(lines, ["line 2", "line 3", "line 4"]);
}

#[test]
fn logs_are_tailed_and_followed() {
    let Some(cli) = Cli::start() else { return };
    if !cli.ok(&["--version"]).starts_with("aws-cli/2") {
        // `logs tail` came with version 2; what it calls is tested above with any version.
        return;
    }
    let Timestamp(now) = SystemClock.now();
    let write = |n: i64| {
        let event = LogEvent {
            timestamp_ms: now + n,
            message: format!("line {n}"),
        };
        cli.emulator
            .append_log_events("/kickytime/users", "task-1", &[event])
            .unwrap();
    };
    write(1);
    let mut follow = cli
        .command(&[
            "logs",
            "tail",
            "/kickytime/users",
            "--follow",
            "--format",
            "short",
        ])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let (tell, told) = std::sync::mpsc::channel();
    let stdout = BufReader::new(follow.stdout.take().unwrap());
    let reader = std::thread::spawn(move || {
        for line in stdout.lines() {
            if tell.send(line.unwrap()).is_err() {
                break;
            }
        }
    });
    let deadline = Instant::now() + Duration::from_secs(60);
    let expect = |text: &str| {
        let line = told
            .recv_timeout(deadline.saturating_duration_since(Instant::now()))
            .unwrap();
        assert!(line.ends_with(text), "{line}");
    };
    expect("line 1");
    write(2);
    expect("line 2");
    follow.kill().unwrap();
    follow.wait().unwrap();
    reader.join().unwrap();
}

#[test]
fn a_directory_is_synchronised() {
    let Some(cli) = Cli::start() else { return };
    let web = cli.home.path().join("web");
    std::fs::create_dir_all(web.join("css")).unwrap();
    std::fs::write(web.join("index.html"), "<!doctype html>").unwrap();
    std::fs::write(web.join("css/한.css"), "body{}").unwrap();
    let (local, remote) = (web.to_str().unwrap(), "s3://web");
    let uploads = |text: &str| text.matches("upload:").count();
    assert_eq!(
        uploads(&cli.ok(&["s3", "sync", local, remote, "--no-progress"])),
        2
    );
    assert_eq!(
        uploads(&cli.ok(&["s3", "sync", local, remote, "--no-progress"])),
        0
    );
    let listed = cli.ok(&["s3", "ls", "--recursive", remote]);
    assert!(
        listed.contains("css/한.css") && listed.contains("index.html"),
        "{listed}"
    );
    let copy = cli.home.path().join("copy.html");
    cli.ok(&[
        "s3",
        "cp",
        "s3://web/index.html",
        copy.to_str().unwrap(),
        "--no-progress",
    ]);
    assert_eq!(std::fs::read_to_string(copy).unwrap(), "<!doctype html>");
    std::fs::remove_file(web.join("css/한.css")).unwrap();
    cli.ok(&["s3", "sync", local, remote, "--delete", "--no-progress"]);
    assert!(
        !cli.ok(&["s3", "ls", "--recursive", remote])
            .contains("css/")
    );
    let stderr = cli.refused(&["s3", "cp", "s3://web/missing", "/dev/null"]);
    assert!(stderr.contains("404"), "{stderr}");
}
