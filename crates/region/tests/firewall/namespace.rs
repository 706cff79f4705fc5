//! Network namespaces for one test.

use std::fs::File;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::process::{Command, Output};
use std::thread;

use nix::sched::{CloneFlags, setns, unshare};

const INSIDE: &str = "KICKYTIME_TEST_INSIDE";

/// Runs `body` as root of a fresh user, network and mount namespace: the test
/// program starts itself again under `unshare` for this one test.
pub(crate) fn in_namespaces<F: FnOnce()>(body: F) {
    let name = test_name::<F>();
    if std::env::var(INSIDE).as_deref() == Ok(name) {
        return body();
    }
    let Some(flags) = usable_flags() else {
        let why = "this kernel or container does not let the test make namespaces \
                   (`unshare --user --map-root-user --net true` fails)";
        if std::env::var("KICKYTIME_TEST_NETNS").as_deref() == Ok("optional") {
            #[expect(clippy::print_stdout, reason = "a test that did not run must say so")]
            {
                println!("not run: {why}");
            }
            return;
        }
        panic!("{why}; set KICKYTIME_TEST_NETNS=optional to go on without");
    };
    let program = std::env::current_exe().expect("a test program has a path");
    let output = Command::new("unshare")
        .args(flags)
        .arg(program)
        .args(["--exact", name, "--nocapture"])
        .env(INSIDE, name)
        .output()
        .expect("unshare starts");
    let text = text_of(&output);
    assert!(
        output.status.success() && text.contains("1 passed"),
        "inside namespaces:\n{text}"
    );
}

/// The path of the test whose body this closure is.
fn test_name<F>() -> &'static str {
    let path = std::any::type_name::<F>().trim_end_matches("::{{closure}}");
    path.split_once("::")
        .expect("a test is in a module of its crate")
        .1
}

fn usable_flags() -> Option<&'static [&'static str]> {
    let candidates: [&[&str]; 2] = [
        &["--user", "--map-root-user", "--net", "--mount"],
        &["--net", "--mount"],
    ];
    candidates.into_iter().find(|flags| {
        let probe = Command::new("unshare").args(*flags).arg("true").output();
        probe.is_ok_and(|output| output.status.success())
    })
}

/// A network namespace without a name, gone when dropped.
pub(crate) struct Namespace {
    fd: OwnedFd,
}

impl Namespace {
    pub(crate) fn new() -> Self {
        let made = thread::spawn(|| {
            unshare(CloneFlags::CLONE_NEWNET).expect("unshare the network namespace");
            File::open("/proc/thread-self/ns/net").expect("open the namespace")
        });
        let namespace = Self {
            fd: made.join().expect("the thread ends well").into(),
        };
        namespace.execute("ip", &["link", "set", "lo", "up"]);
        namespace
    }

    /// Runs `body` on a thread that stands in the namespace.
    pub(crate) fn run<T: Send>(&self, body: impl FnOnce() -> T + Send) -> T {
        thread::scope(|scope| {
            let handle = scope.spawn(|| {
                setns(self.fd.as_fd(), CloneFlags::CLONE_NEWNET).expect("enter the namespace");
                body()
            });
            handle
                .join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    }

    /// Starts a thread that stands in the namespace.
    pub(crate) fn spawn<T: Send + 'static>(
        &self,
        body: impl FnOnce() -> T + Send + 'static,
    ) -> thread::JoinHandle<T> {
        let fd = self.fd.try_clone().expect("one more descriptor");
        thread::spawn(move || {
            setns(fd.as_fd(), CloneFlags::CLONE_NEWNET).expect("enter the namespace");
            body()
        })
    }

    /// Runs a program in the namespace and gives what it printed.
    pub(crate) fn execute(&self, program: &str, arguments: &[&str]) -> String {
        let output = self.run(|| Command::new(program).args(arguments).output());
        let output = output.unwrap_or_else(|error| panic!("{program}: {error}"));
        assert!(
            output.status.success(),
            "{program} {arguments:?}:\n{}",
            text_of(&output)
        );
        String::from_utf8(output.stdout).expect("text")
    }

    /// `ip` with one line of arguments.
    pub(crate) fn ip(&self, line: &str) {
        self.execute("ip", &line.split_whitespace().collect::<Vec<_>>());
    }

    /// Writes a setting below `/proc/sys/net`.
    pub(crate) fn set(&self, path: &str, value: &str) {
        let path = format!("/proc/sys/net/{path}");
        self.run(|| std::fs::write(&path, value))
            .unwrap_or_else(|e| panic!("{path}: {e}"));
    }

    /// A path other processes of this user can open.
    pub(crate) fn path(&self) -> String {
        format!("/proc/{}/fd/{}", std::process::id(), self.fd.as_raw_fd())
    }
}

pub(crate) fn text_of(output: &Output) -> String {
    let out = String::from_utf8_lossy(&output.stdout);
    let err = String::from_utf8_lossy(&output.stderr);
    format!("{out}{err}")
}
