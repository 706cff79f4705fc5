//! Which parameter values does a file give?
//!
//! The two forms the AWS CLI takes: a list of `ParameterKey` and
//! `ParameterValue`, and a plain map of names to values, alone or below
//! `Parameters`.

use std::collections::BTreeMap;

use serde_json::Value as Json;

/// Why a parameter file could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ParameterFileError {
    #[error("not valid JSON")]
    Syntax(#[from] serde_json::Error),
    #[error("expected a list of `ParameterKey` and `ParameterValue`, or a map of names to values")]
    Shape,
    #[error("parameter `{0}` has no plain value")]
    Value(String),
    #[error("parameter `{0}` is given twice")]
    Duplicate(String),
}

/// Reads a parameter file.
///
/// # Errors
/// When the text is no JSON or has neither of the two forms.
pub fn parse_parameters(text: &str) -> Result<BTreeMap<String, String>, ParameterFileError> {
    let json: Json = serde_json::from_str(text)?;
    let pairs: Vec<(&str, &Json)> = match &json {
        Json::Array(items) => items.iter().map(pair).collect::<Option<_>>(),
        Json::Object(map) => {
            let inner = map.get("Parameters").and_then(Json::as_object);
            let map = inner.unwrap_or(map);
            Some(
                map.iter()
                    .map(|(name, value)| (name.as_str(), value))
                    .collect(),
            )
        }
        _ => None,
    }
    .ok_or(ParameterFileError::Shape)?;
    let mut parameters = BTreeMap::new();
    for (name, value) in pairs {
        let text = plain(value).ok_or_else(|| ParameterFileError::Value(name.to_owned()))?;
        if parameters.insert(name.to_owned(), text).is_some() {
            return Err(ParameterFileError::Duplicate(name.to_owned()));
        }
    }
    Ok(parameters)
}

fn pair(item: &Json) -> Option<(&str, &Json)> {
    Some((
        item.get("ParameterKey")?.as_str()?,
        item.get("ParameterValue")?,
    ))
}

/// The text of a scalar; lists are written with commas, as the CLI does.
fn plain(value: &Json) -> Option<String> {
    match value {
        Json::String(text) => Some(text.clone()),
        Json::Number(_) | Json::Bool(_) => Some(value.to_string()),
        Json::Array(items) => {
            let items: Option<Vec<String>> = items.iter().map(plain).collect();
            Some(items?.join(","))
        }
        Json::Null | Json::Object(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_give_the_same_values() {
        let expected = BTreeMap::from([
            ("A".to_owned(), "1".to_owned()),
            ("B".to_owned(), "x,y".to_owned()),
        ]);
        for text in [
            r#"[{"ParameterKey": "A", "ParameterValue": "1"}, {"ParameterKey": "B", "ParameterValue": "x,y"}]"#,
            r#"{"A": 1, "B": ["x", "y"]}"#,
            r#"{"Parameters": {"A": "1", "B": "x,y"}}"#,
        ] {
            assert_eq!(parse_parameters(text).unwrap(), expected);
        }
    }

    #[test]
    fn faults_are_told_apart() {
        let error = |text| parse_parameters(text).unwrap_err().to_string();
        assert_eq!(error("{"), "not valid JSON");
        assert!(error("7").starts_with("expected a list"));
        assert_eq!(error(r#"{"A": null}"#), "parameter `A` has no plain value");
        let twice = r#"[{"ParameterKey":"A","ParameterValue":"1"},{"ParameterKey":"A","ParameterValue":"2"}]"#;
        assert_eq!(error(twice), "parameter `A` is given twice");
    }
}
