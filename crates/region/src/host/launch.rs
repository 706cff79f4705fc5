//! How does an ordinary process become the owner of its own namespaces?
//!
//! Three processes. **L**, the launcher, is the one the person started: it
//! opens the doors on the host's loopback, leaves the host's namespaces and
//! from then on only waits and passes on "stop". **I** is process 1 of a new
//! process id namespace: it reaps, and its end is the end of everything in
//! there. **W** is the program: it gets the doors and builds the region.
//!
//! If L dies, the kernel kills I, and with I the whole namespace: nothing of
//! the region outlives the command, whatever ended it.

mod enter;
pub(crate) mod fork;
mod task;

use std::fs::File;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddrV4, TcpListener};
use std::os::fd::OwnedFd;
use std::thread;
use std::time::{Duration, Instant};

use nix::fcntl::OFlag;
use nix::sys::prctl::set_pdeathsig;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, kill, sigaction};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{Pid, getppid, pipe2, setsid};

use self::fork::{Ending, ended, exit_abruptly, fork_child, single_threaded, wait};
use super::probe::{self, Allowed, Diagnosis, Failure, Step};

pub use enter::Privilege;
pub(crate) use enter::{leave_host, mount_proc};
pub use task::{HostTask, RunningTask, TaskEnd, TaskOutcome};

/// Exit code after a second Ctrl-C, as shells have it.
const INTERRUPTED: u8 = 130;

/// Longest wait for the ports of a region that is just ending.
const PATIENCE: Duration = Duration::from_millis(1500);

/// What to open and start on the host before leaving it.
#[derive(Debug, Default)]
pub struct Launch {
    /// Ports to listen at on 127.0.0.1, in the order of [`Inside::doors`].
    /// 0 takes a free one.
    pub doors: Vec<u16>,
    /// Work for the host's namespaces.
    pub tasks: Vec<HostTask>,
}

/// What the program has once it is inside.
#[derive(Debug)]
pub struct Inside {
    /// The listeners on the host's loopback, blocking, one for each port.
    pub doors: Vec<TcpListener>,
    /// The host's tasks, in the order of [`Launch::tasks`].
    pub tasks: Vec<RunningTask>,
    /// By what right we are here, and as whom children run.
    pub privilege: Privilege,
    /// What the kernel allows.
    pub allowed: Allowed,
}

/// Why there is no inside.
#[derive(Debug, thiserror::Error)]
pub enum LaunchError {
    /// Somebody else listens there.
    #[error("cannot listen on 127.0.0.1:{port}")]
    Door {
        /// The port.
        port: u16,
        /// The system's answer.
        source: io::Error,
    },
    /// The kernel, or who runs it, forbids what we need.
    #[error(transparent)]
    Forbidden(#[from] Diagnosis),
    /// A task could not be forked.
    #[error("cannot start `{name}`")]
    Task {
        /// The task's name.
        name: String,
        /// The system's answer.
        source: io::Error,
    },
    /// A programming fault: forking is sound only with one thread.
    #[error("the launcher must be called before any thread is started")]
    Threads,
    /// Pipes, forks, signals.
    #[error("cannot start the region's processes")]
    Process(#[from] io::Error),
}

impl LaunchError {
    /// What to do about it, where that is known.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Door { port, source } => match source.kind() {
                io::ErrorKind::AddrInUse => Some(format!(
                    "another program, perhaps another region, has the port: `ss -ltnp sport = \
                     :{port}` names it"
                )),
                io::ErrorKind::PermissionDenied => {
                    Some("a port below 1024 needs root: choose a higher one".to_owned())
                }
                _ => None,
            },
            Self::Forbidden(diagnosis) => Some(diagnosis.hint.clone()),
            _ => None,
        }
    }
}

/// Runs `world` inside and returns its exit code, 128 + signal when a signal
/// ended it. Call it from `main`, on the main thread, before there is another
/// thread or a runtime.
///
/// SIGINT, SIGTERM and SIGHUP reach `world` as one SIGTERM, however often a
/// terminal delivers them: its part is to stop in good order and return. The
/// second such signal kills everything inside.
pub fn launch(wanted: &Launch, world: impl FnOnce(Inside) -> u8) -> Result<u8, LaunchError> {
    if !single_threaded()? {
        return Err(LaunchError::Threads);
    }
    launch_as(wanted, probe::probe()?, world)
}

