//! Amazon Cognito user pools.

use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response};
use serde_json::Value;

use crate::call::Call;
use crate::clock::Timestamp;
use crate::emulator::{Emulator, OpenError};
use crate::error::{ApiError, ApiResult};
use crate::route::Protocol;
use crate::seed::UserPoolSeed;
use crate::service::kms::keyring::Keyring;
use crate::store::Store;
use crate::vault::VaultError;
use crate::via::Via;
use crate::wire;

/// Mail a real pool would have sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// When.
    pub time: Timestamp,
    /// The address.
    pub to: String,
    /// What it is about.
    pub subject: String,
    /// What it says.
    pub body: String,
}

pub(crate) struct Cognito;

impl Cognito {
    pub(crate) fn open(
        _store: Arc<Store>,
        _keys: Arc<Keyring>,
        _seeds: &[UserPoolSeed],
        _now: Timestamp,
    ) -> Result<Self, OpenError> {
        Ok(Self)
    }
    pub(crate) fn take_messages(&self) -> Vec<Message> {
        Vec::new()
    }
}
pub(crate) fn flush(_: &Cognito) -> Result<(), VaultError> {
    Ok(())
}
pub(crate) fn is_open(_: &str) -> bool {
    false
}
pub(crate) fn handle(_: &Call<'_>, operation: &str, _: &Value) -> ApiResult<Value> {
    Err(ApiError::unsupported(
        "Amazon Cognito user pools",
        operation,
    ))
}
pub(crate) fn hosted(_: &Emulator, _: &str, _: &Request<Bytes>, _: &Via) -> Response<Bytes> {
    wire::error(
        Protocol::Json,
        &ApiError::unsupported("Cognito", "hosted"),
        "",
        "",
    )
}
pub(crate) fn documents(_: &Emulator, _: &str, _: &Request<Bytes>) -> Response<Bytes> {
    wire::error(
        Protocol::Json,
        &ApiError::unsupported("Cognito", "documents"),
        "",
        "",
    )
}
