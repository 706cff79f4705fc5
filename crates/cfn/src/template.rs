//! What does the template declare?
//!
//! Takes the tree apart into sections, parameters, resources and outputs, and
//! names everything that has no place there. Whether names refer to anything
//! is `reference`'s question; what values are is `evaluate`'s.

mod attributes;

use std::sync::Arc;

use indexmap::IndexMap;

use self::attributes::{OUTPUT, PARAMETER, RESOURCE, check_attributes};
use crate::diagnostic::Diagnostic;
use crate::limits;
use crate::node::{Map, Node, NodeKind};
use crate::suggest::did_you_mean;
use crate::syntax;
use crate::value::Span;

/// A template's text and the name people know it by, usually its path.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Source {
    pub name: Arc<str>,
    pub text: Arc<str>,
}

/// The declarations of a template, in the order they are written.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Template {
    pub source: Source,
    pub description: Option<String>,
    pub metadata: Option<Node>,
    pub parameters: IndexMap<String, Declaration>,
    pub rules: Map,
    pub mappings: Map,
    pub conditions: Map,
    /// The macros named by `Transform`.
    pub transforms: Vec<Node>,
    /// Entries named `Fn::ForEach::…` are among them until `evaluate` expands them.
    pub resources: IndexMap<String, Declaration>,
    pub outputs: IndexMap<String, Declaration>,
}

/// A parameter, resource or output: a name and the map it stands for.
#[derive(Clone, Debug, PartialEq)]
pub struct Declaration {
    /// The name itself.
    pub name_span: Span,
    /// A map, but for loops; null when something else was written.
    pub body: Node,
}

impl Declaration {
    /// An attribute, for example `Type`.
    pub fn get(&self, attribute: &str) -> Option<&Node> {
        self.body.get(attribute)
    }
}

impl Template {
    /// True when the template asks for `AWS::LanguageExtensions`.
    pub fn has_language_extensions(&self) -> bool {
        self.transforms
            .iter()
            .any(|transform| transform.as_text() == Some("AWS::LanguageExtensions"))
    }

    /// The transforms that are not expanded here: each with its name, as far as
    /// it says one.
    pub(crate) fn macros(&self) -> impl Iterator<Item = (&Node, Option<&str>)> {
        let named = self.transforms.iter().map(|transform| {
            let name = transform.as_text();
            (transform, name.or_else(|| transform.get("Name")?.as_text()))
        });
        named.filter(|(_, name)| *name != Some("AWS::LanguageExtensions"))
    }
}

/// The sections of a template, and two that macros add.
pub(crate) const SECTIONS: [&str; 12] = [
    "AWSTemplateFormatVersion",
    "Description",
    "Metadata",
    "Parameters",
    "Rules",
    "Mappings",
    "Conditions",
    "Transform",
    "Resources",
    "Outputs",
    "Hooks",
    "Globals",
];

/// Reads a template, YAML or JSON, and names every fault of its form.
///
/// When the text cannot be read at all the template is empty and the
/// diagnostics hold at least one error.
pub fn parse(name: &str, text: &str) -> (Template, Vec<Diagnostic>) {
    let (root, mut diagnostics) = syntax::read(text);
    let mut template = Template {
        source: Source {
            name: name.into(),
            text: text.into(),
        },
        ..Template::default()
    };
    limits::check_body(text, &mut diagnostics);
    let has_syntax = root.is_some();
    match root.map(|root| (root.span, root.kind)) {
        Some((_, NodeKind::Map(sections))) => {
            read_sections(sections, &mut template, &mut diagnostics);
        }
        Some((span, NodeKind::Null)) => diagnostics.push(nothing_here(span)),
        None if diagnostics.is_empty() => diagnostics.push(nothing_here(START)),
        Some((span, kind)) => {
            let found = Node { kind, span }.describe();
            let message = format!("a template is a map of sections, not {found}");
            diagnostics.push(
                Diagnostic::error(
                    "not-a-template",
                    Span {
                        end: span.start,
                        ..span
                    },
                    message,
                )
                .with_hint("the file should begin with a section such as `Resources:`"),
            );
        }
        None => {}
    }
    if has_syntax {
        limits::check_counts(&template, &mut diagnostics);
    }
    diagnostics.sort_by_key(|diagnostic| diagnostic.span.start);
    limits::cap(&mut diagnostics);
    (template, diagnostics)
}

const START: Span = Span {
    start: 0,
    end: 0,
    line: 1,
    column: 1,
};

fn nothing_here(span: Span) -> Diagnostic {
    Diagnostic::error("empty-template", span, "the template is empty")
        .with_hint("a template needs at least `Resources:` with one resource")
}

