//! A server's directory: the lock, the template, the copy of it.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};

/// Longest wait for the lock of a region that is just ending.
const PATIENCE: Duration = Duration::from_millis(1500);

/// A directory that only one region at a time may use. The lock goes with the
/// program, however it ends.
#[derive(Debug)]
pub struct StateDirectory {
    path: PathBuf,
    _lock: Flock<File>,
}

/// Why a state directory cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// Another region runs there.
    #[error("the state directory `{}` is in use by another region{}", .path.display(),
        .holder.as_ref().map(|holder| format!(" (process {holder})")).unwrap_or_default())]
    Held {
        /// The directory.
        path: PathBuf,
        /// The other's process number on the host, where it wrote one.
        holder: Option<String>,
    },
    /// It cannot be made or opened.
    #[error("cannot use the state directory `{}`", .path.display())]
    Io {
        /// The directory.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
}

impl StateDirectory {
    /// Makes `path` where it is not there, for us alone (0700), and locks it.
    /// `holder` is what others are told: the process to look for.
    pub fn lock(path: &Path, holder: u32) -> Result<Self, StateError> {
        let failed = |source| StateError::Io {
            path: path.to_owned(),
            source,
        };
        private_directory(path).map_err(failed)?;
        let path = fs::canonicalize(path).map_err(failed)?;
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(path.join("lock"))
            .map_err(failed)?;
        let mut lock = match patiently(file) {
            Ok(lock) => lock,
            Err((mut file, Errno::EWOULDBLOCK)) => {
                let mut text = String::new();
                let _unknown = Read::by_ref(&mut file).take(20).read_to_string(&mut text);
                let holder = Some(text.trim().to_owned()).filter(|text| !text.is_empty());
                return Err(StateError::Held { path, holder });
            }
            Err((_, errno)) => return Err(failed(errno.into())),
        };
        lock.set_len(0)
            .and_then(|()| lock.rewind())
            .and_then(|()| writeln!(lock, "{holder}"))
            .map_err(failed)?;
        Ok(Self { path, _lock: lock })
    }

    /// The directory, symlinks followed.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// A region that was killed a moment ago still holds the lock, until the kernel
/// has ended its last process.
fn patiently(mut file: File) -> Result<Flock<File>, (File, Errno)> {
    let end = Instant::now() + PATIENCE;
    loop {
        match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Err((back, Errno::EWOULDBLOCK)) if Instant::now() < end => {
                file = back;
                std::thread::sleep(Duration::from_millis(20));
            }
            done => return done,
        }
    }
}

/// Makes `path`, and what leads to it, for the owner alone.
pub(super) fn private_directory(path: &Path) -> io::Result<()> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)?;
    // it may have been there with more
    fs::set_permissions(path, fs::Permissions::from_mode(0o700))
}

/// Writes a file for the owner alone.
pub(super) fn private_file(path: &Path, contents: &[u8]) -> io::Result<()> {
    let _was_not_there = fs::remove_file(path);
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    file.write_all(contents)
}

/// Copies a directory. Where the file system can share blocks (XFS, Btrfs),
/// the standard library's copy lets it.
pub(super) fn copy_directory(from: &Path, to: &Path) -> io::Result<()> {
    fs::DirBuilder::new().mode(0o700).create(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let (source, target) = (entry.path(), to.join(entry.file_name()));
        if entry.file_type()?.is_dir() {
            copy_directory(&source, &target)?;
        } else {
            fs::copy(&source, &target)?;
        }
    }
    Ok(())
}

/// Gives `path` and all below to a user and group.
pub(super) fn give(path: &Path, uid: u32, gid: u32) -> io::Result<()> {
    if fs::symlink_metadata(path)?.is_dir() {
        for entry in fs::read_dir(path)? {
            give(&entry?.path(), uid, gid)?;
        }
    }
    chown(path, Some(uid), Some(gid))
}

/// Writes all of a file system's changes to its disk.
pub(super) fn sync(path: &Path) -> io::Result<()> {
    let directory = File::open(path)?;
    Ok(nix::unistd::syncfs(&directory)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_regions_cannot_share_a_state_directory() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("state");
        let first = StateDirectory::lock(&path, 4242).unwrap();
        let second = StateDirectory::lock(&path, 1).unwrap_err();
        assert!(
            second
                .to_string()
                .ends_with("by another region (process 4242)"),
            "{second}"
        );
        drop(first);
        StateDirectory::lock(&path, 1).unwrap();
        assert_eq!(
            fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o700
        );
    }
}
