//! `kickytime env`: the variables that point AWS tools at the region.

use std::process::ExitCode;

use region::control::{self, Request};
use serde_json::Value as Json;

use crate::cli::{Ask, Format};
use crate::error::CommandError;
use crate::render;

pub(crate) fn run(arguments: &Ask) -> Result<ExitCode, CommandError> {
    let variables = control::ask(&arguments.state.directory, Request::Environment)?;
    render::data(&match arguments.format {
        Format::Json => format!("{variables:#}"),
        Format::Human => exports(&variables),
    })?;
    Ok(ExitCode::SUCCESS)
}

/// Commands that any POSIX shell can evaluate.
///
/// A session token of another account, left in the shell, would go along with
/// the region's key and have every request refused.
fn exports(variables: &Json) -> String {
    let entries = variables.as_object().into_iter().flatten();
    let lines = entries.filter_map(|(name, value)| {
        let quoted = value.as_str()?.replace('\'', r"'\''");
        Some(format!("export {name}='{quoted}'\n"))
    });
    std::iter::once("unset AWS_SESSION_TOKEN\n".to_owned())
        .chain(lines)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_quoted_for_the_shell() {
        let text = exports(&serde_json::json!({ "A": "it's", "B": "$(x)" }));
        assert_eq!(
            text,
            "unset AWS_SESSION_TOKEN\nexport A='it'\\''s'\nexport B='$(x)'\n"
        );
    }
}
