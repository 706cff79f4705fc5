//! What does a child process see of the file system?
//!
//! The host's files, read-only, save that: name resolution, trust and users
//! are the region's own (`/etc/resolv.conf`, CA bundles, `/etc/passwd`, …);
//! `/run` and `/tmp` are empty and private, which also hides the sockets of
//! nscd, systemd-resolved, D-Bus and Docker, that would answer across network
//! namespaces; home directories and the region's state directory, with its
//! keys, are hidden. What a child needs from a hidden place is bound below
//! [`PLACE`], and only what is bound as writable can be written.

mod step;

use std::ffi::{CString, OsStr};
use std::fs;
use std::io;
use std::net::Ipv4Addr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

pub(super) use step::Step;

/// Where a child finds what is bound for it.
pub const PLACE: &str = "/run/kickytime";

/// The region's CA bundle, as a child sees it.
pub const CA_BUNDLE: &str = "/run/kickytime/ca-bundle.pem";

/// The directory of trusted certificates, which a child has to itself.
const TRUST_DIRECTORY: &str = "/etc/ssl/certs";

/// Files of [`TRUST_DIRECTORY`]: the system's bundle, and the authorities of
/// RDS, which an image brings along.
const TRUST_FILES: [&str; 2] = ["ca-certificates.crt", "rds.pem"];

/// Where other distributions keep the system's CA bundle.
const SYSTEM_CA_BUNDLES: [&str; 4] = [
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// The host's devices that a child may use.
const DEVICES: [&str; 6] = ["full", "null", "random", "tty", "urandom", "zero"];

/// Links of `/dev`, and what they say.
const DEVICE_LINKS: [(&str, &str); 5] = [
    ("fd", "/proc/self/fd"),
    ("ptmx", "pts/ptmx"),
    ("stderr", "/proc/self/fd/2"),
    ("stdin", "/proc/self/fd/0"),
    ("stdout", "/proc/self/fd/1"),
];

/// The variables by which programs that bring a CA bundle of their own are
/// told of ours: Rust and Go, the AWS SDKs, Python, curl, Node.
pub const TRUST_ENVIRONMENT: [(&str, &str); 5] = [
    ("AWS_CA_BUNDLE", CA_BUNDLE),
    ("CURL_CA_BUNDLE", CA_BUNDLE),
    ("NODE_EXTRA_CA_CERTS", CA_BUNDLE),
    ("REQUESTS_CA_BUNDLE", CA_BUNDLE),
    ("SSL_CERT_FILE", CA_BUNDLE),
];

/// A file or directory shown at another place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bind {
    /// On the host.
    pub source: PathBuf,
    /// Name below [`PLACE`].
    pub name: String,
    /// May the child write there?
    pub writable: bool,
}

impl Bind {
    /// Where the child finds it.
    pub fn target(&self) -> PathBuf {
        Path::new(PLACE).join(&self.name)
    }
}

/// What a child sees.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct View {
    /// The resolver that `/etc/resolv.conf` names.
    pub resolver: Option<Ipv4Addr>,
    /// What it is told its host is called; by default the name of the host itself.
    pub host_name: Option<String>,
    /// Lines of `/etc/hosts` after `localhost`.
    pub hosts: Vec<(Ipv4Addr, String)>,
    /// The certificates to trust, PEM.
    pub ca_bundle: String,
    /// What is bound below [`PLACE`].
    pub binds: Vec<Bind>,
    /// Directories that look empty.
    pub hidden: Vec<PathBuf>,
}

impl View {
    /// The files made for a child of these ids: host path and contents.
    fn files(&self, uid: u32, gid: u32) -> Vec<(&'static str, String)> {
        let resolver = match self.resolver {
            Some(address) => format!("nameserver {address}\noptions timeout:2 attempts:2\n"),
            None => "# no resolver in this network\n".to_owned(),
        };
        let hosts = self
            .hosts
            .iter()
            .map(|(address, name)| format!("{address}\t{name}\n"));
        let mut files = vec![
            ("/etc/resolv.conf", resolver),
            // nss-resolve would ask systemd-resolved, on the host
            (
                "/etc/nsswitch.conf",
                "passwd: files\ngroup: files\nhosts: files dns\n".to_owned(),
            ),
            (
                "/etc/hosts",
                ["127.0.0.1\tlocalhost\n".to_owned()]
                    .into_iter()
                    .chain(hosts)
                    .collect(),
            ),
            (
                "/etc/passwd",
                format!(
                    "root:x:0:0:root:/:/usr/sbin/nologin\n\
                     kickytime:x:{uid}:{gid}:Kickytime:/:/usr/sbin/nologin\n"
                ),
            ),
            ("/etc/group", format!("root:x:0:\nkickytime:x:{gid}:\n")),
            (CA_BUNDLE, self.ca_bundle.clone()),
        ];
        if !self.ca_bundle.is_empty() {
            files.extend(SYSTEM_CA_BUNDLES.map(|path| (path, self.ca_bundle.clone())));
        }
        files
    }
}

