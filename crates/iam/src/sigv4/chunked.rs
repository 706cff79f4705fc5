//! S3's `aws-chunked` bodies: each chunk carries a signature chained to the last.
//! (S3 API Reference, "Signature calculations: transferring payload in multiple chunks".)

use aws_lc_rs::hmac;

use super::{EMPTY_PAYLOAD_SHA256, constant_time_eq, sha256_hex, signature};

/// Where the chain of chunk signatures begins: the request's own signature.
#[derive(Clone)]
pub struct Seed {
    key: Box<hmac::Key>,
    timestamp: String,
    scope: String,
    previous: String,
}

impl std::fmt::Debug for Seed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Seed")
            .field("scope", &self.scope)
            .finish_non_exhaustive()
    }
}

/// What a chunked body can be wrong in.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ChunkError {
    #[error("a chunk header is not `SIZE;chunk-signature=SIGNATURE`")]
    Malformed,
    #[error("a chunk is larger than {limit} bytes")]
    TooLarge { limit: usize },
    #[error("the signature of a chunk does not match")]
    SignatureDoesNotMatch,
}

/// One step of decoding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step<'b> {
    /// More bytes are needed.
    Incomplete,
    /// The data of one chunk, and how much of the input it took.
    Chunk { data: &'b [u8], consumed: usize },
    /// The closing chunk of no data was seen and verified.
    End { consumed: usize },
}

/// The largest chunk taken in one piece.
pub const CHUNK_LIMIT: usize = 16 << 20;
const HEADER_LIMIT: usize = 128;

impl Seed {
    pub(super) fn new(key: hmac::Key, timestamp: &str, scope: &str, signature: &str) -> Self {
        Self {
            key: Box::new(key),
            timestamp: timestamp.to_owned(),
            scope: scope.to_owned(),
            previous: signature.to_owned(),
        }
    }

    /// Reads the chunk at the start of `input` and moves the chain on.
    ///
    /// # Errors
    /// A chunk that cannot be read, is too large, or is not the one that was signed.
    pub fn decode<'b>(&mut self, input: &'b [u8]) -> Result<Step<'b>, ChunkError> {
        let Some(header_end) = input
            .windows(2)
            .take(HEADER_LIMIT)
            .position(|pair| pair == b"\r\n")
        else {
            return if input.len() > HEADER_LIMIT {
                Err(ChunkError::Malformed)
            } else {
                Ok(Step::Incomplete)
            };
        };
        let header =
            std::str::from_utf8(&input[..header_end]).map_err(|_| ChunkError::Malformed)?;
        let (size, presented) = header
            .split_once(";chunk-signature=")
            .ok_or(ChunkError::Malformed)?;
        let size = usize::from_str_radix(size, 16).map_err(|_| ChunkError::Malformed)?;
        if size > CHUNK_LIMIT {
            return Err(ChunkError::TooLarge { limit: CHUNK_LIMIT });
        }
        let start = header_end + 2;
        let Some(rest) = input.get(start..start + size + 2) else {
            return Ok(Step::Incomplete);
        };
        let (data, ending) = rest.split_at(size);
        if ending != b"\r\n" {
            return Err(ChunkError::Malformed);
        }
        let computed = self.chunk_signature(data);
        if !constant_time_eq(computed.as_bytes(), presented.as_bytes()) {
            return Err(ChunkError::SignatureDoesNotMatch);
        }
        self.previous = computed;
        let consumed = start + size + 2;
        Ok(if size == 0 {
            Step::End { consumed }
        } else {
            Step::Chunk { data, consumed }
        })
    }

    fn chunk_signature(&self, data: &[u8]) -> String {
        let Self {
            timestamp,
            scope,
            previous,
            ..
        } = self;
        let text = format!(
            "AWS4-HMAC-SHA256-PAYLOAD\n{timestamp}\n{scope}\n{previous}\n{EMPTY_PAYLOAD_SHA256}\n{}",
            sha256_hex(data)
        );
        signature(&self.key, &text)
    }
}
