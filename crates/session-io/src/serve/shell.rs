//! A shell session at the agent: the ends of a pseudo-terminal, and what is said in it.

use std::future::{Future, poll_fn};
use std::io;
use std::pin::pin;
use std::time::Duration;

use session::wire::TerminalSize;
use session::{AgentOffer, DataKey, Opened, Session, SessionEvent, SessionKind, ShellEvent};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::time::timeout;

use super::{ServeConfig, ServeError, Served, link_end};
use crate::dial::Dial;
use crate::fresh;
use crate::link::{Link, keep_connected};
use crate::shell::{Happened, Shell, ShellEnd};

/// Read from the terminal at once.
const READ_BYTES: usize = 16 << 10;
/// How long the last bytes may take to arrive, once the session ends.
const FAREWELL: Duration = Duration::from_secs(2);

/// Decrypts the data key of an encrypted session (KMS `Decrypt`).
pub trait OpenKey: Send {
    /// The plain key, or why there is none.
    fn open_key(
        &mut self,
        ciphertext: &[u8],
    ) -> impl Future<Output = Result<DataKey, String>> + Send;
}

/// A program in a terminal.
#[derive(Debug)]
pub struct ServedShell<R, W, Z, T, X> {
    /// What the program writes. The end of it is the end of the session.
    pub output: R,
    /// What it reads.
    pub input: W,
    /// Told of the client's terminal size.
    pub resize: Z,
    /// Sees every piece of output before it is sent: a session log.
    pub tap: T,
    /// The program's exit code, once it has one.
    pub exit: X,
}

/// Serves a shell session until one of the ends is done with it. `begin` starts the
/// program, when the session is open.
///
/// # Errors
/// When the session cannot go on.
pub async fn serve_shell<D, K, B, R, W, Z, T, X>(
    config: ServeConfig,
    offer: AgentOffer,
    mut dial: D,
    mut keys: K,
    begin: B,
    stop: impl Future<Output = ()> + Send,
) -> Result<Served, ServeError>
where
    D: Dial,
    K: OpenKey,
    B: FnOnce(&Opened) -> io::Result<ServedShell<R, W, Z, T, X>> + Send,
    R: AsyncRead + Unpin + Send,
    W: AsyncWrite + Unpin + Send,
    Z: FnMut(TerminalSize) + Send,
    T: FnMut(&[u8]) + Send,
    X: Future<Output = i32> + Send,
{
    let channel = fresh::dated(&config.channel);
    let session = Session::agent(&config.session_id, offer, channel, fresh::seed());
    let link = Link::new(Shell::new(session));
    let mut connected = pin!(keep_connected(&link, &mut dial, &config.endurance, |_| ()));
    let served = async {
        let Some(opened) = open(&link, &mut keys).await? else {
            return ended(&link);
        };
        let ServedShell {
            output,
            input,
            resize,
            tap,
            exit,
        } = begin(&opened).map_err(ServeError::Terminal)?;
        let says_code =
            opened.extension.is_some() || opened.kind == SessionKind::NonInteractiveCommands;
        tokio::select! {
            served = take_input(&link, input, resize) => served,
            served = give_output(&link, output, tap, exit, says_code) => served,
        }
    };
    let mut served = pin!(served);
    let mut stop = pin!(stop);
    let mut is_connected = true;
    let end = loop {
        tokio::select! {
            biased;
            () = &mut stop => break Ok(Served::Stopped),
            end = &mut connected, if is_connected => match link_end(end) {
                Some(end) => return end,
                None => is_connected = false,
            },
            end = &mut served => break end,
        }
    };
    if is_connected {
        // what was said last, and the acknowledgements of what was heard
        let last = async {
            tokio::select! {
                _ = &mut connected => return,
                () = poll_fn(|cx| link.poll_shell_drained(cx)) => {}
            }
            link.with(|shell, _| shell.leave());
            (&mut connected).await;
        };
        timeout(FAREWELL, last).await.ok();
    }
    end
}

/// Shakes hands; `None` when the session ends instead.
async fn open<K: OpenKey>(link: &Link<Shell>, keys: &mut K) -> Result<Option<Opened>, ServeError> {
    loop {
        match poll_fn(|cx| link.poll_happened(cx)).await {
            None => return Ok(None),
            Some(Happened::Session(SessionEvent::Opened(opened))) => return Ok(Some(opened)),
            Some(Happened::Session(SessionEvent::KeyWanted { ciphertext })) => {
                let key = keys.open_key(&ciphertext).await.map_err(ServeError::Key)?;
                let challenge = fresh::random();
                link.with(|shell, now| shell.shell().session().provide_key(&key, challenge, now));
            }
            Some(_) => {}
        }
    }
}

/// From the client to the program.
async fn take_input<W: AsyncWrite + Unpin>(
    link: &Link<Shell>,
    mut input: W,
    mut resize: impl FnMut(TerminalSize),
) -> Result<Served, ServeError> {
    loop {
        match poll_fn(|cx| link.poll_happened(cx)).await {
            None => return ended(link),
            Some(Happened::Shell(ShellEvent::Data(data))) => {
                // a program that has ended reads nothing; its output says so
                if input.write_all(&data).await.is_ok() {
                    input.flush().await.ok();
                }
            }
            Some(Happened::Shell(ShellEvent::Resized(size))) => resize(size),
            Some(Happened::Shell(ShellEvent::Terminated)) => return Ok(Served::Terminated),
            Some(_) => {}
        }
    }
}

/// From the program to the client, and to the log.
async fn give_output<R: AsyncRead + Unpin>(
    link: &Link<Shell>,
    mut output: R,
    mut tap: impl FnMut(&[u8]),
    exit: impl Future<Output = i32>,
    says_code: bool,
) -> Result<Served, ServeError> {
    let mut buffer = vec![0; READ_BYTES];
    loop {
        // a terminal whose program has ended fails, where a file would be at its end
        let length = output.read(&mut buffer).await.unwrap_or(0);
        if length == 0 {
            break;
        }
        let mut data = &buffer[..length];
        tap(data);
        while !data.is_empty() {
            match poll_fn(|cx| link.poll_write(data, cx)).await {
                Some(taken) => data = &data[taken..],
                // how it ended is the other direction's to tell
                None => std::future::pending().await,
            }
        }
    }
    let code = exit.await;
    if says_code {
        link.with(|shell, now| shell.shell().exit(code, now));
    }
    Ok(Served::Exited { code })
}

fn ended(link: &Link<Shell>) -> Result<Served, ServeError> {
    match link.lock().machine.end() {
        Some(ShellEnd::Failed(fault)) => Err(ServeError::Session(fault.clone())),
        Some(ShellEnd::Closed { output }) => Ok(Served::Closed {
            output: output.clone(),
        }),
        Some(ShellEnd::Left) | None => Ok(Served::Terminated),
    }
}
