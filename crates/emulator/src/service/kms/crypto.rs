//! The cryptographic operations: Encrypt, Decrypt, GenerateDataKey, GenerateRandom.

use serde_json::{Value, json};

use super::access::{authorize, cipher_error, context_of, find};
use crate::call::{Ask, Call};
use crate::error::{ApiError, ApiResult};
use crate::random;
use crate::service::input::{encode, integer, optional, required, required_blob};

const ALGORITHM: &str = "SYMMETRIC_DEFAULT";
const PLAINTEXT_LIMIT: usize = 4_096;
const CIPHERTEXT_LIMIT: usize = 6_144;
const RANDOM_LIMIT: i64 = 1_024;

/// `Encrypt`: up to 4,096 bytes under a key.
pub(super) fn encrypt(call: &Call<'_>, input: &Value) -> ApiResult<Value> {
    check_algorithm(optional(input, "EncryptionAlgorithm")?)?;
    let reference = required(input, "KeyId")?;
    let plaintext = required_blob(input, "Plaintext")?;
    check_length("plaintext", plaintext.len(), PLAINTEXT_LIMIT)?;
    let context = context_of(input)?;
    let key = find(call, reference)?;
    authorize(call, key, "kms:Encrypt", Some(reference), Some(&context))?;
    let ciphertext = call
        .emulator
        .keys
        .encrypt(&key.id, &plaintext, &context)
        .map_err(|error| cipher_error(&error))?;
    Ok(json!({
        "CiphertextBlob": encode(&ciphertext),
        "KeyId": key.arn,
        "EncryptionAlgorithm": ALGORITHM,
    }))
}

/// `Decrypt`: the ciphertext says which key; a `KeyId` given must be that one.
pub(super) fn decrypt(call: &Call<'_>, input: &Value) -> ApiResult<Value> {
    check_algorithm(optional(input, "EncryptionAlgorithm")?)?;
    let ciphertext = required_blob(input, "CiphertextBlob")?;
    check_length("ciphertextBlob", ciphertext.len(), CIPHERTEXT_LIMIT)?;
    let context = context_of(input)?;
    let reference = optional(input, "KeyId")?;
    let keys = &call.emulator.keys;
    let key = keys
        .key_of(&ciphertext)
        .map_err(|error| cipher_error(&error))?;
    if let Some(reference) = reference
        && find(call, reference)?.id != key.id
    {
        return Err(ApiError::client(
            "IncorrectKeyException",
            "The key ID in the request does not identify a CMK that can perform this operation.",
        ));
    }
    if key.policy.is_none() {
        return Err(ApiError::client(
            "InvalidCiphertextException",
            String::new(),
        ));
    }
    authorize(call, key, "kms:Decrypt", reference, Some(&context))?;
    let plaintext = keys
        .decrypt(&ciphertext, &context)
        .map_err(|error| cipher_error(&error))?;
    Ok(json!({
        "KeyId": key.arn,
        "Plaintext": encode(&plaintext),
        "EncryptionAlgorithm": ALGORITHM,
    }))
}

/// `GenerateDataKey` and `GenerateDataKeyWithoutPlaintext`.
pub(super) fn generate_data_key(
    call: &Call<'_>,
    input: &Value,
    with_plaintext: bool,
) -> ApiResult<Value> {
    let reference = required(input, "KeyId")?;
    let length = data_key_length(input)?;
    let context = context_of(input)?;
    let key = find(call, reference)?;
    let action = if with_plaintext {
        "kms:GenerateDataKey"
    } else {
        "kms:GenerateDataKeyWithoutPlaintext"
    };
    authorize(call, key, action, Some(reference), Some(&context))?;
    let mut data_key = vec![0; length];
    random::fill(&mut data_key);
    let wrapped = call
        .emulator
        .keys
        .encrypt(&key.id, &data_key, &context)
        .map_err(|error| cipher_error(&error))?;
    let mut answer = json!({ "CiphertextBlob": encode(&wrapped), "KeyId": key.arn });
    if with_plaintext {
        answer["Plaintext"] = Value::String(encode(&data_key));
    }
    Ok(answer)
}

/// `GenerateRandom`.
pub(super) fn generate_random(call: &Call<'_>, input: &Value) -> ApiResult<Value> {
    let wanted = integer(input, "NumberOfBytes")?.unwrap_or(0);
    let length = usize::try_from(wanted)
        .ok()
        .filter(|_| (1..=RANDOM_LIMIT).contains(&wanted))
        .ok_or_else(|| {
            let message = format!("`NumberOfBytes` must be between 1 and {RANDOM_LIMIT}");
            ApiError::client("ValidationException", message)
        })?;
    call.authorize(&Ask::new("kms:GenerateRandom", "*"))?;
    let mut bytes = vec![0; length];
    random::fill(&mut bytes);
    Ok(json!({ "Plaintext": encode(&bytes) }))
}

fn data_key_length(input: &Value) -> ApiResult<usize> {
    let invalid = |message: &str| ApiError::client("ValidationException", message);
    match (
        optional(input, "KeySpec")?,
        integer(input, "NumberOfBytes")?,
    ) {
        (Some("AES_256"), None) => Ok(32),
        (Some("AES_128"), None) => Ok(16),
        (None, Some(bytes)) if (1..=RANDOM_LIMIT).contains(&bytes) => {
            usize::try_from(bytes).map_err(|_| invalid("`NumberOfBytes` is out of range"))
        }
        (None, Some(_)) => Err(invalid("`NumberOfBytes` must be between 1 and 1024")),
        (Some(_), None) => Err(invalid("`KeySpec` must be AES_256 or AES_128")),
        _ => Err(invalid(
            "Please specify either number of bytes or key spec.",
        )),
    }
}

fn check_algorithm(algorithm: Option<&str>) -> ApiResult<()> {
    match algorithm {
        None | Some(ALGORITHM) => Ok(()),
        Some(other) => Err(ApiError::client(
            "InvalidKeyUsageException",
            format!(
                "encryption algorithm `{other}` needs an asymmetric key, which is not supported"
            ),
        )),
    }
}

fn check_length(name: &str, length: usize, most: usize) -> ApiResult<()> {
    if (1..=most).contains(&length) {
        return Ok(());
    }
    let message = format!(
        "1 validation error detected: Value at '{name}' failed to satisfy constraint: Member must \
         have length between 1 and {most}, not {length}"
    );
    Err(ApiError::client("ValidationException", message))
}