/// [`launch`] for a caller who has probed, or wants less than is allowed.
pub fn launch_as(
    wanted: &Launch,
    allowed: Allowed,
    world: impl FnOnce(Inside) -> u8,
) -> Result<u8, LaunchError> {
    if !single_threaded()? {
        return Err(LaunchError::Threads);
    }
    raise_open_files();
    let mut doors = open_doors(&wanted.doors)?;
    let signals = Signals::block()?;
    let mut tasks = Vec::new();
    let mut task_pids = Vec::new();
    for task in &wanted.tasks {
        let (pid, running) =
            task::start(task, || doors.clear()).map_err(|source| LaunchError::Task {
                name: task.name.clone(),
                source,
            })?;
        tasks.push(running);
        task_pids.push(pid);
    }
    let result = start_inside(
        Inside {
            doors,
            tasks,
            privilege: Privilege::Root,
            allowed,
        },
        world,
    )
    .and_then(|init| Ok(signals.watch(&init)?));
    for pid in task_pids {
        // it may be gone already, and is then only waited for
        let _gone = kill(pid, Signal::SIGKILL);
        wait(pid)?;
    }
    result
}

/// Two descriptors an ENI and some for each connection: the soft limit is
/// often 1024.
fn raise_open_files() {
    if let Ok((_soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE) {
        let _unchanged = setrlimit(Resource::RLIMIT_NOFILE, hard, hard);
    }
}

/// A region that was killed a moment ago still has its ports, until the kernel
/// has ended its last process: hence some patience.
fn open_doors(ports: &[u16]) -> Result<Vec<TcpListener>, LaunchError> {
    let end = Instant::now() + PATIENCE;
    let open = |&port: &u16| loop {
        match TcpListener::bind(SocketAddrV4::new(Ipv4Addr::LOCALHOST, port)) {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse && Instant::now() < end => {
                thread::sleep(Duration::from_millis(20));
            }
            opened => return opened.map_err(|source| LaunchError::Door { port, source }),
        }
    };
    ports.iter().map(open).collect()
}

/// I, as L holds it.
struct Init {
    pid: Pid,
    /// Closed by the kernel when L ends, however it ends.
    _life: OwnedFd,
}

/// In L: leaves the host and forks I. Returns when W is about to start.
fn start_inside(mut inside: Inside, world: impl FnOnce(Inside) -> u8) -> Result<Init, LaunchError> {
    inside.privilege = leave_host(inside.allowed.user_namespace).map_err(probe::diagnosed)?;
    let (life, life_end) = pipe2(OFlag::O_CLOEXEC | OFlag::O_NONBLOCK).map_err(io::Error::from)?;
    let (report, report_end) = pipe2(OFlag::O_CLOEXEC).map_err(io::Error::from)?;
    let mut ours = Some((life_end, report));
    // the closure is dropped here in L, and with it L's copies of the doors
    let pid = fork_child(Ending::Abrupt, || {
        drop(ours.take());
        init(File::from(life), File::from(report_end), inside, world)
    })?;
    let Some((life_end, report)) = ours else {
        return Err(LaunchError::Threads);
    };
    let mut bytes = Vec::new();
    File::from(report).read_to_end(&mut bytes)?;
    match Failure::from_bytes(&bytes) {
        None => Ok(Init {
            pid,
            _life: life_end,
        }),
        Some(failure) => {
            wait(pid)?;
            Err(probe::diagnosed(failure).into())
        }
    }
}

/// I: process 1. Returns W's exit code, which becomes its own.
fn init(life: File, report: File, inside: Inside, world: impl FnOnce(Inside) -> u8) -> u8 {
    // W inherits this very descriptor and closes it; I keeps its own for bad news
    let mut report = Some(report);
    let started = become_init(life, &inside.allowed).and_then(|()| {
        let inherited = &mut report;
        fork_child(Ending::Orderly, move || {
            worker(inherited.take(), inside, world)
        })
        .map_err(|error| Failure::new(Step::StartInit, error))
    });
    match started {
        Ok(worker) => {
            drop(report);
            reap_until_ended(worker)
        }
        Err(failure) => {
            let told = report.map(|mut report| report.write_all(&failure.to_bytes()));
            u8::from(!matches!(told, Some(Ok(())))) + 1
        }
    }
}

fn become_init(mut life: File, allowed: &Allowed) -> Result<(), Failure> {
    let failed = |errno: nix::Error| Failure::new(Step::StartInit, errno.into());
    // a terminal's Ctrl-C is for L alone, which passes it on once
    setsid().map_err(failed)?;
    set_pdeathsig(Signal::SIGKILL).map_err(failed)?;
    // had L ended before that, nobody would tell us: the pipe does
    let launcher_lives = life
        .read(&mut [0])
        .is_err_and(|e| e.kind() == io::ErrorKind::WouldBlock);
    if !launcher_lives {
        exit_abruptly(1);
    }
    if allowed.own_proc {
        mount_proc().map_err(|error| Failure::new(Step::MountProc, error))?;
    }
    // where this is refused, the host's stays: a cosmetic loss
    let _shared = enter::mount_shared_memory();
    Ok(())
}

/// W: the program.
fn worker(report: Option<File>, inside: Inside, world: impl FnOnce(Inside) -> u8) -> u8 {
    if set_pdeathsig(Signal::SIGKILL).is_err()
        || getppid() != Pid::from_raw(1)
        || SigSet::all().thread_unblock().is_err()
    {
        return 1;
    }
    // its closing, unwritten, tells L that all went well
    drop(report);
    world(inside)
}

/// In I: passes "stop" on to W, collects orphans, ends with W.
fn reap_until_ended(worker: Pid) -> u8 {
    let watched = watched_signals();
    loop {
        match watched.wait() {
            Ok(Signal::SIGCHLD) | Err(_) => {}
            // W may have ended this instant; then its SIGCHLD comes next
            Ok(_stop) => drop(kill(worker, Signal::SIGTERM)),
        }
        while let Ok(status) = waitpid(None, Some(WaitPidFlag::WNOHANG)) {
            match status {
                WaitStatus::StillAlive => break,
                status if status.pid() == Some(worker) => {
                    if let Some(code) = fork::exit_code(status) {
                        return code;
                    }
                }
                _orphan => {}
            }
        }
    }
}

/// The signals L and I wait for instead of being struck by them.
fn watched_signals() -> SigSet {
    [
        Signal::SIGINT,
        Signal::SIGTERM,
        Signal::SIGHUP,
        Signal::SIGCHLD,
    ]
    .into_iter()
    .collect()
}

/// L's signals while there is an inside.
struct Signals {
    before: SigSet,
    /// `nohup` has us outlive the terminal.
    ignore_hang_up: bool,
}

impl Signals {
    fn block() -> io::Result<Self> {
        let before = SigSet::thread_get_mask()?;
        let default = SigAction::new(SigHandler::SigDfl, SaFlags::empty(), SigSet::empty());
        #[expect(unsafe_code, reason = "reads how SIGHUP is handled by setting it")]
        // SAFETY: both handlers are the kernel's own, SIG_DFL and what was there.
        let ignore_hang_up = unsafe {
            let hang_up = sigaction(Signal::SIGHUP, &default)?;
            sigaction(Signal::SIGHUP, &hang_up)?;
            matches!(hang_up.handler(), SigHandler::SigIgn)
        };
        watched_signals().thread_block()?;
        Ok(Self {
            before,
            ignore_hang_up,
        })
    }

    /// Waits for I's end; passes on the first "stop", kills at the second.
    fn watch(&self, init: &Init) -> io::Result<u8> {
        let mut asked = false;
        loop {
            if let Some(code) = ended(init.pid)? {
                return Ok(code);
            }
            match watched_signals().wait()? {
                Signal::SIGCHLD => {}
                Signal::SIGHUP if self.ignore_hang_up => {}
                _stop if asked => {
                    kill(init.pid, Signal::SIGKILL)?;
                    wait(init.pid)?;
                    return Ok(INTERRUPTED);
                }
                _stop => {
                    asked = true;
                    kill(init.pid, Signal::SIGTERM)?;
                }
            }
        }
    }
}

impl Drop for Signals {
    fn drop(&mut self) {
        let _unchanged = self.before.thread_set_mask();
    }
}
