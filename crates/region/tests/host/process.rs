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
        hosts: vec![("10.0.0.9".parse().unwrap(), "own.internal".to_owned())],
        ca_bundle: "CERTIFICATE\n".to_owned(),
        binds: vec![Bind {
            source: data.clone(),
            name: "data".to_owned(),
            writable: true,
        }],
        hidden: vec![state.path().to_owned()],
    };
    let spawner = Spawner::start(inside.privilege).unwrap();
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
                "env | grep -v '^\\(PATH\\|LANG\\|PWD\\|_\\|SHLVL\\|OLDPWD\\)=' | sort".into(),
                "GREETING=hello".into(),
            ),
            ("ls /proc/self/fd | tr '\\n' ' '".into(), "0 1 2 3 ".into()),
            ("pwd".into(), "/".into()),
        ] {
            let (lines, exit) = output_of(&spawner, &shell(&namespace, &view, &script)).await;
            println!("{script}: {lines:?}");
            assert_eq!(lines.join("\n"), expected, "{script}");
            assert_eq!(exit, Exit::Code(0), "{script}");
        }
        assert_eq!(fs::read_to_string(data.join("file")).unwrap(), "kept\n");
        ends(&spawner, &namespace, &view).await;
        faults(&spawner, &namespace, &view).await;
    });
    println!("all as expected");
    0
}

fn fd(namespace: &Netns) -> i32 {
    use std::os::fd::{AsFd, AsRawFd};
    namespace.as_fd().as_raw_fd()
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
    let spawner = Spawner::start(inside.privilege).unwrap();
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
