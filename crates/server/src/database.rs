//! How does the service reach PostgreSQL?
//!
//! A pool of TLS connections. The password is read from Secrets Manager when
//! a connection is made and read again when the database refuses it, so a
//! rotated password needs no restart. Statements are prepared once for each
//! connection; a connection is given out without a ping (a broken one is noticed
//! by its socket).

pub mod credentials;
pub mod secret;
pub mod tls;

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use deadpool::managed::{self, Metrics, RecycleError, RecycleResult};
use deadpool_postgres::{ClientWrapper, Transaction};
use tokio_postgres::config::SslMode;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Connection, Row, Socket};

use credentials::{CredentialError, CredentialSource, Credentials, CredentialsCache};
use tls::{MakeTls, Tls};

/// More connections make a hot match slower, not faster.
const POOL_SIZE: usize = 12;
const WAIT_TIMEOUT: Duration = Duration::from_secs(5);
const CREATE_TIMEOUT: Duration = Duration::from_secs(6);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(4);
/// Ends a statement before the request around it gives up (`request::TIMEOUT`).
const SESSION_OPTIONS: &str = "-c statement_timeout=8000 -c lock_timeout=6000 \
     -c idle_in_transaction_session_timeout=10000 -c timezone=UTC";
/// A transaction that lost to a concurrent one is run again at most this often.
const CONFLICT_RETRIES: usize = 5;

/// Why a request to the database failed.
#[derive(Debug, thiserror::Error)]
pub enum DatabaseError {
    #[error("the database credentials cannot be had")]
    Credentials(#[from] CredentialError),
    #[error("cannot connect to the database")]
    Connect(#[source] tokio_postgres::Error),
    #[error("no database connection became free in time")]
    PoolTimeout,
    #[error("the connection pool is closed")]
    PoolClosed,
    #[error("a statement failed")]
    Statement(#[from] tokio_postgres::Error),
}

impl DatabaseError {
    /// SQLSTATE of the failed statement, if the database answered with one.
    #[must_use]
    pub fn sql_state(&self) -> Option<&SqlState> {
        match self {
            Self::Statement(error) | Self::Connect(error) => error.code(),
            _ => None,
        }
    }

    /// Name of the constraint the statement would have broken.
    #[must_use]
    pub fn constraint(&self) -> Option<&str> {
        match self {
            Self::Statement(error) => error.as_db_error()?.constraint(),
            _ => None,
        }
    }

    /// The database is away or overloaded; the same request may work later.
    /// SQLSTATE classes: 08 connection, 53 resources, 57 operator (shutdown,
    /// statement timeout), 25006 a standby.
    #[must_use]
    pub fn is_unavailable(&self) -> bool {
        match self {
            Self::Statement(error) => match error.code() {
                Some(state) => {
                    let class = state.code().get(..2);
                    let crowded = is_conflict(state) || *state == SqlState::LOCK_NOT_AVAILABLE;
                    matches!(class, Some("08" | "53" | "57")) || crowded || state.code() == "25006"
                }
                None => error.is_closed() || error.as_db_error().is_none(),
            },
            _ => true,
        }
    }
}

/// Lost to a concurrent transaction; everything was undone, so running it
/// again is safe.
fn is_conflict(state: &SqlState) -> bool {
    [
        SqlState::T_R_SERIALIZATION_FAILURE,
        SqlState::T_R_DEADLOCK_DETECTED,
    ]
    .contains(state)
}

/// Makes connections; shared by the pool and by whoever needs one of their own.
pub struct Connector {
    credentials: CredentialsCache,
    tls: MakeTls,
    application_name: &'static str,
}

type TlsConnection = Connection<Socket, Tls>;

impl Connector {
    pub fn new(
        source: impl CredentialSource + 'static,
        tls: Arc<rustls::ClientConfig>,
        application_name: &'static str,
    ) -> Self {
        Self {
            credentials: CredentialsCache::new(source),
            tls: MakeTls::new(tls),
            application_name,
        }
    }

    /// Opens a connection. A refused password is read again from its source
    /// and tried once more.
    ///
    /// # Errors
    /// No credentials, no route, no trust, or refused again.
    pub async fn connect(&self) -> Result<(tokio_postgres::Client, TlsConnection), DatabaseError> {
        let credentials = self.credentials.current().await?;
        match self.connect_with(&credentials).await {
            Err(error) if is_refused(&error) => {
                tracing::warn!("the database refused the password, reading the secret again");
                let renewed = self.credentials.replace(&credentials).await?;
                let connected = self.connect_with(&renewed).await?;
                self.credentials.accepted(&renewed).await;
                Ok(connected)
            }
            other => other,
        }
    }

    async fn connect_with(
        &self,
        credentials: &Credentials,
    ) -> Result<(tokio_postgres::Client, TlsConnection), DatabaseError> {
        let mut config = tokio_postgres::Config::new();
        config
            .host(&credentials.host)
            .port(credentials.port)
            .dbname(&credentials.dbname)
            .user(&credentials.username)
            .password(credentials.password.expose())
            .application_name(self.application_name)
            .options(SESSION_OPTIONS)
            .ssl_mode(SslMode::Require)
            .connect_timeout(CONNECT_TIMEOUT)
            .keepalives_idle(Duration::from_secs(30))
            .tcp_user_timeout(Duration::from_secs(15));
        config
            .connect(self.tls.clone())
            .await
            .map_err(DatabaseError::Connect)
    }
}

/// The password (or user) in the secret is not the database's any more.
fn is_refused(error: &DatabaseError) -> bool {
    matches!(error, DatabaseError::Connect(error) if error.code().is_some_and(|state| {
        [SqlState::INVALID_PASSWORD, SqlState::INVALID_AUTHORIZATION_SPECIFICATION].contains(state)
    }))
}

/// deadpool's view of a [`Connector`].
pub struct Manager(Arc<Connector>);

impl managed::Manager for Manager {
    type Type = ClientWrapper;
    type Error = DatabaseError;

    async fn create(&self) -> Result<ClientWrapper, DatabaseError> {
        let (client, connection) = self.0.connect().await?;
        // owned by the wrapper, which ends it when the connection leaves the pool
        let driver = tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::warn!(db.error = %crate::telemetry::chain(&error), "a database connection was lost");
            }
        });
        Ok(ClientWrapper::new(client, driver))
    }

