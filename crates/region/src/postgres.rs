//! How does a real PostgreSQL stand behind an RDS endpoint?
//!
//! The machine's own PostgreSQL runs in the database's network interface at
//! its VPC address, unprivileged and confined like any workload, with TLS on
//! and its data in the state directory. The master user is as in RDS: it may
//! make roles and databases and is no superuser; the superuser answers only on
//! a private socket in the state directory, to this program.
//!
//! [`prepare`] makes the directory ready, [`Prepared::command`] is what
//! `supervise` keeps running, and [`Prepared::finish`] waits until it answers
//! and sets up the master user.

mod files;
mod install;
mod scram;
mod settings;
mod wire;

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use crate::host::launch::Privilege;
use crate::host::netns::Netns;
use crate::host::process::{Bind, ChildCommand, Exit, PLACE, SpawnError, Spawner, View};
use crate::state::StateDirectory;
use crate::supervise::Policy;

pub use install::{Installation, NotInstalled};
pub use scram::PasswordError;
pub use settings::{Durability, ParameterError};
pub use wire::StatementError;

use settings::{INTERNAL, Settings};

/// Locale of the databases. RDS has `en_US.UTF-8`, which many machines lack.
const LOCALE: &str = "C.UTF-8";

/// Size of a write-ahead log segment, MiB: a small one is quick to copy.
const SEGMENT_MIB: u32 = 4;

/// Longest wait for a server that starts; recovery after a crash included.
const READY_DEADLINE: Duration = Duration::from_secs(60);

/// Name of the server's directory as the server sees it.
const DIRECTORY: &str = "postgres";

/// A database instance to run.
#[derive(Debug, Clone)]
pub struct Database {
    /// Names its directory: the resource's logical id.
    pub name: String,
    /// Its interface.
    pub namespace: Netns,
    /// Its address there.
    pub address: Ipv4Addr,
    /// Its port, 5432 by default in RDS.
    pub port: u16,
    /// The database made at the first start (`DBName`), if any.
    pub database: Option<String>,
    /// The master user (`MasterUsername`).
    pub master_user: String,
    /// The chain it shows, PEM, its own certificate first.
    pub certificates: String,
    /// Its private key, PEM.
    pub key: Secret,
    /// Refuse connections without TLS (`rds.force_ssl`).
    pub force_ssl: bool,
    /// The parameter group.
    pub parameters: BTreeMap<String, String>,
    /// What a crash of the machine may cost.
    pub durability: Durability,
}

/// A text that does not show in `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(pub String);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("(secret)")
    }
}

