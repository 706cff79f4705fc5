//! What people see: one file a format, and nothing else prints.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "printing is this module's work"
)]

pub(crate) mod human;
pub(crate) mod json;
pub(crate) mod progress;
pub(crate) mod sarif;
pub(crate) mod status;

use std::error::Error;
use std::io::IsTerminal as _;

use crate::cli::Color;
use crate::error::CommandError;

/// What the terminal can show.
pub(crate) struct Terminal {
    pub(crate) color: bool,
}

impl Terminal {
    pub(crate) fn new(color: Color) -> Self {
        let wants_none = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let color = match color {
            Color::Always => true,
            Color::Never => false,
            Color::Auto => std::io::stderr().is_terminal() && !wants_none,
        };
        Self { color }
    }
}

/// Data: standard output.
pub(crate) fn data(text: &str) {
    println!("{}", text.trim_end());
}

/// Talk: standard error.
pub(crate) fn talk(text: &str) {
    eprintln!("{text}");
}

/// An error with its causes and its hint, once, at the edge.
pub(crate) fn error(error: &CommandError, terminal: &Terminal) {
    let paint = |text: &str, code: &str| {
        if terminal.color {
            format!("\x1b[{code}m{text}\x1b[0m")
        } else {
            text.to_owned()
        }
    };
    talk(&format!("{} {error}", paint("error:", "1;31")));
    let mut source = error.source();
    while let Some(cause) = source {
        talk(&format!("  caused by: {cause}"));
        source = cause.source();
    }
    if let Some(hint) = error.hint() {
        talk(&format!("{} {hint}", paint("hint:", "1;36")));
    }
}
