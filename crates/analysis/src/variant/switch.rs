//! Which parameters could change an answer, and to which values?
//!
//! A parameter that has few allowed values, or that a condition or a mapping
//! asks for. Other values of the latter are those it is compared with, and one
//! that is none of them. A parameter that only what no rule looks at hangs on is
//! no switch.

use std::collections::{BTreeMap, BTreeSet};

use cfn::{Declaration, Environment, Function, Node, NodeKind, Template};

/// A parameter with more allowed values than this is no switch.
const MAX_VALUES: usize = 8;

/// What stands for the value of a parameter that has none.
const NO_VALUE: &str = "(no value)";

/// Values to try where a parameter is only compared with others: what its own
/// demands refuse is not tried.
const PROBES: &[&str] = &[
    "other",
    "1",
    "2",
    "true",
    "10.255.0.0/16",
    "https://example.com/",
    "example.com",
    "someone@example.com",
    "arn:aws:acm:us-east-1:000000000000:certificate/00000000-0000-0000-0000-000000000000",
    "arn:aws:iam::000000000000:oidc-provider/token.actions.githubusercontent.com",
    "arn:aws:iam::000000000000:role/other",
];

/// Whether a text begins with a value that was only tried: nobody wrote it.
pub(crate) fn is_probe(text: &str) -> bool {
    PROBES.iter().any(|probe| {
        let rest = text.strip_prefix(probe);
        rest.is_some_and(|rest| !rest.starts_with(|c: char| c.is_ascii_alphanumeric()))
    })
}

/// Types that no rule, need or intent looks at.
const UNREAD: &[&str] = &[
    "AWS::ApplicationAutoScaling::ScalableTarget",
    "AWS::ApplicationAutoScaling::ScalingPolicy",
    "AWS::AutoScaling::ScalingPolicy",
    "AWS::CDK::Metadata",
    "AWS::CloudFront::Function",
    "AWS::CloudFront::ResponseHeadersPolicy",
    "AWS::CloudWatch::Dashboard",
    "AWS::Cognito::UserPool",
    "AWS::Cognito::UserPoolClient",
    "AWS::Cognito::UserPoolDomain",
    "AWS::Cognito::UserPoolGroup",
    "AWS::Logs::MetricFilter",
    "AWS::SNS::Subscription",
    "AWS::SNS::TopicPolicy",
];

/// Properties that none looks at, of types that some do.
const UNREAD_PROPERTIES: &[(&str, &[&str])] = &[
    ("AWS::Logs::LogGroup", &["RetentionInDays"]),
    (
        "AWS::RDS::DBInstance",
        &[
            "AllocatedStorage",
            "DBInstanceClass",
            "MultiAZ",
            "StorageType",
        ],
    ),
];

/// A parameter with the values it is looked at under.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Switch {
    pub parameter: String,
    /// The given value first.
    pub values: Vec<String>,
}

/// The switches of a template, and the parameters that would be ones if another
/// value of theirs were known.
pub(super) fn find(template: &Template, environment: &Environment) -> (Vec<Switch>, Vec<String>) {
    let asked = Asked::new(template);
    let (mut switches, mut untried) = (Vec::new(), Vec::new());
    for (name, declaration) in &template.parameters {
        if !asked.matters.contains(name.as_str()) {
            continue;
        }
        let compared = asked.compared.get(name.as_str());
        let allowed = texts(declaration.get("AllowedValues"));
        let is_enumerated = !allowed.is_empty();
        let candidates: Vec<String> = match (allowed.len(), compared) {
            (2..=MAX_VALUES, _) => allowed,
            (0, Some(compared)) => {
                let own = declaration.get("Default").and_then(Node::as_text);
                let known = compared.iter().copied().chain(own);
                known
                    .chain(PROBES.iter().copied())
                    .map(str::to_owned)
                    .collect()
            }
            _ => continue,
        };
        let default = declaration.get("Default").and_then(Node::as_text);
        let given = environment.parameters.get(name).map(String::as_str);
        let current = given.or(default);
        let is_compared = |value: &str| compared.is_some_and(|all| all.contains(value));
        // One value that is none of those compared with stands for them all.
        let mut has_other = current.is_some_and(|current| !is_compared(current));
        let mut values = vec![current.unwrap_or(NO_VALUE).to_owned()];
        for value in candidates {
            let is_spare = !is_enumerated && !is_compared(&value);
            if values.contains(&value) || is_spare && has_other {
                continue;
            }
            if is_admitted(name, declaration, &value, environment) {
                has_other |= is_spare;
                values.push(value);
            }
        }
        if values.len() > 1 {
            let parameter = name.clone();
            switches.push(Switch { parameter, values });
        } else if compared.is_some() {
            untried.push(name.clone());
        }
    }
    (switches, untried)
}

/// Whether a parameter's own demands admit a value.
fn is_admitted(
    name: &str,
    declaration: &Declaration,
    value: &str,
    environment: &Environment,
) -> bool {
    let mut template = Template::default();
    template
        .parameters
        .insert(name.to_owned(), declaration.clone());
    let environment = Environment {
        parameters: BTreeMap::from([(name.to_owned(), value.to_owned())]),
        ..environment.clone()
    };
    let (_, faults) = cfn::evaluate(&template, &environment);
    !faults.iter().any(|fault| fault.code == "parameter-value")
}

fn texts(node: Option<&Node>) -> Vec<String> {
    let items = node.map(Node::items).unwrap_or_default();
    items
        .iter()
        .filter_map(Node::as_text)
        .map(str::to_owned)
        .collect()
}

