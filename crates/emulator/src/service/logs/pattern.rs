//! Which events does a filter pattern choose? ("Filter pattern syntax", CloudWatch Logs guide.)
//!
//! Terms (`ERROR`, `"two words"`, `-not`, `?either ?or`) and JSON selectors
//! (`{ $.level = "ERROR" && $.status >= 500 }`). Regular expressions and space-delimited patterns
//! are refused by name.

use serde_json::Value;

mod json;

use json::Expression;

/// A parsed filter pattern.
#[derive(Debug, PartialEq)]
pub(super) enum Pattern {
    Everything,
    Terms {
        all: Vec<String>,
        any: Vec<String>,
        none: Vec<String>,
    },
    Json(Expression),
}

/// What is wrong with a pattern.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum PatternError {
    #[error("a quotation mark is not closed")]
    OpenQuote,
    #[error("`{0}` is not supported: regular expressions are not")]
    Regex(String),
    #[error("`{0}` is not supported: space-delimited patterns are not")]
    Delimited(String),
    #[error("expected {expected} at `{found}`")]
    Syntax {
        expected: &'static str,
        found: String,
    },
    #[error("the expression is nested too deeply")]
    Depth,
}

impl Pattern {
    /// Reads a pattern; the empty one chooses everything.
    pub(super) fn parse(text: &str) -> Result<Self, PatternError> {
        let text = text.trim();
        match text.chars().next() {
            None => Ok(Self::Everything),
            Some('{') => json::parse(text).map(Self::Json),
            Some('[') => Err(PatternError::Delimited(text.to_owned())),
            Some('%') => Err(PatternError::Regex(text.to_owned())),
            Some(_) => Self::terms(text),
        }
    }

    fn terms(text: &str) -> Result<Self, PatternError> {
        let (mut all, mut any, mut none) = (Vec::new(), Vec::new(), Vec::new());
        let mut rest = text;
        while !rest.is_empty() {
            let (list, body) = match rest.chars().next() {
                Some('-') => (&mut none, &rest[1..]),
                Some('?') => (&mut any, &rest[1..]),
                _ => (&mut all, rest),
            };
            let (term, after) = match body.strip_prefix('"') {
                Some(quoted) => quoted.split_once('"').ok_or(PatternError::OpenQuote)?,
                None => body.split_once(char::is_whitespace).unwrap_or((body, "")),
            };
            if !term.is_empty() {
                list.push(term.to_owned());
            }
            rest = after.trim_start();
        }
        Ok(Self::Terms { all, any, none })
    }

    /// Whether a message is chosen. Terms are case-sensitive.
    pub(super) fn matches(&self, message: &str) -> bool {
        match self {
            Self::Everything => true,
            Self::Terms { all, any, none } => {
                all.iter().all(|term| message.contains(term.as_str()))
                    && (any.is_empty() || any.iter().any(|term| message.contains(term.as_str())))
                    && !none.iter().any(|term| message.contains(term.as_str()))
            }
            Self::Json(expression) => serde_json::from_str::<Value>(message)
                .is_ok_and(|value| value.is_object() && expression.matches(&value)),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn chosen<'a>(pattern: &str, messages: &[&'a str]) -> Vec<&'a str> {
        let pattern = Pattern::parse(pattern).unwrap();
        messages
            .iter()
            .copied()
            .filter(|message| pattern.matches(message))
            .collect()
    }

    #[test]
    fn terms_choose_by_all_any_and_none() {
        let lines = [
            "ERROR disk full",
            "ERROR net",
            "WARN disk",
            "error disk full",
        ];
        assert_eq!(chosen("", &lines), lines);
        assert_eq!(chosen("ERROR", &lines), ["ERROR disk full", "ERROR net"]);
        assert_eq!(chosen("ERROR disk", &lines), ["ERROR disk full"]);
        assert_eq!(
            chosen("\"disk full\"", &lines),
            ["ERROR disk full", "error disk full"]
        );
        assert_eq!(chosen("ERROR -disk", &lines), ["ERROR net"]);
        assert_eq!(chosen("?net ?WARN", &lines), ["ERROR net", "WARN disk"]);
    }

    #[test]
    fn selectors_choose_by_member() {
        let lines = [
            r#"{"level":"ERROR","status":500,"u":{"id":[7]},"ok":true,"no":null}"#,
            r#"{"level":"INFO","status":200}"#,
            "not json",
        ];
        let is = |pattern: &str| {
            chosen(pattern, &lines)
                .iter()
                .map(|l| l.split('"').nth(3).unwrap_or(""))
                .collect::<Vec<_>>()
        };
        assert_eq!(is(r#"{ $.level = "ERROR" }"#), ["ERROR"]);
        assert_eq!(is("{ $.level = E* }"), ["ERROR"]);
        assert_eq!(is(r#"{ $.level != "ERROR" }"#), ["INFO"]);
        assert_eq!(is("{ $.status >= 200 }"), ["ERROR", "INFO"]);
        assert_eq!(is("{ $.status > 200 && $.u.id[0] = 7 }"), ["ERROR"]);
        assert_eq!(
            is("{ ($.status = 200) || ($.ok IS TRUE) }"),
            ["ERROR", "INFO"]
        );
        assert_eq!(is("{ $.no IS NULL }"), ["ERROR"]);
        assert_eq!(is("{ $.u NOT EXISTS }"), ["INFO"]);
    }

    #[test]
    fn faults_are_named() {
        let fault = |pattern: &str| Pattern::parse(pattern).unwrap_err().to_string();
        insta::assert_snapshot!(fault("\"open"), @"a quotation mark is not closed");
        insta::assert_snapshot!(fault("%re%"), @"`%re%` is not supported: regular expressions are not");
        insta::assert_snapshot!(fault("[a, b]"), @"`[a, b]` is not supported: space-delimited patterns are not");
        insta::assert_snapshot!(fault("{ $.a ~ 1 }"), @"expected an operator at `~ 1 }`");
        insta::assert_snapshot!(fault("{ $.a = 1"), @"expected `}` at ``");
    }

    proptest! {
        #[test]
        fn no_pattern_panics(pattern in "[{}$.a-c\"=<>!&|()\\[\\]0-9 %?-]{0,40}", message in any::<String>()) {
            if let Ok(pattern) = Pattern::parse(&pattern) {
                pattern.matches(&message);
            }
        }
    }
}
