//! How do all processes of a session end with it?
//!
//! Between the agent and a session's program stands a process of our own, the
//! *holder* ([`hold`]): it adopts whatever the program leaves behind (a
//! *subreaper*, see prctl(2)), so nothing escapes by changing its group or
//! session, and at the end it kills all of it. Should somebody kill the holder,
//! the agent adopts, and kills. A holder is this program started once more,
//! because what it does between fork and exec needs no unsafe code then.

mod holder;
mod tree;

use std::ffi::OsString;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::process::ExitStatusExt as _;
use std::process::{ExitStatus, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use nix::sys::prctl::{set_child_subreaper, set_dumpable};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::process::{Child, Command};

use crate::HoldCommand;

pub use holder::hold;

/// How long a holder may take to kill what it holds.
const GRACE: Duration = Duration::from_secs(5);

/// The first argument of a holder whose program gets a terminal.
pub(crate) const TERMINAL: &str = "--terminal";

/// Starts holders, and knows those that run.
#[derive(Debug)]
pub(crate) struct Holder {
    command: HoldCommand,
    /// Their process numbers. Locked while one is started, and while orphans are killed.
    running: Mutex<Vec<i32>>,
}

/// What a program gets.
pub(crate) enum Streams {
    /// A terminal.
    Terminal(OwnedFd),
    /// No input, and a pipe or two.
    Pipes { output: OwnedFd, errors: OwnedFd },
}

impl Holder {
    pub(crate) fn new(command: HoldCommand) -> io::Result<Self> {
        set_child_subreaper(true)?;
        // sessions run as the same user: this memory is not theirs to read
        set_dumpable(false)?;
        Ok(Self {
            command,
            running: Mutex::default(),
        })
    }

    /// Starts a program, with these variables and no others.
    pub(crate) fn start(
        &self,
        streams: Streams,
        variables: &[(String, String)],
        program: &[OsString],
    ) -> io::Result<Held> {
        let mut words = self.command.0.iter();
        let first = words.next().ok_or(io::ErrorKind::NotFound)?;
        let mut command = Command::new(first);
        command
            .args(words)
            .env_clear()
            .envs(variables.iter().cloned());
        match streams {
            Streams::Terminal(terminal) => {
                command.arg(TERMINAL);
                command
                    .stdin(terminal.try_clone()?)
                    .stdout(terminal.try_clone()?);
                command.stderr(terminal);
            }
            Streams::Pipes { output, errors } => {
                command.stdin(Stdio::null()).stdout(output).stderr(errors);
            }
        }
        command.arg("--").args(program);
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        let child = command.spawn()?;
        let id = child
            .id()
            .and_then(|id| i32::try_from(id).ok())
            .unwrap_or_default();
        running.push(id);
        Ok(Held { child, id })
    }

    /// Waits for the program's end and that of everything it started; 128 and the
    /// signal's number when one ended it. Cancelling this loses nothing.
    pub(crate) async fn wait(&self, held: &mut Held) -> i32 {
        let status = held.child.wait().await;
        self.forget(held);
        status.map_or(-1, exit_code)
    }

    /// Ends the program and everything it started.
    pub(crate) async fn end(&self, held: &mut Held) {
        if held.child.id().is_none() {
            return;
        }
        let pid = Pid::from_raw(held.id);
        // not reaped yet, so the number is still its own
        let _gone = kill(pid, Signal::SIGTERM);
        if tokio::time::timeout(GRACE, held.child.wait())
            .await
            .is_err()
        {
            let _gone = held.child.kill().await;
        }
        self.forget(held);
    }

    /// A holder has ended. What it held is ours now, if it was killed, and nobody's.
    fn forget(&self, held: &Held) {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        running.retain(|id| *id != held.id);
        tree::kill_children_except(&running);
    }
}

/// A program that runs under a holder.
#[derive(Debug)]
pub(crate) struct Held {
    child: Child,
    id: i32,
}

fn exit_code(status: ExitStatus) -> i32 {
    let signal = status.signal().map_or(-1, |number| 128 + number);
    status.code().unwrap_or(signal)
}
