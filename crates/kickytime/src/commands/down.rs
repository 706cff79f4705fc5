//! stub
use crate::{cli::State, error::CommandError};
use std::process::ExitCode;
pub(crate) fn run(_: &State) -> Result<ExitCode, CommandError> {
    Ok(ExitCode::SUCCESS)
}
