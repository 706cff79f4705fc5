//! Runs the literate specs: each `specs/*.md` is prose for people, templates
//! and what must be answered about them.
//!
//! A block ` ```yaml base ` is the resources later blocks build on, ` ```yaml
//! base=FILE ` those of another spec; ` ```yaml `
//! adds resources to the base, and ` ```yaml without=A,B ` first takes some of
//! it away. A block that has a line `Resources:` may say more before it:
//! parameters and conditions. A block ` ```toml ` is the intent file beside the
//! template above it. A block ` ```assert ` holds one statement a line about
//! that template:
//!
//! ```text
//! reach FROM -> TO[:PORT] accept [TRAFFIC]
//! reach FROM -> TO[:PORT] forwarded
//! reach FROM -> TO[:PORT] drop CODE[, CODE]
//! can PRINCIPAL ACTION RESOURCE [KEY=VALUE ...] allow|deny
//! check RULE: RESOURCE, ...|nothing
//! says RULE: part of a finding's message
//! fails LINE: why the intent of that line fails
//! explores PARAMETER, ...: COUNT of COUNT
//! without PART: part of what breaks|nothing
//! who-can ACTION RESOURCE: NAME[ on condition][ by NAME], ...
//! ```

use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use analysis::access::{Access, Degree};
use analysis::check::{Report, check_whole};
use analysis::intent::Intent;
use analysis::reach::{Network, Outcome, ask, place, target};
use model::Model;

#[test]
fn every_statement_of_the_specs_holds() {
    let mut files: Vec<_> = std::fs::read_dir(folder())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    let (mut wrong, mut statements) = (String::new(), 0);
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        let name = file.file_name().unwrap().to_string_lossy().into_owned();
        statements += run(&name, &text, &mut wrong);
    }
    assert!(statements > 0, "no statement was found");
    assert!(wrong.is_empty(), "\n{wrong}");
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("specs")
}

/// Each rule finds a flaw in two spellings, and nothing in a template beside it,
/// the base aside.
#[test]
fn every_rule_has_two_spellings_and_a_neighbour() {
    let mut found: BTreeMap<String, (usize, usize)> = BTreeMap::new();
    for entry in std::fs::read_dir(folder()).unwrap() {
        let text = std::fs::read_to_string(entry.unwrap().path()).unwrap();
        let mut blocks = text.split("```assert\n");
        let is_of_base = blocks
            .next()
            .is_some_and(|head| head.contains("```yaml base\n"));
        for block in blocks.skip(usize::from(is_of_base)) {
            let statements = block.split("```").next().unwrap_or_default().lines();
            for statement in statements.filter_map(|line| line.strip_prefix("check ")) {
                let (rule, places) = statement.split_once(": ").unwrap();
                let counts = found.entry(rule.to_owned()).or_default();
                if places == "nothing" {
                    counts.1 += 1;
                } else {
                    counts.0 += 1;
                }
            }
        }
    }
    let lacking: Vec<_> = analysis::check::RULES
        .iter()
        .map(|rule| (rule.name, found.get(rule.name).copied().unwrap_or_default()))
        .filter(|(_, (flaws, neighbours))| *flaws < 2 || *neighbours == 0)
        .collect();
    assert!(lacking.is_empty(), "flaws and neighbours: {lacking:?}");
}

/// A template of a spec with what was asked of it so far.
struct Case {
    template: cfn::Template,
    model: Model,
    intent: Option<Intent>,
    report: OnceCell<Report>,
}

impl Case {
    /// The whole check, under every value the template's switches may have.
    fn report(&self) -> &Report {
        self.report.get_or_init(|| {
            let environment = environment();
            let variants = analysis::variants(&self.template, &environment);
            check_whole(&self.model, &variants, self.intent.as_ref())
        })
    }
}

/// Runs one file; what does not hold goes to `wrong`.
fn run(name: &str, text: &str, wrong: &mut String) -> usize {
    let (mut base, mut case, mut statements) = (String::new(), None, 0);
    let mut lines = text.lines().enumerate();
    while let Some((start, line)) = lines.next() {
        let Some(info) = line.strip_prefix("```").filter(|info| !info.is_empty()) else {
            continue;
        };
        let block: Vec<(usize, &str)> = lines.by_ref().take_while(|(_, l)| *l != "```").collect();
        let body = || {
            block
                .iter()
                .map(|(_, l)| format!("{l}\n"))
                .collect::<String>()
        };
        if let Some(file) = info.strip_prefix("yaml base=") {
            let text = std::fs::read_to_string(folder().join(file));
            let text = text.expect("the spec with the base");
            let (_, rest) = text.split_once("```yaml base\n").expect("a base");
            let (block, _) = rest.split_once("```\n").expect("its end");
            base = block.to_owned();
        } else if info == "yaml base" {
            base = body();
            case = Some(lower("", &base));
        } else if let Some(rest) = info.strip_prefix("yaml") {
            let gone = rest.trim().strip_prefix("without=").unwrap_or_default();
            let body = body();
            let (head, more) = match body.split_once("Resources:\n") {
                Some((head, more)) => (head, more),
                None => ("", body.as_str()),
            };
            case = Some(lower(head, &(without(&base, gone) + more)));
        } else if info == "toml" {
            let case = case.as_mut().expect("a template before its intents");
            let intent = analysis::intent::parse(&body());
            case.report = OnceCell::new();
            case.intent = Some(intent.unwrap_or_else(|fault| panic!("{name}:{start}: {fault}")));
        } else if info == "assert" {
            for (number, statement) in block {
                let case = case.as_ref();
                let case = case.expect("a template before the first statement");
                statements += 1;
                if let Err(fault) = holds(case, statement) {
                    let _ = writeln!(wrong, "{name}:{}: {statement}\n    {fault}", number + 1);
                }
            }
        }
    }
    statements
}

