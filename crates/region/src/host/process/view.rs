//! What does a child process see of the file system?
//!
//! The host's files, read-only, save that: name resolution, trust and users
//! are the region's own (`/etc/resolv.conf`, CA bundles, `/etc/passwd`, …);
//! `/run` and `/tmp` are empty and private, which also hides the sockets of
//! nscd, systemd-resolved, D-Bus and Docker, that would answer across network
//! namespaces; home directories and the region's state directory, with its
//! keys, are hidden. What a child needs from a hidden place is bound below
//! [`PLACE`], and only what is bound as writable can be written.

use std::ffi::{CString, OsStr};
use std::fs;
use std::io;
use std::net::Ipv4Addr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{OFlag, open};
use nix::mount::{MsFlags, mount};
use nix::sys::stat::Mode;
use nix::unistd::{mkdir, write};

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

/// One change to the child's mounts; made of system calls on prepared data,
/// because it runs between fork and exec.
#[derive(Debug)]
pub(super) enum Step {
    /// An empty, private file system over a directory.
    Empty(CString),
    /// A directory.
    Directory(CString),
    /// A file with contents.
    File(CString, Vec<u8>),
    /// A file or directory shown at another place.
    Bind(CString, CString),
    /// Everything is read-only from here on.
    ReadOnly,
    /// Except this.
    Writable(CString),
}

impl Step {
    /// As in "cannot …".
    pub(super) fn describe(&self) -> String {
        let shown = |path: &CString| path.to_string_lossy().into_owned();
        match self {
            Self::Empty(path) => format!("mount an empty file system over `{}`", shown(path)),
            Self::Directory(path) => format!("make the directory `{}`", shown(path)),
            Self::File(path, _) => format!("write `{}`", shown(path)),
            Self::Bind(from, to) => format!("show `{}` at `{}`", shown(from), shown(to)),
            Self::ReadOnly => "make the file system read-only".to_owned(),
            Self::Writable(path) => format!("make `{}` writable", shown(path)),
        }
    }

    /// Does it. Async-signal-safe: system calls only, nothing is allocated.
    pub(super) fn execute(&self) -> Result<(), Errno> {
        let none: Option<&std::ffi::CStr> = None;
        match self {
            Self::Empty(path) => mount(
                Some(c"tmpfs"),
                path.as_c_str(),
                Some(c"tmpfs"),
                MsFlags::MS_NOSUID | MsFlags::MS_NODEV,
                Some(c"mode=1777,size=64m"),
            ),
            Self::Directory(path) => {
                match mkdir(path.as_c_str(), Mode::from_bits_truncate(0o755)) {
                    Err(Errno::EEXIST) => Ok(()),
                    made => made,
                }
            }
            Self::File(path, contents) => {
                let flags = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_TRUNC | OFlag::O_CLOEXEC;
                let file = open(path.as_c_str(), flags, Mode::from_bits_truncate(0o644))?;
                let mut rest = contents.as_slice();
                while !rest.is_empty() {
                    rest = rest.get(write(&file, rest)?..).unwrap_or_default();
                }
                Ok(())
            }
            Self::Bind(from, to) => {
                let flags = MsFlags::MS_BIND | MsFlags::MS_REC;
                mount(Some(from.as_c_str()), to.as_c_str(), none, flags, none)
            }
            Self::ReadOnly => match set_read_only(c"/", true) {
                // a kernel before 5.12: the rest of the view still holds
                Err(Errno::ENOSYS) => Ok(()),
                done => done,
            },
            Self::Writable(path) => match set_read_only(path, false) {
                Err(Errno::ENOSYS) => Ok(()),
                done => done,
            },
        }
    }
}

/// `struct mount_attr` of linux/mount.h.
#[repr(C)]
struct MountAttr {
    set: u64,
    clear: u64,
    propagation: u64,
    userns_fd: u64,
}

fn set_read_only(path: &std::ffi::CStr, read_only: bool) -> Result<(), Errno> {
    const MOUNT_ATTR_RDONLY: u64 = 1;
    let flag = |on: bool| if on { MOUNT_ATTR_RDONLY } else { 0 };
    let attr = MountAttr {
        set: flag(read_only),
        clear: flag(!read_only),
        propagation: 0,
        userns_fd: 0,
    };
    #[expect(unsafe_code, reason = "mount_setattr has no safe form")]
    // SAFETY: `path` ends with a zero, `attr` lives through the call and its
    // size is given; the kernel only reads both.
    let result = unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            libc::AT_FDCWD,
            path.as_ptr(),
            libc::AT_RECURSIVE,
            &raw const attr,
            size_of::<MountAttr>(),
        )
    };
    Errno::result(result).map(drop)
}

/// The steps that make `view` true for a child of these ids.
pub(super) fn steps(view: &View, uid: u32, gid: u32) -> io::Result<Vec<Step>> {
    let mut steps = vec![
        Step::Empty(c"/run".to_owned()),
        Step::Directory(c_path(PLACE)?),
    ];
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
    for path in writable.chain(["/tmp".into(), "/dev/shm".into()]) {
        steps.push(Step::Writable(c_path(path)?));
    }
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
mod tests {
    use super::*;

    #[test]
    fn binds_come_before_what_hides_them() {
        let directory = tempfile::tempdir().unwrap();
        let data = directory.path().join("data");
        fs::create_dir(&data).unwrap();
        let view = View {
            binds: vec![Bind {
                source: data,
                name: "data".to_owned(),
                writable: true,
            }],
            hidden: vec![directory.path().to_owned()],
            ..View::default()
        };
        let steps = steps(&view, 1000, 1000).unwrap();
        let place = |wanted: &str| {
            steps
                .iter()
                .position(|step| step.describe().contains(wanted))
                .unwrap()
        };
        let hidden = format!("empty file system over `{}`", directory.path().display());
        assert!(place("empty file system over `/run`") < place("at `/run/kickytime/data`"));
        assert!(place("at `/run/kickytime/data`") < place(&hidden));
        assert!(place(&hidden) < place("read-only"));
        assert!(place("read-only") < place("make `/run/kickytime/data` writable"));
    }

    #[test]
    fn a_dangling_link_into_run_is_given_its_file() {
        let directory = tempfile::tempdir().unwrap();
        let link = directory.path().join("resolv.conf");
        std::os::unix::fs::symlink("/run/none-such/stub-resolv.conf", &link).unwrap();
        let (mut steps, mut covers) = (Vec::new(), Vec::new());
        place_file(&mut steps, &mut covers, 0, &link, "nameserver".to_owned()).unwrap();
        let told: Vec<String> = steps.iter().map(Step::describe).collect();
        assert_eq!(
            told,
            [
                "make the directory `/run/none-such`",
                "write `/run/none-such/stub-resolv.conf`"
            ]
        );
        assert!(covers.is_empty());
        place_file(
            &mut steps,
            &mut covers,
            0,
            &directory.path().join("gone"),
            String::new(),
        )
        .unwrap();
        assert_eq!(steps.len(), 2, "a file the host lacks is not made");
    }
}
