//! The whole program, as its users meet it.
//!
//! One test binary. Tests that run a region need Linux namespaces; where they
//! are forbidden they fail with the reason, unless `KICKYTIME_TEST_NETNS=optional`.

#![expect(clippy::print_stdout, reason = "a test says what it could not try")]

mod architecture;
mod browser;
mod club;
mod drills;
mod faults;
mod operate;
mod operator;
mod pipeline;
mod plugin;
mod process;
mod region;
mod sarif;
mod session;
mod visit;
