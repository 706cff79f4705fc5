//! Why a request is not accepted as signed, in each AWS protocol's own word.

use time::OffsetDateTime;

/// What is wrong with a request's authentication.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    #[error("Request is missing Authentication Token")]
    MissingAuthenticationToken,
    /// `part` is what lacks or cannot be read.
    #[error("Authorization header requires {part}")]
    IncompleteSignature { part: &'static str },
    /// A header that must be signed is not.
    #[error("there were headers present in the request which were not signed: {name}")]
    HeaderNotSigned { name: String },
    #[error("Credential should be scoped to {what} `{expected}`, not `{found}`")]
    WrongScope {
        what: &'static str,
        expected: String,
        found: String,
    },
    #[error(
        "The request signature we calculated does not match the signature you provided. \
         Check your AWS Secret Access Key and signing method"
    )]
    SignatureDoesNotMatch,
    /// The body is not the one whose hash was signed.
    #[error("The provided 'x-amz-content-sha256' header does not match what was computed")]
    PayloadHashMismatch,
    #[error("Signature expired: {signed_at} is now earlier than {earliest}")]
    Expired { signed_at: String, earliest: String },
    #[error("Signature not yet current: {signed_at} is still later than {latest}")]
    NotYetCurrent { signed_at: String, latest: String },
    /// A pre-signed URL whose time is over.
    #[error("Request has expired")]
    PresignedExpired { at: OffsetDateTime },
}

/// The protocol family of a service; the same fault has a different code in each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// Query services: STS, CloudFormation, IAM.
    Query,
    /// JSON services: Secrets Manager, KMS, SSM, Logs, ECR.
    Json,
    S3,
}

impl SignatureError {
    /// The error code a client of the service expects.
    #[must_use]
    pub fn code(&self, dialect: Dialect) -> &'static str {
        use Dialect::{Json, Query, S3};
        match (self, dialect) {
            (Self::MissingAuthenticationToken, Query) => "MissingAuthenticationToken",
            (Self::MissingAuthenticationToken, Json) => "MissingAuthenticationTokenException",
            (Self::MissingAuthenticationToken | Self::HeaderNotSigned { .. }, S3) => "AccessDenied",
            (Self::IncompleteSignature { .. }, Query) => "IncompleteSignature",
            (Self::IncompleteSignature { .. }, Json) => "IncompleteSignatureException",
            (Self::IncompleteSignature { .. } | Self::WrongScope { .. }, S3) => {
                "AuthorizationHeaderMalformed"
            }
            (Self::PayloadHashMismatch, S3) => "XAmzContentSHA256Mismatch",
            (Self::Expired { .. } | Self::NotYetCurrent { .. }, S3) => "RequestTimeTooSkewed",
            (Self::PresignedExpired { .. }, S3) => "AccessDenied",
            (Self::PresignedExpired { .. }, Query) => "RequestExpired",
            (Self::SignatureDoesNotMatch, S3) | (_, Query) => "SignatureDoesNotMatch",
            (_, Json) => "InvalidSignatureException",
        }
    }

    /// The HTTP status that goes with it.
    #[must_use]
    pub fn status(&self, dialect: Dialect) -> u16 {
        match (self, dialect) {
            (Self::IncompleteSignature { .. } | Self::PayloadHashMismatch, _) => 400,
            (Self::WrongScope { .. }, Dialect::S3) => 400,
            (_, Dialect::Json) => 400,
            _ => 403,
        }
    }
}
