//! Does a function get what it asks for, and may it stand here?

use super::{Area, Checker};
use crate::diagnostic::Diagnostic;
use crate::function::{Function, Shape};
use crate::intrinsic::sub;
use crate::node::{Call, Node, NodeKind};
use crate::value::Span;

impl<'t> Checker<'t> {
    pub(super) fn call(&mut self, call: &'t Call, span: Span) {
        if !self.belongs_here(call) {
            return;
        }
        let argument = &call.argument;
        match call.function {
            Function::Ref => self.reference(argument),
            Function::GetAtt => self.attribute(argument),
            Function::Sub => self.substitution(argument),
            Function::Condition => match argument.as_text() {
                Some(name) => self.condition_name(name, argument.span),
                None => self.wrong_argument(call, "the name of a condition"),
            },
            Function::If => self.branches(call),
            Function::And | Function::Or | Function::Not => {
                if self.has_shape(call) {
                    argument
                        .items()
                        .iter()
                        .for_each(|item| self.condition_expression(item));
                }
            }
            Function::FindInMap => self.find_in_map(call),
            Function::Transform => self.faults.push(
                Diagnostic::warning("not-analysed", span, "`Fn::Transform` is not analysed")
                    .with_hint("what the macro would write here is not seen"),
            ),
            Function::Cidr
            | Function::Contains
            | Function::EachMemberEquals
            | Function::EachMemberIn
            | Function::Equals
            | Function::Join
            | Function::Select
            | Function::Split
            | Function::ValueOf
            | Function::ValueOfAll => {
                self.has_shape(call);
                self.literal_lists(call);
                self.node(argument);
            }
            _ => self.node(argument),
        }
    }

    /// Names a function that has no business where it stands.
    fn belongs_here(&mut self, call: &Call) -> bool {
        let function = call.function;
        let name = function.name();
        let (message, hint) = match (self.area, function) {
            (Area::Data, _) => (
                format!("`{name}` is not evaluated here"),
                "parameters and mappings hold plain data",
            ),
            (Area::Conditions, Function::GetAtt | Function::ImportValue | Function::GetAZs) => (
                format!("`{name}` cannot be used in a condition"),
                "conditions know parameters, mappings and other conditions only",
            ),
            (area, function) if area != Area::Rules && function.is_for_rules() => (
                format!("`{name}` can be used in `Rules` only"),
                "use condition functions and parameters instead",
            ),
            (Area::Resources | Area::Outputs, function) if function.is_logical() => (
                format!("`{name}` cannot be used for a value"),
                "declare it in `Conditions` and use `Fn::If` with its name",
            ),
            (_, Function::Length | Function::ToJsonString) if !self.has_extensions => (
                format!("`{name}` is a language extension"),
                "add `Transform: AWS::LanguageExtensions` to the template",
            ),
            _ => return true,
        };
        self.faults
            .push(Diagnostic::error("misplaced-function", call.name_span, message).with_hint(hint));
        false
    }

    /// Checks a function whose argument is a list of so many items.
    fn has_shape(&mut self, call: &Call) -> bool {
        let Shape::List(range) = call.function.shape() else {
            return true;
        };
        let (low, high) = (*range.start(), *range.end());
        let wanted = match (low, high) {
            (1, 1) => "a list of one item".to_owned(),
            _ if low == high => format!("a list of {low} items"),
            _ => format!("a list of {low} to {high} items"),
        };
        let Some(items) = call.argument.as_list() else {
            self.wrong_argument(call, &wanted);
            return false;
        };
        if range.contains(&items.len()) {
            return true;
        }
        let message = format!(
            "`{}` takes {wanted}, not {}",
            call.function.name(),
            items.len()
        );
        self.faults.push(Diagnostic::error(
            "function-argument",
            call.argument.span,
            message,
        ));
        false
    }

