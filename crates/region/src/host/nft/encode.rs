//! From a checked table to netlink messages, each with the place it speaks of.

use std::fmt::{self, Display, Formatter};
use std::net::Ipv4Addr;

use crate::blueprint::ruleset::{
    Chain, ChainKind, Content, HookPoint, Policy, Rule, Set, Table, Value, Verdict, comment_text,
};
use crate::host::nfnetlink::{NLM_F_APPEND, NLM_F_CREATE, Writer};

use super::{expression, value};

pub(super) const SUBSYSTEM: u16 = 10 << 8;

pub(super) const NEW_TABLE: u16 = 0;
const DELETE_TABLE: u16 = 2;
const NEW_CHAIN: u16 = 3;
const NEW_RULE: u16 = 6;
const NEW_SET: u16 = 9;
const NEW_ELEMENTS: u16 = 12;
const DELETE_ELEMENTS: u16 = 14;

const SET_INTERVAL: u32 = 0x04;
const SET_MAP: u32 = 0x08;
const SET_TIMEOUT: u32 = 0x10;
const SET_EVAL: u32 = 0x20;

const VERDICT_TYPE: u32 = 0xffff_ff00;

/// Element bytes in one message: attribute lengths are 16 bits.
const CHUNK: usize = 32 * 1024;

/// What a message is about, for errors.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    Table,
    Set(String),
    Elements {
        set: String,
    },
    Chain(String),
    /// `position` counts from 1; `comment` is the rule's own.
    Rule {
        chain: String,
        position: usize,
        comment: Option<String>,
    },
    /// The transaction as a whole.
    Transaction,
}

impl Display for Place {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Table => f.write_str("the declaration"),
            Self::Set(set) => write!(f, "set `{set}`"),
            Self::Elements { set } => write!(f, "an element of set `{set}`"),
            Self::Chain(chain) => write!(f, "chain `{chain}`"),
            Self::Rule {
                chain,
                position,
                comment,
            } => {
                write!(f, "rule {position} of chain `{chain}`")?;
                match comment {
                    Some(comment) => write!(f, " (`{comment}`)"),
                    None => Ok(()),
                }
            }
            Self::Transaction => f.write_str("the transaction"),
        }
    }
}

/// One message, its table already chosen.
#[derive(Debug)]
pub(super) struct Item {
    pub(super) kind: u16,
    pub(super) flags: u16,
    pub(super) place: Place,
    pub(super) body: Vec<u8>,
}

impl Item {
    fn new(kind: u16, flags: u16, place: Place, body: impl FnOnce(&mut Writer)) -> Self {
        let mut writer = Writer::default();
        body(&mut writer);
        Self {
            kind,
            flags,
            place,
            body: writer.into_bytes(),
        }
    }

    /// Bytes in the transaction, headers included.
    pub(super) fn len(&self) -> usize {
        20 + self.body.len()
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ElementChange {
    Add,
    Delete,
}

/// A table whose messages can be made under either of its names.
#[derive(Debug)]
pub(super) struct TableItems<'a> {
    table: &'a Table,
}

pub(super) fn table(table: &Table) -> TableItems<'_> {
    TableItems { table }
}

impl TableItems<'_> {
    /// All of it: sets, chains, rules, and elements last, since verdicts name chains.
    pub(super) fn for_table(&self, name: &str) -> Vec<Item> {
        let chains: Vec<&Chain> = self.table.chains.iter().collect();
        self.build(name, &chains)
    }

    /// All that no packet can reach yet.
    pub(super) fn without_hooks(&self, name: &str) -> Vec<Item> {
        let chains: Vec<&Chain> = self
            .table
            .chains
            .iter()
            .filter(|c| c.hook.is_none())
            .collect();
        self.build(name, &chains)
    }

    /// The chains where packets enter, with their rules.
    pub(super) fn hooks(&self, name: &str) -> Vec<Item> {
        let chains: Vec<&Chain> = self
            .table
            .chains
            .iter()
            .filter(|c| c.hook.is_some())
            .collect();
        chains_and_rules(name, &chains)
    }

    fn build(&self, name: &str, chains: &[&Chain]) -> Vec<Item> {
        let mut items = vec![Item::new(NEW_TABLE, NLM_F_CREATE, Place::Table, |w| {
            w.text(1, name);
            w.u32(2, 0);
        })];
        let sets = &self.table.sets;
        items.extend((1..).zip(sets).map(|(id, set)| new_set(name, set, id)));
        items.extend(chains_and_rules(name, chains));
        items.extend(
            sets.iter()
                .flat_map(|set| elements(name, set, ElementChange::Add)),
        );
        items
    }
}

