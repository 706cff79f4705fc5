//! The person's own commands on what runs: `db`, `session`, `logs`.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, Command, Output, Stdio};

use serde_json::Value as Json;

use crate::operator::Aws;
use crate::process;
use crate::region::{Region, eventually, free_port};

/// `kickytime` of these words on the region, with what a shell may have left over.
fn command(region: &Region, words: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kickytime"));
    let (name, rest) = words.split_first().expect("a command");
    command
        .args([name, "--state"])
        .arg(region.state_directory())
        .args(rest)
        .env("AWS_PROFILE", "another")
        .env("AWS_SESSION_TOKEN", "another account's")
        .env("PGPASSWORD", "another's")
        .env("HTTPS_PROXY", "http://127.0.0.1:9");
    command
}

fn run(region: &Region, words: &[&str]) -> Output {
    command(region, words).output().expect("kickytime starts")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn stop(child: &Child, signal: &str) {
    let id = child.id().to_string();
    let status = Command::new("kill").args([signal, &id]).status();
    assert!(status.expect("kill starts").success());
}

/// The sessions that stand, with the service.
fn active(aws: &Aws) -> Vec<Json> {
    let answer = aws.json(&["ssm", "describe-sessions", "--state", "Active"]);
    answer["Sessions"].as_array().cloned().unwrap_or_default()
}

#[test]
fn a_person_operates_what_runs() {
    let Some(mut region) = Region::start() else {
        return;
    };
    psql(&region);
    nothing_of_the_password(&region);
    listening(&region);
    shell(&region);
    refusals(&region);
    logs(&region);
    assert_eq!(region.stop(), Some(0), "{}", region.said());
}

/// psql through an instance, from the first query to the end.
fn psql(region: &Region) {
    let aws = Aws::new(region);
    eventually("both instances' agents", || {
        let answer = aws.json(&["ssm", "describe-instance-information"]);
        let online = answer["InstanceInformationList"]
            .as_array()
            .map_or(0, Vec::len);
        online == 2
    });
    let query = "select current_user || ' ' || ssl from pg_stat_ssl where pid = pg_backend_pid()";
    let words = ["db", "--port", "0", "--", "-At", "-c", query];
    let output = run(region, &words);
    let said = text(&output.stderr);
    assert!(output.status.success(), "{said}");
    assert_eq!(text(&output.stdout).trim(), "kickytime true", "{said}");
    assert!(said.contains("(MatchesAutoScalingGroup/1)"), "{said}");
    assert!(said.contains(":5432"), "{said}");

    let failed = run(region, &["db", "--port", "0", "--", "-c", "select 1/0"]);
    assert_eq!(failed.status.code(), Some(1), "{}", text(&failed.stderr));
}

/// Nobody who lists processes sees the password, and SIGTERM ends everything.
fn nothing_of_the_password(region: &Region) {
    let aws = Aws::new(region);
    let words = [
        "secretsmanager",
        "get-secret-value",
        "--secret-id",
        "kickytime/db",
    ];
    let secret = aws.json(&words);
    let secret: Json = serde_json::from_str(secret["SecretString"].as_str().expect("text"))
        .expect("a database's secret");
    let password = secret["password"].as_str().expect("a password");

    let words = ["db", "--port", "0", "--", "-c", "select pg_sleep(1000)"];
    let mut child = command(region, &words).spawn().expect("kickytime starts");
    let mut inner = Vec::new();
    eventually("psql", || {
        inner = process::descendants(child.id());
        inner
            .iter()
            .any(|process| process.command.contains("hostaddr"))
    });
    let mut ids: Vec<u32> = inner.iter().map(|process| process.id).collect();
    ids.push(child.id());
    for id in &ids {
        for file in ["cmdline", "environ"] {
            let listed = std::fs::read(format!("/proc/{id}/{file}")).unwrap_or_default();
            assert!(!text(&listed).contains(password), "{file} of process {id}");
        }
    }
    stop(&child, "-TERM");
    assert!(child.wait().expect("a child of ours").code().is_some());
    eventually("the end of psql", || {
        inner.iter().all(|process| !process::is_alive(process.id))
    });
    eventually("the end of the session", || active(&aws).is_empty());
}

/// A way that is only kept open: Ctrl-C ends it, and it is an orderly end.
fn listening(region: &Region) {
    let aws = Aws::new(region);
    let port = free_port();
    let place = format!("127.0.0.1:{port}");
    let words = ["db", "--listen", "--port", &port.to_string()];
    let mut child = command(region, &words).spawn().expect("kickytime starts");
    // PostgreSQL answers a request for TLS with one letter
    eventually("the database's answer", || {
        let Ok(mut stream) = TcpStream::connect(&place) else {
            return false;
        };
        let asked = stream.write_all(&[0, 0, 0, 8, 4, 210, 22, 47]);
        let mut letter = [0];
        asked.is_ok() && stream.read_exact(&mut letter).is_ok() && letter == *b"S"
    });
    let taken = run(region, &words);
    assert_eq!(taken.status.code(), Some(2));
    assert!(
        text(&taken.stderr).contains("it is taken"),
        "{}",
        text(&taken.stderr)
    );
    stop(&child, "-INT");
    assert_eq!(child.wait().expect("a child of ours").code(), Some(0));
    assert!(TcpStream::connect(&place).is_err());
    eventually("the end of the session", || active(&aws).is_empty());
}

/// A shell whose keys come through a pipe, encrypted under the stack's key.
fn shell(region: &Region) {
    let mut child = command(region, &["session", "MatchesAutoScalingGroup/2"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("kickytime starts");
    let mut keys = child.stdin.take().expect("a pipe");
    keys.write_all(b"echo $((6 * 7))-from-there\nexit 7\n")
        .expect("keys");
    let output = child.wait_with_output().expect("a child of ours");
    let said = text(&output.stderr);
    assert!(
        text(&output.stdout).contains("42-from-there"),
        "{said}\n{}",
        text(&output.stdout)
    );
    assert_eq!(output.status.code(), Some(7), "{said}");
    assert!(said.contains("(MatchesAutoScalingGroup/2)"), "{said}");

    let aws = Aws::new(region);
    // what was on the screen, as the document wants it
    eventually("the session's record", || {
        let events = aws.log("/kickytime/ssm", "\"42-from-there\"");
        !events.is_empty()
    });
}

/// What cannot be done is said, with what to do.
fn refusals(region: &Region) {
    let cases = [
        (
            &["session", "i-00000000000000000"] as &[&str],
            "TargetNotConnected",
        ),
        (
            &["session", "Nobody"],
            "no instance of `Nobody` is connected",
        ),
        (
            &["db", "--port", "0", "--stack-name", "other"],
            "there is no stack `other`",
        ),
        (&["logs", "other"], "there are: "),
        (&["logs", "/kickytime/other"], "`kickytime logs` lists"),
        (
            &["db", "--port", "0", "--host", ":x"],
            "not of the form HOST[:PORT]",
        ),
    ];
    for (words, expected) in cases {
        let output = run(region, words);
        assert_eq!(output.status.code(), Some(2), "{words:?}");
        let said = text(&output.stderr);
        assert!(said.contains(expected), "{words:?}: {said}");
    }
}

/// Log groups, their lines, and a reader who leaves.
fn logs(region: &Region) {
    let groups = run(region, &["logs"]);
    assert!(text(&groups.stdout).contains("/kickytime/matches\n"));
    let words = ["logs", "matches", "--since", "1h", "--format", "json"];
    eventually("a line of the match service", || {
        let lines = run(region, &words);
        let first = text(&lines.stdout);
        let first = first.lines().next().unwrap_or_default();
        let first: Json = serde_json::from_str(first).unwrap_or_default();
        first["message"]
            .as_str()
            .is_some_and(|line| line.starts_with('{'))
    });
    let mut following = command(region, &["logs", "matches", "--since", "1h", "--follow"])
        .stdout(Stdio::piped())
        .spawn()
        .expect("kickytime starts");
    let mut lines = BufReader::new(following.stdout.take().expect("a pipe"));
    let mut line = String::new();
    lines.read_line(&mut line).expect("a line");
    assert!(line.contains('Z'), "{line}");
    stop(&following, "-TERM");
    assert_eq!(following.wait().expect("a child of ours").code(), Some(0));
}

#[test]
fn without_a_region_aws_is_not_asked_instead() {
    let nowhere = tempfile::tempdir().expect("a directory");
    for name in ["db", "session", "logs"] {
        let output = Command::new(env!("CARGO_BIN_EXE_kickytime"))
            .args([name, "--state"])
            .arg(nowhere.path())
            .env("AWS_ACCESS_KEY_ID", "AKIA")
            .env("AWS_SECRET_ACCESS_KEY", "secret")
            .env("AWS_REGION", "ap-northeast-2")
            .output()
            .expect("kickytime starts");
        assert_eq!(output.status.code(), Some(2));
        let said = text(&output.stderr);
        assert!(said.contains("no region is running"), "{said}");
        assert!(said.contains("--aws"), "{said}");
    }
}

#[test]
fn a_regions_endpoint_is_not_taken_for_aws() {
    for name in ["db", "session", "logs"] {
        let output = Command::new(env!("CARGO_BIN_EXE_kickytime"))
            .args([name, "--aws", "--region", "ap-northeast-2"])
            .env("AWS_ACCESS_KEY_ID", "AKIA")
            .env("AWS_SECRET_ACCESS_KEY", "secret")
            .env("AWS_ENDPOINT_URL", "http://localhost:4566")
            .output()
            .expect("kickytime starts");
        assert_eq!(output.status.code(), Some(2));
        let said = text(&output.stderr);
        assert!(
            said.contains("http://localhost:4566, which is not AWS"),
            "{said}"
        );
    }
}
