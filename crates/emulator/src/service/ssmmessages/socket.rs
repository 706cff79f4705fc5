//! A websocket as both kinds of channel use it: limits, the first text, closing.

use std::time::Duration;

use bytes::Bytes;
use futures_util::{SinkExt as _, StreamExt as _};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::Semaphore;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role, WebSocketConfig};

use super::relay::FRAME_LIMIT;

/// How long an end may take to say who it is.
const FIRST_TEXT_WITHIN: Duration = Duration::from_secs(10);
/// How long the other end may take to answer a close.
pub(super) const CLOSE_WITHIN: Duration = Duration::from_secs(2);
/// Bytes that may wait to be written to one connection, beside the frame being written.
const WRITE_BUFFER: usize = 128 * 1024;
/// A close reason's limit (RFC 6455 §5.5).
const REASON_BYTES: usize = 123;

/// A websocket over a connection that was upgraded.
pub(super) async fn over<S>(stream: S) -> WebSocketStream<S>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let config = WebSocketConfig::default()
        .max_message_size(Some(FRAME_LIMIT))
        .max_frame_size(Some(FRAME_LIMIT))
        .write_buffer_size(WRITE_BUFFER)
        .max_write_buffer_size(WRITE_BUFFER + 2 * FRAME_LIMIT);
    WebSocketStream::from_raw_socket(stream, Role::Server, Some(config)).await
}

/// The first text; pings may come before it. None comes in time, or at once where too many others
/// are waited for.
pub(super) async fn first_text<S>(
    socket: &mut WebSocketStream<S>,
    strangers: &Semaphore,
) -> Option<String>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let _place = strangers.try_acquire().ok()?;
    let reading = async {
        while let Some(Ok(message)) = socket.next().await {
            match message {
                Message::Text(text) => return Some(text.to_string()),
                Message::Ping(_) | Message::Pong(_) => {}
                Message::Binary(_) | Message::Close(_) | Message::Frame(_) => return None,
            }
        }
        None
    };
    tokio::time::timeout(FIRST_TEXT_WITHIN, reading)
        .await
        .unwrap_or(None)
}

/// The frame in a message; `None` for what websockets say among themselves.
pub(super) fn frame_in(message: Message) -> Option<Bytes> {
    match message {
        Message::Binary(bytes) => Some(bytes),
        Message::Text(text) => Some(text.into()),
        Message::Ping(_) | Message::Pong(_) | Message::Close(_) | Message::Frame(_) => None,
    }
}

/// Closes with 1003, as the service does when it does not take what it got.
pub(super) async fn refuse<S>(mut socket: WebSocketStream<S>, reason: &str)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let closing = async {
        let frame = close_frame(CloseCode::Unsupported, reason);
        // an end that has left already needs no reason
        if socket.send(frame).await.is_ok() {
            while let Some(Ok(_)) = socket.next().await {}
        }
    };
    let _gone = tokio::time::timeout(CLOSE_WITHIN, closing).await;
}

pub(super) fn close_frame(code: CloseCode, reason: &str) -> Message {
    let mut end = reason.len().min(REASON_BYTES);
    while !reason.is_char_boundary(end) {
        end -= 1;
    }
    Message::Close(Some(CloseFrame {
        code,
        reason: reason[..end].into(),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn pair() -> (
        WebSocketStream<tokio::io::DuplexStream>,
        WebSocketStream<tokio::io::DuplexStream>,
    ) {
        let (client, server) = tokio::io::duplex(1_024);
        let client = WebSocketStream::from_raw_socket(client, Role::Client, None).await;
        (client, over(server).await)
    }

    #[tokio::test]
    async fn a_stranger_is_not_listened_to_where_there_are_too_many() {
        let (mut client, mut server) = pair().await;
        client.send(Message::Ping("before".into())).await.unwrap();
        client.send(Message::text("first")).await.unwrap();
        let room = Semaphore::new(1);
        let taken = room.try_acquire().unwrap();
        assert_eq!(first_text(&mut server, &room).await, None);
        drop(taken);
        let first = first_text(&mut server, &room).await;
        assert_eq!(first.as_deref(), Some("first"));
        assert_eq!(room.available_permits(), 1);
    }

    #[test]
    fn a_reason_is_cut_where_a_character_ends() {
        let long = "xx".to_owned() + &"한".repeat(50);
        let Message::Close(Some(frame)) = close_frame(CloseCode::Normal, &long) else {
            panic!("not a close");
        };
        assert_eq!(frame.reason.len(), 122);
    }
}
