//! Sessions with the region's instances, and what becomes of them when something breaks.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Instant;

use serde_json::json;

use crate::operator::Aws;
use crate::process;
use crate::region::{DEADLINE, Region, eventually, root};

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

const AGENT: &str = "MatchesAutoScalingGroup/1 ssm-agent";
const INSTANCE: &str = "MatchesAutoScalingGroup/1";

#[test]
fn sessions_lead_where_the_template_lets_the_instance_go() {
    let Some(mut region) = Region::start() else {
        return;
    };
    connected(&region);
    let instance = instance(&Aws::new(&region));
    a_shell_is_the_instances_own(&region);
    a_script_runs_where_it_was_sent(&region, &instance);
    assert_eq!(
        database(&region).as_deref(),
        Ok("kickytime"),
        "psql through the instance"
    );
    what_is_not_forwarded_is_said(&region);
    a_killed_agent_is_back(&region);
    assert_eq!(region.stop(), Some(0), "{}", region.said());

    let folder = tempfile::tempdir().expect("a directory");
    without_the_way_to_the_database(&mut region, folder.path());
    assert_eq!(region.stop(), Some(0), "{}", region.said());
    without_the_endpoint_of_systems_manager(&mut region, folder.path(), &instance);
}

fn connected(region: &Region) {
    eventually("the agent to be connected", || {
        region.state_of(AGENT) == "connected"
    });
}

/// A shell that is told this, and what comes of it.
fn shell(region: &Region, typed: &str) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_kickytime"))
        .args(["session", INSTANCE, "--state"])
        .arg(region.state_directory())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("kickytime starts");
    let mut input = child.stdin.take().expect("a pipe");
    input.write_all(typed.as_bytes()).expect("it reads");
    let output = child.wait_with_output().expect("a child of ours");
    drop(input);
    output
}

fn a_shell_is_the_instances_own(region: &Region) {
    let typed =
        "uname -n; hostname -I; setsid sleep 271828 & \n ls /proc | grep -c '^[0-9]'; exit 4\n";
    let output = shell(region, typed);
    let said = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(4), "{output:?}");
    assert!(said.contains("10.0.10."), "the instance's address: {said}");
    let name = ".ap-northeast-2.compute.internal";
    assert!(said.contains(name), "the instance's name: {said}");
    let left = |process: &process::Process| process.command.ends_with("sleep 271828");
    assert!(!region.processes().iter().any(left), "nothing stays");
    let aws = Aws::new(region);
    eventually("the session's log", || {
        let events = aws.log("/kickytime/ssm", "uname");
        events.iter().any(|event| event.contains("sessionData"))
    });
}

fn a_script_runs_where_it_was_sent(region: &Region, instance: &str) {
    let aws = Aws::new(region);
    let outcome = |commands: &[&str], timeout_s: &str| {
        let parameters = json!({ "commands": commands, "executionTimeout": [timeout_s] });
        let parameters = parameters.to_string();
        let words = [
            "ssm",
            "send-command",
            "--document-name",
            "AWS-RunShellScript",
        ];
        let what = ["--instance-ids", instance, "--parameters", &parameters];
        let sent = aws.json(&[words.as_slice(), &what].concat());
        let id = sent["Command"]["CommandId"]
            .as_str()
            .expect("an id")
            .to_owned();
        let words = ["ssm", "get-command-invocation", "--command-id", &id];
        let mut outcome = serde_json::Value::Null;
        eventually("the end of a command", || {
            outcome = aws.json(&[words.as_slice(), &["--instance-id", instance]].concat());
            outcome["EndDateTime"].is_string()
                || !matches!(
                    outcome["Status"].as_str(),
                    Some("Pending" | "InProgress" | "Delayed")
                )
        });
        outcome
    };
    let script = [
        "hostname -I",
        "echo wrong >&2",
        "setsid sleep 314159 &",
        "exit 7",
    ];
    let failed = outcome(&script, "60");
    assert_eq!(failed["ResponseCode"], 7, "{failed}");
    let output = failed["StandardOutputContent"].as_str().unwrap_or_default();
    assert!(output.contains("10.0.1"), "{failed}");
    assert_eq!(failed["StandardErrorContent"], "wrong\n", "{failed}");
    let late = outcome(&["echo begun; sleep 1000"], "1");
    assert_eq!(late["StandardOutputContent"], "begun\n", "{late}");
    assert_eq!(late["Status"], "TimedOut", "{late}");
    let left = |process: &process::Process| process.command.contains("sleep 314159");
    assert!(!region.processes().iter().any(left), "nothing stays");
}

/// The id of the instance whose agent is asked about.
fn instance(aws: &Aws) -> String {
    let known = aws.json(&["ssm", "describe-instance-information"]);
    let list = known["InstanceInformationList"].as_array().expect("a list");
    let mut ours = list.iter().filter(|entry| {
        let address = entry["IPAddress"].as_str();
        address.is_some_and(|address| address.starts_with("10.0.10."))
    });
    let id = ours.next().and_then(|entry| entry["InstanceId"].as_str());
    id.expect("the instance is registered").to_owned()
}

