//! `X-Amzn-Trace-Id`: Elastic Load Balancing user guide, "Request tracing".

use std::time::{SystemTime, UNIX_EPOCH};

use http::HeaderMap;
use http::header::{HeaderName, HeaderValue};

use crate::proxy::headers::random_hex;

pub(super) const TRACE_ID: HeaderName = HeaderName::from_static("x-amzn-trace-id");

/// Sets the trace field of a request and returns its new value.
///
/// Without one, a `Root` is made; with one, `Self` is put in or replaced, and
/// the rest is kept.
pub(super) fn stamp(headers: &mut HeaderMap, now: SystemTime) -> String {
    let seconds = now
        .duration_since(UNIX_EPOCH)
        .map_or(0, |elapsed| elapsed.as_secs());
    let fresh = format!("1-{seconds:08x}-{}", random_hex(12));
    let sent = headers.get(TRACE_ID).and_then(|value| value.to_str().ok());
    let value = sent.map_or_else(|| format!("Root={fresh}"), |sent| with_self(sent, &fresh));
    if let Ok(value) = HeaderValue::from_str(&value) {
        headers.insert(TRACE_ID, value);
    }
    value
}

fn with_self(sent: &str, fresh: &str) -> String {
    let others = sent
        .split(';')
        .map(str::trim)
        .filter(|field| !field.is_empty() && !field.starts_with("Self="));
    let mut value = format!("Self={fresh}");
    for field in others {
        value.push(';');
        value.push_str(field);
    }
    value
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_root_is_made_and_self_is_put_before_it() {
        let now = UNIX_EPOCH + Duration::from_secs(0x6789_1234);
        let mut headers = HeaderMap::new();
        let root = stamp(&mut headers, now);
        assert!(
            root.starts_with("Root=1-67891234-") && root.len() == 5 + 35,
            "{root}"
        );
        let second = stamp(&mut headers, now);
        assert!(second.starts_with("Self=1-67891234-"), "{second}");
        assert!(second.ends_with(&format!(";{root}")), "{second}");
        let third = stamp(&mut headers, now);
        assert_eq!(third.matches("Self=").count(), 1, "{third}");
        assert_ne!(second, third);
        assert_eq!(headers[TRACE_ID], third);
    }
}
