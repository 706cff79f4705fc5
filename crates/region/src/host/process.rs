//! How does a program run inside an ENI?
//!
//! Unprivileged, without a capability and unable to gain one, in the ENI's
//! network namespace, with a [`View`] of the file system of its own and with
//! exactly the environment it is given. One thread starts all children, since
//! the kernel ends a child with the *thread* that started it.

mod lines;
mod view;

use std::collections::BTreeMap;
use std::ffi::{CString, OsString};
use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{FromRawFd, OwnedFd};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::PathBuf;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, setns, unshare};
use nix::sys::prctl::{set_no_new_privs, set_pdeathsig};
use nix::sys::signal::{SigSet, Signal, killpg};
use nix::unistd::{Gid, Pid, Uid, chdir, pipe2, setgroups, setresgid, setresuid, setsid, write};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::sync::oneshot;

use super::launch::Privilege;
use super::netns::Netns;
use view::Step;

pub use lines::{LINE_LIMIT, Lines};
pub use view::{Bind, CA_BUNDLE, PLACE, TRUST_ENVIRONMENT, View};

/// A program to start.
#[derive(Debug, Clone)]
pub struct ChildCommand {
    /// What people call it.
    pub name: String,
    /// Absolute path as the child sees it. A program in a home directory, or
    /// any other hidden place, must be bound and started below [`PLACE`].
    pub program: PathBuf,
    /// Its arguments. Never a secret: they are visible to every process.
    pub arguments: Vec<OsString>,
    /// Its whole environment, save `PATH` and `LANG`, which are ours unless
    /// given. Never a secret, for the same reason.
    pub environment: BTreeMap<OsString, OsString>,
    /// Working directory, as the child sees it.
    pub directory: PathBuf,
    /// Its network.
    pub namespace: Netns,
    /// Its files.
    pub view: View,
}

/// Why a child did not start.
#[derive(Debug, thiserror::Error)]
pub enum SpawnError {
    /// A path cannot be used.
    #[error("cannot prepare the files of `{name}`")]
    Prepare {
        /// The child's name.
        name: String,
        /// The system's answer.
        source: io::Error,
    },
    /// A step between fork and exec failed.
    #[error("cannot {step} for `{name}`")]
    Step {
        /// The child's name.
        name: String,
        /// What was tried.
        step: String,
        /// The system's answer.
        source: io::Error,
    },
    /// Fork or exec failed.
    #[error("cannot start `{}` for `{name}`", .program.display())]
    Start {
        /// The child's name.
        name: String,
        /// What was to be executed.
        program: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// The spawner is gone: the program is ending.
    #[error("no more processes are started")]
    Closed,
}

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

/// The thread that starts children. All of them end when the last clone of
/// this is gone.
#[derive(Debug, Clone)]
pub struct Spawner {
    requests: mpsc::Sender<(Prepared, oneshot::Sender<Result<Started, SpawnError>>)>,
    ids: (u32, u32),
    change_ids: bool,
}

impl Spawner {
    /// Starts the thread. Children run as `privilege` says.
    pub fn start(privilege: Privilege) -> io::Result<Self> {
        let (requests, inbox) = mpsc::channel::<(Prepared, oneshot::Sender<_>)>();
        let _serves_until_all_senders_are_gone = thread::Builder::new()
            .name("spawner".to_owned())
            .spawn(move || {
                for (prepared, answer) in inbox {
                    // who asked may have been cancelled: the child is dropped, and killed
                    let _asked = answer.send(prepared.start());
                }
            })?;
        let change_ids = privilege == Privilege::Root;
        Ok(Self {
            requests,
            ids: privilege.child_ids(),
            change_ids,
        })
    }

    /// Starts a child. Call it on the runtime that is to wait for it.
    pub async fn spawn(&self, command: &ChildCommand) -> Result<Child, SpawnError> {
        let prepared = self
            .prepare(command)
            .map_err(|source| SpawnError::Prepare {
                name: command.name.clone(),
                source,
            })?;
        let (sender, answer) = oneshot::channel();
        self.requests
            .send((prepared, sender))
            .map_err(|_gone| SpawnError::Closed)?;
        let started = answer.await.map_err(|_gone| SpawnError::Closed)??;
        Child::new(command, started).map_err(|source| SpawnError::Start {
            name: command.name.clone(),
            program: command.program.clone(),
            source,
        })
    }