    async fn recycle(
        &self,
        client: &mut ClientWrapper,
        _: &Metrics,
    ) -> RecycleResult<DatabaseError> {
        if client.is_closed() {
            Err(RecycleError::message("closed"))
        } else {
            Ok(())
        }
    }
}

/// The statements of one transaction. Boxed, because an async closure cannot
/// yet promise that its future is `Send`.
pub type Work<'a, T> = Pin<Box<dyn Future<Output = Result<T, DatabaseError>> + Send + 'a>>;

/// The service's database.
#[derive(Clone)]
pub struct Database {
    pool: managed::Pool<Manager>,
    connector: Arc<Connector>,
}

/// Connections of the pool just now.
#[derive(Debug, Clone, Copy)]
pub struct PoolStatus {
    pub open: usize,
    pub idle: usize,
    pub waiting: usize,
}

impl Database {
    #[must_use]
    pub fn new(connector: Connector) -> Self {
        let connector = Arc::new(connector);
        let pool = managed::Pool::builder(Manager(Arc::clone(&connector)))
            .max_size(POOL_SIZE)
            .wait_timeout(Some(WAIT_TIMEOUT))
            .create_timeout(Some(CREATE_TIMEOUT))
            .runtime(deadpool::Runtime::Tokio1)
            .build()
            .expect("a runtime is given, so timeouts are allowed");
        Self { pool, connector }
    }

    /// The maker of connections outside the pool.
    #[must_use]
    pub fn connector(&self) -> &Connector {
        &self.connector
    }

    #[must_use]
    pub fn status(&self) -> PoolStatus {
        let status = self.pool.status();
        PoolStatus {
            open: status.size,
            idle: status.available,
            waiting: status.waiting,
        }
    }

    /// Closes the pool; statements under way finish.
    pub fn close(&self) {
        self.pool.close();
    }

    async fn client(&self) -> Result<managed::Object<Manager>, DatabaseError> {
        self.pool.get().await.map_err(|error| match error {
            managed::PoolError::Backend(error) => error,
            managed::PoolError::Closed => DatabaseError::PoolClosed,
            _ => DatabaseError::PoolTimeout,
        })
    }

    /// All rows of one statement, which runs again when it was a deadlock's
    /// victim.
    ///
    /// # Errors
    /// No connection, or the statement failed.
    pub async fn rows(
        &self,
        sql: &str,
        parameters: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<Row>, DatabaseError> {
        let client = self.client().await?;
        let statement = client.prepare_cached(sql).await?;
        let mut attempt = 0;
        loop {
            match client.query(&statement, parameters).await {
                Err(error)
                    if attempt < CONFLICT_RETRIES && error.code().is_some_and(is_conflict) =>
                {
                    attempt += 1;
                }
                outcome => return Ok(outcome?),
            }
        }
    }

    /// The first row of one statement, as in [`Database::rows`].
    ///
    /// # Errors
    /// No connection, or the statement failed.
    pub async fn row(
        &self,
        sql: &str,
        parameters: &[&(dyn ToSql + Sync)],
    ) -> Result<Option<Row>, DatabaseError> {
        Ok(self.rows(sql, parameters).await?.into_iter().next())
    }

    /// Runs `work` in a transaction, again when it lost to a concurrent one
    /// or when `again` says that a concurrent one moved the ground under it.
    ///
    /// # Errors
    /// No connection, or a statement failed for another reason.
    pub async fn transaction<T>(
        &self,
        work: impl for<'a> Fn(&'a Transaction<'a>) -> Work<'a, T> + Sync,
        again: impl Fn(&DatabaseError) -> bool + Sync,
    ) -> Result<T, DatabaseError> {
        let mut attempt = 0;
        loop {
            match self.transaction_once(&work).await {
                Err(error)
                    if attempt < CONFLICT_RETRIES
                        && (again(&error) || error.sql_state().is_some_and(is_conflict)) =>
                {
                    attempt += 1;
                }
                outcome => return outcome,
            }
        }
    }

    async fn transaction_once<T>(
        &self,
        work: &(impl for<'a> Fn(&'a Transaction<'a>) -> Work<'a, T> + Sync),
    ) -> Result<T, DatabaseError> {
        let mut client = self.client().await?;
        let transaction = client.transaction().await?;
        let outcome = work(&transaction).await?;
        transaction.commit().await?;
        Ok(outcome)
    }
}
