//! `kickytime status`: what runs where.

use std::process::ExitCode;

use region::control::{self, Request};

use crate::cli::{Ask, Format};
use crate::error::CommandError;
use crate::render;

pub(crate) fn run(arguments: &Ask) -> Result<ExitCode, CommandError> {
    let status = control::ask(&arguments.state.directory, Request::Status)?;
    render::data(&match arguments.format {
        Format::Json => format!("{status:#}"),
        Format::Human => render::status::table(&status),
    })?;
    Ok(ExitCode::SUCCESS)
}
