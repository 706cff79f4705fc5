//! S3's `aws-chunked` bodies: data in chunks, each signed and chained to the
//! last, or unsigned with checksums in a trailer.
//! (S3 API Reference, "Transferring payload in multiple chunks" and its
//! "including trailing headers".)

use aws_lc_rs::hmac;

use super::{EMPTY_PAYLOAD_SHA256, constant_time_eq, sha256_hex, signature};

/// Takes a chunked body apart and checks its chain of signatures.
#[derive(Debug, Clone)]
pub struct Decoder {
    /// `None`: the chunks are not signed.
    chain: Option<Chain>,
    /// Whether headers follow the last chunk.
    trailer: bool,
}

/// The link the next signature is tied to; the first is the request's own.
#[derive(Clone)]
struct Chain {
    key: Box<hmac::Key>,
    timestamp: String,
    scope: String,
    previous: String,
}

impl std::fmt::Debug for Chain {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Chain")
            .field("scope", &self.scope)
            .finish_non_exhaustive()
    }
}

/// What a chunked body can be wrong in.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ChunkError {
    #[error("a chunk header is not `SIZE` or `SIZE;chunk-signature=SIGNATURE`")]
    MalformedHeader,
    #[error("a chunk does not end where its size says")]
    MalformedEnd,
    #[error("the trailer is not a list of headers")]
    MalformedTrailer,
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
    /// The closing chunk of no data, and the headers after it, lower case.
    End {
        trailers: Vec<(String, String)>,
        consumed: usize,
    },
}

/// The largest chunk taken in one piece.
pub const CHUNK_LIMIT: usize = 16 << 20;
const HEADER_LIMIT: usize = 128;
const TRAILER_LIMIT: usize = 4096;

impl Decoder {
    pub(super) fn signed(
        key: hmac::Key,
        timestamp: &str,
        scope: &str,
        signature: &str,
        trailer: bool,
    ) -> Self {
        let chain = Chain {
            key: Box::new(key),
            timestamp: timestamp.to_owned(),
            scope: scope.to_owned(),
            previous: signature.to_owned(),
        };
        Self {
            chain: Some(chain),
            trailer,
        }
    }

    pub(super) fn unsigned() -> Self {
        Self {
            chain: None,
            trailer: true,
        }
    }

    /// Reads the chunk at the start of `input`; call again with what follows it.
    ///
    /// # Errors
    /// A chunk that cannot be read, is too large, or is not the one that was signed.
    pub fn decode<'b>(&mut self, input: &'b [u8]) -> Result<Step<'b>, ChunkError> {
        let Some((header, start)) = line(input, HEADER_LIMIT, ChunkError::MalformedHeader)? else {
            return Ok(Step::Incomplete);
        };
        let (size, presented) = match (header.split_once(";chunk-signature="), &self.chain) {
            (Some((size, presented)), Some(_)) => (size, presented),
            (None, None) => (header, ""),
            _ => return Err(ChunkError::MalformedHeader),
        };
        let size = usize::from_str_radix(size, 16).map_err(|_| ChunkError::MalformedHeader)?;
        if size > CHUNK_LIMIT {
            return Err(ChunkError::TooLarge { limit: CHUNK_LIMIT });
        }
        if size == 0 {
            return self.end(input, start, presented);
        }
        let Some(rest) = input.get(start..start + size + 2) else {
            return Ok(Step::Incomplete);
        };
        let (data, ending) = rest.split_at(size);
        if ending != b"\r\n" {
            return Err(ChunkError::MalformedEnd);
        }
        if let Some(chain) = &mut self.chain {
            chain.advance(data, presented)?;
        }
        Ok(Step::Chunk {
            data,
            consumed: start + size + 2,
        })
    }

    /// The chunk of no data and, if there may be one, the trailer, up to an empty line.
    fn end(
        &mut self,
        input: &[u8],
        start: usize,
        presented: &str,
    ) -> Result<Step<'static>, ChunkError> {
        let mut trailers = Vec::new();
        let mut trailer_signature = None;
        let mut at = start;
        loop {
            let rest = input.get(at..).unwrap_or_default();
            let Some((text, length)) = line(rest, TRAILER_LIMIT, ChunkError::MalformedTrailer)?
            else {
                return Ok(Step::Incomplete);
            };
            at += length;
            if text.is_empty() {
                break;
            }
            if !self.trailer || at - start > TRAILER_LIMIT {
                return Err(ChunkError::MalformedTrailer);
            }
            let (name, value) = text.split_once(':').ok_or(ChunkError::MalformedTrailer)?;
            let (name, value) = (name.trim().to_ascii_lowercase(), value.trim().to_owned());
            if name == "x-amz-trailer-signature" {
                trailer_signature = Some(value);
            } else {
                trailers.push((name, value));
            }
        }
        if let Some(chain) = &mut self.chain {
            chain.advance(b"", presented)?;
            if self.trailer {
                chain.check_trailer(&trailers, trailer_signature.as_deref())?;
            }
        }
        Ok(Step::End {
            trailers,
            consumed: at,
        })
    }
}

impl Chain {
    fn advance(&mut self, data: &[u8], presented: &str) -> Result<(), ChunkError> {
        let text = format!("{EMPTY_PAYLOAD_SHA256}\n{}", sha256_hex(data));
        let computed = self.link("AWS4-HMAC-SHA256-PAYLOAD", &text);
        if !constant_time_eq(computed.as_bytes(), presented.as_bytes()) {
            return Err(ChunkError::SignatureDoesNotMatch);
        }
        self.previous = computed;
        Ok(())
    }

    fn check_trailer(
        &self,
        trailers: &[(String, String)],
        presented: Option<&str>,
    ) -> Result<(), ChunkError> {
        let text: String = trailers
            .iter()
            .map(|(name, value)| format!("{name}:{value}\n"))
            .collect();
        let computed = self.link("AWS4-HMAC-SHA256-TRAILER", &sha256_hex(text.as_bytes()));
        let presented = presented.unwrap_or_default();
        if constant_time_eq(computed.as_bytes(), presented.as_bytes()) {
            Ok(())
        } else {
            Err(ChunkError::SignatureDoesNotMatch)
        }
    }

    fn link(&self, algorithm: &str, text: &str) -> String {
        let Self {
            timestamp,
            scope,
            previous,
            ..
        } = self;
        signature(
            &self.key,
            &format!("{algorithm}\n{timestamp}\n{scope}\n{previous}\n{text}"),
        )
    }
}

/// The line at the start of `input` and its length with the line break; `None` when it is not all there.
fn line(
    input: &[u8],
    limit: usize,
    malformed: ChunkError,
) -> Result<Option<(&str, usize)>, ChunkError> {
    match input
        .windows(2)
        .take(limit)
        .position(|pair| pair == b"\r\n")
    {
        Some(end) => {
            let text = std::str::from_utf8(&input[..end]).map_err(|_| malformed)?;
            Ok(Some((text, end + 2)))
        }
        None if input.len() > limit => Err(malformed),
        None => Ok(None),
    }
}
