//! Does a name refer to anything?

use std::collections::BTreeSet;

use super::{Area, Checker};
use crate::diagnostic::Diagnostic;
use crate::intrinsic::reference::PSEUDO_PARAMETERS;
use crate::intrinsic::sub::{self, Piece};
use crate::node::Node;
use crate::text_index::within;
use crate::value::Span;

/// Faults of one `Fn::Sub` text beyond these are not listed.
const MAX_FAULTS_PER_TEXT: usize = 20;
/// So many modules of like names are asked whether a name is of one of them.
const MAX_MODULES: usize = 50;

impl<'t> Checker<'t> {
    pub(super) fn reference(&mut self, argument: &'t Node) {
        match argument.as_text() {
            Some(name) => self.name(name, argument.span),
            None if self.has_extensions => self.node(argument),
            None => {
                let found = argument.describe();
                let message = format!("`Ref` takes a name, not {found}");
                self.faults.push(Diagnostic::error(
                    "function-argument",
                    argument.span,
                    message,
                ));
            }
        }
    }

    /// A parameter, pseudo parameter or resource.
    fn name(&mut self, name: &str, span: Span) {
        let template = self.template;
        let is_resource = template.resources.contains_key(name);
        let is_known = template.parameters.contains_key(name) || PSEUDO_PARAMETERS.contains(&name);
        let knows_resources = matches!(self.area, Area::Resources | Area::Outputs);
        let is_fine = is_known || (is_resource && knows_resources) || self.has_macros;
        if is_fine || (knows_resources && self.is_of_module(name)) {
            return;
        }
        if is_resource {
            let message = format!("`{name}` is a resource, which is not known here");
            let hint = "conditions and rules know parameters and pseudo parameters only";
            self.faults
                .push(Diagnostic::error("misplaced-reference", span, message).with_hint(hint));
            return;
        }
        let message = format!("`{name}` is neither a parameter nor a resource");
        let hint = self.near_name(name);
        self.faults
            .push(Diagnostic::error("unknown-reference", span, message).with_hint_if(hint));
    }

    /// A resource inside a module is called by the module's logical id and its
    /// own, in one word or with a dot between.
    /// (CloudFormation, "Referencing resources in a module")
    fn is_of_module(&self, name: &str) -> bool {
        // the longest module that could be meant stands last among those before
        let until = self.modules.partition_point(|id| *id < name);
        let before = self.modules[..until].iter().rev().take(MAX_MODULES);
        before.into_iter().any(|id| name.starts_with(id))
    }

    fn near_name(&self, name: &str) -> Option<String> {
        if self.template.conditions.contains_key(name) {
            return Some("it is a condition: use it in `Fn::If`".to_owned());
        }
        let template = self.template;
        let parameters = template.parameters.keys().map(String::as_str);
        let resources = template.resources.keys().map(String::as_str);
        self.did_you_mean(name, parameters.chain(resources).chain(PSEUDO_PARAMETERS))
    }

    pub(super) fn attribute(&mut self, argument: &'t Node) {
        if let Some(text) = argument.as_text() {
            match text.split_once('.') {
                Some((id, attribute)) if !attribute.is_empty() => {
                    self.resource_name(id, argument.span);
                }
                _ => self.no_attribute(argument),
            }
            return;
        }
        match argument.as_list() {
            Some([id, attribute, ..]) => {
                match id.as_text() {
                    Some(name) => self.resource_name(name, id.span),
                    None => self.node(id),
                }
                self.node(attribute);
            }
            _ => self.no_attribute(argument),
        }
    }

    fn no_attribute(&mut self, argument: &Node) {
        let message = "`Fn::GetAtt` takes a resource and an attribute";
        self.faults.push(
            Diagnostic::error("function-argument", argument.span, message)
                .with_hint("write `!GetAtt Resource.Attribute`"),
        );
    }

    fn resource_name(&mut self, id: &str, span: Span) {
        let template = self.template;
        if template.resources.contains_key(id) || self.has_macros || self.is_of_module(id) {
            return;
        }
        let (what, hint) = if template.parameters.contains_key(id) {
            (
                "a parameter, not a resource",
                Some(format!("use `!Ref {id}`")),
            )
        } else {
            let resources = template.resources.keys().map(String::as_str);
            (
                "no resource of this template",
                self.did_you_mean(id, resources),
            )
        };
        let message = format!("`{id}` is {what}");
        self.faults
            .push(Diagnostic::error("unknown-reference", span, message).with_hint_if(hint));
    }

    /// The name of a condition.
    pub(super) fn condition_name(&mut self, name: &str, span: Span) {
        let conditions = &self.template.conditions;
        let Some((known, _)) = conditions.get_key_value(name) else {
            let message = format!("there is no condition `{name}`");
            let hint = self.did_you_mean(name, conditions.keys().map(String::as_str));
            self.faults
                .push(Diagnostic::error("unknown-condition", span, message).with_hint_if(hint));
            return;
        };
        if let Some(from) = self.condition {
            self.conditions.entry(from).or_default().insert(known);
        }
    }

    /// Every `${…}` of a `Fn::Sub` text, each name once.
    pub(super) fn substitution_text(&mut self, node: &'t Node, variables: Option<&'t Node>) {
        let text = node.as_text().unwrap_or_default();
        let mut seen = BTreeSet::new();
        let before = self.faults.len();
        for piece in sub::split(text) {
            if self.faults.len() >= before + MAX_FAULTS_PER_TEXT {
                return;
            }
            match piece {
                Piece::Variable(name) if seen.insert(name) => {
                    self.variable(name, node, variables);
                }
                Piece::Unclosed(rest) => {
                    let head: String = rest
                        .lines()
                        .next()
                        .unwrap_or_default()
                        .chars()
                        .take(24)
                        .collect();
                    let message = format!("`{head}` opens a variable and never closes it");
                    self.faults.push(
                        Diagnostic::error("sub-syntax", self.within(node, &head), message)
                            .with_hint(
                                "close it with `}`, or write `${!` for the characters themselves",
                            ),
                    );
                }
                _ => {}
            }
        }
    }

    fn variable(&mut self, name: &str, node: &Node, variables: Option<&Node>) {
        if variables.is_some_and(|map| map.get(name).is_some()) {
            return;
        }
        let place = self.within(node, &format!("${{{name}}}"));
        let is_word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | ':' | '_' | '-');
        if name.is_empty() || !name.chars().all(is_word) {
            let head: String = name.chars().take(40).collect();
            let message = format!("`${{{head}}}` is no name");
            self.faults.push(
                Diagnostic::error("sub-syntax", place, message).with_hint(format!(
                    "write `${{!{head}}}` for the characters themselves"
                )),
            );
            return;
        }
        match name.split_once('.') {
            Some(_) if self.area == Area::Conditions => {
                let message =
                    format!("`{name}` is an attribute, which is not known in a condition");
                self.faults
                    .push(Diagnostic::error("misplaced-reference", place, message));
            }
            Some((id, _)) => self.resource_name(id, place),
            None => self.name(name, place),
        }
    }

    /// The place of a stretch of a scalar's text, when it is written there as
    /// it reads; the whole scalar otherwise.
    fn within(&self, node: &Node, written: &str) -> Span {
        within(&self.template.source.text, node.span, written).unwrap_or(node.span)
    }
}
