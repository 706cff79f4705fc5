//! Messages to agents beside sessions: Run Command's way to an instance.

use bytes::Bytes;
use http::Response;
use serde_json::{Value, json};

use crate::answer::Outcome;
use crate::call::Call;
use crate::emulator::Emulator;
use crate::error::{ApiError, ApiResult};
use crate::route::Service;
use crate::wire;

/// Runs an operation.
pub(crate) fn handle(_call: &Call<'_>, operation: &str, _input: &Value) -> ApiResult<Outcome> {
    Err(ApiError::unsupported(
        Service::Ec2Messages.title(),
        operation,
    ))
}

/// A poll for messages that waits for the first.
pub(crate) struct LongPoll;

impl LongPoll {
    pub(crate) fn wait(self, emulator: &Emulator) -> std::future::Ready<Response<Bytes>> {
        std::future::ready(self.take(emulator))
    }

    pub(crate) fn take(self, _emulator: &Emulator) -> Response<Bytes> {
        wire::json(&json!({}))
    }
}
