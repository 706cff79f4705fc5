//! `kickytime down`: stops the running region and waits until it is gone.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use region::control::{self, ControlError, Request};

use crate::cli::State;
use crate::error::CommandError;
use crate::render;

/// Programs get 30 s to end, the database a little more.
const LIMIT: Duration = Duration::from_secs(60);
const INTERVAL: Duration = Duration::from_millis(50);

pub(crate) fn run(arguments: &State) -> Result<ExitCode, CommandError> {
    control::ask(&arguments.directory, Request::Stop)?;
    let deadline = Instant::now() + LIMIT;
    loop {
        match control::ask(&arguments.directory, Request::Status) {
            Err(ControlError::NotRunning(_)) => break,
            _ if Instant::now() > deadline => return Err(CommandError::StillRunning(LIMIT)),
            _ => std::thread::sleep(INTERVAL),
        }
    }
    render::talk("stopped");
    Ok(ExitCode::SUCCESS)
}
