//! A process by a descriptor, which never comes to mean another one.

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

use nix::errno::Errno;
use nix::sys::signal::Signal;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// Of a process that is not reaped yet.
pub(super) fn open(pid: u32) -> io::Result<OwnedFd> {
    #[expect(unsafe_code, reason = "pidfd_open has no safe form")]
    // SAFETY: the call takes two numbers; what it returns is a new descriptor
    // (close-on-exec) that nothing else owns.
    unsafe {
        let fd = Errno::result(libc::syscall(libc::SYS_pidfd_open, pid, 0))?;
        let fd = i32::try_from(fd).map_err(io::Error::other)?;
        Ok(OwnedFd::from_raw_fd(fd))
    }
}

/// Readable at the process's end. Must be called on a runtime.
pub(super) fn watch(pidfd: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
    #[expect(unsafe_code, reason = "registering a descriptor asks for a promise")]
    // SAFETY: the descriptor moves into what is returned, which gives out no
    // mutable access to it: it stays open, and the same, for as long.
    let watched = unsafe { AsyncFd::register_with_interest(pidfd, Interest::READABLE) };
    Ok(watched?)
}

/// Sends a signal; to a process that has ended, none.
pub(super) fn signal(pidfd: &OwnedFd, signal: Signal) -> io::Result<()> {
    #[expect(unsafe_code, reason = "pidfd_send_signal has no safe form")]
    // SAFETY: the descriptor is open, no information is given, flags are none.
    let sent = unsafe {
        libc::syscall(
            libc::SYS_pidfd_send_signal,
            pidfd.as_raw_fd(),
            signal as libc::c_int,
            0,
            0,
        )
    };
    match Errno::result(sent) {
        Ok(_) | Err(Errno::ESRCH) => Ok(()),
        Err(errno) => Err(errno.into()),
    }
}
