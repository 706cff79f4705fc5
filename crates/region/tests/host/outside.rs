//! The tests: a scenario looked at from the host.

use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::process::Command;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::harness::{Scenario, until};

pub(crate) fn exit_code_and_doors() {
    let scenario = Scenario::start("door");
    let port: u16 = scenario.expect("port").parse().unwrap();
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.write_all(b"hello").unwrap();
    let mut answer = [0; 5];
    stream.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"hello");
    let (lines, code) = scenario.finish();
    assert_eq!(code, Some(7), "{lines:?}");
    let facts = [
        "pid 2",
        "own capabilities all",
        "child capabilities none",
        "loopback down",
    ];
    for fact in facts {
        assert!(lines.iter().any(|line| line == fact), "{fact}: {lines:?}");
    }
    TcpListener::bind(("127.0.0.1", port)).expect("the door is closed with the program");
}

pub(crate) fn interrupt_once() {
    let scenario = Scenario::start("wait");
    scenario.expect("ready");
    // as a terminal does it: to the whole foreground process group, twice is
    // a person's doing, once is one stop however many processes there are
    let launcher = scenario.child.id().cast_signed();
    kill(Pid::from_raw(launcher), Signal::SIGINT).unwrap();
    let (lines, code) = scenario.finish();
    assert_eq!(
        (lines.as_slice(), code),
        (["stopped by 1".to_owned()].as_slice(), Some(0))
    );
}

pub(crate) fn interrupt_twice() {
    let scenario = Scenario::start("stubborn");
    scenario.expect("ready");
    let launcher = Pid::from_raw(scenario.child.id().cast_signed());
    kill(launcher, Signal::SIGINT).unwrap();
    scenario.expect("ignored");
    kill(launcher, Signal::SIGINT).unwrap();
    let (_, code) = scenario.finish();
    assert_eq!(code, Some(130));
}

/// The processes that live in the process id namespace of `inside`.
fn processes_in(namespace: &std::path::Path) -> Vec<String> {
    let entries = fs::read_dir("/proc").unwrap().filter_map(Result::ok);
    entries
        .filter(|entry| {
            fs::read_link(entry.path().join("ns/pid")).is_ok_and(|link| link == namespace)
        })
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect()
}

pub(crate) fn sigkill_leaves_nothing() {
    let mounts_before = fs::read_to_string("/proc/self/mountinfo").unwrap();
    let mut scenario = Scenario::start("wait");
    let namespace = scenario.expect("namespace");
    scenario.expect("ready");
    let namespace = std::path::PathBuf::from(namespace);
    // I, W and the sleeper that W started
    assert_eq!(processes_in(&namespace).len(), 3);
    scenario.child.kill().unwrap();
    scenario.child.wait().unwrap();
    until("no process is left", || {
        processes_in(&namespace).is_empty().then_some(())
    });
    assert_eq!(
        fs::read_to_string("/proc/self/mountinfo").unwrap(),
        mounts_before
    );
}

pub(crate) fn sigkill_frees_namespaces() {
    let (lines, code) = Scenario::start("cage").finish();
    assert_eq!(code, Some(0), "{lines:?}");
    let told = ["second refused by the limit", "second succeeded"];
    let lines: Vec<&str> = lines
        .iter()
        .map(String::as_str)
        .filter(|l| l.starts_with("second"))
        .collect();
    assert_eq!(
        lines, told,
        "the limit bites, and kill -9 gives the namespaces back"
    );
}

/// This program started by somebody who is not root, wherever we are.
fn as_ordinary_user(directory: &Path) -> Command {
    let open = fs::Permissions::from_mode(0o755);
    fs::set_permissions(directory, open).unwrap();
    let program = directory.join("host");
    fs::copy(std::env::current_exe().unwrap(), &program).unwrap();
    let mut command = Command::new(&program);
    if fs::metadata("/proc/self").unwrap().uid() == 0 {
        command = Command::new("setpriv");
        command.args([
            "--reuid=65534",
            "--regid=65534",
            "--clear-groups",
            "--bounding-set=-all",
        ]);
        command.arg(&program);
    }
    command.current_dir("/");
    command
}

