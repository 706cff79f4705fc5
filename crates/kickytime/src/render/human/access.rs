//! Permissions as people read them.

use std::fmt::Write as _;

use analysis::access::{Answer, Degree, Part, Standing};
use cfn::Source;

use super::reach::place;

/// The answer about one principal, with the statements that made it.
pub(crate) fn can(source: &Source, answer: &Answer) -> String {
    let word = if answer.is_allowed() { "yes" } else { "no" };
    let asked = answer.parts.first();
    let question = asked.map(|part| format!("{} on {}", part.action, part.resource));
    let mut text = format!(
        "{word}: {} {}\n",
        answer.principal,
        question.unwrap_or_default()
    );
    for part in &answer.parts {
        let _ = writeln!(text);
        describe(&mut text, source, part);
    }
    text
}

fn describe(text: &mut String, source: &Source, part: &Part) {
    let because = part
        .because
        .as_ref()
        .map(|because| format!(", because {because}"));
    let (action, resource) = (&part.action, &part.resource);
    let _ = writeln!(
        text,
        "  {action} on {resource}{}",
        because.unwrap_or_default()
    );
    let _ = writeln!(text, "    {}", part.reason());
    for statement in &part.statements {
        let place = place(source, statement.provenance.as_ref());
        let _ = writeln!(text, "      {}{place}", statement.text);
    }
}

/// Everybody who may, then who may become one who may.
pub(crate) fn who_can(source: &Source, standings: &[Standing]) -> String {
    let mut text = String::new();
    for standing in standings {
        let name = &standing.answer.principal;
        match standing.degree {
            Degree::Yes => {
                let _ = writeln!(text, "{name}");
            }
            Degree::OnCondition => {
                let _ = writeln!(text, "{name}, on condition");
            }
            Degree::No if standing.by_way_of.is_empty() => continue,
            Degree::No => {
                let _ = writeln!(text, "{name}, as somebody else");
                for step in &standing.by_way_of {
                    let place = place(source, step.provenance.as_ref());
                    let _ = writeln!(text, "    by {}{place}", step.how);
                }
                continue;
            }
        }
        for part in &standing.answer.parts {
            if !part.evaluation.is_allowed() {
                let _ = writeln!(text, "    {}: {}", part.action, part.reason());
            }
            for statement in &part.statements {
                let place = place(source, statement.provenance.as_ref());
                let _ = writeln!(text, "    {}{place}", statement.text);
            }
        }
    }
    if text.is_empty() {
        text.push_str("nobody\n");
    }
    text
}
