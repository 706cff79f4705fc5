//! The part of the test protocol that cargo and nextest speak, with a process
//! for each test.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdout, Command, ExitCode, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use region::host::probe;

pub(crate) type Test = (&'static str, fn());

/// Names the scenario a process is to play.
pub(crate) const SCENARIO: &str = "KICKYTIME_HOST_SCENARIO";

/// Longest wait for anything.
pub(crate) const DEADLINE: Duration = Duration::from_secs(20);

pub(crate) fn main(tests: &[Test]) -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let has = |flag: &str| arguments.iter().any(|argument| argument == flag);
    let filters: Vec<&String> = arguments.iter().filter(|a| !a.starts_with('-')).collect();
    if has("--list") {
        if !has("--ignored") {
            tests.iter().for_each(|(name, _)| println!("{name}: test"));
        }
        return ExitCode::SUCCESS;
    }
    let wanted = |name: &str| {
        let matches = |filter: &&&String| match has("--exact") {
            true => name == filter.as_str(),
            false => name.contains(filter.as_str()),
        };
        filters.is_empty() || filters.iter().any(|filter| matches(&filter))
    };
    let chosen: Vec<&Test> = tests.iter().filter(|(name, _)| wanted(name)).collect();
    match chosen.as_slice() {
        [(_, test)] if has("--exact") => run_here(*test),
        chosen => run_apart(chosen),
    }
}

fn run_here(test: fn()) -> ExitCode {
    if let Err(diagnosis) = probe::probe() {
        if std::env::var("KICKYTIME_TEST_NETNS").is_ok_and(|value| value == "optional") {
            println!("skipped: {diagnosis}");
            return ExitCode::SUCCESS;
        }
        println!(
            "this machine forbids what the test needs: {diagnosis}\n{}",
            diagnosis.hint
        );
        return ExitCode::FAILURE;
    }
    test();
    ExitCode::SUCCESS
}

fn run_apart(tests: &[&Test]) -> ExitCode {
    println!("\nrunning {} tests", tests.len());
    let mut failed = 0;
    for (name, _) in tests {
        let program = std::env::current_exe().unwrap();
        let output = Command::new(program)
            .args([name, "--exact"])
            .output()
            .unwrap();
        let good = output.status.success();
        println!("test {name} ... {}", if good { "ok" } else { "FAILED" });
        if !good {
            failed += 1;
            std::io::stdout().write_all(&output.stdout).unwrap();
            std::io::stderr().write_all(&output.stderr).unwrap();
        }
    }
    let word = if failed == 0 { "ok" } else { "FAILED" };
    let passed = tests.len() - failed;
    println!("\ntest result: {word}. {passed} passed; {failed} failed; 0 ignored; 0 measured\n");
    ExitCode::from(u8::from(failed > 0))
}

/// A scenario that runs, with its standard output line by line.
pub(crate) struct Scenario {
    pub(crate) child: Child,
    lines: mpsc::Receiver<String>,
}

impl Scenario {
    pub(crate) fn start(name: &str) -> Self {
        Self::start_by(Command::new(std::env::current_exe().unwrap()), name)
    }

    pub(crate) fn start_by(mut command: Command, name: &str) -> Self {
        let mut child = command
            .env(SCENARIO, name)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = read_lines(child.stdout.take().unwrap());
        Self { child, lines }
    }

    /// The next line that starts with `word`, without it.
    pub(crate) fn expect(&self, word: &str) -> String {
        let end = Instant::now() + DEADLINE;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            let line = self.lines.recv_timeout(left);
            let line = line.unwrap_or_else(|_| panic!("the scenario never said `{word}`"));
            println!("scenario: {line}");
            if let Some(rest) = line.strip_prefix(word) {
                return rest.trim().to_owned();
            }
        }
    }

    /// All lines that are still to come, and the exit code.
    pub(crate) fn finish(mut self) -> (Vec<String>, Option<i32>) {
        let status = until("the scenario ends", || self.child.try_wait().unwrap());
        (self.lines.iter().collect(), status.code())
    }
}

impl Drop for Scenario {
    fn drop(&mut self) {
        // it has ended, or a test has failed: either way nothing may stay
        let _gone = self.child.kill();
        let _gone = self.child.wait();
    }
}

fn read_lines(output: ChildStdout) -> mpsc::Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    receiver
}

/// Waits for a condition, not for a time.
pub(crate) fn until<T>(what: &str, mut condition: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + DEADLINE;
    loop {
        if let Some(value) = condition() {
            return value;
        }
        assert!(
            Instant::now() < end,
            "in {DEADLINE:?} it never came true that {what}"
        );
        std::thread::sleep(Duration::from_millis(2));
    }
}
