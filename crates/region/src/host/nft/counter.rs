//! What the rules have counted.

use std::io;

use crate::blueprint::ruleset::{Key, Set};
use crate::host::nfnetlink::{
    Header, INET, NLM_F_DUMP, NLM_F_REQUEST, NetfilterSocket, Writer, be64, nested, text,
};

use super::encode::SUBSYSTEM;
use super::{NftError, value};

const GET_TABLE: u16 = 1;
const GET_RULE: u16 = 7;
const GET_ELEMENTS: u16 = 13;

/// A rule's counter since its table was loaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleCounter {
    pub chain: String,
    pub comment: Option<String>,
    pub packets: u64,
    pub bytes: u64,
}

/// A key that packets added to a counted set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CountedKey {
    pub key: Key,
    pub packets: u64,
    pub bytes: u64,
}

/// The names of the namespace's tables of family `ip`.
pub(super) fn tables(socket: &mut NetfilterSocket, asked: &str) -> Result<Vec<String>, NftError> {
    let mut names = Vec::new();
    let dumped = socket.dump(&request(GET_TABLE, |_| {}), |answer| {
        let name = answer.attributes().find(|(kind, _)| *kind == 1);
        names.extend(name.and_then(|(_, name)| text(name)).map(str::to_owned));
    });
    read(dumped, asked, "the name")?;
    Ok(names)
}

pub(super) fn rules(
    socket: &mut NetfilterSocket,
    table: &str,
    chain: Option<&str>,
) -> Result<Vec<RuleCounter>, NftError> {
    let mut counters = Vec::new();
    let message = request(GET_RULE, |w| {
        w.text(1, table);
        if let Some(chain) = chain {
            w.text(2, chain);
        }
    });
    let dumped = socket.dump(&message, |answer| {
        let mut chain = String::new();
        let mut comment = None;
        let mut counter = None;
        for (kind, bytes) in answer.attributes() {
            match kind {
                2 => chain = text(bytes).unwrap_or_default().to_owned(),
                4 => counter = nested(bytes).find_map(|(_, expression)| counted(expression)),
                7 => comment = comment_of(bytes),
                _ => {}
            }
        }
        if let Some((packets, bytes)) = counter {
            counters.push(RuleCounter {
                chain,
                comment,
                packets,
                bytes,
            });
        }
    });
    read(dumped, table, "the rules")?;
    Ok(counters)
}

pub(super) fn keys(
    socket: &mut NetfilterSocket,
    table: &str,
    set: &Set,
) -> Result<Vec<CountedKey>, NftError> {
    let mut counted_keys = Vec::new();
    let message = request(GET_ELEMENTS, |w| {
        w.text(1, table);
        w.text(2, &set.name);
    });
    let dumped = socket.dump(&message, |answer| {
        let lists = answer.attributes().filter(|(kind, _)| *kind == 3);
        let elements = lists.flat_map(|(_, list)| nested(list));
        counted_keys.extend(elements.filter_map(|(_, element)| counted_key(set, element)));
    });
    read(dumped, table, &format!("set `{}`", set.name))?;
    counted_keys.sort_by(|a, b| a.key.cmp(&b.key));
    Ok(counted_keys)
}

fn request(kind: u16, body: impl FnOnce(&mut Writer)) -> Vec<u8> {
    let mut writer = Writer::default();
    let flags = NLM_F_REQUEST | NLM_F_DUMP;
    let header = Header {
        kind: SUBSYSTEM | kind,
        flags,
        sequence: 1,
        family: INET,
        resource: 0,
    };
    writer.message(header, body);
    writer.into_bytes()
}

fn read(dumped: io::Result<()>, table: &str, what: &str) -> Result<(), NftError> {
    dumped.map_err(|source| NftError::Read {
        table: table.to_owned(),
        what: what.to_owned(),
        source,
    })
}

fn counted_key(set: &Set, element: &[u8]) -> Option<CountedKey> {
    let mut key = None;
    let mut counter = None;
    for (kind, bytes) in nested(element) {
        match kind {
            1 => {
                let bytes = nested(bytes).find(|(kind, _)| *kind == 1)?.1;
                key = value::decode_key(&set.key, bytes);
            }
            7 => counter = counted(bytes),
            11 => counter = nested(bytes).find_map(|(_, expression)| counted(expression)),
            _ => {}
        }
    }
    let (packets, bytes) = counter?;
    Some(CountedKey {
        key: key?,
        packets,
        bytes,
    })
}

/// Packets and bytes, if the expression is a counter.
fn counted(expression: &[u8]) -> Option<(u64, u64)> {
    let name = nested(expression).find(|(kind, _)| *kind == 1)?.1;
    if text(name)? != "counter" {
        return None;
    }
    let (_, counter) = nested(expression).find(|(kind, _)| *kind == 2)?;
    let number = |wanted| be64(nested(counter).find(|(kind, _)| *kind == wanted)?.1);
    Some((number(2)?, number(1)?))
}

/// The text of a comment note in a rule's user data.
fn comment_of(userdata: &[u8]) -> Option<String> {
    let (&[0, length], rest) = userdata.split_first_chunk::<2>()? else {
        return None;
    };
    text(rest.get(..usize::from(length))?).map(str::to_owned)
}
