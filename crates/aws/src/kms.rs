//! KMS: data keys of sessions, made by one end and opened by the other.

use std::collections::BTreeMap;
use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value as Json, json};

use crate::client::Client;
use crate::error::CallError;

/// Additional data that has to be the same when a key is opened.
pub type EncryptionContext = BTreeMap<String, String>;

/// A data key, plain and sealed. The plain one does not print.
pub struct GeneratedDataKey {
    pub plaintext: Vec<u8>,
    pub ciphertext: Vec<u8>,
}

impl fmt::Debug for GeneratedDataKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("GeneratedDataKey(…)")
    }
}

/// Makes a data key of so many bytes under a key.
///
/// # Errors
///
/// Want of permission (`kms:GenerateDataKey`), or no way to the service.
pub async fn generate_data_key(
    client: &Client,
    key_id: &str,
    bytes: u16,
    context: &EncryptionContext,
) -> Result<GeneratedDataKey, CallError> {
    let operation = "TrentService.GenerateDataKey";
    let body = json!({ "KeyId": key_id, "NumberOfBytes": bytes, "EncryptionContext": context });
    let answer = client.json("kms", operation, &body).await?;
    let read = || {
        Some(GeneratedDataKey {
            plaintext: decoded(&answer["Plaintext"])?,
            ciphertext: decoded(&answer["CiphertextBlob"])?,
        })
    };
    read().ok_or(CallError::Answer {
        operation: operation.to_owned(),
        reason: "it has no key",
    })
}

/// Opens what was sealed under the same context. `key_id`, if given, is the only
/// key that may have sealed it.
///
/// # Errors
///
/// Want of permission (`kms:Decrypt`), another context, or no way to the service.
pub async fn decrypt(
    client: &Client,
    ciphertext: &[u8],
    key_id: Option<&str>,
    context: &EncryptionContext,
) -> Result<Vec<u8>, CallError> {
    let operation = "TrentService.Decrypt";
    let mut body = json!({
        "CiphertextBlob": STANDARD.encode(ciphertext),
        "EncryptionContext": context,
    });
    if let Some(key_id) = key_id {
        body["KeyId"] = json!(key_id);
    }
    let answer = client.json("kms", operation, &body).await?;
    decoded(&answer["Plaintext"]).ok_or(CallError::Answer {
        operation: operation.to_owned(),
        reason: "it has no plaintext",
    })
}

fn decoded(value: &Json) -> Option<Vec<u8>> {
    STANDARD.decode(value.as_str()?).ok()
}
