//! Is anybody there, and what do they say? One websocket of a data or control channel.
//!
//! Messages may be queued ([`Socket::feed`]) and written together ([`Socket::flush`]).
//! Pings are answered, and sent when nothing has been heard for a while; a socket
//! whose peer stays silent, or whose machine was asleep, ends with an error. All of that happens
//! while [`Socket::next`] is awaited, so somebody should always be.

use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures_util::{Sink, Stream};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{self, Message};

mod liveness;
mod upgrade;

pub use liveness::Liveness;
pub use upgrade::UpgradeError;

use liveness::{Due, Watch};

/// The largest message read: a megabyte of payload, the most two ends agree on, and room
/// for its header.
const MESSAGE_LIMIT_BYTES: usize = (1 << 20) + (64 << 10);
/// Queued messages are written without a flush beyond this.
const WRITE_BATCH_BYTES: usize = 128 << 10;
/// Queued bytes at which a peer that does not read is an error. A batch and a message
/// over it never get there: both wait for room first.
const WRITE_LIMIT_BYTES: usize = WRITE_BATCH_BYTES + 4 * MESSAGE_LIMIT_BYTES;
/// Read from the stream at once, where there is so much. TLS gives 16 KiB, and the library
/// clears all of it for every read.
const READ_BUFFER_BYTES: usize = 32 << 10;

/// What a websocket may run over: TCP, or TLS over it.
pub trait Duplex: AsyncRead + AsyncWrite + Unpin + Send + 'static {}
impl<S: AsyncRead + AsyncWrite + Unpin + Send + 'static> Duplex for S {}

/// One open websocket.
pub struct Socket {
    stream: WebSocketStream<Box<dyn Duplex>>,
    watch: Watch,
}

/// Why a socket cannot be used any more.
#[derive(Debug, thiserror::Error)]
pub enum SocketError {
    /// The connection broke, or what came was no websocket.
    #[error("the websocket broke off")]
    Broken(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The peer closed it for a reason.
    #[error("the websocket was closed with {code}: {reason}")]
    Closed {
        /// RFC 6455's number.
        code: u16,
        /// The peer's words.
        reason: String,
    },
    /// Nothing was heard for so long, not even the answer to a ping.
    #[error("nothing was heard for {} s", .for_so_long.as_secs())]
    Silent {
        /// Since the last message, pings included.
        for_so_long: std::time::Duration,
    },
    /// The machine was asleep; whatever the other end kept of this connection is stale.
    #[error("this machine was asleep for {} s", .for_so_long.as_secs())]
    Slept {
        /// By how much the wall clock went ahead.
        for_so_long: std::time::Duration,
    },
}

impl Socket {
    /// Upgrades an HTTP/1.1 connection that stands (and whose certificate has been
    /// verified) already. `request` has the path and query, `Host` (or an authority in its URI), and the
    /// headers of a signature; the headers of the upgrade itself are added.
    ///
    /// # Errors
    /// When the answer is not an upgrade, or none within half a minute.
    pub async fn upgrade<S: Duplex>(
        stream: S,
        request: http::Request<()>,
    ) -> Result<Self, UpgradeError> {
        let (stream, rest) = upgrade::upgrade(stream, &request).await?;
        Ok(Self::over(Box::new(stream), rest, Role::Client).await)
    }

    /// The serving end of a connection whose upgrade has been answered already. `rest` is
    /// what was read beyond the request.
    pub async fn accepted<S: Duplex>(stream: S, rest: Vec<u8>) -> Self {
        Self::over(Box::new(stream), rest, Role::Server).await
    }

    async fn over(stream: Box<dyn Duplex>, rest: Vec<u8>, role: Role) -> Self {
        let config = WebSocketConfig::default()
            .max_message_size(Some(MESSAGE_LIMIT_BYTES))
            .max_frame_size(Some(MESSAGE_LIMIT_BYTES))
            .read_buffer_size(READ_BUFFER_BYTES)
            .write_buffer_size(WRITE_BATCH_BYTES)
            .max_write_buffer_size(WRITE_LIMIT_BYTES);
        Self {
            stream: WebSocketStream::from_partially_read(stream, rest, role, Some(config)).await,
            watch: Watch::new(Liveness::default()),
        }
    }

    /// Other intervals for pings than the usual ones.
    pub fn set_liveness(&mut self, liveness: Liveness) {
        self.watch = Watch::new(liveness);
    }

