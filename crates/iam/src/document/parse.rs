//! From JSON to a [`PolicyDocument`], naming every fault by its path.

use serde_json::{Map, Value};

use super::{
    ActionClause, Effect, PolicyDocument, PolicyFault, PrincipalClause, PrincipalEntry,
    ResourceClause, Statement, Version,
};
use crate::condition::{Condition, Lookup, parse_operator, parse_values};
use crate::pattern::Pattern;

type Faults = Vec<PolicyFault>;

const STATEMENT_ELEMENTS: [&str; 9] = [
    "Sid",
    "Effect",
    "Principal",
    "NotPrincipal",
    "Action",
    "NotAction",
    "Resource",
    "NotResource",
    "Condition",
];

pub(super) fn document(value: &Value) -> Result<PolicyDocument, Faults> {
    let mut faults = Faults::new();
    let Value::Object(object) = value else {
        fault(&mut faults, "", "a policy document is an object");
        return Err(faults);
    };
    for key in object
        .keys()
        .filter(|key| !["Version", "Id", "Statement"].contains(&key.as_str()))
    {
        fault(
            &mut faults,
            &at("", key),
            format!("unknown element `{key}`"),
        );
    }
    let version = version(object.get("Version"), &mut faults);
    let id = object
        .get("Id")
        .and_then(|id| text(id, "/Id", &mut faults))
        .map(str::to_owned);
    let statements = statements(object.get("Statement"), version, &mut faults);
    if faults.is_empty() {
        Ok(PolicyDocument {
            version,
            id,
            statements,
        })
    } else {
        Err(faults)
    }
}

fn version(value: Option<&Value>, faults: &mut Faults) -> Version {
    match value {
        None => Version::V2008,
        Some(Value::String(text)) if text == "2008-10-17" => Version::V2008,
        Some(Value::String(text)) if text == "2012-10-17" => Version::V2012,
        Some(_) => {
            fault(
                faults,
                "/Version",
                "`Version` is `2012-10-17` or `2008-10-17`",
            );
            Version::V2012
        }
    }
}

fn statements(value: Option<&Value>, version: Version, faults: &mut Faults) -> Vec<Statement> {
    match value {
        None => {
            fault(faults, "", "a policy document needs a `Statement`");
            Vec::new()
        }
        Some(Value::Array(items)) => items
            .iter()
            .enumerate()
            .filter_map(|(index, item)| {
                statement(item, &format!("/Statement/{index}"), version, faults)
            })
            .collect(),
        Some(item) => statement(item, "/Statement", version, faults)
            .into_iter()
            .collect(),
    }
}

fn statement(
    value: &Value,
    path: &str,
    version: Version,
    faults: &mut Faults,
) -> Option<Statement> {
    let Value::Object(object) = value else {
        fault(faults, path, "a statement is an object");
        return None;
    };
    for key in object
        .keys()
        .filter(|key| !STATEMENT_ELEMENTS.contains(&key.as_str()))
    {
        fault(faults, &at(path, key), format!("unknown element `{key}`"));
    }
    let variables = version == Version::V2012;
    let sid = object
        .get("Sid")
        .and_then(|sid| text(sid, &at(path, "Sid"), faults));
    let effect = match object.get("Effect").and_then(Value::as_str) {
        Some("Allow") => Some(Effect::Allow),
        Some("Deny") => Some(Effect::Deny),
        _ => {
            fault(faults, &at(path, "Effect"), "`Effect` is `Allow` or `Deny`");
            None
        }
    };
    let principal =
        clause(object, "Principal", path, faults).map(|(negated, value, path)| PrincipalClause {
            negated,
            entries: principals(value, &path, faults),
        });
    let action =
        clause(object, "Action", path, faults).map(|(negated, value, path)| ActionClause {
            negated,
            patterns: actions(value, &path, faults),
        });
    if !object.contains_key("Action") && !object.contains_key("NotAction") {
        fault(faults, path, "a statement needs `Action` or `NotAction`");
    }
    let resource =
        clause(object, "Resource", path, faults).map(|(negated, value, path)| ResourceClause {
            negated,
            patterns: resources(value, &path, variables, faults),
        });
    let conditions = object
        .get("Condition")
        .map(|value| conditions(value, &at(path, "Condition"), variables, faults))
        .unwrap_or_default();
    Some(Statement {
        sid: sid.map(str::to_owned),
        effect: effect?,
        principal,
        action: action?,
        resource,
        conditions,
    })
}

