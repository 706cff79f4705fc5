//! Shell sessions: a program in a terminal of this instance.
//!
//! It runs as the agent's own user, in its confines. `Standard_Stream` is a login
//! at a prompt, `InteractiveCommands` commands in a terminal, and
//! `NonInteractiveCommands` commands without one.

use std::ffi::OsString;
use std::future::Future;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::sync::Arc;

use aws::kms::{self, EncryptionContext};
use nix::fcntl::OFlag;
use nix::unistd::pipe2;
use rustix::pty::{OpenptFlags, grantpt, ioctl_tiocgptpeer, openpt, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};
use serde_json::Value as Json;
use session::wire::{SessionRequest, TerminalSize};
use session::{DataKey, SessionKind};
use session_io::{OpenKey, ServeConfig, Served, ServedShell, serve_shell};
use tokio::io::AsyncWrite;
use tokio::net::unix::pipe::{Receiver, Sender};
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use crate::data::DataDialer;
use crate::hold::Streams;
use crate::log::{Pieces, SessionLog};
use crate::task::{Failure, offer};
use crate::{Agent, chain};

/// The terminal's size until the client says its own.
const FIRST_SIZE: TerminalSize = TerminalSize { cols: 80, rows: 24 };

pub(crate) async fn run(
    agent: &Arc<Agent>,
    request: &SessionRequest,
    kind: SessionKind,
    stop: CancellationToken,
) -> Result<Served, Failure> {
    let document = &request.document_content;
    let wanted = Wanted::read(request, kind).map_err(Failure::Before)?;
    let log = SessionLog::open(agent, request)
        .await
        .map_err(Failure::Before)?;
    let mut offer = offer(kind, &document.properties);
    offer.kms_key_id = text(&document.inputs, "kmsKeyId").map(str::to_owned);
    let keys = Keys {
        agent: Arc::clone(agent),
        session_id: request.session_id.clone(),
        key_id: offer.kms_key_id.clone(),
    };
    let (begin_end, runs) = oneshot::channel();
    let (pieces, log) = log.map_or((None, None), |log| (Some(log.pieces()), Some(log)));
    let begin = {
        let agent = Arc::clone(agent);
        move |_: &session::Opened| begin(&agent, &wanted, pieces, begin_end)
    };
    let config = ServeConfig::new(&request.session_id);
    let dial = DataDialer::new(Arc::clone(agent), &request.session_id);
    let served = serve_shell(config, offer, dial, keys, begin, stop.cancelled_owned()).await;
    if let Ok(end) = runs.await {
        end.ended().await;
    }
    if let Some(log) = log {
        log.finish(agent).await;
    }
    served.map_err(Failure::During)
}

/// What is to be run.
struct Wanted {
    program: Vec<OsString>,
    has_terminal: bool,
    /// Typed before anybody types.
    profile: Option<String>,
}

impl Wanted {
    fn read(request: &SessionRequest, kind: SessionKind) -> Result<Self, String> {
        let document = &request.document_content;
        if !request.run_as_user.is_empty() {
            let user = &request.run_as_user;
            return Err(format!(
                "Cannot run the session as `{user}`: this agent has one user, its own."
            ));
        }
        if text(&document.inputs, "s3BucketName").is_some() {
            return Err("Session logs in S3 are not supported by this agent.".to_owned());
        }
        let linux = &document.properties["linux"];
        if linux["runAsElevated"] == true || linux["runAsElevated"] == "true" {
            return Err("Cannot run commands elevated: this agent has no privileges.".to_owned());
        }
        let shell = shell();
        if kind == SessionKind::StandardStream {
            let profile = document.inputs["shellProfile"]["linux"].as_str();
            return Ok(Self {
                program: vec![shell.into()],
                has_terminal: true,
                profile: profile.filter(|text| !text.is_empty()).map(str::to_owned),
            });
        }
        let commands = match &linux["commands"] {
            Json::String(commands) => commands.clone(),
            Json::Array(lines) => {
                let lines: Vec<&str> = lines.iter().filter_map(Json::as_str).collect();
                lines.join("\n")
            }
            _ => String::new(),
        };
        if commands.trim().is_empty() {
            return Err("Commands cannot be empty for session type InteractiveCommands or NonInteractiveCommands.".to_owned());
        }
        Ok(Self {
            program: vec![shell.into(), "-c".into(), commands.into()],
            has_terminal: kind == SessionKind::InteractiveCommands,
            profile: None,
        })
    }
}

/// A text of a document that is there and says something.
pub(crate) fn text<'a>(object: &'a Json, name: &str) -> Option<&'a str> {
    object[name].as_str().filter(|text| !text.is_empty())
}

/// The shell people get.
pub(crate) fn shell() -> &'static str {
    let bash = "/bin/bash";
    if Path::new(bash).exists() {
        bash
    } else {
        "/bin/sh"
    }
}

