//! A program that runs, and how it ended.

use std::fmt;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::time::Duration;

use nix::sys::signal::Signal;
use tokio::io::unix::AsyncFd;

use super::init::Init;
use super::{ChildCommand, Lines, pidfd};

/// How a child ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// By itself, with this code.
    Code(i32),
    /// By this signal.
    Signal(i32),
}

impl Exit {
    /// True for code 0.
    pub fn success(self) -> bool {
        self == Self::Code(0)
    }
}

impl From<ExitStatus> for Exit {
    fn from(status: ExitStatus) -> Self {
        match (status.code(), status.signal()) {
            (Some(code), _) => Self::Code(code),
            (None, signal) => Self::Signal(signal.unwrap_or_default()),
        }
    }
}

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Code(code) => write!(f, "exited with code {code}"),
            Self::Signal(number) => match Signal::try_from(*number) {
                Ok(signal) => write!(f, "was ended by {signal}"),
                Err(_) => write!(f, "was ended by signal {number}"),
            },
        }
    }
}

/// A program and the init of its namespace. Dropping this ends both, and with them
/// everything the program has started.
#[derive(Debug)]
pub(super) struct Running {
    process: std::process::Child,
    init: Init,
}

impl Running {
    pub(super) fn new(process: std::process::Child, init: Init) -> Self {
        Self { process, init }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.init.kill();
        // the init ends when the program is reaped, which is done twice at no harm
        let _reaped = self.process.wait();
    }
}

/// A process that runs. Dropping it kills it, and all it has started.
#[derive(Debug)]
pub struct Child {
    /// What people call it.
    pub name: String,
    /// Its number, in our process id namespace.
    pub pid: u32,
    /// Its standard output, until taken.
    pub output: Option<Lines>,
    /// Its standard error, until taken.
    pub errors: Option<Lines>,
    running: Running,
    program_end: AsyncFd<OwnedFd>,
    namespace_end: AsyncFd<OwnedFd>,
    exit: Option<Exit>,
}

impl Child {
    pub(super) fn new(command: &ChildCommand, mut running: Running) -> io::Result<Self> {
        let process = &mut running.process;
        let lines = |pipe: Option<OwnedFd>| pipe.map(Lines::new).transpose();
        let output = lines(process.stdout.take().map(OwnedFd::from))?;
        let errors = lines(process.stderr.take().map(OwnedFd::from))?;
        let pid = process.id();
        Ok(Self {
            name: command.name.clone(),
            pid,
            output,
            errors,
            program_end: pidfd::watch(pidfd::open(pid)?)?,
            namespace_end: pidfd::watch(running.init.pidfd()?)?,
            running,
            exit: None,
        })
    }

    /// Waits for its end, and that of everything it started, which is killed with
    /// it; afterwards answers at once. Cancelling this loses nothing.
    pub async fn wait(&mut self) -> io::Result<Exit> {
        if let Some(exit) = self.exit {
            return Ok(exit);
        }
        let _ended = self.program_end.readable().await?;
        self.running.init.kill();
        let exit = Exit::from(self.running.process.wait()?);
        let _ended = self.namespace_end.readable().await?;
        self.running.init.reap()?;
        self.exit = Some(exit);
        Ok(exit)
    }

    /// Sends a signal to it alone.
    pub fn signal(&self, signal: Signal) -> io::Result<()> {
        pidfd::signal(self.program_end.get_ref(), signal)
    }

    /// Asks it, by `signal`, to end, and kills it and what it started if it has not
    /// within `grace`.
    pub async fn stop(&mut self, signal: Signal, grace: Duration) -> io::Result<Exit> {
        self.signal(signal)?;
        if let Ok(exit) = tokio::time::timeout(grace, self.wait()).await {
            return exit;
        }
        self.signal(Signal::SIGKILL)?;
        self.wait().await
    }
}
