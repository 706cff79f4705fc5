//! Do packets, the rules of the template and the analysis say the same?
//!
//! Every test builds the network of the real template (or of a changed copy)
//! with nothing behind the interfaces but listeners, connects from everywhere
//! to everywhere, and compares each outcome with two judges that know nothing
//! of how the region is made: [`oracle`], which reads the rules one by one,
//! and `analysis::reach`.
//!
//! Namespaces can be left only by a process with one thread, which the usual
//! test harness is not: this program has a main of its own (see [`harness`]).

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test program that talks over stdout"
)]

mod differential;
mod draft;
mod harness;
mod named;
mod oracle;
mod survey;
mod variants;
mod world;

use harness::{Test, User};

const TESTS: &[Test] = &[
    Test {
        name: "template::every_pair_as_the_rules_say",
        user: User::Whoever,
        body: named::whole_template,
    },
    Test {
        name: "template::every_pair_for_an_ordinary_user",
        user: User::Ordinary,
        body: named::whole_template,
    },
    Test {
        name: "template::nat_gateways",
        user: User::Whoever,
        body: named::nat_gateways,
    },
    Test {
        name: "variants::security_group_rules",
        user: User::Whoever,
        body: variants::security_group_rules,
    },
    Test {
        name: "variants::network_acls",
        user: User::Whoever,
        body: variants::network_acls,
    },
    Test {
        name: "variants::routes_and_parameters",
        user: User::Whoever,
        body: variants::routes_and_parameters,
    },
    Test {
        name: "variants::several_at_once",
        user: User::Whoever,
        body: variants::several_at_once,
    },
];

fn main() -> std::process::ExitCode {
    harness::main(TESTS)
}
