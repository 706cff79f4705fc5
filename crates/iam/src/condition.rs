//! Does a `Condition` element hold for this request?
//!
//! Operators are conjoined, values of one key are alternatives. A missing key
//! fails a positive operator and satisfies a negated one; `…IfExists` is
//! satisfied by absence, `ForAllValues:` too, `ForAnyValue:` never.
//! (IAM User Guide, "Condition operators", "Multivalued context keys".)

use ipnet::IpNet;
use time::OffsetDateTime;

use crate::context::Request;
use crate::pattern::Pattern;

mod value;

pub(crate) use value::parse_values;

/// One operator on one key with its values.
#[derive(Debug, Clone, PartialEq)]
pub struct Condition {
    pub quantifier: Quantifier,
    pub operator: Operator,
    pub if_exists: bool,
    /// The condition key as written; its letter case does not count.
    pub key: String,
    /// The values as written.
    pub values: Vec<String>,
    pub(crate) lookup: Lookup,
}

/// How an operator treats a key with several values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Quantifier {
    /// No prefix: the key is expected to be single-valued.
    One,
    ForAllValues,
    ForAnyValue,
}

/// A condition operator without its prefix and suffix.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operator {
    StringEquals,
    StringNotEquals,
    StringEqualsIgnoreCase,
    StringNotEqualsIgnoreCase,
    StringLike,
    StringNotLike,
    NumericEquals,
    NumericNotEquals,
    NumericLessThan,
    NumericLessThanEquals,
    NumericGreaterThan,
    NumericGreaterThanEquals,
    DateEquals,
    DateNotEquals,
    DateLessThan,
    DateLessThanEquals,
    DateGreaterThan,
    DateGreaterThanEquals,
    Bool,
    BinaryEquals,
    IpAddress,
    NotIpAddress,
    ArnEquals,
    ArnNotEquals,
    ArnLike,
    ArnNotLike,
    Null,
}

/// The condition made ready for comparing.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Lookup {
    /// The key, lower case.
    pub(crate) key: String,
    pub(crate) expected: Expected,
}

/// The compiled values of a condition.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Expected {
    Text(Vec<Pattern>),
    FoldedText(Vec<Pattern>),
    Arn(Vec<Pattern>),
    Numbers(Vec<f64>),
    Dates(Vec<OffsetDateTime>),
    Bools(Vec<bool>),
    Binaries(Vec<Vec<u8>>),
    Networks(Vec<IpNet>),
}

const OPERATORS: [(&str, Operator); 27] = [
    ("StringEquals", Operator::StringEquals),
    ("StringNotEquals", Operator::StringNotEquals),
    ("StringEqualsIgnoreCase", Operator::StringEqualsIgnoreCase),
    (
        "StringNotEqualsIgnoreCase",
        Operator::StringNotEqualsIgnoreCase,
    ),
    ("StringLike", Operator::StringLike),
    ("StringNotLike", Operator::StringNotLike),
    ("NumericEquals", Operator::NumericEquals),
    ("NumericNotEquals", Operator::NumericNotEquals),
    ("NumericLessThan", Operator::NumericLessThan),
    ("NumericLessThanEquals", Operator::NumericLessThanEquals),
    ("NumericGreaterThan", Operator::NumericGreaterThan),
    (
        "NumericGreaterThanEquals",
        Operator::NumericGreaterThanEquals,
    ),
    ("DateEquals", Operator::DateEquals),
    ("DateNotEquals", Operator::DateNotEquals),
    ("DateLessThan", Operator::DateLessThan),
    ("DateLessThanEquals", Operator::DateLessThanEquals),
    ("DateGreaterThan", Operator::DateGreaterThan),
    ("DateGreaterThanEquals", Operator::DateGreaterThanEquals),
    ("Bool", Operator::Bool),
    ("BinaryEquals", Operator::BinaryEquals),
    ("IpAddress", Operator::IpAddress),
    ("NotIpAddress", Operator::NotIpAddress),
    ("ArnEquals", Operator::ArnEquals),
    ("ArnNotEquals", Operator::ArnNotEquals),
    ("ArnLike", Operator::ArnLike),
    ("ArnNotLike", Operator::ArnNotLike),
    ("Null", Operator::Null),
];

impl Operator {
    /// The operator of this name, without prefix or suffix.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        OPERATORS
            .iter()
            .find(|(known, _)| *known == name)
            .map(|(_, operator)| *operator)
    }

    /// The name as policies write it.
    #[must_use]
    pub fn name(self) -> &'static str {
        OPERATORS
            .iter()
            .find(|(_, known)| *known == self)
            .map_or("", |(name, _)| name)
    }

    /// Whether it asks that *no* value match.
    #[must_use]
    pub fn is_negated(self) -> bool {
        matches!(
            self,
            Self::StringNotEquals
                | Self::StringNotEqualsIgnoreCase
                | Self::StringNotLike
                | Self::NumericNotEquals
                | Self::DateNotEquals
                | Self::NotIpAddress
                | Self::ArnNotEquals
                | Self::ArnNotLike
        )
    }
}

