//! Where do bytes rest? A directory only its owner can read, or memory for a region that forgets.
//!
//! Writes are atomic: a temporary file, fsync, rename. Nothing here knows what the bytes mean;
//! `vault` and `journal` make sure that what matters is encrypted before it comes here.

use std::collections::BTreeMap;
use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Seek, SeekFrom, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Why bytes could not be kept or found.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The operating system refused.
    #[error("cannot {action} `{}`", path.display())]
    Io {
        /// What was tried, as a verb.
        action: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// The system's reason.
        #[source]
        source: io::Error,
    },
    /// Another process has the state directory open.
    #[error("state directory `{}` is in use by another process", path.display())]
    InUse {
        /// The directory.
        path: PathBuf,
    },
}

/// Files by relative path (`secrets/kickytime-db.sealed`).
pub(crate) struct Store {
    backing: Backing,
}

enum Backing {
    Memory(Mutex<BTreeMap<String, Vec<u8>>>),
    /// INVARIANT: `_lock` is held exclusively for as long as the store lives.
    Directory {
        root: PathBuf,
        _lock: File,
    },
}

impl Store {
    /// A store that forgets everything when dropped.
    pub(crate) fn memory() -> Self {
        Self {
            backing: Backing::Memory(Mutex::default()),
        }
    }

    /// A store in a directory, made if absent and locked against a second process.
    pub(crate) fn directory(root: &Path) -> Result<Self, StoreError> {
        make_directory(root)?;
        let path = root.join("lock");
        let lock = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            .open(&path)
            .map_err(|source| StoreError::Io {
                action: "open",
                path: path.clone(),
                source,
            })?;
        match lock.try_lock() {
            Ok(()) => Ok(Self {
                backing: Backing::Directory {
                    root: root.to_owned(),
                    _lock: lock,
                },
            }),
            Err(TryLockError::WouldBlock) => Err(StoreError::InUse {
                path: root.to_owned(),
            }),
            Err(TryLockError::Error(source)) => Err(StoreError::Io {
                action: "lock",
                path,
                source,
            }),
        }
    }

    /// The name a person would look for on disk.
    pub(crate) fn describe(&self, path: &str) -> String {
        match &self.backing {
            Backing::Memory(_) => path.to_owned(),
            Backing::Directory { root, .. } => root.join(path).display().to_string(),
        }
    }

    /// The whole file, or `None` if there is none.
    pub(crate) fn read(&self, path: &str) -> Result<Option<Vec<u8>>, StoreError> {
        match &self.backing {
            Backing::Memory(files) => Ok(locked(files).get(path).cloned()),
            Backing::Directory { root, .. } => {
                let full = root.join(path);
                match fs::read(&full) {
                    Ok(bytes) => Ok(Some(bytes)),
                    Err(source) if source.kind() == io::ErrorKind::NotFound => Ok(None),
                    Err(source) => Err(StoreError::Io {
                        action: "read",
                        path: full,
                        source,
                    }),
                }
            }
        }
    }

    /// Replaces the file as a whole: a reader, or a crash, sees the old bytes or the new ones.
    pub(crate) fn write(&self, path: &str, bytes: &[u8]) -> Result<(), StoreError> {
        match &self.backing {
            Backing::Memory(files) => {
                locked(files).insert(path.to_owned(), bytes.to_vec());
                Ok(())
            }
            Backing::Directory { root, .. } => replace(&root.join(path), bytes),
        }
    }

    /// Adds bytes at the end, making the file if absent; the length afterwards.
    pub(crate) fn append(&self, path: &str, bytes: &[u8]) -> Result<u64, StoreError> {
        match &self.backing {
            Backing::Memory(files) => {
                let mut files = locked(files);
                let file = files.entry(path.to_owned()).or_default();
                file.extend_from_slice(bytes);
                Ok(file.len() as u64)
            }
            Backing::Directory { root, .. } => {
                let full = root.join(path);
                append(&full, bytes).map_err(|source| StoreError::Io {
                    action: "append to",
                    path: full,
                    source,
                })
            }
        }
    }

    /// Cuts the file to `length` bytes: what a torn last write left is taken away.
    pub(crate) fn truncate(&self, path: &str, length: u64) -> Result<(), StoreError> {
        match &self.backing {
            Backing::Memory(files) => {
                if let Some(file) = locked(files).get_mut(path) {
                    file.truncate(usize::try_from(length).unwrap_or(usize::MAX));
                }
                Ok(())
            }
            Backing::Directory { root, .. } => {
                let full = root.join(path);
                OpenOptions::new()
                    .write(true)
                    .open(&full)
                    .and_then(|file| file.set_len(length).and_then(|()| file.sync_all()))
                    .map_err(|source| StoreError::Io {
                        action: "truncate",
                        path: full,
                        source,
                    })
            }
        }
    }

    /// Takes the file away; one that is not there is no error.
    pub(crate) fn remove(&self, path: &str) -> Result<(), StoreError> {
        match &self.backing {
            Backing::Memory(files) => {
                locked(files).remove(path);
                Ok(())
            }
            Backing::Directory { root, .. } => {
                let full = root.join(path);
                match fs::remove_file(&full) {
                    Err(source) if source.kind() != io::ErrorKind::NotFound => {
                        Err(StoreError::Io {
                            action: "remove",
                            path: full,
                            source,
                        })
                    }
                    _ => Ok(()),
                }
            }
        }
    }

