//! What kind of session or command is it? Documents: AWS's own that exist here, and the account's.

use std::collections::BTreeMap;

use regex_lite::Regex;
use serde_json::Value;

use crate::seed::{DocumentSeed, Tags};

mod builtin;
mod parameters;

pub(crate) use parameters::{Values, fill, substitute};

/// The document of a session that names none: the account's preferences.
pub(crate) const PREFERENCES: &str = "SSM-SessionManagerRunShell";
/// The one command document.
pub(crate) const RUN_SHELL_SCRIPT: &str = "AWS-RunShellScript";

/// Idle sessions end after this when no document says otherwise.
const IDLE_MINUTES: i64 = 20;

/// Why a document of the template cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DocumentError {
    /// No `schemaVersion`, or one that does not go with the kind.
    #[error("schema version `{found}` is not one of a `{kind}` document")]
    SchemaVersion {
        /// `Session` or `Command`.
        kind: String,
        /// What stands there.
        found: String,
    },
    /// A session document of a kind no agent here knows.
    #[error("session type `{0}` does not exist")]
    SessionType(String),
    /// A parameter's pattern is not a regular expression.
    #[error("the pattern of parameter `{parameter}` is not a regular expression")]
    Pattern {
        /// The parameter.
        parameter: String,
    },
    /// Minutes that are not a number within AWS's limits.
    #[error("`{input}` is `{found}`, not a number of minutes from 1 to {most}")]
    Minutes {
        /// The member of `inputs`.
        input: &'static str,
        /// What stands there.
        found: String,
        /// AWS's limit.
        most: i64,
    },
}

/// A document as sessions and commands use it.
#[derive(Clone, Debug)]
pub(crate) struct Document {
    pub(crate) name: String,
    /// `Session`, `Command`.
    pub(crate) kind: String,
    /// Whether AWS owns it, so that its ARN has no account.
    pub(crate) is_amazons: bool,
    pub(crate) tags: Tags,
    pub(crate) content: Value,
    pub(crate) parameters: BTreeMap<String, Parameter>,
    /// `idleSessionTimeout` and `maxSessionDuration`, if it says.
    pub(crate) idle_minutes: Option<i64>,
    pub(crate) most_minutes: Option<i64>,
}

/// Whose a document is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Owner {
    Amazon,
    Account,
}

/// A parameter a document takes.
#[derive(Clone, Debug)]
pub(crate) struct Parameter {
    pub(crate) is_list: bool,
    /// Absent: the parameter is required.
    pub(crate) default: Option<Value>,
    pub(crate) pattern: Option<Regex>,
    pub(crate) allowed: Vec<String>,
}

/// Every document there is, by name.
pub(crate) struct Documents(BTreeMap<String, Document>);

impl Documents {
    /// AWS's documents and those of the seed, which may replace the account's preferences.
    pub(crate) fn open(seeds: &[DocumentSeed]) -> Result<Self, (String, DocumentError)> {
        let mut all: BTreeMap<_, _> = builtin::all()
            .into_iter()
            .map(|document| (document.name.clone(), document))
            .collect();
        for seed in seeds {
            let read = Document::read(&seed.name, &seed.kind, seed.content.clone());
            let mut document = read.map_err(|error| (seed.name.clone(), error))?;
            document.tags = seed.tags.clone();
            all.insert(seed.name.clone(), document);
        }
        Ok(Self(all))
    }

    /// A document by name, or by ARN.
    pub(crate) fn get(&self, reference: &str) -> Option<&Document> {
        let name = match reference.split_once(":document/") {
            Some((arn, name)) if arn.starts_with("arn:") => name,
            _ => reference,
        };
        self.0.get(name)
    }

    /// In order of name.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Document> {
        self.0.values()
    }

    /// How long a session of `document` may be idle, and last at most: as the document says, or the
    /// account's preferences, or AWS's default.
    pub(crate) fn limits(&self, document: &Document) -> (i64, Option<i64>) {
        let preferences = self.0.get(PREFERENCES);
        let idle = document
            .idle_minutes
            .or_else(|| preferences.and_then(|document| document.idle_minutes))
            .unwrap_or(IDLE_MINUTES);
        let most = document
            .most_minutes
            .or_else(|| preferences.and_then(|document| document.most_minutes));
        (idle * 60, most.map(|minutes| minutes * 60))
    }
}

impl Document {
    fn read(name: &str, kind: &str, content: Value) -> Result<Self, DocumentError> {
        let text = |name: &str| content.get(name).and_then(Value::as_str).unwrap_or("");
        let version = text("schemaVersion");
        let is_known = match kind {
            "Session" => version == "1.0",
            "Command" => ["1.2", "2.0", "2.2"].contains(&version),
            _ => true,
        };
        if !is_known {
            return Err(DocumentError::SchemaVersion {
                kind: kind.to_owned(),
                found: version.to_owned(),
            });
        }
        let session_types = [
            "Standard_Stream",
            "InteractiveCommands",
            "NonInteractiveCommands",
            "Port",
        ];
        if kind == "Session" && !session_types.contains(&text("sessionType")) {
            return Err(DocumentError::SessionType(text("sessionType").to_owned()));
        }
        Ok(Self {
            name: name.to_owned(),
            kind: kind.to_owned(),
            is_amazons: false,
            tags: Tags::new(),
            parameters: parameters(&content)?,
            idle_minutes: minutes(&content, "idleSessionTimeout", 60)?,
            most_minutes: minutes(&content, "maxSessionDuration", 1_440)?,
            content,
        })
    }

    pub(crate) fn owner(&self) -> Owner {
        if self.is_amazons {
            Owner::Amazon
        } else {
            Owner::Account
        }
    }

    /// A member of the content that is a text.
    pub(crate) fn text(&self, name: &str) -> &str {
        self.content.get(name).and_then(Value::as_str).unwrap_or("")
    }
}

fn parameters(content: &Value) -> Result<BTreeMap<String, Parameter>, DocumentError> {
    let declared = content.get("parameters").and_then(Value::as_object);
    let mut all = BTreeMap::new();
    for (name, rule) in declared.into_iter().flatten() {
        let text = |member: &str| rule.get(member).and_then(Value::as_str);
        let pattern = text("allowedPattern")
            .map(Regex::new)
            .transpose()
            .map_err(|_| DocumentError::Pattern {
                parameter: name.clone(),
            })?;
        let allowed = rule.get("allowedValues").and_then(Value::as_array);
        let parameter = Parameter {
            is_list: text("type") == Some("StringList"),
            default: rule.get("default").cloned(),
            pattern,
            allowed: allowed
                .into_iter()
                .flatten()
                .map(parameters::plain)
                .collect(),
        };
        all.insert(name.clone(), parameter);
    }
    Ok(all)
}

/// Minutes stand as text, and empty for "not set".
fn minutes(content: &Value, input: &'static str, most: i64) -> Result<Option<i64>, DocumentError> {
    let found = content.pointer(&format!("/inputs/{input}"));
    let text = found.map(parameters::plain).unwrap_or_default();
    if text.is_empty() || text == "null" {
        return Ok(None);
    }
    match text.parse() {
        Ok(minutes) if (1..=most).contains(&minutes) => Ok(Some(minutes)),
        _ => Err(DocumentError::Minutes {
            input,
            found: text,
            most,
        }),
    }
}

#[cfg(test)]
mod tests;
