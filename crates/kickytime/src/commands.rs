//! One file a command: arguments in, exit status out.

pub(crate) mod agent;
pub(crate) mod can;
pub(crate) mod check;
pub(crate) mod cost;
pub(crate) mod db;
pub(crate) mod diagram;
pub(crate) mod down;
pub(crate) mod env;
pub(crate) mod exec;
pub(crate) mod explain;
pub(crate) mod logs;
pub(crate) mod reach;
pub(crate) mod session;
pub(crate) mod status;
pub(crate) mod up;
pub(crate) mod who_can;
