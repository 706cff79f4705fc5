//! What a child can see and do, and what becomes of one that dies.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::Duration;

use nix::sys::signal::Signal;
use region::host::launch::{Inside, Privilege};
use region::host::netns::Netns;
use region::host::process::{Bind, ChildCommand, Exit, SpawnError, Spawner, View};
use region::supervise::{Event, Policy, supervise};
use tokio_util::sync::CancellationToken;

use crate::scenario::runtime;

fn namespace() -> Netns {
    std::thread::spawn(|| Netns::unshare().unwrap())
        .join()
        .unwrap()
}

fn shell(namespace: &Netns, view: &View, script: &str) -> ChildCommand {
    ChildCommand {
        name: "shell".to_owned(),
        program: "/bin/sh".into(),
        arguments: vec!["-c".into(), script.into()],
        environment: BTreeMap::from([("GREETING".into(), "hello".into())]),
        directory: "/".into(),
        namespace: namespace.clone(),
        view: view.clone(),
    }
}

async fn output_of(spawner: &Spawner, command: &ChildCommand) -> (Vec<String>, Exit) {
    let mut child = spawner.spawn(command).await.unwrap();
    let mut output = child.output.take().unwrap();
    let mut lines = Vec::new();
    while let Some(line) = output.next().await.unwrap() {
        lines.push(line);
    }
    let mut errors = child.errors.take().unwrap();
    while let Some(line) = errors.next().await.unwrap() {
        println!("stderr: {line}");
    }
    (lines, child.wait().await.unwrap())
}

pub(crate) fn confined(inside: &Inside) -> u8 {
    let state = tempfile::tempdir().unwrap();
    fs::write(state.path().join("key"), "secret").unwrap();
    let data = state.path().join("data");
    fs::create_dir(&data).unwrap();
    if inside.privilege == Privilege::Root {
        let (uid, gid) = inside.privilege.child_ids();
        std::os::unix::fs::chown(&data, Some(uid), Some(gid)).unwrap();
    }
    let view = View {
        resolver: Some("10.0.0.2".parse().unwrap()),
        host_name: Some("ip-10-0-0-9.internal".to_owned()),
        hosts: vec![("10.0.0.9".parse().unwrap(), "own.internal".to_owned())],
        ca_bundle: "CERTIFICATE\n".to_owned(),
        binds: vec![Bind {
            source: data.clone(),
            name: "data".to_owned(),
            writable: true,
        }],
        hidden: vec![state.path().to_owned()],
    };
    let spawner = Spawner::start(inside.privilege, inside.allowed).unwrap();
    let namespace = namespace();
    runtime().block_on(async {
        let uid = inside.privilege.child_ids().0;
        let state = state.path().display();
        for (script, expected) in [
            ("id -u".to_owned(), uid.to_string()),
            (
                "grep -c '^Cap\\(Inh\\|Prm\\|Eff\\|Amb\\).*0000000000000000' /proc/self/status"
                    .into(),
                "4".into(),
            ),
            (
                "grep NoNewPrivs /proc/self/status | tr -dc 0-9".into(),
                "1".into(),
            ),
            (
                "head -1 /etc/resolv.conf".into(),
                "nameserver 10.0.0.2".into(),
            ),
            (
                "getent hosts own.internal | tr -s ' '".into(),
                "10.0.0.9 own.internal".into(),
            ),
            (
                "cat /etc/ssl/certs/ca-certificates.crt".into(),
                "CERTIFICATE".into(),
            ),
            (
                "cat /run/kickytime/ca-bundle.pem".into(),
                "CERTIFICATE".into(),
            ),
            ("id -un".into(), "kickytime".into()),
            ("uname -n".into(), "ip-10-0-0-9.internal".into()),
            (
                "readlink /proc/self/ns/net".into(),
                fs::read_link(format!("/proc/self/fd/{}", fd(&namespace)))
                    .unwrap()
                    .display()
                    .to_string(),
            ),
            (
                format!("cat {state}/key 2>/dev/null || echo hidden"),
                "hidden".into(),
            ),
            (
                "echo kept > /run/kickytime/data/file && echo written".into(),
                "written".into(),
            ),
            (
                "echo x 2>/dev/null > /etc/x || echo read-only".into(),
                "read-only".into(),
            ),
            ("echo x > /tmp/x && cat /tmp/x".into(), "x".into()),
            (
                "ls /home /root | grep -v : | grep . || echo empty".into(),
                "empty".into(),
            ),
            ("ls /run".into(), "kickytime".into()),
            (
                "cat /proc/1/environ 2>/dev/null || echo denied".into(),
                "denied".into(),
            ),
            (
                "cat /proc/1/maps 2>/dev/null || ls /proc/1/root 2>/dev/null || echo denied".into(),
                "denied".into(),
            ),
            ("tr -d '\\0' < /proc/1/cmdline | wc -c".into(), "0".into()),
            (
                "ls /dev | tr '\\n' ' '".into(),
                "fd full null ptmx pts random shm stderr stdin stdout tty urandom zero ".into(),
            ),
            (
                "ls /dev/pts /dev/shm | tr '\\n' ' '".into(),
                "/dev/pts: ptmx  /dev/shm: ".into(),
            ),
            (
                "env | grep -v '^\\(PATH\\|LANG\\|PWD\\|_\\|SHLVL\\|OLDPWD\\)=' | sort".into(),
                "GREETING=hello".into(),
            ),
            ("ls /proc/self/fd | tr '\\n' ' '".into(), "0 1 2 3 ".into()),
            (
                "echo lost > /dev/null; echo x > /dev/x || echo fixed".into(),
                "fixed".into(),
            ),
            ("pwd".into(), "/".into()),
        ] {
            let (lines, exit) = output_of(&spawner, &shell(&namespace, &view, &script)).await;
            println!("{script}: {lines:?}");
            assert_eq!(lines.join("\n"), expected, "{script}");
            assert_eq!(exit, Exit::Code(0), "{script}");
        }
        assert_eq!(fs::read_to_string(data.join("file")).unwrap(), "kept\n");
        alone(&spawner, &namespace, &view).await;
        ends(&spawner, &namespace, &view).await;
        cost(&spawner, &namespace, &view).await;
        faults(&spawner, &namespace, &view).await;
    });
    println!("all as expected");
    0
}