    /// Sends one text message: the first of every channel.
    ///
    /// # Errors
    /// When the socket is broken.
    pub async fn send_text(&mut self, text: String) -> Result<(), SocketError> {
        poll_fn(|cx| self.poll_ready(cx)).await?;
        self.start_send(Message::text(text))?;
        self.flush().await
    }

    /// Sends one binary message.
    ///
    /// # Errors
    /// When the socket is broken.
    pub async fn send(&mut self, frame: Bytes) -> Result<(), SocketError> {
        self.feed(frame).await?;
        self.flush().await
    }

    /// Queues one binary message, waiting for room. [`Socket::flush`] writes what is queued.
    ///
    /// # Errors
    /// When the socket is broken.
    pub async fn feed(&mut self, frame: Bytes) -> Result<(), SocketError> {
        poll_fn(|cx| self.poll_ready(cx)).await?;
        self.start_send(Message::Binary(frame))
    }

    /// Writes everything queued.
    ///
    /// # Errors
    /// When the socket is broken.
    pub async fn flush(&mut self) -> Result<(), SocketError> {
        poll_fn(|cx| self.poll_flush(cx)).await
    }

    /// The next message, text or binary; `None` after an orderly end. Nothing is lost
    /// when the future is dropped.
    ///
    /// # Errors
    /// When the socket is broken, closed for a reason, or nobody seems to be there.
    pub async fn next(&mut self) -> Result<Option<Bytes>, SocketError> {
        poll_fn(|cx| self.poll_next(cx)).await
    }

    /// Says goodbye and waits for it to be written, not for an answer.
    ///
    /// # Errors
    /// When the socket is broken already.
    pub async fn close(&mut self) -> Result<(), SocketError> {
        poll_fn(|cx| Pin::new(&mut self.stream).poll_close(cx))
            .await
            .map_err(broken)
    }

    pub(crate) fn poll_next(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Option<Bytes>, SocketError>> {
        loop {
            let Poll::Ready(message) = Pin::new(&mut self.stream).poll_next(cx) else {
                break;
            };
            self.watch.heard();
            match message {
                Some(Ok(Message::Binary(bytes))) => return Poll::Ready(Ok(Some(bytes))),
                Some(Ok(Message::Text(text))) => return Poll::Ready(Ok(Some(text.into()))),
                Some(Ok(Message::Close(farewell))) => {
                    // our answer goes if it can; whether the peer also hangs up is its own matter
                    let _answered = self.poll_flush(cx);
                    return Poll::Ready(end(farewell));
                }
                Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => {}
                Some(Err(error)) => return Poll::Ready(Err(broken(error))),
                None => return Poll::Ready(Ok(None)),
            }
        }
        self.poll_watch(cx)
    }

    /// Asks whether the peer is there when it has been silent.
    fn poll_watch<T>(&mut self, cx: &mut Context<'_>) -> Poll<Result<T, SocketError>> {
        loop {
            match ready!(self.watch.poll_due(cx)) {
                Due::Ping => {
                    // a socket without room is asked by what waits in it already
                    if self.poll_ready(cx)?.is_ready() {
                        self.start_send(Message::Ping(Bytes::from_static(b"keepalive")))?;
                        let _written_later = self.poll_flush(cx)?;
                    }
                }
                Due::Silent(for_so_long) => {
                    return Poll::Ready(Err(SocketError::Silent { for_so_long }));
                }
                Due::Slept(for_so_long) => {
                    return Poll::Ready(Err(SocketError::Slept { for_so_long }));
                }
            }
        }
    }

    pub(crate) fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), SocketError>> {
        Pin::new(&mut self.stream).poll_ready(cx).map_err(broken)
    }

    pub(crate) fn start_send(&mut self, message: Message) -> Result<(), SocketError> {
        Pin::new(&mut self.stream)
            .start_send(message)
            .map_err(broken)
    }

    pub(crate) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), SocketError>> {
        Pin::new(&mut self.stream).poll_flush(cx).map_err(broken)
    }
}

impl fmt::Debug for Socket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Socket").finish_non_exhaustive()
    }
}

/// An orderly end, if nothing was said about why or only that all is well.
fn end<T>(farewell: Option<CloseFrame>) -> Result<Option<T>, SocketError> {
    match farewell {
        Some(farewell) if u16::from(farewell.code) != 1000 => Err(SocketError::Closed {
            code: farewell.code.into(),
            reason: farewell.reason.to_string(),
        }),
        _ => Ok(None),
    }
}

fn broken(error: tungstenite::Error) -> SocketError {
    SocketError::Broken(Box::new(error))
}

#[cfg(test)]
mod tests;