fn read_sections(sections: Map, template: &mut Template, diagnostics: &mut Vec<Diagnostic>) {
    let mut has_resources = false;
    for (name, entry) in sections {
        let (key_span, value) = (entry.key_span, entry.value);
        match name.as_str() {
            "AWSTemplateFormatVersion" => check_version(&value, diagnostics),
            "Description" => template.description = read_description(value, diagnostics),
            "Metadata" => template.metadata = Some(value),
            "Transform" => {
                template.transforms.extend(match value.kind {
                    NodeKind::List(items) => items,
                    _ => vec![value],
                });
            }
            "Parameters" => template.parameters = declarations(&name, value, diagnostics),
            "Outputs" => template.outputs = declarations(&name, value, diagnostics),
            "Resources" => {
                has_resources = true;
                template.resources = declarations(&name, value, diagnostics);
            }
            "Rules" => template.rules = section_map(&name, value, diagnostics),
            "Mappings" => template.mappings = section_map(&name, value, diagnostics),
            "Conditions" => template.conditions = section_map(&name, value, diagnostics),
            "Fn::Transform" => template.transforms.push(value),
            "Hooks" | "Globals" => diagnostics.push(
                Diagnostic::warning("not-analysed", key_span, format!("section `{name}`"))
                    .with_hint("its content is left out of everything that follows"),
            ),
            _ => diagnostics.push(
                Diagnostic::error(
                    "unknown-section",
                    key_span,
                    format!("unknown section `{name}`"),
                )
                .with_hint_if(section_hint(&name, &value)),
            ),
        }
    }
    // `Transform` may stand below the sections it changes
    let has_macros = template.macros().next().is_some();
    check_attributes(&PARAMETER, &template.parameters, false, diagnostics);
    check_attributes(&OUTPUT, &template.outputs, false, diagnostics);
    check_attributes(&RESOURCE, &template.resources, has_macros, diagnostics);
    if !has_resources {
        diagnostics.push(
            Diagnostic::error(
                "no-resources",
                START,
                "the template has no section `Resources`",
            )
            .with_hint("declare at least one resource"),
        );
    }
}

fn section_hint(name: &str, value: &Node) -> Option<String> {
    let looks_like_a_resource = value.get("Type").and_then(Node::as_text).is_some();
    if looks_like_a_resource {
        return Some("this looks like a resource: indent it below `Resources:`".to_owned());
    }
    did_you_mean(name, SECTIONS)
        .or_else(|| Some(format!("the sections are {}", SECTIONS[..10].join(", "))))
}

fn check_version(value: &Node, diagnostics: &mut Vec<Diagnostic>) {
    if value.as_text() != Some("2010-09-09") {
        diagnostics.push(
            Diagnostic::error(
                "format-version",
                value.span,
                "unknown template format version",
            )
            .with_hint("the only one is `2010-09-09`"),
        );
    }
}

fn read_description(value: Node, diagnostics: &mut Vec<Diagnostic>) -> Option<String> {
    let NodeKind::String(text) = value.kind else {
        let message = format!("`Description` must be text, not {}", value.describe());
        diagnostics.push(Diagnostic::error("wrong-type", value.span, message));
        return None;
    };
    Some(text)
}

/// The entries of a section, which must be a map.
fn section_map(name: &str, value: Node, diagnostics: &mut Vec<Diagnostic>) -> Map {
    let span = value.span;
    match value.kind {
        NodeKind::Map(map) => map,
        NodeKind::Null => Map::new(),
        kind => {
            let found = Node { kind, span }.describe();
            let message = format!("section `{name}` must be a map of names, not {found}");
            diagnostics.push(Diagnostic::error("wrong-type", span, message));
            Map::new()
        }
    }
}

/// The entries of a section whose every entry must be a map itself.
fn declarations(
    section: &str,
    value: Node,
    diagnostics: &mut Vec<Diagnostic>,
) -> IndexMap<String, Declaration> {
    let mut declarations = IndexMap::new();
    for (name, entry) in section_map(section, value, diagnostics) {
        let is_loop = name.starts_with("Fn::ForEach::");
        if !is_loop && !limits::is_logical_id(&name) {
            let message = format!("`{name}` is no name for an entry of `{section}`");
            diagnostics.push(
                Diagnostic::error("faulty-name", entry.key_span, message)
                    .with_hint("names are 1 to 255 letters and digits"),
            );
        }
        let is_fine = is_loop || entry.value.as_map().is_some();
        if !is_fine && entry.value.kind != NodeKind::Null {
            let found = entry.value.describe();
            let message = format!("`{name}` in `{section}` must be a map, not {found}");
            diagnostics.push(Diagnostic::error("wrong-type", entry.value.span, message));
        }
        // the name stays known, so that references to it are no faults too
        let kind = match entry.value.kind {
            kind if is_fine => kind,
            _ => NodeKind::Null,
        };
        let span = entry.value.span;
        let name_span = entry.key_span;
        let body = Node { kind, span };
        declarations.insert(name, Declaration { name_span, body });
    }
    declarations
}
