use std::fs;
use std::path::{Path, PathBuf};

use emulator::{GenerateSecretString, LogEvent, SecretContent};
use serde_json::json;

use crate::support::*;

fn current(account: &Account) -> (String, String) {
    let answer = ok(account.json(
        &account.operator(),
        "secretsmanager.GetSecretValue",
        &json!({
            "SecretId": "kickytime/db"
        }),
    ));
    let text = |name: &str| answer[name].as_str().unwrap().to_owned();
    (text("VersionId"), text("SecretString"))
}

fn files(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.push(path);
        }
    }
    found.sort();
    found
}

#[test]
fn everything_survives_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let before = Account::open(seed(), Some(directory.path())).unwrap();
    let (operator, task, secret) = (before.operator(), before.task(), current(&before));
    let encrypted = ok(before.json(
        &operator,
        "TrentService.Encrypt",
        &json!({
            "KeyId": KEY_ID, "Plaintext": "aGk="
        }),
    ));
    let event = LogEvent {
        timestamp_ms: START_MS,
        message: "kept".into(),
    };
    before
        .emulator
        .append_log_events("/kickytime/users", "s", &[event])
        .unwrap();
    let decisions = before.emulator.audit().len();
    drop(before);

    let after = Account::open(seed(), Some(directory.path())).unwrap();
    assert_eq!(after.operator(), operator);
    assert_eq!(current(&after), secret);
    ok(after.json(
        &task,
        "secretsmanager.GetSecretValue",
        &json!({ "SecretId": "kickytime/db" }),
    ));
    let opened = ok(after.json(
        &operator,
        "TrentService.Decrypt",
        &json!({
            "CiphertextBlob": encrypted["CiphertextBlob"]
        }),
    ));
    assert_eq!(opened["Plaintext"], "aGk=");
    let got = ok(after.json(
        &operator,
        "Logs_20140328.FilterLogEvents",
        &json!({
            "logGroupName": "/kickytime/users"
        }),
    ));
    assert_eq!(got["events"][0]["message"], "kept");
    assert!(after.emulator.audit().len() > decisions);
    assert_eq!(after.emulator.notices(), Vec::<String>::new());
}

#[test]
fn a_changed_description_makes_a_new_version_and_an_unchanged_one_none() {
    let directory = tempfile::tempdir().unwrap();
    let open = |seed| Account::open(seed, Some(directory.path())).unwrap();
    let first = current(&open(seed()));
    let mut moved = seed();
    moved.secrets[0].attachment.as_mut().unwrap().host = "other.example".into();
    let second = current(&open(moved.clone()));
    assert_ne!(first.0, second.0);
    let password =
        |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap()["password"].clone();
    assert_eq!(
        password(&first.1),
        password(&second.1),
        "an attachment keeps the password"
    );
    assert_eq!(current(&open(moved.clone())), second);
    moved.secrets[0].content = SecretContent::Generated(GenerateSecretString::default());
    assert_ne!(current(&open(moved)).1, second.1);
}

#[test]
fn nothing_secret_is_readable_on_disk() {
    let directory = tempfile::tempdir().unwrap();
    let account = Account::open(seed(), Some(directory.path())).unwrap();
    let (_, secret) = current(&account);
    let password = serde_json::from_str::<serde_json::Value>(&secret).unwrap()["password"]
        .as_str()
        .unwrap()
        .to_owned();
    let event = LogEvent {
        timestamp_ms: START_MS,
        message: "a private line".into(),
    };
    account
        .emulator
        .append_log_events("/kickytime/users", "s", &[event])
        .unwrap();
    let key = account.operator().secret_access_key.expose().to_owned();
    for file in files(directory.path()) {
        let bytes = fs::read(&file).unwrap();
        for needle in [
            password.as_str(),
            "kickytime.rds",
            "a private line",
            &key,
            "GetSecretValue",
        ] {
            assert!(
                !bytes
                    .windows(needle.len())
                    .any(|part| part == needle.as_bytes()),
                "{} holds {needle}",
                file.display()
            );
        }
    }
}

#[test]
fn a_damaged_file_is_an_error_that_names_it() {
    let directory = tempfile::tempdir().unwrap();
    let account = Account::open(seed(), Some(directory.path())).unwrap();
    let event = LogEvent {
        timestamp_ms: START_MS,
        message: "x".into(),
    };
    account
        .emulator
        .append_log_events("/kickytime/users", "s", &[event])
        .unwrap();
    drop(account);
    let mut damaged = 0;
    for file in files(directory.path())
        .into_iter()
        .filter(|file| !file.ends_with("lock"))
    {
        let good = fs::read(&file).unwrap();
        let mut bad = good.clone();
        let middle = bad.len() / 2;
        bad[middle] ^= 0x20;
        fs::write(&file, &bad).unwrap();
        let error = match Account::open(seed(), Some(directory.path())) {
            Ok(_) => panic!("{} was changed and nobody noticed", file.display()),
            Err(error) => error.to_string(),
        };
        let name = file.file_name().unwrap().to_str().unwrap();
        let names_it = error.contains(name) || file.starts_with(directory.path().join("hsm"));
        assert!(names_it, "{}: {error}", file.display());
        fs::write(&file, &good).unwrap();
        damaged += 1;
    }
    assert!(damaged >= 5, "keys, users, secret, log, audit");
    Account::open(seed(), Some(directory.path())).unwrap();
}

#[test]
fn a_second_process_is_kept_out() {
    let directory = tempfile::tempdir().unwrap();
    let _first = Account::open(seed(), Some(directory.path())).unwrap();
    let error = Account::open(seed(), Some(directory.path())).err().unwrap();
    assert!(
        error.to_string().ends_with("is in use by another process"),
        "{error}"
    );
}

#[tokio::test]
async fn the_history_of_sessions_is_kept_and_what_went_on_is_over() {
    use crate::ssm::bed::{Bed, INSTANCE, seed_with_instances};
    let directory = tempfile::tempdir().unwrap();
    let bed = Bed::open(seed_with_instances(), Some(directory.path()));
    let agent = bed.agent(INSTANCE).await;
    let start = json!({ "Target": INSTANCE, "DocumentName": "kickytime-shell" });
    let first = bed.ok("StartSession", &start).await["SessionId"].clone();
    bed.account.clock.advance_seconds(1);
    let second = bed.ok("StartSession", &start).await["SessionId"].clone();
    bed.ok("TerminateSession", &json!({ "SessionId": first }))
        .await;
    drop((agent, bed));

    let after = Account::open(seed_with_instances(), Some(directory.path())).unwrap();
    let asked = |operation: &str, input: serde_json::Value| {
        ok(after.json(&after.operator(), &format!("AmazonSSM.{operation}"), &input))
    };
    let history = asked("DescribeSessions", json!({ "State": "History" }));
    let ids: Vec<_> = history["Sessions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|s| &s["SessionId"])
        .collect();
    assert_eq!(ids, [&second, &first], "newest first");
    assert_eq!(
        asked("ResumeSession", json!({ "SessionId": second })),
        json!({ "SessionId": second })
    );
}
