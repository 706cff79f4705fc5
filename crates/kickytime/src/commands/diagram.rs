//! `kickytime diagram`: what does the system look like?

use std::process::ExitCode;

use analysis::diagram::{mermaid, picture, svg};

use crate::cli::{Diagram, DiagramFormat};
use crate::error::CommandError;
use crate::render;
use crate::source;

pub(crate) fn run(arguments: &Diagram) -> Result<ExitCode, CommandError> {
    let loaded = source::load_sound(&arguments.template)?;
    let picture = picture(&loaded.model);
    let text = match arguments.format {
        DiagramFormat::Svg => svg(&picture),
        DiagramFormat::Mermaid => mermaid(&picture),
    };
    match &arguments.output {
        Some(path) => std::fs::write(path, text).map_err(|source| CommandError::Write {
            path: path.clone(),
            source,
        })?,
        None => render::data(&text)?,
    }
    Ok(ExitCode::SUCCESS)
}
