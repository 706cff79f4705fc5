//! Ports of this machine that lead through an instance.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use aws::ssm::{CLIENT_VERSION, SessionRequest, SessionStarter};
use session_io::{Forward, ForwardConfig, ForwardError, ForwardEvent};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use super::target::Target;
use super::{Account, OperateError};
use crate::render;

/// The document that lets an instance forward to another host.
const DOCUMENT: &str = "AWS-StartPortForwardingSessionToRemoteHost";
/// Events that may wait to be told.
const EVENTS: usize = 64;

/// Where a forward leads.
#[derive(Debug, Clone)]
pub(crate) struct Destination {
    pub(crate) host: String,
    pub(crate) port: u16,
}

/// A forward that runs.
pub(crate) struct Running {
    /// Where it listens.
    pub(crate) address: SocketAddr,
    task: JoinHandle<Result<(), ForwardError>>,
    stop: Option<oneshot::Sender<()>>,
}

/// Takes the port, before anything is asked of anybody.
pub(crate) async fn listen(address: SocketAddr) -> Result<TcpListener, OperateError> {
    let listener = TcpListener::bind(address).await;
    listener.map_err(|source| OperateError::Listen { address, source })
}

/// Opens a session and carries the port's connections through it.
///
/// # Errors
///
/// When the session does not open.
pub(crate) async fn open(
    account: &Account,
    target: &Target,
    listener: TcpListener,
    destination: Destination,
    reason: Option<String>,
) -> Result<Running, OperateError> {
    let address = listener.local_addr().map_err(OperateError::Runtime)?;
    let one = |text: String| vec![text];
    let request = SessionRequest {
        target: target.id.clone(),
        document: Some(DOCUMENT.to_owned()),
        parameters: BTreeMap::from([
            ("host".to_owned(), one(destination.host.clone())),
            ("portNumber".to_owned(), one(destination.port.to_string())),
            (
                "localPortNumber".to_owned(),
                one(address.port().to_string()),
            ),
        ]),
        reason,
    };
    let (events, told) = mpsc::channel(EVENTS);
    let (stop, stopped) = oneshot::channel();
    let forward = Forward {
        listeners: vec![listener],
        start: SessionStarter::new(account.client.clone(), request),
        config: ForwardConfig::new(CLIENT_VERSION),
        events,
    };
    let task = tokio::spawn(forward.run(async {
        // whoever lets go of the other end wants it to stop as well
        let _let_go = stopped.await;
    }));
    let mut running = Running {
        address,
        task,
        stop: Some(stop),
    };
    let (opened, has_opened) = oneshot::channel();
    tokio::spawn(tell(told, target.label(), address, destination, opened));
    tokio::select! {
        _ = has_opened => Ok(running),
        ended = &mut running.task => Err(match ended {
            Ok(Err(error)) => error.into(),
            // it does not end well before it was told to
            _ => ForwardError::NeverOpened { output: String::new() }.into(),
        }),
    }
}

impl Running {
    /// Waits for a failure.
    pub(crate) async fn failed(&mut self) -> OperateError {
        match (&mut self.task).await {
            Ok(Err(error)) => error.into(),
            _ => std::future::pending().await,
        }
    }

    /// Ends the session in good order.
    pub(crate) async fn close(mut self) {
        drop(self.stop.take());
        // one that has failed has been waited for already
        if !self.task.is_finished() {
            // what goes wrong at the end does not matter any more
            let _ended = (&mut self.task).await;
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Tells people what happens, and the opener of the first session.
async fn tell(
    mut events: mpsc::Receiver<ForwardEvent>,
    target: String,
    address: SocketAddr,
    destination: Destination,
    opened: oneshot::Sender<()>,
) {
    let mut opened = Some(opened);
    let mut told = String::new();
    while let Some(event) = events.recv().await {
        let text = render::session::forward_event(&event, &target);
        // a network that stays away is told of once
        if let Some(text) = text.filter(|text| *text != told) {
            render::talk(&text);
            told = text;
        }
        if matches!(event, ForwardEvent::Opened { .. })
            && let Some(opened) = opened.take()
        {
            let Destination { host, port } = &destination;
            render::talk(&format!("{address} -> {host}:{port}"));
            // the opener may have been stopped
            let _gone = opened.send(());
        }
    }
}
