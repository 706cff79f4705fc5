//! One object: GetObject, HeadObject, PutObject, DeleteObject.

use std::collections::BTreeMap;

use aws_lc_rs::digest;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{
    ACCEPT_RANGES, CONTENT_LENGTH, CONTENT_RANGE, ETAG, HeaderName, HeaderValue, LAST_MODIFIED,
};
use http::{Response, StatusCode};

use super::Visit;
use super::condition::{self, Outcome, Range};
use super::state::Meta;
use crate::clock::Timestamp;
use crate::error::{ApiError, ApiResult};

const KEY_LIMIT_BYTES: usize = 1_024;
/// Headers of a PUT that come back with a GET.
const KEPT_HEADERS: [&str; 6] = [
    "content-type",
    "cache-control",
    "content-disposition",
    "content-encoding",
    "content-language",
    "expires",
];

/// `GetObject`, or `HeadObject` without the body.
pub(super) fn get(visit: &Visit<'_>, with_body: bool) -> ApiResult<Response<Bytes>> {
    visit.authorize_object("s3:GetObject")?;
    let s3 = &visit.call.emulator.s3;
    if !visit.bucket.lock().contains_key(&visit.key) {
        return Err(missing(visit));
    }
    visit.authorize_key("kms:Decrypt")?;
    let found = s3
        .get(visit.bucket, &visit.key)
        .map_err(|error| ApiError::internal(&error))?;
    let (meta, body) = found.ok_or_else(|| missing(visit))?;
    let mut response = match condition::weigh(visit.request.headers(), &meta) {
        Outcome::Proceed => whole_or_part(visit, &meta, body)?,
        Outcome::NotModified => {
            let mut response = Response::new(Bytes::new());
            *response.status_mut() = StatusCode::NOT_MODIFIED;
            response
        }
        Outcome::Failed => {
            return Err(ApiError::new(
                StatusCode::PRECONDITION_FAILED,
                "PreconditionFailed",
                "At least one of the pre-conditions you specified did not hold",
            ));
        }
    };
    describe(visit, &mut response, &meta);
    if !with_body {
        let length = response.body().len();
        if response.status() != StatusCode::NOT_MODIFIED {
            response
                .headers_mut()
                .insert(CONTENT_LENGTH, HeaderValue::from(length));
        }
        *response.body_mut() = Bytes::new();
    }
    Ok(response)
}

fn whole_or_part(visit: &Visit<'_>, meta: &Meta, body: Vec<u8>) -> ApiResult<Response<Bytes>> {
    let body = Bytes::from(body);
    match condition::range(visit.header("range"), body.len()) {
        Range::Whole => Ok(Response::new(body)),
        Range::Part { from, to } => {
            let mut response = Response::new(body.slice(from..to));
            *response.status_mut() = StatusCode::PARTIAL_CONTENT;
            let text = format!("bytes {from}-{}/{}", to - 1, meta.size);
            if let Ok(value) = HeaderValue::from_str(&text) {
                response.headers_mut().insert(CONTENT_RANGE, value);
            }
            Ok(response)
        }
        Range::Unsatisfiable => Err(ApiError::new(
            StatusCode::RANGE_NOT_SATISFIABLE,
            "InvalidRange",
            "The requested range is not satisfiable",
        )),
    }
}

fn describe(visit: &Visit<'_>, response: &mut Response<Bytes>, meta: &Meta) {
    let headers = response.headers_mut();
    let mut put = |name: &str, value: &str| {
        if let (Ok(name), Ok(value)) = (name.parse::<HeaderName>(), HeaderValue::from_str(value)) {
            headers.insert(name, value);
        }
    };
    for (name, value) in &meta.headers {
        put(name, value);
    }
    put(ETAG.as_str(), &format!("\"{}\"", meta.etag));
    put(
        LAST_MODIFIED.as_str(),
        &Timestamp(meta.modified_ms).http_date(),
    );
    put(ACCEPT_RANGES.as_str(), "bytes");
    describe_encryption(visit, response);
}

fn describe_encryption(visit: &Visit<'_>, response: &mut Response<Bytes>) {
    let headers = response.headers_mut();
    let kind = if visit.bucket.kms_key.is_some() {
        "aws:kms"
    } else {
        "AES256"
    };
    headers.insert(
        "x-amz-server-side-encryption",
        HeaderValue::from_static(kind),
    );
    if let Some(arn) = &visit.bucket.kms_key_arn
        && let Ok(value) = HeaderValue::from_str(arn)
    {
        headers.insert("x-amz-server-side-encryption-aws-kms-key-id", value);
    }
    if visit.bucket.bucket_key {
        let on = HeaderValue::from_static("true");
        headers.insert("x-amz-server-side-encryption-bucket-key-enabled", on);
    }
}