/// The variables of programs: what every program of the instance has to find its
/// way to AWS, and a terminal's.
pub(crate) fn variables(agent: &Agent) -> Vec<(String, String)> {
    const KEPT: [&str; 7] = [
        "AWS_CA_BUNDLE",
        "CURL_CA_BUNDLE",
        "LANG",
        "NODE_EXTRA_CA_CERTS",
        "PATH",
        "REQUESTS_CA_BUNDLE",
        "SSL_CERT_FILE",
    ];
    let kept = KEPT
        .iter()
        .filter_map(|name| Some(((*name).to_owned(), std::env::var(name).ok()?)));
    let own = [
        ("AWS_DEFAULT_REGION", agent.identity.region.as_str()),
        ("AWS_REGION", agent.identity.region.as_str()),
        ("HOME", "/tmp"),
        ("TERM", "xterm-256color"),
    ];
    let own = own.map(|(name, value)| (name.to_owned(), value.to_owned()));
    kept.chain(own).collect()
}

/// The program of a session, until it has ended.
struct Run {
    end: CancellationToken,
    task: tokio::task::JoinHandle<()>,
}

impl Run {
    async fn ended(self) {
        self.end.cancel();
        let _ended = self.task.await;
    }
}

type Shell<R, W, Z, T, X> = ServedShell<R, W, Z, T, X>;

fn begin(
    agent: &Arc<Agent>,
    wanted: &Wanted,
    log: Option<Pieces>,
    runs: oneshot::Sender<Run>,
) -> io::Result<
    Shell<
        Receiver,
        Box<dyn AsyncWrite + Send + Unpin>,
        impl FnMut(TerminalSize) + Send + use<>,
        impl FnMut(&[u8]) + Send + use<>,
        impl Future<Output = i32> + Send + use<>,
    >,
> {
    let (output, input, terminal, streams) = if wanted.has_terminal {
        let (ours, theirs) = terminal()?;
        resize(&ours, FIRST_SIZE)?;
        let sender = Sender::from_owned_fd_unchecked(ours.try_clone()?)?;
        if let Some(profile) = &wanted.profile {
            // an empty terminal takes some kilobytes at once
            sender.try_write(format!("{profile}\n").as_bytes())?;
        }
        let receiver = Receiver::from_owned_fd_unchecked(ours.try_clone()?)?;
        let input: Box<dyn AsyncWrite + Send + Unpin> = Box::new(sender);
        (receiver, input, Some(ours), Streams::Terminal(theirs))
    } else {
        let (ours, theirs) = pipe2(OFlag::O_CLOEXEC)?;
        let streams = Streams::Pipes {
            output: theirs.try_clone()?,
            errors: theirs,
        };
        let input: Box<dyn AsyncWrite + Send + Unpin> = Box::new(tokio::io::sink());
        (Receiver::from_owned_fd(ours)?, input, None, streams)
    };
    let mut held = agent
        .holder
        .start(streams, &variables(agent), &wanted.program)?;
    let (code_end, code) = oneshot::channel();
    let end = CancellationToken::new();
    let task = tokio::spawn({
        let (agent, end) = (Arc::clone(agent), end.clone());
        async move {
            let code = tokio::select! {
                code = agent.holder.wait(&mut held) => code,
                () = end.cancelled() => {
                    agent.holder.end(&mut held).await;
                    -1
                }
            };
            // nobody asks when the session ended first
            let _asked = code_end.send(code);
        }
    });
    // the session waits for the end of it
    let _waits = runs.send(Run { end, task });
    Ok(ServedShell {
        output,
        input,
        resize: move |size| {
            if let Some(terminal) = &terminal {
                // a terminal whose program has ended has no size
                let _gone = resize(terminal, size);
            }
        },
        tap: move |bytes: &[u8]| {
            if let Some(log) = &log {
                log.push(bytes);
            }
        },
        exit: async move { code.await.unwrap_or(-1) },
    })
}

/// Both ends of a new terminal; ours does not block.
fn terminal() -> io::Result<(OwnedFd, OwnedFd)> {
    let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
    let ours = openpt(flags)?;
    grantpt(&ours)?;
    unlockpt(&ours)?;
    let theirs = ioctl_tiocgptpeer(&ours, flags)?;
    rustix::io::ioctl_fionbio(&ours, true)?;
    Ok((ours, theirs))
}

fn resize(terminal: impl AsFd, size: TerminalSize) -> io::Result<()> {
    let of = |number: u32| u16::try_from(number).unwrap_or(u16::MAX);
    let size = Winsize {
        ws_row: of(size.rows),
        ws_col: of(size.cols),
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    Ok(tcsetwinsize(terminal, size)?)
}

/// Opens the data key of an encrypted session, as the instance's role.
struct Keys {
    agent: Arc<Agent>,
    session_id: String,
    key_id: Option<String>,
}

impl OpenKey for Keys {
    async fn open_key(&mut self, ciphertext: &[u8]) -> Result<DataKey, String> {
        let context = EncryptionContext::from([
            ("aws:ssm:SessionId".to_owned(), self.session_id.clone()),
            (
                "aws:ssm:TargetId".to_owned(),
                self.agent.identity.instance_id.clone(),
            ),
        ]);
        let key_id = self.key_id.as_deref();
        let opened = kms::decrypt(&self.agent.client, ciphertext, key_id, &context).await;
        let plaintext = opened.map_err(|error| chain(&error))?;
        let plaintext = plaintext
            .try_into()
            .map_err(|_| "it is not of 64 bytes".to_owned())?;
        Ok(DataKey::new(plaintext))
    }
}
