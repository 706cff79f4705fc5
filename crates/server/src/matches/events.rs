//! `GET /api/matches/events`: seats as they change, as server-sent events.
//!
//! `match` carries a match as the list shows it, `gone` the id of a deleted
//! one, `resync` asks to read the list again. A comment every 15 s keeps load
//! balancers from closing the stream; it ends when the token expires.

use std::collections::HashMap;
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderName, header};
use bytes::Bytes;
use hyper::body::Frame;
use tokio::sync::{broadcast, mpsc};
use tokio::time::{MissedTickBehavior, interval};

use super::{Matches, feed};
use crate::app::App;
use crate::caller::SignedIn;
use crate::problem::{Code, Problem};

const HEARTBEAT: Duration = Duration::from_secs(15);
const MOST_STREAMS: i64 = 2_000;
/// One person's tabs and devices; more would take the streams of others.
const MOST_STREAMS_OF_ONE: usize = 12;
/// Frames on their way to a slow reader.
const BUFFER: usize = 16;
/// A reader that takes nothing for this long is gone.
const STUCK: Duration = Duration::from_secs(10);

type Headers = [(HeaderName, &'static str); 3];

pub async fn events(
    State(matches): State<Matches>,
    caller: SignedIn,
) -> Result<(Headers, Body), Problem> {
    let own = matches.streams.open(&caller.sub).ok_or_else(|| {
        Problem::new(
            Code::TooManyRequests,
            "you have too many streams open; close some",
        )
    })?;
    let stream = OpenStream::new(&matches.app).ok_or_else(|| {
        Problem::new(
            Code::Unavailable,
            "too many streams are open; poll the list instead",
        )
    })?;
    let (sender, receiver) = mpsc::channel(BUFFER);
    let frames = matches.feed.subscribe();
    let app = Arc::clone(&matches.app);
    matches.app.tasks.spawn(async move {
        let life = lifetime(caller.expires_at);
        tokio::select! {
            () = app.stop.cancelled() => {}
            () = tokio::time::sleep(life) => {}
            () = sender.closed() => {}
            () = pump(frames, &sender) => {}
        }
        drop((stream, own));
    });
    let headers = [
        (header::CONTENT_TYPE, "text/event-stream"),
        (header::CACHE_CONTROL, "no-store, no-transform"),
        (HeaderName::from_static("x-accel-buffering"), "no"),
    ];
    Ok((headers, Body::new(Stream(receiver))))
}

fn lifetime(expires_at_s: u64) -> Duration {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    Duration::from_secs(expires_at_s).saturating_sub(now)
}

async fn pump(mut frames: broadcast::Receiver<Bytes>, sender: &mpsc::Sender<Bytes>) {
    let mut heartbeat = interval(HEARTBEAT);
    heartbeat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let frame = tokio::select! {
            // the first tick is at once: headers and a sign of life leave together
            _ = heartbeat.tick() => Bytes::from_static(b": alive\n\n"),
            frame = frames.recv() => match frame {
                Ok(frame) => frame,
                Err(broadcast::error::RecvError::Lagged(_)) => feed::resync_frame(),
                Err(broadcast::error::RecvError::Closed) => return,
            },
        };
        if sender.send_timeout(frame, STUCK).await.is_err() {
            return;
        }
    }
}

/// How many streams each caller has open.
#[derive(Default)]
pub struct Streams(Mutex<HashMap<String, usize>>);

impl Streams {
    /// `None` when the caller has as many as one may have.
    fn open(self: &Arc<Self>, sub: &str) -> Option<OwnStream> {
        let mut open = self.0.lock().expect("no panic while the lock is held");
        let count = open.entry(sub.to_owned()).or_default();
        if *count >= MOST_STREAMS_OF_ONE {
            return None;
        }
        *count += 1;
        Some(OwnStream {
            streams: Arc::clone(self),
            sub: sub.to_owned(),
        })
    }
}

/// One of the streams that one caller may have open.
struct OwnStream {
    streams: Arc<Streams>,
    sub: String,
}

impl Drop for OwnStream {
    fn drop(&mut self) {
        let mut open = self
            .streams
            .0
            .lock()
            .expect("no panic while the lock is held");
        if let Some(count) = open.get_mut(&self.sub) {
            *count -= 1;
            if *count == 0 {
                open.remove(&self.sub);
            }
        }
    }
}

/// One of the streams that may be open.
struct OpenStream(Arc<App>);

impl OpenStream {
    fn new(app: &Arc<App>) -> Option<Self> {
        let open = app.metrics.event_streams.fetch_add(1, Ordering::Relaxed);
        let stream = Self(Arc::clone(app));
        (open < MOST_STREAMS).then_some(stream)
    }
}

impl Drop for OpenStream {
    fn drop(&mut self) {
        self.0.metrics.event_streams.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The response body: whatever the task behind it sends.
struct Stream(mpsc::Receiver<Bytes>);

impl hyper::body::Body for Stream {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.0
            .poll_recv(cx)
            .map(|frame| frame.map(|bytes| Ok(Frame::data(bytes))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_caller_cannot_take_every_stream_and_gets_back_what_it_closes() {
        let streams = Arc::new(Streams::default());
        let mut mine: Vec<_> = (0..MOST_STREAMS_OF_ONE)
            .map(|_| streams.open("a").expect("within the limit"))
            .collect();
        assert!(streams.open("a").is_none());
        let other = streams.open("b");
        assert!(other.is_some());
        mine.pop();
        mine.push(streams.open("a").expect("one was closed"));
        assert!(streams.open("a").is_none());
        drop((mine, other));
        assert!(streams.0.lock().expect("unpoisoned").is_empty());
    }
}
