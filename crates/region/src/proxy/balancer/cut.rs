//! A response body that ends with its target.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::{Body as HttpBody, Frame, SizeHint};

use crate::serve::{Body, BodyError};

/// Passes `inner` on until `over`; what is left then is broken off.
pub(super) fn until(inner: Body, over: impl Future<Output = ()> + Send + 'static) -> Body {
    if inner.is_end_stream() {
        return inner;
    }
    Until {
        inner,
        over: Box::pin(over),
    }
    .boxed_unsync()
}

struct Until {
    inner: Body,
    over: Pin<Box<dyn Future<Output = ()> + Send>>,
}

impl HttpBody for Until {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match Pin::new(&mut self.inner).poll_frame(context) {
            Poll::Pending if self.over.as_mut().poll(context).is_ready() => {
                Poll::Ready(Some(Err("the target is deregistered".into())))
            }
            frame => frame,
        }
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
