//! How does a program run inside an ENI?
//!
//! Unprivileged, without a capability and unable to gain one, in the ENI's
//! network namespace, with a [`View`] of the file system of its own and with
//! exactly the environment it is given. Children share one user, so each has its
//! processes, shared memory and terminals to itself: it cannot see, signal or
//! trace another. One thread starts all children, since the kernel ends a child
//! with the *thread* that started it.

mod child;
mod init;
mod lines;
mod pidfd;
mod view;

use std::collections::BTreeMap;
use std::ffi::{CString, OsString};
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::thread;

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, setns, unshare};
use nix::sys::prctl::{set_no_new_privs, set_pdeathsig};
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction};
use nix::unistd::{Gid, Uid, chdir, pipe2, setgroups, setresgid, setresuid, setsid, write};
use tokio::sync::oneshot;

use super::launch::Privilege;
use super::netns::Netns;
use super::probe::Allowed;
use child::Running;
use init::Home;
use view::Step;

pub use child::{Child, Exit};
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

/// The thread that starts children. All of them end when the last clone of
/// this is gone.
#[derive(Debug, Clone)]
pub struct Spawner {
    requests: mpsc::Sender<(Prepared, oneshot::Sender<Result<Running, SpawnError>>)>,
    ids: (u32, u32),
    change_ids: bool,
    own_proc: bool,
}

impl Spawner {
    /// Starts the thread. Children run as `privilege` says, with what is `allowed`.
    pub fn start(privilege: Privilege, allowed: Allowed) -> io::Result<Self> {
        let (requests, inbox) = mpsc::channel::<(Prepared, oneshot::Sender<_>)>();
        let home = Home::of_this_thread()?;
        let _serves_until_all_senders_are_gone = thread::Builder::new()
            .name("spawner".to_owned())
            .spawn(move || {
                for (prepared, answer) in inbox {
                    // who asked may have been cancelled: the child is dropped, and killed
                    let _asked = answer.send(prepared.start(&home));
                }
            })?;
        let change_ids = privilege == Privilege::Root;
        Ok(Self {
            requests,
            ids: privilege.child_ids(),
            change_ids,
            own_proc: allowed.own_proc,
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
            steps: view::steps(&command.view, uid, gid, self.own_proc)?,
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

/// The place of a failed step is written to a pipe; these come after the
/// view's own steps.
const OTHER_STEPS: [&str; 6] = [
    "enter its network namespace",
    "make its mounts and shared memory private",
    "change to its working directory",
    "change to its user",
    "give up privileges",
    "close the program's files",
];

impl Prepared {
    fn start(self, home: &Home) -> Result<Running, SpawnError> {
        let (name, program) = (self.name.clone(), self.program.clone());
        let described: Vec<String> = self.steps.iter().map(Step::describe).collect();
        let alone = |source| SpawnError::Step {
            name: self.name.clone(),
            step: "make its process id namespace".to_owned(),
            source,
        };
        let init = home.leave().map_err(alone)?;
        let spawned = self.spawn();
        home.back().map_err(|source| SpawnError::Step {
            name: name.clone(),
            step: "leave its process id namespace".to_owned(),
            source,
        })?;
        let spawned = spawned.map(|process| Running::new(process, init));
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
    fn spawn(self) -> Result<std::process::Child, (Option<usize>, io::Error)> {
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
        command.spawn().map_err(|source| {
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
        let own = CloneFlags::CLONE_NEWNS | CloneFlags::CLONE_NEWIPC | CloneFlags::CLONE_NEWUTS;
        unshare(own).map_err(other(1))?;
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
        // no terminal of ours is its own
        setsid().map_err(other(4))?;
        set_no_new_privs().map_err(other(4))?;
        // only after the user changed: that clears it
        set_pdeathsig(Signal::SIGKILL).map_err(other(4))?;
        SigSet::empty().thread_set_mask().map_err(other(4))?;
        default_signals().map_err(other(4))?;
        close_on_exec().map_err(other(5))
    }
}

/// What was ignored where the region was started (`nohup`, a shell's `&`) is not ignored by
/// its programs: the Ctrl-C of a session's shell would be one of it.
fn default_signals() -> Result<(), Errno> {
    let default = SigAction::new(SigHandler::SigDfl, SaFlags::empty(), SigSet::empty());
    for signal in [Signal::SIGHUP, Signal::SIGINT, Signal::SIGQUIT] {
        #[expect(unsafe_code, reason = "a handler would run at any moment")]
        // SAFETY: this one is the kernel's own.
        unsafe {
            sigaction(signal, &default)?;
        }
    }
    Ok(())
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
