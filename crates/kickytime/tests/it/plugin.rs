//! The unmodified aws-cli and a session-manager-plugin, up to the database.
//!
//! AWS's plugin comes as packages of its own, which no test can count on: in its
//! place stands `plugin/session-manager-plugin`, a second implementation of the
//! client's side. Where AWS's own is installed, `KICKYTIME_TEST_PLUGIN=installed`
//! has these tests use that.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use serde_json::{Value as Json, json};

use crate::operator::Aws;
use crate::region::{DEADLINE, Region, eventually, free_port};
use crate::{process, visit};

const DOCUMENT: &str = "AWS-StartPortForwardingSessionToRemoteHost";

/// `PATH` with a plugin in it.
fn path() -> String {
    let path = std::env::var("PATH").unwrap_or_default();
    if std::env::var("KICKYTIME_TEST_PLUGIN").is_ok_and(|value| value == "installed") {
        return path;
    }
    let ours = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/plugin");
    format!("{}:{path}", ours.display())
}

/// The database behind the region, as its secret tells.
struct Database {
    host: String,
    user: String,
    password: String,
    name: String,
    authorities: PathBuf,
}

impl Database {
    fn of(region: &Region, aws: &Aws) -> Self {
        let words = ["secretsmanager", "get-secret-value", "--secret-id"];
        let secret = aws.json(&[&words[..], &["kickytime/db"]].concat());
        let value: Json =
            serde_json::from_str(secret["SecretString"].as_str().expect("text")).expect("JSON");
        let text = |name: &str| value[name].as_str().expect("text").to_owned();
        Self {
            host: text("host"),
            user: text("username"),
            password: text("password"),
            name: text("dbname"),
            authorities: region.state_directory().join("authority/ca.pem"),
        }
    }

    /// A program of PostgreSQL's, led to the forwarded port under the database's own name.
    fn run(&self, program: &str, port: u16, words: &[&str]) -> Output {
        Command::new(program)
            .args(words)
            .env("PGHOST", &self.host)
            .env("PGHOSTADDR", "127.0.0.1")
            .env("PGPORT", port.to_string())
            .env("PGUSER", &self.user)
            .env("PGPASSWORD", &self.password)
            .env("PGDATABASE", &self.name)
            .env("PGSSLMODE", "verify-full")
            .env("PGSSLROOTCERT", &self.authorities)
            .env("PGCONNECT_TIMEOUT", "20")
            .output()
            .expect("PostgreSQL's programs: `./setup` installs them")
    }

    fn is_reached(&self, port: u16) {
        let answer = self.run("psql", port, &["-XAtc", "select 6 * 7"]);
        let said = String::from_utf8_lossy(&answer.stderr);
        assert_eq!(
            String::from_utf8_lossy(&answer.stdout).trim(),
            "42",
            "{said}"
        );
    }
}

/// `aws ssm start-session`, ended with the test.
struct Forward(Child);

impl Forward {
    fn start(mut command: Command) -> Self {
        let child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn();
        let mut forward = Self(child.expect("the program starts"));
        let output = forward.0.stdout.take().expect("a pipe");
        let (said, lines) = std::sync::mpsc::channel();
        // to the end: a program whose words nobody reads ends by them
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                let _unheard = said.send(line);
            }
        });
        let mut before = Vec::new();
        while let Ok(line) = lines.recv_timeout(DEADLINE) {
            if line.contains("Waiting for connections") {
                return forward;
            }
            before.push(line);
        }
        panic!("no forward: {before:?}");
    }

    /// Ends it as Ctrl-C in a terminal does: the plugin gets the signal too.
    fn interrupt(mut self) {
        for process in process::descendants(self.0.id()) {
            process::interrupt(process.id);
        }
        process::interrupt(self.0.id());
        eventually("the end of the session's command", || {
            self.0.try_wait().expect("a child of ours").is_some()
        });
    }
}

impl Drop for Forward {
    fn drop(&mut self) {
        for process in process::descendants(self.0.id()) {
            process::kill(process.id);
        }
        let _gone = self.0.kill();
        let _reaped = self.0.wait();
    }
}

pub(crate) fn a_database_session(region: &Region) {
    let aws = Aws::new(region);
    let database = Database::of(region, &aws);
    let target = connected_instance(&aws);
    let port = free_port();
    let parameters = json!({
        "host": [database.host],
        "portNumber": ["5432"],
        "localPortNumber": [port.to_string()],
    })
    .to_string();
    let words = [
        "ssm",
        "start-session",
        "--region",
        "ap-northeast-2",
        "--target",
    ];
    let rest = ["--document-name", DOCUMENT, "--parameters", &parameters];
    let words = [&words[..], &[target.as_str()], &rest].concat();

    let mut command = aws.command(&words);
    command.env("PATH", path());
    let forward = Forward::start(command);
    database.is_reached(port);
    let made = database.run("pgbench", port, &["-i", "-q", "-s", "1"]);
    let said = String::from_utf8_lossy(&made.stderr).into_owned();
    assert!(made.status.success(), "{said}");
    let load = database.run("pgbench", port, &["-n", "-c", "4", "-t", "25"]);
    let said = String::from_utf8_lossy(&load.stdout).into_owned();
    assert!(
        said.contains("number of transactions actually processed: 100/100"),
        "{said}"
    );
    drop_bench_tables(&database, port);
    assert_eq!(sessions(&aws, "Active").len(), 1);
    forward.interrupt();
    eventually("the session's end to be known", || {
        sessions(&aws, "Active").is_empty()
    });

    // newer plugins insist on AWS's own name and on a certificate for it
    let publish = port.to_string();
    let visitor = ["--publish", &publish, "--", "aws"];
    let mut command = visit::exec(region, &[&visitor[..], &words].concat());
    command.env("PATH", path());
    let forward = Forward::start(command);
    database.is_reached(port);
    drop(forward);
}

fn drop_bench_tables(database: &Database, port: u16) {
    let tables = "drop table pgbench_accounts, pgbench_branches, pgbench_history, pgbench_tellers";
    let dropped = database.run("psql", port, &["-Xqc", tables]);
    assert!(dropped.status.success());
}

fn connected_instance(aws: &Aws) -> String {
    let mut found = None;
    eventually("an instance that is connected", || {
        let known = aws.json(&["ssm", "describe-instance-information"]);
        let list = known["InstanceInformationList"].as_array().cloned();
        let mut online = list.unwrap_or_default().into_iter();
        found = online.find(|instance| instance["PingStatus"] == "Online");
        found.is_some()
    });
    let instance = found.expect("it was found");
    instance["InstanceId"].as_str().expect("text").to_owned()
}

fn sessions(aws: &Aws, state: &str) -> Vec<Json> {
    let answer = aws.json(&["ssm", "describe-sessions", "--state", state]);
    answer["Sessions"].as_array().cloned().unwrap_or_default()
}
