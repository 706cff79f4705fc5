//! Reachability as JSON.

use analysis::reach::{Answer, Blocker, Hop, Matrix, Outcome, Step, Verdict};
use analysis::set::FlowSet;
use serde_json::{Value, json};

use super::span;

pub(crate) fn answer(answer: &Answer<'_>) -> Value {
    json!({
        "version": 1,
        "from": answer.from,
        "to": answer.to,
        "traffic": answer.asked.to_string(),
        "reached": answer.is_reached(),
        "outcome": match answer.outcome {
            Outcome::Direct => "direct",
            Outcome::Forwarded => "forwarded",
            Outcome::Blocked => "blocked",
        },
        "direct": answer.direct.iter().map(verdict).collect::<Vec<_>>(),
        "forwarded": answer.forwarded.iter().map(step).collect::<Vec<_>>(),
        "broken": answer.broken.iter().map(step).collect::<Vec<_>>(),
        "takeover": answer.takeover.iter().map(step).collect::<Vec<_>>(),
    })
}

pub(crate) fn matrix(matrix: &Matrix) -> Value {
    let cells = matrix.cells.iter().map(|cell| {
        json!({
            "from": cell.from,
            "to": cell.to,
            "accepted": flows(&cell.flows),
            "partial": cell.partial,
        })
    });
    json!({
        "version": 1,
        "interfaces": matrix.interfaces,
        "classes": matrix.classes,
        "cells": cells.collect::<Vec<_>>(),
    })
}

fn verdict(verdict: &Verdict) -> Value {
    json!({
        "from": verdict.from,
        "to": verdict.to,
        "accepted": flows(&verdict.accepted),
        "hops": verdict.hops.iter().map(hop).collect::<Vec<_>>(),
        "blockers": verdict.blockers.iter().map(blocker).collect::<Vec<_>>(),
    })
}

fn step(step: &Step<'_>) -> Value {
    json!({
        "from": step.from,
        "to": step.to.to_string(),
        "traffic": step.traffic.to_string(),
        "hops": step.hops.iter().map(hop).collect::<Vec<_>>(),
        "blockers": step.blockers.iter().map(blocker).collect::<Vec<_>>(),
    })
}

fn hop(hop: &Hop) -> Value {
    json!({
        "component": hop.component,
        "text": hop.text,
        "span": hop.provenance.as_ref().map(|provenance| span(provenance.span)),
    })
}

fn blocker(blocker: &Blocker) -> Value {
    json!({
        "code": blocker.code.as_str(),
        "component": blocker.component,
        "text": blocker.text,
        "span": blocker.provenance.as_ref().map(|provenance| span(provenance.span)),
    })
}

fn flows(flows: &FlowSet) -> Value {
    flows
        .iter()
        .map(|flow| {
            json!({
                "traffic": flow.traffic.to_string(),
                "addresses": flow.addresses.to_string(),
            })
        })
        .collect()
}
