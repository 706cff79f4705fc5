//! How do sessions reach the network? Sockets and timers for both ends of a
//! [`session`], which itself knows neither.
//!
//! From below: [`Socket`] is one websocket that answers pings and notices when nobody
//! is there any more; [`Dial`] makes such sockets, again and again, for one session.
//! Who may connect, with which credentials and to which address, is the caller's.
#![warn(missing_docs)]

mod dial;
mod socket;

pub use dial::{Dial, DialError, Start, Started};
pub use socket::{Duplex, Liveness, Socket, SocketError, UpgradeError};
