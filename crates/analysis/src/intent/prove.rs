//! Does each statement hold, and if not, because of what?

use cfn::Symbol;
use iam::Context;
use model::{EniKind, Model};

use super::{Call, Claim, Intent, Statement};
use crate::access::{Access, Degree};
use crate::check::Facts;
use crate::reach::{
    Classes, End, Network, Outcome, Place, accepted, ask_among, every_pair, place, target,
};

/// A statement with the answer.
#[derive(Clone, Debug)]
pub struct Proof {
    pub statement: Statement,
    /// Why it does not hold; `None` when it does.
    pub failure: Option<String>,
}

impl Proof {
    pub fn holds(&self) -> bool {
        self.failure.is_none()
    }
}

/// Proves every statement.
pub fn prove(facts: &Facts<'_>, intent: &Intent) -> Vec<Proof> {
    let proof = |statement: &Statement| Proof {
        statement: statement.clone(),
        failure: holds(facts, &statement.claim).err(),
    };
    intent.statements.iter().map(proof).collect()
}

/// Whether one claim holds.
///
/// # Errors
/// Why it does not, or why it cannot be asked.
pub fn holds(facts: &Facts<'_>, claim: &Claim) -> Result<(), String> {
    match claim {
        Claim::Reach { from, to, expected } => reach(facts, from, to, *expected),
        Claim::ReachOnly { to, from } => reach_only(&facts.network, &facts.classes, to, from),
        Claim::Access {
            call,
            principal,
            expected,
        } => access(facts.access(), call, principal, *expected),
        Claim::AccessOnly { call, principals } => access_only(facts.access(), call, principals),
    }
}

/// Whether everything a claim names is there to be asked about.
pub(crate) fn is_askable(facts: &Facts<'_>, claim: &Claim) -> bool {
    let network = &facts.network;
    let is_call = |call: &Call| {
        let resource = filled(facts.model, &call.resource);
        let context = context(facts.model, call);
        facts
            .access()
            .call(&call.action, &resource, &context)
            .is_ok()
    };
    match claim {
        Claim::Reach { from, to, .. } => {
            place(network, from).is_ok() && target(network, to).is_ok()
        }
        Claim::ReachOnly { to, from } => {
            target(network, to).is_ok() && from.iter().all(|one| place(network, one).is_ok())
        }
        Claim::Access {
            call, principal, ..
        } => is_call(call) && facts.access().subject(principal).is_ok(),
        Claim::AccessOnly { call, .. } => is_call(call),
    }
}

/// For an expected path, every kind of interface of FROM has one.
fn reach(facts: &Facts<'_>, from: &str, to: &str, expected: bool) -> Result<(), String> {
    let network = &facts.network;
    let text = |error: crate::reach::PlaceError| error.to_string();
    let (from, to) = (
        place(network, from).map_err(text)?,
        target(network, to).map_err(text)?,
    );
    // Most are proven without a word; the words are for those that are not.
    if expected && every_pair(network, &facts.classes, &from, &to) {
        return Ok(());
    }
    let answer = ask_among(network, &facts.classes, &from, &to);
    if expected {
        let blocked = answer.direct.iter().find(|verdict| !verdict.is_accepted());
        return match (answer.outcome, blocked) {
            (Outcome::Forwarded, _) | (Outcome::Direct, None) => Ok(()),
            (_, Some(verdict)) => {
                let blockers = verdict.blockers.iter();
                let blockers: Vec<_> = blockers
                    .map(|blocker| format!("{} {}", blocker.component, blocker.text))
                    .collect();
                Err(format!(
                    "{} → {}: {}",
                    verdict.from,
                    verdict.to,
                    blockers.join("; ")
                ))
            }
            (_, None) => Err("nothing leads there".to_owned()),
        };
    }
    match answer.outcome {
        Outcome::Blocked => Ok(()),
        Outcome::Forwarded => {
            let way: Vec<_> = answer
                .forwarded
                .iter()
                .map(|step| step.to.to_string())
                .collect();
            Err(format!("requests get there by way of {}", way.join(", ")))
        }
        Outcome::Direct => {
            let verdict = answer.direct.iter().find(|verdict| verdict.is_accepted());
            Err(verdict.map_or_else(String::new, |verdict| {
                format!(
                    "{} → {}: {}",
                    verdict.from,
                    verdict.to,
                    verdict.accepted.traffic()
                )
            }))
        }
    }
}

