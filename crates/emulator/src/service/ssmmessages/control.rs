//! An agent's control channel: what the service asks of it, what it reports of its sessions.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{SinkExt as _, StreamExt as _};
use session::message::{Decoded, MessageKind, decode};
use session::wire::{AgentTaskAcknowledge, AgentTaskComplete, OpenControlChannelInput};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;

use super::Opening;
use super::message::json_message;
use super::socket::{first_text, frame_in, refuse};
use crate::emulator::Emulator;
use crate::error::ApiError;
use crate::random;
use crate::service::ssm;
use crate::service::ssm::sessions::{End, EndStatus};
use crate::service::ssm::token::Holder;

/// Agents ping about every minute; who is silent for longer is gone.
const SILENCE: Duration = Duration::from_secs(3 * 60);
/// How often time limits are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// What a person is told of a failed session at most.
const OUTPUT_CHARACTERS: usize = 8 * 1024;

pub(super) async fn run<S>(
    emulator: &Arc<Emulator>,
    opening: &Opening,
    instance: &str,
    mut socket: WebSocketStream<S>,
) where
    S: AsyncRead + AsyncWrite + Unpin + Send,
{
    let text = first_text(&mut socket, &emulator.ssm.strangers).await;
    let input = text.and_then(|text| serde_json::from_str::<OpenControlChannelInput>(&text).ok());
    let holder = input.and_then(|input| {
        let mut fleet = emulator.ssm.fleet();
        let tokens = &mut fleet.agent(instance).tokens;
        tokens.redeem(&input.token_value, emulator.clock.now())
    });
    if holder != Some(Holder::Agent) {
        let message = format!("Channel {instance}: the request lacks a valid token");
        let refusal = ApiError::client("InvalidTokenException", message);
        let call = opening.call(emulator);
        call.record_refusal("ssmmessages:OpenControlChannel", "*", &refusal);
        return refuse(socket, &refusal.message).await;
    }
    let (number, messages) = emulator.ssm.fleet().attach(instance, emulator.clock.now());
    let _place = Place {
        emulator,
        instance,
        number,
    };
    serve(emulator, instance, socket, messages).await;
}

/// The place of this socket among the agents, given up when it ends.
struct Place<'a> {
    emulator: &'a Emulator,
    instance: &'a str,
    number: u64,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut fleet = self.emulator.ssm.fleet();
        fleet.detach(self.instance, self.number);
    }
}

async fn serve<S>(
    emulator: &Emulator,
    instance: &str,
    mut socket: WebSocketStream<S>,
    mut messages: tokio::sync::mpsc::Receiver<Bytes>,
) where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut look = tokio::time::interval(LOOK_EVERY);
    look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let silence = tokio::time::sleep(SILENCE);
    tokio::pin!(silence);
    loop {
        let reply = tokio::select! {
            _tick = look.tick() => {
                ssm::sweep(emulator);
                continue;
            }
            () = silence.as_mut() => return,
            message = messages.recv() => match message {
                Some(message) => message,
                // a newer channel of this agent has taken the place
                None => return,
            },
            received = socket.next() => {
                let Some(Ok(received)) = received else { return };
                silence.as_mut().reset(tokio::time::Instant::now() + SILENCE);
                match frame_in(received).and_then(|frame| handle(emulator, instance, &frame)) {
                    Some(reply) => reply,
                    None => continue,
                }
            }
        };
        if socket.send(Message::Binary(reply)).await.is_err() {
            return;
        }
    }
}

/// Takes one message of the agent in; what it is answered with.
fn handle(emulator: &Emulator, instance: &str, frame: &Bytes) -> Option<Bytes> {
    let Decoded::Message(message) = decode(frame) else {
        return None;
    };
    let MessageKind::Other(kind) = &message.kind else {
        return None;
    };
    if kind != "agent_task_complete" {
        return None;
    }
    let complete: AgentTaskComplete = serde_json::from_slice(&message.payload).ok()?;
    let now = emulator.clock.now();
    let is_its = emulator
        .ssm
        .sessions()
        .record(&complete.task_id)
        .is_some_and(|record| record.target == instance);
    if is_its {
        let end = End {
            at: now,
            status: if complete.final_task_status == "Success" {
                EndStatus::Terminated
            } else {
                EndStatus::Failed
            },
            output: complete.output.chars().take(OUTPUT_CHARACTERS).collect(),
            why: format!("the agent ended it: {}", complete.final_task_status),
        };
        ssm::end_session(emulator, &complete.task_id, end);
    }
    let acknowledge = AgentTaskAcknowledge {
        schema_version: 1,
        message_id: random::uuid(),
        task_id: complete.task_id,
        topic: "agent_task_acknowledge".to_owned(),
    };
    Some(json_message("agent_task_acknowledge", &acknowledge, now))
}
