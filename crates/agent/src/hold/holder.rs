//! The holder: one program, and all that comes of it.

use std::ffi::OsString;
use std::io;
use std::process::Command;

use nix::sys::prctl::{set_child_subreaper, set_dumpable};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{Pid, setsid};
use rustix::process::ioctl_tiocsctty;

use super::{TERMINAL, tree};

/// What a shell says of a program that cannot be started.
const NOT_FOUND: u8 = 127;

/// Runs a program as the only thing of this process, which has one thread yet, and
/// ends with its exit code when it and everything it has started have ended.
/// `arguments`: `--terminal`, if standard input is one, `--`, program, arguments.
///
/// # Errors
///
/// When the process cannot become a holder. That the program is not to be had is
/// said on standard error, as shells do.
pub fn hold(arguments: &[OsString]) -> io::Result<u8> {
    let has_terminal = arguments.first().is_some_and(|first| first == TERMINAL);
    let mut words = arguments.iter().skip_while(|word| *word != "--").skip(1);
    let program = words.next().ok_or(io::ErrorKind::InvalidInput)?;
    set_child_subreaper(true)?;
    set_dumpable(false)?;
    setsid()?;
    if has_terminal {
        ioctl_tiocsctty(io::stdin())?;
    }
    let mut child = match Command::new(program).args(words).spawn() {
        Ok(child) => child,
        Err(error) => {
            use std::io::Write as _;
            let shown = program.to_string_lossy();
            writeln!(io::stderr(), "{shown}: {error}")?;
            return Ok(NOT_FOUND);
        }
    };
    // only now: the program inherits what is blocked. A terminal's keys are the
    // program's to hear, its hang-up and the agent's word are ours
    SigSet::all().thread_block()?;
    let code = wait(Pid::from_raw(child.id().cast_signed()));
    tree::kill_descendants();
    let _reaped_above = child.try_wait();
    Ok(code)
}

/// Until the program has ended, or somebody asks for its end.
fn wait(program: Pid) -> u8 {
    let watched: SigSet = [Signal::SIGCHLD, Signal::SIGHUP, Signal::SIGTERM]
        .into_iter()
        .collect();
    loop {
        while let Ok(status) = waitpid(None, Some(WaitPidFlag::WNOHANG)) {
            match status {
                WaitStatus::StillAlive => break,
                WaitStatus::Exited(pid, code) if pid == program => {
                    return u8::try_from(code & 0xff).unwrap_or(u8::MAX);
                }
                WaitStatus::Signaled(pid, signal, _) if pid == program => {
                    return of_signal(signal);
                }
                _orphan => {}
            }
        }
        match watched.wait() {
            Ok(Signal::SIGCHLD) | Err(_) => {}
            Ok(asked) => return of_signal(asked),
        }
    }
}

fn of_signal(signal: Signal) -> u8 {
    128_u8.saturating_add(u8::try_from(signal as i32).unwrap_or(u8::MAX))
}
