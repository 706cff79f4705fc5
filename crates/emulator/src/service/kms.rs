//! AWS KMS: encrypt, decrypt and hand out data keys, if the key policy and the caller's agree.

use serde_json::Value;

use crate::call::Call;
use crate::error::{ApiError, ApiResult};

mod access;
mod crypto;
mod describe;
pub(crate) mod keyring;
mod material;

pub(crate) use access::authorize_for_service;
pub use material::MaterialError;

/// Runs a KMS operation.
pub(crate) fn handle(call: &Call<'_>, operation: &str, input: &Value) -> ApiResult<Value> {
    match operation {
        "Encrypt" => crypto::encrypt(call, input),
        "Decrypt" => crypto::decrypt(call, input),
        "GenerateDataKey" => crypto::generate_data_key(call, input, true),
        "GenerateDataKeyWithoutPlaintext" => crypto::generate_data_key(call, input, false),
        "GenerateRandom" => crypto::generate_random(call, input),
        "DescribeKey" => describe::describe_key(call, input),
        "ListKeys" => describe::list_keys(call),
        "ListAliases" => describe::list_aliases(call, input),
        other => Err(ApiError::unsupported("AWS KMS", other)),
    }
}
