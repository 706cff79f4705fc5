//! A terminal through the relay: plain, encrypted, cut, ended by either end.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use session::wire::TerminalSize;
use session::{AgentOffer, DataKey, Extension, SessionKind};
use session_io::{
    DialError, NewKey, OpenKey, ServeConfig, ServeError, Served, ServedShell, Start, Started,
    Terminal, TerminalConfig, TerminalEnd, TerminalError, TerminalEvent, serve_shell,
};
use tokio::io::{
    AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, ReadHalf, WriteHalf, duplex, split,
};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;

use crate::relay::locked;
use crate::relay::{Relay, RelayDial, Side};
use crate::world::{endurance, until, within};

/// A stand-in for KMS: one key, under one name.
#[derive(Clone, Copy)]
struct Keys {
    opens: bool,
}

impl NewKey for Keys {
    async fn new_key(
        &mut self,
        session_id: &str,
        kms_key_id: &str,
        _challenge: Option<&str>,
    ) -> Result<(DataKey, Vec<u8>), String> {
        assert_eq!((session_id, kms_key_id), ("s-1", "alias/sessions"));
        Ok((DataKey::new([7; 64]), b"sealed".to_vec()))
    }
}

impl OpenKey for Keys {
    async fn open_key(&mut self, ciphertext: &[u8]) -> Result<DataKey, String> {
        assert_eq!(ciphertext, b"sealed");
        if self.opens {
            Ok(DataKey::new([7; 64]))
        } else {
            Err("AccessDeniedException".to_owned())
        }
    }
}

/// The program's side of its terminal, and what its agent saw.
struct Program {
    terminal: DuplexStream,
    exit: oneshot::Sender<i32>,
}

/// Everything of one shell session, before the client comes.
struct Scene {
    relay: Relay,
    program: oneshot::Receiver<Program>,
    sizes: Arc<Mutex<Vec<(u32, u32)>>>,
    log: Arc<Mutex<Vec<u8>>>,
    agent: JoinHandle<Result<Served, ServeError>>,
    stop_agent: oneshot::Sender<()>,
}

async fn scene(extension: Option<Extension>, key: Option<&str>, opens: bool) -> Scene {
    let relay = Relay::start(None).await;
    let offer = AgentOffer {
        agent_version: "3.3.3572.0".to_owned(),
        kind: SessionKind::StandardStream,
        properties: BTreeMap::new(),
        kms_key_id: key.map(str::to_owned),
        customer_message: "be kind".to_owned(),
        extension,
    };
    let config = ServeConfig {
        endurance: endurance(),
        ..ServeConfig::new("s-1")
    };
    let (begun, program) = oneshot::channel();
    let sizes = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::new(Mutex::new(Vec::new()));
    let (told, logged) = (Arc::clone(&sizes), Arc::clone(&log));
    let begin = move |_: &session::Opened| -> io::Result<_> {
        let (here, terminal) = duplex(4096);
        let (exit, exited) = oneshot::channel();
        begun.send(Program { terminal, exit }).ok();
        let (output, input): (ReadHalf<_>, WriteHalf<_>) = split(here);
        Ok(ServedShell {
            output,
            input,
            resize: move |size: TerminalSize| locked(&told).push((size.cols, size.rows)),
            tap: move |data: &[u8]| locked(&logged).extend_from_slice(data),
            exit: async move { exited.await.unwrap_or(-1) },
        })
    };
    let (stop_agent, stopped) = oneshot::channel();
    let dial = relay.dialer("s-1", Side::Agent);
    let agent = tokio::spawn(serve_shell(
        config,
        offer,
        dial,
        Keys { opens },
        begin,
        async {
            if stopped.await.is_err() {
                std::future::pending::<()>().await;
            }
        },
    ));
    Scene {
        relay,
        program,
        sizes,
        log,
        agent,
        stop_agent,
    }
}

/// Sessions that exist already.
struct Begun {
    relay: Relay,
    terminated: Arc<Mutex<Vec<String>>>,
}

impl Start for Begun {
    type Dial = RelayDial;