impl Condition {
    /// Prefix, operator and suffix as policies write them.
    #[must_use]
    pub fn operator_name(&self) -> String {
        let prefix = match self.quantifier {
            Quantifier::One => "",
            Quantifier::ForAllValues => "ForAllValues:",
            Quantifier::ForAnyValue => "ForAnyValue:",
        };
        let suffix = if self.if_exists { "IfExists" } else { "" };
        format!("{prefix}{}{suffix}", self.operator.name())
    }

    /// Whether the condition holds for `request`.
    #[must_use]
    pub fn holds(&self, request: &Request<'_>) -> bool {
        let values = request.condition_values(&self.lookup.key);
        let negated = self.operator.is_negated();
        if let (Operator::Null, Expected::Bools(absent)) = (self.operator, &self.lookup.expected) {
            return absent.contains(&values.is_empty());
        }
        if values.is_empty() {
            return match self.quantifier {
                _ if self.if_exists => true,
                Quantifier::ForAllValues => true,
                Quantifier::ForAnyValue => false,
                Quantifier::One => negated,
            };
        }
        let mut agrees = values
            .iter()
            .map(|value| self.equals_any(value, request) != negated);
        match self.quantifier {
            Quantifier::ForAllValues => agrees.all(|agrees| agrees),
            Quantifier::ForAnyValue => agrees.any(|agrees| agrees),
            // an operator meant for one value, asked about several
            Quantifier::One if negated => agrees.all(|agrees| agrees),
            Quantifier::One => agrees.any(|agrees| agrees),
        }
    }

    /// Whether `value` compares true with any expected value, negation aside.
    fn equals_any(&self, value: &str, request: &Request<'_>) -> bool {
        let single = |key: &str| request.condition_values(key).single().map(str::to_owned);
        let matches = |patterns: &[Pattern], matches: fn(&Pattern, &str) -> bool, value: &str| {
            patterns.iter().any(|pattern| {
                pattern
                    .resolved(single)
                    .is_some_and(|pattern| matches(&pattern, value))
            })
        };
        match &self.lookup.expected {
            Expected::Text(patterns) => matches(patterns, Pattern::matches, value),
            Expected::FoldedText(patterns) => patterns.iter().any(|pattern| {
                let folded = |key: &str| single(key).map(|value| value.to_lowercase());
                pattern
                    .resolved(folded)
                    .is_some_and(|pattern| pattern.matches(&value.to_lowercase()))
            }),
            Expected::Arn(patterns) => matches(patterns, Pattern::matches_arn_components, value),
            Expected::Numbers(numbers) => value::number(value).is_some_and(|value| {
                numbers
                    .iter()
                    .any(|number| self.operator.orders(value.partial_cmp(number)))
            }),
            Expected::Dates(dates) => value::date(value).is_some_and(|value| {
                dates
                    .iter()
                    .any(|date| self.operator.orders(Some(value.cmp(date))))
            }),
            Expected::Bools(bools) => {
                value::boolean(value).is_some_and(|value| bools.contains(&value))
            }
            Expected::Binaries(binaries) => {
                value::binary(value).is_some_and(|value| binaries.contains(&value))
            }
            Expected::Networks(networks) => value::network(value)
                .is_some_and(|value| networks.iter().any(|network| network.contains(&value))),
        }
    }
}

impl Operator {
    /// Whether `left ORDER right` satisfies a numeric or date operator, negation aside.
    fn orders(self, order: Option<std::cmp::Ordering>) -> bool {
        let Some(order) = order else { return false };
        match self {
            Self::NumericLessThan | Self::DateLessThan => order.is_lt(),
            Self::NumericLessThanEquals | Self::DateLessThanEquals => order.is_le(),
            Self::NumericGreaterThan | Self::DateGreaterThan => order.is_gt(),
            Self::NumericGreaterThanEquals | Self::DateGreaterThanEquals => order.is_ge(),
            _ => order.is_eq(),
        }
    }
}

/// Splits `ForAnyValue:StringLikeIfExists` into its parts.
pub(crate) fn parse_operator(name: &str) -> Option<(Quantifier, Operator, bool)> {
    let (quantifier, rest) = if let Some(rest) = name.strip_prefix("ForAllValues:") {
        (Quantifier::ForAllValues, rest)
    } else if let Some(rest) = name.strip_prefix("ForAnyValue:") {
        (Quantifier::ForAnyValue, rest)
    } else {
        (Quantifier::One, name)
    };
    if let Some(operator) = Operator::named(rest) {
        return Some((quantifier, operator, false));
    }
    let operator = Operator::named(rest.strip_suffix("IfExists")?)?;
    // absence is what `Null` is about: it has no `IfExists` form
    (operator != Operator::Null).then_some((quantifier, operator, true))
}

#[cfg(test)]
mod tests;
