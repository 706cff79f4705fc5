//! `kickytime who-can`: who may do that, and as whom?

use std::process::ExitCode;

use analysis::access::{Access, Degree};

use super::can::context;
use crate::cli::{Format, WhoCan};
use crate::error::CommandError;
use crate::render::{self, human, json};
use crate::source;

/// Exit status 0 when somebody may, 1 when nobody.
pub(crate) fn run(arguments: &WhoCan) -> Result<ExitCode, CommandError> {
    let question = &arguments.question;
    let context = context(&question.context)?;
    let loaded = source::load_sound(&question.template)?;
    let access = Access::new(&loaded.model);
    let standings = access.who_can(&arguments.action, &arguments.resource, &context)?;
    render::data(&match question.format {
        Format::Human => human::access::who_can(&loaded.source, &standings),
        Format::Json => format!("{:#}", json::access::who_can(&standings)),
    })?;
    let somebody = standings
        .iter()
        .any(|standing| standing.degree != Degree::No);
    Ok(if somebody {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(1)
    })
}
