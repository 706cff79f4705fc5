//! How do other commands speak to a running region?
//!
//! Over a Unix socket in the state directory, which only its owner can open:
//! one line of JSON asks, one line answers. A path reaches the region whatever
//! network namespace either side is in.

use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use nix::sys::socket::getsockopt;
use nix::sys::socket::sockopt::PeerCredentials;
use nix::unistd::Pid;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

/// The socket's name in the state directory.
const SOCKET: &str = "control.sock";
/// A question or an answer longer than this is refused.
const MAX_LINE: u64 = 4 * 1024 * 1024;
/// Nobody types on this socket: what is not said at once is not coming.
const PATIENCE: Duration = Duration::from_secs(5);
/// Pause after the kernel gave no connection.
const PAUSE: Duration = Duration::from_millis(50);

/// What a command may ask of a running region.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Request {
    /// What runs where.
    Status,
    /// The variables of the AWS API door.
    Environment,
    /// What a program needs to run on the region's internet: see `host::visit`.
    Visit,
    /// Stop in good order.
    Stop,
}

/// The running region, as this module needs it.
pub trait Controlled: Send + Sync {
    /// The answer to a request. A stop only begins here.
    fn answer(&self, request: Request) -> Json;
}

/// Why a running region could not be asked.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    #[error("no region is running with the state directory `{0}`")]
    NotRunning(PathBuf),
    #[error("cannot speak to the region over `{path}`")]
    Io { path: PathBuf, source: io::Error },
    #[error("the region's answer is not understood: {0}")]
    Answer(String),
}

/// Answers on the state directory's socket until the program ends.
///
/// # Errors
///
/// Those of making the socket.
pub fn serve(directory: &Path, region: Arc<dyn Controlled>) -> io::Result<()> {
    let path = directory.join(SOCKET);
    // the state directory is locked, so a socket found here is a dead one
    match std::fs::remove_file(&path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = short(directory, UnixListener::bind)?;
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600))?;
    std::thread::Builder::new()
        .name("control".to_owned())
        .spawn(move || {
            for stream in listener.incoming() {
                // one at a time: answers are quick, and patience is bounded
                let Ok(stream) = stream else {
                    // out of descriptors: some come back
                    std::thread::sleep(PAUSE);
                    continue;
                };
                let _broken_off = converse(&stream, region.as_ref());
            }
        })?;
    Ok(())
}

/// Does something with the socket's path. That of a socket has room for 107
/// bytes, and ours may be deep: the way through an open descriptor is short.
fn short<T>(directory: &Path, with: fn(PathBuf) -> io::Result<T>) -> io::Result<T> {
    let opened = File::open(directory)?;
    let descriptor = opened.as_raw_fd();
    with(format!("/proc/self/fd/{descriptor}/{SOCKET}").into())
}

fn converse(stream: &UnixStream, region: &dyn Controlled) -> io::Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let mut line = String::new();
    BufReader::new(stream.take(MAX_LINE)).read_line(&mut line)?;
    let answer = match serde_json::from_str(&line) {
        Ok(request) => region.answer(request),
        Err(fault) => serde_json::json!({ "error": fault.to_string() }),
    };
    let mut stream = stream;
    writeln!(stream, "{answer}")
}

/// The process id, as the caller sees it, of the program that runs the region.
///
/// # Errors
///
/// As [`ask`].
pub fn process(directory: &Path) -> Result<Pid, ControlError> {
    let stream = connect(directory)?;
    let peer = getsockopt(&stream, PeerCredentials);
    let peer = peer.map_err(|errno| ControlError::Io {
        path: directory.join(SOCKET),
        source: errno.into(),
    })?;
    Ok(Pid::from_raw(peer.pid()))
}

/// Asks the region whose state directory this is.
///
/// # Errors
///
/// [`ControlError::NotRunning`] when nobody answers there.
pub fn ask(directory: &Path, request: Request) -> Result<Json, ControlError> {
    let failed = |source| ControlError::Io {
        path: directory.join(SOCKET),
        source,
    };
    let mut stream = connect(directory)?;
    stream.set_read_timeout(Some(PATIENCE)).map_err(failed)?;
    let question = serde_json::to_string(&request).expect("a request is plain JSON");
    writeln!(stream, "{question}").map_err(failed)?;
    let mut line = String::new();
    BufReader::new(stream.take(MAX_LINE))
        .read_line(&mut line)
        .map_err(failed)?;
    let answer: Json =
        serde_json::from_str(&line).map_err(|fault| ControlError::Answer(fault.to_string()))?;
    match answer.get("error").and_then(Json::as_str) {
        Some(error) => Err(ControlError::Answer(error.to_owned())),
        None => Ok(answer),
    }
}

fn connect(directory: &Path) -> Result<UnixStream, ControlError> {
    short(directory, UnixStream::connect).map_err(|source| match source.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => {
            ControlError::NotRunning(directory.to_owned())
        }
        _ => ControlError::Io {
            path: directory.join(SOCKET),
            source,
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Echo;

    impl Controlled for Echo {
        fn answer(&self, request: Request) -> Json {
            serde_json::json!({ "asked": request })
        }
    }

    #[test]
    fn a_running_region_answers_and_an_absent_one_is_named() {
        let directory = tempfile::tempdir().unwrap();
        let absent = ask(directory.path(), Request::Status).unwrap_err();
        assert!(matches!(absent, ControlError::NotRunning(_)), "{absent}");
        serve(directory.path(), Arc::new(Echo)).unwrap();
        let answer = ask(directory.path(), Request::Environment).unwrap();
        assert_eq!(answer, serde_json::json!({ "asked": "environment" }));
        let mode = std::fs::metadata(directory.path().join(SOCKET))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn a_deep_directory_has_a_socket_too() {
        let parent = tempfile::tempdir().unwrap();
        let directory = parent.path().join("d".repeat(120));
        std::fs::create_dir(&directory).unwrap();
        serve(&directory, Arc::new(Echo)).unwrap();
        let answer = ask(&directory, Request::Status).unwrap();
        assert_eq!(answer, serde_json::json!({ "asked": "status" }));
    }
}
