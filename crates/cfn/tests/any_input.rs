//! Does any input at all break the reader?
//!
//! Whatever the text, reading and evaluating end, soon, with spans that lie
//! inside it. Committed inputs of the fuzz target are replayed here too.

use std::time::{Duration, Instant};

use cfn::{Diagnostic, Environment, Kind, Stack, Value};
use proptest::prelude::*;

/// A second or two on an idle machine, unoptimised; quadratic work takes hours.
const LIMIT: Duration = Duration::from_secs(40);

const KICKYTIME: &str = include_str!("../../../infra/kickytime.yaml");

fn environment() -> Environment {
    Environment {
        account_id: "123456789012".to_owned(),
        region: "ap-northeast-2".to_owned(),
        stack_name: "any".to_owned(),
        parameters: [("P".to_owned(), "a,b".to_owned())].into(),
    }
}

/// Reads and evaluates; the answer must be sound, right or wrong.
fn read(text: &str) -> (Stack, Vec<Diagnostic>) {
    let (template, mut faults) = cfn::parse("any", text);
    let (stack, more) = cfn::evaluate(&template, &environment());
    faults.extend(more);
    for fault in &faults {
        let places = fault.related.iter().map(|(span, _)| span);
        for span in places.chain([&fault.span]) {
            assert!(text.get(span.start..span.end).is_some(), "{fault:?}");
            assert!(span.line >= 1 && span.column >= 1, "{fault:?}");
        }
        assert!(
            !fault.message.is_empty() && !fault.message.ends_with('.'),
            "{fault:?}"
        );
    }
    for resource in stack.resources.values() {
        check_value(&resource.properties, text);
        assert!(matches!(resource.properties.kind, Kind::Map(_)));
        assert!(resource.depends_on.is_sorted());
    }
    (stack, faults)
}

fn check_value(value: &Value, text: &str) {
    let span = value.provenance.span;
    assert!(text.get(span.start..span.end).is_some(), "{value:?}");
    value
        .items()
        .iter()
        .filter(|item| !std::ptr::eq(*item, value))
        .for_each(|item| check_value(item, text));
    value
        .entries()
        .for_each(|(_, item)| check_value(item, text));
}

#[test]
fn the_fuzz_corpus_is_replayed() {
    let corpus = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fuzz/corpus/cfn_parse");
    let mut count = 0;
    for entry in std::fs::read_dir(corpus).expect("the corpus is committed") {
        let bytes =
            std::fs::read(entry.expect("a readable folder").path()).expect("a readable file");
        read(&String::from_utf8_lossy(&bytes));
        count += 1;
    }
    assert!(count >= 10, "only {count} inputs");
}

/// Shapes that make careless readers quadratic or deep, a megabyte each.
#[test]
fn a_megabyte_of_anything_is_read_in_time() {
    let times = |piece: &str| piece.repeat((1 << 20) / piece.len());
    let inputs = [
        times("["),
        times("{"),
        times("- "),
        times("? "),
        times("!Sub "),
        times("&a "),
        times("*a "),
        times("a: "),
        times("a\n"),
        times("\u{0}\u{1}"),
        times("\"\\"),
        times("가"),
        format!("Resources: {{\"{}\"}}", times("x")),
        format!("Resources:\n{}", times("  a: *b\n")),
        format!("Resources:\n{}", times("  a: {}\n")),
        format!(
            "Resources:\n  R:\n    Type: A::B\n    Properties:\n      X: !Sub \"{}\"",
            times("${R.a}")
        ),
        format!(
            "Resources:\n  R:\n    Type: A::B\n    Properties:\n      X: !Sub \"{}\"",
            times("${Nope}")
        ),
        format!(
            "Resources:\n  R:\n    Type: A::B\n    Properties:\n{}",
            times("    - !Ref Nope\n")
        ),
        format!(
            "Resources:\n  R:\n    Type: A::B\n    Properties:\n      X:\n{}",
            times("      - !Ref Nope\n")
        ),
        format!(
            "Resources:\n  R:\n    Type: A::B\n    Properties:\n      X: {}",
            times("{{resolve:ssm:")
        ),
        format!("{{\"Resources\": {}", times("{\"a\":")),
        format!("{{\"Resources\": [{}1]}}", times("1,")),
        times("Resources: [\n"),
        times("Outputs:\n  \"\n"),
    ];
    for text in inputs {
        let start = Instant::now();
        read(&text);
        let head: String = text.chars().take(60).collect();
        assert!(start.elapsed() < LIMIT, "{:?}: {head}", start.elapsed());
    }
}