/// Nobody whose name is not listed opens a connection of its own.
fn reach_only(
    network: &Network<'_>,
    classes: &Classes<'_>,
    to: &str,
    from: &[String],
) -> Result<(), String> {
    let target = target(network, to).map_err(|error| error.to_string())?;
    let Place::Interfaces { enis: targets, .. } = &target.place else {
        return Err(format!("`{to}` has no interfaces of its own"));
    };
    let mut allowed = Vec::new();
    for name in from {
        match place(network, name).map_err(|error| error.to_string())? {
            Place::Interfaces { enis, .. } => allowed.extend(enis.iter().map(|eni| &eni.id)),
            Place::World { .. } => {}
            _ => return Err(format!("`{name}` opens no connections of its own")),
        }
    }
    let outside = [End::internet(), End::cloudfront(network)];
    let outside = outside
        .into_iter()
        .filter(|end| !from.contains(&end.name()));
    let opens = |class: &&crate::reach::Class<'_>| {
        !matches!(
            class.representative().kind,
            EniKind::Endpoint | EniKind::NatGateway
        )
    };
    let others = classes.classes.iter().filter(opens).flat_map(|class| {
        class
            .members
            .iter()
            .find(|eni| !allowed.contains(&&eni.id))
            .copied()
    });
    let sources: Vec<End<'_>> = outside.chain(others.map(End::Eni)).collect();
    for source in &sources {
        for destination in targets {
            if matches!(source, End::Eni(eni) if targets.iter().any(|own| own.owner == eni.owner)) {
                continue;
            }
            let flows = accepted(network, source, &End::Eni(destination), &target.traffic);
            if !flows.is_empty() {
                let traffic = flows.traffic();
                return Err(format!("{} reaches it with {traffic}", source.name()));
            }
        }
    }
    Ok(())
}

fn context(model: &Model, call: &Call) -> Context {
    let mut context = Context::new();
    for (key, value) in &call.context {
        context.set(key, filled(model, value));
    }
    context
}

/// Text with `${AWS::Region}`, `${Parameter}`, `${Bucket}` and `${Key.Arn}` replaced as
/// `Fn::Sub` would; what is unknown stays as it is.
pub(crate) fn filled(model: &Model, text: &str) -> String {
    let mut result = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        let Some((name, tail)) = after.split_once('}') else {
            break;
        };
        result += before;
        let known = match name {
            "AWS::AccountId" => Some(model.stack.account_id.clone()),
            "AWS::Partition" => Some(model.stack.partition.clone()),
            "AWS::Region" => Some(model.stack.region.clone()),
            "AWS::StackName" => Some(model.stack.stack_name.clone()),
            _ if model.stack.parameters.contains_key(name) => {
                model.text(&model.stack.parameters[name])
            }
            _ => model.resolve(&match name.split_once('.') {
                Some((id, attribute)) => Symbol::GetAtt(id.to_owned(), attribute.to_owned()),
                None => Symbol::Ref(name.to_owned()),
            }),
        };
        result += &known.unwrap_or_else(|| format!("${{{name}}}"));
        rest = tail;
    }
    result + rest
}

fn access(access: &Access<'_>, call: &Call, principal: &str, expected: bool) -> Result<(), String> {
    let answer = access
        .can(
            principal,
            &call.action,
            &filled(access.model, &call.resource),
            &context(access.model, call),
        )
        .map_err(|error| error.to_string())?;
    if answer.is_allowed() == expected {
        return Ok(());
    }
    let denied = answer
        .parts
        .iter()
        .find(|part| !part.evaluation.is_allowed());
    Err(match denied {
        Some(part) => format!("{} on {}: {}", part.action, part.resource, part.reason()),
        None => {
            let statements = answer.parts.iter().flat_map(|part| &part.statements);
            let texts: Vec<_> = statements
                .map(|statement| statement.text.as_str())
                .collect();
            format!("it is allowed by {}", texts.join(", "))
        }
    })
}

fn access_only(access: &Access<'_>, call: &Call, principals: &[String]) -> Result<(), String> {
    let standings = access
        .who_can(
            &call.action,
            &filled(access.model, &call.resource),
            &context(access.model, call),
        )
        .map_err(|error| error.to_string())?;
    let is_listed = |name: &str| {
        principals
            .iter()
            .any(|one| one == name || format!("holders of {one}") == name)
    };
    for standing in &standings {
        let name = &standing.answer.principal;
        if is_listed(name) {
            continue;
        }
        if standing.degree != Degree::No {
            return Err(format!("{name} may, too"));
        }
        if let Some(step) = standing.by_way_of.last() {
            return Err(format!("{name} may, too, by {}", step.how));
        }
    }
    Ok(())
}
