//! What people see: one file a format, and nothing else prints.

pub(crate) mod human;
pub(crate) mod json;
pub(crate) mod logs;
pub(crate) mod progress;
pub(crate) mod sarif;
pub(crate) mod session;
pub(crate) mod status;

use std::error::Error;
use std::io::{self, IsTerminal as _, Write};

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
///
/// # Errors
///
/// When it cannot all be written. A reader who has left (`| head`) had enough,
/// which is no error.
pub(crate) fn data(text: &str) -> Result<(), CommandError> {
    write_data(&mut io::stdout().lock(), text)
}

fn write_data(to: &mut impl Write, text: &str) -> Result<(), CommandError> {
    let written = writeln!(to, "{}", text.trim_end()).and_then(|()| to.flush());
    match written {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(CommandError::Output(error)),
        _ => Ok(()),
    }
}

/// One line of data that may go on for ever; whether anybody still reads.
///
/// # Errors
///
/// When it cannot all be written.
pub(crate) fn line(text: &str) -> Result<bool, CommandError> {
    let mut to = io::stdout().lock();
    match writeln!(to, "{text}").and_then(|()| to.flush()) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(false),
        Err(error) => Err(CommandError::Output(error)),
    }
}

/// Talk: standard error. When nobody can hear it, whoever talks goes on: a
/// region does not end with the terminal it was started from.
pub(crate) fn talk(text: &str) {
    let _unheard = writeln!(io::stderr().lock(), "{text}");
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

#[cfg(test)]
mod tests {
    use super::*;

    /// A standard output that fails in one way.
    struct Failing(io::ErrorKind);

    impl Write for Failing {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(self.0.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_reader_who_left_is_no_error_and_a_full_disk_is_one() {
        let written = |kind| write_data(&mut Failing(kind), "text");
        assert!(written(io::ErrorKind::BrokenPipe).is_ok());
        assert!(matches!(
            written(io::ErrorKind::StorageFull),
            Err(CommandError::Output(_))
        ));
        let mut whole = Vec::new();
        write_data(&mut whole, "text\n\n").unwrap();
        assert_eq!(whole, b"text\n");
    }
}
