//! One TCP connection of a port session, both ways.
//!
//! Each way waits for the other side of itself only: what is read is not taken from the
//! network before the session has room, and what arrives stays in the session until
//! the local side has taken what came before. An idle connection holds no buffer.

use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::pin::pin;

use bytes::{Buf as _, Bytes};
use session::StreamId;
use tokio::io::{AsyncWriteExt as _, Interest};
use tokio::net::TcpStream;
use tokio::net::tcp::WriteHalf;

use super::{Ended, Port};
use crate::link::Link;

/// Read from the local side at once.
const READ_BYTES: usize = 64 << 10;
/// Pieces written to the local side at once.
const PIECES: usize = 16;

/// How one direction of a connection ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// In order; the other direction may go on.
    Finished,
    /// In order, and the other direction with it.
    Closed,
    /// One of the sides is gone.
    Reset,
}

/// A local side that is told of a connection cut off: it must not take that for an
/// end in order.
struct Local {
    stream: TcpStream,
    has_ended: bool,
}

impl Drop for Local {
    fn drop(&mut self) {
        if !self.has_ended {
            self.stream.set_zero_linger().ok();
        }
    }
}

/// Carries a connection to its end.
pub(crate) async fn carry(link: &Link<Port>, id: StreamId, stream: TcpStream) {
    // latency is decided by whoever writes, on either side
    stream.set_nodelay(true).ok();
    let mut local = Local {
        stream,
        has_ended: false,
    };
    let way = {
        let (reader, mut writer) = local.stream.split();
        let mut up = pin!(up(link, id, reader.as_ref()));
        let mut down = pin!(down(link, id, &mut writer));
        tokio::select! {
            way = &mut up => match way {
                Way::Finished => down.await,
                ended => ended,
            },
            way = &mut down => match way {
                Way::Finished => up.await,
                ended => ended,
            },
        }
    };
    local.has_ended = way != Way::Reset;
    link.with(|port, _| {
        if way == Way::Reset {
            port.reset(id);
        }
        port.forget(id);
    });
}

/// From the local side into the session.
async fn up(link: &Link<Port>, id: StreamId, local: &TcpStream) -> Way {
    let mut buffer = Vec::new();
    loop {
        buffer.reserve(READ_BYTES);
        match local.try_read_buf(&mut buffer) {
            Ok(0) => {
                link.with(|port, now| port.finish(id, now));
                return Way::Finished;
            }
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                buffer = Vec::new();
                if local.ready(Interest::READABLE).await.is_err() {
                    return Way::Reset;
                }
                continue;
            }
            Err(_) => return Way::Reset,
        }
        let mut data = buffer.as_slice();
        while !data.is_empty() {
            match poll_fn(|cx| link.poll_write(id, data, cx)).await {
                Some(taken) => data = &data[taken..],
                // nobody wants it; what the other end said before is still to be delivered
                None => return Way::Finished,
            }
        }
        buffer.clear();
    }
}

/// From the session to the local side.
async fn down(link: &Link<Port>, id: StreamId, local: &mut WriteHalf<'_>) -> Way {
    let mut pieces = Vec::new();
    loop {
        let ended = poll_fn(|cx| link.poll_read(id, &mut pieces, PIECES, cx)).await;
        match ended {
            Ended::No => {}
            Ended::Finished => {
                let is_shut = local.shutdown().await.is_ok();
                let half_closes = link.with(|port, _| port.half_closes());
                return match (is_shut, half_closes) {
                    (true, true) => Way::Finished,
                    (true, false) => Way::Closed,
                    (false, _) => Way::Reset,
                };
            }
            Ended::Reset => return Way::Reset,
        }
        if write_all(local, &mut pieces).await.is_err() {
            return Way::Reset;
        }
    }
}

async fn write_all(local: &mut WriteHalf<'_>, pieces: &mut Vec<Bytes>) -> io::Result<()> {
    let mut first = 0;
    while first < pieces.len() {
        let slices: Vec<IoSlice<'_>> = pieces[first..]
            .iter()
            .map(|piece| IoSlice::new(piece))
            .collect();
        let mut written = local.write_vectored(&slices).await?;
        if written == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        while written > 0 {
            let length = pieces[first].len().min(written);
            pieces[first].advance(length);
            written -= length;
            if pieces[first].is_empty() {
                first += 1;
            }
        }
    }
    pieces.clear();
    Ok(())
}