/// `X` or `NotX`, with whether it was the latter and its path; both at once is a fault.
fn clause<'v>(
    object: &'v Map<String, Value>,
    name: &str,
    path: &str,
    faults: &mut Faults,
) -> Option<(bool, &'v Value, String)> {
    let negated_name = format!("Not{name}");
    match (object.get(name), object.get(&negated_name)) {
        (Some(_), Some(_)) => {
            fault(
                faults,
                path,
                format!("`{name}` and `{negated_name}` exclude each other"),
            );
            None
        }
        (Some(value), None) => Some((false, value, at(path, name))),
        (None, Some(value)) => Some((true, value, at(path, &negated_name))),
        (None, None) => None,
    }
}

fn actions(value: &Value, path: &str, faults: &mut Faults) -> Vec<Pattern> {
    let mut patterns = Vec::new();
    for (text, path) in texts(value, path, faults) {
        let well_formed = text == "*"
            || text
                .split_once(':')
                .is_some_and(|(service, name)| !service.is_empty() && !name.is_empty());
        if !well_formed {
            fault(
                faults,
                &path,
                format!("`{text}` is not `service:Operation`"),
            );
        }
        patterns.push(Pattern::action(&text));
    }
    patterns
}

fn resources(value: &Value, path: &str, variables: bool, faults: &mut Faults) -> Vec<Pattern> {
    let mut patterns = Vec::new();
    for (text, path) in texts(value, path, faults) {
        let is_arn = text.starts_with("arn:");
        // a pattern may begin with its wildcard or variable, but not be something else
        let may_be_arn = is_arn || text.starts_with('*') || (variables && text.starts_with("${"));
        if !may_be_arn {
            fault(faults, &path, format!("`{text}` is neither an ARN nor `*`"));
        }
        if is_arn
            && text
                .split(':')
                .nth(2)
                .is_some_and(|service| service.contains(['?']))
        {
            fault(
                faults,
                &path,
                format!("the service of `{text}` cannot have a wildcard"),
            );
        }
        patterns.push(Pattern::new(&text, variables));
    }
    patterns
}

fn principals(value: &Value, path: &str, faults: &mut Faults) -> Vec<PrincipalEntry> {
    let Value::Object(object) = value else {
        if value.as_str() != Some("*") {
            fault(
                faults,
                path,
                "a principal is `*` or an object of `AWS`, `Service`, `Federated`, `CanonicalUser`",
            );
        }
        return vec![PrincipalEntry::Everyone];
    };
    if object.is_empty() {
        fault(faults, path, "no principal is named");
    }
    let mut entries = Vec::new();
    for (kind, value) in object {
        let path = at(path, kind);
        for (text, path) in texts(value, &path, faults) {
            match principal(kind, &text) {
                Ok(entry) => entries.push(entry),
                Err(message) => fault(faults, &path, message),
            }
        }
    }
    entries
}

fn principal(kind: &str, text: &str) -> Result<PrincipalEntry, String> {
    Ok(match kind {
        "AWS" => aws_principal(text)?,
        "Service" => PrincipalEntry::Service(text.to_owned()),
        "Federated" => PrincipalEntry::Federated(text.to_owned()),
        "CanonicalUser" => PrincipalEntry::CanonicalUser(text.to_owned()),
        _ => return Err(format!("unknown kind of principal `{kind}`")),
    })
}

