//! The state directory: made private, held by one region at a time.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};

/// Its presence says that a directory is ours to empty.
const MARKER: &str = "kickytime-state";
const LOCK: &str = "lock";
/// Holds the stack whose state it is.
const STACK: &str = "stack";
/// Longest wait for the lock of a region that is just ending.
const PATIENCE: Duration = Duration::from_millis(1500);

/// A locked state directory. The lock goes with the value, or with the
/// process, however it ends.
#[derive(Debug)]
pub struct StateDirectory {
    path: PathBuf,
    _lock: Flock<File>,
}

/// Why a directory cannot hold the region's state.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    #[error("cannot use the state directory `{path}`")]
    Io { path: PathBuf, source: io::Error },
    #[error("a region is already running with the state directory `{0}`")]
    Locked(PathBuf),
    #[error("`{0}` is not a state directory of kickytime, so it is not removed")]
    NotOurs(PathBuf),
    #[error("the state directory `{path}` is that of stack `{theirs}`, not of `{ours}`")]
    OtherStack {
        path: PathBuf,
        theirs: String,
        ours: String,
    },
}

impl StateError {
    /// What to do about it.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Locked(_) => Some("stop it with `kickytime down`, or name another with --state"),
            Self::NotOurs(_) => Some("name another directory with --state"),
            Self::OtherStack { .. } => Some(
                "name another directory with --state, start over with --fresh, or say whose it \
                 is with --stack-name",
            ),
            Self::Io { .. } => None,
        }
    }
}

impl StateDirectory {
    /// Opens `path`, making it if needed; `fresh` empties it first.
    ///
    /// # Errors
    ///
    /// When it cannot be made, is in use, or is not ours to empty.
    pub fn open(path: &Path, fresh: bool) -> Result<Self, StateError> {
        let failed = |source| StateError::Io {
            path: path.to_owned(),
            source,
        };
        if !is_ours(path).map_err(failed)? {
            return Err(StateError::NotOurs(path.to_owned()));
        }
        let mut builder = fs::DirBuilder::new();
        builder
            .recursive(true)
            .mode(0o700)
            .create(path)
            .map_err(failed)?;
        let path = path.canonicalize().map_err(failed)?;
        let failed = |source| StateError::Io {
            path: path.clone(),
            source,
        };
        // an empty directory that was there may have been open to all
        fs::set_permissions(&path, fs::Permissions::from_mode(0o700)).map_err(failed)?;
        let lock = private(&path.join(LOCK)).map_err(failed)?;
        let lock = patiently(lock).ok_or_else(|| StateError::Locked(path.clone()))?;
        private(&path.join(MARKER))
            .and_then(|mut file| file.write_all(b"local region of kickytime\n"))
            .map_err(failed)?;
        if fresh {
            empty(&path).map_err(failed)?;
        }
        Ok(Self { path, _lock: lock })
    }

    /// The directory, absolute.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Notes whose state this is. Keys, secrets and databases are those of one
    /// stack, and of no use to another.
    ///
    /// # Errors
    ///
    /// When it is another stack's already.
    pub fn belong_to(&self, stack: &str) -> Result<(), StateError> {
        let path = self.path.join(STACK);
        let failed = |source| StateError::Io {
            path: path.clone(),
            source,
        };
        let theirs = match fs::read_to_string(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
            read => read.map_err(failed)?,
        };
        match theirs.trim_end() {
            "" => private(&path)
                .and_then(|mut file| writeln!(file, "{stack}"))
                .map_err(failed),
            theirs if theirs == stack => Ok(()),
            theirs => Err(StateError::OtherStack {
                path: self.path.clone(),
                theirs: theirs.to_owned(),
                ours: stack.to_owned(),
            }),
        }
    }

    /// A private directory inside, made if needed.
    ///
    /// # Errors
    ///
    /// Those of making it.
    pub fn subdirectory(&self, name: &str) -> Result<PathBuf, StateError> {
        let path = self.path.join(name);
        let mut builder = fs::DirBuilder::new();
        match builder.recursive(true).mode(0o700).create(&path) {
            Ok(()) => Ok(path),
            Err(source) => Err(StateError::Io { path, source }),
        }
    }
}