/// Why there is no database.
#[derive(Debug, thiserror::Error)]
pub enum PostgresError {
    /// A file or directory could not be made.
    #[error("cannot {action} `{}`", .path.display())]
    File {
        /// What was tried.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// The name cannot be that of a directory.
    #[error("`{0}` cannot name a database instance's directory")]
    Name(String),
    /// The parameter group.
    #[error(transparent)]
    Parameter(#[from] ParameterError),
    /// `initdb` did not start.
    #[error("cannot create the database cluster")]
    Initialise(#[from] SpawnError),
    /// `initdb` failed.
    #[error("`initdb` {exit}: {last_words}")]
    Initdb {
        /// How it ended.
        exit: Exit,
        /// The end of what it wrote.
        last_words: String,
    },
    /// The data is of another major version.
    #[error("the data in `{}` is of PostgreSQL {found}, installed is {installed}", .path.display())]
    Version {
        /// The data directory.
        path: PathBuf,
        /// Major version of the data.
        found: String,
        /// Major version of the programs.
        installed: String,
    },
    /// It did not come up.
    #[error("the database server did not become ready in {} s", .0.as_secs())]
    NotReady(Duration),
    /// The master password.
    #[error(transparent)]
    Password(#[from] PasswordError),
    /// A statement of the set-up.
    #[error(transparent)]
    Statement(#[from] StatementError),
}

impl PostgresError {
    /// What to do about it, where that is known.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Version { found, .. } => Some(format!(
                "install PostgreSQL {found} again, or start over with `--fresh`, which deletes \
                 the data"
            )),
            Self::File { source, .. } if source.kind() == io::ErrorKind::PermissionDenied => Some(
                "the state directory belongs to another user: delete it, or choose another \
                 with `--state`"
                    .to_owned(),
            ),
            _ => None,
        }
    }
}

/// How the server is stopped: SIGINT is its "fast" shutdown, which ends
/// sessions and writes everything.
pub fn policy() -> Policy {
    Policy {
        stop_signal: Signal::SIGINT,
        ..Policy::default()
    }
}

/// A database whose directory is ready.
#[derive(Debug, Clone)]
pub struct Prepared {
    wanted: Database,
    server: PathBuf,
    directory: PathBuf,
    hidden: PathBuf,
}

/// Makes a database's directory ready, from the cached template when it is
/// new. The lock on `state` is what makes it safe to clear what a crash left.
pub async fn prepare(
    spawner: &Spawner,
    privilege: Privilege,
    installation: &Installation,
    state: &StateDirectory,
    wanted: &Database,
) -> Result<Prepared, PostgresError> {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if wanted.name.is_empty() || !wanted.name.chars().all(plain) {
        return Err(PostgresError::Name(wanted.name.clone()));
    }
    let directory = state.path().join("postgres").join(&wanted.name);
    files::private_directory(&directory).map_err(at("make", &directory))?;
    let data = directory.join("data");
    if data.exists() {
        check_version(installation, &data)?;
    } else {
        let template = template(spawner, privilege, installation, state, wanted).await?;
        start_from(&template, &data, wanted.durability)?;
    }
    clear_after_crash(&data, &directory)?;
    write_settings(installation, wanted, &directory, &data)?;
    if privilege == Privilege::Root {
        let (uid, gid) = privilege.child_ids();
        files::give(&directory, uid, gid).map_err(at("give away", &directory))?;
    }
    Ok(Prepared {
        wanted: wanted.clone(),
        server: installation.programs.join("postgres"),
        directory,
        hidden: state.path().to_owned(),
    })
}

fn at<'a>(action: &'static str, path: &'a Path) -> impl Fn(io::Error) -> PostgresError + 'a {
    move |source| PostgresError::File {
        action,
        path: path.to_owned(),
        source,
    }
}

fn check_version(installation: &Installation, data: &Path) -> Result<(), PostgresError> {
    let path = data.join("PG_VERSION");
    let found = fs::read_to_string(&path).map_err(at("read", &path))?;
    if found.trim() == installation.major() {
        return Ok(());
    }
    Err(PostgresError::Version {
        path: data.to_owned(),
        found: found.trim().to_owned(),
        installed: installation.major().to_owned(),
    })
}

/// The copy gets its name when it is whole, so that a crash leaves no half.
fn start_from(template: &Path, data: &Path, durability: Durability) -> Result<(), PostgresError> {
    let partial = data.with_extension("partial");
    if partial.exists() {
        fs::remove_dir_all(&partial).map_err(at("remove", &partial))?;
    }
    files::copy_directory(template, &partial).map_err(at("copy the template to", &partial))?;
    if durability == Durability::Durable {
        files::sync(&partial).map_err(at("sync", &partial))?;
    }
    fs::rename(&partial, data).map_err(at("name", data))
}

/// Process numbers start over with every region, so the number in a file that
/// a killed server left is soon another process's, and the server would refuse
/// to start. The lock on the state directory says that no server runs.
fn clear_after_crash(data: &Path, directory: &Path) -> Result<(), PostgresError> {
    let mut left = vec![data.join("postmaster.pid")];
    let entries = fs::read_dir(directory).map_err(at("read", directory))?;
    left.extend(entries.flatten().map(|entry| entry.path()).filter(|path| {
        path.file_name()
            .is_some_and(|name| name.as_encoded_bytes().starts_with(b".s.PGSQL."))
    }));
    for path in left {
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(at("remove", &path)(error));
            }
            _ => {}
        }
    }
    Ok(())
}

fn write_settings(
    installation: &Installation,
    wanted: &Database,
    directory: &Path,
    data: &Path,
) -> Result<(), PostgresError> {
    let seen = format!("{PLACE}/{DIRECTORY}");
    let settings = Settings {
        address: wanted.address,
        port: wanted.port,
        directory: &seen,
        force_ssl: wanted.force_ssl,
        durability: wanted.durability,
        parameters: &wanted.parameters,
        major: installation.major().parse().unwrap_or_default(),
    };
    for (path, contents) in [
        (data.join("postgresql.conf"), settings.configuration()?),
        (data.join("pg_hba.conf"), settings.access()),
        (data.join("pg_ident.conf"), settings::identities()),
        (directory.join("server.crt"), wanted.certificates.clone()),
        (directory.join("server.key"), wanted.key.0.clone()),
    ] {
        files::private_file(&path, contents.as_bytes()).map_err(at("write", &path))?;
    }
    Ok(())
}

