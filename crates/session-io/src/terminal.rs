//! A shell session at the client: a terminal here, a program there.

use std::future::Future;
use std::io;
use std::pin::pin;
use std::time::Duration;

use session::wire::TerminalSize;
use session::{ChannelConfig, DataKey, SessionFault};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{mpsc, watch};

use crate::dial::{DialError, Start, end_with_service};
use crate::link::{Endurance, Lost};

mod attend;

use attend::attend;

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
        let end = attend(self, started, keys, &config, &events, stop).await;
        end_with_service(&mut start, &session_id).await;
        end
    }
}
