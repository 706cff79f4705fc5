//! One shell session between its start and its end: what is typed, what is shown.

use std::future::{Future, poll_fn};
use std::io;
use std::pin::{Pin, pin};
use std::time::Duration;

use session::wire::TerminalSize;
use session::{Session, SessionEvent, ShellEvent};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::sync::{mpsc, watch};
use tokio::time::{sleep, timeout};

use super::{NewKey, Terminal, TerminalConfig, TerminalEnd, TerminalError, TerminalEvent};
use crate::dial::{Dial, DialError, Started};
use crate::fresh;
use crate::link::{Link, LinkEnd, LinkNews, keep_connected};
use crate::shell::{Happened, Shell, ShellEnd};

/// Read from the terminal at once.
const READ_BYTES: usize = 16 << 10;
/// How long the agent's acknowledgement of the end may take.
const FAREWELL: Duration = Duration::from_secs(2);
/// What a terminal has for the end of input.
const END_OF_TRANSMISSION: &[u8] = &[4];

/// Runs a session between its start and its end with the service.
pub(super) async fn attend<D: Dial, K: NewKey, I, O, E>(
    terminal: Terminal<I, O, E>,
    started: Started<D>,
    keys: K,
    config: &TerminalConfig,
    events: &mpsc::Sender<TerminalEvent>,
    mut stop: Pin<&mut (impl Future<Output = ()> + Send)>,
) -> Result<TerminalEnd, TerminalError>
where
    I: AsyncRead + Unpin + Send,
    O: AsyncWrite + Unpin + Send,
    E: AsyncWrite + Unpin + Send,
{
    let Started {
        session_id,
        mut dial,
    } = started;
    let channel = fresh::dated(&config.channel);
    let session = Session::client(&config.client_version, true, channel, fresh::seed());
    let link = Link::new(Shell::new(session));
    let (opened, is_open) = watch::channel(false);
    let news = news(events);
    let mut connected = pin!(keep_connected(&link, &mut dial, &config.endurance, news));
    let mut too_late = pin!(sleep(config.open_within));
    let mut shown = pin!(show(
        &link,
        &session_id,
        keys,
        (terminal.output, terminal.errors),
        events,
        &opened,
    ));
    let mut typed = pin!(pass_on(&link, terminal.input, is_open.clone()));
    let mut sized = pin!(tell_size(&link, terminal.size, is_open.clone()));
    let mut is_connected = true;
    let end = loop {
        tokio::select! {
            biased;
            () = &mut stop => {
                link.with(|shell, now| shell.shell().terminate(now));
                break Ok(TerminalEnd::Stopped);
            }
            end = &mut connected, if is_connected => match end {
                LinkEnd::Over => is_connected = false,
                LinkEnd::Gone(reason) => return Err(DialError::Gone(reason).into()),
                LinkEnd::Refused(error) => return Err(DialError::Refused(error).into()),
                LinkEnd::Unavailable(error) => {
                    return Err(DialError::Unavailable(error).into());
                }
            },
            end = &mut shown => break end,
            () = &mut too_late, if !*is_open.borrow() => {
                let seconds = config.open_within.as_secs();
                break Err(TerminalError::AgentUnresponsive { seconds });
            }
            error = &mut typed => break Err(TerminalError::Terminal(error)),
            () = &mut sized => {}
        }
    };
    if is_connected {
        // what was said last, unless the program has ended; acknowledgements of what was heard
        let says_something = !matches!(end, Ok(TerminalEnd::Exited { .. }));
        let last = async {
            if says_something {
                tokio::select! {
                    _ = &mut connected => return,
                    () = poll_fn(|cx| link.poll_shell_drained(cx)) => {}
                }
            }
            link.with(|shell, _| shell.leave());
            (&mut connected).await;
        };
        timeout(FAREWELL, last).await.ok();
    }
    end
}

fn news(events: &mpsc::Sender<TerminalEvent>) -> impl FnMut(LinkNews) + Send {
    let mut was_connected = false;
    move |news| {
        let event = match news {
            LinkNews::Lost(lost) => TerminalEvent::Reconnecting { lost },
            LinkNews::Connected if was_connected => TerminalEvent::Resumed,
            LinkNews::Connected => {
                was_connected = true;
                return;
            }
        };
        events.try_send(event).ok();
    }
}

