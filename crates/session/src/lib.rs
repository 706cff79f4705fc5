//! How do two ends of a Session Manager session talk?
//!
//! From bytes up: [`message`] is the frame both ends exchange, [`Channel`] makes
//! frames arrive once and in order, [`Session`] shakes hands and encrypts,
//! [`PortSession`] carries TCP connections (many of them through [`Mux`]) and
//! [`ShellSession`] a terminal. Client and agent are the same machines in
//! another [`Role`].
//!
//! **Invariant:** nothing here does IO or knows the time. The methods of every
//! machine are of four kinds:
//!
//! - *commands* (`send`, `open`, `write`, `finish`, …): what the application wants;
//! - *handlers* (`handle_message`, `handle_connected`, `handle_timeout`, …): what
//!   happened outside;
//! - *polls* (`poll_transmit`, `poll_event`, `poll_timeout`): what to do about it.
//!   After a command or a handler, call them until they answer `None`;
//! - *getters*, which change nothing.
//!
//! `now` is the time since any fixed moment on a clock that only goes forward.
#![deny(clippy::disallowed_methods)]

#[doc(hidden)]
pub mod fuzz;
pub mod message;
pub mod wire;

mod channel;
mod mux;
mod port;
mod session;
mod shell;

mod encryption;
mod handshake;
mod version;

pub use channel::{Channel, ChannelConfig, ChannelEvent, ChannelStats, Role};
pub use encryption::DataKey;
pub use handshake::{AgentOffer, Extension, SessionKind};
pub use mux::{Mux, MuxConfig, MuxEvent, MuxFault, Read, StreamId, Written};
pub use port::{PortConfig, PortEvent, PortFault, PortMode, PortSession};
pub use session::{Opened, Session, SessionEvent, SessionFault};
pub use shell::{ShellEvent, ShellSession};
pub use version::Version;

#[cfg(test)]
mod simulation;
