//! Delivers a program's output to its log group, as the awslogs driver does:
//! from the program's own interface, with the role that may write there.
//!
//! Lines wait in memory, a bounded number of them, until they are delivered;
//! when the way is blocked the oldest go first and the loss is counted.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::json;
use time::OffsetDateTime;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::client::{CallError, Client};
use crate::blueprint::LogStream;

/// Lines that may wait; at some 200 bytes each this is a few megabytes.
const MAX_WAITING: usize = 20_000;
/// (CloudWatch Logs API, PutLogEvents: 10,000 events and 1 MiB a batch)
const MAX_BATCH: usize = 1_000;
const MAX_BATCH_BYTES: usize = 900_000;
/// How long lines gather before they go.
const GATHER: Duration = Duration::from_millis(200);
const FIRST_RETRY: Duration = Duration::from_millis(500);
const LAST_RETRY: Duration = Duration::from_secs(15);

/// Lines on their way.
#[derive(Debug, Default)]
pub struct LogQueue {
    waiting: Mutex<Waiting>,
    arrived: Notify,
}

#[derive(Debug, Default)]
struct Waiting {
    lines: VecDeque<(i64, String)>,
    lost: u64,
}

impl LogQueue {
    /// Adds a line, now.
    pub fn push(&self, line: String) {
        let now_ms = i64::try_from(OffsetDateTime::now_utc().unix_timestamp_nanos() / 1_000_000);
        let mut waiting = self.lock();
        if waiting.lines.len() == MAX_WAITING {
            waiting.lines.pop_front();
            waiting.lost += 1;
        }
        waiting.lines.push_back((now_ms.unwrap_or(i64::MAX), line));
        drop(waiting);
        self.arrived.notify_one();
    }

    fn is_empty(&self) -> bool {
        self.lock().lines.is_empty()
    }

    /// The oldest lines, up to one batch; they stay until [`LogQueue::delivered`].
    fn batch(&self) -> Vec<(i64, String)> {
        let waiting = self.lock();
        let mut bytes = 0;
        let fits = |line: &&(i64, String)| {
            // (PutLogEvents: 26 bytes are counted for each event)
            bytes += line.1.len() + 26;
            bytes <= MAX_BATCH_BYTES
        };
        waiting
            .lines
            .iter()
            .take(MAX_BATCH)
            .take_while(fits)
            .cloned()
            .collect()
    }

    fn delivered(&self, count: usize, lost_before: u64) {
        let mut waiting = self.lock();
        // lines lost meanwhile were the oldest, so they were of this batch
        let lost_meanwhile = usize::try_from(waiting.lost - lost_before).unwrap_or(count);
        let rest = count
            .saturating_sub(lost_meanwhile)
            .min(waiting.lines.len());
        waiting.lines.drain(..rest);
    }

    fn lost(&self) -> u64 {
        self.lock().lost
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Delivers until `stop`, then once more what is left. `on_trouble` hears why
/// nothing goes through, once for each new reason.
pub async fn deliver(
    queue: Arc<LogQueue>,
    stream: LogStream,
    mut client: Client,
    stop: CancellationToken,
    on_trouble: impl Fn(Option<&CallError>),
) {
    let mut has_stream = false;
    let mut pause = FIRST_RETRY;
    let mut trouble: Option<String> = None;
    loop {
        if queue.is_empty() {
            if stop.is_cancelled() {
                return;
            }
            tokio::select! {
                () = queue.arrived.notified() => {}
                () = stop.cancelled() => {}
            }
            tokio::select! {
                () = tokio::time::sleep(GATHER) => {}
                () = stop.cancelled() => {}
            }
            continue;
        }
        match send(&queue, &stream, &mut client, &mut has_stream).await {
            Ok(()) => {
                pause = FIRST_RETRY;
                if trouble.take().is_some() {
                    on_trouble(None);
                }
            }
            Err(error) => {
                if trouble.as_deref() != Some(&error.to_string()) {
                    on_trouble(Some(&error));
                    trouble = Some(error.to_string());
                }
                if stop.is_cancelled() {
                    return;
                }
                tokio::select! {
                    () = tokio::time::sleep(pause) => {}
                    () = stop.cancelled() => {}
                }
                pause = (pause * 2).min(LAST_RETRY);
            }
        }
    }
}

async fn send(
    queue: &LogQueue,
    stream: &LogStream,
    client: &mut Client,
    has_stream: &mut bool,
) -> Result<(), CallError> {
    if !*has_stream {
        let names = json!({ "logGroupName": stream.group, "logStreamName": stream.stream });
        match client
            .call("logs", "Logs_20140328.CreateLogStream", &names)
            .await
        {
            Err(CallError::Refused { message, .. })
                if message.contains("ResourceAlreadyExistsException") => {}
            Err(error) => return Err(error),
            Ok(_) => {}
        }
        *has_stream = true;
    }
    let lost = queue.lost();
    let batch = queue.batch();
    let events: Vec<_> = batch
        .iter()
        .map(|(timestamp, message)| json!({ "timestamp": timestamp, "message": message }))
        .collect();
    let body = json!({
        "logGroupName": stream.group,
        "logStreamName": stream.stream,
        "logEvents": events,
    });
    client
        .call("logs", "Logs_20140328.PutLogEvents", &body)
        .await?;
    queue.delivered(batch.len(), lost);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_queue_loses_its_oldest_and_counts_them() {
        let queue = LogQueue::default();
        for number in 0..=MAX_WAITING {
            queue.push(number.to_string());
        }
        assert_eq!(queue.lost(), 1);
        let batch = queue.batch();
        assert_eq!(batch.first().map(|(_, line)| line.as_str()), Some("1"));
        assert_eq!(batch.len(), MAX_BATCH);
    }

    #[test]
    fn lines_lost_while_a_batch_was_under_way_are_not_taken_out_twice() {
        let queue = LogQueue::default();
        (0..MAX_WAITING).for_each(|number| queue.push(number.to_string()));
        let (lost, batch) = (queue.lost(), queue.batch());
        queue.push("one more".to_owned());
        queue.delivered(batch.len(), lost);
        let next = queue.batch();
        assert_eq!(
            next.first().map(|(_, line)| line.clone()),
            Some(MAX_BATCH.to_string())
        );
    }
}
