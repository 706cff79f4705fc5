//! The scenarios: what a process under test does.

use std::fs;
use std::io::{Read, Write};
use std::process::{Command, ExitCode};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use nix::sched::{CloneFlags, unshare};
use nix::sys::signal::{SigSet, Signal};
use nix::unistd::{getegid, geteuid};
use region::host::launch::{HostTask, Inside, Launch, LaunchError, TaskEnd, launch, launch_as};
use region::host::netns::Netns;
use region::host::probe::Allowed;
use region::host::thread::NamespaceThread;
use tokio_util::sync::CancellationToken;

use crate::harness::{Scenario, until};
use crate::{network, postgres, process};

pub(crate) fn run(name: &str) -> ExitCode {
    let door = Launch {
        doors: vec![0],
        tasks: Vec::new(),
    };
    let nothing = Launch::default();
    match name {
        "door" => inside(&door, |inside| door_scenario(&inside)),
        "wait" => inside(&nothing, wait_scenario),
        "stubborn" => inside(&nothing, stubborn_scenario),
        "network" => inside(&nothing, |_| network::scenario()),
        "build" => inside(&nothing, |_| network::build_scenario(false)),
        "build-and-wait" => inside(&nothing, |_| network::build_scenario(true)),
        "process" => inside(&nothing, |inside| process::confined(&inside)),
        "process-no-proc" => inside(&nothing, |mut inside| {
            inside.allowed.own_proc = false;
            process::without_proc(&inside)
        }),
        "process-root" => inside_as_root(|inside| process::confined(&inside)),
        "postgres" => inside(&nothing, |inside| postgres::whole(&inside)),
        "postgres-root" => inside_as_root(|inside| postgres::whole(&inside)),
        "postgres-write" => inside(&nothing, |inside| postgres::write_and_wait(&inside)),
        "postgres-again" => inside(&nothing, |inside| postgres::again(&inside)),
        "supervise" => inside(&nothing, |inside| process::supervised(&inside)),
        "threads" => inside(&nothing, |_| threads_scenario()),
        "taken" => taken_scenario(),
        "tasks" => inside(&tasks(), tasks_scenario),
        "cage" => cage_scenario(),
        name => panic!("no scenario `{name}`"),
    }
}

fn inside(wanted: &Launch, world: impl FnOnce(Inside) -> u8) -> ExitCode {
    match launch(wanted, world) {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            tell(&error);
            ExitCode::from(2)
        }
    }
}

/// As on a machine that forbids user namespaces. Only real root can.
fn inside_as_root(world: impl FnOnce(Inside) -> u8) -> ExitCode {
    if !geteuid().is_root() {
        println!("all as expected");
        return ExitCode::SUCCESS;
    }
    match launch_as(
        &Launch::default(),
        Allowed {
            user_namespace: false,
            own_proc: true,
        },
        world,
    ) {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            tell(&error);
            ExitCode::from(2)
        }
    }
}

fn tell(error: &LaunchError) {
    println!("{error}");
    println!("{}", error.hint().unwrap_or_default());
}

fn capabilities(status: &str) -> u64 {
    let line = status
        .lines()
        .find(|line| line.starts_with("CapEff:"))
        .unwrap();
    u64::from_str_radix(line.trim_start_matches("CapEff:").trim(), 16).unwrap()
}

fn door_scenario(inside: &Inside) -> u8 {
    let [door] = inside.doors.as_slice() else {
        panic!("one door was asked for")
    };
    println!("port {}", door.local_addr().unwrap().port());
    println!("pid {}", std::process::id());
    let own = capabilities(&fs::read_to_string("/proc/self/status").unwrap());
    println!(
        "own capabilities {}",
        if own.count_ones() > 30 { "all" } else { "some" }
    );
    let child = Command::new("cat")
        .arg("/proc/self/status")
        .output()
        .unwrap();
    let child = capabilities(&String::from_utf8(child.stdout).unwrap());
    println!(
        "child capabilities {}",
        if child == 0 { "none" } else { "some" }
    );
    let loopback = std::net::TcpStream::connect("127.0.0.1:1").unwrap_err();
    println!(
        "loopback {}",
        match loopback.raw_os_error() {
            Some(libc::ENETUNREACH) => "down",
            _ => "up",
        }
    );
    let (mut stream, _) = door.accept().unwrap();
    let mut bytes = [0; 5];
    stream.read_exact(&mut bytes).unwrap();
    stream.write_all(&bytes).unwrap();
    7
}

