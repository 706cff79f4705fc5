//! What every HTTP hop does to header fields.

use aws_lc_rs::rand;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};

/// Fields that belong to one connection (RFC 9110 §7.6.1), whether listed in
/// `Connection` or not.
const HOP_BY_HOP: [HeaderName; 8] = [
    header::CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    header::PROXY_AUTHENTICATE,
    header::PROXY_AUTHORIZATION,
    header::TE,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];

/// Takes out what must not go on to the next hop.
pub(super) fn remove_hop_by_hop(headers: &mut HeaderMap) {
    let listed: Vec<HeaderName> = headers
        .get_all(header::CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| name.trim().parse().ok())
        .collect();
    for name in HOP_BY_HOP.iter().chain(&listed) {
        headers.remove(name);
    }
}

/// Puts cookies that HTTP/2 sent as several fields into the one that HTTP/1.1
/// allows (RFC 9113 §8.2.3).
pub(super) fn join_cookies(headers: &mut HeaderMap) {
    let cookies: Vec<&[u8]> = headers
        .get_all(header::COOKIE)
        .iter()
        .map(HeaderValue::as_bytes)
        .collect();
    if cookies.len() > 1
        && let Ok(joined) = HeaderValue::from_bytes(&cookies.join(&b"; "[..]))
    {
        headers.insert(header::COOKIE, joined);
    }
}

/// The protocol a request asks to change to, if it does.
pub(super) fn upgrade(headers: &HeaderMap) -> Option<HeaderValue> {
    let asked = headers
        .get_all(header::CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|token| token.trim().eq_ignore_ascii_case("upgrade"));
    if asked {
        headers.get(header::UPGRADE).cloned()
    } else {
        None
    }
}

/// Adds `address` to the end of a list field such as `X-Forwarded-For`.
pub(super) fn append_to_list(headers: &mut HeaderMap, name: &HeaderName, address: &str) {
    let mut list = String::new();
    for value in headers.get_all(name) {
        list.push_str(&String::from_utf8_lossy(value.as_bytes()));
        list.push_str(", ");
    }
    list.push_str(address);
    if let Ok(value) = HeaderValue::from_str(&list) {
        headers.insert(name, value);
    }
}

/// `bytes` random bytes in lower-case hexadecimal.
pub(super) fn random_hex(bytes: usize) -> String {
    let mut random = vec![0; bytes];
    rand::fill(&mut random).expect("the system's random source does not fail");
    random.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A host and port split, with IPv6 brackets kept on the host.
pub(super) fn split_host(authority: &str) -> (&str, Option<u16>) {
    match authority.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, port.parse().ok()),
        _ => (authority, None),
    }
}
