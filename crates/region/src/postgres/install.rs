//! Which PostgreSQL is on this machine?

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Where distributions keep servers that are not in `PATH`, one directory for
/// each version.
const VERSIONED: &str = "/usr/lib/postgresql";

/// A PostgreSQL server's programs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Installation {
    /// The directory with `postgres` and `initdb`, symlinks followed: the
    /// server finds its libraries from there.
    pub programs: PathBuf,
    /// As `postgres --version` says it, as in `16.4`.
    pub version: String,
}

/// There is no usable PostgreSQL.
#[derive(Debug, thiserror::Error)]
#[error("PostgreSQL is not installed: no `postgres` beside an `initdb` in {}", .searched.join(", "))]
pub struct NotInstalled {
    /// The directories looked at.
    pub searched: Vec<String>,
}

impl NotInstalled {
    /// What to do about it.
    pub fn hint(&self) -> &'static str {
        "run `./setup`, or install your system's PostgreSQL server (on Debian and Ubuntu `sudo \
         apt-get install postgresql`)"
    }
}

impl Installation {
    /// The one in `PATH`, else the newest under `/usr/lib/postgresql`, else
    /// that in `/usr/local/bin`.
    pub fn find() -> Result<Self, NotInstalled> {
        let path = std::env::var_os("PATH").unwrap_or_default();
        Self::find_in(&candidates(&path, Path::new(VERSIONED)))
    }

    fn find_in(directories: &[PathBuf]) -> Result<Self, NotInstalled> {
        directories
            .iter()
            .find_map(|directory| installed_in(directory))
            .ok_or_else(|| {
                let searched = directories
                    .iter()
                    .map(|d| format!("`{}`", d.display()))
                    .collect();
                NotInstalled { searched }
            })
    }

    /// The version's first number: data of one cannot be read by another.
    pub fn major(&self) -> &str {
        self.version.split('.').next().unwrap_or(&self.version)
    }
}

fn candidates(path: &OsStr, versioned: &Path) -> Vec<PathBuf> {
    let mut versions: Vec<(u32, PathBuf)> = fs::read_dir(versioned)
        .into_iter()
        .flatten()
        .filter_map(|entry| {
            let entry = entry.ok()?;
            Some((
                entry.file_name().to_str()?.parse().ok()?,
                entry.path().join("bin"),
            ))
        })
        .collect();
    versions.sort_by(|one, other| other.cmp(one));
    let mut all: Vec<PathBuf> = std::env::split_paths(path)
        .filter(|directory| directory.is_absolute())
        .chain(versions.into_iter().map(|(_, directory)| directory))
        .chain([PathBuf::from("/usr/local/bin")])
        .collect();
    let mut seen = std::collections::BTreeSet::new();
    all.retain(|directory| seen.insert(directory.clone()));
    all
}

fn installed_in(directory: &Path) -> Option<Installation> {
    let server = fs::canonicalize(directory.join("postgres")).ok()?;
    let programs = server.parent()?.to_owned();
    if !programs.join("initdb").is_file() {
        return None;
    }
    let output = Command::new(&server).arg("--version").output().ok()?;
    let version = parse_version(&String::from_utf8(output.stdout).ok()?)?;
    Some(Installation { programs, version })
}

/// The number in `postgres (PostgreSQL) 16.4 (Debian 16.4-1)`.
fn parse_version(text: &str) -> Option<String> {
    let (_, rest) = text.split_once("(PostgreSQL) ")?;
    let version = rest.split_whitespace().next()?;
    version
        .starts_with(|c: char| c.is_ascii_digit())
        .then(|| version.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_as_servers_say_them() {
        let version = |text: &str| parse_version(text);
        assert_eq!(
            version("postgres (PostgreSQL) 16.4 (Debian 16.4-1)\n").unwrap(),
            "16.4"
        );
        assert_eq!(
            version("postgres (PostgreSQL) 18beta1\n").unwrap(),
            "18beta1"
        );
        assert_eq!(version("postgres (EnterpriseDB) 16.4\n"), None);
    }

    #[test]
    fn the_path_first_then_newest_version_first() {
        let directory = tempfile::tempdir().unwrap();
        for version in ["9", "17", "15", "notes"] {
            fs::create_dir(directory.path().join(version)).unwrap();
        }
        let found = candidates(OsStr::new("/a:relative:/a:/b"), directory.path());
        let shown: Vec<String> = found
            .iter()
            .map(|path| {
                path.strip_prefix(directory.path())
                    .unwrap_or(path)
                    .display()
                    .to_string()
            })
            .collect();
        assert_eq!(
            shown,
            ["/a", "/b", "17/bin", "15/bin", "9/bin", "/usr/local/bin"]
        );
    }

    #[test]
    fn a_missing_server_is_named_with_what_installs_it() {
        let error = Installation::find_in(&["/nowhere".into(), "/none".into()]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "PostgreSQL is not installed: no `postgres` beside an `initdb` in `/nowhere`, `/none`"
        );
        assert!(error.hint().contains("./setup"));
    }
}