/// The steps that make `view` true for a child of these ids. `own_proc`: the kernel
/// lets us mount a `/proc`; else there is none, for the one at hand shows the
/// processes, and with them the memory, of others.
pub(super) fn steps(view: &View, uid: u32, gid: u32, own_proc: bool) -> io::Result<Vec<Step>> {
    let mut steps = vec![
        Step::Empty(c"/run".to_owned()),
        Step::Directory(c_path(PLACE)?),
        match own_proc {
            true => Step::Processes,
            false => Step::Empty(c"/proc".to_owned()),
        },
    ];
    if let Some(name) = &view.host_name {
        steps.push(Step::HostName(c_path(name)?));
    }
    steps.extend(devices()?);
    for bind in &view.binds {
        let target = c_path(bind.target())?;
        steps.push(match fs::metadata(&bind.source)?.is_dir() {
            true => Step::Directory(target.clone()),
            false => Step::File(target.clone(), Vec::new()),
        });
        steps.push(Step::Bind(c_path(&bind.source)?, target));
    }
    let mut covers = Vec::new();
    for (number, (path, contents)) in view.files(uid, gid).into_iter().enumerate() {
        place_file(&mut steps, &mut covers, number, Path::new(path), contents)?;
    }
    covers.extend(trust_directory(view)?);
    let hidden = view.hidden.iter().map(PathBuf::as_path);
    let empty = [Path::new("/tmp"), Path::new("/home"), Path::new("/root")];
    for directory in hidden.chain(empty) {
        if let Ok(directory) = fs::canonicalize(directory)
            && directory.is_dir()
            && !directory.starts_with("/run")
        {
            covers.push(Step::Empty(c_path(directory)?));
        }
    }
    steps.extend(covers);
    steps.push(Step::ReadOnly);
    let writable = view
        .binds
        .iter()
        .filter(|bind| bind.writable)
        .map(Bind::target);
    let always = ["/tmp", "/dev/shm", "/dev/pts"].map(PathBuf::from);
    for path in writable.chain(always) {
        steps.push(Step::Writable(c_path(path)?));
    }
    Ok(steps)
}

/// A `/dev` with what OCI containers have.
/// <https://github.com/opencontainers/runtime-spec/blob/main/config-linux.md#default-devices>
fn devices() -> io::Result<Vec<Step>> {
    let made = Path::new(PLACE).join("dev");
    let mut steps = vec![
        Step::Directory(c_path(&made)?),
        Step::Devices(c_path(&made)?),
    ];
    for name in DEVICES {
        let device = Path::new("/dev").join(name);
        if !device.exists() {
            continue;
        }
        let target = c_path(made.join(name))?;
        steps.push(Step::File(target.clone(), Vec::new()));
        steps.push(Step::Bind(c_path(device)?, target));
    }
    for (name, text) in DEVICE_LINKS {
        steps.push(Step::Link(c_path(text)?, c_path(made.join(name))?));
    }
    for name in ["shm", "pts"] {
        steps.push(Step::Directory(c_path(made.join(name))?));
    }
    steps.push(Step::Empty(c_path(made.join("shm"))?));
    steps.push(Step::Terminals(c_path(made.join("pts"))?));
    steps.push(Step::Move(c_path(&made)?, c"/dev".to_owned()));
    Ok(steps)
}

/// The certificates to trust under the names programs look for, in a directory
/// that holds nothing else.
fn trust_directory(view: &View) -> io::Result<Vec<Step>> {
    let directory = Path::new(TRUST_DIRECTORY);
    if view.ca_bundle.is_empty() || !directory.is_dir() {
        return Ok(Vec::new());
    }
    let directory = fs::canonicalize(directory)?;
    let mut steps = vec![Step::Empty(c_path(&directory)?)];
    for name in TRUST_FILES {
        let contents = view.ca_bundle.clone().into_bytes();
        steps.push(Step::File(c_path(directory.join(name))?, contents));
    }
    Ok(steps)
}

/// A made file stands in the private `/run`; when the host's path (its
/// symlinks followed) leads elsewhere, it is then bound over it.
fn place_file(
    steps: &mut Vec<Step>,
    covers: &mut Vec<Step>,
    number: usize,
    path: &Path,
    contents: String,
) -> io::Result<()> {
    let real = if path.starts_with("/run") {
        Ok(path.to_owned())
    } else {
        resolve(path)
    };
    let real = match real {
        // the host has no such file, so nobody reads it
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        real => real?,
    };
    if let Ok(below) = real.strip_prefix("/run") {
        let mut parent = PathBuf::from("/run");
        for directory in below.parent().into_iter().flat_map(Path::iter) {
            parent.push(directory);
            steps.push(Step::Directory(c_path(&parent)?));
        }
        steps.push(Step::File(c_path(&real)?, contents.into_bytes()));
        return Ok(());
    }
    let made = Path::new(PLACE).join(format!("file-{number}"));
    steps.push(Step::File(c_path(&made)?, contents.into_bytes()));
    covers.push(Step::Bind(c_path(&made)?, c_path(&real)?));
    Ok(())
}

/// Follows symlinks, also one into a `/run` that lacks the file.
fn resolve(path: &Path) -> io::Result<PathBuf> {
    fs::canonicalize(path).or_else(|error| {
        let target = path
            .parent()
            .unwrap_or(path)
            .join(fs::read_link(path).map_err(|_| error)?);
        let target = normal(&target);
        if target.starts_with("/run") {
            return Ok(target);
        }
        Err(io::Error::from(io::ErrorKind::NotFound))
    })
}

/// `a/../b` as `b`, by the letters.
fn normal(path: &Path) -> PathBuf {
    path.components()
        .fold(PathBuf::new(), |mut normal, component| {
            match component {
                std::path::Component::ParentDir => drop(normal.pop()),
                std::path::Component::CurDir => {}
                component => normal.push(component),
            }
            normal
        })
}

/// A path for a system call.
pub(super) fn c_path(path: impl AsRef<OsStr>) -> io::Result<CString> {
    Ok(CString::new(path.as_ref().as_bytes())?)
}

#[cfg(test)]
mod tests;