fn aws_principal(text: &str) -> Result<PrincipalEntry, String> {
    if text == "*" {
        return Ok(PrincipalEntry::Everyone);
    }
    if text.contains(['*', '?']) {
        return Err(format!(
            "`{text}`: a principal has no wildcards, other than `*` alone"
        ));
    }
    if text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Ok(PrincipalEntry::Account(text.to_owned()));
    }
    if !text.starts_with("arn:") {
        return Ok(PrincipalEntry::UniqueId(text.to_owned()));
    }
    let mut parts = text.splitn(6, ':').skip(4);
    match (parts.next(), parts.next()) {
        (Some(account), Some("root")) => Ok(PrincipalEntry::Account(account.to_owned())),
        (Some(_), Some(_)) => Ok(PrincipalEntry::Arn(text.to_owned())),
        _ => Err(format!("`{text}` is not an ARN of a principal")),
    }
}

fn conditions(value: &Value, path: &str, variables: bool, faults: &mut Faults) -> Vec<Condition> {
    let Value::Object(operators) = value else {
        fault(faults, path, "`Condition` is an object of operators");
        return Vec::new();
    };
    let mut conditions = Vec::new();
    for (name, keys) in operators {
        let path = at(path, name);
        let Some((quantifier, operator, if_exists)) = parse_operator(name) else {
            fault(
                faults,
                &path,
                format!("unknown condition operator `{name}`"),
            );
            continue;
        };
        let Value::Object(keys) = keys else {
            fault(
                faults,
                &path,
                "a condition operator holds an object of condition keys",
            );
            continue;
        };
        for (key, values) in keys {
            let path = at(&path, key);
            let values: Vec<String> = scalars(values, &path, faults)
                .into_iter()
                .map(|(text, _)| text)
                .collect();
            match parse_values(operator, &values, variables) {
                Ok(expected) => conditions.push(Condition {
                    quantifier,
                    operator,
                    if_exists,
                    key: key.clone(),
                    values,
                    lookup: Lookup {
                        key: key.to_ascii_lowercase(),
                        expected,
                    },
                }),
                Err((value, kind)) => fault(faults, &path, format!("`{value}` is not {kind}")),
            }
        }
    }
    conditions
}

/// A string or a list of strings, each with its path. An empty list is a fault.
fn texts(value: &Value, path: &str, faults: &mut Faults) -> Vec<(String, String)> {
    let strings = scalars(value, path, faults);
    if let Value::Bool(_) | Value::Number(_) = value {
        fault(faults, path, "expected a string or a list of strings");
    }
    strings
}

/// As [`texts`], with numbers and booleans taken as their text: condition values may be.
fn scalars(value: &Value, path: &str, faults: &mut Faults) -> Vec<(String, String)> {
    let mut scalar = |value: &Value, path: String| match value {
        Value::String(text) => Some((text.clone(), path)),
        Value::Bool(_) | Value::Number(_) => Some((value.to_string(), path)),
        _ => {
            fault(faults, &path, "expected a string");
            None
        }
    };
    match value {
        Value::Array(items) if items.is_empty() => {
            fault(faults, path, "the list is empty");
            Vec::new()
        }
        Value::Array(items) => items
            .iter()
            .enumerate()
            .filter_map(|(index, item)| scalar(item, format!("{path}/{index}")))
            .collect(),
        _ => scalar(value, path.to_owned()).into_iter().collect(),
    }
}

fn text<'v>(value: &'v Value, path: &str, faults: &mut Faults) -> Option<&'v str> {
    let text = value.as_str();
    if text.is_none() {
        fault(faults, path, "expected a string");
    }
    text
}

fn fault(faults: &mut Faults, path: &str, message: impl Into<String>) {
    faults.push(PolicyFault {
        path: path.to_owned(),
        message: message.into(),
    });
}

/// A JSON pointer one level down.
fn at(path: &str, key: &str) -> String {
    format!("{path}/{}", key.replace('~', "~0").replace('/', "~1"))
}