/// What psql says through `kickytime db`, or why it says nothing.
fn database(region: &Region) -> Result<String, String> {
    let query = ["--", "-Atc", "SELECT current_database()"];
    let output = Command::new(env!("CARGO_BIN_EXE_kickytime"))
        .args(["db", "--port", "0", "--target", INSTANCE, "--state"])
        .arg(region.state_directory())
        .args(query)
        .env("PGCONNECT_TIMEOUT", "40")
        .output()
        .expect("kickytime starts");
    match output.status.success() {
        true => Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned()),
        false => Err(String::from_utf8_lossy(&output.stderr).into_owned()),
    }
}

fn what_is_not_forwarded_is_said(region: &Region) {
    let forward = ["session", INSTANCE, "-L", "0:169.254.169.254:80"];
    let output = region.kickytime(&forward);
    assert!(!output.status.success());
    let told = "Forwarding to IP address 169.254.169.254 is forbidden.";
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains(told), "{said}");
}

fn a_killed_agent_is_back(region: &Region) {
    let is_agent = |process: &process::Process| process.command.ends_with("ssm-agent agent");
    let agents: Vec<_> = region.processes().into_iter().filter(is_agent).collect();
    assert_eq!(agents.len(), 2, "one for each instance");
    for agent in &agents {
        process::kill(agent.id);
    }
    eventually("`up` to tell of it", || {
        region
            .said()
            .contains(&format!("{AGENT} is connected again"))
    });
    connected(region);
    assert_eq!(
        database(region).as_deref(),
        Ok("kickytime"),
        "a new session"
    );
}

/// The project's template, edited as a person would, with these values beside its own.
fn edited(folder: &Path, edit: impl Fn(&str) -> String, values: &[(&str, &str)]) -> PathBuf {
    let infra = root().join("infra");
    let text = std::fs::read_to_string(infra.join("kickytime.yaml")).expect("the template");
    let file = folder.join("kickytime.yaml");
    std::fs::write(&file, edit(&text)).expect("writable");
    let own = std::fs::read(infra.join("kickytime.local.json")).expect("its values");
    let mut own: serde_json::Value = serde_json::from_slice(&own).expect("JSON");
    let list = own.as_array_mut().expect("a list");
    list.extend(
        values
            .iter()
            .map(|(name, value)| json!({ "ParameterKey": name, "ParameterValue": value })),
    );
    std::fs::write(folder.join("kickytime.local.json"), own.to_string()).expect("writable");
    file
}

/// One property, or one resource, cut out: from its first line to the next at its depth.
fn without(text: &str, after: &str, first_line: &str) -> String {
    let start = text.find(after).expect("the place") + 1;
    let start = start + text[start..].find(first_line).expect("its first line");
    let depth = first_line.len() - first_line.trim_start().len();
    let mut end = start + first_line.len();
    for line in text[end..].split_inclusive('\n') {
        let indent = line.len() - line.trim_start().len();
        if !line.trim().is_empty() && indent <= depth {
            break;
        }
        end += line.len();
    }
    format!("{}{}", &text[..start], &text[end..])
}

fn without_the_way_to_the_database(region: &mut Region, folder: &Path) {
    let cut = |text: &str| {
        let ingress = "      SecurityGroupIngress:\n";
        without(text, "\n  RdsSecurityGroup:\n", ingress)
    };
    region.start_again(Some(&edited(folder, cut, &[])));
    connected(region);
    let refused = database(region).expect_err("the database is out of reach");
    assert!(
        !refused.contains("not connected"),
        "the session opens: {refused}"
    );
    let told = "ssm-agent: session ";
    eventually("`up` to tell of the dial in vain", || {
        let said = region.said();
        let mut lines = said.lines().filter(|line| line.contains(told));
        lines.any(|line| line.contains("cannot connect to") && line.contains(":5432"))
    });
    let aws = Aws::new(region);
    eventually("the flow log to name who refused", || {
        let records = aws.log("/kickytime/vpc-flow", "REJECT");
        let ours = |record: &String| {
            record.contains(" 10.0.10.")
                && record.contains(" 5432 ")
                && record.contains("RdsSecurityGroup")
        };
        records.iter().any(ours)
    });
}

fn without_the_endpoint_of_systems_manager(region: &mut Region, folder: &Path, stood: &str) {
    let cut = |text: &str| {
        let text = without(text, "\nResources:", "  SsmEndpoint:\n");
        text.replace("      - SsmEndpoint\n", "")
    };
    let template = edited(folder, cut, &[("NatGateways", "0")]);
    region.start_again(Some(&template));
    let told = "not connected: cannot reach ssm.ap-northeast-2.amazonaws.com";
    eventually("the agent to say why", || {
        region.state_of(AGENT).starts_with(told)
    });
    let aws = Aws::new(region);
    let known = aws.json(&["ssm", "describe-instance-information"]);
    let list = known["InstanceInformationList"].as_array().expect("a list");
    assert!(
        list.iter().all(|entry| entry["PingStatus"] != "Online"),
        "{known}"
    );
    let status = aws.json(&["ssm", "get-connection-status", "--target", stood]);
    assert_eq!(status["Status"], "notconnected", "{status}");
    let output = shell(region, "");
    assert!(!output.status.success(), "{output:?}");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("is connected"), "no instance is: {said}");
}
