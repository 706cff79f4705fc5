//! `kickytime agent`: the SSM agent of an instance, and the holder of one session.

use std::process::ExitCode;

use agent::HoldCommand;
use aws::Environment;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::cli::Agent;
use crate::error::CommandError;
use crate::render;

/// What makes this program a holder.
const HOLD: &str = "hold";

pub(crate) fn run(arguments: &Agent) -> Result<ExitCode, CommandError> {
    match arguments.words.split_first() {
        Some((word, rest)) if word == HOLD => {
            let code = agent::hold(rest).map_err(CommandError::Hold)?;
            return Ok(ExitCode::from(code));
        }
        Some(_) => return Err(CommandError::Hold(std::io::ErrorKind::InvalidInput.into())),
        None => {}
    }
    // where there is no `/proc`, it was started by its path
    let program = std::env::current_exe().map_or_else(
        |_| std::env::args_os().next().unwrap_or_default(),
        Into::into,
    );
    let hold = HoldCommand(vec![program, "agent".into(), HOLD.into()]);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(CommandError::Runtime)?;
    runtime.block_on(async {
        let stop = CancellationToken::new();
        let mut asked = signal(SignalKind::terminate()).map_err(CommandError::Runtime)?;
        let stopper = stop.clone();
        tokio::spawn(async move {
            asked.recv().await;
            stopper.cancel();
        });
        let tell = |report: agent::Report| {
            // who does not read any more has ended, and so will this
            let _read = render::line(&report.to_string());
        };
        agent::run(&Environment::of_process(), hold, tell, stop).await?;
        Ok(ExitCode::SUCCESS)
    })
}
