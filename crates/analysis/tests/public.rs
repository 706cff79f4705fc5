//! What is said of templates that others published, and that nothing done to
//! them makes it panic.
//!
//! Where they come from, and their licences: `tests/public/README.md`.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot read its input has failed"
)]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use analysis::check::{Report, check, check_whole};
use analysis::cost::{Prices, Usage, cost};
use analysis::diagram::{mermaid, picture, svg};
use analysis::reach::{Network, matrix};
use model::Model;
use proptest::prelude::*;
use serde_json::Value;

fn templates() -> Vec<PathBuf> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/public");
    let entries = std::fs::read_dir(directory).unwrap();
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    files.retain(|file| {
        let extension = file.extension().and_then(|one| one.to_str());
        matches!(extension, Some("json" | "yaml"))
    });
    files.sort();
    files
}

fn name(file: &Path) -> &str {
    file.file_name().and_then(|name| name.to_str()).unwrap()
}

fn environment() -> cfn::Environment {
    cfn::Environment {
        account_id: "123456789012".to_owned(),
        region: "us-east-1".to_owned(),
        stack_name: "public".to_owned(),
        parameters: BTreeMap::new(),
    }
}

#[test]
fn what_is_said_of_each() {
    let mut told = String::new();
    for file in templates() {
        let text = std::fs::read_to_string(&file).unwrap();
        tell(&mut told, name(&file), &text);
    }
    insta::assert_snapshot!(told);
}

/// A paragraph about a template: what it consists of, what is wrong with it,
/// and by name what is not analysed.
fn tell(told: &mut String, name: &str, text: &str) {
    let (template, mut faults) = cfn::parse(name, text);
    let environment = environment();
    let (stack, more) = cfn::evaluate(&template, &environment);
    faults.extend(more);
    let _ = writeln!(told, "{name}");
    let errors: Vec<_> = faults.iter().filter(|fault| fault.is_error()).collect();
    for fault in &errors {
        let _ = writeln!(told, "  line {}: {}", fault.span.line, fault.message);
    }
    if !errors.is_empty() {
        told.push('\n');
        return;
    }
    let model = model::lower(&Arc::new(stack));
    let variants = analysis::variants(&template, &environment);
    let report = check_whole(&model, &variants, None);
    let (resources, interfaces) = (model.stack.resources.len(), model.enis.len());
    let cells = ask(&model);
    let _ = writeln!(
        told,
        "  {resources} resources, {interfaces} interfaces, {cells} ways between"
    );
    findings(told, &report);
    not_analysed(told, &model);
    told.push('\n');
}

/// Every other question there is; the ways of the matrix are counted.
fn ask(model: &Model) -> usize {
    let prices = Prices::committed();
    let usage = Usage {
        hours: prices.hours_per_month,
        service_gb: 10.0,
        viewer_gb: 10.0,
        log_gb: 1.0,
    };
    let bill = cost(model, &prices, &usage);
    assert!(bill.usd_month().is_finite());
    let picture = picture(model);
    assert!(svg(&picture).starts_with("<svg"));
    assert!(!mermaid(&picture).is_empty());
    matrix(&Network::new(model)).cells.len()
}

fn findings(told: &mut String, report: &Report) {
    let mut by_rule: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for finding in &report.findings {
        let place = &finding.primary.logical_id;
        by_rule.entry(finding.rule).or_default().push(place);
    }
    for (rule, mut places) in by_rule {
        places.sort_unstable();
        places.dedup();
        let _ = writeln!(told, "  {rule}: {}", places.join(", "));
    }
}

fn not_analysed(told: &mut String, model: &Model) {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    let unjudged = analysis::access::not_judged(model);
    for gap in model.not_analysed.iter().chain(&unjudged) {
        *counts.entry(gap.subject.to_string()).or_default() += 1;
    }
    for (subject, count) in counts {
        let _ = writeln!(told, "  not analysed: {subject} ({count})");
    }
}

/// A guess at the ARN of a type nobody here knows would make the answer wrong.
#[test]
fn a_resource_of_an_unknown_type_has_no_arn() {
    let text = "Resources:\n  Queue: { Type: AWS::SQS::Queue }\n";
    let (template, _) = cfn::parse("queue.yaml", text);
    let (stack, _) = cfn::evaluate(&template, &environment());
    let model = model::lower(&Arc::new(stack));
    let context = iam::Context::new();
    let access = analysis::access::Access::new(&model);
    let asked = |name: &str| {
        let answer = access.can("root", "sqs:SendMessage", name, &context);
        answer.err().map(|fault| fault.to_string())
    };
    assert_eq!(
        asked("Queue").as_deref(),
        Some("the ARN of `Queue` is not known here: its type, `AWS::SQS::Queue`, is not analysed")
    );
    assert_eq!(
        asked("Nothing").as_deref(),
        Some("`Nothing` is no resource of this template")
    );
}

/// What one change does to a template: a place is chosen by a number, and what
/// stands there is replaced.
#[derive(Clone, Debug)]
struct Change {
    place: usize,
    to: Value,
}

fn change() -> impl Strategy<Value = Change> {
    let values = [
        Value::Null,
        Value::Bool(true),
        Value::from(-1),
        Value::from(4_294_967_296_u64),
        Value::from(""),
        Value::from("10.0.0.0/33"),
        Value::from("0.0.0.0/0"),
        Value::from("255.255.255.255/32"),
        Value::from("::/0"),
        Value::from("*"),
        Value::from("arn:aws:iam::aws:policy/ReadOnlyAccess"),
        serde_json::json!([]),
        serde_json::json!({}),
        serde_json::json!([[], {}, null, "x"]),
        serde_json::json!({ "Ref": "AWS::NoValue" }),
        serde_json::json!({ "Ref": "AWS::Region" }),
        serde_json::json!({ "Fn::GetAZs": "" }),
    ];
    (any::<usize>(), prop::sample::select(values.to_vec()))
        .prop_map(|(place, to)| Change { place, to })
}

/// The values of a template in order, each with those inside it.
fn places(value: &mut Value) -> usize {
    1 + match value {
        Value::Array(items) => items.iter_mut().map(places).sum::<usize>(),
        Value::Object(entries) => entries.values_mut().map(places).sum(),
        _ => 0,
    }
}

fn replace(value: &mut Value, place: &mut usize, to: &Value) -> bool {
    if *place == 0 {
        *value = to.clone();
        return true;
    }
    *place -= 1;
    match value {
        Value::Array(items) => items.iter_mut().any(|item| replace(item, place, to)),
        Value::Object(entries) => entries.values_mut().any(|item| replace(item, place, to)),
        _ => false,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

    /// Read, evaluated, lowered and asked everything, whatever stands in it.
    #[test]
    fn no_change_to_a_template_makes_it_panic(
        which in any::<prop::sample::Index>(),
        changes in prop::collection::vec(change(), 1..6),
    ) {
        let files: Vec<PathBuf> = templates()
            .into_iter()
            .filter(|file| file.extension().is_some_and(|one| one == "json"))
            .collect();
        let file = which.get(&files);
        let text = std::fs::read_to_string(file).unwrap();
        let mut document: Value = serde_json::from_str(&text).unwrap();
        let resources = &mut document["Resources"];
        for change in &changes {
            // the map of resources itself stays
            let count = places(resources);
            let mut place = 1 + change.place % count.max(2).saturating_sub(1);
            replace(resources, &mut place, &change.to);
        }
        let (template, _) = cfn::parse(name(file), &document.to_string());
        let (stack, _) = cfn::evaluate(&template, &environment());
        let model = model::lower(&Arc::new(stack));
        check(&model);
        ask(&model);
    }
}
