//! How does an answer look on the wire? One function a protocol, for answers and for errors.

use std::fmt::Write as _;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use http::{Response, StatusCode};
use serde_json::Value;

use crate::error::ApiError;
use crate::route::Protocol;

/// The header every AWS answer carries.
pub(crate) const REQUEST_ID: HeaderName = HeaderName::from_static("x-amzn-requestid");

const JSON: HeaderValue = HeaderValue::from_static("application/x-amz-json-1.1");
const XML: HeaderValue = HeaderValue::from_static("text/xml");
const S3_XML: HeaderValue = HeaderValue::from_static("application/xml");

/// An answer of a JSON service.
pub(crate) fn json(value: &Value) -> Response<Bytes> {
    with_type(StatusCode::OK, JSON, value.to_string().into())
}

/// An error in a service's own shape. `resource` is what S3 calls the path asked for.
pub(crate) fn error(
    protocol: Protocol,
    error: &ApiError,
    request_id: &str,
    resource: &str,
) -> Response<Bytes> {
    match protocol {
        Protocol::Json => {
            let body = serde_json::json!({ "__type": error.code, "message": error.message });
            let mut response = with_type(error.status, JSON, body.to_string().into());
            if let Ok(value) = HeaderValue::from_str(&error.code) {
                response.headers_mut().insert("x-amzn-errortype", value);
            }
            response
        }
        Protocol::Query => {
            let mut xml = String::from(
                "<ErrorResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><Error>",
            );
            let kind = if error.status.is_server_error() {
                "Receiver"
            } else {
                "Sender"
            };
            element(&mut xml, "Type", kind);
            element(&mut xml, "Code", &error.code);
            element(&mut xml, "Message", &error.message);
            xml.push_str("</Error>");
            element(&mut xml, "RequestId", request_id);
            xml.push_str("</ErrorResponse>");
            with_type(error.status, XML, xml.into())
        }
        Protocol::Ec2Query => {
            let mut xml = String::from("<Response><Errors><Error>");
            element(&mut xml, "Code", &error.code);
            element(&mut xml, "Message", &error.message);
            xml.push_str("</Error></Errors>");
            element(&mut xml, "RequestID", request_id);
            xml.push_str("</Response>");
            with_type(error.status, XML, xml.into())
        }
        Protocol::RestXml => {
            let mut xml = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error>");
            element(&mut xml, "Code", &error.code);
            element(&mut xml, "Message", &error.message);
            element(&mut xml, "Resource", resource);
            element(&mut xml, "RequestId", request_id);
            xml.push_str("</Error>");
            with_type(error.status, S3_XML, xml.into())
        }
        Protocol::Messages => {
            // the agent looks for `<AccessDeniedException>` in the text
            let mut xml = format!("<{}>", error.code);
            element(&mut xml, "Message", &error.message);
            element(&mut xml, "RequestId", request_id);
            xml.push_str(&format!("</{}>", error.code));
            with_type(error.status, XML, xml.into())
        }
    }
}

/// An XML document as the answer.
pub(crate) fn xml(protocol: Protocol, document: String) -> Response<Bytes> {
    let kind = if protocol == Protocol::RestXml {
        S3_XML
    } else {
        XML
    };
    with_type(StatusCode::OK, kind, document.into())
}

/// Any answer with a body of a type.
pub(crate) fn with_type(status: StatusCode, kind: HeaderValue, body: Bytes) -> Response<Bytes> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, kind);
    response
}

/// `<name>text</name>`, escaped.
pub(crate) fn element(out: &mut String, name: &str, text: &str) {
    write!(out, "<{name}>{}</{name}>", escape(text)).expect("a String takes any text");
}

/// Text safe between tags and inside double-quoted attributes, in XML and HTML alike.
pub(crate) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            // not a character of XML 1.0
            c if (c as u32) < 0x20 && !"\t\n\r".contains(c) => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

/// The pairs of a form or query string, decoded (WHATWG `application/x-www-form-urlencoded`).
pub(crate) fn form(text: &str) -> Vec<(String, String)> {
    text.split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (form_decode(name), form_decode(value))
        })
        .collect()
}

fn form_decode(text: &str) -> String {
    percent_decode(&text.replace('+', " "))
}

/// Percent-decoding; what is not UTF-8 afterwards becomes U+FFFD, a stray `%` stays.
pub(crate) fn percent_decode(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let hex = (bytes[at] == b'%')
            .then(|| bytes.get(at + 1..at + 3))
            .flatten()
            .filter(|pair| pair.iter().all(u8::is_ascii_hexdigit))
            .and_then(|pair| std::str::from_utf8(pair).ok())
            .and_then(|pair| u8::from_str_radix(pair, 16).ok());
        match hex {
            Some(byte) => {
                out.push(byte);
                at += 3;
            }
            None => {
                out.push(bytes[at]);
                at += 1;
            }
        }
    }
    String::from_utf8(out).unwrap_or_else(|e| String::from_utf8_lossy(e.as_bytes()).into_owned())
}

/// Percent-encoding of everything but RFC 3986's unreserved characters.
pub(crate) fn percent_encode(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            write!(out, "%{byte:02X}").expect("a String takes any text");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn forms_are_decoded() {
        let pairs = form("Action=Get+it&a=%ED%95%9C&b&=x&bad=%zz%4");
        let shown: Vec<_> = pairs.iter().map(|(k, v)| format!("{k}:{v}")).collect();
        assert_eq!(shown, ["Action:Get it", "a:한", "b:", ":x", "bad:%zz%4"]);
    }

    #[test]
    fn markup_in_a_message_stays_text() {
        let refused = ApiError::client("Bad", "<script>\u{1}&\"");
        let response = error(Protocol::RestXml, &refused, "id", "/k");
        let body = String::from_utf8(response.into_body().to_vec()).unwrap();
        assert!(
            body.contains("<Message>&lt;script&gt;\u{fffd}&amp;&quot;</Message>"),
            "{body}"
        );
    }

    proptest! {
        #[test]
        fn encoding_is_undone_by_decoding(text in any::<String>()) {
            prop_assert_eq!(percent_decode(&percent_encode(&text)), text);
        }
    }
}
