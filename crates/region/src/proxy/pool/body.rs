//! Bodies on their way to and from an upstream, watched for silence.

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::{Body as HttpBody, Frame, Incoming, SizeHint};
use tokio::time::{Instant, Sleep};

use crate::serve::{Body, BodyError};

/// When an exchange last moved, and whether all of the request is out.
#[derive(Debug, Clone)]
pub(super) struct Activity(Arc<Mutex<Moved>>);

#[derive(Debug)]
struct Moved {
    last: Instant,
    done: bool,
}

impl Activity {
    pub(super) fn now() -> Self {
        Self(Arc::new(Mutex::new(Moved {
            last: Instant::now(),
            done: false,
        })))
    }

    pub(super) fn done(&self) {
        self.lock().done = true;
    }

    pub(super) fn is_done(&self) -> bool {
        self.lock().done
    }

    fn touch(&self) {
        self.lock().last = Instant::now();
    }

    fn lock(&self) -> MutexGuard<'_, Moved> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns when nothing has moved for `limit`.
    pub(super) async fn silent_for(&self, limit: Duration) {
        loop {
            let last = self.lock().last;
            if last.elapsed() >= limit {
                return;
            }
            tokio::time::sleep_until(last + limit).await;
        }
    }
}

/// A request body; every piece of it counts as activity.
pub(super) struct ToUpstream {
    inner: Body,
    activity: Activity,
}

impl ToUpstream {
    pub(super) fn wrap(inner: Body, activity: Activity) -> Body {
        Self { inner, activity }.boxed_unsync()
    }
}

impl HttpBody for ToUpstream {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let frame = ready!(Pin::new(&mut self.inner).poll_frame(context));
        self.activity.touch();
        if frame.is_none() || self.inner.is_end_stream() {
            self.activity.done();
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

/// A response body: breaks off after too long a silence, gives its connection
/// back at the end.
pub(super) struct FromUpstream<K: FnOnce()> {
    inner: Incoming,
    limit: Duration,
    silence: Option<Pin<Box<Sleep>>>,
    keep: Option<K>,
}

impl<K: FnOnce() + Send + Unpin + 'static> FromUpstream<K> {
    pub(super) fn wrap(inner: Incoming, limit: Duration, keep: K) -> Body {
        let mut body = Self {
            inner,
            limit,
            silence: None,
            keep: Some(keep),
        };
        body.keep_if_ended();
        body.boxed_unsync()
    }

    fn keep_if_ended(&mut self) {
        if self.inner.is_end_stream() {
            self.keep();
        }
    }

    fn keep(&mut self) {
        if let Some(keep) = self.keep.take() {
            keep();
        }
    }
}

impl<K: FnOnce() + Send + Unpin + 'static> HttpBody for FromUpstream<K> {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let limit = self.limit;
        match Pin::new(&mut self.inner).poll_frame(context) {
            Poll::Ready(frame) => {
                self.silence = None;
                match &frame {
                    None => self.keep(),
                    Some(Ok(_)) => self.keep_if_ended(),
                    Some(Err(_)) => self.keep = None,
                }
                Poll::Ready(frame.map(|frame| frame.map_err(BodyError::from)))
            }
            Poll::Pending => {
                let silence = self
                    .silence
                    .get_or_insert_with(|| Box::pin(tokio::time::sleep(limit)));
                ready!(silence.as_mut().poll(context));
                self.keep = None;
                Poll::Ready(Some(Err(format!("no data for {limit:?}").into())))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
