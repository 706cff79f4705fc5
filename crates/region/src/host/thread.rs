//! Where does code that belongs to a namespace run?
//!
//! On an operating system thread that entered the namespace before its own
//! single-threaded runtime was built. Every socket, timer and blocking call
//! of that runtime is then in the namespace. A runtime must never be shared
//! between namespaces: its blocking pool is started from whichever thread
//! asks first.

use std::any::Any;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread::{self, JoinHandle};

use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use super::netns::Netns;

/// Why a thread gave no result.
#[derive(Debug, thiserror::Error)]
pub enum ThreadError {
    /// No thread, or no runtime on it.
    #[error("cannot start the thread `{name}`")]
    Start {
        /// The thread's name.
        name: String,
        /// The system's answer.
        source: io::Error,
    },
    /// The namespace could not be entered.
    #[error("cannot enter the namespace of the thread `{name}`")]
    Enter {
        /// The thread's name.
        name: String,
        /// The system's answer.
        source: io::Error,
    },
    /// The code on it panicked.
    #[error("the thread `{name}` panicked: {message}")]
    Panicked {
        /// The thread's name.
        name: String,
        /// What it said.
        message: String,
    },
}

/// A thread in a namespace, with the result it will have. Dropping this asks
/// the thread to stop and does not wait for it; [`NamespaceThread::join`] does.
#[must_use = "a thread that nobody joins ends with nobody noticing"]
#[derive(Debug)]
pub struct NamespaceThread<T> {
    name: String,
    stop: CancellationToken,
    result: oneshot::Receiver<Result<T, ThreadError>>,
    thread: Option<JoinHandle<()>>,
}

impl<T: Send + 'static> NamespaceThread<T> {
    /// Starts a thread in `namespace` and runs `work` on its runtime. `work`
    /// gets a child of `stop`: when that is cancelled it should come to an end
    /// in good order; it is awaited, not cut off.
    pub fn spawn<F>(
        namespace: &Netns,
        name: impl Into<String>,
        stop: &CancellationToken,
        work: impl FnOnce(CancellationToken) -> F + Send + 'static,
    ) -> Result<Self, ThreadError>
    where
        F: Future<Output = T>,
    {
        let name = name.into();
        let stop = stop.child_token();
        let (sender, result) = oneshot::channel();
        let thread = thread::Builder::new().name(short(&name)).spawn({
            let (namespace, name, stop) = (namespace.clone(), name.clone(), stop.clone());
            move || {
                let end = run(&namespace, &name, move || work(stop));
                // a receiver that is gone has asked us to stop and forgotten us
                let _forgotten = sender.send(end);
            }
        });
        let thread = thread.map_err(|source| ThreadError::Start {
            name: name.clone(),
            source,
        })?;
        Ok(Self {
            name,
            stop,
            result,
            thread: Some(thread),
        })
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Asks it, and it alone, to stop.
    pub fn stop(&self) {
        self.stop.cancel();
    }

    /// Waits for its end, however it comes.
    pub async fn join(mut self) -> Result<T, ThreadError> {
        let end = (&mut self.result).await;
        if let Some(thread) = self.thread.take() {
            // it has sent its result, or is gone: this takes no time
            let _reported = thread.join();
        }
        end.unwrap_or_else(|_gone| {
            let message = "it ended without a result".to_owned();
            Err(ThreadError::Panicked {
                name: self.name.clone(),
                message,
            })
        })
    }
}

impl<T> Drop for NamespaceThread<T> {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

fn run<T, F: Future<Output = T>>(
    namespace: &Netns,
    name: &str,
    work: impl FnOnce() -> F,
) -> Result<T, ThreadError> {
    let name = || name.to_owned();
    namespace.enter().map_err(|source| ThreadError::Enter {
        name: name(),
        source,
    })?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|source| ThreadError::Start {
            name: name(),
            source,
        })?;
    let end = catch_unwind(AssertUnwindSafe(|| {
        runtime.block_on(async { work().await })
    }));
    end.map_err(|panic| ThreadError::Panicked {
        name: name(),
        message: panic_text(&*panic),
    })
}

/// The kernel shows 15 bytes of a thread's name.
fn short(name: &str) -> String {
    name.chars().filter(|c| *c != '\0').take(15).collect()
}

fn panic_text(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "with something that is not a text".to_owned())
}

/// A socket made in `namespace` for use outside: where a socket lives is
/// settled when it is made.
///
/// # Errors
///
/// Those of `make`, and of entering the namespace.
pub fn socket_in<T: Send>(
    namespace: &Netns,
    make: impl FnOnce() -> io::Result<T> + Send,
) -> io::Result<T> {
    namespace.run(make)
}
