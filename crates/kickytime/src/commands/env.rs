//! stub
use crate::{cli::Env, error::CommandError};
use std::process::ExitCode;
pub(crate) fn run(_: &Env) -> Result<ExitCode, CommandError> {
    Ok(ExitCode::SUCCESS)
}
