//! `kickytime db`: psql on the stack's database, through an instance.

use std::net::{Ipv4Addr, SocketAddr};
use std::process::ExitCode;

use aws::secrets_manager::{DatabaseCredentials, get_secret_value};

use crate::cli::operate::Db;
use crate::error::CommandError;
use crate::operate::forward::{self, Destination, Running};
use crate::operate::psql::{self, Connection};
use crate::operate::stop::{self, Stop};
use crate::operate::{Account, OperateError, authorities, target};
use crate::render;

/// PostgreSQL's.
const PORT: u16 = 5432;
/// Where the secret names no database.
const DATABASE: &str = "postgres";

pub(crate) fn run(arguments: &Db) -> Result<ExitCode, CommandError> {
    let account = Account::settle(&arguments.account, arguments.stack_name.as_deref())?;
    let worked = stop::run(work(arguments, account)).map_err(OperateError::Runtime)?;
    Ok(worked?)
}

async fn work(arguments: &Db, mut account: Account) -> Result<ExitCode, OperateError> {
    let mut stop = Stop::listen()?;
    tokio::select! {
        outcome = attend(arguments, &mut account) => match outcome? {
            Ready::Psql(running, connection) => {
                let status = under_psql(&mut stop, *running, &connection, arguments).await?;
                Ok(ExitCode::from(status))
            }
            Ready::Listening(mut running) => {
                tokio::select! {
                    () = stop.any() => running.close().await,
                    error = running.failed() => return Err(error),
                }
                Ok(ExitCode::SUCCESS)
            }
        },
        () = stop.any() => Ok(ExitCode::SUCCESS),
    }
}

/// The way is open, and what is to be done with it.
enum Ready {
    Psql(Box<Running>, Box<Connection>),
    Listening(Box<Running>),
}

async fn attend(arguments: &Db, account: &mut Account) -> Result<Ready, OperateError> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, arguments.port));
    let listener = forward::listen(address).await?;
    if let Some(text) = account.introduce().await? {
        render::talk(&text);
    }
    let destination = destination(arguments, account).await?;
    let credentials = match arguments.listen {
        true => None,
        false => Some(credentials(arguments, account).await?),
    };
    let target = target::find(account, arguments.target.as_deref()).await?;
    let authorities = match (&arguments.root_certificates, arguments.listen) {
        (_, true) => None,
        (Some(file), _) => Some(file.clone()),
        (None, false) => Some(authorities::file(account).await?),
    };
    let host = destination.host.clone();
    let reason = Some("kickytime db".to_owned());
    let running = forward::open(account, &target, listener, destination, reason).await?;
    let running = Box::new(running);
    let (Some(credentials), Some(authorities)) = (credentials, authorities) else {
        return Ok(Ready::Listening(running));
    };
    let named = arguments.database.clone().or(credentials.database.clone());
    let connection = Connection {
        host,
        address: running.address,
        database: named.unwrap_or_else(|| DATABASE.to_owned()),
        credentials,
        authorities,
    };
    if arguments.print {
        // a reader who has left has what they wanted, or does not want the way either
        let _told = render::data(&psql::url(&connection));
        return Ok(Ready::Listening(running));
    }
    Ok(Ready::Psql(running, Box::new(connection)))
}

/// The database's host and port, by hand or from the stack.
async fn destination(arguments: &Db, account: &mut Account) -> Result<Destination, OperateError> {
    if let Some(text) = &arguments.host {
        let form = || OperateError::Host { text: text.clone() };
        let (host, port) = match text.rsplit_once(':') {
            Some((host, port)) => (host, port.parse().map_err(|_| form())?),
            None => (text.as_str(), PORT),
        };
        let host = host.to_owned();
        return match host.is_empty() || port == 0 {
            true => Err(form()),
            false => Ok(Destination { host, port }),
        };
    }
    let host = account.required("DatabaseEndpoint", "--host").await?;
    let port = account.output("DatabasePort").await?;
    let port = port.and_then(|port| port.parse().ok()).unwrap_or(PORT);
    Ok(Destination { host, port })
}

async fn credentials(
    arguments: &Db,
    account: &mut Account,
) -> Result<DatabaseCredentials, OperateError> {
    let secret = match &arguments.secret {
        Some(secret) => secret.clone(),
        None => account.required("DatabaseSecretArn", "--secret").await?,
    };
    let text = get_secret_value(&account.client, &secret).await?;
    DatabaseCredentials::read(text.expose()).ok_or(OperateError::NotDatabaseSecret)
}

/// Runs psql to its end; Ctrl-C is its own.
async fn under_psql(
    stop: &mut Stop,
    mut running: Running,
    connection: &Connection,
    arguments: &Db,
) -> Result<u8, OperateError> {
    let (mut child, passwords) = match psql::start(connection, &arguments.psql) {
        Ok(started) => started,
        Err(error) => {
            running.close().await;
            return Err(error);
        }
    };
    let failed = |source| OperateError::Start {
        program: "psql".into(),
        source,
    };
    let ended = tokio::select! {
        status = child.wait() => Ok(status.map_err(failed)?),
        () = stop.but_interrupt() => Ok(psql::end(&mut child).await.map_err(failed)?),
        error = running.failed() => {
            let _ended = psql::end(&mut child).await;
            Err(error)
        }
    };
    drop(passwords);
    let status = ended?;
    running.close().await;
    Ok(psql::code(status))
}