/// An empty cluster, made once for each version and locale.
async fn template(
    spawner: &Spawner,
    privilege: Privilege,
    installation: &Installation,
    state: &StateDirectory,
    wanted: &Database,
) -> Result<PathBuf, PostgresError> {
    let cache = state.path().join("cache");
    let name = format!("postgres-{}-{LOCALE}-{SEGMENT_MIB}", installation.version);
    let template = cache.join(name);
    if template.exists() {
        return Ok(template);
    }
    let work = cache.join("initdb");
    if work.exists() {
        fs::remove_dir_all(&work).map_err(at("remove", &work))?;
    }
    files::private_directory(&work).map_err(at("make", &work))?;
    if privilege == Privilege::Root {
        let (uid, gid) = privilege.child_ids();
        files::give(&work, uid, gid).map_err(at("give away", &work))?;
    }
    run_initdb(spawner, installation, state, &work, wanted).await?;
    fs::rename(work.join("data"), &template).map_err(at("name", &template))?;
    Ok(template)
}

async fn run_initdb(
    spawner: &Spawner,
    installation: &Installation,
    state: &StateDirectory,
    work: &Path,
    wanted: &Database,
) -> Result<(), PostgresError> {
    let arguments = [
        format!("--pgdata={PLACE}/{DIRECTORY}/data"),
        format!("--username={INTERNAL}"),
        format!("--locale={LOCALE}"),
        format!("--wal-segsize={SEGMENT_MIB}"),
        "--encoding=UTF8".to_owned(),
        "--auth-local=peer".to_owned(),
        "--auth-host=scram-sha-256".to_owned(),
        "--no-sync".to_owned(),
        "--no-instructions".to_owned(),
    ];
    let command = ChildCommand {
        name: "initdb".to_owned(),
        program: installation.programs.join("initdb"),
        arguments: arguments.into_iter().map(Into::into).collect(),
        environment: environment(),
        directory: "/".into(),
        namespace: wanted.namespace.clone(),
        view: view(work, state.path()),
    };
    let mut child = spawner.spawn(&command).await?;
    let (mut output, mut errors) = (child.output.take(), child.errors.take());
    let mut last_words = std::collections::VecDeque::new();
    for lines in [&mut errors, &mut output] {
        while let Some(line) = match lines {
            Some(lines) => lines.next().await.unwrap_or_default(),
            None => None,
        } {
            last_words.push_back(line);
            if last_words.len() > 8 {
                last_words.pop_front();
            }
        }
    }
    match child
        .wait()
        .await
        .map_err(at("wait for", &command.program))?
    {
        exit if exit.success() => Ok(()),
        exit => {
            let last_words = Vec::from(last_words).join("; ");
            Err(PostgresError::Initdb { exit, last_words })
        }
    }
}

fn environment() -> BTreeMap<std::ffi::OsString, std::ffi::OsString> {
    // the user it runs as has no home, and libpq looks there
    [
        ("HOME", "/tmp"),
        ("LANG", "C"),
        ("LC_ALL", "C"),
        ("TZ", "UTC"),
    ]
    .map(|(name, value)| (name.into(), value.into()))
    .into()
}

fn view(directory: &Path, hidden: &Path) -> View {
    let source = directory.to_owned();
    View {
        binds: vec![Bind {
            source,
            name: DIRECTORY.to_owned(),
            writable: true,
        }],
        hidden: vec![hidden.to_owned()],
        ..View::default()
    }
}

impl Prepared {
    /// What to keep running.
    pub fn command(&self) -> ChildCommand {
        let data = format!("{PLACE}/{DIRECTORY}/data");
        ChildCommand {
            name: self.wanted.name.clone(),
            program: self.server.clone(),
            arguments: vec!["-D".into(), data.into()],
            environment: environment(),
            directory: "/".into(),
            namespace: self.wanted.namespace.clone(),
            view: view(&self.directory, &self.hidden),
        }
    }

