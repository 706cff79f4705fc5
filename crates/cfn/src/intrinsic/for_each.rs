//! `Fn::ForEach` (`AWS::LanguageExtensions`): what does a loop write out?

use crate::diagnostic::Diagnostic;
use crate::stack::Environment;
use crate::template::Template;

/// The template with every loop written out; nothing when it has none.
pub(crate) fn expand(
    _template: &Template,
    _environment: &Environment,
) -> (Option<Template>, Vec<Diagnostic>) {
    (None, Vec::new())
}
