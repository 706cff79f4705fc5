//! `kickytime exec`: a program on the region's internet, where AWS's own names
//! lead to the region.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io;
use std::net::{Ipv4Addr, SocketAddrV4, TcpListener};
use std::os::unix::process::ExitStatusExt as _;
use std::process::{ExitCode, ExitStatus, Stdio};
use std::sync::Arc;
use std::time::Duration;

use region::control::{self, Request};
use region::host::visit::{self, RegionProcess, VisitorPlace};
use serde::Deserialize;
use tokio::io::copy_bidirectional;
use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::cli::{Exec, Publish};
use crate::error::CommandError;

/// How often it is seen to that the region still runs.
const WATCH: Duration = Duration::from_millis(500);
/// How long the program has to end after it was told to.
const GRACE: Duration = Duration::from_secs(5);
/// Connections through published ports at once.
const MAX_CONNECTIONS: usize = 1024;
/// Pause after the kernel gave no connection.
const PAUSE: Duration = Duration::from_millis(50);

/// Variables that would lead a program past the region's names, or to somebody
/// else's account.
const MISLEADING: [&str; 8] = [
    "ALL_PROXY",
    "HTTPS_PROXY",
    "HTTP_PROXY",
    "NO_PROXY",
    "all_proxy",
    "http_proxy",
    "https_proxy",
    "no_proxy",
];

#[derive(Deserialize)]
struct Answer {
    place: VisitorPlace,
    environment: BTreeMap<String, String>,
}

pub(crate) fn run(arguments: &Exec) -> Result<ExitCode, CommandError> {
    let directory = &arguments.state.directory;
    let answer = control::ask(directory, Request::Visit)?;
    let answer: Answer = serde_json::from_value(answer).map_err(CommandError::Answer)?;
    let process = control::process(directory)?;
    // on the host, before it is left
    let published = publish(&arguments.publish)?;
    let region = visit::enter(process, &answer.place)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(CommandError::Runtime)?;
    let status = runtime.block_on(visit(arguments, &answer, published, region))?;
    Ok(ExitCode::from(code(status)))
}

/// A listener on the host's loopback for each published port.
fn publish(wanted: &[Publish]) -> Result<Vec<(TcpListener, u16)>, CommandError> {
    let listen = |publish: &Publish| {
        let address = SocketAddrV4::new(Ipv4Addr::LOCALHOST, publish.host);
        let listener = TcpListener::bind(address).and_then(|listener| {
            listener.set_nonblocking(true)?;
            Ok((listener, publish.inside))
        });
        listener.map_err(|source| CommandError::Listen {
            port: publish.host,
            source,
        })
    };
    wanted.iter().map(listen).collect()
}

async fn visit(
    arguments: &Exec,
    answer: &Answer,
    published: Vec<(TcpListener, u16)>,
    mut region: RegionProcess,
) -> Result<ExitStatus, CommandError> {
    let cannot = |source| CommandError::Start {
        program: arguments.command.first().cloned().unwrap_or_default(),
        source,
    };
    let mut child = command(arguments, answer).spawn().map_err(cannot)?;
    let mut doors = JoinSet::new();
    for (listener, port) in published {
        let listener = tokio::net::TcpListener::from_std(listener).map_err(cannot)?;
        doors.spawn(forward(listener, port));
    }
    // the terminal sends its own to the program as well, which knows what to do with them
    let mut interrupt = signal(SignalKind::interrupt()).map_err(cannot)?;
    let mut quit = signal(SignalKind::quit()).map_err(cannot)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(cannot)?;
    let mut hang_up = signal(SignalKind::hangup()).map_err(cannot)?;
    let mut watch = tokio::time::interval(WATCH);
    loop {
        tokio::select! {
            status = child.wait() => return status.map_err(cannot),
            _ = interrupt.recv() => {}
            _ = quit.recv() => {}
            _ = terminate.recv() => return end(&mut child).await.map_err(cannot),
            _ = hang_up.recv() => return end(&mut child).await.map_err(cannot),
            _ = watch.tick() => if !region.is_alive() {
                crate::render::talk("the region has ended");
                return end(&mut child).await.map_err(cannot);
            },
        }
    }
}

fn command(arguments: &Exec, answer: &Answer) -> Command {
    let mut words = arguments.command.iter();
    let mut command = Command::new(
        words
            .next()
            .cloned()
            .unwrap_or_else(|| OsString::from("sh")),
    );
    command.args(words).stdin(Stdio::inherit());
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("AWS_") || MISLEADING.contains(&text.as_ref()) {
            command.env_remove(&name);
        }
    }
    // no endpoint: AWS's own names lead to the region here
    let variables = answer.environment.iter();
    command
        .envs(variables.filter(|(name, _)| !name.starts_with("AWS_ENDPOINT_URL")))
        .envs(answer.place.trust());
    command
}

/// Passes connections at a port of the host on to the same program's machine.
async fn forward(listener: tokio::net::TcpListener, port: u16) {
    let slots = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let mut connections = JoinSet::new();
    loop {
        let slot = Arc::clone(&slots).acquire_owned().await;
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            Some(_ended) = connections.join_next() => continue,
        };
        let Ok((mut outside, _)) = accepted else {
            tokio::time::sleep(PAUSE).await;
            continue;
        };
        connections.spawn(async move {
            if let Ok(mut inside) = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await {
                // a side that breaks off ends the connection; there is nobody to tell
                let _ended = copy_bidirectional(&mut outside, &mut inside).await;
            }
            drop(slot);
        });
    }
}

/// Tells the program to end, and ends it when it does not.
async fn end(child: &mut Child) -> io::Result<ExitStatus> {
    if let Some(pid) = child.id() {
        // it may have ended this instant
        let _gone = visit::ask_to_end(pid);
    }
    if let Ok(status) = tokio::time::timeout(GRACE, child.wait()).await {
        return status;
    }
    child.kill().await?;
    child.wait().await
}

/// As shells have it: 128 and the signal's number.
fn code(status: ExitStatus) -> u8 {
    let code = status.code().or_else(|| Some(128 + status.signal()?));
    code.and_then(|code| u8::try_from(code).ok()).unwrap_or(1)
}
