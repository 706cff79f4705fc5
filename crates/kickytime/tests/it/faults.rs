//! Faulty templates: every fault is named with its line, nothing panics.

use std::path::Path;
use std::process::{Command, Output};

const TEMPLATE: &str = include_str!("../../../../infra/kickytime.yaml");

struct Answer {
    code: Option<i32>,
    text: String,
}

/// Runs `kickytime WORDS… FILE` on a template of this text.
fn answer(words: &[&str], template: &[u8]) -> Answer {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("kickytime.yaml");
    std::fs::write(&file, template).expect("writable");
    let parameters = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../infra/kickytime.local.json");
    std::fs::copy(parameters, directory.path().join("kickytime.local.json")).expect("copied");
    let output: Output = Command::new(env!("CARGO_BIN_EXE_kickytime"))
        .args(words)
        .arg("kickytime.yaml")
        .current_dir(directory.path())
        .output()
        .expect("kickytime starts");
    let text = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    Answer {
        code: output.status.code(),
        text: text.into_owned(),
    }
}

/// `check` and `up` both refuse the template with status 2, and say each of
/// these, in order.
fn assert_refused(template: &[u8], expected: &[&str]) {
    for words in [["check"], ["up"]] {
        let answer = answer(&words, template);
        let text = &answer.text;
        assert_eq!(answer.code, Some(2), "{words:?}: {text}");
        assert!(!text.contains("panicked"), "{text}");
        let mut rest = text.as_str();
        for part in expected {
            let Some(at) = rest.find(part) else {
                panic!("{words:?}: `{part}` is missing, or out of order, in:\n{text}");
            };
            rest = &rest[at..];
        }
    }
}

/// The line of the first text that holds `part`.
fn line_of(template: &str, part: &str) -> usize {
    let mut lines = template.lines();
    1 + lines
        .position(|line| line.contains(part))
        .expect("it is there")
}

#[test]
fn a_reference_to_nothing_and_what_was_meant() {
    let part = "VpcId: !Ref Vpc";
    let template = TEMPLATE.replacen(part, "VpcId: !Ref Vpd", 1);
    let place = format!("kickytime.yaml:{}:", line_of(&template, "!Ref Vpd"));
    assert_refused(template.as_bytes(), &["`Vpd`", &place]);
    assert!(
        answer(&["check"], template.as_bytes())
            .text
            .contains("`Vpc`"),
        "says what was meant"
    );
}

#[test]
fn a_cycle_with_all_who_are_in_it() {
    let template = "
Resources:
  A: { Type: AWS::SNS::Topic, Properties: { TopicName: !Ref B } }
  B: { Type: AWS::SNS::Topic, Properties: { TopicName: !Ref A } }
";
    let answer = answer(&["check"], template.as_bytes());
    assert_eq!(answer.code, Some(2), "{}", answer.text);
    for part in ["cycle", "A", "B", "kickytime.yaml:3:"] {
        assert!(answer.text.contains(part), "`{part}` in {}", answer.text);
    }
}

#[test]
fn several_faults_at_once_each_with_its_line() {
    let template = "
Parameters:
  Port: { Type: Nunber, Default: x }
Resources:
  A: { Type: AWS::EC2::VPC, Properties: { CidrBlock: !Ref Nothing } }
  B: { Properties: {} }
  C: { Type: AWS::EC2::Subnet, Properties: { VpcId: !GetAtt Nobody.Id } }
";
    let places = [3, 5, 6, 7].map(|line| format!("kickytime.yaml:{line}:"));
    assert_refused(template.as_bytes(), &places.each_ref().map(String::as_str));
}

#[test]
fn a_value_of_the_wrong_type_is_not_run() {
    let part = "FromPort: 5432";
    let line = line_of(TEMPLATE, part);
    let template = TEMPLATE.replacen(part, "FromPort: [5432]", 1);
    let answer = answer(&["up"], template.as_bytes());
    assert_eq!(answer.code, Some(2), "{}", answer.text);
    assert!(answer.text.contains("`FromPort`"), "{}", answer.text);
    assert!(
        answer.text.contains(&format!("kickytime.yaml:{line}:")),
        "{}",
        answer.text
    );
}

#[test]
fn a_resource_nobody_knows_is_named_and_not_run() {
    let part = "Type: AWS::EC2::InternetGateway";
    let template = TEMPLATE.replacen(part, "Type: AWS::EC2::Moat", 1);
    let checked = answer(&["check", "--fail-on", "never"], template.as_bytes());
    assert!(checked.text.contains("AWS::EC2::Moat"), "{}", checked.text);
    let run = answer(&["up"], template.as_bytes());
    assert_eq!(run.code, Some(2), "{}", run.text);
    assert!(
        run.text.contains("resource type `AWS::EC2::Moat`"),
        "{}",
        run.text
    );
}

#[test]
fn what_is_no_template_at_all() {
    for (name, template) in [
        ("empty", &b""[..]),
        ("white space", b" \n\t\n"),
        ("a word", b"kickytime"),
        ("a list", b"- a\n- b\n"),
        ("not YAML", b"a: [1, 2\nb: {"),
        ("not UTF-8", &[0xff, 0xfe, 0x00, 0x41]),
        ("no resources", b"AWSTemplateFormatVersion: '2010-09-09'\n"),
    ] {
        for words in [["check"], ["up"]] {
            let answer = answer(&words, template);
            assert_eq!(answer.code, Some(2), "{name}: {}", answer.text);
            assert!(
                answer.text.contains("kickytime.yaml"),
                "{name}: {}",
                answer.text
            );
            assert!(!answer.text.contains("panicked"), "{name}: {}", answer.text);
        }
    }
}

#[test]
fn a_megabyte_of_noise_is_refused_in_good_time() {
    let started = std::time::Instant::now();
    // a xorshift's bytes: noise, and the same every time
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut noise = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    };
    let bytes: Vec<u8> = std::iter::repeat_with(&mut noise)
        .flatten()
        .take(1 << 20)
        .collect();
    let letters: Vec<u8> = bytes
        .iter()
        .map(|byte| b"abc:{}[]-\n !&*'\"#|>%@,"[usize::from(*byte) % 22])
        .collect();
    for template in [
        bytes,
        letters,
        vec![b'['; 1 << 20],
        b"a: &a [*a]\n".repeat(90_000),
    ] {
        let answer = answer(&["check"], &template);
        assert_eq!(
            answer.code,
            Some(2),
            "{}",
            &answer.text[..answer.text.len().min(500)]
        );
        assert!(!answer.text.contains("panicked") && !answer.text.contains("overflow"));
    }
    assert!(started.elapsed().as_secs() < 60, "{:?}", started.elapsed());
}
