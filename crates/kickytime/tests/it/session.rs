//! Sessions with the region's instances, and what becomes of them when something breaks.

use std::process::{Command, Stdio};
use std::time::Instant;

use crate::process;
use crate::region::{DEADLINE, eventually};

/// The holder of a session's processes, as the agent starts it.
fn holder(script: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kickytime"));
    command.args(["agent", "hold", "--", "/bin/sh", "-c", script]);
    command.stdin(Stdio::null()).stdout(Stdio::piped());
    command
}

#[test]
fn a_holder_ends_all_that_its_program_left_behind() {
    let started = Instant::now();
    // it holds the pipe open, in a session of its own, an orphan of an orphan
    let left = "setsid sh -c 'setsid sleep 1000 & sleep 1000' & echo here; exit 5";
    let output = holder(left).output().expect("kickytime starts");
    assert_eq!(output.stdout, b"here\n");
    assert_eq!(output.status.code(), Some(5));
    assert!(started.elapsed() < DEADLINE, "it did not wait for them");

    let killed = holder("kill -9 $$").output().expect("kickytime starts");
    assert_eq!(killed.status.code(), Some(128 + 9), "as shells have it");
    let mut command = holder("");
    let missing = command.args(["x"]).stderr(Stdio::piped());
    assert_eq!(missing.output().expect("it starts").status.code(), Some(0));
}

#[test]
fn a_holder_that_is_asked_to_ends_its_program() {
    let script = "trap '' TERM HUP; setsid sleep 1000 & sleep 1000";
    let mut child = holder(script).spawn().expect("kickytime starts");
    eventually("the program and what it started", || {
        process::descendants(child.id()).len() >= 3
    });
    let below = process::descendants(child.id());
    let asked = Command::new("kill").arg(child.id().to_string()).status();
    assert!(asked.expect("kill starts").success());
    assert_eq!(child.wait().expect("a child").code(), Some(128 + 15));
    for process in below {
        assert!(!process::is_alive(process.id), "{process:?}");
    }
}
