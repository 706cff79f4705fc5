//! Permissions as JSON.

use analysis::access::{Answer, Becoming, Degree, Part, Place, Standing};
use iam::Decision;
use serde_json::{Value, json};

use super::span;

pub(crate) fn can(answer: &Answer) -> Value {
    json!({
        "version": 1,
        "principal": answer.principal,
        "allowed": answer.is_allowed(),
        "calls": answer.parts.iter().map(part).collect::<Vec<_>>(),
    })
}

pub(crate) fn who_can(standings: &[Standing]) -> Value {
    let one = |standing: &Standing| {
        json!({
            "principal": standing.answer.principal,
            "may": match standing.degree {
                Degree::Yes => "yes",
                Degree::OnCondition => "on condition",
                Degree::No => "no",
            },
            "calls": standing.answer.parts.iter().map(part).collect::<Vec<_>>(),
            "byWayOf": standing.by_way_of.iter().map(step).collect::<Vec<_>>(),
        })
    };
    json!({ "version": 1, "principals": standings.iter().map(one).collect::<Vec<_>>() })
}

fn part(part: &Part) -> Value {
    json!({
        "action": part.action,
        "resource": part.resource,
        "decision": match part.evaluation.decision {
            Decision::Allowed => "allowed",
            Decision::ImplicitDeny => "implicitDeny",
            Decision::ExplicitDeny => "explicitDeny",
        },
        "reason": part.evaluation.to_string(),
        "because": part.because,
        "statements": part.statements.iter().map(statement).collect::<Vec<_>>(),
    })
}

fn statement(place: &Place) -> Value {
    json!({
        "statement": place.text,
        "span": place.provenance.as_ref().map(|provenance| span(provenance.span)),
    })
}

fn step(step: &Becoming) -> Value {
    json!({
        "to": step.to,
        "how": step.how,
        "span": step.provenance.as_ref().map(|provenance| span(provenance.span)),
    })
}
