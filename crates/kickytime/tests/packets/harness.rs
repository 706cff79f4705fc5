//! The part of the test protocol that cargo speaks, with a process of its own,
//! in namespaces of its own, for each test.

use std::panic::catch_unwind;
use std::path::Path;
use std::process::{Command, ExitCode, Output};

use region::host::launch::{Launch, launch};
use region::host::probe;

/// Names the test a process is to run inside.
const INSIDE: &str = "KICKYTIME_PACKETS_INSIDE";
/// nobody, everywhere.
const ORDINARY: u32 = 65534;

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum User {
    Whoever,
    /// Somebody who is not root, also where the tests are started by root.
    Ordinary,
}

pub(crate) struct Test {
    pub(crate) name: &'static str,
    pub(crate) user: User,
    pub(crate) body: fn(),
}

pub(crate) fn main(tests: &[Test]) -> ExitCode {
    if let Ok(name) = std::env::var(INSIDE) {
        let test = tests.iter().find(|test| test.name == name);
        return inside(test.unwrap().body);
    }
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let has = |flag: &str| arguments.iter().any(|argument| argument == flag);
    let filters: Vec<&String> = arguments.iter().filter(|a| !a.starts_with('-')).collect();
    if has("--list") {
        if !has("--ignored") {
            tests
                .iter()
                .for_each(|test| println!("{}: test", test.name));
        }
        return ExitCode::SUCCESS;
    }
    let is_wanted = |test: &&Test| {
        let matches = |filter: &&&String| match has("--exact") {
            true => test.name == filter.as_str(),
            false => test.name.contains(filter.as_str()),
        };
        filters.is_empty() || filters.iter().any(|filter| matches(&filter))
    };
    run_apart(&tests.iter().filter(is_wanted).collect::<Vec<_>>())
}

fn run_apart(tests: &[&Test]) -> ExitCode {
    println!("\nrunning {} tests", tests.len());
    let mut failed = 0;
    for test in tests {
        let output = run(test);
        let good = output.status.success();
        println!(
            "test {} ... {}",
            test.name,
            if good { "ok" } else { "FAILED" }
        );
        // how much was compared is worth a line of its own
        print!("{}", String::from_utf8_lossy(&output.stdout));
        if !good {
            failed += 1;
            print!("{}", String::from_utf8_lossy(&output.stderr));
        }
    }
    let word = if failed == 0 { "ok" } else { "FAILED" };
    let passed = tests.len() - failed;
    println!("\ntest result: {word}. {passed} passed; {failed} failed; 0 ignored; 0 measured\n");
    ExitCode::from(u8::from(failed > 0))
}

fn run(test: &Test) -> Output {
    let this = std::env::current_exe().unwrap();
    let directory = tempfile::tempdir().unwrap();
    let mut command = Command::new(&this);
    if test.user == User::Ordinary && is_root() {
        command = as_ordinary_user(&this, directory.path());
    }
    command.env(INSIDE, test.name).output().unwrap()
}

fn is_root() -> bool {
    use std::os::unix::fs::MetadataExt;
    std::fs::metadata("/proc/self").unwrap().uid() == 0
}

/// A copy of this program where anybody may read it, started by nobody.
fn as_ordinary_user(this: &Path, directory: &Path) -> Command {
    use std::os::unix::fs::PermissionsExt;
    let open = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(directory, open).unwrap();
    let program = directory.join("packets");
    std::fs::copy(this, &program).unwrap();
    let mut command = Command::new("setpriv");
    command.args([format!("--reuid={ORDINARY}"), format!("--regid={ORDINARY}")]);
    command.args(["--clear-groups", "--bounding-set=-all"]);
    command.arg(&program).current_dir("/");
    command
}

fn inside(body: fn()) -> ExitCode {
    if let Err(diagnosis) = probe::probe() {
        println!("this machine forbids what the test needs: {diagnosis}");
        println!("{}", diagnosis.hint);
        let optional = std::env::var("KICKYTIME_TEST_NETNS").is_ok_and(|value| value == "optional");
        return ExitCode::from(u8::from(!optional));
    }
    let code = launch(&Launch::default(), |_| {
        u8::from(catch_unwind(body).is_err())
    });
    ExitCode::from(code.unwrap())
}
