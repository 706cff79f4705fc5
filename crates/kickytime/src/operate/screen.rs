//! The person's terminal while it belongs to a shell elsewhere: every key goes
//! there, and on whatever way the session ends, the terminal is as it was.

use std::io;

use rustix::termios::{OptionalActions, Termios, tcgetattr, tcgetwinsize, tcsetattr};
use session::wire::TerminalSize;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::OperateError;

/// The size of a terminal where there is none.
const SIZE: TerminalSize = TerminalSize { cols: 80, rows: 24 };

/// The terminal, lent. Given back as it was when this is dropped, by a panic too.
pub(crate) struct Screen {
    before: Option<Termios>,
}

impl Screen {
    /// Lets every key through. Without a terminal there is nothing to do.
    pub(crate) fn lend() -> Result<Self, OperateError> {
        let input = io::stdin();
        let Ok(before) = tcgetattr(&input) else {
            return Ok(Self { before: None });
        };
        let mut raw = before.clone();
        raw.make_raw();
        tcsetattr(&input, OptionalActions::Drain, &raw)
            .map_err(|error| OperateError::Screen(error.into()))?;
        Ok(Self {
            before: Some(before),
        })
    }

    /// Whether it is a terminal.
    pub(crate) fn is_lent(&self) -> bool {
        self.before.is_some()
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        if let Some(before) = &self.before {
            // a terminal that is gone needs no restoring
            let _gone = tcsetattr(io::stdin(), OptionalActions::Flush, before);
        }
    }
}

/// The size of the terminal, now and whenever it changes.
pub(crate) fn size() -> Result<(watch::Receiver<TerminalSize>, JoinHandle<()>), OperateError> {
    let (told, size) = watch::channel(measured());
    let mut changes = signal(SignalKind::window_change()).map_err(OperateError::Runtime)?;
    let watch = tokio::spawn(async move {
        while changes.recv().await.is_some() {
            told.send_replace(measured());
        }
    });
    Ok((size, watch))
}

fn measured() -> TerminalSize {
    // the screen is where output goes; keys may come from elsewhere
    let size = tcgetwinsize(io::stdout()).or_else(|_| tcgetwinsize(io::stdin()));
    size.map_or(SIZE, |size| TerminalSize {
        cols: size.ws_col.into(),
        rows: size.ws_row.into(),
    })
}
