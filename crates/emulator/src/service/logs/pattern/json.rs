//! JSON selectors of a filter pattern: `{ $.a.b[0] = "x" && ($.n > 3 || $.m IS NULL) }`.

use serde_json::Value;

use super::PatternError;

const DEPTH_LIMIT: usize = 32;

/// A condition on a JSON event.
#[derive(Debug, PartialEq)]
pub(in super::super) enum Expression {
    And(Box<Self>, Box<Self>),
    Or(Box<Self>, Box<Self>),
    Test(Vec<Step>, Test),
}

/// One step of a selector.
#[derive(Debug, PartialEq)]
pub(in super::super) enum Step {
    Member(String),
    Element(usize),
}

/// What a selected value must be.
#[derive(Debug, PartialEq)]
pub(in super::super) enum Test {
    Text { wanted: String, equal: bool },
    Number { operator: Comparison, than: f64 },
    IsNull,
    Is(bool),
    NotExists,
}

/// A comparison of numbers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in super::super) enum Comparison {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl Expression {
    /// Whether an event satisfies it.
    pub(super) fn matches(&self, event: &Value) -> bool {
        match self {
            Self::And(left, right) => left.matches(event) && right.matches(event),
            Self::Or(left, right) => left.matches(event) || right.matches(event),
            Self::Test(steps, test) => test.holds(select(event, steps)),
        }
    }
}

impl Test {
    fn holds(&self, value: Option<&Value>) -> bool {
        match (self, value) {
            (Self::NotExists, value) => value.is_none(),
            (_, None) => false,
            (Self::IsNull, Some(value)) => value.is_null(),
            (Self::Is(wanted), Some(value)) => value.as_bool() == Some(*wanted),
            (Self::Text { wanted, equal }, Some(value)) => {
                let text = match value {
                    Value::String(text) => text.clone(),
                    Value::Number(number) => number.to_string(),
                    _ => return false,
                };
                wildcard(wanted, &text) == *equal
            }
            (Self::Number { operator, than }, Some(value)) => value
                .as_f64()
                .is_some_and(|found| operator.holds(found, *than)),
        }
    }
}

impl Comparison {
    fn holds(self, found: f64, than: f64) -> bool {
        match self {
            Self::Equal => (found - than).abs() < f64::EPSILON,
            Self::NotEqual => (found - than).abs() >= f64::EPSILON,
            Self::Less => found < than,
            Self::LessOrEqual => found <= than,
            Self::Greater => found > than,
            Self::GreaterOrEqual => found >= than,
        }
    }
}

fn select<'a>(event: &'a Value, steps: &[Step]) -> Option<&'a Value> {
    steps.iter().try_fold(event, |value, step| match step {
        Step::Member(name) => value.get(name),
        Step::Element(index) => value.get(index),
    })
}

/// `*` stands for any text.
fn wildcard(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = text.strip_prefix(first) else {
        return false;
    };
    let parts: Vec<&str> = parts.collect();
    let Some((last, middle)) = parts.split_last() else {
        return rest.is_empty();
    };
    for part in middle {
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    rest.ends_with(last)
}

/// Reads `{ … }`.
pub(super) fn parse(text: &str) -> Result<Expression, PatternError> {
    let mut parser = Parser { rest: text };
    parser.expect("{", "`{`")?;
    let expression = parser.any(0)?;
    parser.expect("}", "`}`")?;
    if parser.rest.is_empty() {
        Ok(expression)
    } else {
        Err(parser.fault("the end"))
    }
}

struct Parser<'a> {
    rest: &'a str,
}

