//! `server users`, `server matches`, `server migrate`.
//!
//! Exit status: 0 ended as told, 1 failed at work, 2 not told properly.

use std::process::ExitCode;

use server::role::{self, RoleError, Service};
use server::settings::{self, SettingsError};
use server::telemetry;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const USAGE: &str = "\
usage: server users | matches | migrate

  users     serves /api/users
  matches   serves /api/matches
  migrate   brings the database's schema up to date and ends

settings, from the environment:
  DB_SECRET_ARN      Secrets Manager secret with the database credentials
  AWS_REGION         its region
  COGNITO_ISSUER     https://cognito-idp.REGION.amazonaws.com/POOL (not for migrate)
  COGNITO_CLIENT_ID  app client the tokens are for                 (not for migrate)
  PORT               where to serve [8080]
  METRICS_PORT       where to serve metrics [9090]
  PGSSLROOTCERT      PEM file with further roots for the database certificate
";

/// Why the program ends with an error.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("settings are missing or wrong")]
    Settings(#[from] SettingsError),
    #[error("cannot start the runtime")]
    Runtime(#[source] std::io::Error),
    #[error("the role failed")]
    Role(#[from] RoleError),
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let outcome = match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["users"] => serve(Service::Users),
        ["matches"] => serve(Service::Matches),
        ["migrate"] => migrate(),
        ["--help" | "-h"] => {
            say(USAGE);
            return ExitCode::SUCCESS;
        }
        ["--version" | "-V"] => {
            say(concat!("server ", env!("CARGO_PKG_VERSION"), "\n"));
            return ExitCode::SUCCESS;
        }
        _ => {
            complain(USAGE);
            return ExitCode::from(2);
        }
    };
    let Err(failure) = outcome else {
        return ExitCode::SUCCESS;
    };
    complain(&format!("server: {}\n", telemetry::chain(&failure)));
    match failure {
        // a file the settings name that cannot be used is a wrong setting too
        Failure::Settings(_) | Failure::Role(RoleError::Trust(_) | RoleError::Issuer(_)) => {
            ExitCode::from(2)
        }
        Failure::Runtime(_) | Failure::Role(_) => ExitCode::FAILURE,
    }
}

fn serve(service: Service) -> Result<(), Failure> {
    let settings = settings::service(|name| std::env::var(name).ok())?;
    block_on(role::service(service, settings))
}

fn migrate() -> Result<(), Failure> {
    let settings = settings::database(|name| std::env::var(name).ok())?;
    block_on(async move { role::migrate(&settings).await })
}

fn block_on(work: impl Future<Output = Result<(), RoleError>>) -> Result<(), Failure> {
    telemetry::start();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(Failure::Runtime)?;
    Ok(runtime.block_on(work)?)
}

#[expect(clippy::print_stdout, reason = "the answer to --help and --version")]
fn say(text: &str) {
    print!("{text}");
}

#[expect(
    clippy::print_stderr,
    reason = "the one place where the program's end is explained"
)]
fn complain(text: &str) {
    eprint!("{text}");
}