/// From the session to the screen, to the end.
async fn show<K: NewKey, O: AsyncWrite + Unpin, E: AsyncWrite + Unpin>(
    link: &Link<Shell>,
    session_id: &str,
    mut keys: K,
    (mut output, mut errors): (O, E),
    events: &mpsc::Sender<TerminalEvent>,
    opened: &watch::Sender<bool>,
) -> Result<TerminalEnd, TerminalError> {
    loop {
        let Some(happened) = poll_fn(|cx| link.poll_happened(cx)).await else {
            return ended(link, *opened.borrow());
        };
        match happened {
            Happened::Session(SessionEvent::NewKeyWanted {
                kms_key_id,
                challenge,
            }) => {
                let key = keys
                    .new_key(session_id, &kms_key_id, challenge.as_deref())
                    .await;
                link.with(|shell, now| {
                    let key = key.as_ref().map(|(key, text)| (key, text.as_slice()));
                    let session = shell.shell().session();
                    session.provide_new_key(key.map_err(Clone::clone), now);
                });
            }
            Happened::Session(SessionEvent::Opened(settled)) => {
                opened.send_replace(true);
                let event = TerminalEvent::Opened {
                    session_id: session_id.to_owned(),
                    customer_message: settled.customer_message,
                };
                events.try_send(event).ok();
            }
            Happened::Session(SessionEvent::PeerSilent) => {
                events.try_send(TerminalEvent::AgentSilent).ok();
            }
            Happened::Shell(ShellEvent::Data(data)) => {
                write(&mut output, &data).await?;
            }
            Happened::Shell(ShellEvent::ErrorData(data)) => {
                write(&mut errors, &data).await?;
            }
            Happened::Shell(ShellEvent::Exited { code }) => {
                return Ok(TerminalEnd::Exited { code });
            }
            Happened::Session(_) | Happened::Shell(_) => {}
        }
    }
}

async fn write(screen: &mut (impl AsyncWrite + Unpin), data: &[u8]) -> Result<(), TerminalError> {
    let written = async {
        screen.write_all(data).await?;
        screen.flush().await
    };
    written.await.map_err(TerminalError::Terminal)
}

/// From the keys to the session; what failed, if something did.
async fn pass_on<I: AsyncRead + Unpin>(
    link: &Link<Shell>,
    mut input: I,
    mut is_open: watch::Receiver<bool>,
) -> io::Error {
    // the session may end without
    is_open.wait_for(|is_open| *is_open).await.ok();
    let mut buffer = vec![0; READ_BYTES];
    loop {
        let length = match input.read(&mut buffer).await {
            Ok(length) => length,
            Err(error) => return error,
        };
        let mut data = match length {
            0 => END_OF_TRANSMISSION,
            length => &buffer[..length],
        };
        while !data.is_empty() {
            match poll_fn(|cx| link.poll_write(data, cx)).await {
                Some(taken) => data = &data[taken..],
                None => std::future::pending().await,
            }
        }
        if length == 0 {
            std::future::pending::<()>().await;
        }
    }
}

/// The size of the screen, whenever it changes.
async fn tell_size(
    link: &Link<Shell>,
    mut size: watch::Receiver<TerminalSize>,
    mut is_open: watch::Receiver<bool>,
) {
    is_open.wait_for(|is_open| *is_open).await.ok();
    loop {
        let now_is = *size.borrow_and_update();
        link.with(|shell, now| shell.shell().resize(now_is, now));
        if size.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

fn ended(link: &Link<Shell>, was_open: bool) -> Result<TerminalEnd, TerminalError> {
    match link.lock().machine.end() {
        Some(ShellEnd::Failed(fault)) => Err(TerminalError::Session(fault.clone())),
        Some(ShellEnd::Closed { output }) if was_open => Ok(TerminalEnd::Closed {
            output: output.clone(),
        }),
        Some(ShellEnd::Closed { output }) => Err(TerminalError::NeverOpened {
            output: output.clone(),
        }),
        Some(ShellEnd::Left) | None => Ok(TerminalEnd::Stopped),
    }
}