    fn prepare(&self, command: &ChildCommand) -> io::Result<Prepared> {
        let (uid, gid) = self.ids;
        let inherited = ["PATH", "LANG"]
            .into_iter()
            .filter_map(|name| Some((OsString::from(name), std::env::var_os(name)?)));
        Ok(Prepared {
            name: command.name.clone(),
            program: command.program.clone(),
            arguments: command.arguments.clone(),
            environment: inherited.chain(command.environment.clone()).collect(),
            namespace: command.namespace.clone(),
            steps: view::steps(&command.view, uid, gid)?,
            directory: view::c_path(&command.directory)?,
            ids: self.change_ids.then_some(self.ids),
        })
    }
}

/// A child ready to start: nothing is allocated after fork.
struct Prepared {
    name: String,
    program: PathBuf,
    arguments: Vec<OsString>,
    environment: BTreeMap<OsString, OsString>,
    namespace: Netns,
    steps: Vec<Step>,
    directory: CString,
    ids: Option<(u32, u32)>,
}

/// A child that has started, not yet known to a runtime.
struct Started(Option<std::process::Child>);

impl Drop for Started {
    fn drop(&mut self) {
        if let Some(child) = &mut self.0 {
            kill_group(child);
        }
    }
}

/// The place of a failed step is written to a pipe; these come after the
/// view's own steps.
const OTHER_STEPS: [&str; 6] = [
    "enter its network namespace",
    "make its mounts private",
    "change to its working directory",
    "change to its user",
    "give up privileges",
    "close the program's files",
];

impl Prepared {
    fn start(self) -> Result<Started, SpawnError> {
        let (name, program) = (self.name.clone(), self.program.clone());
        let described: Vec<String> = self.steps.iter().map(Step::describe).collect();
        let spawned = self.spawn();
        spawned.map_err(|(place, source)| {
            let step = place.and_then(|place| match place.checked_sub(described.len()) {
                None => described.get(place).cloned(),
                Some(other) => OTHER_STEPS.get(other).map(|step| (*step).to_owned()),
            });
            match step {
                Some(step) => SpawnError::Step { name, step, source },
                None => SpawnError::Start {
                    name,
                    program,
                    source,
                },
            }
        })
    }

    /// Forks and executes. A failure comes with the place of its step, unless
    /// it was fork or exec itself.
    fn spawn(self) -> Result<Started, (Option<usize>, io::Error)> {
        let flags = OFlag::O_CLOEXEC | OFlag::O_NONBLOCK;
        let (report, report_end) = pipe2(flags).map_err(|errno| (None, errno.into()))?;
        let mut command = Command::new(&self.program);
        command
            .args(&self.arguments)
            .env_clear()
            .envs(&self.environment)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        #[expect(unsafe_code, reason = "the child enters its namespaces before exec")]
        // SAFETY: `enter` makes system calls on data prepared before the fork;
        // it allocates nothing and takes no lock.
        unsafe {
            command.pre_exec(move || self.enter(&report_end));
        }
        command
            .spawn()
            .map(|child| Started(Some(child)))
            .map_err(|source| {
                let mut place = [0; 2];
                let told = File::from(report).read_exact(&mut place).is_ok();
                (told.then(|| usize::from(u16::from_ne_bytes(place))), source)
            })
    }

    /// In the child, between fork and exec.
    fn enter(&self, report: &OwnedFd) -> io::Result<()> {
        self.enter_steps().map_err(|(place, errno)| {
            // if even that fails, the error number alone goes up
            let _told = write(
                report,
                &u16::try_from(place).unwrap_or(u16::MAX).to_ne_bytes(),
            );
            errno.into()
        })
    }

