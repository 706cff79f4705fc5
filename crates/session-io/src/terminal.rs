//! A shell session at the client: a terminal here, a program there.

use std::future::{Future, poll_fn};
use std::io;
use std::pin::{Pin, pin};
use std::time::Duration;

use session::wire::TerminalSize;
use session::{ChannelConfig, DataKey, Session, SessionEvent, SessionFault, ShellEvent};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::sync::{mpsc, watch};
use tokio::time::{sleep, timeout};

use crate::dial::{Dial, DialError, Start, Started};
use crate::fresh;
use crate::link::{Endurance, Link, LinkEnd, LinkNews, Lost, keep_connected};
use crate::shell::{Happened, Shell, ShellEnd};

/// Read from the terminal at once.
const READ_BYTES: usize = 16 << 10;
/// How long the agent's acknowledgement of the end may take.
const FAREWELL: Duration = Duration::from_secs(2);
/// What a terminal has for the end of input.
const END_OF_TRANSMISSION: &[u8] = &[4];

/// Makes the data key of a session that is to be encrypted (KMS `GenerateDataKey`).
pub trait NewKey: Send {
    /// 64 bytes, and the same as KMS encrypted them; or why there are none. `challenge`
    /// belongs into the encryption context, if there is one.
    fn new_key(
        &mut self,
        session_id: &str,
        kms_key_id: &str,
        challenge: Option<&str>,
    ) -> impl Future<Output = Result<(DataKey, Vec<u8>), String>> + Send;
}

/// The person's side of a shell session.
#[derive(Debug)]
pub struct Terminal<I, O, E> {
    /// Keys.
    pub input: I,
    /// The screen.
    pub output: O,
    /// Where a program's standard error goes, if the agent tells it apart.
    pub errors: E,
    /// The size of the screen, now and later.
    pub size: watch::Receiver<TerminalSize>,
}

/// Settings of a shell session.
#[derive(Debug, Clone)]
pub struct TerminalConfig {
    /// Four numbers, told the agent.
    pub client_version: String,
    /// What to go through before giving up.
    pub endurance: Endurance,
    /// How long an agent may take to open the session.
    pub open_within: Duration,
    /// Limits of the data channel.
    pub channel: ChannelConfig,
}

impl TerminalConfig {
    /// Usual settings.
    #[must_use]
    pub fn new(client_version: &str) -> Self {
        Self {
            client_version: client_version.to_owned(),
            endurance: Endurance::default(),
            open_within: Duration::from_secs(30),
            channel: ChannelConfig::default(),
        }
    }
}

/// What happens to a shell session.
#[derive(Debug)]
pub enum TerminalEvent {
    /// The session stands.
    Opened {
        /// The service's name for it.
        session_id: String,
        /// The agent's word for the user; may be empty.
        customer_message: String,
    },
    /// It has lost its connection and looks for another.
    Reconnecting {
        /// Why.
        lost: Lost,
    },
    /// It has found one.
    Resumed,
    /// Nothing has been acknowledged for long although the connection lives.
    AgentSilent,
}

/// How a shell session ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TerminalEnd {
    /// The program did.
    Exited {
        /// Its exit code.
        code: i32,
    },
    /// The service ended the session; its word for the user may be empty.
    Closed {
        /// The service's word.
        output: String,
    },
    /// The caller did.
    Stopped,
}

/// Why a shell session ended by itself.
#[derive(Debug, thiserror::Error)]
pub enum TerminalError {
    /// There is none, or no connection to it.
    #[error(transparent)]
    Start(#[from] DialError),
    /// It ended before it was open.
    #[error("the session ended before it was open: {output}")]
    NeverOpened {
        /// The service's word for the user.
        output: String,
    },
    /// The target did not answer.
    #[error("the target's agent did not open the session within {seconds} s")]
    AgentUnresponsive {
        /// How long was waited.
        seconds: u64,
    },
    /// Both ends did not understand each other.
    #[error(transparent)]
    Session(SessionFault),
    /// Keys cannot be read, or the screen not be written.
    #[error("the terminal cannot be used")]
    Terminal(#[source] io::Error),
}

impl<I, O, E> Terminal<I, O, E>
where
    I: AsyncRead + Unpin + Send,
    O: AsyncWrite + Unpin + Send,
    E: AsyncWrite + Unpin + Send,
{
    /// Starts a session and lends it the terminal until one of the ends, or `stop`, is done
    /// with it. The session is then ended with the service too.
    ///
    /// # Errors
    /// When no session comes about, or it cannot go on.
    pub async fn run<S: Start, K: NewKey>(
        self,
        mut start: S,
        keys: K,
        config: TerminalConfig,
        events: mpsc::Sender<TerminalEvent>,
        stop: impl Future<Output = ()> + Send,
    ) -> Result<TerminalEnd, TerminalError> {
        let mut stop = pin!(stop);
        let started = tokio::select! {
            () = &mut stop => return Ok(TerminalEnd::Stopped),
            started = start.start() => started?,
        };
        let session_id = started.session_id.clone();
        let end = self.attend(started, keys, &config, &events, stop).await;
        start.terminate(&session_id).await;
        end
    }

    async fn attend<D: Dial, K: NewKey>(
        self,
        started: Started<D>,
        keys: K,
        config: &TerminalConfig,
        events: &mpsc::Sender<TerminalEvent>,
        mut stop: Pin<&mut (impl Future<Output = ()> + Send)>,
    ) -> Result<TerminalEnd, TerminalError> {
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
            (self.output, self.errors),
            events,
            &opened,
        ));
        let mut typed = pin!(pass_on(&link, self.input, is_open.clone()));
        let mut sized = pin!(tell_size(&link, self.size, is_open.clone()));
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
