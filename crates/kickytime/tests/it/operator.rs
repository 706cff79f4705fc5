//! The unmodified aws-cli of the person at the keyboard, through the API door.

use std::path::PathBuf;
use std::process::{Command, Output};

use serde_json::Value as Json;

use crate::region::{Region, eventually};

/// Every aws-cli there is, with its version: `(1, 46)`.
fn installed() -> Vec<(PathBuf, (u32, u32))> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let home = std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".local/bin"));
    let folders = home.into_iter().chain(std::env::split_paths(&path));
    let programs = folders
        .map(|folder| folder.join("aws"))
        .filter(|file| file.is_file());
    programs
        .filter_map(|program| {
            let output = Command::new(&program).arg("--version").output().ok()?;
            let text =
                String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
            let mut numbers = text.strip_prefix("aws-cli/")?.split('.');
            let mut number = || numbers.next()?.parse().ok();
            Some((program, (number()?, number()?)))
        })
        .collect()
}

pub(crate) struct Aws {
    program: PathBuf,
    version: (u32, u32),
    environment: Vec<(String, String)>,
    home: tempfile::TempDir,
}

impl Aws {
    /// An aws-cli that reads `AWS_ENDPOINT_URL`: 1.29, 2.13 or newer.
    pub(crate) fn new(region: &Region) -> Self {
        let fits = |version: &(u32, u32)| matches!(version, (1, 29..) | (2, 13..));
        Self::choose(region, fits)
            .expect("an aws-cli that reads AWS_ENDPOINT_URL: `./setup test` installs it")
    }

    fn choose(region: &Region, fits: impl Fn(&(u32, u32)) -> bool) -> Option<Self> {
        let mut programs = installed().into_iter();
        let (program, version) = programs.find(|(_, version)| fits(version))?;
        let home = tempfile::tempdir().expect("a directory");
        Some(Self {
            program,
            version,
            environment: region.environment(),
            home,
        })
    }

    pub(crate) fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        let is_aws = |name: &String| name.starts_with("AWS_");
        for (name, _) in std::env::vars().filter(|(name, _)| is_aws(name)) {
            command.env_remove(name);
        }
        command
            .args(words)
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .env("HOME", self.home.path())
            .env("AWS_PAGER", "")
            .env("AWS_MAX_ATTEMPTS", "1");
        if self.version < (2, 13) && self.version.0 == 2 {
            let url = self
                .environment
                .iter()
                .find(|(name, _)| name == "AWS_ENDPOINT_URL");
            command
                .arg("--endpoint-url")
                .arg(&url.expect("the door's address").1);
        }
        command
    }

    fn run(&self, words: &[&str]) -> Output {
        self.command(words).output().expect("aws starts")
    }

    fn text(&self, words: &[&str]) -> String {
        let output = self.run(words);
        let faults = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "aws {words:?}: {faults}");
        String::from_utf8(output.stdout).expect("UTF-8")
    }

    pub(crate) fn json(&self, words: &[&str]) -> Json {
        serde_json::from_str(&self.text(words)).expect("JSON")
    }

    /// The messages of a log group that match a pattern.
    pub(crate) fn log(&self, group: &str, pattern: &str) -> Vec<String> {
        let words = [
            "logs",
            "filter-log-events",
            "--log-group-name",
            group,
            "--filter-pattern",
            pattern,
        ];
        let events = self.json(&words);
        let events = events["events"].as_array().expect("events").iter();
        events
            .map(|event| event["message"].as_str().expect("text").to_owned())
            .collect()
    }
}

pub(crate) fn check(region: &Region) {
    let aws = Aws::new(region);
    let identity = aws.json(&["sts", "get-caller-identity"]);
    assert_eq!(identity["Account"], "000000000000");
    assert!(
        identity["Arn"]
            .as_str()
            .expect("an ARN")
            .starts_with("arn:aws:iam::000000000000:"),
        "{identity}"
    );

    let words = [
        "secretsmanager",
        "get-secret-value",
        "--secret-id",
        "kickytime/db",
    ];
    let secret = aws.json(&words);
    let value: Json =
        serde_json::from_str(secret["SecretString"].as_str().expect("text")).expect("JSON");
    assert!(
        value["host"]
            .as_str()
            .expect("a host")
            .ends_with(".ap-northeast-2.rds.amazonaws.com"),
        "the attachment's fields"
    );
    assert_eq!(value["port"], 5432);
    assert!(value["password"].as_str().expect("a password").len() >= 16);

    eventually("the services' first log events", || {
        !aws.log("/kickytime/users", "").is_empty()
    });
    let messages = aws.log("/kickytime/users", "").join("\n");
    let password = value["password"].as_str().expect("a password");
    assert!(
        !messages.contains(password),
        "the password stays out of the log"
    );

    follow(region);
    refuse(&aws);
}

/// `aws logs tail` is of version 2 alone; it is there where a distribution packages it.
fn follow(region: &Region) {
    let Some(aws) = Aws::choose(region, |version| version.0 == 2) else {
        println!("no aws-cli 2 here: `aws logs tail` is not tried");
        return;
    };
    let lines = aws.text(&["logs", "tail", "/kickytime/users", "--since", "10m"]);
    assert!(lines.lines().count() > 0 && lines.contains('{'), "{lines}");
}

fn refuse(aws: &Aws) {
    let call = ["sts", "get-caller-identity"];
    let wrong = aws
        .command(&call)
        .env("AWS_SECRET_ACCESS_KEY", "not/the/secret/of/this/key")
        .output();
    let wrong = wrong.expect("aws starts");
    assert!(!wrong.status.success());
    let said = String::from_utf8_lossy(&wrong.stderr).into_owned();
    assert!(said.contains("SignatureDoesNotMatch"), "{said}");
    let unknown = aws
        .command(&call)
        .env("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE")
        .output();
    let said = String::from_utf8_lossy(&unknown.expect("aws starts").stderr).into_owned();
    assert!(said.contains("InvalidClientTokenId"), "{said}");
    let absent = aws.run(&["sqs", "list-queues"]);
    assert!(!absent.status.success(), "what is not emulated is refused");
}