    fn enter_steps(&self) -> Result<(), (usize, Errno)> {
        let other = |number: usize| move |errno| (self.steps.len() + number, errno);
        setns(&self.namespace, CloneFlags::CLONE_NEWNET).map_err(other(0))?;
        unshare(CloneFlags::CLONE_NEWNS).map_err(other(1))?;
        let none: Option<&std::ffi::CStr> = None;
        mount(none, c"/", none, MsFlags::MS_REC | MsFlags::MS_SLAVE, none).map_err(other(1))?;
        for (place, step) in self.steps.iter().enumerate() {
            step.execute().map_err(|errno| (place, errno))?;
        }
        chdir(self.directory.as_c_str()).map_err(other(2))?;
        if let Some((uid, gid)) = self.ids {
            let (uid, gid) = (Uid::from_raw(uid), Gid::from_raw(gid));
            setgroups(&[])
                .and_then(|()| setresgid(gid, gid, gid))
                .and_then(|()| setresuid(uid, uid, uid))
                .map_err(other(3))?;
        }
        // its own group, so that what it starts can be ended with it
        setsid().map_err(other(4))?;
        set_no_new_privs().map_err(other(4))?;
        // only after the user changed: that clears it
        set_pdeathsig(Signal::SIGKILL).map_err(other(4))?;
        SigSet::empty().thread_set_mask().map_err(other(4))?;
        close_on_exec().map_err(other(5))
    }
}

/// Marks every descriptor but the standard three.
fn close_on_exec() -> Result<(), Errno> {
    const FIRST: libc::c_uint = 3;
    const CLOSE_RANGE_CLOEXEC: libc::c_uint = 4;
    #[expect(unsafe_code, reason = "close_range has no safe form")]
    // SAFETY: with this flag it closes nothing now and touches no memory.
    let result =
        unsafe { libc::syscall(libc::SYS_close_range, FIRST, u32::MAX, CLOSE_RANGE_CLOEXEC) };
    match Errno::result(result) {
        // a kernel before 5.11: the standard library marks its own already
        Ok(_) | Err(Errno::ENOSYS | Errno::EINVAL) => Ok(()),
        Err(errno) => Err(errno),
    }
}

/// A process that runs. Dropping it kills it, and its group.
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
    process: std::process::Child,
    pidfd: AsyncFd<OwnedFd>,
    exit: Option<Exit>,
}

impl Child {
    fn new(command: &ChildCommand, mut started: Started) -> io::Result<Self> {
        // from here on dropping `started` no longer kills: `self` does
        let Some(process) = &mut started.0 else {
            return Err(io::Error::from(io::ErrorKind::NotFound));
        };
        let lines = |pipe: Option<OwnedFd>| pipe.map(Lines::new).transpose();
        let output = lines(process.stdout.take().map(OwnedFd::from))?;
        let errors = lines(process.stderr.take().map(OwnedFd::from))?;
        let pid = process.id();
        let pidfd = watch(open_pidfd(pid)?)?;
        let process = started.0.take().ok_or(io::ErrorKind::NotFound)?;
        let name = command.name.clone();
        Ok(Self {
            name,
            pid,
            output,
            errors,
            process,
            pidfd,
            exit: None,
        })
    }

    /// Waits for its end; afterwards answers at once. What it started and left
    /// behind in its process group is killed. Cancelling this loses nothing.
    pub async fn wait(&mut self) -> io::Result<Exit> {
        if let Some(exit) = self.exit {
            return Ok(exit);
        }
        let _ended = self.pidfd.readable().await?;
        // not reaped yet, so its number, and its group's, is still its own
        let _gone = killpg(group(self.pid), Signal::SIGKILL);
        let exit = Exit::from(self.process.wait()?);
        self.exit = Some(exit);
        Ok(exit)
    }

    /// Sends a signal to it alone.
    pub fn signal(&self, signal: Signal) -> io::Result<()> {
        if self.exit.is_some() {
            return Ok(());
        }
        Ok(nix::sys::signal::kill(group(self.pid), signal)?)
    }

    /// Asks it, by `signal`, to end, and kills it and its group if it has not
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

impl Drop for Child {
    fn drop(&mut self) {
        if self.exit.is_none() {
            kill_group(&mut self.process);
        }
    }
}

fn group(pid: u32) -> Pid {
    Pid::from_raw(pid.cast_signed())
}

/// Kills a child nobody waits for any more, and reaps it.
fn kill_group(child: &mut std::process::Child) {
    // no such group: it was not yet through `setsid`, or is gone
    let _gone = killpg(group(child.id()), Signal::SIGKILL);
    let _gone = child.kill();
    let _reaped = child.wait();
}

/// Must be called on a runtime.
fn watch(pidfd: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
    #[expect(unsafe_code, reason = "registering a descriptor asks for a promise")]
    // SAFETY: the descriptor moves into what is returned, which gives out no
    // mutable access to it: it stays open, and the same, for as long.
    let watched = unsafe { AsyncFd::register_with_interest(pidfd, Interest::READABLE) };
    Ok(watched?)
}

fn open_pidfd(pid: u32) -> io::Result<OwnedFd> {
    #[expect(unsafe_code, reason = "pidfd_open has no safe form")]
    // SAFETY: the call takes two numbers; what it returns is a new descriptor
    // (close-on-exec) that nothing else owns.
    unsafe {
        let fd = Errno::result(libc::syscall(libc::SYS_pidfd_open, pid, 0))?;
        let fd = i32::try_from(fd).map_err(io::Error::other)?;
        Ok(OwnedFd::from_raw_fd(fd))
    }
}
