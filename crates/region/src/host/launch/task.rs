//! Work in the host's namespaces while the region starts.
//!
//! Once it has left the host's namespaces, the program has no internet and no
//! way back. What needs either (building the server with `cargo`) is started
//! before, and its end is awaited through pipes.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use nix::fcntl::OFlag;
use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::{SigSet, Signal};
use nix::unistd::{Pid, pipe2};

use super::fork::{Ending, fork_child};

/// Bytes of a task's standard output that are kept: more than any build
/// prints, little enough to hold.
const OUTPUT_LIMIT: u64 = 16 << 20;

/// A program to run in the host's namespaces. Its standard error is the
/// launcher's, so that a person sees a build's progress.
#[derive(Debug, Clone)]
pub struct HostTask {
    /// What people call it, as in "building the server".
    pub name: String,
    /// Looked up in `PATH`.
    pub program: OsString,
    /// Its arguments.
    pub arguments: Vec<OsString>,
    /// Added to the launcher's environment.
    pub environment: Vec<(OsString, OsString)>,
    /// Working directory; the launcher's when `None`.
    pub directory: Option<PathBuf>,
}

/// A [`HostTask`] that has been started, as seen from inside the region.
#[derive(Debug)]
pub struct RunningTask {
    /// The task's name.
    pub name: String,
    output: OwnedFd,
    status: OwnedFd,
}

/// How a task ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TaskEnd {
    /// By itself, with this code.
    Exited(i32),
    /// By a signal, or with the launcher.
    Killed,
    /// It never began: the system's answer.
    NotStarted(String),
}

/// What a task left behind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskOutcome {
    /// How it ended.
    pub end: TaskEnd,
    /// Its standard output, up to 16 MiB.
    pub output: Vec<u8>,
}

impl RunningTask {
    /// Waits for its end. This blocks: call it from a blocking thread.
    pub fn wait(self) -> io::Result<TaskOutcome> {
        let mut output = Vec::new();
        let mut pipe = File::from(self.output);
        Read::by_ref(&mut pipe)
            .take(OUTPUT_LIMIT)
            .read_to_end(&mut output)?;
        // the rest is read and forgotten, else the task would hang
        io::copy(&mut pipe, &mut io::sink())?;
        let mut status = String::new();
        File::from(self.status)
            .take(4096)
            .read_to_string(&mut status)?;
        Ok(TaskOutcome {
            end: parse_end(&status),
            output,
        })
    }
}

fn parse_end(status: &str) -> TaskEnd {
    match status.split_once(' ') {
        Some(("exited", code)) => code.parse().map_or(TaskEnd::Killed, TaskEnd::Exited),
        Some(("failed", reason)) => TaskEnd::NotStarted(reason.to_owned()),
        _ => TaskEnd::Killed,
    }
}

/// Starts `task` under a small process of its own that reports its end.
/// `forget` runs in that process and drops what it must not hold open.
pub(super) fn start(task: &HostTask, forget: impl FnOnce()) -> io::Result<(Pid, RunningTask)> {
    let (output, output_end) = pipe2(OFlag::O_CLOEXEC)?;
    let (status, status_end) = pipe2(OFlag::O_CLOEXEC)?;
    let pid = fork_child(Ending::Abrupt, || {
        forget();
        // with the launcher dead nobody waits for the result
        if set_pdeathsig(Signal::SIGKILL).is_err() || SigSet::all().thread_unblock().is_err() {
            return 1;
        }
        let report = match run(task, output_end) {
            Ok(Some(code)) => format!("exited {code}"),
            Ok(None) => "killed".to_owned(),
            Err(error) => format!("failed {error}"),
        };
        u8::from(File::from(status_end).write_all(report.as_bytes()).is_err())
    })?;
    Ok((
        pid,
        RunningTask {
            name: task.name.clone(),
            output,
            status,
        },
    ))
}

fn run(task: &HostTask, output: OwnedFd) -> io::Result<Option<i32>> {
    let mut command = Command::new(&task.program);
    command
        .args(&task.arguments)
        .envs(task.environment.iter().map(|(name, value)| (name, value)))
        .stdin(Stdio::null())
        .stdout(output);
    if let Some(directory) = &task.directory {
        command.current_dir(directory);
    }
    #[expect(
        unsafe_code,
        reason = "asks the kernel to end the task with its parent"
    )]
    // SAFETY: prctl is async-signal-safe and its arguments are constants.
    unsafe {
        command.pre_exec(|| Ok(set_pdeathsig(Signal::SIGKILL)?));
    }
    let mut child = command.spawn()?;
    // the command holds our end of the pipe, the reader waits for its closing
    drop(command);
    let status = child.wait()?;
    Ok(status.code().filter(|_| status.signal().is_none()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_report_of_a_task() {
        assert_eq!(parse_end("exited 101"), TaskEnd::Exited(101));
        assert_eq!(
            parse_end("failed no such file"),
            TaskEnd::NotStarted("no such file".into())
        );
        assert_eq!(parse_end("killed"), TaskEnd::Killed);
        assert_eq!(parse_end(""), TaskEnd::Killed);
    }
}
