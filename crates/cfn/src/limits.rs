//! What is too much for CloudFormation, or for us?
//!
//! Source: CloudFormation User Guide, "Understand CloudFormation quotas".

use crate::diagnostic::Diagnostic;
use crate::template::Template;
use crate::value::Span;

/// Largest template read from S3, bytes. (A template sent inline may have
/// 51,200; how it is sent is the deployer's choice.)
const MAX_BODY_BYTES: usize = 1_048_576;
const MAX_RESOURCES: usize = 500;
const MAX_PARAMETERS: usize = 200;
const MAX_OUTPUTS: usize = 200;
const MAX_MAPPINGS: usize = 200;
const MAX_MAPPING_ATTRIBUTES: usize = 200;
pub(crate) const MAX_NAME_CHARACTERS: usize = 255;
const MAX_DESCRIPTION_BYTES: usize = 1024;
pub(crate) const MAX_DYNAMIC_REFERENCES: usize = 60;
pub(crate) const MAX_PARAMETER_BYTES: usize = 4096;

/// Loops in each other. Source: Template Reference, "Fn::ForEach".
pub(crate) const MAX_LOOP_DEPTH: usize = 5;

/// Nodes that loops may write out, however large their collections are.
pub(crate) const MAX_LOOP_NODES: usize = 100_000;

/// More faults than this are counted, not listed.
const MAX_DIAGNOSTICS: usize = 1000;

/// What an evaluation may build, bytes: a template of a megabyte can
/// describe gigabytes.
pub(crate) const MAX_EVALUATED_BYTES: usize = 64 << 20;

pub(crate) fn is_logical_id(name: &str) -> bool {
    (1..=MAX_NAME_CHARACTERS).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

pub(crate) fn check_body(text: &str, diagnostics: &mut Vec<Diagnostic>) {
    if text.len() > MAX_BODY_BYTES {
        let span = Span {
            line: 1,
            column: 1,
            ..Span::default()
        };
        let message = format!(
            "the template has {} bytes; CloudFormation takes at most {MAX_BODY_BYTES}",
            text.len()
        );
        diagnostics.push(
            Diagnostic::error("template-limit", span, message)
                .with_hint("split it into nested stacks"),
        );
    }
}

pub(crate) fn check_counts(template: &Template, diagnostics: &mut Vec<Diagnostic>) {
    let mut check = |what: &str, count: usize, limit: usize, span: Option<Span>| {
        if let Some(span) = span.filter(|_| count > limit) {
            let message = format!("{count} {what}; CloudFormation takes at most {limit}");
            diagnostics.push(Diagnostic::error("template-limit", span, message));
        }
    };
    let resources = &template.resources;
    let span = resources
        .get_index(MAX_RESOURCES)
        .map(|(_, item)| item.name_span);
    check("resources", resources.len(), MAX_RESOURCES, span);
    let parameters = &template.parameters;
    let span = parameters
        .get_index(MAX_PARAMETERS)
        .map(|(_, item)| item.name_span);
    check("parameters", parameters.len(), MAX_PARAMETERS, span);
    let outputs = &template.outputs;
    let span = outputs
        .get_index(MAX_OUTPUTS)
        .map(|(_, item)| item.name_span);
    check("outputs", outputs.len(), MAX_OUTPUTS, span);
    let mappings = &template.mappings;
    let span = mappings
        .get_index(MAX_MAPPINGS)
        .map(|(_, item)| item.key_span);
    check("mappings", mappings.len(), MAX_MAPPINGS, span);
    for (name, mapping) in mappings {
        let keys = mapping.value.as_map().map_or(0, indexmap::IndexMap::len);
        let what = format!("keys in mapping `{name}`");
        check(&what, keys, MAX_MAPPING_ATTRIBUTES, Some(mapping.key_span));
    }
    if let Some(description) = &template.description
        && description.len() > MAX_DESCRIPTION_BYTES
    {
        let span = Span {
            line: 1,
            column: 1,
            ..Span::default()
        };
        check(
            "bytes of `Description`",
            description.len(),
            MAX_DESCRIPTION_BYTES,
            Some(span),
        );
    }
}

/// Keeps a list of faults readable.
pub(crate) fn cap(diagnostics: &mut Vec<Diagnostic>) {
    if diagnostics.len() <= MAX_DIAGNOSTICS {
        return;
    }
    let limits: Vec<Diagnostic> = diagnostics[MAX_DIAGNOSTICS..]
        .iter()
        .filter(|diagnostic| diagnostic.code == "template-limit")
        .cloned()
        .collect();
    let more = diagnostics.len() - MAX_DIAGNOSTICS;
    let span = diagnostics[MAX_DIAGNOSTICS].span;
    diagnostics.truncate(MAX_DIAGNOSTICS);
    diagnostics.extend(limits);
    let message = format!("{more} more faults from here on are not listed");
    diagnostics.push(Diagnostic::error("too-many-faults", span, message));
}
