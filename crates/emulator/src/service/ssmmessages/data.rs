//! A data channel: one end of a session, its token checked, its frames passed on.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt as _, StreamExt as _};
use session::wire::OpenDataChannelInput;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{Notify, watch};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

use super::message::{channel_closed, message};
use super::relay::{Attached, Relay, Side};
use super::socket::{CLOSE_WITHIN, close_frame, first_text, frame_in, refuse};
use super::{Opening, record_opening};
use crate::emulator::Emulator;
use crate::error::ApiError;
use crate::service::ssm;
use crate::service::ssm::token::Holder;

/// The shortest message: header and no payload.
const SHORTEST_FRAME: usize = 120;
/// Plugins ping every five minutes, agents every minute; who is silent for longer is gone.
const SILENCE: Duration = Duration::from_secs(10 * 60);
/// How often a session's time limits are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Frames written before the connection is flushed.
const BATCH: usize = 64;

pub(super) async fn run<S>(
    emulator: &Arc<Emulator>,
    opening: &Opening,
    id: &str,
    mut socket: WebSocketStream<S>,
) where
    S: AsyncRead + AsyncWrite + Unpin + Send,
{
    let text = first_text(&mut socket, &emulator.ssm.strangers).await;
    let (side, relay) = match admitted(emulator, opening, id, text.as_deref()) {
        Ok(admitted) => admitted,
        Err(refusal) => {
            record_opening(&opening.call(emulator), id, Some(&refusal));
            return refuse(socket, &format!("Channel {id}: {}", refusal.message)).await;
        }
    };
    record_opening(&opening.call(emulator), id, None);
    let end = End {
        emulator,
        id,
        side,
        place: relay.attach(side, Arc::clone(&emulator.clock)),
        relay: &relay,
        waits: Notify::new(),
    };
    let (sink, source) = socket.split();
    tokio::select! {
        () = end.read(source) => {}
        () = end.write(sink) => {}
        () = end.place.replaced() => {}
        () = end.overdue() => {}
    }
}

/// Who this is, by its token: redeemed even if something else is wrong.
fn admitted(
    emulator: &Emulator,
    opening: &Opening,
    id: &str,
    text: Option<&str>,
) -> Result<(Side, Arc<Relay>), ApiError> {
    let refused = |message: &str| ApiError::client("InvalidTokenException", message.to_owned());
    let input: OpenDataChannelInput = text
        .and_then(|text| serde_json::from_str(text).ok())
        .ok_or_else(|| refused("The request lacks a token"))?;
    if input.message_schema_version != "1.0" {
        return Err(refused("The message schema version is not 1.0"));
    }
    let call = opening.call(emulator);
    let (holder, target, relay) = {
        let mut sessions = emulator.ssm.sessions();
        let session = sessions
            .active_mut(id)
            .ok_or_else(|| refused("The session is not active"))?;
        let holder = session
            .tokens
            .redeem(&input.token_value, call.now)
            .ok_or_else(|| refused("The token is not valid, or was used"))?;
        (
            holder,
            session.record.target.clone(),
            Arc::clone(&session.relay),
        )
    };
    relay.touch(call.now);
    match holder {
        // unsigned, as older plugins come, or signed by whom the token was given to
        Holder::Client(arn) => match call.caller.principal.arn() {
            Some(caller) if caller != arn => Err(refused("The token is someone else's")),
            _ => Ok((Side::Client, relay)),
        },
        Holder::Agent if ssm::is_agent_of(&call, &target) => Ok((Side::Agent, relay)),
        Holder::Agent => Err(refused("The token is an agent's")),
    }
}

/// One end while its socket lasts.
struct End<'a> {
    emulator: &'a Emulator,
    id: &'a str,
    side: Side,
    relay: &'a Arc<Relay>,
    place: Attached,
    /// Told when this end must wait for the other.
    waits: Notify,
}

