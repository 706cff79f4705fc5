//! Are the values what the document takes, and where do they go? Checking and `{{ name }}`.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::Document;

/// Longest value of a parameter, as the API has it.
const MOST_CHARACTERS: usize = 65_535;

/// Why values do not go with a document.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ParameterError {
    #[error("Parameters are not a map of lists of strings")]
    Shape,
    #[error("Parameter `{parameter}` is not defined in document `{document}`")]
    Unknown { parameter: String, document: String },
    #[error("Document `{document}` requires parameter `{parameter}`")]
    Missing { parameter: String, document: String },
    #[error("Parameter `{parameter}` takes one value, not {count}")]
    Count { parameter: String, count: usize },
    #[error("Parameter `{parameter}` is longer than {MOST_CHARACTERS} characters")]
    TooLong { parameter: String },
    #[error("Parameter `{parameter}` with value `{value}` does not match pattern `{pattern}`")]
    Pattern {
        parameter: String,
        value: String,
        pattern: String,
    },
    #[error("Parameter `{parameter}` with value `{value}` is not one of {}", allowed.join(", "))]
    NotAllowed {
        parameter: String,
        value: String,
        allowed: Vec<String>,
    },
}

/// Every parameter of a document with its value: a text, or a list of texts.
pub(crate) type Values = BTreeMap<String, Value>;

/// Checks what the caller gave (names to lists of strings) and adds defaults.
pub(crate) fn fill(document: &Document, given: Option<&Value>) -> Result<Values, ParameterError> {
    let empty = Map::new();
    let given = match given {
        None | Some(Value::Null) => &empty,
        Some(Value::Object(given)) => given,
        Some(_) => return Err(ParameterError::Shape),
    };
    if let Some(name) = given
        .keys()
        .find(|name| !document.parameters.contains_key(*name))
    {
        return Err(ParameterError::Unknown {
            parameter: name.clone(),
            document: document.name.clone(),
        });
    }
    let mut values = Values::new();
    for (name, rule) in &document.parameters {
        let value = match given.get(name) {
            Some(value) => checked(name, rule, value)?,
            None => rule
                .default
                .clone()
                .ok_or_else(|| ParameterError::Missing {
                    parameter: name.clone(),
                    document: document.name.clone(),
                })?,
        };
        values.insert(name.clone(), value);
    }
    Ok(values)
}

fn checked(name: &str, rule: &super::Parameter, value: &Value) -> Result<Value, ParameterError> {
    let parameter = || name.to_owned();
    let texts = value.as_array().ok_or(ParameterError::Shape)?;
    let texts: Option<Vec<&str>> = texts.iter().map(Value::as_str).collect();
    let texts = texts.ok_or(ParameterError::Shape)?;
    if texts.is_empty() || (!rule.is_list && texts.len() != 1) {
        return Err(ParameterError::Count {
            parameter: parameter(),
            count: texts.len(),
        });
    }
    for text in &texts {
        if text.chars().count() > MOST_CHARACTERS {
            return Err(ParameterError::TooLong {
                parameter: parameter(),
            });
        }
        if let Some(pattern) = rule.pattern.as_ref().filter(|p| !p.is_match(text)) {
            return Err(ParameterError::Pattern {
                parameter: parameter(),
                value: (*text).to_owned(),
                pattern: pattern.as_str().to_owned(),
            });
        }
        if !rule.allowed.is_empty() && !rule.allowed.iter().any(|allowed| allowed == text) {
            return Err(ParameterError::NotAllowed {
                parameter: parameter(),
                value: (*text).to_owned(),
                allowed: rule.allowed.clone(),
            });
        }
    }
    Ok(if rule.is_list {
        texts.into()
    } else {
        texts[0].into()
    })
}

/// Puts values in the place of `{{ name }}`, everywhere in a document's JSON. A text that is nothing
/// but a list's name becomes the list. Values are not searched again.
pub(crate) fn substitute(content: &Value, values: &Values) -> Value {
    match content {
        Value::String(text) => substituted(text, values),
        Value::Array(items) => items.iter().map(|item| substitute(item, values)).collect(),
        Value::Object(members) => members
            .iter()
            .map(|(name, value)| (name.clone(), substitute(value, values)))
            .collect::<Map<_, _>>()
            .into(),
        other => other.clone(),
    }
}

fn substituted(text: &str, values: &Values) -> Value {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("{{") {
        let Some((name, behind)) = after.split_once("}}") else {
            break;
        };
        let value = values.get(name.trim());
        if before.is_empty() && behind.is_empty() && out.is_empty() {
            return value.cloned().unwrap_or_else(|| text.into());
        }
        out.push_str(before);
        match value {
            Some(value) => out.push_str(&plain(value)),
            // not a parameter of this document: its text stays
            None => out.push_str(&format!("{{{{{name}}}}}")),
        }
        rest = behind;
    }
    out.push_str(rest);
    out.into()
}

/// A scalar without quotes; anything else as its JSON.
pub(super) fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}
