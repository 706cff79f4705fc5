//! A future that answers even when the work inside it panics.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll};

/// Polls `inner`; a panic becomes `None`. The panic message has already gone to
/// the panic hook.
pub(super) async fn contained<F: Future>(inner: F) -> Option<F::Output> {
    Contained(Box::pin(inner)).await
}

struct Contained<F>(Pin<Box<F>>);

impl<F: Future> Future for Contained<F> {
    type Output = Option<F::Output>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        // a future that panicked is never polled again: we resolve at once
        match catch_unwind(AssertUnwindSafe(|| self.0.as_mut().poll(context))) {
            Ok(poll) => poll.map(Some),
            Err(_panic) => Poll::Ready(None),
        }
    }
}
