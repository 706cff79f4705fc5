//! What has just changed, here and in the other processes?
//!
//! A write calls [`Feed::changed`]. Within 20 ms one NOTIFY on a connection of
//! its own tells everybody which matches it was; it stays out of the writing
//! transactions because PostgreSQL lets only one transaction with a NOTIFY
//! commit at a time. Every process, the writer included, then reads those
//! matches once and hands them to its event streams.

use std::collections::BTreeSet;
use std::future::poll_fn;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use time::OffsetDateTime;
use tokio::sync::{Notify, broadcast, mpsc};
use tokio_postgres::{AsyncMessage, Client};

use super::{Match, match_columns};
use crate::app::App;
use crate::database::DatabaseError;
use crate::telemetry;

/// The channel of LISTEN and NOTIFY.
pub const CHANNEL: &str = "matches";
/// Changes are told at most this often.
const DEBOUNCE: Duration = Duration::from_millis(20);
/// PostgreSQL takes payloads of less than 8000 bytes.
const LONGEST_PAYLOAD: usize = 7_900;
/// Stands for "more than fits": read everything again.
const EVERYTHING: &str = "*";
/// Frames a slow stream may lag behind before it has to start over.
const BACKLOG: usize = 256;
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// Counts changes; equal values mean that nothing changed in between.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Generation(u64);

/// Changes of matches.
pub struct Feed {
    generation: AtomicU64,
    untold: Mutex<BTreeSet<i64>>,
    wake: Notify,
    frames: broadcast::Sender<Bytes>,
}

impl Default for Feed {
    fn default() -> Self {
        Self {
            generation: AtomicU64::new(0),
            untold: Mutex::default(),
            wake: Notify::new(),
            frames: broadcast::Sender::new(BACKLOG),
        }
    }
}

impl Feed {
    /// To be called after a write to a match has been committed and before
    /// its answer is sent.
    pub fn changed(&self, id: i64) {
        self.generation.fetch_add(1, Ordering::AcqRel);
        self.untold
            .lock()
            .expect("no panic while the lock is held")
            .insert(id);
        self.wake.notify_one();
    }

    pub fn generation(&self) -> Generation {
        Generation(self.generation.load(Ordering::Acquire))
    }

    /// Ready-made frames of server-sent events from now on.
    pub fn subscribe(&self) -> broadcast::Receiver<Bytes> {
        self.frames.subscribe()
    }

    fn send(&self, frame: Bytes) {
        // nobody listening is no error
        drop(self.frames.send(frame));
    }

    fn take_untold(&self) -> BTreeSet<i64> {
        std::mem::take(&mut *self.untold.lock().expect("no panic while the lock is held"))
    }
}

/// What to NOTIFY for these matches.
#[must_use]
pub fn payload(ids: &BTreeSet<i64>) -> String {
    let text = ids
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(",");
    if text.len() > LONGEST_PAYLOAD {
        EVERYTHING.to_owned()
    } else {
        text
    }
}

/// Tells a stream to read everything again.
#[must_use]
pub fn resync_frame() -> Bytes {
    Bytes::from_static(b"event: resync\ndata: {}\n\n")
}

/// Listens and tells until the app stops; a lost connection is made again.
pub async fn run(app: Arc<App>, feed: Arc<Feed>) {
    let mut pause = FIRST_PAUSE;
    loop {
        let ended = tokio::select! {
            () = app.stop.cancelled() => return,
            ended = listen(&app, &feed, &mut pause) => ended,
        };
        if let Err(error) = ended {
            tracing::warn!(db.error = %telemetry::chain(&error), "the feed of changes is interrupted");
        }
        tokio::select! {
            () = app.stop.cancelled() => return,
            () = tokio::time::sleep(pause) => pause = (pause * 2).min(LONGEST_PAUSE),
        }
    }
}

async fn listen(app: &App, feed: &Feed, pause: &mut Duration) -> Result<(), DatabaseError> {
    let (client, mut connection) = app.database.connector().connect().await?;
    let (sender, mut notifications) = mpsc::channel(BACKLOG);
    let driver = tokio::spawn(async move {
        while let Some(message) = poll_fn(|cx| connection.poll_message(cx)).await {
            if let AsyncMessage::Notification(notification) = message?
                && sender
                    .send(notification.payload().to_owned())
                    .await
                    .is_err()
            {
                break;
            }
        }
        Ok::<(), tokio_postgres::Error>(())
    });
    // dropped with the listener, whichever way it ends
    let _driver = AbortOnDrop(driver.abort_handle());

    client.batch_execute("LISTEN matches").await?;
    *pause = FIRST_PAUSE;
    // whatever was told while nobody listened
    feed.generation.fetch_add(1, Ordering::AcqRel);
    feed.send(resync_frame());
    loop {
        tokio::select! {
            payload = notifications.recv() => match payload {
                Some(payload) => receive(app, feed, &payload).await?,
                None => return driver.await.unwrap_or(Ok(())).map_err(DatabaseError::from),
            },
            () = feed.wake.notified() => {
                tell(feed, &client).await?;
                tokio::time::sleep(DEBOUNCE).await;
            }
        }
    }
}

struct AbortOnDrop(tokio::task::AbortHandle);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// NOTIFY what is untold; on failure it stays untold, for the next connection.
async fn tell(feed: &Feed, client: &Client) -> Result<(), DatabaseError> {
    let ids = feed.take_untold();
    if ids.is_empty() {
        return Ok(());
    }
    let told = client
        .execute("SELECT pg_notify($1, $2)", &[&CHANNEL, &payload(&ids)])
        .await;
    if let Err(error) = told {
        feed.untold
            .lock()
            .expect("no panic while the lock is held")
            .extend(ids);
        feed.wake.notify_one();
        return Err(error.into());
    }
    Ok(())
}

async fn receive(app: &App, feed: &Feed, payload: &str) -> Result<(), DatabaseError> {
    feed.generation.fetch_add(1, Ordering::AcqRel);
    if feed.frames.receiver_count() == 0 {
        return Ok(());
    }
    let ids: Option<Vec<i64>> = payload.split(',').map(|id| id.parse().ok()).collect();
    let Some(ids) = ids else {
        feed.send(resync_frame());
        return Ok(());
    };
    const SQL: &str = concat!(
        "SELECT ",
        match_columns!(),
        " FROM matches WHERE id = ANY($1) ORDER BY id"
    );
    let rows = app.database.rows(SQL, &[&ids]).await?;
    let now = OffsetDateTime::now_utc();
    let present: Vec<Match> = rows.iter().map(|row| Match::from_row(row, now)).collect();
    for id in ids {
        let frame = match present.iter().find(|shown| shown.id == id) {
            Some(shown) => {
                serde_json::to_string(shown).map(|json| format!("event: match\ndata: {json}\n\n"))
            }
            None => Ok(format!("event: gone\ndata: {{\"id\":{id}}}\n\n")),
        };
        if let Ok(frame) = frame {
            feed.send(frame.into());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_payload_names_the_matches_or_says_everything() {
        assert_eq!(payload(&BTreeSet::from([3, 1, 2])), "1,2,3");
        assert_eq!(payload(&(1_000_000..1_002_000).collect()), "*");
    }
}
