//! When does a person want it to end? On Ctrl-C, a closed terminal, or a
//! service manager's word.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

use super::OperateError;

/// The signals that end a command in good order.
pub(crate) struct Stop {
    interrupt: Signal,
    terminate: Signal,
    hang_up: Signal,
}

impl Stop {
    /// From here on the signals are heard, and kill no longer.
    pub(crate) fn listen() -> Result<Self, OperateError> {
        let listen = |kind| signal(kind).map_err(OperateError::Runtime);
        Ok(Self {
            interrupt: listen(SignalKind::interrupt())?,
            terminate: listen(SignalKind::terminate())?,
            hang_up: listen(SignalKind::hangup())?,
        })
    }

    /// Any of them.
    pub(crate) async fn any(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            () = Self::end(&mut self.terminate, &mut self.hang_up) => {}
        }
    }

    /// Any but Ctrl-C, which belongs to the program in the foreground.
    pub(crate) async fn but_interrupt(&mut self) {
        Self::end(&mut self.terminate, &mut self.hang_up).await;
    }

    async fn end(terminate: &mut Signal, hang_up: &mut Signal) {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = hang_up.recv() => {}
        }
    }
}

/// Runs a command's work. What still blocks when it is done (a read from a
/// terminal nobody types at) is left behind.
pub(crate) fn run<T>(work: impl Future<Output = T>) -> Result<T, io::Error> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let done = runtime.block_on(work);
    runtime.shutdown_background();
    Ok(done)
}
