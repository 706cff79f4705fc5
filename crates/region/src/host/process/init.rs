//! How does a child stay apart from all others, and end whole?
//!
//! It has a process id namespace of its own. The first process there, the
//! *init*, is a copy of ours that only waits: what the program leaves behind
//! becomes its child and is reaped by the kernel, and when it is killed, so is
//! everything in the namespace, whatever group or session it had moved to. The
//! program itself is the second process, and still a child of ours: so its exit
//! code is the kernel's own word, and signals mean to it what they always do.

use std::fs::{self, File};
use std::io;
use std::os::fd::OwnedFd;

use nix::errno::Errno;
use nix::sched::{CloneFlags, setns, unshare};
use nix::sys::prctl::{set_dumpable, set_name, set_pdeathsig};
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, kill, sigaction};
use nix::sys::wait::waitpid;
use nix::unistd::{Pid, setsid};

use super::pidfd;

/// Ranges of memory that an init lets go of; what is beyond, it keeps.
const MAX_RANGES: usize = 512;

/// Descriptors that are closed one by one where the kernel cannot close a range.
const MAX_DESCRIPTORS: i32 = 1 << 16;

/// The namespace of the thread that starts children.
#[derive(Debug)]
pub(super) struct Home(File);

impl Home {
    /// Of the calling thread.
    pub(super) fn of_this_thread() -> io::Result<Self> {
        File::open("/proc/thread-self/ns/pid").map(Self)
    }

    /// Makes a namespace with an init. Until [`Home::back`], the calling thread's
    /// children are born there.
    pub(super) fn leave(&self) -> io::Result<Init> {
        let ranges = Ranges::of_this_process()?;
        unshare(CloneFlags::CLONE_NEWPID)?;
        let init = fork_init(&ranges);
        if init.is_err() {
            self.back()?;
        }
        init
    }

    /// The calling thread's children are born beside it again.
    pub(super) fn back(&self) -> io::Result<()> {
        Ok(setns(&self.0, CloneFlags::CLONE_NEWPID)?)
    }
}

/// The first process of a child's namespace. Dropping this kills everything there;
/// the program has to be reaped before, since the kernel waits for that.
#[derive(Debug)]
pub(super) struct Init {
    pid: Pid,
    is_reaped: bool,
}

impl Init {
    /// Ends everything in the namespace.
    pub(super) fn kill(&self) {
        if !self.is_reaped {
            // it cannot be gone: nobody else reaps it
            let _gone = kill(self.pid, Signal::SIGKILL);
        }
    }

    /// Becomes readable when nothing is left in the namespace.
    pub(super) fn pidfd(&self) -> io::Result<OwnedFd> {
        pidfd::open(self.pid.as_raw().cast_unsigned())
    }

    /// Waits for the end of everything in the namespace, which has been killed.
    pub(super) fn reap(&mut self) -> io::Result<()> {
        while !self.is_reaped {
            match waitpid(self.pid, None) {
                Err(Errno::EINTR) => {}
                ended => {
                    self.is_reaped = true;
                    ended?;
                }
            }
        }
        Ok(())
    }
}

impl Drop for Init {
    fn drop(&mut self) {
        self.kill();
        let _gone = self.reap();
    }
}

fn fork_init(ranges: &Ranges) -> io::Result<Init> {
    #[expect(unsafe_code, reason = "fork has no safe form")]
    // SAFETY: with these arguments `clone` is `fork`, without the C library's
    // handlers. There may be other threads, so the copy only makes system calls
    // on what is on its stack, and never returns.
    let pid = unsafe { libc::syscall(libc::SYS_clone, libc::SIGCHLD, 0, 0, 0, 0) };
    match Errno::result(pid)? {
        0 => wait_for_ever(ranges),
        pid => Ok(Init {
            pid: Pid::from_raw(i32::try_from(pid).map_err(io::Error::other)?),
            is_reaped: false,
        }),
    }
}

