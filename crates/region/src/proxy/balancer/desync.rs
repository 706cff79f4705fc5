//! Requests that two servers could read differently.
//!
//! Elastic Load Balancing user guide, "Desync mitigation mode" and
//! "Classification reasons". What is severe (two lengths, a length beside
//! `Transfer-Encoding`, bad characters in names) never gets here: the parser
//! refuses it or takes the dangerous part out. This is about the rest.

use http::request::Parts;
use http::{Method, header};

/// Whether a request follows the standard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Classification {
    /// To the letter.
    Compliant,
    /// Not quite, but nobody reads it in two ways.
    Acceptable(&'static str),
    /// Some may read it in two ways.
    Ambiguous(&'static str),
}

impl Classification {
    /// The access log's word and reason.
    pub(super) fn logged(self) -> Option<(&'static str, &'static str)> {
        match self {
            Self::Compliant => None,
            Self::Acceptable(reason) => Some(("Acceptable", reason)),
            Self::Ambiguous(reason) => Some(("Ambiguous", reason)),
        }
    }
}

pub(super) fn classify(parts: &Parts) -> Classification {
    let reads_only = parts.method == Method::GET || parts.method == Method::HEAD;
    let length = parts.headers.get(header::CONTENT_LENGTH);
    if reads_only && length.is_some_and(|length| length != "0") {
        return Classification::Ambiguous("UndefinedContentLengthSemantics");
    }
    if reads_only && parts.headers.contains_key(header::TRANSFER_ENCODING) {
        return Classification::Ambiguous("UndefinedTransferEncodingSemantics");
    }
    if parts
        .headers
        .values()
        .any(|value| value.as_bytes().iter().all(u8::is_ascii_whitespace))
    {
        return Classification::Ambiguous("EmptyHeader");
    }
    let looks_like_framing = |name: &str| {
        matches!(
            name,
            "transfer_encoding" | "content_length" | "transfer-encoding-" | "content-length-"
        )
    };
    if parts
        .headers
        .keys()
        .any(|name| looks_like_framing(name.as_str()))
    {
        return Classification::Ambiguous("SuspiciousHeader");
    }
    if reads_only && length.is_some() {
        return Classification::Acceptable("GetHeadZeroContentLength");
    }
    if parts
        .headers
        .values()
        .any(|value| !value.as_bytes().is_ascii())
    {
        return Classification::Acceptable("NonCompliantHeader");
    }
    Classification::Compliant
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    #[test]
    fn requests_are_classified_by_the_worst_thing_about_them() {
        let class = |method: &str, name: &str, value: &[u8]| {
            let request = Request::builder()
                .method(method)
                .uri("/")
                .header(name, value)
                .body(())
                .unwrap();
            classify(&request.into_parts().0)
        };
        use Classification::{Acceptable, Ambiguous, Compliant};
        assert_eq!(class("GET", "accept", b"*/*"), Compliant);
        assert_eq!(class("POST", "content-length", b"5"), Compliant);
        assert_eq!(
            class("GET", "content-length", b"5"),
            Ambiguous("UndefinedContentLengthSemantics")
        );
        assert_eq!(
            class("HEAD", "transfer-encoding", b"chunked"),
            Ambiguous("UndefinedTransferEncodingSemantics")
        );
        assert_eq!(
            class("GET", "content-length", b"0"),
            Acceptable("GetHeadZeroContentLength")
        );
        assert_eq!(class("GET", "x-a", b" "), Ambiguous("EmptyHeader"));
        assert_eq!(
            class("POST", "transfer_encoding", b"chunked"),
            Ambiguous("SuspiciousHeader")
        );
        assert_eq!(
            class("GET", "x-name", "매치".as_bytes()),
            Acceptable("NonCompliantHeader")
        );
    }
}
