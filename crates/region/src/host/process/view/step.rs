//! What is one change to a child's mounts?
//!
//! A system call or a few on prepared data: they are made between fork and exec,
//! where nothing may be allocated.

use std::ffi::{CString, OsStr};
use std::os::unix::ffi::OsStrExt as _;

use nix::errno::Errno;
use nix::fcntl::{OFlag, open};
use nix::mount::{MsFlags, mount};
use nix::sys::stat::Mode;
use nix::unistd::{UnlinkatFlags, mkdir, sethostname, symlinkat, unlinkat, write};

/// One change to the child's mounts.
#[derive(Debug)]
pub(in crate::host::process) enum Step {
    /// An empty, private file system over a directory.
    Empty(CString),
    /// A directory.
    Directory(CString),
    /// A file with contents.
    File(CString, Vec<u8>),
    /// A file or directory shown at another place.
    Bind(CString, CString),
    /// A symbolic link: what it says, and where it stands.
    Link(CString, CString),
    /// Processes, of this child's own namespace alone.
    Processes,
    /// An empty place for devices. In one that everybody may write to, the kernel
    /// would keep an ordinary user from opening `/dev/null` by `>`.
    Devices(CString),
    /// Pseudo terminals, this child's own alone.
    Terminals(CString),
    /// What is mounted at a place goes to another.
    Move(CString, CString),
    /// What the host is called, in this child's own namespace alone.
    HostName(CString),
    /// Everything is read-only from here on.
    ReadOnly,
    /// Except this.
    Writable(CString),
}

impl Step {
    /// As in "cannot …".
    pub(in crate::host::process) fn describe(&self) -> String {
        let shown = |path: &CString| path.to_string_lossy().into_owned();
        match self {
            Self::Empty(path) => format!("mount an empty file system over `{}`", shown(path)),
            Self::Directory(path) => format!("make the directory `{}`", shown(path)),
            Self::File(path, _) => format!("write `{}`", shown(path)),
            Self::Bind(from, to) => format!("show `{}` at `{}`", shown(from), shown(to)),
            Self::Link(text, at) => format!("link `{}` to `{}`", shown(at), shown(text)),
            Self::Processes => "mount a `/proc` of its own".to_owned(),
            Self::Devices(path) => format!("mount a place for devices at `{}`", shown(path)),
            Self::Terminals(path) => format!("mount terminals at `{}`", shown(path)),
            Self::Move(from, to) => format!("move `{}` to `{}`", shown(from), shown(to)),
            Self::HostName(name) => format!("call the host `{}`", shown(name)),
            Self::ReadOnly => "make the file system read-only".to_owned(),
            Self::Writable(path) => format!("make `{}` writable", shown(path)),
        }
    }

    /// Does it. Async-signal-safe: system calls only, nothing is allocated.
    pub(in crate::host::process) fn execute(&self) -> Result<(), Errno> {
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
            Self::Link(text, at) => symlinkat(text.as_c_str(), nix::fcntl::AT_FDCWD, at.as_c_str()),
            Self::HostName(name) => sethostname(OsStr::from_bytes(name.to_bytes())),
            Self::Processes => mount(
                Some(c"proc"),
                c"/proc",
                Some(c"proc"),
                MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC,
                none,
            ),
            Self::Devices(path) => mount(
                Some(c"tmpfs"),
                path.as_c_str(),
                Some(c"tmpfs"),
                MsFlags::MS_NOSUID,
                Some(c"mode=0755,size=64k"),
            ),
            Self::Terminals(path) => mount(
                Some(c"devpts"),
                path.as_c_str(),
                Some(c"devpts"),
                MsFlags::MS_NOSUID | MsFlags::MS_NOEXEC,
                Some(c"newinstance,ptmxmode=0666,mode=0620"),
            ),
            Self::Move(from, to) => {
                let (from, to) = (from.as_c_str(), to.as_c_str());
                mount(Some(from), to, none, MsFlags::MS_MOVE, none)?;
                unlinkat(nix::fcntl::AT_FDCWD, from, UnlinkatFlags::RemoveDir)
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