/// The resources of a template without some of them.
fn without(base: &str, gone: &str) -> String {
    let gone: BTreeSet<&str> = gone.split(',').collect();
    let mut kept = String::new();
    let mut keeps = true;
    for line in base.lines() {
        if let Some(key) = line
            .strip_prefix("  ")
            .filter(|rest| !rest.starts_with([' ', '#']))
        {
            keeps = !gone.contains(key.trim_end_matches(':'));
        }
        if keeps {
            kept += line;
            kept.push('\n');
        }
    }
    kept
}

fn environment() -> cfn::Environment {
    cfn::Environment {
        account_id: "111122223333".to_owned(),
        region: "ap-northeast-2".to_owned(),
        stack_name: "spec".to_owned(),
        parameters: Default::default(),
    }
}

fn lower(head: &str, resources: &str) -> Case {
    let text = format!("{head}Resources:\n{resources}");
    let (template, faults) = cfn::parse("spec.yaml", &text);
    assert!(
        faults.iter().all(|fault| !fault.is_error()),
        "{faults:#?}\n{text}"
    );
    let (stack, faults) = cfn::evaluate(&template, &environment());
    assert!(
        faults.iter().all(|fault| !fault.is_error()),
        "{faults:#?}\n{text}"
    );
    Case {
        template,
        model: model::lower(&Arc::new(stack)),
        intent: None,
        report: OnceCell::new(),
    }
}

fn holds(case: &Case, statement: &str) -> Result<(), String> {
    let (verb, rest) = statement.split_once(' ').ok_or("no verb")?;
    match verb {
        "reach" => reach(&case.model, rest),
        "can" => can(&case.model, rest),
        "check" => check(case.report(), rest),
        "says" => says(case.report(), rest),
        "fails" => fails(case.report(), rest),
        "explores" => explores(case.report(), rest),
        "without" => without_part(case.report(), rest),
        "who-can" => who_can(&case.model, rest),
        _ => Err(format!("unknown verb `{verb}`")),
    }
}

/// A finding of a rule has these words.
fn says(report: &Report, statement: &str) -> Result<(), String> {
    let (rule, words) = statement.split_once(": ").ok_or("no words")?;
    let found = report
        .findings
        .iter()
        .filter(|finding| finding.rule == rule);
    let messages: Vec<_> = found.map(|finding| finding.message.as_str()).collect();
    messages
        .iter()
        .any(|message| message.contains(words))
        .then_some(())
        .ok_or(format!("it says {messages:#?}"))
}

/// Why an intent does not hold.
fn fails(report: &Report, statement: &str) -> Result<(), String> {
    let (line, words) = statement.split_once(": ").ok_or("no words")?;
    let found = report
        .proofs
        .iter()
        .find(|proof| proof.statement.line.to_string() == line);
    let failure = found.map(|proof| proof.failure.clone().unwrap_or_default());
    failure
        .as_ref()
        .is_some_and(|failure| failure.contains(words) && !words.is_empty())
        .then_some(())
        .ok_or(format!("it is {failure:?}"))
}

/// Which parameters were varied, and how many combinations looked at.
fn explores(report: &Report, expected: &str) -> Result<(), String> {
    let exploration = &report.exploration;
    let names: BTreeSet<&str> = exploration
        .switches
        .iter()
        .map(|(name, _)| name.as_str())
        .collect();
    let names: Vec<_> = names.into_iter().collect();
    let (tried, all) = (exploration.explored.len() + 1, exploration.combinations);
    let found = format!("{}: {tried} of {all}", names.join(", "));
    (found == expected)
        .then_some(())
        .ok_or(format!("it is {found}"))
}

