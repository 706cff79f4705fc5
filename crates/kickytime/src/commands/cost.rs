//! `kickytime cost`: what does the system cost a month?

use std::process::ExitCode;

use analysis::cost::{self, Prices, Usage};

use crate::cli::{Cost, Format};
use crate::error::CommandError;
use crate::render::{self, human, json};
use crate::source;

pub(crate) fn run(arguments: &Cost) -> Result<ExitCode, CommandError> {
    let loaded = source::load_sound(&arguments.template)?;
    let prices = Prices::committed();
    let usage = Usage {
        hours: arguments.hours.unwrap_or(prices.hours_per_month),
        service_gb: arguments.service_gb,
        viewer_gb: arguments.viewer_gb,
        log_gb: arguments.log_gb,
    };
    let bill = cost::cost(&loaded.model, &prices, &usage);
    if let Some(path) = &arguments.svg {
        let written = std::fs::write(path, cost::svg(&bill, &prices));
        written.map_err(|source| CommandError::Write {
            path: path.clone(),
            source,
        })?;
    }
    render::data(&match arguments.format {
        Format::Human => human::cost::bill(&loaded.source, &bill, &prices),
        Format::Json => format!("{:#}", json::cost::bill(&bill, &prices)),
    })?;
    Ok(ExitCode::SUCCESS)
}