impl End<'_> {
    /// Takes frames in until the connection ends.
    async fn read<S>(&self, mut source: SplitStream<WebSocketStream<S>>)
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        while let Ok(Some(Ok(message))) = tokio::time::timeout(SILENCE, source.next()).await {
            if let Some(frame) = frame_in(message) {
                self.pass(frame).await;
            }
        }
    }

    /// Passes on what this end may say to the other, and nothing else.
    async fn pass(&self, frame: Bytes) {
        let Some(kind) = kind_of(&frame) else {
            return;
        };
        let is_data = match (self.side, kind) {
            (Side::Client, b"input_stream_data") | (Side::Agent, b"output_stream_data") => true,
            (_, b"acknowledge") => false,
            (Side::Agent, b"agent_session_state") => {
                let mut sessions = self.emulator.ssm.sessions();
                if let Some(session) = sessions.active_mut(self.id) {
                    session.joined = true;
                }
                return;
            }
            _ => return,
        };
        if is_data {
            self.relay.touch(self.emulator.clock.now());
        }
        self.relay.push(self.side.other(), frame, &self.waits).await;
    }

    /// Writes what comes for this end, and what the service has to say.
    async fn write<S>(&self, mut sink: SplitSink<WebSocketStream<S>, Message>)
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let mut frames = self.place.frames().await;
        let mut over = self.relay.over();
        let mut byes = self.relay.byes();
        let mut other = self.relay.presence(self.side.other());
        let mut told = None;
        let mut look = tokio::time::interval(LOOK_EVERY);
        look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            let present = *other.borrow_and_update() != 0;
            // a client is told only of changes: before the agent comes there is nothing to pause
            if told != Some(present) && (self.side == Side::Agent || told.is_some() || present) {
                told = Some(present);
                if sink
                    .send(Message::Binary(self.publication(present)))
                    .await
                    .is_err()
                {
                    return;
                }
            }
            tokio::select! {
                biased;
                () = ended(&mut over) => break,
                _bye = byes.changed() => {
                    let bye = close_frame(CloseCode::Normal, "Bye");
                    return closed(sink, [bye]).await;
                }
                _changed = other.changed() => {}
                _tick = look.tick() => ssm::expire(self.emulator, self.id),
                () = self.waits.notified() => {
                    // the other end is slow, and this one's pings wait behind its frames
                    if sink.send(Message::Pong(Bytes::new())).await.is_err() {
                        return;
                    }
                }
                Some(frame) = frames.recv() => {
                    let mut next = Some(frame);
                    for _ in 0..BATCH {
                        let Some(frame) = next else { break };
                        if sink.feed(Message::Binary(frame.bytes.clone())).await.is_err() {
                            return;
                        }
                        next = frames.try_recv().ok();
                    }
                    if let Some(frame) = next
                        && sink.feed(Message::Binary(frame.bytes.clone())).await.is_err()
                    {
                        return;
                    }
                    if sink.flush().await.is_err() {
                        return;
                    }
                }
            }
        }
        // the last output is still on its way when a shell ends
        while let Ok(frame) = frames.try_recv() {
            if sink
                .feed(Message::Binary(frame.bytes.clone()))
                .await
                .is_err()
            {
                return;
            }
        }
        let output = over.borrow().as_deref().unwrap_or_default().to_owned();
        let now = self.emulator.clock.now();
        let last = channel_closed(self.id, self.id, &output, now);
        let bye = close_frame(CloseCode::Normal, "Session ended");
        closed(sink, [Message::Binary(last), bye]).await;
    }

    fn publication(&self, present: bool) -> Bytes {
        let kind = if present {
            "start_publication"
        } else {
            "pause_publication"
        };
        message(kind, Bytes::new(), self.emulator.clock.now())
    }

    /// Returns when the session has ended and this end did not take the news in time.
    async fn overdue(&self) {
        ended(&mut self.relay.over()).await;
        tokio::time::sleep(2 * CLOSE_WITHIN).await;
    }
}

/// Returns when the session is over.
async fn ended(over: &mut watch::Receiver<Option<Arc<str>>>) {
    // the sender is in the relay, which every end holds
    let _is_over = over.wait_for(Option::is_some).await.is_ok();
}

/// Sends the last messages and gives the other end time to answer the close.
async fn closed<S, const N: usize>(
    mut sink: SplitSink<WebSocketStream<S>, Message>,
    messages: [Message; N],
) where
    S: AsyncRead + AsyncWrite + Unpin,
{
    for message in messages {
        if sink.send(message).await.is_err() {
            return;
        }
    }
    tokio::time::sleep(CLOSE_WITHIN).await;
}

/// The type of a message; `None` for what is too short to be one.
fn kind_of(frame: &[u8]) -> Option<&[u8]> {
    if frame.len() < SHORTEST_FRAME {
        return None;
    }
    let kind = &frame[4..36];
    let end = kind.iter().position(|byte| matches!(byte, b' ' | b'\0'));
    Some(&kind[..end.unwrap_or(kind.len())])
}
