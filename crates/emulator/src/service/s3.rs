//! Amazon S3.

use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response};

use crate::call::Call;
use crate::clock::Timestamp;
use crate::emulator::OpenError;
use crate::error::{ApiError, ApiResult};
use crate::seed::BucketSeed;
use crate::service::kms::keyring::Keyring;
use crate::store::Store;

pub(crate) struct S3;

impl S3 {
    pub(crate) fn open(
        _: Arc<Store>,
        _: Arc<Keyring>,
        _: &[BucketSeed],
    ) -> Result<Self, OpenError> {
        Ok(Self)
    }
    pub(crate) fn put_plain(
        &self,
        _: &str,
        _: &str,
        _: &str,
        _: &[u8],
        _: Timestamp,
    ) -> Result<(), ()> {
        Err(())
    }
}
pub(crate) fn handle(
    _: &Call<'_>,
    _: Option<&str>,
    _: &Request<Bytes>,
    _: &Bytes,
) -> ApiResult<Response<Bytes>> {
    Err(ApiError::unsupported("Amazon S3", "this request"))
}
