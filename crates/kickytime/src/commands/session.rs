//! `kickytime session`: a shell on an instance, or ports that lead through it.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::process::ExitCode;

use aws::kms;
use aws::ssm::{CLIENT_VERSION, SessionRequest, SessionStarter};
use aws::{CallError, Client};
use session::DataKey;
use session_io::{NewKey, Terminal, TerminalConfig, TerminalEnd};
use tokio::sync::mpsc;

use crate::cli::operate::Session;
use crate::error::CommandError;
use crate::operate::forward::{self, Destination, Running};
use crate::operate::screen::{self, Screen};
use crate::operate::stop::{self, Stop};
use crate::operate::target::{self, Target};
use crate::operate::{Account, OperateError};
use crate::render;

/// The output that names the stack's session document.
const DOCUMENT: &str = "SessionDocumentName";
/// A session's key, for both directions.
const KEY_BYTES: u16 = 64;
/// Events that may wait to be told.
const EVENTS: usize = 64;

pub(crate) fn run(arguments: &Session) -> Result<ExitCode, CommandError> {
    let account = Account::settle(&arguments.account, arguments.stack_name.as_deref())?;
    let worked = stop::run(work(arguments, account)).map_err(OperateError::Runtime)?;
    Ok(worked?)
}

async fn work(arguments: &Session, mut account: Account) -> Result<ExitCode, OperateError> {
    let mut stop = Stop::listen()?;
    let begun = tokio::select! {
        begun = begin(arguments, &mut account) => begun,
        () = stop.any() => return Ok(ExitCode::SUCCESS),
    };
    let (target, mut forwards) = begun?;
    let wants_shell = arguments.forwards.is_empty() || arguments.shell;
    let outcome = if wants_shell {
        tokio::select! {
            outcome = shell(arguments, &mut account, &target, &mut stop) => outcome,
            error = first_failure(&mut forwards) => Err(error),
        }
    } else {
        tokio::select! {
            () = stop.any() => Ok(ExitCode::SUCCESS),
            error = first_failure(&mut forwards) => Err(error),
        }
    };
    for running in forwards {
        running.close().await;
    }
    outcome
}

/// Finds the instance and opens the ports.
async fn begin(
    arguments: &Session,
    account: &mut Account,
) -> Result<(Target, Vec<Running>), OperateError> {
    let mut listeners = Vec::new();
    for wanted in &arguments.forwards {
        let address = SocketAddr::from((wanted.bind, wanted.port));
        let destination = Destination {
            host: wanted.host.clone(),
            port: wanted.host_port,
        };
        listeners.push((forward::listen(address).await?, destination));
    }
    if let Some(text) = account.introduce().await? {
        render::talk(&text);
    }
    let target = target::find(account, arguments.target.as_deref()).await?;
    let mut forwards = Vec::new();
    for (listener, destination) in listeners {
        let reason = arguments.reason.clone();
        let opened = forward::open(account, &target, listener, destination, reason);
        forwards.push(opened.await?);
    }
    Ok((target, forwards))
}

/// Waits until a forward fails; without forwards, for ever.
async fn first_failure(forwards: &mut [Running]) -> OperateError {
    let mut failures: Vec<_> = forwards
        .iter_mut()
        .map(|running| Box::pin(running.failed()))
        .collect();
    std::future::poll_fn(|cx| {
        let mut ready = failures.iter_mut().map(|failed| failed.as_mut().poll(cx));
        let failed = ready.find(std::task::Poll::is_ready);
        failed.unwrap_or(std::task::Poll::Pending)
    })
    .await
}

/// Lends the terminal to a shell on the instance.
async fn shell(
    arguments: &Session,
    account: &mut Account,
    target: &Target,
    stop: &mut Stop,
) -> Result<ExitCode, OperateError> {
    let document = match &arguments.document {
        Some(document) => Some(document.clone()),
        None => account.output(DOCUMENT).await?,
    };
    let request = SessionRequest {
        target: target.id.clone(),
        document,
        parameters: BTreeMap::new(),
        reason: arguments.reason.clone(),
    };
    let (events, mut told) = mpsc::channel(EVENTS);
    let (size, watch) = screen::size()?;
    let screen = Screen::lend()?;
    // in raw mode a line's end does not go to its beginning
    let line_end = if screen.is_lent() { "\r" } else { "" };
    let label = target.label();
    let teller = tokio::spawn(async move {
        let mut last = String::new();
        while let Some(event) = told.recv().await {
            let text = render::session::terminal_event(&event, &label);
            // a network that stays away is told of once
            if text != last {
                render::talk(&(text.replace('\n', "\r\n") + line_end));
                last = text;
            }
        }
    });
    let terminal = Terminal {
        input: tokio::io::stdin(),
        output: tokio::io::stdout(),
        errors: tokio::io::stderr(),
        size,
    };
    let keys = Keys {
        client: account.client.clone(),
        target: target.id.clone(),
    };
    let starter = SessionStarter::new(account.client.clone(), request);
    let config = TerminalConfig::new(CLIENT_VERSION);
    let ended = terminal.run(starter, keys, config, events, stop.any());
    let ended = ended.await;
    watch.abort();
    // its channel is closed, so it ends when all is told
    let _told = teller.await;
    drop(screen);
    Ok(match ended? {
        TerminalEnd::Exited { code } => ExitCode::from(u8::try_from(code).unwrap_or(1)),
        TerminalEnd::Closed { output } => {
            let said = render::session::said(&output);
            render::talk(&format!("the session was closed{said}"));
            ExitCode::SUCCESS
        }
        TerminalEnd::Stopped => ExitCode::SUCCESS,
    })
}

/// Makes the key of an encrypted session, as the caller.
struct Keys {
    client: Client,
    target: String,
}

impl NewKey for Keys {
    async fn new_key(
        &mut self,
        session_id: &str,
        kms_key_id: &str,
        challenge: Option<&str>,
    ) -> Result<(DataKey, Vec<u8>), String> {
        let mut context = BTreeMap::from([
            ("aws:ssm:SessionId".to_owned(), session_id.to_owned()),
            ("aws:ssm:TargetId".to_owned(), self.target.clone()),
        ]);
        if let Some(challenge) = challenge {
            let name = "aws:ssm:RandomChallenge".to_owned();
            context.insert(name, challenge.to_owned());
        }
        let made = kms::generate_data_key(&self.client, kms_key_id, KEY_BYTES, &context).await;
        let made = made.map_err(|error: CallError| error.to_string())?;
        let plain: [u8; 64] = made
            .plaintext
            .try_into()
            .map_err(|_| "the key has another length".to_owned())?;
        Ok((DataKey::new(plain), made.ciphertext))
    }
}