fn fd(namespace: &Netns) -> i32 {
    use std::os::fd::{AsFd, AsRawFd};
    namespace.as_fd().as_raw_fd()
}

/// Children share a user, and nothing else.
async fn alone(spawner: &Spawner, namespace: &Netns, view: &View) {
    let other = "echo own > /dev/shm/mine; echo up; exec sleep 1000";
    let mut other = spawner.spawn(&shell(namespace, view, other)).await.unwrap();
    let mut output = other.output.take().unwrap();
    assert_eq!(output.next().await.unwrap().as_deref(), Some("up"));
    let links = |pid: &str| {
        ["pid", "ipc", "mnt"].map(|kind| fs::read_link(format!("/proc/{pid}/ns/{kind}")).unwrap())
    };
    let (ours, others) = (links("self"), links(&other.pid.to_string()));
    assert!(ours.iter().zip(&others).all(|(a, b)| a != b), "{others:?}");

    // the init, the shell, and what lists
    let seen = "ls /proc | grep -c '^[0-9]'; echo $$; ls /dev/shm | wc -l";
    let (lines, _) = output_of(spawner, &shell(namespace, view, seen)).await;
    assert_eq!(lines, ["4", "2", "0"], "ls, grep, the shell and its init");
    // by the number it has elsewhere, and everybody at once
    let strike = format!(
        "kill -9 {} 2>/dev/null && echo struck; kill -9 1; kill -9 -1; echo here",
        other.pid
    );
    let (lines, exit) = output_of(spawner, &shell(namespace, view, &strike)).await;
    assert_eq!((lines.join(" ").as_str(), exit), ("here", Exit::Code(0)));
    let stop = Duration::from_millis(500);
    let exit = other.stop(Signal::SIGTERM, stop).await.unwrap();
    assert_eq!(
        exit.to_string(),
        "was ended by SIGTERM",
        "it lived until now"
    );

    // nothing stays, wherever it went: the pipe it holds is closed
    let left = "mkfifo /tmp/told; \
                setsid sh -c 'setsid sleep 1000 & echo left > /tmp/told; exec sleep 1000' & \
                read word < /tmp/told; echo $word; exit 5";
    let mut child = spawner.spawn(&shell(namespace, view, left)).await.unwrap();
    let mut output = child.output.take().unwrap();
    assert_eq!(child.wait().await.unwrap(), Exit::Code(5));
    assert_eq!(output.next().await.unwrap().as_deref(), Some("left"));
    assert_eq!(output.next().await.unwrap(), None);
}

