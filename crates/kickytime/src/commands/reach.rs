//! `kickytime reach`: who can reach whom, and why or why not?

use std::process::ExitCode;

use analysis::reach::{self, Network};

use crate::cli::{Format, Reach};
use crate::error::CommandError;
use crate::render::{self, human, json};
use crate::source;

/// Exit status 0 when reached (or the matrix is printed), 1 when not.
pub(crate) fn run(arguments: &Reach) -> Result<ExitCode, CommandError> {
    let loaded = source::load_sound(&arguments.template)?;
    let network = Network::new(&loaded.model);
    let (Some(from), Some(to)) = (&arguments.from, &arguments.to) else {
        let matrix = reach::matrix(&network);
        render::data(&match arguments.format {
            Format::Human => human::reach::matrix(&network, &matrix),
            Format::Json => format!("{:#}", json::reach::matrix(&matrix)),
        })?;
        return Ok(ExitCode::SUCCESS);
    };
    let from = reach::place(&network, from)?;
    let to = reach::target(&network, to)?;
    let answer = reach::ask(&network, &from, &to);
    render::data(&match arguments.format {
        Format::Human => human::reach::answer(&loaded.source, &answer),
        Format::Json => format!("{:#}", json::reach::answer(&answer)),
    })?;
    Ok(if answer.is_reached() {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(1)
    })
}