/// The init: never runs code of ours again, and keeps none of our secrets.
fn wait_for_ever(ranges: &Ranges) -> ! {
    // what fails here costs tidiness alone, and there is nobody to tell
    let _blocked = SigSet::all().thread_set_mask();
    let ignore = SigAction::new(SigHandler::SigIgn, SaFlags::empty(), SigSet::empty());
    #[expect(unsafe_code, reason = "orphans are reaped by the kernel")]
    // SAFETY: no handler is installed: the signal is ignored.
    let _ignored = unsafe { sigaction(Signal::SIGCHLD, &ignore) };
    let _dies = set_pdeathsig(Signal::SIGKILL);
    // nor may the program look into it, which often has the same user
    let _closed = set_dumpable(false);
    let _named = set_name(c"init");
    let _own_session = setsid();
    close_everything();
    ranges.forget();
    loop {
        #[expect(unsafe_code, reason = "waits without touching memory")]
        // SAFETY: no descriptor, no time and no mask are given: nothing is read.
        unsafe {
            libc::syscall(libc::SYS_ppoll, 0, 0, 0, 0, 0);
        }
    }
}

/// Our pipes and sockets end when we close them, not when an init does.
fn close_everything() {
    #[expect(unsafe_code, reason = "close_range has no safe form")]
    // SAFETY: this process uses no descriptor any more.
    let closed = unsafe { libc::syscall(libc::SYS_close_range, 0, u32::MAX, 0) };
    if closed != 0 {
        for descriptor in 0..MAX_DESCRIPTORS {
            #[expect(unsafe_code, reason = "closes what no object owns here")]
            // SAFETY: as above; a number that is no descriptor is refused.
            unsafe {
                libc::close(descriptor);
            }
        }
    }
}

/// Memory that nothing but our own code uses: heaps, and the stacks of other
/// threads. A copy of a process keeps every page that the original changes
/// later, and would keep our keys.
struct Ranges {
    ranges: [(usize, usize); MAX_RANGES],
}

impl Ranges {
    fn of_this_process() -> io::Result<Self> {
        let maps = fs::read_to_string("/proc/self/maps")?;
        let here = (&raw const maps).addr();
        let mut ranges = [(0, 0); MAX_RANGES];
        let found = maps
            .lines()
            .filter_map(anonymous)
            .filter(|(start, end)| !(*start..*end).contains(&here));
        for (place, range) in ranges.iter_mut().zip(found) {
            *place = range;
        }
        Ok(Self { ranges })
    }

    /// Lets go of it all.
    fn forget(&self) {
        for (start, end) in self.ranges {
            if start < end {
                #[expect(unsafe_code, reason = "gives the memory of others back")]
                // SAFETY: the ranges leave out the stack this runs on, which also
                // holds the thread's own variables; nothing else is read again.
                unsafe {
                    libc::syscall(libc::SYS_madvise, start, end - start, libc::MADV_DONTNEED);
                }
            }
        }
    }
}

/// The range of a line of `/proc/self/maps` that is writable and no file's.
fn anonymous(line: &str) -> Option<(usize, usize)> {
    let mut words = line.split_ascii_whitespace();
    let (start, end) = words.next()?.split_once('-')?;
    let is_private = words.next()? == "rw-p";
    let inode = words.nth(2)?;
    let parse = |text| usize::from_str_radix(text, 16).ok();
    (is_private && inode == "0").then_some((parse(start)?, parse(end)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_of_no_file_is_let_go_of() {
        assert_eq!(
            anonymous("7f00a000-7f00c000 rw-p 00000000 00:00 0 "),
            Some((0x7f00_a000, 0x7f00_c000))
        );
        assert_eq!(
            anonymous("5500-5600 rw-p 00000000 00:00 0                [heap]"),
            Some((0x5500, 0x5600))
        );
        for other in [
            "7f00a000-7f00c000 r--p 00000000 00:00 0 ",
            "7f00a000-7f00c000 rw-p 00002000 fd:01 1234 /usr/lib/libc.so.6",
            "7f00a000-7f00c000 rw-s 00000000 00:01 77 /dev/zero",
            "",
        ] {
            assert_eq!(anonymous(other), None, "{other}");
        }
    }

    #[test]
    fn the_stack_in_use_is_kept() {
        let ranges = Ranges::of_this_process().unwrap();
        let here = (&raw const ranges).addr();
        let kept = |(start, end): &(usize, usize)| !(*start..*end).contains(&here);
        assert!(ranges.ranges.iter().all(kept));
        assert!(ranges.ranges.iter().any(|(start, end)| start < end));
    }
}