/// `PutObject`.
pub(super) fn put(visit: &Visit<'_>) -> ApiResult<Response<Bytes>> {
    if visit.key.len() > KEY_LIMIT_BYTES {
        return Err(ApiError::client("KeyTooLongError", "Your key is too long"));
    }
    visit.authorize_object("s3:PutObject")?;
    visit.authorize_key("kms:GenerateDataKey")?;
    check_encryption(visit)?;
    check_digests(visit)?;
    if visit.header("if-none-match") == "*" && visit.bucket.lock().contains_key(&visit.key) {
        return Err(ApiError::new(
            StatusCode::PRECONDITION_FAILED,
            "PreconditionFailed",
            "At least one of the pre-conditions you specified did not hold",
        ));
    }
    let s3 = &visit.call.emulator.s3;
    let meta = s3
        .put(
            visit.bucket,
            &visit.key,
            kept_headers(visit),
            visit.body,
            visit.call.now,
        )
        .map_err(|error| ApiError::internal(&error))?;
    let mut response = Response::new(Bytes::new());
    if let Ok(value) = HeaderValue::from_str(&format!("\"{}\"", meta.etag)) {
        response.headers_mut().insert(ETAG, value);
    }
    describe_encryption(visit, &mut response);
    Ok(response)
}

/// An object is encrypted as its bucket says; asking for something else is refused, not ignored.
fn check_encryption(visit: &Visit<'_>) -> ApiResult<()> {
    let kind = if visit.bucket.kms_key.is_some() {
        "aws:kms"
    } else {
        "AES256"
    };
    let asked = visit.header("x-amz-server-side-encryption");
    let key = visit.header("x-amz-server-side-encryption-aws-kms-key-id");
    let own_key = key.is_empty()
        || visit.call.emulator.keys.find(key).map(|key| &key.id) == visit.bucket.kms_key.as_ref();
    if (asked.is_empty() || asked == kind) && own_key {
        return Ok(());
    }
    Err(ApiError::unsupported(
        "Amazon S3",
        "PutObject with another encryption than the bucket's",
    ))
}

/// Digests the client sent along must be the body's.
fn check_digests(visit: &Visit<'_>) -> ApiResult<()> {
    let bad = || {
        let message = "The checksum you specified did not match the calculated checksum.";
        Err(ApiError::client("BadDigest", message))
    };
    let sha256 = visit.header("x-amz-checksum-sha256");
    let computed = digest::digest(&digest::SHA256, visit.body);
    if !sha256.is_empty() && sha256 != STANDARD.encode(computed.as_ref()) {
        return bad();
    }
    let crc = visit.header("x-amz-checksum-crc32");
    if !crc.is_empty() && crc != STANDARD.encode(crc32(visit.body).to_be_bytes()) {
        return bad();
    }
    Ok(())
}

/// CRC-32 of ISO 3309, bit by bit: uploads here are small.
fn crc32(bytes: &[u8]) -> u32 {
    let step = |crc: u32, byte: &u8| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
            if crc & 1 == 1 {
                crc >> 1 ^ 0xedb8_8320
            } else {
                crc >> 1
            }
        })
    };
    !bytes.iter().fold(u32::MAX, step)
}

fn kept_headers(visit: &Visit<'_>) -> BTreeMap<String, String> {
    let mut kept: BTreeMap<String, String> = visit
        .request
        .headers()
        .iter()
        .filter(|(name, _)| {
            KEPT_HEADERS.contains(&name.as_str()) || name.as_str().starts_with("x-amz-meta-")
        })
        .filter_map(|(name, value)| {
            Some((name.as_str().to_owned(), value.to_str().ok()?.to_owned()))
        })
        .collect();
    // the transfer's coding, not the object's
    if let Some(coding) = kept.get_mut("content-encoding") {
        let own: Vec<&str> = coding
            .split(',')
            .map(str::trim)
            .filter(|c| *c != "aws-chunked")
            .collect();
        *coding = own.join(",");
    }
    kept.retain(|_, value| !value.is_empty());
    kept.entry("content-type".to_owned())
        .or_insert_with(|| "binary/octet-stream".to_owned());
    kept
}

/// `DeleteObject`.
pub(super) fn delete(visit: &Visit<'_>) -> ApiResult<Response<Bytes>> {
    visit.authorize_object("s3:DeleteObject")?;
    let s3 = &visit.call.emulator.s3;
    s3.delete(visit.bucket, &visit.key)
        .map_err(|error| ApiError::internal(&error))?;
    let mut response = Response::new(Bytes::new());
    *response.status_mut() = StatusCode::NO_CONTENT;
    Ok(response)
}

/// Whether a key exists is told only to those who may list the bucket.
fn missing(visit: &Visit<'_>) -> ApiError {
    match visit.authorize_bucket("s3:ListBucket") {
        Ok(()) => ApiError::new(
            StatusCode::NOT_FOUND,
            "NoSuchKey",
            "The specified key does not exist.",
        ),
        Err(error) => error,
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_check_value_of_crc_32() {
        assert_eq!(super::crc32(b"123456789"), 0xcbf4_3926);
    }
}
