//! Handlers that want a request with its whole body in hand.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{Request, Response, StatusCode};
use http_body_util::BodyExt;
use hyper::body::{Body as HttpBody, Incoming};

use super::{Body, BodyError, full};

/// Longest time a whole body may take to arrive.
const WHOLE_BODY_TIMEOUT: Duration = Duration::from_secs(60);

/// Why a body could not be read whole.
#[derive(Debug, thiserror::Error)]
pub enum WholeBodyError {
    /// The body is larger than the limit.
    #[error("body is larger than {limit} bytes")]
    TooLarge {
        /// The limit in bytes.
        limit: usize,
    },
    /// The sender took too long.
    #[error("body did not arrive within {WHOLE_BODY_TIMEOUT:?}")]
    TooSlow,
    /// The sender broke off.
    #[error("body broke off")]
    BrokeOff(#[source] BodyError),
}

/// Reads a whole body of at most `limit` bytes.
pub async fn collect(body: Body, limit: usize) -> Result<Bytes, WholeBodyError> {
    let reading = tokio::time::timeout(WHOLE_BODY_TIMEOUT, read(body, limit));
    reading.await.unwrap_or(Err(WholeBodyError::TooSlow))
}

async fn read(mut body: Body, limit: usize) -> Result<Bytes, WholeBodyError> {
    let mut whole = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(WholeBodyError::BrokeOff)?;
        let Ok(data) = frame.into_data() else {
            continue;
        };
        if whole.len() + data.len() > limit {
            return Err(WholeBodyError::TooLarge { limit });
        }
        if whole.is_empty() && body.is_end_stream() {
            // one piece, as most are: no copy
            return Ok(data);
        }
        whole.extend_from_slice(&data);
    }
    Ok(whole.freeze())
}

/// Turns a whole-body handler into one for [`super::serve`].
///
/// A body larger than `limit` is answered with 413, one that takes more than a
/// minute with 408 and one that broke off with 400, without calling the handler.
pub fn whole_body<H, F>(
    limit: usize,
    handler: H,
) -> impl Fn(Request<Incoming>) -> std::pin::Pin<Box<dyn Future<Output = Response<Body>> + Send>>
+ Clone
+ Send
+ Sync
+ 'static
where
    H: Fn(Request<Bytes>) -> F + Send + Sync + 'static,
    F: Future<Output = Response<Bytes>> + Send + 'static,
{
    let handler = Arc::new(handler);
    move |request: Request<Incoming>| {
        let handler = Arc::clone(&handler);
        Box::pin(async move {
            let (parts, body) = request.into_parts();
            let body = body.map_err(BodyError::from).boxed_unsync();
            match collect(body, limit).await {
                Ok(bytes) => handler(Request::from_parts(parts, bytes)).await.map(full),
                Err(WholeBodyError::TooLarge { .. }) => refused(StatusCode::PAYLOAD_TOO_LARGE),
                Err(WholeBodyError::TooSlow) => refused(StatusCode::REQUEST_TIMEOUT),
                Err(WholeBodyError::BrokeOff(_)) => refused(StatusCode::BAD_REQUEST),
            }
        })
    }
}

fn refused(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(full(format!("{status}\n")));
    *response.status_mut() = status;
    response
}