/// What a template asks its parameters for.
#[derive(Default)]
struct Asked<'t> {
    /// By parameter: the texts it is compared with.
    compared: BTreeMap<&'t str, BTreeSet<&'t str>>,
    /// Parameters that something which is looked at hangs on, by itself or by
    /// way of conditions.
    matters: BTreeSet<&'t str>,
}

impl<'t> Asked<'t> {
    fn new(template: &'t Template) -> Self {
        let mut asked = Self::default();
        for entry in template.conditions.values() {
            asked.compare(template, &entry.value);
        }
        for declaration in template.resources.values() {
            asked.compare_maps(template, &declaration.body);
            asked.resource(template, declaration);
        }
        asked
    }

    /// The parameters that what is looked at of a resource hangs on.
    fn resource(&mut self, template: &'t Template, declaration: &'t Declaration) {
        let kind = declaration.get("Type").and_then(Node::as_text);
        if kind.is_some_and(|kind| UNREAD.contains(&kind)) {
            return;
        }
        let unread = UNREAD_PROPERTIES
            .iter()
            .find(|(name, _)| kind == Some(name));
        let unread = unread.map(|(_, names)| *names).unwrap_or_default();
        let mut seen = BTreeSet::new();
        let mut note = |node: &'t Node| parameters(template, node, &mut self.matters, &mut seen);
        let Some(attributes) = declaration.body.as_map() else {
            return note(&declaration.body);
        };
        for (name, entry) in attributes {
            match (name.as_str(), entry.value.as_map()) {
                ("Properties", Some(properties)) => {
                    let read = properties.iter();
                    read.filter(|(name, _)| !unread.contains(&name.as_str()))
                        .for_each(|(_, entry)| note(&entry.value));
                }
                ("Condition", _) => {
                    let condition = entry.value.as_text();
                    let condition = condition.and_then(|name| template.conditions.get(name));
                    condition.into_iter().for_each(|entry| note(&entry.value));
                }
                _ => note(&entry.value),
            }
        }
    }

    fn compare(&mut self, template: &'t Template, node: &'t Node) {
        if let NodeKind::Call(call) = &node.kind {
            let items = call.argument.items();
            let names = items.iter().filter_map(|item| referred(template, item));
            if matches!(call.function, Function::Equals | Function::Contains) {
                let texts = items.iter().flat_map(Node::items).filter_map(Node::as_text);
                for name in names {
                    self.compared.entry(name).or_default().extend(texts.clone());
                }
            }
        }
        self.compare_map(template, node);
        children(node).for_each(|child| self.compare(template, child));
    }

    fn compare_maps(&mut self, template: &'t Template, node: &'t Node) {
        self.compare_map(template, node);
        children(node).for_each(|child| self.compare_maps(template, child));
    }

    /// A key of a mapping is compared with all the mapping has.
    fn compare_map(&mut self, template: &'t Template, node: &'t Node) {
        let NodeKind::Call(call) = &node.kind else {
            return;
        };
        if call.function != Function::FindInMap {
            return;
        }
        let items = call.argument.items();
        let mapping = items.first().and_then(Node::as_text);
        let mapping = mapping.and_then(|name| template.mappings.get(name)?.value.as_map());
        let name = items.get(1).and_then(|item| referred(template, item));
        if let (Some(mapping), Some(name)) = (mapping, name)
            && mapping.len() <= MAX_VALUES
        {
            let keys = mapping.keys().map(String::as_str);
            self.compared.entry(name).or_default().extend(keys);
        }
    }
}

/// The parameters a node hangs on, by way of conditions too.
fn parameters<'t>(
    template: &'t Template,
    node: &'t Node,
    found: &mut BTreeSet<&'t str>,
    seen: &mut BTreeSet<&'t str>,
) {
    found.extend(mentioned(template, node));
    let named = match &node.kind {
        NodeKind::Call(call) if call.function == Function::Condition => call.argument.as_text(),
        NodeKind::Call(call) if call.function == Function::If => {
            call.argument.items().first().and_then(Node::as_text)
        }
        NodeKind::Map(map) if map.len() == 1 => node.get("Condition").and_then(Node::as_text),
        _ => None,
    };
    if let Some(name) = named
        && seen.insert(name)
        && let Some(entry) = template.conditions.get(name)
    {
        parameters(template, &entry.value, found, seen);
    }
    for child in children(node) {
        parameters(template, child, found, seen);
    }
}

/// The parameter a node is a `Ref` of.
fn referred<'t>(template: &'t Template, node: &'t Node) -> Option<&'t str> {
    let call = node
        .as_call()
        .filter(|call| call.function == Function::Ref)?;
    let name = call.argument.as_text()?;
    template.parameters.contains_key(name).then_some(name)
}

/// The parameters a `Ref` or the text of a `Sub` names.
fn mentioned<'t>(template: &'t Template, node: &'t Node) -> Vec<&'t str> {
    let Some(call) = node.as_call() else {
        return Vec::new();
    };
    if call.function != Function::Sub {
        return referred(template, node).into_iter().collect();
    }
    let text = call.argument.items().first().and_then(Node::as_text);
    let parts = text.unwrap_or_default().split("${").skip(1);
    let names = parts.filter_map(|part| part.split('}').next());
    names
        .filter(|name| template.parameters.contains_key(*name))
        .collect()
}

fn children(node: &Node) -> Box<dyn Iterator<Item = &Node> + '_> {
    match &node.kind {
        NodeKind::List(items) => Box::new(items.iter()),
        NodeKind::Map(map) => Box::new(map.values().map(|entry| &entry.value)),
        NodeKind::Call(call) => Box::new(std::iter::once(&call.argument)),
        _ => Box::new(std::iter::empty()),
    }
}
