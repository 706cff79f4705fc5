//! Databases: the real server behind an interface, with the password of its secret.

use std::sync::Arc;

use emulator::Emulator;
use serde_json::Value as Json;
use tokio_util::sync::CancellationToken;

use super::board::Board;
use super::workload::chain;
use crate::blueprint::Database;
use crate::host::launch::Privilege;
use crate::host::netns::Netns;
use crate::host::process::Spawner;
use crate::postgres::{
    self, Database as Server, Durability, Installation, NotInstalled, PostgresError, Secret,
};
use crate::state::StateDirectory;
use crate::supervise::{self, Event};
use crate::tls::{Authority, AuthorityError};

/// Why a database did not start.
#[derive(Debug, thiserror::Error)]
pub enum DatabaseError {
    #[error(transparent)]
    NotInstalled(#[from] NotInstalled),
    #[error(transparent)]
    Postgres(#[from] PostgresError),
    #[error(transparent)]
    Authority(#[from] AuthorityError),
    #[error("the secret `{secret}` has no `{field}` for the master user")]
    Secret { secret: String, field: &'static str },
    #[error("cannot read the server's certificate")]
    Certificate(#[source] std::io::Error),
}

impl DatabaseError {
    /// What to do about it, where that is known.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::NotInstalled(error) => Some(error.hint().to_owned()),
            Self::Postgres(error) => error.hint(),
            _ => None,
        }
    }
}

/// A database and where it goes.
pub struct Place {
    pub database: Database,
    pub namespace: Netns,
    pub fast: bool,
}

/// What starting takes from the region.
pub struct Means<'a> {
    pub state: &'a StateDirectory,
    pub authority: &'a Authority,
    pub emulator: &'a Arc<Emulator>,
    pub spawner: &'a Spawner,
    pub privilege: Privilege,
    pub board: &'a Arc<Board>,
}

/// The running databases.
#[derive(Default)]
pub struct Databases {
    running: Vec<(CancellationToken, tokio::task::JoinHandle<()>)>,
}

impl Databases {
    /// Starts a database and keeps it running; returns when it answers.
    ///
    /// # Errors
    ///
    /// When there is no server to run, or it does not come up.
    pub async fn start(&mut self, place: Place, means: &Means<'_>) -> Result<(), DatabaseError> {
        let installation = Installation::find()?;
        let database = &place.database;
        note_version(database, &installation, means.board);
        let (user, password) = master(database, means.emulator)?;
        let label = database.id.as_str();
        let directory = means.state.path().join("certificates");
        let files = means.authority.certificate_files(
            &directory,
            label,
            std::slice::from_ref(&database.endpoint),
        )?;
        let read = |path| std::fs::read_to_string(path).map_err(DatabaseError::Certificate);
        let mut parameters = database.parameters.clone();
        let force_ssl = parameters
            .remove("rds.force_ssl")
            .is_some_and(|value| value == "1");
        let wanted = Server {
            name: label.to_owned(),
            namespace: place.namespace,
            address: database.address,
            port: database.port,
            database: database.database_name.clone(),
            master_user: user,
            certificates: read(&files.certificate)?,
            key: Secret(read(&files.key)?),
            force_ssl,
            parameters,
            durability: if place.fast {
                Durability::Fast
            } else {
                Durability::Durable
            },
        };
        let (spawner, privilege) = (means.spawner, means.privilege);
        let state = means.state;
        let prepared = postgres::prepare(spawner, privilege, &installation, state, &wanted).await?;
        let stop = CancellationToken::new();
        let keeper = {
            let (spawner, board, stop) = (spawner.clone(), Arc::clone(means.board), stop.clone());
            let (command, name) = (prepared.command(), database.eni.to_string());
            tokio::spawn(async move {
                let policy = postgres::policy();
                let on_event = |event| observe(&board, &name, event);
                supervise::supervise(&spawner, &policy, &stop, || command.clone(), on_event).await;
            })
        };
        self.running.push((stop, keeper));
        prepared.finish(&Secret(password)).await?;
        means.board.set(database.eni.0.as_str(), "available");
        Ok(())
    }

    /// Stops every database and waits for it.
    pub async fn stop(&mut self) {
        for (stop, _) in &self.running {
            stop.cancel();
        }
        for (_, keeper) in self.running.drain(..) {
            // a keeper that panicked has said so on standard error
            let _ended = keeper.await;
        }
    }
}

fn observe(board: &Board, name: &str, event: Event) {
    match event {
        Event::Started { pid } => board.set(name, format!("starting, process {pid}")),
        Event::Output { .. } => {}
        Event::Exited { exit, .. } => board.notice(format!("{name} {exit}")),
        Event::Failed { error } => board.notice(format!("{name}: {}", chain(&error))),
        Event::Restarting { .. } => board.set(name, "restarting"),
        Event::Stopped { .. } => board.set(name, "stopped"),
    }
}

/// The template's version is RDS's business; what runs here is what is
/// installed, and a person should know when they differ.
fn note_version(database: &Database, installation: &Installation, board: &Board) {
    let Some(wanted) = &database.engine_version else {
        return;
    };
    let major = wanted.split('.').next().unwrap_or(wanted);
    if major != installation.major() {
        board.notice(format!(
            "{}: the template asks for PostgreSQL {wanted}; the installed {} runs here",
            database.id, installation.version
        ));
    }
}

/// Name and password of the master user, from the database's secret.
fn master(database: &Database, emulator: &Emulator) -> Result<(String, String), DatabaseError> {
    let secret = &database.secret_arn;
    let missing = |field| DatabaseError::Secret {
        secret: secret.clone(),
        field,
    };
    let text = emulator
        .resolve_secret(secret, None, None)
        .map_err(|_| missing("value"))?;
    let json: Json = serde_json::from_str(text.expose()).map_err(|_| missing("JSON value"))?;
    let field = |field: &'static str| {
        json[field]
            .as_str()
            .map(str::to_owned)
            .ok_or_else(|| missing(field))
    };
    Ok((field("username")?, field("password")?))
}
