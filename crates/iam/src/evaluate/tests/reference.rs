//! The same question answered straight from the JSON, as slowly and plainly as
//! possible: an oracle for [`super::super::evaluate`], sharing no code with it.

use std::collections::BTreeMap;

use serde_json::Value;

/// The policies of one question, as JSON documents.
#[derive(Debug, Clone, Default)]
pub(super) struct Question {
    pub(super) identity: Vec<Value>,
    pub(super) boundary: Option<Value>,
    pub(super) session: Vec<Value>,
    pub(super) resource: Option<Value>,
    /// Whether the resource policy's consent is needed (key and trust policies).
    pub(super) consent: bool,
    pub(super) endpoint: Option<Value>,
    pub(super) service_control: Vec<Value>,
    pub(super) role: String,
    pub(super) session_name: String,
    pub(super) account: String,
    pub(super) owner: String,
    pub(super) action: String,
    pub(super) target: String,
    pub(super) keys: BTreeMap<String, Vec<String>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answer {
    Deny,
    Nothing,
    Allow,
}

pub(super) fn answer(q: &Question) -> Answer {
    let mut all: Vec<&Value> = q
        .identity
        .iter()
        .chain(&q.session)
        .chain(&q.service_control)
        .collect();
    all.extend(q.boundary.iter().chain(&q.endpoint).chain(&q.resource));
    if all.iter().any(|policy| says(q, policy, "Deny", |_| true)) {
        return Answer::Deny;
    }
    let allows = |policy: &Value| says(q, policy, "Allow", |_| true);
    let yes = |granted: bool| {
        if granted {
            Answer::Allow
        } else {
            Answer::Nothing
        }
    };
    if !q.service_control.iter().all(allows) || !q.endpoint.iter().all(allows) {
        return Answer::Nothing;
    }
    let identity = q.identity.iter().any(allows);
    let limits =
        q.boundary.iter().all(allows) && (q.session.is_empty() || q.session.iter().any(allows));
    let by = |forms: &[String]| {
        q.resource.iter().any(|policy| {
            says(q, policy, "Allow", |name| {
                forms.iter().any(|form| form == name)
            })
        })
    };
    let anything = by(&[
        vec!["*".to_owned()],
        account_forms(q),
        vec![role_arn(q), session_arn(q)],
    ]
    .concat());
    if q.account != q.owner {
        return yes(identity && limits && anything);
    }
    let direct = by(&["*".to_owned(), session_arn(q)]);
    let role = by(&[role_arn(q)]);
    let own = identity && limits && (anything || !q.consent);
    yes(direct || (role && limits) || own)
}

fn role_arn(q: &Question) -> String {
    format!("arn:aws:iam::{}:role/{}", q.account, q.role)
}

fn session_arn(q: &Question) -> String {
    format!(
        "arn:aws:sts::{}:assumed-role/{}/{}",
        q.account, q.role, q.session_name
    )
}

fn account_forms(q: &Question) -> Vec<String> {
    vec![
        q.account.clone(),
        format!("arn:aws:iam::{}:root", q.account),
    ]
}

/// Whether a statement of `effect` applies whose principal, if it has one, is named acceptably.
fn says(q: &Question, policy: &Value, effect: &str, acceptable: impl Fn(&str) -> bool) -> bool {
    policy["Statement"]
        .as_array()
        .unwrap()
        .iter()
        .any(|statement| {
            let principal = statement.get("Principal").is_none_or(|principal| {
                let names = strings(principal.get("AWS").unwrap_or(principal));
                names
                    .iter()
                    .any(|name| acceptable(name) && names_caller(q, name))
            });
            statement["Effect"] == effect
                && principal
                && clause(statement, "Action", |pattern| {
                    glob(&pattern.to_lowercase(), &q.action.to_lowercase(), false)
                })
                && clause(statement, "Resource", |pattern| {
                    glob(pattern, &q.target, true)
                })
                && conditions(q, statement)
        })
}

fn names_caller(q: &Question, name: &str) -> bool {
    name == "*"
        || name == role_arn(q)
        || name == session_arn(q)
        || account_forms(q).iter().any(|form| form == name)
}

fn clause(statement: &Value, name: &str, matches: impl Fn(&str) -> bool) -> bool {
    match statement.get(name) {
        Some(value) => strings(value).iter().any(|pattern| matches(pattern)),
        None => !strings(&statement[format!("Not{name}")])
            .iter()
            .any(|pattern| matches(pattern)),
    }
}

fn conditions(q: &Question, statement: &Value) -> bool {
    let Some(operators) = statement.get("Condition") else {
        return true;
    };
    operators
        .as_object()
        .unwrap()
        .iter()
        .all(|(operator, keys)| {
            keys.as_object()
                .unwrap()
                .iter()
                .all(|(key, expected)| condition(q, operator, key, &strings(expected)))
        })
}

fn condition(q: &Question, operator: &str, key: &str, expected: &[String]) -> bool {
    let found = q.keys.get(&key.to_lowercase()).cloned().unwrap_or_default();
    if operator == "Null" {
        return expected
            .iter()
            .any(|text| (text == "true") == found.is_empty());
    }
    let bare = operator.rsplit(':').next().unwrap();
    let (bare, if_exists) = bare
        .strip_suffix("IfExists")
        .map_or((bare, false), |bare| (bare, true));
    let negated = bare.contains("Not");
    let all = operator.starts_with("ForAllValues:");
    let any = operator.starts_with("ForAnyValue:");
    if found.is_empty() {
        return if_exists || all || (negated && !any);
    }
    let one = |value: &String| {
        let hit = expected
            .iter()
            .any(|text| match bare.replace("Not", "").as_str() {
                "StringEquals" => text == value,
                "StringLike" => glob(text, value, false),
                "NumericLessThan" => value.parse::<f64>().unwrap() < text.parse::<f64>().unwrap(),
                "Bool" => text == value,
                other => panic!("the generator does not make {other}"),
            });
        hit != negated
    };
    if all || (negated && !any) {
        found.iter().all(one)
    } else {
        found.iter().any(one)
    }
}

fn strings(value: &Value) -> Vec<String> {
    match value {
        Value::Array(items) => items.iter().flat_map(strings).collect(),
        Value::String(text) => vec![text.clone()],
        other => vec![other.to_string()],
    }
}

fn glob(pattern: &str, text: &str, segments: bool) -> bool {
    let mut chars = pattern.chars();
    match chars.next() {
        None => text.is_empty(),
        Some('*') => {
            let rest = chars.as_str();
            let crosses = !segments || rest.is_empty() || rest.starts_with(':');
            (0..=text.len())
                .filter(|end| crosses || !text[..*end].contains(':'))
                .any(|end| glob(rest, &text[end..], segments))
        }
        Some('?') => {
            text.chars()
                .next()
                .is_some_and(|next| !(segments && next == ':'))
                && glob(chars.as_str(), &text[1..], segments)
        }
        Some(first) => text
            .strip_prefix(first)
            .is_some_and(|text| glob(chars.as_str(), text, segments)),
    }
}
