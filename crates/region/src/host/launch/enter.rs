//! Leaving the host's namespaces: what the launcher does, and the probe tries.

use std::fs;
use std::io;

use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::unistd::{getegid, geteuid};

use crate::host::probe::{Failure, Step};

/// The inner number of a real root: any but 0, so that a program that is
/// executed does not keep capabilities and PostgreSQL agrees to start.
const INNER_ID_OF_ROOT: u32 = 1000;

/// By what right the region's namespaces are held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Privilege {
    /// A user namespace of our own, with the caller's id alone in it.
    UserNamespace {
        /// Our user id inside, never 0.
        uid: u32,
        /// Our group id inside, never 0.
        gid: u32,
    },
    /// Real root, where user namespaces are forbidden. Child processes change
    /// to another user.
    Root,
}

impl Privilege {
    /// The user and group that child processes run as: inside a user
    /// namespace the only one there is, else an unprivileged pair.
    pub fn child_ids(self) -> (u32, u32) {
        match self {
            Self::UserNamespace { uid, gid } => (uid, gid),
            Self::Root => (65534, 65534),
        }
    }
}

/// Leaves the host's namespaces, with a user namespace of our own or, as real
/// root, without. The process id namespace takes effect for children only.
pub(crate) fn leave_host(with_user_namespace: bool) -> Result<Privilege, Failure> {
    let (outer_uid, outer_gid) = (geteuid().as_raw(), getegid().as_raw());
    let mut flags = CloneFlags::CLONE_NEWNET
        | CloneFlags::CLONE_NEWNS
        | CloneFlags::CLONE_NEWPID
        | CloneFlags::CLONE_NEWIPC;
    if with_user_namespace {
        flags |= CloneFlags::CLONE_NEWUSER;
    }
    unshare(flags).map_err(|errno| Failure::new(Step::Unshare, errno.into()))?;
    let privilege = if with_user_namespace {
        map_ids(outer_uid, outer_gid)?
    } else {
        Privilege::Root
    };
    // nothing we mount may appear on the host
    let none: Option<&str> = None;
    mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none)
        .map_err(|errno| Failure::new(Step::PrivateMounts, errno.into()))?;
    Ok(privilege)
}

fn map_ids(outer_uid: u32, outer_gid: u32) -> Result<Privilege, Failure> {
    let inner = |outer| if outer == 0 { INNER_ID_OF_ROOT } else { outer };
    let (uid, gid) = (inner(outer_uid), inner(outer_gid));
    let write = |step, path: &str, text: String| {
        fs::write(path, text).map_err(|error| Failure::new(step, error))
    };
    // a group map may be written only by who cannot drop groups any more
    write(Step::SetGroups, "/proc/self/setgroups", "deny".to_owned())?;
    write(
        Step::UidMap,
        "/proc/self/uid_map",
        format!("{uid} {outer_uid} 1"),
    )?;
    write(
        Step::GidMap,
        "/proc/self/gid_map",
        format!("{gid} {outer_gid} 1"),
    )?;
    Ok(Privilege::UserNamespace { uid, gid })
}

/// Mounts a `/proc` that shows the new process id namespace. Process 1 of that
/// namespace calls this.
pub(crate) fn mount_proc() -> io::Result<()> {
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    let none: Option<&str> = None;
    Ok(mount(Some("proc"), "/proc", Some("proc"), flags, none)?)
}

/// Puts an empty file system over `/dev/shm`, where POSIX shared memory of
/// PostgreSQL would otherwise outlive us on the host.
pub(crate) fn mount_shared_memory() -> io::Result<()> {
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV;
    Ok(mount(
        Some("tmpfs"),
        "/dev/shm",
        Some("tmpfs"),
        flags,
        Some("mode=1777"),
    )?)
}
