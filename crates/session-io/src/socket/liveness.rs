//! When to ask whether the other end is still there, and when to give up on it.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::{Duration, SystemTime};

use tokio::time::{Instant, Sleep, sleep_until};

/// How the silence of a peer is dealt with.
#[derive(Debug, Clone, Copy)]
pub struct Liveness {
    /// After so much silence a ping goes out.
    pub ping_after: Duration,
    /// The connection is given up when nothing has come so long after that.
    pub pong_within: Duration,
}

impl Default for Liveness {
    fn default() -> Self {
        Self {
            ping_after: Duration::from_secs(25),
            pong_within: Duration::from_secs(10),
        }
    }
}

/// The clocks are compared at least so often.
const TICK: Duration = Duration::from_secs(5);
/// The wall clock may be set by so much without it passing for sleep.
const CLOCK_TOLERANCE: Duration = Duration::from_secs(10);

/// Watches one connection.
#[derive(Debug)]
pub(super) struct Watch {
    liveness: Liveness,
    heard_at: Instant,
    asked_at: Option<Instant>,
    clocks: (Instant, SystemTime),
    timer: Pin<Box<Sleep>>,
}

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Due {
    Ping,
    /// Nobody has answered.
    Silent(Duration),
    /// Time has passed that this program did not see.
    Slept(Duration),
}

impl Watch {
    pub(super) fn new(liveness: Liveness) -> Self {
        let now = Instant::now();
        Self {
            liveness,
            heard_at: now,
            asked_at: None,
            clocks: (now, SystemTime::now()),
            timer: Box::pin(sleep_until(now + liveness.ping_after.min(TICK))),
        }
    }

    /// Something came.
    pub(super) fn heard(&mut self) {
        self.heard_at = Instant::now();
        self.asked_at = None;
    }

    pub(super) fn poll_due(&mut self, cx: &mut Context<'_>) -> Poll<Due> {
        loop {
            ready!(self.timer.as_mut().poll(cx));
            let now = Instant::now();
            if let Some(slept) = self.slept(now, SystemTime::now()) {
                return Poll::Ready(Due::Slept(slept));
            }
            let (due, next) = self.weigh(now);
            self.timer.as_mut().reset(next.min(now + TICK));
            if let Some(due) = due {
                return Poll::Ready(due);
            }
        }
    }

    /// What is due, and when to look again.
    fn weigh(&mut self, now: Instant) -> (Option<Due>, Instant) {
        let silence = now - self.heard_at;
        match self.asked_at {
            Some(asked_at) if now >= asked_at + self.liveness.pong_within => {
                (Some(Due::Silent(silence)), now + TICK)
            }
            Some(asked_at) => (None, asked_at + self.liveness.pong_within),
            None if silence >= self.liveness.ping_after => {
                self.asked_at = Some(now);
                (Some(Due::Ping), now + self.liveness.pong_within)
            }
            None => (None, self.heard_at + self.liveness.ping_after),
        }
    }

    /// By how much the wall clock has run ahead of the one that stops in a machine's
    /// sleep, if by much.
    fn slept(&mut self, now: Instant, wall: SystemTime) -> Option<Duration> {
        let (then, then_wall) = std::mem::replace(&mut self.clocks, (now, wall));
        let elapsed = wall.duration_since(then_wall).ok()?;
        let ahead = elapsed.saturating_sub(now - then);
        (ahead > CLOCK_TOLERANCE).then_some(ahead)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn silence_is_asked_about_and_then_believed() {
        let liveness = Liveness {
            ping_after: Duration::from_secs(25),
            pong_within: Duration::from_secs(10),
        };
        let mut watch = Watch::new(liveness);
        let begin = Instant::now();
        let due = async |watch: &mut Watch| {
            let due = std::future::poll_fn(|cx| watch.poll_due(cx)).await;
            (due, begin.elapsed().as_secs())
        };
        assert_eq!(due(&mut watch).await, (Due::Ping, 25));
        watch.heard();
        assert_eq!(due(&mut watch).await, (Due::Ping, 50));
        let silence = Duration::from_secs(35);
        let (silent, at) = due(&mut watch).await;
        assert!(
            matches!(silent, Due::Silent(for_so_long) if for_so_long.as_secs() == silence.as_secs())
        );
        assert_eq!(at, 60);
    }

    #[tokio::test(start_paused = true)]
    async fn sleep_is_a_wall_clock_that_ran_ahead() {
        let mut watch = Watch::new(Liveness::default());
        let (now, wall) = watch.clocks;
        let secs = Duration::from_secs;
        assert_eq!(watch.slept(now + secs(5), wall + secs(5)), None);
        assert_eq!(
            watch.slept(now + secs(9), wall + secs(15)),
            None,
            "set by little"
        );
        assert_eq!(
            watch.slept(now + secs(10), wall + secs(3)),
            None,
            "set back"
        );
        let slept = watch.slept(now + secs(11), wall + secs(904));
        assert_eq!(slept, Some(secs(900)));
        assert_eq!(
            watch.slept(now + secs(12), wall + secs(905)),
            None,
            "said once"
        );
    }
}
