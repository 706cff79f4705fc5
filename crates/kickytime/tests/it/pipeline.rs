//! What pipelines rely on: the workflow in `docs`, its SARIF, the exit status.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

const WORKFLOW: &str = include_str!("../../../../docs/github-actions.yml");

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn kickytime(words: &[&str], directory: &Path) -> Output {
    Command::new(env!("CARGO_BIN_EXE_kickytime"))
        .args(words)
        .current_dir(directory)
        .output()
        .expect("kickytime starts")
}

/// The template with one port more for everybody, its parameters and intents.
fn broken() -> tempfile::TempDir {
    let directory = tempfile::tempdir().expect("a directory");
    let infra = directory.path().join("infra");
    std::fs::create_dir(&infra).expect("writable");
    for name in ["kickytime.local.json", "intent.toml"] {
        std::fs::copy(root().join("infra").join(name), infra.join(name)).expect("copied");
    }
    let text = std::fs::read_to_string(root().join("infra/kickytime.yaml")).expect("readable");
    let open = "
  OpenToAll:
    Type: AWS::EC2::SecurityGroupIngress
    Properties: { GroupId: !Ref AlbSecurityGroup, IpProtocol: tcp, FromPort: 443, ToPort: 443, CidrIp: 0.0.0.0/0 }

Outputs:";
    let text = text.replacen("\nOutputs:", open, 1);
    std::fs::write(infra.join("kickytime.yaml"), text).expect("writable");
    directory
}

/// Every command of the workflow runs as it is written there, on the template as
/// it is and on one that is broken.
#[test]
fn the_workflow_in_the_docs_does_what_it_says() {
    let broken = broken();
    let commands: Vec<&str> = WORKFLOW
        .lines()
        .filter_map(|line| line.trim().strip_prefix("- run: "))
        .collect();
    let [upload, judge] = commands.as_slice() else {
        panic!("expected two commands: {commands:?}");
    };
    let words = |command: &str| -> Vec<String> {
        let (_, arguments) = command
            .split_once(" -p kickytime -- ")
            .expect("cargo runs us");
        let (arguments, _) = arguments.split_once(" > ").unwrap_or((arguments, ""));
        arguments.split(' ').map(str::to_owned).collect()
    };
    let run = |command: &str, directory: &Path| {
        let words = words(command);
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        kickytime(&words, directory)
    };
    for (directory, status) in [(root(), 0), (broken.path().to_owned(), 1)] {
        let output = run(upload, &directory);
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        let sarif: Value = serde_json::from_slice(&output.stdout).expect("JSON");
        assert_eq!(sarif["version"], "2.1.0");
        let results = sarif["runs"][0]["results"].as_array().expect("results");
        assert_eq!(results.is_empty(), status == 0, "{results:#?}");
        assert_eq!(run(judge, &directory).status.code(), Some(status));
    }
}

/// GitHub shows results by rule and file, takes a suppressed one for an open
/// alert, and knows of nothing that is not a result.
#[test]
fn sarif_has_what_is_wrong_and_nothing_that_is_explained() {
    let broken = broken();
    let words = ["check", "infra/kickytime.yaml", "--format", "sarif"];
    let output = kickytime(&words, broken.path());
    assert_eq!(output.status.code(), Some(1));
    let sarif: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let run = &sarif["runs"][0];
    let rules: Vec<&Value> = run["tool"]["driver"]["rules"]
        .as_array()
        .expect("rules")
        .iter()
        .map(|rule| &rule["id"])
        .collect();
    let mut seen = Vec::new();
    for result in run["results"].as_array().expect("results") {
        assert!(rules.contains(&&result["ruleId"]), "{result:#}");
        assert!(result.get("suppressions").is_none(), "{result:#}");
        let place = &result["locations"][0]["physicalLocation"];
        let (file, line) = (
            &place["artifactLocation"]["uri"],
            &place["region"]["startLine"],
        );
        assert!(line.as_u64().is_some_and(|line| line > 0), "{result:#}");
        seen.push((result["ruleId"].clone(), file.clone()));
    }
    let has = |rule: &str, file: &str| {
        assert!(seen.contains(&(rule.into(), file.into())), "{seen:?}");
    };
    has("intent", "infra/intent.toml");
    has("unneeded", "infra/kickytime.yaml");
}
