//! Programs of the person's on the region's internet: `kickytime exec`.

use std::process::{Command, Output, Stdio};

use serde_json::Value as Json;

use crate::process;
use crate::region::{Region, eventually};

/// `kickytime exec` of these words.
pub(crate) fn exec(region: &Region, words: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kickytime"));
    let state = region.state_directory();
    command.arg("exec").arg("--state").arg(state).args(words);
    // what a person may have set for another account
    command
        .env("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
        .env("AWS_SESSION_TOKEN", "another account's")
        .env("HTTPS_PROXY", "http://127.0.0.1:9");
    command
}

fn run(region: &Region, words: &[&str]) -> Output {
    exec(region, words).output().expect("kickytime starts")
}

pub(crate) fn aws_by_its_own_names(region: &Region) {
    let identity = run(region, &["aws", "sts", "get-caller-identity"]);
    let said = String::from_utf8_lossy(&identity.stderr);
    assert!(identity.status.success(), "{said}");
    let identity: Json = serde_json::from_slice(&identity.stdout).expect("JSON");
    assert_eq!(identity["Arn"], "arn:aws:iam::000000000000:user/operator");

    let found = run(
        region,
        &["getent", "hosts", "sts.ap-northeast-2.amazonaws.com"],
    );
    let found = String::from_utf8_lossy(&found.stdout).into_owned();
    assert!(
        found.starts_with("192.0.2."),
        "an address set aside for documentation: {found}"
    );
    let status = run(region, &["sh", "-c", "exit 7"]);
    assert_eq!(status.status.code(), Some(7), "the program's own status");
    let absent = run(region, &["/no/such/program"]);
    let said = String::from_utf8_lossy(&absent.stderr).into_owned();
    assert_eq!(absent.status.code(), Some(2));
    assert!(said.contains("cannot run `/no/such/program`"), "{said}");
}

/// A visitor whose region is ended as no program can help.
pub(crate) fn end_with_the_region(region: &mut Region) {
    let mut visitor = exec(region, &["sleep", "1000"])
        .stderr(Stdio::piped())
        .spawn()
        .expect("kickytime starts");
    let mut inner = Vec::new();
    eventually("the visitor's program", || {
        inner = process::descendants(visitor.id());
        !inner.is_empty()
    });
    region.kill();
    eventually("the visitor to leave", || {
        visitor.try_wait().expect("a child of ours").is_some()
    });
    for process in inner {
        eventually("the end of the visitor's program", || {
            !process::is_alive(process.id)
        });
    }
}
