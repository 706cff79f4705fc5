//! Which intrinsic functions are there, and how are they written?
//!
//! Source: CloudFormation Template Reference, "Intrinsic function reference"
//! and "Rule-specific intrinsic functions".

use std::ops::RangeInclusive;

/// An intrinsic function.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Function {
    And,
    Base64,
    Cidr,
    Condition,
    Contains,
    EachMemberEquals,
    EachMemberIn,
    Equals,
    FindInMap,
    GetAZs,
    GetAtt,
    GetStackOutput,
    If,
    ImportValue,
    Join,
    Length,
    Not,
    Or,
    Ref,
    RefAll,
    Select,
    Split,
    Sub,
    ToJsonString,
    Transform,
    ValueOf,
    ValueOfAll,
}

/// How many items a function's argument has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    /// Anything; the function itself looks closer.
    Any,
    /// A list of so many items.
    List(RangeInclusive<usize>),
}

const ALL: [(Function, &str); 27] = [
    (Function::And, "Fn::And"),
    (Function::Base64, "Fn::Base64"),
    (Function::Cidr, "Fn::Cidr"),
    (Function::Condition, "Condition"),
    (Function::Contains, "Fn::Contains"),
    (Function::EachMemberEquals, "Fn::EachMemberEquals"),
    (Function::EachMemberIn, "Fn::EachMemberIn"),
    (Function::Equals, "Fn::Equals"),
    (Function::FindInMap, "Fn::FindInMap"),
    (Function::GetAZs, "Fn::GetAZs"),
    (Function::GetAtt, "Fn::GetAtt"),
    (Function::GetStackOutput, "Fn::GetStackOutput"),
    (Function::If, "Fn::If"),
    (Function::ImportValue, "Fn::ImportValue"),
    (Function::Join, "Fn::Join"),
    (Function::Length, "Fn::Length"),
    (Function::Not, "Fn::Not"),
    (Function::Or, "Fn::Or"),
    (Function::Ref, "Ref"),
    (Function::RefAll, "Fn::RefAll"),
    (Function::Select, "Fn::Select"),
    (Function::Split, "Fn::Split"),
    (Function::Sub, "Fn::Sub"),
    (Function::ToJsonString, "Fn::ToJsonString"),
    (Function::Transform, "Fn::Transform"),
    (Function::ValueOf, "Fn::ValueOf"),
    (Function::ValueOfAll, "Fn::ValueOfAll"),
];

impl Function {
    /// The long name, as it stands for a key: `Fn::Sub`.
    pub fn name(self) -> &'static str {
        ALL.iter()
            .find(|(function, _)| *function == self)
            .map_or("", |(_, name)| name)
    }

    /// The function of a map's key; `Condition` is none, because it is an
    /// ordinary key everywhere but among conditions.
    pub(crate) fn from_key(key: &str) -> Option<Self> {
        ALL.iter()
            .find(|(function, name)| *name == key && *function != Self::Condition)
            .map(|(function, _)| *function)
    }

    /// The function of a short tag, without its exclamation mark.
    pub(crate) fn from_tag(tag: &str) -> Option<Self> {
        ALL.iter()
            .find(|(_, name)| name.strip_prefix("Fn::").unwrap_or(name) == tag)
            .map(|(function, _)| *function)
    }

    /// Every long name, for suggestions.
    pub(crate) fn names() -> impl Iterator<Item = &'static str> {
        ALL.iter().map(|(_, name)| *name)
    }

    /// Every short tag, for suggestions.
    pub(crate) fn tags() -> impl Iterator<Item = &'static str> {
        ALL.iter()
            .map(|(_, name)| name.strip_prefix("Fn::").unwrap_or(name))
    }

    /// The argument the function asks for.
    pub(crate) fn shape(self) -> Shape {
        match self {
            Self::And | Self::Or => Shape::List(2..=10),
            Self::Cidr => Shape::List(2..=3),
            Self::Contains | Self::EachMemberEquals | Self::EachMemberIn => Shape::List(2..=2),
            Self::Equals | Self::Join | Self::Select | Self::Split => Shape::List(2..=2),
            Self::FindInMap => Shape::List(3..=4),
            Self::If => Shape::List(3..=3),
            Self::Not => Shape::List(1..=1),
            Self::ValueOf | Self::ValueOfAll => Shape::List(2..=2),
            _ => Shape::Any,
        }
    }

    /// True of the functions for the section `Rules`.
    pub(crate) fn is_for_rules(self) -> bool {
        matches!(
            self,
            Self::Contains
                | Self::EachMemberEquals
                | Self::EachMemberIn
                | Self::RefAll
                | Self::ValueOf
                | Self::ValueOfAll
        )
    }

    /// True of the functions that answer with a truth value.
    pub(crate) fn is_logical(self) -> bool {
        matches!(
            self,
            Self::And
                | Self::Or
                | Self::Not
                | Self::Equals
                | Self::Condition
                | Self::Contains
                | Self::EachMemberEquals
                | Self::EachMemberIn
        )
    }
}