    /// Waits until the server takes connections, then makes the master user
    /// and the database where they are not there, and sets the password.
    pub async fn finish(&self, password: &Secret) -> Result<(), PostgresError> {
        self.ready().await?;
        let verifier = scram::verifier(&password.0)?;
        self.statements(move |wanted, connection| set_up(wanted, connection, &verifier))
            .await
    }

    /// Changes the master user's password (`ModifyDBInstance`, rotation).
    /// Sessions that are open stay open.
    pub async fn set_master_password(&self, password: &Secret) -> Result<(), PostgresError> {
        let verifier = scram::verifier(&password.0)?;
        self.statements(move |wanted, connection| {
            set_password(connection, &wanted.master_user, &verifier)
        })
        .await
    }

    /// Waits until the server says `ready` in its own file: its port opens
    /// earlier, and answers that it is starting up.
    pub async fn ready(&self) -> Result<(), PostgresError> {
        let file = self.directory.join("data/postmaster.pid");
        let end = Instant::now() + READY_DEADLINE;
        loop {
            let text = fs::read_to_string(&file).unwrap_or_default();
            if text
                .lines()
                .nth(7)
                .is_some_and(|status| status.trim() == "ready")
            {
                return Ok(());
            }
            if Instant::now() > end {
                return Err(PostgresError::NotReady(READY_DEADLINE));
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    async fn statements(
        &self,
        work: impl FnOnce(&Database, &mut wire::Connection) -> Result<(), StatementError>
        + Send
        + 'static,
    ) -> Result<(), PostgresError> {
        let (wanted, directory) = (self.wanted.clone(), self.directory.clone());
        let done = tokio::task::spawn_blocking(move || {
            let mut connection = connect(&directory, wanted.port)?;
            work(&wanted, &mut connection)
        });
        Ok(done
            .await
            .map_err(|error| StatementError::Connection(io::Error::other(error)))??)
    }
}

/// A socket's path has room for 107 bytes, and ours may be deep: the way
/// through an open descriptor is short.
fn connect(directory: &Path, port: u16) -> Result<wire::Connection, StatementError> {
    let opened = fs::File::open(directory)?;
    let descriptor = std::os::fd::AsRawFd::as_raw_fd(&opened);
    let path = PathBuf::from(format!("/proc/self/fd/{descriptor}/.s.PGSQL.{port}"));
    wire::Connection::open(&path, INTERNAL, "postgres")
}

/// RDS's roles: `rds_superuser` may watch and end sessions, the master user is
/// in it and may make roles and databases.
/// <https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/Appendix.PostgreSQL.CommonDBATasks.Roles.html>
fn set_up(
    wanted: &Database,
    connection: &mut wire::Connection,
    verifier: &str,
) -> Result<(), StatementError> {
    let has_role = |connection: &mut wire::Connection, role: &str| {
        let role = wire::literal(role);
        connection.query(&format!("SELECT 1 FROM pg_roles WHERE rolname = {role}"))
    };
    if !has_role(connection, "rds_superuser")? {
        connection.query("CREATE ROLE rds_superuser NOLOGIN")?;
        connection
            .query("GRANT pg_monitor, pg_signal_backend TO rds_superuser WITH ADMIN OPTION")?;
    }
    let user = wire::identifier(&wanted.master_user);
    if !has_role(connection, &wanted.master_user)? {
        connection.query(&format!("CREATE ROLE {user} LOGIN CREATEROLE CREATEDB"))?;
        connection.query(&format!("GRANT rds_superuser TO {user} WITH ADMIN OPTION"))?;
    }
    set_password(connection, &wanted.master_user, verifier)?;
    let Some(database) = &wanted.database else {
        return Ok(());
    };
    let name = wire::literal(database);
    if !connection.query(&format!("SELECT 1 FROM pg_database WHERE datname = {name}"))? {
        let name = wire::identifier(database);
        connection.query(&format!("CREATE DATABASE {name} OWNER {user}"))?;
    }
    Ok(())
}

fn set_password(
    connection: &mut wire::Connection,
    user: &str,
    verifier: &str,
) -> Result<(), StatementError> {
    let (user, verifier) = (wire::identifier(user), wire::literal(verifier));
    connection
        .query(&format!("ALTER ROLE {user} PASSWORD {verifier}"))
        .map(drop)
}
