//! Forking, which is sound only while there is one thread.

use std::io::{self, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};

use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{ForkResult, Pid, fork};

/// Exit code of a child whose work panicked, as Rust programs have it.
pub(crate) const PANICKED: u8 = 101;

/// What a child does at its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    /// Leaves at once: nothing of the parent's is flushed a second time.
    Abrupt,
    /// Flushes what it has written, as any program.
    Orderly,
}

/// True when the calling thread is the only one of the process.
pub(crate) fn single_threaded() -> io::Result<bool> {
    Ok(std::fs::read_dir("/proc/self/task")?.count() == 1)
}

/// Runs `work` in a child process, which ends with the code it returns.
/// Only call this while [`single_threaded`].
pub(crate) fn fork_child(ending: Ending, work: impl FnOnce() -> u8) -> io::Result<Pid> {
    // else what is buffered is written by parent and child both
    io::stdout().flush()?;
    #[expect(unsafe_code, reason = "fork has no safe form")]
    // SAFETY: callers made sure that there is one thread, so no lock is held
    // by a thread that the child does not have.
    let forked = unsafe { fork() }?;
    match forked {
        ForkResult::Parent { child } => Ok(child),
        ForkResult::Child => {
            // unwinding must not run on into the parent's frames
            let code = catch_unwind(AssertUnwindSafe(work)).unwrap_or(PANICKED);
            match ending {
                Ending::Abrupt => exit_abruptly(code),
                Ending::Orderly => exit_orderly(code),
            }
        }
    }
}

/// Ends the process without running exit handlers.
pub(crate) fn exit_abruptly(code: u8) -> ! {
    #[expect(unsafe_code, reason = "leaves without the parent's exit handlers")]
    // SAFETY: _exit takes any number and touches no memory.
    unsafe {
        libc::_exit(i32::from(code))
    }
}

#[expect(
    clippy::exit,
    reason = "the end of a forked process, whose caller's frames are a copy"
)]
fn exit_orderly(code: u8) -> ! {
    std::process::exit(i32::from(code))
}

/// The code of a child that has ended, 128 + signal when a signal ended it.
/// `None` while it runs.
pub(crate) fn ended(child: Pid) -> io::Result<Option<u8>> {
    Ok(exit_code(waitpid(child, Some(WaitPidFlag::WNOHANG))?))
}

/// Waits for a child's end.
pub(crate) fn wait(child: Pid) -> io::Result<u8> {
    loop {
        match waitpid(child, None) {
            Err(nix::errno::Errno::EINTR) => {}
            status => {
                if let Some(code) = exit_code(status?) {
                    return Ok(code);
                }
            }
        }
    }
}

/// The code of a status, where it is that of an end.
pub(crate) fn exit_code(status: WaitStatus) -> Option<u8> {
    match status {
        WaitStatus::Exited(_, code) => Some(u8::try_from(code & 0xff).unwrap_or(u8::MAX)),
        WaitStatus::Signaled(_, signal, _) => {
            Some(128_u8.saturating_add(u8::try_from(signal as i32).unwrap_or(u8::MAX)))
        }
        _ => None,
    }
}
