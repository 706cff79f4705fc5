//! What the commands that work with a running system have in common: in which
//! account they work, which instance they go through, and how they end.

pub(crate) mod account;
pub(crate) mod authorities;
pub(crate) mod error;
pub(crate) mod forward;
pub(crate) mod psql;
pub(crate) mod screen;
pub(crate) mod stop;
pub(crate) mod target;

pub(crate) use account::Account;
pub(crate) use error::OperateError;