impl Parser<'_> {
    fn any(&mut self, depth: usize) -> Result<Expression, PatternError> {
        if depth > DEPTH_LIMIT {
            return Err(PatternError::Depth);
        }
        let mut left = self.all(depth)?;
        while self.take("||") {
            left = Expression::Or(Box::new(left), Box::new(self.all(depth)?));
        }
        Ok(left)
    }

    fn all(&mut self, depth: usize) -> Result<Expression, PatternError> {
        let mut left = self.one(depth)?;
        while self.take("&&") {
            left = Expression::And(Box::new(left), Box::new(self.one(depth)?));
        }
        Ok(left)
    }

    fn one(&mut self, depth: usize) -> Result<Expression, PatternError> {
        if self.take("(") {
            let inner = self.any(depth + 1)?;
            self.expect(")", "`)`")?;
            return Ok(inner);
        }
        let steps = self.selector()?;
        let test = self.test()?;
        Ok(Expression::Test(steps, test))
    }

    fn selector(&mut self) -> Result<Vec<Step>, PatternError> {
        self.expect("$", "a selector such as `$.level`")?;
        let mut steps = Vec::new();
        loop {
            if let Some(rest) = self.rest.strip_prefix('.') {
                let is_name = |c: char| c.is_alphanumeric() || "_-@".contains(c);
                let end = rest.find(|c| !is_name(c)).unwrap_or(rest.len());
                if end == 0 {
                    return Err(self.fault("a member's name"));
                }
                steps.push(Step::Member(rest[..end].to_owned()));
                self.rest = &rest[end..];
            } else if let Some(rest) = self.rest.strip_prefix('[') {
                let found = rest
                    .split_once(']')
                    .and_then(|(n, after)| Some((n.parse().ok()?, after)));
                let Some((index, after)) = found else {
                    return Err(self.fault("an index"));
                };
                steps.push(Step::Element(index));
                self.rest = after;
            } else {
                return Ok(steps);
            }
        }
    }

    fn test(&mut self) -> Result<Test, PatternError> {
        if self.take("IS") {
            for (word, test) in [
                ("NULL", Test::IsNull),
                ("TRUE", Test::Is(true)),
                ("FALSE", Test::Is(false)),
            ] {
                if self.take(word) {
                    return Ok(test);
                }
            }
            return Err(self.fault("`NULL`, `TRUE` or `FALSE`"));
        }
        if self.take("NOT") {
            self.expect("EXISTS", "`EXISTS`")?;
            return Ok(Test::NotExists);
        }
        let operators = [
            ("!=", Comparison::NotEqual),
            (">=", Comparison::GreaterOrEqual),
            ("<=", Comparison::LessOrEqual),
            ("=", Comparison::Equal),
            ("<", Comparison::Less),
            (">", Comparison::Greater),
        ];
        let operator = operators.into_iter().find(|(text, _)| self.take(text));
        let Some((_, operator)) = operator else {
            return Err(self.fault("an operator"));
        };
        self.operand(operator)
    }

    fn operand(&mut self, operator: Comparison) -> Result<Test, PatternError> {
        self.rest = self.rest.trim_start();
        if self.rest.starts_with('%') {
            return Err(PatternError::Regex(self.rest.to_owned()));
        }
        let (text, quoted) = match self.rest.strip_prefix('"') {
            Some(rest) => {
                let (text, after) = rest.split_once('"').ok_or(PatternError::OpenQuote)?;
                self.rest = after;
                (text, true)
            }
            None => {
                let is_end = |c: char| c.is_whitespace() || ")}&|".contains(c);
                let (text, after) = self
                    .rest
                    .split_at(self.rest.find(is_end).unwrap_or(self.rest.len()));
                self.rest = after;
                (text, false)
            }
        };
        match (text.parse::<f64>(), operator) {
            (Ok(than), operator) if !quoted => Ok(Test::Number { operator, than }),
            (_, Comparison::Equal) if quoted || !text.is_empty() => Ok(Test::Text {
                wanted: text.to_owned(),
                equal: true,
            }),
            (_, Comparison::NotEqual) if quoted || !text.is_empty() => Ok(Test::Text {
                wanted: text.to_owned(),
                equal: false,
            }),
            _ => Err(self.fault("a number")),
        }
    }

    fn take(&mut self, token: &str) -> bool {
        self.rest = self.rest.trim_start();
        match self.rest.strip_prefix(token) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn expect(&mut self, token: &str, expected: &'static str) -> Result<(), PatternError> {
        if self.take(token) {
            Ok(())
        } else {
            Err(self.fault(expected))
        }
    }

    fn fault(&self, expected: &'static str) -> PatternError {
        PatternError::Syntax {
            expected,
            found: self.rest.chars().take(20).collect(),
        }
    }
}