    async fn start(&mut self) -> Result<Started<RelayDial>, DialError> {
        Ok(Started {
            session_id: "s-1".to_owned(),
            dial: self.relay.dialer("s-1", Side::Client),
        })
    }

    async fn terminate(&mut self, session_id: &str) {
        locked(&self.terminated).push(session_id.to_owned());
    }
}

/// A person at a terminal.
struct Person {
    keys: DuplexStream,
    screen: DuplexStream,
    size: watch::Sender<TerminalSize>,
    events: mpsc::Receiver<TerminalEvent>,
    stop: oneshot::Sender<()>,
    end: JoinHandle<Result<TerminalEnd, TerminalError>>,
    terminated: Arc<Mutex<Vec<String>>>,
}

fn person(relay: &Relay) -> Person {
    let (keys, input) = duplex(4096);
    let (output, screen) = duplex(4096);
    let (size, sized) = watch::channel(TerminalSize { cols: 80, rows: 24 });
    let (told, events) = mpsc::channel(100);
    let (stop, stopped) = oneshot::channel();
    let terminated = Arc::new(Mutex::new(Vec::new()));
    let terminal = Terminal {
        input,
        output,
        errors: tokio::io::sink(),
        size: sized,
    };
    let start = Begun {
        relay: relay.clone(),
        terminated: Arc::clone(&terminated),
    };
    let mut config = TerminalConfig::new("1.2.896.0");
    config.endurance = endurance();
    config.open_within = Duration::from_secs(5);
    let run = terminal.run(start, Keys { opens: true }, config, told, async {
        if stopped.await.is_err() {
            std::future::pending::<()>().await;
        }
    });
    Person {
        keys,
        screen,
        size,
        events,
        stop,
        end: tokio::spawn(run),
        terminated,
    }
}

#[expect(clippy::unwrap_used, reason = "what tests ask")]
async fn sees(screen: &mut DuplexStream, expected: &[u8]) {
    let mut seen = vec![0; expected.len()];
    within(screen.read_exact(&mut seen)).await.unwrap();
    assert_eq!(seen, expected);
}

const OURS: Option<Extension> = Some(Extension {
    payload_bytes: 65_536,
});

/// Types, sees, resizes, loses the network in between, and logs out.
#[expect(clippy::unwrap_used, reason = "the body of two tests")]
async fn a_session(key: Option<&str>) {
    let scene = scene(OURS, key, true).await;
    let mut person = person(&scene.relay);
    let mut program = within(scene.program).await.unwrap();
    person.keys.write_all(b"ls\n").await.unwrap();
    sees(&mut program.terminal, b"ls\n").await;
    program.terminal.write_all(b"notes.txt\n").await.unwrap();
    sees(&mut person.screen, b"notes.txt\n").await;
    scene.relay.cut("s-1", Side::Client);
    person.keys.write_all(b"pwd\n").await.unwrap();
    sees(&mut program.terminal, b"pwd\n").await;
    scene.relay.cut("s-1", Side::Agent);
    program.terminal.write_all(b"/home\n").await.unwrap();
    sees(&mut person.screen, b"/home\n").await;
    person.size.send_replace(TerminalSize {
        cols: 132,
        rows: 50,
    });
    until("the new size", || locked(&scene.sizes).len() == 2).await;
    assert_eq!(*locked(&scene.sizes), [(80, 24), (132, 50)]);
    // the last words come before the end
    program.terminal.write_all(b"logout\n").await.unwrap();
    program.exit.send(3).unwrap();
    drop(program.terminal);
    sees(&mut person.screen, b"logout\n").await;
    let end = within(person.end).await.unwrap().unwrap();
    assert_eq!(end, TerminalEnd::Exited { code: 3 });
    let served = within(scene.agent).await.unwrap().unwrap();
    assert_eq!(served, Served::Exited { code: 3 });
    assert_eq!(*locked(&person.terminated), ["s-1"]);
    assert_eq!(*locked(&scene.log), b"notes.txt\n/home\nlogout\n");
    let opened = person.events.recv().await.unwrap();
    let TerminalEvent::Opened {
        customer_message, ..
    } = opened
    else {
        panic!("{opened:?}");
    };
    assert_eq!(customer_message, "be kind");
    drop(scene.stop_agent);
}

