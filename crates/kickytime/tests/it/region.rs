//! A region under test: started as a person starts it, always torn down.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value as Json;

use crate::process;

/// Longest wait for a region to start; a test build on a busy machine is slow.
const START: Duration = Duration::from_secs(120);
/// Longest wait for anything else.
pub(crate) const DEADLINE: Duration = Duration::from_secs(60);

/// The workspace's folder.
pub(crate) fn root() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    root.canonicalize().expect("the workspace")
}

/// A `kickytime up` of this test.
pub(crate) struct Region {
    child: Child,
    home: tempfile::TempDir,
    pub(crate) port: u16,
    starts: u32,
}

impl Region {
    /// Starts the project's own template and waits until it is ready; `None`
    /// where namespaces are forbidden and may be.
    pub(crate) fn start() -> Option<Self> {
        if let Err(diagnosis) = ::region::host::probe::probe() {
            let optional =
                std::env::var("KICKYTIME_TEST_NETNS").is_ok_and(|value| value == "optional");
            assert!(
                optional,
                "this machine forbids what the test needs: {diagnosis}\n{}",
                diagnosis.hint
            );
            return None;
        }
        let home = tempfile::tempdir().expect("a directory");
        let port = free_port();
        let child = spawn(home.path(), port, Path::new("infra/kickytime.yaml"), 1);
        let mut region = Self {
            child,
            home,
            port,
            starts: 1,
        };
        region.wait_ready();
        Some(region)
    }

    /// Starts again with the same state, and another template if one is given.
    pub(crate) fn start_again(&mut self, template: Option<&Path>) {
        self.starts += 1;
        let template = template.unwrap_or(Path::new("infra/kickytime.yaml"));
        self.child = spawn(self.home.path(), self.port, template, self.starts);
        self.wait_ready();
    }

    fn wait_ready(&mut self) {
        let started = Instant::now();
        while self.status()["ready"] != true {
            let ended = self.child.try_wait().expect("a child of ours");
            assert!(ended.is_none(), "`kickytime up` ended: {}", self.said());
            assert!(started.elapsed() < START, "not ready: {}", self.said());
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// `kickytime status --format json`, or null.
    pub(crate) fn status(&self) -> Json {
        let output = self.kickytime(&["status", "--format", "json"]);
        serde_json::from_slice(&output.stdout).unwrap_or(Json::Null)
    }

    /// The state of a component such as `UsersService/1`.
    pub(crate) fn state_of(&self, name: &str) -> String {
        let status = self.status();
        let components = status["components"].as_array().into_iter().flatten();
        let mut states = components.filter(|component| component["name"] == name);
        let state = states
            .next()
            .and_then(|component| component["state"].as_str());
        state.unwrap_or_default().to_owned()
    }

    /// Where the region keeps its data.
    pub(crate) fn state_directory(&self) -> PathBuf {
        self.home.path().join("state")
    }

    /// Another command on this region.
    pub(crate) fn kickytime(&self, words: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_kickytime"))
            .args(words)
            .arg("--state")
            .arg(self.state_directory())
            .output()
            .expect("kickytime starts")
    }

    /// The variables of `kickytime env`.
    pub(crate) fn environment(&self) -> Vec<(String, String)> {
        let output = self.kickytime(&["env", "--format", "json"]);
        let variables: Json = serde_json::from_slice(&output.stdout).expect("JSON");
        let variables = variables.as_object().expect("a map").iter();
        variables
            .map(|(name, value)| (name.clone(), value.as_str().expect("text").to_owned()))
            .collect()
    }

    /// Email address and password of a seeded person.
    pub(crate) fn sign_in(&self, email: &str) -> (String, String) {
        let status = self.status();
        let people = status["signIns"].as_array().expect("people");
        let person = people.iter().find(|person| person["email"] == email);
        let password = person.expect("the person")["password"]
            .as_str()
            .expect("a password");
        (email.to_owned(), password.to_owned())
    }

    pub(crate) fn site(&self) -> String {
        format!("http://localhost:{}/", self.port)
    }

    /// Everything the program said, of all its starts.
    pub(crate) fn said(&self) -> String {
        let texts = (1..=self.starts).map(|start| {
            let file = self.home.path().join(format!("up-{start}.log"));
            std::fs::read_to_string(file).unwrap_or_default()
        });
        texts.collect()
    }

    /// The processes of this region, the program's own left out.
    pub(crate) fn processes(&self) -> Vec<process::Process> {
        process::descendants(self.child.id())
    }

    /// Ends the program as no program can help.
    pub(crate) fn kill(&mut self) {
        self.child.kill().expect("a child of ours");
        self.child.wait().expect("a child of ours");
    }

    /// `kickytime down`, and the program's exit code.
    pub(crate) fn stop(&mut self) -> Option<i32> {
        let output = self.kickytime(&["down"]);
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        let started = Instant::now();
        while started.elapsed() < DEADLINE {
            if let Some(status) = self.child.try_wait().expect("a child of ours") {
                return status.code();
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        panic!("does not stop: {}", self.said());
    }
}

impl Drop for Region {
    fn drop(&mut self) {
        if std::thread::panicking() {
            println!("--- what `kickytime up` said\n{}", self.said());
            println!("--- status\n{:#}", self.status());
        }
        // the kernel ends everything of a region with its launcher
        let _gone = self.child.kill();
        let _reaped = self.child.wait();
    }
}

/// Waits for a condition, and says what was waited for when it does not come.
pub(crate) fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let started = Instant::now();
    while !condition() {
        assert!(
            started.elapsed() < DEADLINE,
            "waited {DEADLINE:?} for {what}"
        );
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn spawn(home: &Path, port: u16, template: &Path, start: u32) -> Child {
    let log = std::fs::File::create(home.join(format!("up-{start}.log"))).expect("a log");
    Command::new(env!("CARGO_BIN_EXE_kickytime"))
        .arg("up")
        .arg(template)
        .args([
            "--fast-database",
            "--port",
            &port.to_string(),
            "--aws-port",
            &free_port().to_string(),
        ])
        .arg("--state")
        .arg(home.join("state"))
        .arg("--server")
        .arg(server())
        .current_dir(root())
        .stdin(Stdio::null())
        .stdout(log.try_clone().expect("a second handle"))
        .stderr(log)
        .spawn()
        .expect("kickytime starts")
}

/// The service's program, which `cargo test --workspace` builds; another
/// selection of tests builds it here.
fn server() -> PathBuf {
    let program = Path::new(env!("CARGO_BIN_EXE_kickytime")).with_file_name("server");
    if !program.is_file() {
        let built = Command::new(env!("CARGO"))
            .args(["build", "--bin", "server"])
            .current_dir(root())
            .status();
        assert!(built.expect("cargo starts").success(), "the service builds");
    }
    program
}

pub(crate) fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback");
    listener.local_addr().expect("bound").port()
}