pub(crate) fn ordinary_user() {
    let directory = tempfile::tempdir().unwrap();
    let command = as_ordinary_user(directory.path());
    finish_as_expected(Scenario::start_by(command, "network"));
}

pub(crate) fn process_of_ordinary_user() {
    let directory = tempfile::tempdir().unwrap();
    let command = as_ordinary_user(directory.path());
    finish_as_expected(Scenario::start_by(command, "process"));
}

fn finish_as_expected(scenario: Scenario) {
    let (lines, code) = scenario.finish();
    lines.iter().for_each(|line| println!("scenario: {line}"));
    assert_eq!(code, Some(0));
    assert_eq!(lines.last().map(String::as_str), Some("all as expected"));
}

fn with_state(mut command: Command, directory: &Path, scenario: &str) -> Scenario {
    command.env("STATE", directory.join("state"));
    Scenario::start_by(command, scenario)
}

fn this() -> Command {
    Command::new(std::env::current_exe().unwrap())
}

pub(crate) fn postgres() {
    let directory = tempfile::tempdir().unwrap();
    finish_as_expected(with_state(this(), directory.path(), "postgres"));
    // and again, on the data of the first
    finish_as_expected(with_state(this(), directory.path(), "postgres-again"));
}

pub(crate) fn postgres_as_root() {
    let directory = tempfile::tempdir().unwrap();
    finish_as_expected(with_state(this(), directory.path(), "postgres-root"));
}

pub(crate) fn postgres_of_ordinary_user() {
    let directory = tempfile::tempdir().unwrap();
    let command = as_ordinary_user(directory.path());
    let state = directory.path().join("state");
    fs::create_dir(&state).unwrap();
    if fs::metadata("/proc/self").unwrap().uid() == 0 {
        std::os::unix::fs::chown(&state, Some(65534), Some(65534)).unwrap();
    }
    finish_as_expected(with_state(command, directory.path(), "postgres"));
}

pub(crate) fn postgres_sigkill() {
    let directory = tempfile::tempdir().unwrap();
    let mut first = with_state(this(), directory.path(), "postgres-write");
    first.expect("committed");
    first.child.kill().unwrap();
    first.child.wait().unwrap();
    assert!(
        directory
            .path()
            .join("state/postgres/Database/data/postmaster.pid")
            .exists()
    );
    finish_as_expected(with_state(this(), directory.path(), "postgres-again"));
}

pub(crate) fn taken_port() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.env("PORT", port.to_string());
    let (lines, code) = Scenario::start_by(command, "taken").finish();
    assert_eq!(code, Some(2));
    assert_eq!(lines[0], format!("cannot listen on 127.0.0.1:{port}"));
    assert!(lines[1].contains("another program"), "{lines:?}");
}

pub(crate) fn host_tasks() {
    let (lines, code) = Scenario::start("tasks").finish();
    assert_eq!(code, Some(0), "{lines:?}");
    let host = fs::read_link("/proc/self/ns/net").unwrap();
    let told = [
        format!("in the host's network Exited(3) {}", host.display()),
        "missing NotStarted".to_owned(),
    ];
    assert_eq!(lines, told);
}

pub(crate) fn network() {
    all_as_expected("network");
}

/// For scenarios that check everything themselves.
pub(crate) fn all_as_expected(scenario: &str) {
    finish_as_expected(Scenario::start(scenario));
}

pub(crate) fn threads() {
    let (lines, code) = Scenario::start("threads").finish();
    assert_eq!(code, Some(0), "{lines:?}");
    let told = [
        "value 5",
        "the thread `bad` panicked: no luck",
        "stopped",
        "different namespaces",
    ];
    assert_eq!(lines, told);
}