/// What breaks when a part of the template is taken away.
fn without_part(report: &Report, statement: &str) -> Result<(), String> {
    let (what, expected) = statement.split_once(": ").ok_or("no expectation")?;
    let found: Vec<_> = report
        .removals
        .iter()
        .filter(|removal| removal.what.contains(what))
        .map(|removal| removal.breaks.as_deref().unwrap_or("nothing"))
        .collect();
    let [breaks] = found.as_slice() else {
        let known: Vec<_> = report.removals.iter().map(|one| &one.what).collect();
        return Err(format!("{} parts are called so: {known:#?}", found.len()));
    };
    breaks
        .contains(expected)
        .then_some(())
        .ok_or(format!("it breaks {breaks}"))
}

/// The resources a rule has findings at; a resource suppressed is none.
fn check(report: &Report, statement: &str) -> Result<(), String> {
    let (rule, expected) = statement.split_once(": ").ok_or("no expectation")?;
    let known = rule == "suppression" || analysis::check::rule(rule).is_some();
    known.then_some(()).ok_or(format!("no rule `{rule}`"))?;
    let found = report
        .findings
        .iter()
        .filter(|finding| finding.rule == rule);
    let messages: Vec<_> = found
        .clone()
        .map(|finding| finding.message.as_str())
        .collect();
    let places: BTreeSet<&str> = found
        .map(|finding| finding.primary.logical_id.as_ref())
        .collect();
    let places: Vec<_> = places.into_iter().collect();
    let places = if places.is_empty() {
        "nothing".to_owned()
    } else {
        places.join(", ")
    };
    (places == expected)
        .then_some(())
        .ok_or(format!("it is at {places}: {messages:#?}"))
}

fn can(model: &Model, statement: &str) -> Result<(), String> {
    let mut words = statement.split(' ');
    let (Some(principal), Some(action), Some(resource)) =
        (words.next(), words.next(), words.next())
    else {
        return Err("too few words".to_owned());
    };
    let mut rest: Vec<&str> = words.collect();
    let expected = rest.pop().ok_or("no expectation")?;
    let mut context = iam::Context::new();
    for pair in rest {
        let (key, value) = pair.split_once('=').ok_or("no `=`")?;
        context.set(key, value);
    }
    let access = Access::new(model);
    let answer = access.can(principal, action, resource, &context);
    let answer = answer.map_err(|error| error.to_string())?;
    let found = if answer.is_allowed() { "allow" } else { "deny" };
    let reasons: Vec<_> = answer
        .parts
        .iter()
        .map(|part| part.evaluation.to_string())
        .collect();
    (found == expected)
        .then_some(())
        .ok_or(format!("it is {found}: {reasons:?}"))
}

fn who_can(model: &Model, statement: &str) -> Result<(), String> {
    let (question, expected) = statement.split_once(": ").ok_or("no expectation")?;
    let (action, resource) = question.split_once(' ').ok_or("no resource")?;
    let access = Access::new(model);
    let standings = access.who_can(action, resource, &iam::Context::new());
    let standings = standings.map_err(|error| error.to_string())?;
    let able = standings.iter().filter_map(|standing| {
        let name = &standing.answer.principal;
        match (standing.degree, standing.by_way_of.last()) {
            (Degree::Yes, _) => Some(name.clone()),
            (Degree::OnCondition, _) => Some(format!("{name} on condition")),
            (Degree::No, Some(step)) => Some(format!("{name} by {}", step.to)),
            (Degree::No, None) => None,
        }
    });
    let found = able.collect::<Vec<_>>().join(", ");
    (found == expected)
        .then_some(())
        .ok_or(format!("it is `{found}`"))
}

fn reach(model: &Model, statement: &str) -> Result<(), String> {
    let (from, rest) = statement.split_once(" -> ").ok_or("no `->`")?;
    let (to, expected) = rest.split_once(' ').ok_or("no expectation")?;
    let network = Network::new(model);
    let from = place(&network, from).map_err(|error| error.to_string())?;
    let to = target(&network, to).map_err(|error| error.to_string())?;
    let answer = ask(&network, &from, &to);
    let found = match answer.outcome {
        Outcome::Direct => {
            let verdicts = answer.direct.iter();
            let flows = verdicts.fold(analysis::set::FlowSet::none(), |all, verdict| {
                all.union(&verdict.accepted)
            });
            let traffic = flows.traffic();
            if expected == "accept" {
                return Ok(());
            }
            if let Some(sources) = expected.strip_prefix("accept from ") {
                let found = flows.addresses().to_string();
                return (found == sources)
                    .then_some(())
                    .ok_or(format!("it is from {found}"));
            }
            format!("accept {traffic}")
        }
        Outcome::Forwarded => "forwarded".to_owned(),
        Outcome::Blocked => {
            let verdicts = answer.direct.iter();
            let codes: BTreeSet<&str> = verdicts
                .flat_map(|verdict| &verdict.blockers)
                .map(|blocker| blocker.code.as_str())
                .collect();
            let codes: Vec<_> = codes.into_iter().collect();
            format!("drop {}", codes.join(", "))
        }
    };
    (found == expected)
        .then_some(())
        .ok_or(format!("it is `{found}`"))
}
