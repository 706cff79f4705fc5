//! How do sessions reach the network? Sockets and timers for both ends of a
//! [`session`], which itself knows neither.
//!
//! From below: [`Socket`] is one websocket that answers pings and notices when nobody
//! is there any more; [`Dial`] makes such sockets, again and again, for one session, and [`Start`]
//! makes sessions. On top, for a client, [`Forward`] (local ports) and [`Terminal`]; for an agent,
//! [`serve_port`] and [`serve_shell`]. Who may connect, with which credentials and to
//! which address, is the caller's.
#![warn(missing_docs)]

mod dial;
mod forward;
mod serve;
mod socket;
mod terminal;

mod fresh;
mod link;
mod port;
mod shell;

pub use dial::{Dial, DialError, Start, Started};
pub use forward::{Forward, ForwardConfig, ForwardError, ForwardEvent};
pub use link::{Endurance, Lost};
pub use serve::{
    OpenKey, ServeConfig, ServeError, Served, ServedShell, connect_in_turn, serve_port, serve_shell,
};
pub use socket::{Duplex, Liveness, Socket, SocketError, UpgradeError};
pub use terminal::{NewKey, Terminal, TerminalConfig, TerminalEnd, TerminalError, TerminalEvent};