/// A region that was killed a moment ago still holds the lock, until the kernel
/// has ended its last process.
fn patiently(mut file: File) -> Option<Flock<File>> {
    let end = Instant::now() + PATIENCE;
    loop {
        match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Ok(lock) => return Some(lock),
            Err((back, Errno::EWOULDBLOCK)) if Instant::now() < end => {
                file = back;
                std::thread::sleep(Duration::from_millis(20));
            }
            Err(_) => return None,
        }
    }
}

/// A file only its owner can read, kept if it is there.
fn private(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .mode(0o600)
        .open(path)
}

/// Whether a directory is a state directory, or may become one: there is
/// nothing, or nothing but the lock of a start that was ended at its very begin.
fn is_ours(path: &Path) -> io::Result<bool> {
    let entries = match fs::read_dir(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(true),
        entries => entries?,
    };
    let mut only_lock = true;
    for entry in entries {
        let name = entry?.file_name();
        if name == MARKER {
            return Ok(true);
        }
        only_lock &= name == LOCK;
    }
    Ok(only_lock)
}

/// Everything but the lock and the marker: whatever interrupts this, the
/// directory is still known as ours.
fn empty(path: &Path) -> io::Result<()> {
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        if [LOCK, MARKER].iter().any(|kept| entry.file_name() == *kept) {
            continue;
        }
        if entry.file_type()?.is_dir() {
            fs::remove_dir_all(entry.path())?;
        } else {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_region_at_a_time_and_only_our_own_directories() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("state");
        let held = StateDirectory::open(&path, false).unwrap();
        fs::write(path.join("data"), "x").unwrap();
        assert!(matches!(
            StateDirectory::open(&path, true),
            Err(StateError::Locked(_))
        ));
        assert!(
            path.join("data").exists(),
            "a refused start must lose nothing"
        );
        drop(held);
        drop(StateDirectory::open(&path, true).unwrap());
        assert!(!path.join("data").exists());

        let foreign = parent.path().join("photos");
        fs::create_dir(&foreign).unwrap();
        fs::write(foreign.join("one.jpg"), "x").unwrap();
        assert!(matches!(
            StateDirectory::open(&foreign, true),
            Err(StateError::NotOurs(_))
        ));
        assert!(foreign.join("one.jpg").exists());
    }

    #[test]
    fn what_an_interrupted_start_left_is_still_ours() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("state");
        fs::create_dir(&path).unwrap();
        fs::write(path.join(LOCK), "").unwrap();
        drop(StateDirectory::open(&path, false).unwrap());
        fs::write(path.join("data"), "x").unwrap();
        empty(&path).unwrap();
        fs::write(path.join("rest of what was to be removed"), "x").unwrap();
        drop(StateDirectory::open(&path, true).unwrap());
        let mut left: Vec<_> = fs::read_dir(&path)
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        left.sort();
        assert_eq!(left, [MARKER, LOCK]);
    }

    #[test]
    fn a_directory_that_was_open_to_all_is_closed() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("state");
        fs::create_dir(&path).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        let held = StateDirectory::open(&path, false).unwrap();
        let mode = fs::metadata(held.path()).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
        assert!(matches!(
            StateDirectory::open(&path.join(LOCK), false),
            Err(StateError::Io { .. })
        ));
    }

    #[test]
    fn a_directory_is_one_stacks() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("state");
        for _ in 0..2 {
            let state = StateDirectory::open(&path, false).unwrap();
            state.belong_to("kickytime in ap-northeast-2").unwrap();
        }
        let state = StateDirectory::open(&path, false).unwrap();
        let refused = state.belong_to("copy in ap-northeast-2").unwrap_err();
        let told = refused.to_string();
        assert!(told.contains("`kickytime in ap-northeast-2`"), "{told}");
        assert!(told.contains("`copy in ap-northeast-2`"), "{told}");
        assert!(refused.hint().is_some());
        drop(state);
        let state = StateDirectory::open(&path, true).unwrap();
        state.belong_to("copy in ap-northeast-2").unwrap();
    }
}