/// So are a megabyte of names that refer to nothing, and of large sets.
#[test]
fn a_megabyte_of_faults_is_read_in_time() {
    let many = |line: fn(usize) -> String| (0..20_000).map(line).collect::<String>();
    let resources = many(|n| format!("  R{n}: {{Type: 'A::B', Properties: {{X: !Ref Q{n}}}}}\n"));
    let lookups = many(|n| format!("      - !FindInMap [M, K{n}, x]\n"));
    let keys = many(|n| format!("    Q{n}: {{x: 1}}\n"));
    let members = many(|n| format!("{n},"));
    let set = format!("[{}]", members.trim_end_matches(','));
    let inputs = [
        format!("Resources:\n{resources}"),
        format!(
            "Mappings:\n  M:\n{keys}Resources:\n  R:\n    Type: A::B\n    Properties:\n     X:\n{lookups}"
        ),
        format!(
            "Rules:\n  R:\n    Assertions:\n    - Assert: {{'Fn::EachMemberIn': [{set}, {set}]}}\nResources: {{}}\n"
        ),
        format!(
            "Parameters:\n  P: {{Type: CommaDelimitedList, Default: '{members}', AllowedValues: {set}}}\nResources: {{}}\n"
        ),
    ];
    for text in inputs {
        let start = Instant::now();
        read(&text);
        let head: String = text.chars().take(60).collect();
        assert!(start.elapsed() < LIMIT, "{:?}: {head}", start.elapsed());
    }
}

/// A small template that describes gigabytes is stopped.
#[test]
fn what_grows_without_end_is_cut() {
    let filler = "x".repeat(200_000);
    let many = "${V}".repeat(50_000);
    let text = format!(
        "Mappings: {{M: {{A: {{B: {filler}}}}}}}\nResources:\n  R:\n    Type: A::B\n    Properties:\n      X: !Sub ['{many}', {{V: !FindInMap [M, A, B]}}]\n"
    );
    let (_, faults) = read(&text);
    assert!(faults.iter().any(|fault| fault.code == "template-limit"));
}

/// So are loops that would write out millions of resources.
#[test]
fn loops_without_end_are_cut() {
    let list = (0..200)
        .map(|n| n.to_string())
        .collect::<Vec<_>>()
        .join(", ");
    let loops = (0..4).fold(
        "'X${A0}a${A1}b${A2}c${A3}': {Type: 'A::B'}".to_owned(),
        |body, n| format!("'Fn::ForEach::L{n}': [A{n}, [{list}], {{{body}}}]"),
    );
    let text = format!("Transform: AWS::LanguageExtensions\nResources: {{{loops}}}\n");
    let (_, faults) = read(&text);
    assert!(faults.iter().any(|fault| fault.code == "template-limit"));
}

fn pieces() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "Resources:\n",
        "Conditions:\n",
        "Parameters:\n",
        "Outputs:\n",
        "Mappings:\n",
        "  A:\n",
        "  B:\n",
        "    Type: AWS::X::Y\n",
        "    Properties:\n",
        "      K: ",
        "!Ref A\n",
        "!Sub '${A.B}${!c}${'\n",
        "!If [C, !Ref A, !Ref AWS::NoValue]\n",
        "  C: !Equals [!Ref P, a]\n",
        "!GetAtt A.B\n",
        "!Select [1, !Split [',', !Ref P]]\n",
        "!Cidr [!GetAtt A.CidrBlock, 3]\n",
        "!FindInMap [M, A, B]\n",
        "!Join ['-', [a, !Ref B]]\n",
        "{Fn::Sub: x, b: c}\n",
        "!Base64 !Sub x\n",
        "&a ",
        "*a ",
        "<<: ",
        "'Fn::ForEach::X': [I, [a, b], {'${I}': {Type: 'A::B'}}]\n",
        "Transform: AWS::LanguageExtensions\n",
        "[",
        "]",
        "{",
        "}",
        ": ",
        "- ",
        "\"",
        "'",
        "|\n",
        ">\n",
        "#",
        "\t",
        "\n",
        " ",
        "가",
        "---\n",
        "!!str ",
        "  P: {Type: CommaDelimitedList, Default: 'a,b'}\n",
        "    Condition: C\n",
        "    DependsOn: [A, B]\n",
        "{{resolve:ssm:a:1}}",
        "!GetAZs ''\n",
        "yes",
        "0123",
        "~\n",
        "\u{0}",
        "\\",
        ",",
    ]);
    prop::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn arbitrary_bytes_are_read(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        read(&String::from_utf8_lossy(&bytes));
    }

    #[test]
    fn arbitrary_text_is_read(text in "\\PC{0,200}") {
        read(&text);
    }

    #[test]
    fn pieces_of_templates_are_read(text in pieces()) {
        read(&text);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, failure_persistence: None, ..ProptestConfig::default() })]

    /// The real template with a stretch cut out and something put in.
    #[test]
    fn a_damaged_template_is_read(at in 0..KICKYTIME.len(), cut in 0_usize..60, put in pieces()) {
        let floor = |at: usize| (0..=at.min(KICKYTIME.len())).rev().find(|&at| KICKYTIME.is_char_boundary(at));
        let start = floor(at).unwrap_or(0);
        let end = floor(at + cut).unwrap_or(start).max(start);
        read(&[&KICKYTIME[..start], &put, &KICKYTIME[end..]].concat());
    }
}