pub(super) fn delete_table(name: &str) -> Item {
    Item::new(DELETE_TABLE, 0, Place::Table, |w| w.text(1, name))
}

fn chains_and_rules(table: &str, chains: &[&Chain]) -> Vec<Item> {
    let mut items: Vec<Item> = chains.iter().map(|chain| new_chain(table, chain)).collect();
    for chain in chains {
        let rules = (1..).zip(&chain.rules);
        items.extend(rules.map(|(position, rule)| new_rule(table, &chain.name, position, rule)));
    }
    items
}

fn new_chain(table: &str, chain: &Chain) -> Item {
    Item::new(
        NEW_CHAIN,
        NLM_F_CREATE,
        Place::Chain(chain.name.clone()),
        |w| {
            w.text(1, table);
            w.text(3, &chain.name);
            let Some(hook) = chain.hook else { return };
            w.nest(4, |w| {
                w.u32(
                    1,
                    match hook.point {
                        HookPoint::Prerouting => 0,
                        HookPoint::Input => 1,
                        HookPoint::Forward => 2,
                        HookPoint::Output => 3,
                        HookPoint::Postrouting => 4,
                    },
                );
                w.attribute(2, &hook.priority.to_be_bytes());
            });
            w.u32(
                5,
                match hook.policy {
                    Policy::Drop => 0,
                    Policy::Accept => 1,
                },
            );
            w.text(
                7,
                match hook.kind {
                    ChainKind::Filter => "filter",
                    ChainKind::Nat => "nat",
                },
            );
        },
    )
}

fn new_rule(table: &str, chain: &str, position: usize, rule: &Rule) -> Item {
    let place = Place::Rule {
        chain: chain.to_owned(),
        position,
        comment: rule.comment.clone(),
    };
    Item::new(NEW_RULE, NLM_F_CREATE | NLM_F_APPEND, place, |w| {
        w.text(1, table);
        w.text(2, chain);
        w.nest(4, |w| {
            for statement in &rule.statements {
                expression::statement(w, statement);
            }
        });
        if let Some(comment) = &rule.comment {
            w.attribute(7, &comment_userdata(comment));
        }
    })
}

/// nft's own form for a rule's comment: type 0, length, text with its zero.
fn comment_userdata(comment: &str) -> Vec<u8> {
    let text = comment_text(comment);
    let length = u8::try_from(text.len() + 1).expect("comment_text keeps to 127 bytes");
    let mut userdata = vec![0, length];
    userdata.extend_from_slice(text.as_bytes());
    userdata.push(0);
    userdata
}

fn new_set(table: &str, set: &Set, id: u32) -> Item {
    Item::new(NEW_SET, NLM_F_CREATE, Place::Set(set.name.clone()), |w| {
        w.text(1, table);
        w.text(2, &set.name);
        w.u32(
            3,
            match set.content {
                Content::Members(_) => 0,
                Content::Ranges(_) => SET_INTERVAL,
                Content::Verdicts(_) | Content::Values(..) => SET_MAP,
                Content::Counted { .. } => SET_TIMEOUT | SET_EVAL,
            },
        );
        w.u32(
            4,
            set.key
                .iter()
                .fold(0, |number, part| number << 6 | value::type_number(*part)),
        );
        w.u32(5, value::key_length(&set.key));
        match &set.content {
            Content::Verdicts(_) => {
                w.u32(6, VERDICT_TYPE);
                w.u32(7, 0);
            }
            Content::Values(data, _) => {
                w.u32(6, value::type_number(*data));
                w.u32(7, value::length(*data));
            }
            _ => {}
        }
        w.u32(10, id);
        if let Content::Counted { size, timeout_ms } = set.content {
            w.nest(9, |w| w.u32(1, size));
            w.attribute(11, &timeout_ms.to_be_bytes());
        }
        w.attribute(13, &byte_order_userdata(set));
        if let Content::Counted { .. } = set.content {
            w.nest(17, |w| {
                w.text(1, "counter");
                w.nest(2, |w| {
                    w.attribute(1, &[0; 8]);
                    w.attribute(2, &[0; 8]);
                });
            });
        }
    })
}