async fn ends(spawner: &Spawner, namespace: &Netns, view: &View) {
    let (_, exit) = output_of(spawner, &shell(namespace, view, "exit 3")).await;
    assert_eq!(
        (exit, exit.to_string().as_str()),
        (Exit::Code(3), "exited with code 3")
    );
    let (_, exit) = output_of(spawner, &shell(namespace, view, "kill -9 $$")).await;
    assert_eq!(exit.to_string(), "was ended by SIGKILL");

    // in good order, and by force
    let polite = "trap 'echo bye; exit 0' TERM; echo up; while :; do sleep 0.01; done";
    for (script, expected) in [
        (polite, Exit::Code(0)),
        ("trap '' TERM; echo up; sleep 1000", Exit::Signal(9)),
    ] {
        let mut child = spawner
            .spawn(&shell(namespace, view, script))
            .await
            .unwrap();
        let mut output = child.output.take().unwrap();
        assert_eq!(output.next().await.unwrap().as_deref(), Some("up"));
        let exit = child
            .stop(Signal::SIGTERM, Duration::from_millis(500))
            .await
            .unwrap();
        assert_eq!(exit, expected);
        // closed only if what the shell started, the sleep, has ended as well
        while output.next().await.unwrap().is_some() {}
    }
}

/// Where no `/proc` can be mounted: better none than one that shows others.
pub(crate) fn without_proc(inside: &Inside) -> u8 {
    let spawner = Spawner::start(inside.privilege, inside.allowed).unwrap();
    let command = shell(
        &namespace(),
        &View::default(),
        "ls /proc; kill -9 -1; exit 4",
    );
    let (lines, exit) = runtime().block_on(output_of(&spawner, &command));
    assert_eq!((lines.len(), exit), (0, Exit::Code(4)), "{lines:?}");
    println!("all as expected");
    0
}

/// What starting a child costs, for a reader of the test's output.
async fn cost(spawner: &Spawner, namespace: &Netns, view: &View) {
    let mut times = Vec::new();
    for _ in 0..20 {
        let start = std::time::Instant::now();
        let (lines, _) = output_of(spawner, &shell(namespace, view, "echo up")).await;
        assert_eq!(lines, ["up"]);
        times.push(start.elapsed());
    }
    times.sort_unstable();
    println!(
        "started and ended in {:?}, median of {}",
        times[10],
        times.len()
    );
}

async fn faults(spawner: &Spawner, namespace: &Netns, view: &View) {
    let mut command = shell(namespace, view, "");
    command.program = "/no/such".into();
    let error = spawner.spawn(&command).await.unwrap_err();
    assert_eq!(error.to_string(), "cannot start `/no/such` for `shell`");
    let mut command = shell(namespace, view, "");
    command.directory = "/no/such".into();
    let error = spawner.spawn(&command).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "cannot change to its working directory for `shell`"
    );
    let mut command = shell(namespace, view, "");
    let source = Path::new("/no/such").to_owned();
    command.view.binds.push(Bind {
        source,
        name: "x".to_owned(),
        writable: false,
    });
    let error = spawner.spawn(&command).await.unwrap_err();
    assert!(matches!(error, SpawnError::Prepare { .. }), "{error}");
}

pub(crate) fn supervised(inside: &Inside) -> u8 {
    let spawner = Spawner::start(inside.privilege, inside.allowed).unwrap();
    let namespace = namespace();
    let policy = Policy {
        first: Duration::from_millis(10),
        ..Policy::default()
    };
    let stop = CancellationToken::new();
    let mut told = Vec::new();
    let mut starts = 0;
    let command = || {
        starts += 1;
        // dies twice, once by itself and once with an answer on its lips
        let script = match starts {
            1 => "kill -9 $$",
            2 => "echo last words; exit 4",
            _ => "echo up; exec sleep 1000",
        };
        shell(&namespace, &View::default(), script)
    };
    let event = |event: Event| {
        if matches!(&event, Event::Output { line, .. } if line == "up") {
            stop.cancel();
        }
        told.push(match event {
            Event::Started { pid } => {
                assert!(pid > 1);
                "started".to_owned()
            }
            Event::Output { line, .. } => line,
            Event::Exited { exit, .. } => exit.to_string(),
            Event::Failed { error } => error.to_string(),
            Event::Restarting { pause } => format!("again in {pause:?}"),
            Event::Stopped { exit } => format!("stopped: {}", exit.unwrap()),
        });
    };
    runtime().block_on(supervise(&spawner, &policy, &stop, command, event));
    assert_eq!(
        told,
        [
            "started",
            "was ended by SIGKILL",
            "again in 10ms",
            "started",
            "last words",
            "exited with code 4",
            "again in 20ms",
            "started",
            "up",
            "stopped: was ended by SIGTERM",
        ]
    );
    println!("all as expected");
    0
}
