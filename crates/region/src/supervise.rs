//! How is a workload kept running?
//!
//! [`Backoff`] is the policy, pure: how long to wait after the nth failure.
//! [`supervise`] is the thin part that starts, waits, tells and starts again.

use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use tokio_util::sync::CancellationToken;

use crate::host::process::{Child, ChildCommand, Exit, Lines, SpawnError, Spawner};

/// When to start again what has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// Pause before the first restart.
    pub first: Duration,
    /// Longest pause; it doubles up to there.
    pub longest: Duration,
    /// Whoever ran this long is healthy: the next pause is the first again.
    pub stable: Duration,
    /// How long a workload may take to stop before it is killed.
    pub grace: Duration,
    /// The signal that asks it to stop.
    pub stop_signal: Signal,
}

impl Default for Policy {
    /// Quick enough for a person who watches, slow enough for a crash loop.
    /// The grace is what ECS gives a task.
    /// <https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_ContainerDefinition.html>
    fn default() -> Self {
        Self {
            first: Duration::from_millis(200),
            longest: Duration::from_secs(30),
            stable: Duration::from_secs(30),
            grace: Duration::from_secs(30),
            stop_signal: Signal::SIGTERM,
        }
    }
}

/// How often in a row a workload has failed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Backoff {
    failures: u32,
}

impl Backoff {
    /// The pause after an end that came `ran` after the start.
    pub fn next(&mut self, policy: &Policy, ran: Duration) -> Duration {
        if ran >= policy.stable {
            self.failures = 0;
        }
        let factor = 1_u32.checked_shl(self.failures).unwrap_or(u32::MAX);
        self.failures = self.failures.saturating_add(1).min(31);
        policy.first.saturating_mul(factor).min(policy.longest)
    }
}

/// What happens to a workload, for logs and for target health.
#[derive(Debug)]
pub enum Event {
    /// It runs under this process number.
    Started {
        /// In the region's process id namespace.
        pid: u32,
    },
    /// It wrote a line.
    Output {
        /// From standard error?
        error: bool,
        /// Without its newline.
        line: String,
    },
    /// It ended without being asked.
    Exited {
        /// How.
        exit: Exit,
        /// After what time.
        ran: Duration,
    },
    /// It could not be started.
    Failed {
        /// Why.
        error: SpawnError,
    },
    /// It will be started again after this pause.
    Restarting {
        /// The pause.
        pause: Duration,
    },
    /// It was asked to stop, and has.
    Stopped {
        /// How; `None` when it was not running.
        exit: Option<Exit>,
    },
}

/// Keeps what `command` describes running until `stop` is cancelled, then
/// stops it within the policy's grace and returns. `command` is asked before
/// each start, so that a restart can use fresh credentials or addresses.
pub async fn supervise(
    spawner: &Spawner,
    policy: &Policy,
    stop: &CancellationToken,
    mut command: impl FnMut() -> ChildCommand,
    mut event: impl FnMut(Event),
) {
    let mut backoff = Backoff::default();
    while !stop.is_cancelled() {
        let started = Instant::now();
        match spawner.spawn(&command()).await {
            Ok(child) => match run(child, policy, stop, &mut event).await {
                End::Stopped(exit) => return event(Event::Stopped { exit: Some(exit) }),
                End::Exited(exit) => event(Event::Exited {
                    exit,
                    ran: started.elapsed(),
                }),
                End::Lost => {}
            },
            Err(SpawnError::Closed) => break,
            Err(error) => event(Event::Failed { error }),
        }
        let pause = backoff.next(policy, started.elapsed());
        event(Event::Restarting { pause });
        tokio::select! {
            () = stop.cancelled() => {}
            () = tokio::time::sleep(pause) => {}
        }
    }
    event(Event::Stopped { exit: None });
}

/// Runs what `command` describes to its end, once; `None` when it could not be
/// started or its end is unknown.
pub async fn run_once(
    spawner: &Spawner,
    policy: &Policy,
    stop: &CancellationToken,
    command: &ChildCommand,
    mut event: impl FnMut(Event),
) -> Option<Exit> {
    match spawner.spawn(command).await {
        Ok(child) => match run(child, policy, stop, &mut event).await {
            End::Stopped(exit) | End::Exited(exit) => Some(exit),
            End::Lost => None,
        },
        Err(error) => {
            event(Event::Failed { error });
            None
        }
    }
}

/// How long output is read after the end.
const DRAIN: Duration = Duration::from_secs(1);

/// How one run of a workload ended.
enum End {
    Stopped(Exit),
    Exited(Exit),
    /// The system cannot say; it is dropped, and so killed.
    Lost,
}

async fn run(
    mut child: Child,
    policy: &Policy,
    stop: &CancellationToken,
    event: &mut impl FnMut(Event),
) -> End {
    event(Event::Started { pid: child.pid });
    let (mut output, mut errors) = (child.output.take(), child.errors.take());
    let mut end = std::pin::pin!(end_of(&mut child, policy, stop));
    let mut ended = None;
    let mut drained = std::pin::pin!(None);
    // what it wrote before its end is still read, but no longer than that:
    // something it left behind may hold the pipes open
    while ended.is_none() || output.is_some() || errors.is_some() {
        tokio::select! {
            line = next(&mut output), if output.is_some() => {
                if let Some(line) = line {
                    event(Event::Output { error: false, line });
                }
            }
            line = next(&mut errors), if errors.is_some() => {
                if let Some(line) = line {
                    event(Event::Output { error: true, line });
                }
            }
            end = &mut end, if ended.is_none() => {
                ended = Some(end);
                drained.set(Some(tokio::time::sleep(DRAIN)));
            }
            Some(()) = maybe(drained.as_mut().as_pin_mut()) => break,
            else => break,
        }
    }
    ended.unwrap_or(End::Lost)
}

async fn maybe<F: Future>(future: Option<F>) -> Option<F::Output> {
    Some(future?.await)
}

async fn end_of(child: &mut Child, policy: &Policy, stop: &CancellationToken) -> End {
    let asked = tokio::select! {
        exit = child.wait() => return exit.map_or(End::Lost, End::Exited),
        () = stop.cancelled() => child.stop(policy.stop_signal, policy.grace),
    };
    asked.await.map_or(End::Lost, End::Stopped)
}

/// The next line, or `None` and never again.
async fn next(lines: &mut Option<Lines>) -> Option<String> {
    let line = lines.as_mut()?.next().await.unwrap_or_default();
    if line.is_none() {
        *lines = None;
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_longest_and_start_over_after_a_stable_run() {
        let policy = Policy {
            first: Duration::from_millis(200),
            longest: Duration::from_secs(1),
            ..Policy::default()
        };
        let mut backoff = Backoff::default();
        let mut pause = |ran| backoff.next(&policy, Duration::from_secs(ran)).as_millis();
        assert_eq!(
            [pause(0), pause(0), pause(1), pause(0)],
            [200, 400, 800, 1000]
        );
        assert_eq!([pause(29), pause(30), pause(0)], [1000, 200, 400]);
    }

    #[test]
    fn endless_failure_does_not_overflow() {
        let policy = Policy::default();
        let mut backoff = Backoff::default();
        for _ in 0..1000 {
            assert!(backoff.next(&policy, Duration::ZERO) <= policy.longest);
        }
    }
}
