//! How does a program of the person's get onto the region's internet?
//!
//! The region keeps a namespace there for visitors. Whoever owns the region may
//! enter it from outside: first the user namespace that owns it, then the
//! network, then a mount namespace of their own in which the region's names
//! stand in the place of the host's. Working directory, terminal, processes and
//! files stay the host's.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::os::fd::RawFd;
use std::path::{Path, PathBuf};

use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, setns, unshare};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde::{Deserialize, Serialize};

use super::launch::fork::single_threaded;
use super::process::TRUST_ENVIRONMENT;

/// What a visitor needs, in the region's words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct VisitorPlace {
    /// Descriptor of the namespace in the program that runs the region.
    pub namespace: RawFd,
    /// Shown as `/etc/resolv.conf`.
    pub resolv_conf: PathBuf,
    /// Shown as `/etc/nsswitch.conf`.
    pub nsswitch_conf: PathBuf,
    /// The authorities to trust, PEM.
    pub ca_bundle: PathBuf,
}

impl VisitorPlace {
    /// The variables by which programs are told whom to trust.
    pub fn trust(&self) -> BTreeMap<&'static str, PathBuf> {
        TRUST_ENVIRONMENT
            .into_iter()
            .map(|(name, _)| (name, self.ca_bundle.clone()))
            .collect()
    }
}

/// Why the region's internet cannot be entered.
#[derive(Debug, thiserror::Error)]
pub enum VisitError {
    /// A programming fault: namespaces are left by single threads only.
    #[error("a visit must begin before any thread is started")]
    Threads,
    /// The kernel refused a step.
    #[error("cannot {step}")]
    Step {
        /// As in "cannot …".
        step: String,
        /// The system's answer.
        source: io::Error,
    },
}

/// The program that runs the region, watched for its end.
#[derive(Debug)]
pub struct RegionProcess(File);

impl RegionProcess {
    /// Whether it still runs. The file of a process that ended cannot be read,
    /// whoever has its number now.
    pub fn is_alive(&mut self) -> bool {
        let mut byte = [0];
        self.0.seek(SeekFrom::Start(0)).is_ok() && self.0.read_exact(&mut byte).is_ok()
    }
}

/// Moves the calling process to `place` in the region run by `process`. What it
/// executes from then on is a visitor; its open sockets stay where they are.
///
/// # Errors
///
/// When the region is another user's, has ended, or there are threads already.
pub fn enter(process: Pid, place: &VisitorPlace) -> Result<RegionProcess, VisitError> {
    if !step("count the threads", single_threaded())? {
        return Err(VisitError::Threads);
    }
    let proc = PathBuf::from(format!("/proc/{process}"));
    let open = |path: &Path| step(format!("open `{}`", path.display()), File::open(path));
    let watched = RegionProcess(open(&proc.join("stat"))?);
    let network = open(&proc.join(format!("fd/{}", place.namespace)))?;
    let user = proc.join("ns/user");
    let of = |path: &Path| step(format!("read `{}`", path.display()), fs::read_link(path));
    // where user namespaces are forbidden the region shares ours, which cannot be entered again
    if of(&user)? != of(Path::new("/proc/self/ns/user"))? {
        let user = open(&user)?;
        let entered = setns(user, CloneFlags::CLONE_NEWUSER);
        step(
            "enter the region's user namespace",
            entered.map_err(Into::into),
        )?;
    }
    let entered = setns(network, CloneFlags::CLONE_NEWNET);
    step("enter the region's internet", entered.map_err(Into::into))?;
    cover(place)?;
    Ok(watched)
}

/// Tells a visitor to end.
///
/// # Errors
///
/// When there is no such process.
pub fn ask_to_end(process: u32) -> io::Result<()> {
    let pid = i32::try_from(process).map_err(io::Error::other)?;
    Ok(kill(Pid::from_raw(pid), Signal::SIGTERM)?)
}

/// Shows the region's names in place of the host's, to us alone.
fn cover(place: &VisitorPlace) -> Result<(), VisitError> {
    let none: Option<&str> = None;
    let own = unshare(CloneFlags::CLONE_NEWNS)
        .and_then(|()| mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none));
    step("have mounts of our own", own.map_err(Into::into))?;
    let covers = [
        (&place.resolv_conf, "/etc/resolv.conf"),
        (&place.nsswitch_conf, "/etc/nsswitch.conf"),
    ];
    for (source, target) in covers {
        // a mount on a symbolic link is one on what it leads to
        let target = match fs::canonicalize(target) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            found => step(format!("find `{target}`"), found)?,
        };
        let bound = mount(Some(source), &target, none, MsFlags::MS_BIND, none);
        let what = format!("cover `{}`", target.display());
        step(what, bound.map_err(Into::into))?;
    }
    Ok(())
}

fn step<T>(step: impl Into<String>, result: io::Result<T>) -> Result<T, VisitError> {
    result.map_err(|source| VisitError::Step {
        step: step.into(),
        source,
    })
}