/// nft's note to itself on how to print keys and data; the kernel ignores it.
fn byte_order_userdata(set: &Set) -> Vec<u8> {
    let order = |is_host: bool| if is_host { 1u32 } else { 2 };
    let mut userdata = Vec::new();
    let mut note = |kind: u8, order: u32| {
        userdata.extend_from_slice(&[kind, 4]);
        userdata.extend_from_slice(&order.to_ne_bytes());
    };
    if let [key] = set.key.as_slice() {
        note(0, order(value::is_host_order(*key)));
    }
    if let Content::Values(data, _) = &set.content {
        note(1, order(value::is_host_order(*data)));
    }
    userdata
}

/// The set's elements in as many messages as they need.
pub(super) fn elements(table: &str, set: &Set, change: ElementChange) -> Vec<Item> {
    let mut chunks: Vec<Vec<Vec<u8>>> = Vec::new();
    let mut room = 0;
    for element in encoded_elements(set) {
        let length = element.len();
        match chunks.last_mut() {
            Some(chunk) if length <= room => chunk.push(element),
            _ => {
                chunks.push(vec![element]);
                room = CHUNK;
            }
        }
        room -= length.min(room);
    }
    chunks
        .into_iter()
        .map(|chunk| element_message(table, set, change, &chunk))
        .collect()
}

fn element_message(table: &str, set: &Set, change: ElementChange, chunk: &[Vec<u8>]) -> Item {
    let (kind, flags) = match change {
        ElementChange::Add => (NEW_ELEMENTS, NLM_F_CREATE),
        ElementChange::Delete => (DELETE_ELEMENTS, 0),
    };
    Item::new(
        kind,
        flags,
        Place::Elements {
            set: set.name.clone(),
        },
        |w| {
            w.text(1, table);
            w.text(2, &set.name);
            w.nest(3, |w| chunk.iter().for_each(|element| w.raw(element)));
        },
    )
}

/// Each a complete list element.
fn encoded_elements(set: &Set) -> Vec<Vec<u8>> {
    match &set.content {
        Content::Members(keys) => keys
            .iter()
            .map(|key| element(&value::key(key), |_| {}))
            .collect(),
        Content::Ranges(ranges) => ranges
            .iter()
            .flat_map(|(low, high)| range_elements(*low, *high))
            .collect(),
        Content::Verdicts(entries) => entries
            .iter()
            .map(|(key, verdict)| verdict_element(key, verdict))
            .collect(),
        Content::Values(_, entries) => entries
            .iter()
            .map(|(key, data)| value_element(key, data))
            .collect(),
        Content::Counted { .. } => Vec::new(),
    }
}

fn verdict_element(key: &[Value], verdict: &Verdict) -> Vec<u8> {
    element(&value::key(key), |w| {
        w.nest(2, |w| expression::verdict_data(w, verdict));
    })
}

fn value_element(key: &[Value], data: &Value) -> Vec<u8> {
    element(&value::key(key), |w| {
        w.nest(2, |w| w.attribute(1, &value::bytes(data)));
    })
}

/// An interval is its first address, and the address after its last marked as
/// an end; one that reaches 255.255.255.255 has no end.
fn range_elements(low: Ipv4Addr, high: Ipv4Addr) -> Vec<Vec<u8>> {
    let mut elements = vec![element(&low.octets(), |_| {})];
    if let Some(after) = u32::from(high).checked_add(1) {
        elements.push(element(&after.to_be_bytes(), |w| w.u32(3, 1)));
    }
    elements
}

fn element(key: &[u8], rest: impl FnOnce(&mut Writer)) -> Vec<u8> {
    let mut writer = Writer::default();
    writer.nest(1, |w| {
        w.nest(1, |w| w.attribute(1, key));
        rest(w);
    });
    writer.into_bytes()
}
