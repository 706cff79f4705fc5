//! Who waits for what in a shell session?
//!
//! [`Shell`] is the machine with its waiters: whoever takes events, whoever has something
//! to write, whoever waits for the last bytes to arrive.

use std::collections::VecDeque;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use session::{Session, SessionEvent, SessionFault, ShellEvent, ShellSession};

use crate::link::{Link, Machine};

/// A shell session that a link drives.
#[derive(Debug)]
pub(crate) struct Shell {
    session: ShellSession,
    signals: VecDeque<SessionEvent>,
    end: Option<ShellEnd>,
    /// Something has come since the reader last looked.
    has_news: bool,
    to_read: Option<Waker>,
    to_write: Option<Waker>,
    to_leave: Option<Waker>,
}

/// How a shell session ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ShellEnd {
    /// This end is done with it.
    Left,
    Closed {
        output: String,
    },
    Failed(SessionFault),
}

/// What happened, in order.
#[derive(Debug)]
pub(crate) enum Happened {
    /// To the session as a whole.
    Session(SessionEvent),
    /// In it.
    Shell(ShellEvent),
}

impl Shell {
    pub(crate) fn new(session: Session) -> Self {
        Self {
            session: ShellSession::new(session),
            signals: VecDeque::new(),
            end: None,
            has_news: false,
            to_read: None,
            to_write: None,
            to_leave: None,
        }
    }

    /// The session's own commands.
    pub(crate) fn shell(&mut self) -> &mut ShellSession {
        &mut self.session
    }

    /// The connection may close when all is written.
    pub(crate) fn leave(&mut self) {
        self.end.get_or_insert(ShellEnd::Left);
    }

    pub(crate) fn end(&self) -> Option<&ShellEnd> {
        self.end.as_ref()
    }
}

impl Machine for Shell {
    fn handle_connected(&mut self, now: Duration) {
        self.session.session().handle_connected(now);
    }

    fn handle_disconnected(&mut self) {
        self.session.session().handle_disconnected();
    }

    fn handle_message(&mut self, frame: &Bytes, now: Duration) {
        self.has_news = true;
        self.session.session().handle_message(frame, now);
    }

    fn handle_timeout(&mut self, now: Duration) {
        self.session.session().handle_timeout(now);
    }

    fn poll_transmit(&mut self, now: Duration) -> Option<Bytes> {
        self.session.session().poll_transmit(now)
    }

    fn poll_timeout(&mut self) -> Option<Duration> {
        self.session.session().poll_timeout()
    }

    /// Taking payloads is left to the waiter: it acknowledges them.
    fn react(&mut self, _now: Duration) {
        while let Some(event) = self.session.session().poll_event() {
            match event {
                SessionEvent::Closed { output } => {
                    self.end.get_or_insert(ShellEnd::Closed { output });
                }
                SessionEvent::Failed(fault) => {
                    self.end.get_or_insert(ShellEnd::Failed(fault));
                }
                event => self.signals.push_back(event),
            }
        }
        // the reader is often the task that drives: only what is new may wake it
        if std::mem::take(&mut self.has_news) || !self.signals.is_empty() || self.end.is_some() {
            wake(&mut self.to_read);
        }
        if self.end.is_some() || self.session.session().can_send() {
            wake(&mut self.to_write);
        }
        if self.end.is_some() || self.session.session().is_drained() {
            wake(&mut self.to_leave);
        }
    }

    fn is_over(&self) -> bool {
        self.end.is_some()
    }
}

impl Link<Shell> {
    /// What happened next; `None` when the session has ended and all of it been taken.
    pub(crate) fn poll_happened(&self, cx: &Context<'_>) -> Poll<Option<Happened>> {
        let mut state = self.lock();
        let now = self.elapsed();
        let shell = &mut state.machine;
        if let Some(signal) = shell.signals.pop_front() {
            return Poll::Ready(Some(Happened::Session(signal)));
        }
        if let Some(event) = shell.session.poll_event(now) {
            // room may let acknowledgements go
            state.wake_driver();
            return Poll::Ready(Some(Happened::Shell(event)));
        }
        if shell.end.is_some() {
            return Poll::Ready(None);
        }
        shell.to_read = Some(cx.waker().clone());
        Poll::Pending
    }

    /// Offers terminal bytes; how many were taken, or that the session has ended.
    pub(crate) fn poll_write(&self, data: &[u8], cx: &Context<'_>) -> Poll<Option<usize>> {
        self.with(|shell, now| {
            if shell.end.is_some() {
                return Poll::Ready(None);
            }
            match shell.session.write(data, now) {
                0 => {
                    shell.to_write = Some(cx.waker().clone());
                    Poll::Pending
                }
                taken => Poll::Ready(Some(taken)),
            }
        })
    }

    /// Whether everything sent has been acknowledged, or nobody is there to do so.
    pub(crate) fn poll_shell_drained(&self, cx: &Context<'_>) -> Poll<()> {
        let mut state = self.lock();
        let shell = &mut state.machine;
        if shell.session.session().is_drained() || shell.end.is_some() {
            return Poll::Ready(());
        }
        shell.to_leave = Some(cx.waker().clone());
        Poll::Pending
    }
}

fn wake(waker: &mut Option<Waker>) {
    if let Some(waker) = waker.take() {
        waker.wake();
    }
}
