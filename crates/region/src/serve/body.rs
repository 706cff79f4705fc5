//! The one body type of every HTTP hop.

use std::error::Error;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Empty, Full};
use hyper::body::{Body as HttpBody, Frame, SizeHint};

/// Why a body broke off.
pub type BodyError = Box<dyn Error + Send + Sync>;

/// A body that may be anything: bytes at hand, a stream from upstream, nothing.
pub type Body = UnsyncBoxBody<Bytes, BodyError>;

/// A body without bytes.
pub fn empty() -> Body {
    Empty::new().map_err(|never| match never {}).boxed_unsync()
}

/// A body whose bytes are at hand.
pub fn full(bytes: impl Into<Bytes>) -> Body {
    Full::new(bytes.into())
        .map_err(|never| match never {})
        .boxed_unsync()
}

/// Passes `inner` on and tells `on_end` how it went, exactly once: the bytes
/// that went through and whether the end was reached.
///
/// `on_end` is called when the last frame has passed, or when the body is
/// dropped before, whichever is first.
pub fn measured<B, E>(inner: B, on_end: E) -> Body
where
    B: HttpBody<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Into<BodyError>,
    E: FnOnce(u64, bool) + Send + Unpin + 'static,
{
    let ended = inner.is_end_stream();
    let mut body = Measured {
        inner,
        bytes: 0,
        on_end: Some(on_end),
    };
    if ended {
        body.end(true);
    }
    body.boxed_unsync()
}

struct Measured<B, E: FnOnce(u64, bool)> {
    inner: B,
    bytes: u64,
    on_end: Option<E>,
}

impl<B, E: FnOnce(u64, bool)> Measured<B, E> {
    fn end(&mut self, complete: bool) {
        if let Some(on_end) = self.on_end.take() {
            on_end(self.bytes, complete);
        }
    }
}

impl<B, E> HttpBody for Measured<B, E>
where
    B: HttpBody<Data = Bytes> + Unpin,
    B::Error: Into<BodyError>,
    E: FnOnce(u64, bool) + Unpin,
{
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match Pin::new(&mut self.inner).poll_frame(context) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(None) => {
                self.end(true);
                Poll::Ready(None)
            }
            Poll::Ready(Some(Err(error))) => {
                self.end(false);
                Poll::Ready(Some(Err(error.into())))
            }
            Poll::Ready(Some(Ok(frame))) => {
                self.bytes += frame.data_ref().map_or(0, |data| data.len() as u64);
                if self.inner.is_end_stream() {
                    self.end(true);
                }
                Poll::Ready(Some(Ok(frame)))
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

impl<B, E: FnOnce(u64, bool)> Drop for Measured<B, E> {
    fn drop(&mut self) {
        self.end(false);
    }
}