fn wait_scenario(_: Inside) -> u8 {
    let mut sleeper = Command::new("sleep").arg("1000").spawn().unwrap();
    let runtime = runtime();
    let signals = AtomicU32::new(0);
    runtime.block_on(async {
        use tokio::signal::unix::{SignalKind, signal};
        let mut terminated = signal(SignalKind::terminate()).unwrap();
        let mut interrupted = signal(SignalKind::interrupt()).unwrap();
        println!(
            "namespace {}",
            fs::read_link("/proc/self/ns/pid").unwrap().display()
        );
        println!("ready");
        let count = async {
            loop {
                tokio::select! {
                    _ = terminated.recv() => {}
                    _ = interrupted.recv() => {}
                }
                signals.fetch_add(1, Ordering::Relaxed);
            }
        };
        let first = async {
            while signals.load(Ordering::Relaxed) == 0 {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            // a second one would come at once
            tokio::time::sleep(Duration::from_millis(200)).await;
        };
        tokio::select! { () = count => {}, () = first => {} }
    });
    sleeper.kill().unwrap();
    sleeper.wait().unwrap();
    println!("stopped by {}", signals.load(Ordering::Relaxed));
    0
}

pub(crate) fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
}

fn stubborn_scenario(_: Inside) -> u8 {
    let stop: SigSet = [Signal::SIGTERM].into_iter().collect();
    stop.thread_block().unwrap();
    println!("ready");
    stop.wait().unwrap();
    println!("ignored");
    loop {
        std::thread::park();
    }
}

fn taken_scenario() -> ExitCode {
    let port = std::env::var("PORT").unwrap().parse().unwrap();
    inside(
        &Launch {
            doors: vec![port],
            tasks: Vec::new(),
        },
        |_| 0,
    )
}

fn tasks() -> Launch {
    let task = |name: &str, program: &str, script: &str| HostTask {
        name: name.to_owned(),
        program: program.into(),
        arguments: vec!["-c".into(), script.into()],
        environment: vec![("CODE".into(), "3".into())],
        directory: Some("/".into()),
    };
    Launch {
        doors: Vec::new(),
        tasks: vec![
            task(
                "in the host's network",
                "sh",
                "readlink /proc/self/ns/net; exit $CODE",
            ),
            task("missing", "no-such-program", ""),
        ],
    }
}

fn tasks_scenario(inside: Inside) -> u8 {
    for task in inside.tasks {
        let name = task.name.clone();
        let outcome = task.wait().unwrap();
        match outcome.end {
            TaskEnd::NotStarted(_) => println!("{name} NotStarted"),
            end => println!(
                "{name} {end:?} {}",
                String::from_utf8_lossy(&outcome.output).trim()
            ),
        }
    }
    0
}

fn threads_scenario() -> u8 {
    let (first, second) =
        std::thread::spawn(|| (Netns::unshare().unwrap(), Netns::unshare().unwrap()))
            .join()
            .unwrap();
    runtime().block_on(async {
        let stop = CancellationToken::new();
        let five = NamespaceThread::spawn(&first, "five", &stop, |_| async { 5 }).unwrap();
        println!("value {}", five.join().await.unwrap());
        let bad = NamespaceThread::spawn(&first, "bad", &stop, |_| async { panic!("no luck") });
        let bad: NamespaceThread<()> = bad.unwrap();
        println!("{}", bad.join().await.unwrap_err());
        let waits = NamespaceThread::spawn(&first, "waits", &stop, |stop| async move {
            stop.cancelled().await;
            "stopped"
        });
        stop.cancel();
        println!("{}", waits.unwrap().join().await.unwrap());
        let here = || async {
            // the blocking pool is where a shared runtime would go wrong
            let link = || fs::read_link("/proc/thread-self/ns/net").unwrap();
            tokio::task::spawn_blocking(link).await.unwrap()
        };
        let fresh = CancellationToken::new();
        let one = NamespaceThread::spawn(&first, "one", &fresh, move |_| here()).unwrap();
        let two = NamespaceThread::spawn(&second, "two", &fresh, move |_| here()).unwrap();
        let home = fs::read_link("/proc/thread-self/ns/net").unwrap();
        let (one, two) = (one.join().await.unwrap(), two.join().await.unwrap());
        let different = one != two && one != home && two != home;
        println!(
            "{} namespaces",
            if different { "different" } else { "the same" }
        );
    });
    0
}

/// Inside a user namespace that may have 12 network namespaces: one region of
/// eight fits, two do not, and after `kill -9` of the first the second does.
fn cage_scenario() -> ExitCode {
    let (uid, gid) = (geteuid(), getegid());
    unshare(CloneFlags::CLONE_NEWUSER).unwrap();
    fs::write("/proc/self/setgroups", "deny").unwrap();
    fs::write("/proc/self/uid_map", format!("1000 {uid} 1")).unwrap();
    fs::write("/proc/self/gid_map", format!("1000 {gid} 1")).unwrap();
    fs::write("/proc/sys/user/max_net_namespaces", "12").unwrap();
    let first = Scenario::start("build-and-wait");
    first.expect("ready");
    let (lines, code) = Scenario::start("build").finish();
    assert_ne!(code, Some(0), "{lines:?}");
    assert!(lines.iter().any(|line| line.contains("limit")), "{lines:?}");
    println!("second refused by the limit");
    drop(first);
    until("the second succeeds", || {
        // a try makes namespaces of its own: leave the kernel time to clean up
        std::thread::sleep(Duration::from_millis(100));
        (Scenario::start("build").finish().1 == Some(0)).then_some(())
    });
    println!("second succeeded");
    ExitCode::SUCCESS
}
