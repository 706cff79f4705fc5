//! Which processes stand below this one, and their end.

use std::collections::BTreeMap;
use std::fs;

use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

/// How often everything is killed anew: what forks while it is killed is there again
/// next time, with fewer to help it.
const MAX_ROUNDS: usize = 1000;

/// Every process and its parent.
fn parents() -> BTreeMap<i32, i32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries
        .filter_map(|entry| {
            let id = entry.file_name().to_str()?.parse().ok()?;
            let stat = fs::read_to_string(entry.path().join("stat")).ok()?;
            // the name, in parentheses, may hold anything
            let (_, rest) = stat.rsplit_once(") ")?;
            Some((id, rest.split(' ').nth(1)?.parse().ok()?))
        })
        .collect()
}

/// Kills everything below this process, and waits until all of it has ended.
pub(super) fn kill_descendants() {
    let own = Pid::this().as_raw();
    for _ in 0..MAX_ROUNDS {
        let parents = parents();
        let is_below = |mut id: i32| {
            for _ in 0..parents.len() {
                match parents.get(&id) {
                    Some(parent) if *parent == own => return true,
                    Some(parent) => id = *parent,
                    None => return false,
                }
            }
            false
        };
        for id in parents.keys().filter(|id| is_below(**id)) {
            let _gone = kill(Pid::from_raw(*id), Signal::SIGKILL);
        }
        // orphans become our children, one generation after another
        match waitpid(None, None) {
            Err(Errno::ECHILD) => return,
            _reaped => while reap_one() {},
        }
    }
}

/// Reaps a child that has ended; false when there is none.
pub(super) fn reap_one() -> bool {
    matches!(
        waitpid(None, Some(WaitPidFlag::WNOHANG)),
        Ok(status) if status != WaitStatus::StillAlive
    )
}

/// Kills the children of this process that are not named.
pub(super) fn kill_children_except(kept: &[i32]) {
    let own = Pid::this().as_raw();
    for _ in 0..MAX_ROUNDS {
        let parents = parents();
        let mut orphans = parents
            .iter()
            .filter(|(id, parent)| **parent == own && !kept.contains(id))
            .map(|(id, _)| Pid::from_raw(*id))
            .peekable();
        if orphans.peek().is_none() {
            return;
        }
        for orphan in orphans {
            let _gone = kill(orphan, Signal::SIGKILL);
            let _reaped = waitpid(orphan, None);
        }
    }
}
