//! Is a table one the kernel can take? Asked before a byte is written.
//!
//! The encoder relies on what is checked here: names and rules that fit their
//! attributes, elements of their set's shape. References are checked too,
//! because the kernel answers a missing chain and a missing module alike.

use std::collections::BTreeSet;

use crate::blueprint::ruleset::{
    Chain, Content, DataType, Match, Rule, Set, Statement, Table, Value, Verdict,
};

use super::{NftError, Place, value};

/// `NFT_NAME_MAXLEN` less the second name's suffix and the terminating zero.
const NAME_BYTES: usize = 250;
/// `IFNAMSIZ` less the terminating zero.
const INTERFACE_NAME_BYTES: usize = 15;
/// `NFT_DATA_VALUE_MAXLEN`: all sixteen registers.
const KEY_BYTES: u32 = 64;
/// `NFT_RULE_MAXEXPRS` is 128, and a statement is at most four expressions.
const STATEMENTS: usize = 32;

type Checked = Result<(), (Place, &'static str)>;

pub(super) fn table(table: &Table) -> Result<(), NftError> {
    let named = |(place, why)| NftError::Malformed {
        table: table.name.clone(),
        place,
        why,
    };
    name(&table.name, &Place::Table).map_err(named)?;
    let known = Known {
        sets: table.sets.iter().map(|set| set.name.as_str()).collect(),
        chains: table
            .chains
            .iter()
            .map(|chain| chain.name.as_str())
            .collect(),
    };
    for item in &table.sets {
        set(item, Some(&known)).map_err(named)?;
    }
    for item in &table.chains {
        chain(item, &known).map_err(named)?;
    }
    Ok(())
}

/// The same for a set whose elements go to a table already loaded.
pub(super) fn elements(table: &str, changed: &Set) -> Result<(), NftError> {
    set(changed, None).map_err(|(place, why)| NftError::Malformed {
        table: table.to_owned(),
        place,
        why,
    })
}

struct Known<'a> {
    sets: BTreeSet<&'a str>,
    chains: BTreeSet<&'a str>,
}

fn name(text: &str, place: &Place) -> Checked {
    let is_good = !text.is_empty() && text.len() <= NAME_BYTES && !text.contains('\0');
    demand(is_good, place, "its name is empty or too long")
}

fn demand(holds: bool, place: &Place, why: &'static str) -> Checked {
    if holds {
        Ok(())
    } else {
        Err((place.clone(), why))
    }
}

fn set(set: &Set, known: Option<&Known<'_>>) -> Checked {
    let place = Place::Set(set.name.clone());
    name(&set.name, &place)?;
    let length = value::key_length(&set.key);
    demand(
        (1..=KEY_BYTES).contains(&length),
        &place,
        "its key is empty or over 64 bytes",
    )?;
    let place = Place::Elements {
        set: set.name.clone(),
    };
    match &set.content {
        Content::Members(keys) => keys
            .iter()
            .try_for_each(|entry| key(&set.key, entry, &place)),
        Content::Ranges(ranges) => {
            demand(
                set.key == [DataType::Address],
                &place,
                "intervals are of addresses",
            )?;
            let ordered = ranges.iter().all(|(low, high)| low <= high)
                && ranges.windows(2).all(|pair| pair[0].1 < pair[1].0);
            demand(ordered, &place, "intervals must ascend and not overlap")
        }
        Content::Verdicts(entries) => entries.iter().try_for_each(|(entry, verdict)| {
            key(&set.key, entry, &place)?;
            target(verdict, known, &place)
        }),
        Content::Values(data, entries) => entries.iter().try_for_each(|(entry, result)| {
            key(&set.key, entry, &place)?;
            key(&[*data], std::slice::from_ref(result), &place)
        }),
        Content::Counted { .. } => Ok(()),
    }
}

fn key(types: &[DataType], values: &[Value], place: &Place) -> Checked {
    let fits = types
        .iter()
        .copied()
        .eq(values.iter().map(Value::data_type));
    demand(fits, place, "it is not of its set's type")?;
    values.iter().try_for_each(|part| match part {
        Value::InterfaceName(interface) => interface_name(interface, place),
        _ => Ok(()),
    })
}

fn interface_name(text: &str, place: &Place) -> Checked {
    let is_good = (1..=INTERFACE_NAME_BYTES).contains(&text.len());
    demand(is_good, place, "an interface name has 1 to 15 bytes")
}

fn chain(chain: &Chain, known: &Known<'_>) -> Checked {
    name(&chain.name, &Place::Chain(chain.name.clone()))?;
    (1..).zip(&chain.rules).try_for_each(|(position, item)| {
        let comment = item.comment.clone();
        rule(
            item,
            known,
            &Place::Rule {
                chain: chain.name.clone(),
                position,
                comment,
            },
        )
    })
}

fn rule(rule: &Rule, known: &Known<'_>, place: &Place) -> Checked {
    demand(
        rule.statements.len() <= STATEMENTS,
        place,
        "it has more than 32 statements",
    )?;
    rule.statements
        .iter()
        .try_for_each(|item| statement(item, known, place))
}

fn statement(statement: &Statement, known: &Known<'_>, place: &Place) -> Checked {
    match statement {
        Statement::Is(question) | Statement::IsNot(question) => matched(question, place),
        Statement::In { fields, set }
        | Statement::NotIn { fields, set }
        | Statement::Update { set, fields }
        | Statement::Dispatch { fields, map: set }
        | Statement::Assign {
            fields, map: set, ..
        } => {
            let types: Vec<DataType> = fields.iter().map(|field| field.data_type()).collect();
            let length = value::key_length(&types);
            demand(
                (1..=KEY_BYTES).contains(&length),
                place,
                "its key is empty or over 64 bytes",
            )?;
            demand(
                known.sets.contains(set.as_str()),
                place,
                "it names a set that is not there",
            )
        }
        Statement::SourceNat {
            ports: Some(ports), ..
        } => demand(
            ports.start() <= ports.end(),
            place,
            "its port range is empty",
        ),
        Statement::Verdict(verdict) => target(verdict, Some(known), place),
        _ => Ok(()),
    }
}

fn matched(question: &Match, place: &Place) -> Checked {
    match question {
        Match::InInterface(interface) | Match::OutInterface(interface) => {
            interface_name(interface, place)
        }
        Match::SourcePort(ports) | Match::DestinationPort(ports) => demand(
            ports.start() <= ports.end(),
            place,
            "its port range is empty",
        ),
        Match::Connection(states) => demand(!states.is_empty(), place, "it asks for no state"),
        _ => Ok(()),
    }
}

fn target(verdict: &Verdict, known: Option<&Known<'_>>, place: &Place) -> Checked {
    match (verdict, known) {
        (Verdict::Jump(chain) | Verdict::Goto(chain), Some(known)) => demand(
            known.chains.contains(chain.as_str()),
            place,
            "it names a chain that is not there",
        ),
        (Verdict::Jump(chain) | Verdict::Goto(chain), None) => name(chain, place),
        _ => Ok(()),
    }
}
