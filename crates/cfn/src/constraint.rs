//! Does a parameter's value keep what the parameter demands?

use regex_lite::{Regex, RegexBuilder};

use crate::diagnostic::Diagnostic;
use crate::limits::MAX_PARAMETER_BYTES;
use crate::node::Node;
use crate::parameter::{ParameterType, members};
use crate::scalar::is_number;
use crate::suggest::did_you_mean;
use crate::template::Declaration;
use crate::value::Span;

/// Largest compiled pattern; a larger one takes too long to match.
const MAX_PATTERN_BYTES: usize = 1 << 18;

/// Members of a list whose faults are named.
const MAX_FAULTY_MEMBERS: usize = 20;

/// Faults of the demands themselves.
pub(crate) fn check_declaration(
    name: &str,
    declaration: &Declaration,
    _parameter_type: ParameterType,
) -> Vec<Diagnostic> {
    let mut faults = Vec::new();
    if let Some(default) = declaration.get("Default")
        && default.as_text().is_none()
        && default.describe() != "nothing"
    {
        let found = default.describe();
        let message = format!("`Default` of parameter `{name}` must be text, not {found}");
        let fault = Diagnostic::error("wrong-type", default.span, message);
        faults.push(fault.with_hint("a list is written as one text with commas"));
    }
    if let Some(node) = declaration.get("AllowedPattern")
        && let Some(pattern) = node.as_text()
        && compile(pattern).is_none()
    {
        let message = format!("pattern `{pattern}` is not checked");
        faults.push(
            Diagnostic::warning("pattern-not-checked", node.span, message)
                .with_hint("look-around and back-references of Java patterns are beyond us"),
        );
    }
    for attribute in ["MinLength", "MaxLength", "MinValue", "MaxValue"] {
        if let Some(node) = declaration.get(attribute)
            && number_of(node).is_none()
        {
            let message = format!("`{attribute}` of parameter `{name}` must be a number");
            faults.push(Diagnostic::error("wrong-type", node.span, message));
        }
    }
    faults
}

/// Faults of a value, at the place where it is given.
pub(crate) fn check_value(
    name: &str,
    declaration: &Declaration,
    parameter_type: ParameterType,
    text: &str,
    span: Span,
) -> Vec<Diagnostic> {
    let mut faults = Vec::new();
    let is_hidden = declaration.get("NoEcho").and_then(Node::as_text) == Some("true");
    let mut refuse = |what: String, hint: Option<String>| {
        // the value of a `NoEcho` parameter is nobody's business
        let message = match is_hidden {
            true => format!("parameter `{name}`: the value breaks the parameter's demands"),
            false => format!("parameter `{name}`: {what}"),
        };
        let hint = hint.filter(|_| !is_hidden);
        let said = declaration
            .get("ConstraintDescription")
            .and_then(Node::as_text);
        let hint = said.map(str::to_owned).or(hint);
        faults.push(Diagnostic::error("parameter-value", span, message).with_hint_if(hint));
    };
    if text.len() > MAX_PARAMETER_BYTES {
        let bytes = text.len();
        refuse(
            format!("{bytes} bytes are more than {MAX_PARAMETER_BYTES}"),
            None,
        );
        return faults;
    }
    let items: Vec<&str> = match parameter_type {
        list if list.is_list() => members(text).collect(),
        _ => vec![text],
    };
    let is_number_type = matches!(
        parameter_type,
        ParameterType::Number | ParameterType::NumberList
    );
    let pattern = declaration.get("AllowedPattern").and_then(Node::as_text);
    let demands = Demands {
        declaration,
        is_number: is_number_type,
        pattern: pattern.and_then(|pattern| Some((pattern, compile(pattern)?))),
    };
    let broken = items.iter().map(|item| demands.broken_by(item));
    for (what, hint) in broken
        .filter(|broken| !broken.is_empty())
        .take(MAX_FAULTY_MEMBERS)
        .flatten()
    {
        refuse(what, hint);
    }
    faults
}

/// What every single member of a value must keep.
struct Demands<'t> {
    declaration: &'t Declaration,
    is_number: bool,
    pattern: Option<(&'t str, Regex)>,
}

impl Demands<'_> {
    /// What a member breaks, with advice.
    fn broken_by(&self, item: &str) -> Vec<(String, Option<String>)> {
        if self.is_number && !is_number(item.trim()) {
            return vec![(format!("`{item}` is no number"), None)];
        }
        let mut broken = Vec::new();
        broken.extend(not_allowed(self.declaration, item));
        if let Some((pattern, regex)) = &self.pattern
            && !regex.is_match(item)
        {
            broken.push((format!("`{item}` does not match `{pattern}`"), None));
        }
        let bounds = out_of_bounds(self.declaration, item, self.is_number);
        broken.extend(bounds.map(|fault| (fault, None)));
        broken
    }
}

fn not_allowed(declaration: &Declaration, item: &str) -> Option<(String, Option<String>)> {
    let allowed = declaration.get("AllowedValues")?.as_list()?;
    let allowed: Vec<&str> = allowed.iter().filter_map(Node::as_text).collect();
    if allowed.contains(&item) {
        return None;
    }
    let hint = did_you_mean(item, allowed.iter().copied())
        .or_else(|| Some(format!("allowed are {}", allowed.join(", "))));
    Some((format!("`{item}` is not among the allowed values"), hint))
}

fn out_of_bounds(declaration: &Declaration, item: &str, is_number: bool) -> Option<String> {
    let bound = |attribute| declaration.get(attribute).and_then(number_of);
    if is_number {
        let value: f64 = item.trim().parse().ok()?;
        let low = bound("MinValue").filter(|low| value < *low);
        let high = bound("MaxValue").filter(|high| value > *high);
        return low
            .map(|low| format!("`{item}` is less than {low}"))
            .or_else(|| high.map(|high| format!("`{item}` is more than {high}")));
    }
    let length = u32::try_from(item.chars().count()).map_or(f64::MAX, f64::from);
    let low = bound("MinLength").filter(|low| length < *low);
    let high = bound("MaxLength").filter(|high| length > *high);
    low.map(|low| format!("`{item}` is shorter than {low} characters"))
        .or_else(|| high.map(|high| format!("the value is longer than {high} characters")))
}

fn number_of(node: &Node) -> Option<f64> {
    node.as_text()?.trim().parse().ok()
}

/// The pattern, anchored at both ends as CloudFormation does; `None` when it
/// uses what our matcher does not know.
fn compile(pattern: &str) -> Option<Regex> {
    RegexBuilder::new(&format!("^(?:{pattern})$"))
        .size_limit(MAX_PATTERN_BYTES)
        .build()
        .ok()
}
