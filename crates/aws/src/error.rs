//! Why a call gave no answer, and what can be done about it.

use http::StatusCode;
use serde_json::Value as Json;

use crate::credentials::CredentialsError;
use crate::transport::TransportError;
use crate::xml;

/// Longer texts of other machines are cut.
const MAX_MESSAGE: usize = 2_000;

/// Why a call gave no answer.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    #[error(transparent)]
    Credentials(#[from] CredentialsError),
    #[error("{operation} got no answer")]
    Transport {
        operation: String,
        source: TransportError,
    },
    #[error(transparent)]
    Refused(#[from] Refusal),
    #[error("the answer to {operation} is not understood: {reason}")]
    Answer {
        operation: String,
        reason: &'static str,
    },
    #[error("`{path}` is no path that could be asked for")]
    Path { path: String },
}

/// A service's "no".
#[derive(Debug, Clone, thiserror::Error)]
#[error("{operation} was refused: {code}: {message}")]
pub struct Refusal {
    pub operation: String,
    pub status: StatusCode,
    /// AWS's word: `AccessDeniedException`, `TargetNotConnected`.
    pub code: String,
    pub message: String,
}

impl CallError {
    /// AWS's word for it, if a service refused.
    #[must_use]
    pub fn code(&self) -> Option<&str> {
        match self {
            Self::Refused(refusal) => Some(&refusal.code),
            _ => None,
        }
    }

    /// Whether the same call may succeed later, without anybody doing anything.
    #[must_use]
    pub fn may_pass(&self) -> bool {
        match self {
            Self::Transport { source, .. } => source.may_pass(),
            Self::Refused(refusal) => refusal.is_throttling() || refusal.status.is_server_error(),
            Self::Credentials(error) => error.may_pass(),
            Self::Answer { .. } | Self::Path { .. } => false,
        }
    }

    /// What the person can do about it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Credentials(error) => error.hint(),
            Self::Transport { source, .. } => source.hint(),
            Self::Refused(refusal) => refusal.hint(),
            Self::Answer { .. } | Self::Path { .. } => None,
        }
    }
}

impl Refusal {
    /// Reads a service's error, of whichever protocol.
    pub(crate) fn read(
        operation: &str,
        status: StatusCode,
        named: Option<&str>,
        body: &[u8],
    ) -> Self {
        let text = String::from_utf8_lossy(body);
        let (code, message) = from_json(&text)
            .or_else(|| from_xml(&text))
            .unwrap_or_else(|| (None, Some(text.trim().to_owned())));
        // `com.amazonaws.ssm#InvalidTarget`, `AccessDeniedException:http://…`
        let bare = |code: &str| {
            let end = code.rsplit('#').next().unwrap_or(code);
            end.split(':').next().unwrap_or(end).to_owned()
        };
        let code = named.map(bare).or(code.as_deref().map(bare));
        let mut message = message.filter(|text| !text.is_empty()).unwrap_or_else(|| {
            let reason = status.canonical_reason();
            reason.unwrap_or("no reason is given").to_owned()
        });
        if let Some((end, _)) = message.char_indices().nth(MAX_MESSAGE) {
            message.truncate(end);
        }
        Self {
            operation: operation.to_owned(),
            status,
            code: code.unwrap_or_else(|| status.as_str().to_owned()),
            message,
        }
    }

    /// Whether the service asks for patience.
    #[must_use]
    pub fn is_throttling(&self) -> bool {
        const CODES: [&str; 9] = [
            "BandwidthLimitExceeded",
            "LimitExceededException",
            "ProvisionedThroughputExceededException",
            "RequestLimitExceeded",
            "RequestThrottled",
            "SlowDown",
            "Throttling",
            "ThrottlingException",
            "TooManyRequestsException",
        ];
        self.status == StatusCode::TOO_MANY_REQUESTS || CODES.contains(&self.code.as_str())
    }

    /// Whether the credentials are no longer good.
    #[must_use]
    pub fn is_expired(&self) -> bool {
        ["ExpiredToken", "ExpiredTokenException", "RequestExpired"].contains(&self.code.as_str())
    }

    /// Whether the caller lacks permission.
    #[must_use]
    pub fn is_denied(&self) -> bool {
        const CODES: [&str; 4] = [
            "AccessDenied",
            "AccessDeniedException",
            "UnauthorizedOperation",
            "AuthorizationError",
        ];
        CODES.contains(&self.code.as_str())
    }

    /// What the person can do about it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        if self.is_expired() {
            return Some("sign in again: `aws sso login`, or fetch new credentials".to_owned());
        }
        if self.is_denied() {
            return Some(denied(&self.message));
        }
        match self.code.as_str() {
            "InvalidClientTokenId" | "UnrecognizedClientException" | "InvalidAccessKeyId" => {
                Some("AWS does not know this access key: is it the right account's, and active?")
            }
            "SignatureDoesNotMatch" | "InvalidSignatureException" => Some(
                "the secret key does not belong to the access key, or this machine's clock is wrong",
            ),
            "RequestTimeTooSkewed" => Some("set this machine's clock"),
            "TargetNotConnected" => Some(
                "the instance has to run its SSM agent and reach ssm, ssmmessages and ec2messages \
                 (endpoints or a NAT gateway); after a start it takes a minute",
            ),
            _ => None,
        }
        .map(str::to_owned)
    }
}

/// Says which permission is missing, as far as the service tells.
fn denied(message: &str) -> String {
    let after = |mark: &str| {
        let (_, rest) = message.split_once(mark)?;
        let word = rest.split_whitespace().next()?;
        Some(word.trim_end_matches([',', '.']))
    };
    match (after("to perform: "), after("on resource: ")) {
        _ if message.contains("explicit deny") => {
            "a policy denies this by name: a boundary, an endpoint's or the organisation's, perhaps"
                .to_owned()
        }
        (Some(action), Some(resource)) => {
            format!("whoever calls needs a policy that allows `{action}` on `{resource}`")
        }
        (Some(action), None) => format!("whoever calls needs a policy that allows `{action}`"),
        _ => "whoever calls needs a policy that allows it".to_owned(),
    }
}

fn from_json(text: &str) -> Option<(Option<String>, Option<String>)> {
    let answer: Json = serde_json::from_str(text).ok()?;
    let field = |names: [&str; 2]| {
        let mut found = names.iter().filter_map(|name| answer.get(name));
        found.next()?.as_str().map(str::to_owned)
    };
    answer.as_object()?;
    Some((field(["__type", "code"]), field(["message", "Message"])))
}

fn from_xml(text: &str) -> Option<(Option<String>, Option<String>)> {
    let document = xml::parse(text)?;
    let error = xml::find(&document, "Error").unwrap_or_else(|| document.root_element());
    match xml::text(error, "Code") {
        Some(code) => Some((Some(code), xml::text(error, "Message"))),
        // `<AccessDeniedException><Message>…`, as ssmmessages has it
        None => Some((
            Some(error.tag_name().name().to_owned()),
            xml::text(error, "Message").or_else(|| xml::text(error, "message")),
        )),
    }
}

#[cfg(test)]
mod tests;
