//! From TOML to statements.

use std::collections::BTreeMap;
use std::ops::Range;

use serde::Deserialize;
use thiserror::Error;
use toml::Spanned;

use super::{Call, Claim, Intent, Statement};

/// Why an intent file cannot be read.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("line {line}: {message}")]
pub struct IntentFault {
    pub line: usize,
    pub message: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    reach: Section,
    #[serde(default)]
    access: Section,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Section {
    #[serde(default)]
    allow: Vec<Spanned<String>>,
    #[serde(default)]
    deny: Vec<Spanned<String>>,
    #[serde(default)]
    only: BTreeMap<Spanned<String>, Vec<String>>,
}

/// Reads an intent file.
///
/// # Errors
/// The text is no TOML, or a statement has not the form it needs.
pub fn parse(text: &str) -> Result<Intent, IntentFault> {
    let file: File = toml::from_str(text).map_err(|error| IntentFault {
        line: line(text, &error.span().unwrap_or(0..0)),
        message: error.message().to_owned(),
    })?;
    let mut statements = Vec::new();
    let mut add = |span: Range<usize>, claim: Result<Claim, String>| {
        let line = line(text, &span);
        let claim = claim.map_err(|message| IntentFault { line, message })?;
        statements.push(Statement { line, claim });
        Ok(())
    };
    for (list, expected) in [(&file.reach.allow, true), (&file.reach.deny, false)] {
        for entry in list {
            add(entry.span(), reach(entry.get_ref(), expected))?;
        }
    }
    for (to, from) in &file.reach.only {
        let (to_text, from) = (to.get_ref().clone(), from.clone());
        add(to.span(), Ok(Claim::ReachOnly { to: to_text, from }))?;
    }
    for (list, expected) in [(&file.access.allow, true), (&file.access.deny, false)] {
        for entry in list {
            add(entry.span(), access(entry.get_ref(), expected))?;
        }
    }
    for (what, principals) in &file.access.only {
        let principals = principals.clone();
        let words: Vec<&str> = what.get_ref().split_whitespace().collect();
        add(
            what.span(),
            call(&words).map(|call| Claim::AccessOnly { call, principals }),
        )?;
    }
    statements.sort_by_key(|statement| statement.line);
    Ok(Intent { statements })
}

fn reach(text: &str, expected: bool) -> Result<Claim, String> {
    let (from, to) = text
        .split_once("->")
        .ok_or_else(|| format!("`{text}` is not of the form FROM -> TO"))?;
    let (from, to) = (from.trim().to_owned(), to.trim().to_owned());
    Ok(Claim::Reach { from, to, expected })
}

fn access(text: &str, expected: bool) -> Result<Claim, String> {
    let words: Vec<&str> = text.split_whitespace().collect();
    let (principal, rest) = words
        .split_first()
        .ok_or_else(|| "a statement is empty".to_owned())?;
    let principal = (*principal).to_owned();
    call(rest).map(|call| Claim::Access {
        call,
        principal,
        expected,
    })
}

fn call(words: &[&str]) -> Result<Call, String> {
    let [action, resource, context @ ..] = words else {
        return Err("expected an action and a resource".to_owned());
    };
    let pair = |text: &&str| {
        let (key, value) = text
            .split_once('=')
            .ok_or_else(|| format!("`{text}` is not of the form KEY=VALUE"))?;
        Ok((key.to_owned(), value.to_owned()))
    };
    Ok(Call {
        action: (*action).to_owned(),
        resource: (*resource).to_owned(),
        context: context.iter().map(pair).collect::<Result<_, String>>()?,
    })
}

fn line(text: &str, span: &Range<usize>) -> usize {
    let before = text.get(..span.start).unwrap_or_default();
    before.matches('\n').count() + 1
}
