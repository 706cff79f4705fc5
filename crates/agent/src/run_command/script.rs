//! One script, run to its end or to the end of its time.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::fd::OwnedFd;

use nix::fcntl::OFlag;
use nix::unistd::pipe2;
use tokio::io::AsyncReadExt as _;
use tokio::net::unix::pipe::Receiver;

use super::document::Step;
use crate::hold::Streams;
use crate::shell::variables;
use crate::{Agent, uuid};

/// Characters of each stream that are told.
/// (`StandardOutputContent` and `StandardErrorContent` of `GetCommandInvocation`)
const OUTPUT_CHARACTERS: usize = 24_000;
/// What ends a longer one.
const CUT: &str = "\n---Output truncated---";
/// A program that could not be started.
const NOT_STARTED: i32 = 1;

/// What became of a script.
#[derive(Debug)]
pub(super) struct Outcome {
    pub(super) code: i32,
    pub(super) timed_out: bool,
    pub(super) output: String,
    pub(super) errors: String,
}

impl Outcome {
    pub(super) fn status(&self) -> &'static str {
        match (self.timed_out, self.code) {
            (true, _) => "TimedOut",
            (false, 0) => "Success",
            (false, _) => "Failed",
        }
    }
}

pub(super) async fn run(agent: &Agent, step: &Step) -> Outcome {
    let failed = |error: io::Error| Outcome {
        code: NOT_STARTED,
        timed_out: false,
        output: String::new(),
        errors: format!("failed to run commands: {error}"),
    };
    let path = format!("/tmp/kickytime-{}.sh", uuid());
    let outcome = match try_run(agent, step, &path).await {
        Ok(outcome) => outcome,
        Err(error) => failed(error),
    };
    // it was the only copy, in a directory of this instance's own
    let _removed = fs::remove_file(&path);
    outcome
}

async fn try_run(agent: &Agent, step: &Step, path: &str) -> io::Result<Outcome> {
    fs::write(path, step.lines.join("\n") + "\n")?;
    let (output, output_end) = pipe()?;
    let (errors, errors_end) = pipe()?;
    let streams = Streams::Pipes {
        output: output_end,
        errors: errors_end,
    };
    let mut program: Vec<OsString> = vec!["/bin/sh".into()];
    match &step.directory {
        // the shell says what is wrong with a directory
        Some(directory) => {
            let script = "cd -- \"$1\" && exec /bin/sh \"$2\"";
            program.extend(["-c", script, "sh", directory, path].map(OsString::from));
        }
        None => program.push(path.into()),
    }
    let mut held = agent.holder.start(streams, &variables(agent), &program)?;
    let (mut kept_output, mut kept_errors) = (Kept::default(), Kept::default());
    let ended = {
        let work = async {
            tokio::join!(
                kept_output.read(output),
                kept_errors.read(errors),
                agent.holder.wait(&mut held)
            )
            .2
        };
        tokio::time::timeout(step.timeout, work).await
    };
    let timed_out = ended.is_err();
    if timed_out {
        agent.holder.end(&mut held).await;
    }
    Ok(Outcome {
        code: ended.unwrap_or(-1),
        timed_out,
        output: kept_output.text(),
        errors: kept_errors.text(),
    })
}

fn pipe() -> io::Result<(Receiver, OwnedFd)> {
    let (ours, theirs) = pipe2(OFlag::O_CLOEXEC)?;
    Ok((Receiver::from_owned_fd(ours)?, theirs))
}

/// The beginning of a stream; the rest is read and forgotten.
#[derive(Default)]
struct Kept(Vec<u8>);

impl Kept {
    /// No character is longer.
    const BYTES: usize = 4 * (OUTPUT_CHARACTERS + 1);

    async fn read(&mut self, mut stream: Receiver) {
        let mut buffer = vec![0; 8 << 10];
        while let Ok(length @ 1..) = stream.read(&mut buffer).await {
            let room = Self::BYTES - self.0.len();
            self.0.extend_from_slice(&buffer[..length.min(room)]);
        }
    }

    fn text(&self) -> String {
        let text = String::from_utf8_lossy(&self.0);
        match text.char_indices().nth(OUTPUT_CHARACTERS) {
            None => text.into_owned(),
            Some(_) => {
                let kept = OUTPUT_CHARACTERS - CUT.chars().count();
                text.chars().take(kept).chain(CUT.chars()).collect()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_output_is_cut_to_what_is_shown() {
        assert_eq!(Kept(b"a\xffb".to_vec()).text(), "a\u{fffd}b");
        let whole = "é".repeat(OUTPUT_CHARACTERS);
        assert_eq!(Kept(whole.clone().into_bytes()).text(), whole);
        let cut = Kept((whole + "x").into_bytes()).text();
        assert_eq!(cut.chars().count(), OUTPUT_CHARACTERS);
        assert!(cut.ends_with(CUT));
    }
}
