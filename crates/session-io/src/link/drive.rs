//! Moving frames between a machine and one socket, until one of them ends.
//!
//! Frames are handed over and written in batches, so that a lock, a write and a wake
//! serve many of them. Reading goes on whatever waits to be written: what comes may be the
//! acknowledgements that make room.

use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use tokio::time::{Sleep, sleep_until};
use tokio_tungstenite::tungstenite::Message;

use super::{Link, Machine};
use crate::socket::{Socket, SocketError};

/// Frames taken from the socket, or from the machine, at once.
const BATCH: usize = 16;
/// Batches each way before other tasks have their turn.
const TURNS: usize = 8;
/// A machine that wants to repeat something is asked again so soon: what it has may not
/// fit into the socket for now.
const REPEAT_AFTER: Duration = Duration::from_millis(5);

/// How a socket's use ended.
#[derive(Debug)]
pub(super) enum Driven {
    /// The machine is done, and everything it had to say has been written.
    Over,
    /// The socket is; `None` after an orderly end.
    Lost(Option<SocketError>),
}

/// Drives; the end, and whether anything was heard from the other side before.
pub(super) async fn drive<M: Machine>(link: &Link<M>, socket: &mut Socket) -> (Driven, bool) {
    let mut driver = Driver {
        link,
        socket,
        outgoing: VecDeque::with_capacity(BATCH),
        incoming: Vec::with_capacity(BATCH),
        is_flushed: true,
        has_heard: false,
        timer: None,
        told_at: None,
    };
    let driven = poll_fn(|cx| driver.poll(cx)).await;
    (driven, driver.has_heard)
}

struct Driver<'a, M> {
    link: &'a Link<M>,
    socket: &'a mut Socket,
    outgoing: VecDeque<Bytes>,
    incoming: Vec<Bytes>,
    is_flushed: bool,
    has_heard: bool,
    timer: Option<(Duration, Pin<Box<Sleep>>)>,
    /// When the machine was last told of the time.
    told_at: Option<Duration>,
}

impl<M: Machine> Driver<'_, M> {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Driven> {
        self.link.lock().driver = Some(cx.waker().clone());
        for _ in 0..TURNS {
            let has_received = match self.receive(cx) {
                Ok(has_received) => has_received,
                Err(lost) => return Poll::Ready(lost),
            };
            let has_sent = match self.transmit(cx) {
                Ok(has_sent) => has_sent,
                Err(error) => return Poll::Ready(Driven::Lost(Some(error))),
            };
            let is_done = self.outgoing.is_empty() && self.is_flushed;
            if !has_sent && is_done && self.link.lock().machine.is_over() {
                return Poll::Ready(Driven::Over);
            }
            if !has_received && !has_sent && !self.has_timed_out(cx) {
                return Poll::Pending;
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Hands a batch of what came to the machine; whether there was anything.
    fn receive(&mut self, cx: &mut Context<'_>) -> Result<bool, Driven> {
        let mut lost = None;
        while self.incoming.len() < BATCH {
            match self.socket.poll_next(cx) {
                Poll::Ready(Ok(Some(frame))) => self.incoming.push(frame),
                Poll::Ready(Ok(None)) => lost = Some(Driven::Lost(None)),
                Poll::Ready(Err(error)) => lost = Some(Driven::Lost(Some(error))),
                Poll::Pending => break,
            }
            if lost.is_some() {
                break;
            }
        }
        let has_received = !self.incoming.is_empty();
        if has_received {
            self.has_heard = true;
            let mut state = self.link.lock();
            let now = self.link.begin.elapsed();
            for frame in self.incoming.drain(..) {
                state.machine.handle_message(&frame, now);
            }
            state.machine.react(now);
            // a session may end and its connection with it
            if lost.is_some() && state.machine.is_over() {
                return Err(Driven::Over);
            }
        }
        lost.map_or(Ok(has_received), Err)
    }

    /// Writes a batch; whether there was anything to write and room for it.
    fn transmit(&mut self, cx: &mut Context<'_>) -> Result<bool, SocketError> {
        if self.outgoing.is_empty() {
            let mut state = self.link.lock();
            let now = self.link.begin.elapsed();
            while self.outgoing.len() < BATCH
                && let Some(frame) = state.machine.poll_transmit(now)
            {
                self.outgoing.push_back(frame);
            }
            // writers may have room again; a wake for nothing would come back here for ever,
            // where who waits is the task that drives
            if !self.outgoing.is_empty() {
                state.machine.react(now);
            }
        }
        let mut has_sent = false;
        while !self.outgoing.is_empty() {
            if self.socket.poll_ready(cx)?.is_pending() {
                return Ok(has_sent);
            }
            if let Some(frame) = self.outgoing.pop_front() {
                self.socket.start_send(Message::Binary(frame))?;
                self.is_flushed = false;
                has_sent = true;
            }
        }
        // more may follow: it goes together
        if !has_sent && !self.is_flushed {
            self.is_flushed = self.socket.poll_flush(cx)?.is_ready();
        }
        Ok(has_sent)
    }

    /// Tells the machine when its time has come.
    fn has_timed_out(&mut self, cx: &mut Context<'_>) -> bool {
        let mut state = self.link.lock();
        let Some(at) = state.machine.poll_timeout() else {
            self.timer = None;
            return false;
        };
        let begin = self.link.begin;
        let at = self
            .told_at
            .map_or(at, |told_at| at.max(told_at + REPEAT_AFTER));
        let (armed_at, timer) = self
            .timer
            .get_or_insert_with(|| (at, Box::pin(sleep_until(begin + at))));
        if *armed_at != at {
            *armed_at = at;
            timer.as_mut().reset(begin + at);
        }
        if timer.as_mut().poll(cx).is_pending() {
            return false;
        }
        self.timer = None;
        let now = begin.elapsed();
        self.told_at = Some(now);
        state.machine.handle_timeout(now);
        state.machine.react(now);
        true
    }
}
