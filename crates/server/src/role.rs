//! What does each role of the program do, from its settings to its end?

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::app::App;
use crate::database::secret::SecretsManager;
use crate::database::{Connector, Database};
use crate::matches::{self, Matches};
use crate::migrate::{self, MigrateError};
use crate::settings::{DatabaseSettings, ServiceSettings};
use crate::token::Verifier;
use crate::token::keys::Published;
use crate::trust::{self, TrustError};
use crate::{serve, users};

/// How long `migrate` waits for a database that is still starting.
const PATIENCE: Duration = Duration::from_secs(180);

/// A serving role.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Service {
    Users,
    Matches,
}

/// Why a role could not start or finish its work.
#[derive(Debug, thiserror::Error)]
pub enum RoleError {
    #[error("cannot establish whom to trust")]
    Trust(#[from] TrustError),
    #[error("`COGNITO_ISSUER` does not make a URL")]
    Issuer(#[from] http::uri::InvalidUri),
    #[error("cannot listen on port {port}")]
    Listen { port: u16, source: std::io::Error },
    #[error("cannot watch for signals")]
    Signals(#[source] std::io::Error),
    #[error("the schema is not up to date")]
    Migrate(#[from] MigrateError),
}

async fn connector(
    settings: &DatabaseSettings,
    name: &'static str,
) -> Result<Connector, RoleError> {
    let tls = trust::client_config(settings.root_certificates.as_deref())?;
    Ok(Connector::new(
        SecretsManager::new(settings).await,
        tls,
        name,
    ))
}

/// `server migrate`.
///
/// # Errors
/// The database stays away or a migration fails.
pub async fn migrate(settings: &DatabaseSettings) -> Result<(), RoleError> {
    let connector = connector(settings, "kickytime-migrate").await?;
    let applied = migrate::run(&connector, PATIENCE).await?;
    tracing::info!(
        migrations.applied = applied,
        schema.version = migrate::REQUIRED_VERSION,
        "the schema is up to date"
    );
    Ok(())
}

/// `server users` and `server matches`, until a signal ends them.
///
/// # Errors
/// The role could not start.
pub async fn service(service: Service, settings: ServiceSettings) -> Result<(), RoleError> {
    let ended = Signals::watch().map_err(RoleError::Signals)?;
    let name = match service {
        Service::Users => "kickytime-users",
        Service::Matches => "kickytime-matches",
    };
    let database = Database::new(connector(&settings.database, name).await?);
    let keys = Published::new(trust::client_config(None)?, &settings.cognito.issuer)?;
    let app = Arc::new(App::new(database, Verifier::new(&settings.cognito, keys)));
    let router = match service {
        Service::Users => users::router(Arc::clone(&app)),
        Service::Matches => matches::router(Matches::start(&app)),
    };

    let listener = listen(settings.port).await?;
    let metrics = listen(settings.metrics_port).await?;
    tracing::info!(
        http.port = port_of(&listener),
        metrics.port = port_of(&metrics),
        role = name,
        version = env!("CARGO_PKG_VERSION"),
        "listening"
    );
    let metrics = tokio::spawn(serve::serve(
        metrics,
        metrics_router(Arc::clone(&app)),
        app.stop.clone(),
    ));
    serve::run(listener, router, app, ended.any()).await;
    if let Err(error) = metrics.await {
        tracing::warn!(error = %error, "serving metrics ended early");
    }
    tracing::info!("ended");
    Ok(())
}

fn metrics_router(app: Arc<App>) -> Router {
    Router::new().route(
        "/metrics",
        get(async move || app.metrics.render(app.database.status())),
    )
}

/// Zero lets the kernel choose, for tests; the log line above says what it chose.
async fn listen(port: u16) -> Result<TcpListener, RoleError> {
    let address = SocketAddr::from((Ipv4Addr::UNSPECIFIED, port));
    TcpListener::bind(address)
        .await
        .map_err(|source| RoleError::Listen { port, source })
}

fn port_of(listener: &TcpListener) -> u16 {
    listener.local_addr().map_or(0, |address| address.port())
}

/// The signals that end a service.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn watch() -> std::io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    async fn any(mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}
