//! What comes back for a request? Mostly a response at once; for a long poll one that comes later,
//! for a websocket a channel that takes over the connection.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::Response;

use crate::service::ec2messages::LongPoll;
use crate::service::ssmmessages::{Channel, Opening};

/// The answer to one request.
#[derive(Debug)]
pub enum Answer {
    /// Here it is.
    Now(Response<Bytes>),
    /// A long poll: await it. It holds no thread, and dropping it gives the poll up.
    Later(Later),
    /// `101 Switching Protocols`: send it, then let the channel run over the connection.
    Channel(Response<Bytes>, Box<Channel>),
}

/// A response that is still to come.
pub struct Later(Pin<Box<dyn Future<Output = Response<Bytes>> + Send>>);

impl Later {
    pub(crate) fn new(future: impl Future<Output = Response<Bytes>> + Send + 'static) -> Self {
        Self(Box::pin(future))
    }
}

impl Future for Later {
    type Output = Response<Bytes>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Response<Bytes>> {
        self.0.as_mut().poll(context)
    }
}

impl fmt::Debug for Later {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Later")
    }
}

/// What an operation comes to inside the gate: plain data, not yet tied to the emulator's life.
pub(crate) enum Outcome {
    Response(Response<Bytes>),
    Poll(LongPoll),
    Open(Box<Opening>),
}

impl From<Response<Bytes>> for Outcome {
    fn from(response: Response<Bytes>) -> Self {
        Self::Response(response)
    }
}