    fn wrong_argument(&mut self, call: &Call, wanted: &str) {
        let name = call.function.name();
        let found = call.argument.describe();
        let message = format!("`{name}` takes {wanted}, not {found}");
        self.faults.push(Diagnostic::error(
            "function-argument",
            call.name_span,
            message,
        ));
    }

    /// Arguments that must be a list, when they are written out.
    fn literal_lists(&mut self, call: &Call) {
        let items = call.argument.as_list().unwrap_or_default();
        let list = match call.function {
            Function::Join | Function::Select => items.get(1),
            _ => None,
        };
        if let Some(node) = list
            && (node.as_text().is_some() || node.as_map().is_some())
        {
            let name = call.function.name();
            let found = node.describe();
            let message = format!("the second item of `{name}` must be a list, not {found}");
            self.faults
                .push(Diagnostic::error("function-argument", node.span, message));
        }
        let text = match call.function {
            Function::Join | Function::Split => items.first(),
            _ => None,
        };
        if let Some(node) = text
            && node.as_text().is_none()
        {
            let name = call.function.name();
            let found = node.describe();
            let message = format!("the delimiter of `{name}` must be plain text, not {found}");
            self.faults
                .push(Diagnostic::error("function-argument", node.span, message));
        }
    }

    fn branches(&mut self, call: &'t Call) {
        if !self.has_shape(call) {
            return;
        }
        let [condition, branches @ ..] = call.argument.items() else {
            return;
        };
        match condition.as_text() {
            Some(name) => self.condition_name(name, condition.span),
            None => {
                let found = condition.describe();
                let message = format!("`Fn::If` takes the name of a condition, not {found}");
                self.faults.push(
                    Diagnostic::error("function-argument", condition.span, message)
                        .with_hint("declare it in `Conditions` and name it here"),
                );
            }
        }
        branches.iter().for_each(|branch| self.node(branch));
    }

    fn find_in_map(&mut self, call: &'t Call) {
        if !self.has_shape(call) {
            return;
        }
        let items = call.argument.items();
        items.iter().for_each(|item| self.node(item));
        let Some(default) = items.get(3) else { return };
        let is_default = default.get("DefaultValue").is_some();
        let fault = if !is_default {
            Some((
                "a fourth item of `Fn::FindInMap` must be `DefaultValue: …`",
                None,
            ))
        } else if !self.has_extensions {
            let hint = "add `Transform: AWS::LanguageExtensions` to the template";
            Some(("`DefaultValue` is a language extension", Some(hint)))
        } else {
            None
        };
        if let Some((message, hint)) = fault {
            let fault = Diagnostic::error("function-argument", default.span, message);
            self.faults
                .push(fault.with_hint_if(hint.map(str::to_owned)));
        }
    }

    fn substitution(&mut self, argument: &'t Node) {
        if is_transform(argument) {
            self.node(argument);
            return;
        }
        let Some((text, variables)) = sub::parts(argument) else {
            let message = "`Fn::Sub` takes a text, or a list of a text and a map";
            self.faults.push(Diagnostic::error(
                "function-argument",
                argument.span,
                message,
            ));
            return;
        };
        if let Some(variables) = variables {
            match &variables.kind {
                NodeKind::Map(_) => self.node(variables),
                _ => {
                    let found = variables.describe();
                    let message =
                        format!("the second item of `Fn::Sub` must be a map, not {found}");
                    self.faults.push(Diagnostic::error(
                        "function-argument",
                        variables.span,
                        message,
                    ));
                }
            }
        }
        if text.as_text().is_some() {
            self.substitution_text(text, variables);
        } else if is_transform(text) {
            // a macro writes the text before the function sees it
            self.node(text);
        } else {
            let found = text.describe();
            let message = format!("the text of `Fn::Sub` must be plain text, not {found}");
            self.faults
                .push(Diagnostic::error("function-argument", text.span, message));
        }
    }
}

fn is_transform(node: &Node) -> bool {
    matches!(&node.kind, NodeKind::Call(call) if call.function == Function::Transform)
}
