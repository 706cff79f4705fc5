//! Where do a session's connections come from?
//!
//! A session outlives its connections, and a forwarded port outlives its sessions:
//! the caller, who holds the credentials, makes both anew when asked.

use std::error::Error;
use std::future::Future;
use std::time::Duration;

use tokio::time::timeout;

use crate::Socket;

/// Opens the data channel of one session, again and again.
pub trait Dial: Send {
    /// A fresh socket whose opening text (`OpenDataChannelInput`) has been sent. A
    /// resumed session needs a new token for every call.
    fn dial(&mut self) -> impl Future<Output = Result<Socket, DialError>> + Send;
}

/// Why there is no socket, or no session.
#[derive(Debug, thiserror::Error)]
pub enum DialError {
    /// The session is over with the service; a new one is needed. What it said.
    #[error("the session is over: {0}")]
    Gone(String),
    /// The network, or a service in trouble: worth trying again.
    #[error("the session's service cannot be reached")]
    Unavailable(#[source] Box<dyn Error + Send + Sync>),
    /// Permission, a target that is unknown or not connected: trying again cannot help.
    #[error("the session is refused")]
    Refused(#[source] Box<dyn Error + Send + Sync>),
}

/// Starts sessions with one target, and ends them with the service.
pub trait Start: Send {
    /// What connects to a session of this kind.
    type Dial: Dial;

    /// A new session (`StartSession`).
    fn start(&mut self) -> impl Future<Output = Result<Started<Self::Dial>, DialError>> + Send;

    /// The session is no longer wanted (`TerminateSession`). Best effort: an end that was
    /// asked for on the data channel as well is the usual case.
    fn terminate(&mut self, session_id: &str) -> impl Future<Output = ()> + Send;
}

/// A session that exists with the service.
#[derive(Debug)]
pub struct Started<D> {
    /// The service's name for it.
    pub session_id: String,
    /// Connects to it.
    pub dial: D,
}

/// How long the service may take to end a session. Whoever waits wants to leave.
const TERMINATE_TIMEOUT: Duration = Duration::from_secs(5);

/// Ends a session with the service, if that can be done soon.
pub(crate) async fn end_with_service<S: Start>(start: &mut S, session_id: &str) {
    let terminated = start.terminate(session_id);
    timeout(TERMINATE_TIMEOUT, terminated).await.ok();
}