    /// Relative paths of the files directly in `directory`, sorted; none if it does not exist.
    /// Leftovers of writes that never finished are taken away on the way.
    pub(crate) fn list(&self, directory: &str) -> Result<Vec<String>, StoreError> {
        match &self.backing {
            Backing::Memory(files) => Ok(list_memory(&locked(files), directory)),
            Backing::Directory { root, .. } => list_directory(root, directory),
        }
    }
}

fn list_memory(files: &BTreeMap<String, Vec<u8>>, directory: &str) -> Vec<String> {
    let prefix = format!("{directory}/");
    files
        .keys()
        .filter(|path| {
            path.strip_prefix(&prefix)
                .is_some_and(|rest| !rest.is_empty() && !rest.contains('/'))
        })
        .cloned()
        .collect()
}

fn list_directory(root: &Path, directory: &str) -> Result<Vec<String>, StoreError> {
    let full = root.join(directory);
    let failed = |source| StoreError::Io {
        action: "list",
        path: full.clone(),
        source,
    };
    let entries = match fs::read_dir(&full) {
        Ok(entries) => entries,
        Err(source) if source.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(source) => return Err(failed(source)),
    };
    let mut paths = Vec::new();
    for entry in entries {
        let entry = entry.map_err(failed)?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if !entry.file_type().map_err(failed)?.is_file() {
            continue;
        }
        if name.ends_with(TEMPORARY) {
            fs::remove_file(entry.path()).map_err(failed)?;
        } else {
            paths.push(format!("{directory}/{name}"));
        }
    }
    paths.sort();
    Ok(paths)
}

const TEMPORARY: &str = ".tmp";

fn replace(path: &Path, bytes: &[u8]) -> Result<(), StoreError> {
    let parent = path.parent().unwrap_or(Path::new("."));
    make_directory(parent)?;
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(TEMPORARY);
    let temporary = path.with_file_name(name);
    let written = (|| {
        let mut file = OpenOptions::new()
            .create(true)
            .truncate(true)
            .write(true)
            .mode(0o600)
            .open(&temporary)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&temporary, path)?;
        File::open(parent)?.sync_all()
    })();
    written.map_err(|source| StoreError::Io {
        action: "write",
        path: path.to_owned(),
        source,
    })
}

fn append(path: &Path, bytes: &[u8]) -> io::Result<u64> {
    let open = || {
        OpenOptions::new()
            .create(true)
            .append(true)
            .mode(0o600)
            .open(path)
    };
    let mut file = match open() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            make_directory_io(path.parent().unwrap_or(Path::new(".")))?;
            open()?
        }
        other => other?,
    };
    file.write_all(bytes)?;
    file.seek(SeekFrom::End(0))
}

fn make_directory(path: &Path) -> Result<(), StoreError> {
    make_directory_io(path).map_err(|source| StoreError::Io {
        action: "make directory",
        path: path.to_owned(),
        source,
    })
}

fn make_directory_io(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// A thread that panicked between two map operations leaves the map whole, so its lock is usable.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn each_kind(check: impl Fn(&Store)) {
        check(&Store::memory());
        let directory = tempfile::tempdir().unwrap();
        check(&Store::directory(directory.path()).unwrap());
    }

    #[test]
    fn both_kinds_behave_alike() {
        each_kind(|store| {
            assert_eq!(store.read("a/b").unwrap(), None);
            store.write("a/b", b"one").unwrap();
            store.write("a/b", b"two").unwrap();
            assert_eq!(store.append("a/c/d", b"xy").unwrap(), 2);
            assert_eq!(store.append("a/c/d", b"z").unwrap(), 3);
            assert_eq!(store.read("a/b").unwrap().unwrap(), b"two");
            assert_eq!(store.list("a").unwrap(), ["a/b"]);
            store.truncate("a/c/d", 1).unwrap();
            assert_eq!(store.read("a/c/d").unwrap().unwrap(), b"x");
            store.remove("a/b").unwrap();
            store.remove("a/b").unwrap();
            assert_eq!(store.list("a").unwrap(), Vec::<String>::new());
        });
    }

    #[test]
    fn only_the_owner_can_read_and_only_one_process_can_open() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path().join("state");
        let store = Store::directory(&root).unwrap();
        store.write("hsm/key", b"material").unwrap();
        let mode = |path: &str| fs::metadata(root.join(path)).unwrap().permissions().mode() & 0o777;
        assert_eq!(
            [mode(""), mode("hsm"), mode("hsm/key")],
            [0o700, 0o700, 0o600]
        );
        assert!(matches!(
            Store::directory(&root),
            Err(StoreError::InUse { .. })
        ));
        drop(store);
        Store::directory(&root).unwrap();
    }

    #[test]
    fn an_unfinished_write_is_not_listed() {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::directory(directory.path()).unwrap();
        store.write("a/b", b"whole").unwrap();
        fs::write(directory.path().join("a/c.tmp"), b"ha").unwrap();
        assert_eq!(store.list("a").unwrap(), ["a/b"]);
    }
}
