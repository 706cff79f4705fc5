//! Makes this machine match a Blueprint, keeps it so until asked to stop, and
//! takes everything down in order.
//!
//! No choice is made here: what runs where is the plan's. This is the program
//! **W** of `host::launch`, inside its own namespaces.

pub mod agent;
pub mod api;
pub mod board;
pub mod client;
pub mod database;
pub mod fabric;
pub mod flow;
pub mod image;
pub mod log_delivery;
mod parts;
mod region;
pub mod router;
pub mod secrets;
pub mod status;
mod visit;
pub mod workload;

use std::path::PathBuf;
use std::sync::Arc;

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::blueprint::Blueprint;
use crate::host::launch::Inside;
use crate::host::netns::NetworkError;
use crate::state::{StateDirectory, StateError};
use board::{Board, Listener};
use region::Region;

/// What `apply` needs besides the blueprint.
pub struct Options {
    pub state: StateDirectory,
    /// The program of the image: a file, or the build that makes it.
    pub entry_point: EntryPoint,
    /// The site's static files.
    pub web: PathBuf,
    /// Do not make the database wait for the disk; for tests.
    pub fast_database: bool,
    /// The program whose `agent` command is the SSM agent of every instance; without
    /// it, there are none.
    pub agent: Option<PathBuf>,
    /// Who can sign in, as `status` shows them: without a part in anything else.
    pub sign_ins: Vec<status::ShownSignIn>,
    pub listener: Listener,
}

/// Where the image's program comes from.
pub enum EntryPoint {
    File(PathBuf),
    /// `cargo build --message-format=json`, running on the host.
    Build,
}

/// Why a region did not come up.
#[derive(Debug, thiserror::Error)]
#[error("cannot {step}")]
pub struct ApplyError {
    step: String,
    source: Box<dyn std::error::Error + Send + Sync>,
}

impl ApplyError {
    fn at<E: Into<Box<dyn std::error::Error + Send + Sync>>>(
        step: impl Into<String>,
    ) -> impl FnOnce(E) -> Self {
        let step = step.into();
        move |source| Self {
            step,
            source: source.into(),
        }
    }
}

impl ApplyError {
    /// What to do about it, where a cause knows.
    pub fn hint(&self) -> Option<String> {
        let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(self.source.as_ref());
        while let Some(error) = cause {
            let hint = error
                .downcast_ref::<database::DatabaseError>()
                .and_then(database::DatabaseError::hint)
                .or_else(|| Some(error.downcast_ref::<NetworkError>()?.hint()?.to_owned()))
                .or_else(|| Some(error.downcast_ref::<StateError>()?.hint()?.to_owned()));
            if hint.is_some() {
                return hint;
            }
            cause = error.source();
        }
        None
    }
}

/// Runs the region until it is asked to stop.
///
/// # Errors
///
/// The first step that failed; everything begun by then has been taken down.
pub fn run(inside: Inside, blueprint: Blueprint, options: Options) -> Result<(), ApplyError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(ApplyError::at("start a runtime"))?;
    let outcome = runtime.block_on(async {
        let board = Board::new(Arc::clone(&options.listener));
        let asked_to_stop = CancellationToken::new();
        // SIGTERM is the launcher's one word for every way to be asked
        let mut asked = signal(SignalKind::terminate()).map_err(ApplyError::at("hear signals"))?;
        let heard = asked_to_stop.clone();
        tokio::spawn(async move {
            asked.recv().await;
            heard.cancel();
        });
        let mut region = Region::open(inside, blueprint, options, board, asked_to_stop.clone())?;
        let started = tokio::select! {
            started = region.start() => started,
            () = asked_to_stop.cancelled() => Ok(()),
        };
        if started.is_ok() {
            asked_to_stop.cancelled().await;
        }
        region.board.stopping();
        region.down().await;
        started
    });
    // a build that is still waited for blocks a thread that nobody can call back;
    // the launcher ends the build, and this program's end that thread
    runtime.shutdown_background();
    outcome
}
