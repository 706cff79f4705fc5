//! Handlers that want a request with its whole body in hand.

use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::{Body as HttpBody, Incoming};

use super::{Body, BodyError, full};

/// Why a body could not be read whole.
#[derive(Debug, thiserror::Error)]
pub enum WholeBodyError {
    /// The body is larger than the limit.
    #[error("body is larger than {limit} bytes")]
    TooLarge {
        /// The limit in bytes.
        limit: usize,
    },
    /// The sender broke off.
    #[error("body broke off")]
    BrokeOff(#[source] BodyError),
}

/// Reads a whole body of at most `limit` bytes.
pub async fn collect<B>(body: B, limit: usize) -> Result<Bytes, WholeBodyError>
where
    B: HttpBody<Data = Bytes>,
    B::Error: Into<BodyError>,
{
    match Limited::new(body, limit).collect().await {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(WholeBodyError::TooLarge { limit }),
        Err(error) => Err(WholeBodyError::BrokeOff(error)),
    }
}

/// Turns a whole-body handler into one for [`super::serve`].
///
/// A body larger than `limit` is answered with 413 and one that broke off with
/// 400, without calling the handler.
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
            match collect(body, limit).await {
                Ok(bytes) => handler(Request::from_parts(parts, bytes)).await.map(full),
                Err(WholeBodyError::TooLarge { .. }) => refused(StatusCode::PAYLOAD_TOO_LARGE),
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
