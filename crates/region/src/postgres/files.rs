//! A server's directory: the template, the copy of it.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt, chown};
use std::path::Path;

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
