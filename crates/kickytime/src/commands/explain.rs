//! `kickytime explain`: what is a rule about?

use std::fmt::Write as _;
use std::process::ExitCode;

use analysis::check;

use crate::cli::Explain;
use crate::error::CommandError;
use crate::render;

pub(crate) fn run(arguments: &Explain) -> Result<ExitCode, CommandError> {
    let text = match &arguments.rule {
        Some(name) => check::rule(name)
            .ok_or_else(|| CommandError::Rule { name: name.clone() })?
            .documentation(),
        None => {
            let width = check::RULES
                .iter()
                .map(|rule| rule.name.len())
                .max()
                .unwrap_or(0);
            let mut text = String::new();
            for rule in check::RULES {
                let (name, severity) = (rule.name, rule.severity.to_string());
                let _ = writeln!(text, "{name:width$}  {severity:7}  {}", rule.summary());
            }
            text
        }
    };
    render::data(&text)?;
    Ok(ExitCode::SUCCESS)
}