#[tokio::test]
async fn a_terminal_reaches_its_program_through_cuts() {
    a_session(None).await;
}

#[tokio::test]
async fn an_encrypted_one_does_too() {
    a_session(Some("alias/sessions")).await;
}

#[tokio::test]
async fn without_the_key_there_is_no_program() {
    let scene = scene(OURS, Some("alias/sessions"), false).await;
    let person = person(&scene.relay);
    let error = within(scene.agent).await.unwrap().unwrap_err();
    assert_eq!(
        error.to_string(),
        "the session's key cannot be decrypted: AccessDeniedException"
    );
    assert!(scene.program.await.is_err(), "never begun");
    scene.relay.close("s-1", "no key").await;
    let error = within(person.end).await.unwrap().unwrap_err();
    assert_eq!(
        error.to_string(),
        "the session ended before it was open: no key"
    );
}

/// An official client prints what it does not know: an exit code is only said to ours.
#[tokio::test]
async fn what_came_before_the_service_closed_is_still_shown() {
    let scene = scene(None, None, true).await;
    let mut person = person(&scene.relay);
    let mut program = within(scene.program).await.unwrap();
    let screenful = vec![b'x'; 100_000];
    let writing = tokio::spawn(async move {
        program.terminal.write_all(&screenful).await.unwrap();
        program.exit.send(0).unwrap();
    });
    // nobody looks at the screen until the session is over
    let served = within(scene.agent).await.unwrap().unwrap();
    assert_eq!(served, Served::Exited { code: 0 });
    writing.await.unwrap();
    scene.relay.close("s-1", "done").await;
    sees(&mut person.screen, &[b'x'; 100_000]).await;
    let end = within(person.end).await.unwrap().unwrap();
    let output = "done".to_owned();
    assert_eq!(end, TerminalEnd::Closed { output });
    drop(scene.stop_agent);
}

#[tokio::test]
async fn a_person_who_leaves_ends_the_program() {
    let scene = scene(OURS, None, true).await;
    let person = person(&scene.relay);
    let mut program = within(scene.program).await.unwrap();
    until("a size", || !locked(&scene.sizes).is_empty()).await;
    person.stop.send(()).unwrap();
    let end = within(person.end).await.unwrap().unwrap();
    assert_eq!(end, TerminalEnd::Stopped);
    let served = within(scene.agent).await.unwrap().unwrap();
    assert_eq!(served, Served::Terminated);
    let mut rest = Vec::new();
    within(program.terminal.read_to_end(&mut rest))
        .await
        .unwrap();
    drop(scene.stop_agent);
}

#[tokio::test]
async fn the_end_of_input_is_a_terminals() {
    let scene = scene(OURS, None, true).await;
    let mut person = person(&scene.relay);
    let mut program = within(scene.program).await.unwrap();
    person.keys.write_all(b"exit").await.unwrap();
    drop(person.keys);
    sees(&mut program.terminal, b"exit\x04").await;
    scene.stop_agent.send(()).unwrap();
    let served = within(scene.agent).await.unwrap().unwrap();
    assert_eq!(served, Served::Stopped);
    scene.relay.close("s-1", "").await;
    let end = within(person.end).await.unwrap().unwrap();
    let output = String::new();
    assert_eq!(end, TerminalEnd::Closed { output });
}

/// See the same of a forward.
#[tokio::test]
async fn an_idle_terminal_does_nothing() {
    let scene = scene(OURS, None, true).await;
    let mut person = person(&scene.relay);
    let mut program = within(scene.program).await.unwrap();
    person.keys.write_all(b"x").await.unwrap();
    sees(&mut program.terminal, b"x").await;
    until("a size", || !locked(&scene.sizes).is_empty()).await;
    let busy = tokio::runtime::Handle::current().metrics();
    let before = busy.worker_total_busy_duration(0);
    tokio::time::sleep(Duration::from_millis(500)).await;
    let after = busy.worker_total_busy_duration(0);
    assert!(
        after - before < Duration::from_millis(200),
        "{:?}",
        after - before
    );
    drop(scene.stop_agent);
}
