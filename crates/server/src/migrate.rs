//! Which schema does this build need, and how does a database get there?
//!
//! Migrations are numbered SQL files, embedded, applied in order, each in a
//! transaction of its own together with its row in `schema_migrations`. An
//! advisory lock keeps two runners apart. A file that changed after it was
//! applied is an error, not a surprise.

use std::time::Duration;

use tokio::time::Instant;
use tokio_postgres::Client;

use crate::database::{Connector, Database, DatabaseError};

/// One step of the schema.
#[derive(Debug, Clone, Copy)]
pub struct Migration {
    pub version: i64,
    pub name: &'static str,
    pub sql: &'static str,
}

/// All steps, in order.
pub const MIGRATIONS: &[Migration] = &[
    Migration {
        version: 1,
        name: "users",
        sql: include_str!("../migrations/0001_users.sql"),
    },
    Migration {
        version: 2,
        name: "matches",
        sql: include_str!("../migrations/0002_matches.sql"),
    },
];

/// The schema version the services need.
pub const REQUIRED_VERSION: i64 = MIGRATIONS[MIGRATIONS.len() - 1].version;

/// `kickytim` in ASCII: any number that nothing else in this database locks.
const LOCK: i64 = 0x6b69_636b_7974_696d;
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// Why the schema could not be brought up to date.
#[derive(Debug, thiserror::Error)]
pub enum MigrateError {
    #[error("the database did not answer within {} s", waited.as_secs())]
    Unreachable {
        waited: Duration,
        source: DatabaseError,
    },
    #[error("migration {version} `{name}` was changed after it was applied")]
    Changed { version: i64, name: &'static str },
    #[error("the database is at version {found}, newer than this build's {known}")]
    Newer { found: i64, known: i64 },
    #[error("migration {version} `{name}` failed")]
    Failed {
        version: i64,
        name: &'static str,
        source: tokio_postgres::Error,
    },
    #[error("a statement failed")]
    Statement(#[from] tokio_postgres::Error),
}

/// Waits for the database for at most `patience`, then applies what is missing.
/// Returns the number of migrations applied.
///
/// # Errors
/// The database stays away, or its schema is not one this build knows.
pub async fn run(connector: &Connector, patience: Duration) -> Result<usize, MigrateError> {
    let (mut client, connection) = wait_for(connector, patience).await?;
    let driver = tokio::spawn(connection);
    let applied = apply(&mut client, MIGRATIONS).await;
    drop(client);
    // the connection ends with its client; what it has to say was said by the statements
    drop(driver.await);
    applied
}

async fn wait_for(
    connector: &Connector,
    patience: Duration,
) -> Result<
    (
        Client,
        impl Future<Output = Result<(), tokio_postgres::Error>> + Send + 'static,
    ),
    MigrateError,
> {
    let start = Instant::now();
    let mut pause = FIRST_PAUSE;
    loop {
        match connector.connect().await {
            Ok(connected) => return Ok(connected),
            Err(source) if start.elapsed() + pause >= patience => {
                return Err(MigrateError::Unreachable {
                    waited: start.elapsed(),
                    source,
                });
            }
            Err(error) => {
                tracing::info!(db.error = %crate::telemetry::chain(&error), "waiting for the database");
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
        }
    }
}

/// Applies what is missing of `migrations` on one connection.
async fn apply(client: &mut Client, migrations: &[Migration]) -> Result<usize, MigrateError> {
    // another runner's migrations, like ours, may rightly take longer than any request
    client
        .batch_execute("SET statement_timeout = 0; SET lock_timeout = 0")
        .await?;
    // released with the connection
    client
        .execute("SELECT pg_advisory_lock($1)", &[&LOCK])
        .await?;
    // but whoever waits for a table's lock makes everybody behind it wait as well
    client.batch_execute("SET lock_timeout = '30s'").await?;
    client
        .batch_execute(
            "CREATE TABLE IF NOT EXISTS schema_migrations (
                 version    bigint PRIMARY KEY,
                 name       text NOT NULL,
                 checksum   text NOT NULL,
                 applied_at timestamptz NOT NULL DEFAULT now()
             )",
        )
        .await?;
    let present = client
        .query(
            "SELECT version, checksum FROM schema_migrations ORDER BY version",
            &[],
        )
        .await?;
    let present: Vec<(i64, String)> = present.iter().map(|row| (row.get(0), row.get(1))).collect();
    let known = migrations.last().map_or(0, |migration| migration.version);
    if let Some(&(found, _)) = present.last()
        && found > known
    {
        return Err(MigrateError::Newer { found, known });
    }
    let mut applied = 0;
    for migration in migrations {
        match present
            .iter()
            .find(|(version, _)| *version == migration.version)
        {
            Some((_, checksum)) if *checksum == checksum_of(migration) => {}
            Some(_) => {
                return Err(MigrateError::Changed {
                    version: migration.version,
                    name: migration.name,
                });
            }
            None => {
                apply_one(client, migration).await?;
                applied += 1;
            }
        }
    }
    Ok(applied)
}

async fn apply_one(client: &mut Client, migration: &Migration) -> Result<(), MigrateError> {
    let &Migration { version, name, sql } = migration;
    let failed = |source| MigrateError::Failed {
        version,
        name,
        source,
    };
    let transaction = client.transaction().await.map_err(failed)?;
    transaction.batch_execute(sql).await.map_err(failed)?;
    transaction
        .execute(
            "INSERT INTO schema_migrations (version, name, checksum) VALUES ($1, $2, $3)",
            &[&version, &name, &checksum_of(migration)],
        )
        .await
        .map_err(failed)?;
    transaction.commit().await.map_err(failed)?;
    tracing::info!(
        migration.version = version,
        migration.name = name,
        "applied a migration"
    );
    Ok(())
}

/// FNV-1a, 64 bits: against accidents, not against forgers, who could write
/// the checksum as well.
fn checksum_of(migration: &Migration) -> String {
    let hash = migration
        .sql
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
    format!("{hash:016x}")
}

/// Whether the database has the schema this build needs.
///
/// # Errors
/// The database does not answer. A database without any schema answers `false`.
pub async fn is_current(database: &Database) -> Result<bool, DatabaseError> {
    let found = database
        .row("SELECT max(version) FROM schema_migrations", &[])
        .await;
    match found {
        Ok(row) => {
            let version: Option<i64> = row.and_then(|row| row.get(0));
            Ok(version >= Some(REQUIRED_VERSION))
        }
        Err(error)
            if error.sql_state() == Some(&tokio_postgres::error::SqlState::UNDEFINED_TABLE) =>
        {
            Ok(false)
        }
        Err(error) => Err(error),
    }
}
