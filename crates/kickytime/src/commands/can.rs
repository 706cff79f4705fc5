//! `kickytime can`: may this principal do that, and by which statements?

use std::process::ExitCode;

use analysis::access::Access;
use iam::Context;

use crate::cli::{Can, Format};
use crate::error::CommandError;
use crate::render::{self, human, json};
use crate::source;

/// Exit status 0 when allowed, 1 when not.
pub(crate) fn run(arguments: &Can) -> Result<ExitCode, CommandError> {
    let question = &arguments.question;
    let context = context(&question.context)?;
    let loaded = source::load_sound(&question.template)?;
    let access = Access::new(&loaded.model);
    let (principal, action) = (&arguments.principal, &arguments.action);
    let answer = access.can(principal, action, &arguments.resource, &context)?;
    render::data(&match question.format {
        Format::Human => human::access::can(&loaded.source, &answer),
        Format::Json => format!("{:#}", json::access::can(&answer)),
    })?;
    Ok(if answer.is_allowed() {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(1)
    })
}

/// Condition keys from `KEY=VALUE` arguments; a key given twice has both values.
pub(super) fn context(pairs: &[String]) -> Result<Context, CommandError> {
    let mut context = Context::new();
    for text in pairs {
        let (key, value) = text
            .split_once('=')
            .ok_or_else(|| CommandError::Parameter { text: text.clone() })?;
        let mut values = context.get(key).to_vec();
        values.push(value.to_owned());
        context.set_all(key, values);
    }
    Ok(context)
}
