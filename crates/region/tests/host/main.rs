//! Does the region's base hold on a real kernel?
//!
//! Namespaces can be left only by a process with one thread, which the usual
//! test harness is not. So each test is a fresh process of this program, and
//! each *scenario*, the thing under test, is one more: a test starts it, talks
//! to it from outside, and looks at what is left of it.
//!
//! A machine that forbids namespaces fails these tests, saying why, unless
//! `KICKYTIME_TEST_NETNS=optional`.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test program that talks over stdout"
)]

mod harness;
mod network;
mod outside;
mod postgres;
mod process;
mod scenario;

use std::process::ExitCode;

const TESTS: &[harness::Test] = &[
    (
        "launch::the_exit_code_and_the_doors_come_through",
        outside::exit_code_and_doors,
    ),
    (
        "launch::a_terminal_interrupt_is_one_graceful_stop",
        outside::interrupt_once,
    ),
    (
        "launch::the_second_interrupt_kills",
        outside::interrupt_twice,
    ),
    (
        "launch::sigkill_leaves_nothing",
        outside::sigkill_leaves_nothing,
    ),
    (
        "launch::sigkill_frees_the_namespaces",
        outside::sigkill_frees_namespaces,
    ),
    ("launch::an_ordinary_user_can", outside::ordinary_user),
    ("launch::a_taken_port_is_named", outside::taken_port),
    (
        "launch::host_tasks_report_to_the_inside",
        outside::host_tasks,
    ),
    ("network::packets_take_the_routes", outside::network),
    ("process::a_child_is_confined", || {
        outside::all_as_expected("process");
    }),
    (
        "process::a_child_is_confined_for_an_ordinary_user",
        outside::process_of_ordinary_user,
    ),
    (
        "process::a_child_is_confined_where_proc_cannot_be_mounted",
        || outside::all_as_expected("process-no-proc"),
    ),
    (
        "process::a_child_is_confined_as_root_without_user_namespace",
        || outside::all_as_expected("process-root"),
    ),
    ("supervise::what_dies_is_started_again", || {
        outside::all_as_expected("supervise");
    }),
    ("postgres::behaves_as_rds_does", outside::postgres),
    (
        "postgres::behaves_as_rds_does_for_an_ordinary_user",
        outside::postgres_of_ordinary_user,
    ),
    (
        "postgres::as_root_without_user_namespace",
        outside::postgres_as_root,
    ),
    (
        "postgres::sigkill_loses_nothing_committed",
        outside::postgres_sigkill,
    ),
    ("thread::panics_and_stops_are_reported", outside::threads),
];

fn main() -> ExitCode {
    if let Some(name) = std::env::var_os(harness::SCENARIO) {
        return scenario::run(&name.to_string_lossy());
    }
    harness::main(TESTS)
}
